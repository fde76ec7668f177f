"""The best hits, compared with the pictures of the query: those that show the same come first.

A hit that is a region is compared first as that, with the pixels that it has, and then as the whole picture.
Where in it the term's picture was found is the hit's box from then on.

Only what is sure moves a hit: an alignment of its keypoints that chance does not bring (`docs/verify.md`). A
few keypoints that agree say nothing, and neither does their absence, since two pictures of a kind need not
show one thing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from findalike import pixels as pixels_
from findalike import verify
from findalike.present import caption
from findalike.present.caption import Pair
from findalike.query import VERIFICATIONS
from findalike.search.terms import Seen
from findalike.search.views import Views
from findalike.types import WHOLE, Box, Hit, Pixels, Reason
from findalike.verify import Alignment, Keypoints

DEPTH = 50
"""So many of the best hits are compared."""

SURE = 0.9
"""The least confidence of an alignment that moves a hit."""

ALIKE = 0.5
"""The least structural similarity of two pictures that lie on each other by their keypoints."""

SAME_SHAPE, ALIKE_UNALIGNED = 1.05, 0.9
"""Pictures without keypoints enough are laid on each other as they are, where their shapes differ by no more
than this factor; they must then be more alike."""

UNALIGNED_SIDE = 128

MARGIN = 0.8
"""What of each side a region has of what is compared: keypoints need room."""

FILLED = 0.9
"""What of a hit's picture the term's must fill to be all of it."""

Watch = Callable[[int, int], None]
"""Is told how many of how many hits were compared."""


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """Why a hit was verified: by which term, how surely in 0..1, and how that orders among others. `lines`
    are x, y in the term's picture and x, y in the hit's, in 0..1, of what agrees: shape (n, 4). `box` is
    where in the hit's picture that is, None where it is not known."""

    seen: Seen
    strength: float
    value: float
    lines: NDArray[np.float64]
    box: Box | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Verified:
    """Hits in their new order, the proofs by asset id, and how many hits could not be read."""

    hits: Sequence[Hit]
    proofs: dict[str, Proof] = field(default_factory=dict)
    unread: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One picture that is compared, or the part of it in a box."""

    pixels: Pixels
    keypoints: Keypoints
    box: Box = WHOLE


class Verifier:
    """Compares hits with the pictures of one query; `method` is one of `query.VERIFICATIONS`."""

    def __init__(self, method: str, views: Views, threads: int) -> None:
        self.method = method
        self.views = views
        self.threads = threads

    def verified(self, hits: Sequence[Hit], seen: Sequence[Seen], watch: Watch) -> Verified:
        """The hits, those first that show the same as one of the pictures that are looked for."""
        looked_for = [s for s in seen if s.term.kind in ("image", "asset") and s.term.weight > 0]
        pictures = [(s, self._side(self.views.of_term(s))) for s in looked_for]
        terms = [(s, side) for s, side in pictures if side is not None]
        if not terms or not hits:
            return Verified(hits, unread=len(hits))
        proofs: dict[str, Proof] = {}
        unread = 0
        with ThreadPoolExecutor(self.threads) as pool:
            tasks = {pool.submit(self._proof, hit, terms): hit for hit in hits}
            for done, task in enumerate(as_completed(tasks), 1):
                read, proof = task.result()
                unread += not read
                if proof:
                    proofs[tasks[task].asset.id] = proof
                watch(done, len(hits))
        return Verified(_ordered(hits, proofs, self.method), proofs, unread)

    def _sides(self, hit: Hit) -> Iterator[Side]:
        """The hit's region, if it is one, and its whole picture; none where that cannot be read."""
        if hit.origin.part == "region" and hit.origin.time is None:
            box = pixels_.with_margin(hit.origin.box, MARGIN)
            whole = self.views.of_hit(hit, box)
            if (side := self._side(None if whole is None else pixels_.crop(whole, box), box)) is not None:
                yield side
        if (side := self._side(self.views.of_hit(hit))) is not None:
            yield side

    def _side(self, pixels: Pixels | None, box: Box = WHOLE) -> Side | None:
        return None if pixels is None else Side(pixels, verify.keypoints(pixels), box)

    def _proof(self, hit: Hit, terms: Sequence[tuple[Seen, Side]]) -> tuple[bool, Proof | None]:
        """Whether the hit's picture was there, and the best proof of the first side that has any."""
        judge = self._geometric if self.method == "geometric" else self._structural
        read = False
        for side in self._sides(hit):
            read = True
            proofs = [proof for seen, term in terms if (proof := judge(seen, term, side, hit))]
            if proofs:
                return True, max(proofs, key=lambda proof: proof.value)
        return read, None

    def _geometric(self, seen: Seen, term: Side, side: Side, hit: Hit) -> Proof | None:
        """By evidence and score together: both are logarithms of odds."""
        found = _sure(term, side)
        if found is None:
            return None
        score = min(max(hit.score, 0.01), 0.99)
        value = found.evidence + math.log10(score / (1 - score))
        return Proof(seen, found.confidence, value, _lines(found, term, side), _place(found, term, side))

    def _structural(self, seen: Seen, term: Side, side: Side, hit: Hit) -> Proof | None:
        found = _sure(term, side)
        if found is None:
            alike, least = _unaligned(term.pixels, side.pixels), ALIKE_UNALIGNED
            return Proof(seen, alike, alike, np.zeros((0, 4))) if alike >= least else None
        alike, least = verify.ssim_aligned(term.pixels, side.pixels, found), ALIKE
        lines, place = _lines(found, term, side), _place(found, term, side)
        return Proof(seen, alike, alike, lines, place) if alike >= least else None


def is_verified(hit: Hit) -> bool:
    return any(reason.space in VERIFICATIONS for reason in hit.reasons)


def paired(hits: Sequence[Hit], proofs: Mapping[str, Proof], views: Views, start: int) -> list[Pair]:
    """The verified hits among these, each beside the picture it was verified by; `start` hits came before."""
    found = []
    for rank, hit in enumerate(hits, start + 1):
        proof = proofs.get(hit.asset.id)
        left, right = (views.of_term(proof.seen), views.of_hit(hit)) if proof else (None, None)
        if proof and left is not None and right is not None:
            label = caption.printable(proof.seen.term.label)
            found.append(Pair(left, right, proof.lines, label, caption.name(hit), rank, _words(proof, hit)))
    return found


def _words(proof: Proof, hit: Hit) -> str:
    """What stands below a pair."""
    method = next(reason.space for reason in hit.reasons if reason.space in VERIFICATIONS)
    count = len(proof.lines)
    told = f"{count} {'match' if count == 1 else 'matches'}, " if count else ""
    strength = math.floor(proof.strength * 100 + 1e-9) / 100
    return f"{told}{'confidence' if method == 'geometric' else 'structure'} {strength:.2f}"


def _sure(term: Side, side: Side) -> Alignment | None:
    found = verify.aligned(term.keypoints, side.keypoints)
    return found if found and found.confidence >= SURE else None


def _unaligned(a: Pixels, b: Pixels) -> float:
    """The structural similarity of pictures of one shape; 0 of others."""
    shapes = a.shape[1] / a.shape[0], b.shape[1] / b.shape[0]
    if max(shapes) > SAME_SHAPE * min(shapes):
        return 0.0
    size = pixels_.fit(b, UNALIGNED_SIDE).shape
    return verify.ssim(verify.resized(a, size), verify.resized(b, size))


def _lines(found: Alignment, term: Side, side: Side) -> NDArray[np.float64]:
    a, b = term.keypoints, side.keypoints
    left = (a.points[found.matches[:, 0]] + 0.5) / (a.width, a.height)
    right = _in_whole((b.points[found.matches[:, 1]] + 0.5) / (b.width, b.height), side.box)
    return np.hstack([left, right]).astype(np.float64)


def _place(found: Alignment, term: Side, side: Side) -> Box | None:
    """The box, in the hit's picture, of what of the term's picture agrees; None where that has no area."""
    a, b = term.keypoints, side.keypoints
    seen = a.points[found.matches[:, 0]]
    room = (seen.max(axis=0) - seen.min(axis=0)) * np.float32((1 / MARGIN - 1) / 2)
    low = np.maximum(seen.min(axis=0) - room, 0)
    high = np.minimum(seen.max(axis=0) + room, (a.width, a.height))
    corners = np.array([low, (high[0], low[1]), high, (low[0], high[1])], np.float64)
    moved = _in_whole(verify.applied(found.transform, corners) / (b.width, b.height), side.box).clip(0, 1)
    (left, top), (right, bottom) = moved.min(axis=0).tolist(), moved.max(axis=0).tolist()
    return (left, top, right, bottom) if left < right and top < bottom else None


def _in_whole(points: NDArray[np.float64], box: Box) -> NDArray[np.float64]:
    """Points of a part, in 0..1 of it, as those of the picture."""
    corner, size = np.array(box[:2]), np.array(box[2:]) - np.array(box[:2])
    moved: NDArray[np.float64] = points * size + corner
    return moved


def _ordered(hits: Sequence[Hit], proofs: dict[str, Proof], method: str) -> list[Hit]:
    first = sorted((hit for hit in hits if hit.asset.id in proofs), key=lambda h: -proofs[h.asset.id].value)
    told = [_told(hit, proofs[hit.asset.id], method) for hit in first]
    return told + [hit for hit in hits if hit.asset.id not in proofs]


def _told(hit: Hit, proof: Proof, method: str) -> Hit:
    """The hit with the reason, and with the place where the proof found the term."""
    hit = replace(hit, reasons=(*hit.reasons, _reason(proof, method)))
    if proof.box is None or hit.origin.time is not None or hit.origin.part not in ("whole", "region"):
        return hit
    left, top, right, bottom = proof.box
    if (right - left) * (bottom - top) >= FILLED:
        return replace(hit, origin=replace(hit.origin, part="whole", box=WHOLE, label=""))
    return replace(hit, origin=replace(hit.origin, part="region", box=proof.box))


def _reason(proof: Proof, method: str) -> Reason:
    return Reason(proof.seen.term.label, method, proof.strength, proof.seen.term.weight)

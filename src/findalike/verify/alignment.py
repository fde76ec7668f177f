"""Whether two pictures show the same flat thing or the same view: keypoints that one transform explains.

Each matched pair of keypoints, with its place, size and direction, tells a turn, a scale and a shift; that
which most pairs agree on is taken (after Philbin et al. 2007), and refined to an affine transform and, where
the pairs carry it, to a homography. Nothing is drawn by chance, so the same pictures get the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from findalike.verify import geometry
from findalike.verify.confidence import confidence, evidence, support
from findalike.verify.geometry import Points, Transform
from findalike.verify.keypoints import Keypoints, mirrored, opencv
from findalike.verify.matching import Matches, matched

LEAST = 4
"""Fewer agreeing matches are no alignment."""

MOST_GUESSES = 400
"""So many of the clearest matches are tried as the one that tells the transform."""

LOOSE, TIGHT = 0.06, 0.015
"""How far a keypoint may lie from where it is expected, by one match and in the end: parts of the side of a
square of the picture's area."""

TURN, ZOOM = 40.0, 1.8
"""How far the direction (degrees) and the size (factor) of a keypoint may differ from what is expected."""

CELL = 0.02
"""Matches that are as near to each other as this count once: they see the same spot."""

HOMOGRAPHY_FROM = 8
"""A homography takes so many matches, and two more than the affine transform explains."""


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """How picture `a` lies on picture `b`.

    `matches` are the numbers of the keypoints of `a` and of `b` that agree, shape (n, 2). `transform` takes
    pixels of `a`, or where `mirrored` those of its mirror image, to pixels of `b`: x, y, 1 by a matrix of
    shape (3, 3). `scale` and `rotation` (degrees, clockwise) are those at the middle of what agrees.
    `overlap` is the part of `a` and the part of `b` that both show, each in 0..1. `tried` is the number of
    matches before any had to agree; `evidence`, from 0, the powers of ten by which so many agree more often
    than by chance; `support`, in 0..1, how much of what is in the middle of `a`, or of `b` where that is
    more, agrees. `confidence`, in 0..1, is how sure it is that both show the same thing: see
    `docs/verify.md`.
    """

    matches: NDArray[np.int64]
    transform: Transform
    scale: float
    rotation: float
    overlap: tuple[float, float]
    tried: int
    mirrored: bool
    evidence: float
    support: float
    confidence: float

    def __len__(self) -> int:
        return len(self.matches)


def aligned(a: Keypoints, b: Keypoints, reflections: bool = False) -> Alignment | None:
    """How `a` lies on `b`; None where no transform explains even a few keypoints. With `reflections` also
    as its mirror image (`sift` alone). Both must be of one kind."""
    plain = _aligned(a, b, False)
    if not reflections or a.kind != "sift":
        return plain
    turned = _aligned(mirrored(a), b, True)
    return max((each for each in (plain, turned) if each), key=lambda each: each.confidence, default=None)


def _aligned(a: Keypoints, b: Keypoints, is_mirrored: bool) -> Alignment | None:
    found = matched(a, b)
    explained = _explained(found, a, b) if len(found) >= LEAST else None
    if explained is None:
        return None
    transform, agreeing = explained
    inside = found[agreeing]
    pixels = _in_pixels(transform, a, b)
    middle = geometry.jacobian(pixels, inside.a.mean(axis=0) * a.unit)
    surprise = evidence(_distinct(inside), _distinct(found))
    agreed = max(_supported(a, inside.a), _supported(b, inside.b))
    return Alignment(
        inside.pairs,
        pixels,
        float(np.sqrt(np.linalg.det(middle))),
        float(np.degrees(np.arctan2(middle[1, 0] - middle[0, 1], middle[0, 0] + middle[1, 1]))),
        _overlap(pixels, a, b),
        len(found),
        is_mirrored,
        surprise,
        agreed,
        confidence(surprise, agreed),
    )


def _explained(found: Matches, a: Keypoints, b: Keypoints) -> tuple[Transform, NDArray[np.bool_]] | None:
    """The transform that explains most matches, and which; None where none is sane or explains enough."""
    near = _voted(found)
    best = _refined(found, near, a)
    if best is None:
        return None
    if best[1].sum() >= HOMOGRAPHY_FROM:
        bent = _homography(found, near | best[1], a)
        if bent is not None and bent[1].sum() >= best[1].sum() + 2:
            return bent
    return best


def _voted(found: Matches) -> NDArray[np.bool_]:
    """The matches that agree with the one that most agree with, within loose bounds."""
    guess = slice(MOST_GUESSES)
    za, zb = found.a @ (1, 1j), found.b @ (1, 1j)
    turns = found.zoom * np.exp(1j * np.radians(found.turn))
    expected = turns[guess, None] * (za[None] - za[guess, None]) + zb[guess, None]
    relative = turns[None] / turns[guess, None]
    agree = abs(expected - zb[None]) <= LOOSE * np.sqrt(found.zoom[guess, None])
    agree &= _alike(np.abs(relative), np.degrees(np.angle(relative)))
    chosen: NDArray[np.bool_] = agree[agree.sum(axis=1).argmax()]
    return chosen


def _alike(zoom: NDArray[np.float64], turn: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a keypoint is about as large and as turned as expected."""
    about: NDArray[np.bool_] = (zoom <= ZOOM) & (zoom >= 1 / ZOOM)
    about &= np.abs((turn + 180) % 360 - 180) <= TURN
    return about


def _refined(
    found: Matches, near: NDArray[np.bool_], a: Keypoints
) -> tuple[Transform, NDArray[np.bool_]] | None:
    """An affine transform, or of few matches a similarity, fitted again and again to what it explains."""
    agreeing = near
    transform = np.eye(3)
    for tolerance in (LOOSE, LOOSE / 2, TIGHT, TIGHT, TIGHT):
        count = _distinct(found[agreeing])
        if count < LEAST:
            return None
        fit = geometry.affine if count >= 2 * LEAST else geometry.similarity
        transform = fit(found.a[agreeing], found.b[agreeing])
        if not _is_sane(transform, a):
            return None
        agreeing = _agreeing(transform, found, tolerance)
    return (transform, agreeing) if _distinct(found[agreeing]) >= LEAST else None


def _homography(
    found: Matches, near: NDArray[np.bool_], a: Keypoints
) -> tuple[Transform, NDArray[np.bool_]] | None:
    cv2 = opencv()
    transform, _ = cv2.findHomography(found.a[near], found.b[near], cv2.USAC_MAGSAC, TIGHT, None, 1000, 0.999)
    if transform is None or not _is_sane(transform, a):
        return None
    return transform, _agreeing(transform, found, TIGHT)


def _is_sane(transform: Transform, a: Keypoints) -> bool:
    return geometry.is_sane(transform, a.width / a.unit, a.height / a.unit)


def _agreeing(transform: Transform, found: Matches, tolerance: float) -> NDArray[np.bool_]:
    """The matches that a transform explains: place, size and direction."""
    middle = geometry.jacobian(transform, found.a.mean(axis=0))
    zoom = np.sqrt(abs(np.linalg.det(middle)))
    turn = np.degrees(np.arctan2(middle[1, 0] - middle[0, 1], middle[0, 0] + middle[1, 1]))
    apart = np.linalg.norm(geometry.applied(transform, found.a) - found.b, axis=1)
    near: NDArray[np.bool_] = apart <= tolerance * np.sqrt(zoom)
    return near & _alike(found.zoom / zoom, found.turn - turn)


def _distinct(found: Matches) -> int:
    """How many matches there are, where those that see the same spot count once."""
    spots = [np.unique(np.floor(points / CELL), axis=0) for points in (found.a, found.b)]
    return min(map(len, spots))


def _in_pixels(transform: Transform, a: Keypoints, b: Keypoints) -> Transform:
    return np.diag([b.unit, b.unit, 1]) @ transform @ np.diag([1 / a.unit, 1 / a.unit, 1])


def _supported(keypoints: Keypoints, chosen: Points) -> float:
    middle = np.array((keypoints.width, keypoints.height)) / (2 * keypoints.unit)
    return support(keypoints.points.astype(np.float64) / keypoints.unit, chosen, middle)


def _overlap(transform: Transform, a: Keypoints, b: Keypoints) -> tuple[float, float]:
    """The parts of `a` and of `b` that both show."""
    outline = geometry.common(transform, (a.width, a.height), (b.width, b.height))
    if len(outline) < 3:
        return 0.0, 0.0
    back = geometry.applied(geometry.inverse(transform), outline)
    part_a = geometry.area(back) / (a.width * a.height)
    return min(1.0, part_a), min(1.0, geometry.area(outline) / (b.width * b.height))

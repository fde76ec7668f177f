"""What threads do with files: read, tell moved from new, decode, encode."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Literal, cast

import numpy as np

from findalike import decode, pixels, plugins, regions, sources
from findalike.decode import animation
from findalike.decode.sampling import Sampling
from findalike.encode.base import Classifier, Derived, Encoder, PartEncoder, derived, encode, short_side
from findalike.errors import EncoderError, FindalikeError, NotAPicture
from findalike.ingest.films import Joined, Wishes, seekable
from findalike.ingest.identity import Identified
from findalike.ingest.observe import Found
from findalike.ingest.plan import Job, Plan, describes_regions
from findalike.regions import Finder, Proposal
from findalike.settings import Settings
from findalike.sources.base import reason
from findalike.store.columns import kind_of
from findalike.types import Asset, Card, Failure, Metadata, Origin, Picture, Row, Vector, Vectors
from findalike.words.measures import SIDE, measured, of_jpeg

log = logging.getLogger(__name__)

HASHED = 1 << 20
"""Bytes of a film that are read at once to know it by."""

BATCH = 8
"""Parts that are encoded at once: no faster with more, and with all of them memory would have no bound."""

PART_SIDE = 160
"""Pixels of the longer side of the small picture that is kept of a face."""

Outcome = Literal["added", "updated", "encoded", "moved", "unchanged", "skipped", "failed"]


@dataclass(slots=True)
class Done:
    """What became of a job. With a picture, it waits for the rows of `spaces` and the evidence for `banks`;
    with a thumbnail, it was decoded anew. `small` is the picture without the pixels that only its parts need.
    `probabilities` are those of a classifier, shape (classes,)."""

    job: Job
    outcome: Outcome
    asset: Asset | None = None
    thumbnail: bytes = b""
    picture: Picture | None = None
    small: Picture | None = None
    spaces: tuple[str, ...] = ()
    banks: tuple[str, ...] = ()
    parts: list[Proposal] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    attachments: dict[str, bytes] = field(default_factory=dict)
    probabilities: Vector | None = None
    evidence: Found = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """How far a film is: `seconds` of `of`, which not every film says."""

    uri: str
    seconds: float
    of: float | None


Tell = Callable[[Step], None]


def failed(job: Job, stage: str, error: str) -> Done:
    listed = job.listed
    return Done(job, "failed", failure=Failure(listed.uri, stage, error, listed.size, listed.modified))


class Worker:
    """Looks into files. `work` may be called by several threads at once."""

    def __init__(
        self,
        encoders: Sequence[Encoder],
        settings: Settings,
        plan: Plan,
        identities: Identified,
        finders: Sequence[Finder] = (),
    ) -> None:
        self._encoders = {encoder.card.space: encoder for encoder in encoders}
        classifiers = [e.card.space for e in encoders if hasattr(e, "classify_batch")]
        self._classifier = classifiers[0] if classifiers and plan.watchers.of_pixels else None
        self._settings = settings
        self._sampling = Sampling.parse(settings.frames, settings.frames_per_minute)
        self._plan = plan
        self._identities = identities
        self._finders = finders
        self._enough = short_side(e.card for e in encoders if not isinstance(e, PartEncoder))
        self._short_side = regions.magnified(finders, short_side(encoder.card for encoder in encoders))

    def work(self, jobs: Sequence[Job], tell: Tell = lambda _: None) -> list[Done]:
        """What becomes of files. `tell` hears how far long films are; what it raises ends the work."""
        sources.fetch(job.listed for job in jobs)
        try:
            several = [self._guarded(job, tell) for job in jobs]
        finally:
            sources.forget(job.listed.uri for job in jobs)
        self._describe(several)
        return several

    def _describe(self, several: Sequence[Done]) -> None:
        """Give those that have a picture their rows, evidence and attachments."""
        for done in several:
            self._divide(done)
        for space in self._encoders:
            self._encode(space, [done for done in several if done.picture and self._wants(done, space)])
        for done in several:
            if done.small and done.asset:
                done.evidence = self._plan.watchers.look(
                    done.banks, done.small, done.asset.metadata, done.probabilities
                )
            done.picture, done.small, done.parts = None, None, []

    def _divide(self, done: Done) -> None:
        """Give it the parts that the finders propose, with the marks that they looked. A picture that one
        fails at is kept without those parts, and looked into again in the next run."""
        if done.picture is None or not any(describes_regions(self._encoders[s]) for s in done.spaces):
            return
        for finder in self._finders:
            try:
                done.parts += regions.parts(finder, done.picture)
                done.attachments[regions.mark(finder.name)] = b""
            except Exception:
                log.exception("the finder %s failed at %s", finder.name, done.job.listed.uri)

    def _wants(self, done: Done, space: str) -> bool:
        return space in done.spaces or (space == self._classifier and bool(done.banks))

    def _guarded(self, job: Job, tell: Tell) -> Done:
        stage, uri = "read", job.listed.uri
        try:
            with sources.open_asset(uri) as file:
                head = file.read(decode.HEAD_BYTES)
                media = decode.sniff(head)
                if not media and (decode.sniff_film(head) or decode.looks_like_film(uri)):
                    return self._film(job, file, tell)
                if not media and not job.known and not decode.looks_like_picture(uri):
                    return Done(job, "skipped")
                data = head + file.read()
            stage = "decode"
            return self._looked_into(job, data, media, tell)
        except FindalikeError as error:
            return failed(job, stage, str(error))
        except OSError as error:  # a bad sector, a drive that went away
            return failed(job, stage, reason(error))
        except Exception as error:  # one file, whatever it holds, never ends a run
            log.exception("unexpected error at %s", uri)
            return failed(job, stage, f"{type(error).__name__}: {error}")

    def _identified(self, job: Job, sha256: str, media: str) -> Done:
        """What has to be done about a file of this content: nothing, where it lacks no spaces and banks."""
        known, spaces, banks = job.known, tuple(self._encoders), self._plan.watchers.of_pixels
        outcome: Outcome = "updated" if known else "added"
        if known and known.sha256 == sha256:
            outcome, spaces, banks = "unchanged", job.spaces, job.banks
            if spaces or banks:
                outcome = "encoded"
        elif known is None and (claim := self._identities.claim(job, sha256)):
            outcome, known, spaces, banks = "moved", claim.known, claim.spaces, claim.banks
        identity = known.id if known else self._identities.new(job.listed.uri, sha256)
        asset = replace(job.listed, id=identity, sha256=sha256, media=media)
        return Done(job, outcome, asset, spaces=spaces, banks=banks)

    def _looked_into(self, job: Job, data: bytes, media: str, tell: Tell) -> Done:
        done = self._identified(job, hashlib.sha256(data).hexdigest(), media)
        if not done.asset or not (done.spaces or done.banks):
            return done
        decoded = decode.decode(
            data,
            Origin(done.asset.id),
            short_side=self._short_side,
            budget=self._settings.pixel_budget,
            thumbnail_side=self._settings.thumbnail_side,
        )
        said = {**self._fitting(decoded.metadata), **done.asset.metadata}
        metadata = {**said, **self._measured(decoded)}
        done.asset = replace(done.asset, media=decoded.media, metadata=metadata)
        done.thumbnail, done.picture = decoded.thumbnail, decoded.picture
        done.small = self._reduced(decoded.picture)
        if self._settings.films == "yes" and animation.moves(data, media):
            self._moving(done, data, tell)
        return done

    def _moving(self, done: Done, data: bytes, tell: Tell) -> None:
        """A picture that moves is its first frame, and has rows of the others beside that one's."""
        asset = cast(Asset, done.asset)
        joined, moving = (
            self._joined(done),
            animation.Animation(data, asset.media, self._settings.pixel_budget),
        )
        self._describe([done])
        if done.failure:
            return
        joined.take(moving.frames(), asset.id, None, lambda at: tell(Step(asset.uri, at, None)))
        joined.put_into(done)
        done.asset = replace(asset, metadata={**self._fitting({"duration": moving.seen}), **asset.metadata})
        self._note(done, moving.problem or joined.problem)

    def _film(self, job: Job, file: BinaryIO, tell: Tell) -> Done:
        """The asset of a film, with a failure for what of it cannot be read."""
        if self._settings.films == "no":
            return Done(job, "skipped")
        try:
            with seekable(file) as whole:
                film = plugins.on_use("findalike.decode.film", "av").Film(whole, self._settings.pixel_budget)
                done = self._identified(job, _sha256(whole), film.facts.media)
                if done.spaces or done.banks:
                    self._filmed(done, film, tell)
                return done
        except NotAPicture as error:
            if not job.known and not decode.looks_like_film(job.listed.uri):
                return Done(job, "skipped")
            return failed(job, "decode", str(error))
        except FindalikeError as error:
            return failed(job, "decode", str(error))

    def _filmed(self, done: Done, film: Any, tell: Tell) -> None:
        asset, duration, keys = cast(Asset, done.asset), film.facts.duration, self._sampling.mode == "key"
        joined = self._joined(done)
        frames = film.frames(keys=keys, brisk=not keys)
        joined.take(frames, asset.id, duration, lambda at: tell(Step(asset.uri, at, duration)))
        joined.put_whole_into(done, asset.id)
        facts = film.facts.metadata
        said = {**self._fitting({"duration": round(film.seen, 3), **facts}), **asset.metadata}
        found = of_jpeg(done.thumbnail, (facts["width"], facts["height"])) if done.thumbnail else {}
        done.asset = replace(asset, metadata={**said, **self._own(found)})
        self._note(done, film.problem or joined.problem)

    def _joined(self, done: Done) -> Joined:
        """What puts together the frames of a film, each described as a picture of the same asset."""

        def describe(pictures: Sequence[Picture]) -> list[Done]:
            several = [
                Done(done.job, done.outcome, done.asset, picture=each, small=self._reduced(each),
                     spaces=done.spaces, banks=done.banks)
                for each in pictures
            ]  # fmt: skip
            self._describe(several)
            return several

        wishes = Wishes(self._sampling, self._short_side, self._settings.thumbnail_side)
        cards = [e.card for e in self._encoders.values() if not isinstance(e, PartEncoder)]
        return Joined(wishes, cards, describe)

    def _note(self, done: Done, problem: str) -> None:
        """A file of which a part cannot be read is kept, and listed among the failures."""
        if problem:
            done.failure = failed(done.job, "decode", problem).failure

    def _reduced(self, picture: Picture) -> Picture:
        """What is enough for the whole: its vectors are the same whatever parts are looked for."""
        if self._enough is None:
            return picture
        return replace(picture, pixels=pixels.reduced(picture.pixels, self._enough))

    def _fitting(self, metadata: Metadata) -> Metadata:
        """What a picture says of itself gives way to a table's column of the same name and another kind."""
        columns = self._plan.columns
        return {
            name: value
            for name, value in metadata.items()
            if columns.get(name) in (None, kind_of(value)) or {columns[name], kind_of(value)} == _NUMBERS
        }

    def _measured(self, decoded: decode.Decoded) -> Metadata:
        """What the pixels decide, by the small picture where that is large enough."""
        picture, small = decoded.picture, decoded.small
        if not self._plan.measures.own:
            return {}
        seen = picture.pixels if small is None or self._settings.thumbnail_side < SIDE else small
        return self._own(measured(seen, picture.width, picture.height))

    def _own(self, found: Metadata) -> Metadata:
        """Of what was measured, that for which the library has columns of its own."""
        return {name: found[name] for name in self._plan.measures.own if name in found}

    def _encode(self, space: str, waiting: Sequence[Done]) -> None:
        try:
            self._fill(space, waiting)
        except Exception as error:
            if len(waiting) > 1:  # find the picture that does it
                for done in waiting:
                    self._encode(space, [done])
                return
            if not isinstance(error, EncoderError):
                log.exception("unexpected error at %s", waiting[0].job.listed.uri)
            waiting[0].outcome, waiting[0].asset = "failed", None
            waiting[0].failure = failed(waiting[0].job, "encode", str(error)).failure

    def _fill(self, space: str, waiting: Sequence[Done]) -> None:
        """Give each its row of the whole picture in a space, and those of its parts."""
        encoder, wholes = self._encoders[space], [done.small for done in waiting if done.small]
        if isinstance(encoder, PartEncoder):
            for done in waiting:
                self._fill_parts(encoder, done)
            return
        if isinstance(encoder, Derived) and all(encoder.base.space in done.rows for done in waiting):
            for done in waiting:
                done.rows[space] = derived(encoder, done.rows[encoder.base.space])
            return
        if space == self._classifier and any(done.banks for done in waiting):
            vectors, probabilities = classified(cast(Classifier, encoder), wholes)
            for done, each in zip(waiting, probabilities, strict=True):
                done.probabilities = each
        else:
            vectors = encode(encoder, wholes)
        for done, whole, vector in zip(waiting, wholes, vectors, strict=True):
            if space in done.spaces:
                asset_id = whole.origin.asset_id
                done.rows[space] = [Row(f"{asset_id}:{whole.origin.key}", whole.origin, vector)]
                if describes_regions(encoder) and done.picture:
                    seen = encoder.card.preprocessing.get("crop", 1.0)
                    cut = [regions.cut(done.picture, part, seen) for part in done.parts]
                    done.rows[space] += part_rows(encoder, cut)

    def _fill_parts(self, encoder: PartEncoder, done: Done) -> None:
        """Give it the rows of the parts that an encoder finds, a small picture of each, and the mark that it
        was looked into."""
        found = encoder.parts(done.picture) if done.picture else []
        done.rows[encoder.card.space] = part_rows(encoder, found)
        shown = {part.origin.key: decode.thumbnail(part, PART_SIDE) for part in found}
        done.attachments |= {**shown, encoder.card.space: b""}


def classified(encoder: Classifier, pictures: Sequence[Picture]) -> tuple[Vectors, Vectors]:
    """Vectors as of `encode`, and probabilities. Raises EncoderError when the encoder breaks its contract."""
    if not pictures:
        return encode(encoder, pictures), np.empty((0, 0), np.float32)
    vectors, probabilities = encoder.classify_batch(pictures)
    if len(probabilities) != len(pictures) or not np.isfinite(probabilities).all():
        raise EncoderError(f"{encoder.card.space} gave probabilities that are not finite, or too few")
    return encode(_Answered(encoder.card, vectors), pictures), probabilities


@dataclass(frozen=True, slots=True, eq=False)
class _Answered:
    """An encoder whose answer is there, so that it is checked like every other."""

    card: Card
    vectors: Vectors

    def encode_batch(self, _: Sequence[Picture]) -> Vectors:
        return self.vectors


def part_rows(encoder: Encoder, parts: Sequence[Picture]) -> list[Row]:
    """The rows of parts of one picture, each of another origin."""
    once = list({part.origin.key: part for part in parts}.values())
    batches = [encode(encoder, once[i : i + BATCH]) for i in range(0, len(once), BATCH)]
    vectors = [vector for batch in batches for vector in batch]
    return [
        Row(f"{part.origin.asset_id}:{part.origin.key}", part.origin, vector)
        for part, vector in zip(once, vectors, strict=True)
    ]


_NUMBERS = {"integer", "number"}


def _sha256(file: BinaryIO) -> str:
    """Of a whole file, of which little is in memory at any time."""
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(HASHED):
        digest.update(chunk)
    return digest.hexdigest()

"""A library: a store, the encoders it was made with, and the lock of its one writer. Only composes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from findalike import addresses, decode, fleet, ingest, plugins, sources, tagging, timing
from findalike import regions as finders
from findalike import settings as settings_
from findalike import uri as uris
from findalike.attributes import same as attributes
from findalike.attributes.applying import follow
from findalike.attributes.of_library import Attributes
from findalike.attributes.review import Review
from findalike.decode.sampling import Sampling
from findalike.duplicates.of_library import Cleanup
from findalike.encode import catalog, learned
from findalike.encode import file as pairs
from findalike.encode.base import Derived, Encoder, TextEncoder
from findalike.errors import (
    EncoderError,
    FindalikeError,
    LibraryMismatch,
    LibraryMissing,
    QueryError,
    ReadError,
    UsageError,
)
from findalike.feedback import Feedback
from findalike.ingest import Progress, Report, Watch
from findalike.ingest.measures import note_edits
from findalike.learn.of_library import Learning
from findalike.learn.whitening import fill
from findalike.look import THING, WAYS
from findalike.ownership import stated
from findalike.people import Face, People
from findalike.query import Query, Term, parse_filter, parse_term
from findalike.search import Hits, Searcher, Space
from findalike.search.clips import Clips
from findalike.search.same import Same
from findalike.search.terms import Looker, uri_of
from findalike.search.words import Shelves
from findalike.settings import Settings
from findalike.store import copying
from findalike.store.base import Problem, SpaceStatus, Store
from findalike.tagging import Tag, Tagged, Vocabulary, Word
from findalike.types import Asset, Box, Card, Failure, Hit, Metadata, Moment, Value
from findalike.words import banks
from findalike.words.measures import last

Path_ = str | os.PathLike[str]
Mode = Literal["r", "a"]

IN_MEMORY = ":memory:"
LOCAL = ("lance", "memory", "file")
"""What is no scheme of an address, although two stores have these names."""
REGIONS = "regions"
UNDIVIDED = (
    "the part is compared with whole pictures; findalike index FOLDER --regions objects makes small things "
    "in them be found"
)


@dataclass(frozen=True, slots=True)
class Info:
    """What a library holds. `bytes` on its drive, 0 where that is unknown; `columns` that filters may name,
    with their kinds; `trained`: of the spaces of trained encoders, what their cards say of the training."""

    path: str
    pictures: int
    failures: tuple[Failure, ...]
    cards: tuple[Card, ...]
    spaces: Mapping[str, SpaceStatus]
    columns: Mapping[str, str]
    bytes: int
    trained: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def open(path: Path_ | None = None, mode: Mode = "a", **changes: Any) -> Library:  # noqa: A001
    """Open a library; with mode `a` it is made when missing, mode `r` never makes or changes one.

    Without a path it is the one of the settings. `changes` override settings of the same names. The path
    `:memory:` gives a library that is not kept; an address such as `milvus://host:port/name` one on a server,
    by the entry point of its scheme. Raises LibraryError and its children, SettingError.
    """
    if mode not in ("r", "a"):
        raise UsageError(f"mode is {mode!r}, but it must be 'r' or 'a'")
    settings = settings_.load(**changes) if changes else settings_.default()
    store, shown = store_at(path, mode, settings)
    try:
        copying.check(store.sidecars, shown)
    except FindalikeError:
        store.close()
        raise
    return Library(store, shown, mode, settings)


def store_at(path: Path_ | None, mode: Mode, settings: Settings) -> tuple[Store, str]:
    """The store at a path or address, even one that is not whole, and its address for people to read.
    Raises LibraryError and its children, UsageError."""
    given = os.fspath(settings.library if path is None else path)
    if given == IN_MEMORY:
        return plugins.load("findalike.stores", "memory")(), IN_MEMORY
    if scheme := addresses.scheme(given):
        if scheme in LOCAL:
            raise UsageError(f"{given}: give the path of a folder as it is, without {scheme}://")
        given = scheme + given[len(scheme) :]  # whatever case it was typed in
        return plugins.load("findalike.stores", scheme)(given, mode, settings), addresses.shown(given)
    if addresses.mistyped(given) in plugins.names("findalike.stores"):
        raise UsageError(f"{given} has one slash: the address of a library is like SCHEME://PLACE")
    if not given:
        raise UsageError("the path of the library is empty; give the path of a folder")
    folder = Path(os.path.expanduser(given)).absolute()  # noqa: PTH111  (Path's raises for a user it lacks)
    return plugins.load("findalike.stores", "lance")(folder, mode), str(folder)


class Library(Learning, Attributes, Cleanup):
    """Pictures, their vectors and what is known of them. Safe to use from several threads; several
    processes may read while one writes. Use it in a `with`, or call `close`."""

    def __init__(self, store: Store, path: str, mode: Mode, settings: Settings) -> None:
        self.store = store
        self.path = path
        self.mode = mode
        self.settings = settings
        self._open_spaces: dict[str, Space] = {}
        self._shelves = Shelves(store)
        self._labels = tagging.Labels(store)
        self._clips = Clips(settings)
        self._encoders: dict[str, Encoder] = {}
        self._text_encoders: dict[str, TextEncoder | None] = {}
        self._finders: list[str] = []
        self._loading = threading.Lock()
        self.people = People(store, self._writing, mode == "a")
        self.feedback = Feedback(store.sidecars, self._writing)
        self._reviews: dict[str, Review] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self.store.count()

    def __repr__(self) -> str:
        return f"<Library {self.path}: {len(self):,} pictures>"

    def close(self) -> None:
        self.store.close()

    @property
    def _folder(self) -> Path | None:
        """Where it keeps files on this machine: its own folder, one for it where it lies elsewhere, none for
        a library in memory."""
        if self.path == IN_MEMORY:
            return None
        return addresses.workroom(self.path) if addresses.scheme(self.path) else Path(self.path)

    # Filling

    def add(
        self,
        *paths: Path_,
        table: Path_ | None = None,
        path_column: str | None = None,
        encoder: str | Sequence[str] | None = None,
        precision: str | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        hidden: bool = False,
        archives: bool = False,
        sweep: bool = False,
        retry: bool = False,
        regions: str | Sequence[str] | None = None,
        faces: bool = False,
        films: bool | None = None,
        frames: str | None = None,
        per_minute: int | None = None,
        workers: int | str | None = None,
        wait: float = 0,
        watch: Watch = lambda _: None,
    ) -> Report:
        """Bring the library in step with folders, archives, files and a table of files.

        New and changed pictures are encoded, moved ones keep their identity, and those whose file is gone
        are removed; the files themselves are never touched. `encoder` and `precision` add a space to those of
        the library. `sweep` lets go of a whole root that is missing or empty, `retry` looks again into files
        that failed before and have not changed. `regions` names finders of parts of pictures, such as
        `objects`, `grid` or `onnx:detector.onnx`; parts get vectors of their own, so that small things are
        found, and the library remembers its finders. With `faces` they are found and described, and so are
        those of the pictures that this library gets from then on. Of films, which `films=False` passes over,
        `frames` are kept: a rate such as `1/s` or `5s`, `scene` or `key`, at most so many `per_minute`; the
        settings say otherwise. With `workers` other processes encode: so many of this machine, or those of
        the Ray cluster at an address such as `ray://host:10001`. `wait`: seconds to wait for another writer,
        -1 for ever. Without a path, encoders that make their vectors of another's, such as trained heads, are
        given those of the library. Raises UsageError, SweepRefused, LibraryLocked, LibraryMismatch,
        FleetError.
        """
        names = [encoder] if isinstance(encoder, str) else list(encoder or ())
        if not paths and table is None:
            return self._add_derived(names, wait, watch)
        options = sources.Options(tuple(include), tuple(exclude), hidden, archives)
        wanted = None if films is None else ("no", "yes")[films]
        settings = settings_.changed(self.settings, films=wanted, frames=frames, frames_per_minute=per_minute)
        Sampling.parse(settings.frames)
        asked = None if workers is None else fleet.checked(workers)
        with self._writing(wait):
            found = ingest.roots(paths, options, self.store, sweep)
            if table is not None:
                found.append(sources.discover_table(table, path_column, options))
            encoders, lost = self._usable(self._cards_to_fill(names, precision, faces))
            derived = self._begin(encoders, watch)
            divide, gone = self._remembered(finders.listed(regions))
            watchers = banks.observers()
            for watcher in watchers:
                self.store.add_bank(watcher.bank)
            run = fleet.run(asked, self.store.sidecars, list(divide)) if asked else ingest.threads
            parts = list(divide.values())
            done = ingest.ingest(self.store, encoders, found, settings, watch, retry, watchers, parts, run)
            self.people.follow()
            untold = follow(self.store, bool(done.updated)) if done.added or done.updated else []
            failures = (*lost, *gone, *untold, *done.failures)
            return replace(done, encoded=done.encoded + derived, failures=failures)

    def _add_derived(self, names: Sequence[str], wait: float, watch: Watch) -> Report:
        """Fill the spaces of encoders that need no pictures. Raises UsageError for others."""
        if not names:
            raise UsageError("nothing to index: give the path of a folder, an archive, a picture or a table")
        started = time.monotonic()
        with self._writing(wait):
            encoders = [self._encoder(self._asked(name)) for name in names]
            there = {*self.store.cards(), *(each.card.space for each in encoders)}
            for each in encoders:
                if not isinstance(each, Derived):
                    raise UsageError(f"{each.card.name} looks at the pictures: give their folders, too")
                if each.base.space not in there:
                    raise UsageError(
                        f"{each.card.name} is made of the vectors of {each.base.space}, which the library "
                        f"{self.path} does not have: give the folders of the pictures, too"
                    )
            derived = self._begin(encoders, watch)
        return Report(encoded=derived, seconds=time.monotonic() - started)

    def _begin(self, encoders: Sequence[Encoder], watch: Watch) -> int:
        """Make room for encoders, and fill those that need no pictures; how many pictures got vectors so."""
        derived = 0
        for each in encoders:
            self.store.add_card(each.card)
            if self._folder and learned.kept(each.card) and isinstance(each, pairs.Head):
                pairs.keep(each.card, self._kept_in())
        for each in encoders:
            if isinstance(each, Derived) and each.base.space in self.store.cards():
                derived += fill(
                    self.store, each, lambda _, done, of: watch(Progress("encoding", done, of, 0))
                )
        return derived

    def _index(self, paths: Sequence[str], wait: float) -> Report:
        return self.add(*paths, wait=wait)

    def _usable(self, cards: Sequence[Card]) -> tuple[list[Encoder], list[Failure]]:
        """The encoders of cards. A space whose learned or trained files are gone or spoilt is left as it is,
        and named."""
        encoders, lost = [], []
        for card in cards:
            try:
                encoders.append(self._encoder(self._installed(card)))
            except (EncoderError, LibraryMismatch) as error:
                if not (learned.kept(card) or pairs.is_trained(card)):
                    raise
                lost.append(Failure(card.source.partition(":")[2], "encode", str(error)))
        return encoders, lost

    def _remembered(self, asked: Sequence[str]) -> tuple[dict[str, finders.Finder], list[Failure]]:
        """The finders of regions that are asked for, by their references, and those that this library was
        ever filled with, so that a changed picture keeps its parts; of these, what is gone is named."""
        found = {name: finders.load(name, self.settings) for name in asked}
        lost = []
        known = self._known_finders()
        for name in [name for name in known if name not in found]:
            try:
                found[name] = finders.load(name, self.settings)
            except FindalikeError as error:
                lost.append(Failure(name, "encode", str(error)))
        self._finders = list(dict.fromkeys([*known, *asked]))
        if asked:
            self.store.sidecars.write(REGIONS, "\n".join(self._finders) + "\n")
        return found, lost

    def _known_finders(self) -> list[str]:
        """The finders of regions that this library was ever filled with, by their references."""
        written = (self.store.sidecars.read(REGIONS) or b"").decode().splitlines()
        return list(dict.fromkeys([*written, *self._finders]))

    def _cards_to_fill(self, names: Sequence[str], precision: str | None, faces: bool) -> list[Card]:
        """The library's own cards, and those that are asked for; for a new library the settings' choice."""
        cards = self.store.cards()
        if not names and (precision or not cards):
            given = (card for card in cards.values() if not learned.kept(card))
            names = list(dict.fromkeys(map(catalog.reference, given))) or [self.settings.encoder]
        asked = {card.space: card for card in (self._asked(name, precision) for name in names)}
        own = {space: asked.get(space, card) for space, card in cards.items()}
        asked_beside = (*catalog.BESIDE, catalog.FACES) if faces else catalog.BESIDE
        beside = {card.space: card for card in map(catalog.find, asked_beside)}
        return list({**own, **asked, **beside}.values())

    def _asked(self, name: str, precision: str | None = None) -> Card:
        """The card of a name, a space or a reference. One whose files were moved or renamed is still that of
        the library's space."""
        cards = self.store.cards().values()
        for card in cards:
            own_name = name == card.name and catalog.reference(card) != name
            if (own_name or name == card.space) and precision in (None, card.precision):
                return self._installed(card)
        found = catalog.find(name, precision or (None if "@" in name else self._precision(name)))
        same = ("revision", "precision", *catalog.IDENTITY)
        known = [c.name for c in cards if all(getattr(c, each) == getattr(found, each) for each in same)]
        return replace(found, name=known[0]) if known else found

    def _precision(self, name: str) -> str | None:
        """The precision of the settings, for encoders that come in it."""
        offered = [card.precision for card in catalog.cards() if card.name == name]
        return self.settings.precision if self.settings.precision in offered else None

    def remove(
        self, *what: str, where: str | None = None, missing: bool = False, dry_run: bool = False
    ) -> list[Asset]:
        """Forget pictures: by `id:…` and by path (a folder or an archive stands for all in it); of those, or
        of all when none is named, only what passes `where` and, with `missing`, only what has no file any
        more. Files are never touched. Returns what was, or with `dry_run` would be, forgotten."""
        if not (what or where or missing):
            raise UsageError("nothing to remove: give a path, id:…, a filter, or missing")
        with self._writing(0):
            chosen = self._chosen(what, where, missing)
            if chosen and not dry_run:
                self.store.remove([asset.id for asset in chosen])
                self.people.follow()
        return chosen

    def remove_encoder(self, name: str, wait: float = 0) -> str:
        """Forget the space of an encoder, by its name or reference or the space's own name, with all its
        vectors; the pictures and other spaces stay. Returns the space. Raises LibraryMismatch for one that is
        not there, UsageError for the library's first and one that another is made from, LibraryLocked."""
        cards = self.store.cards()
        space = next((card.space for card in cards.values() if catalog.answers_to(card, name)), None)
        if space is None:
            raise LibraryMismatch(f"the library {self.path} has no {name}; it has {', '.join(cards)}")
        if space == next(iter(cards)):
            raise UsageError(f"{space} is what the library {self.path} began with: make another library")
        bases = {card.space: card.preprocessing.get("base", {}).get("space") for card in cards.values()}
        if made := next((each for each, base in bases.items() if base == space), None):
            raise UsageError(f"{made} is made from {space}: remove that first")
        with self._writing(wait):
            self.store.remove_space(space)
        self._open_spaces.pop(space, None)
        return space

    def _chosen(self, what: Sequence[str], where: str | None, missing: bool) -> list[Asset]:
        passes = parse_filter(where, self.store.columns()) if where else None
        named = self._named(what)
        if what and passes is None:
            assets: Iterable[Asset] = named.values()
        else:
            assets = (asset for asset in self.store.assets(passes) if not what or asset.id in named)
        chosen = list(assets)
        if missing:
            gone = sources.missing(asset.uri for asset in chosen)
            chosen = [asset for asset in chosen if asset.uri in gone]
        return sorted(chosen, key=lambda asset: asset.uri)

    def _named(self, what: Sequence[str]) -> Mapping[str, Asset]:
        """The assets that were named, by id. Raises UsageError for a name that none has."""
        ids = [each.removeprefix("id:") for each in what if each.startswith("id:")]
        found = dict(self.store.get(ids))
        unknown = [f"id:{each}" for each in ids if each not in found]
        for each in what:
            if not each.startswith("id:"):
                inside = self._inside(each if "://" in each else uris.from_path(os.path.expanduser(each)))  # noqa: PTH111
                unknown += [] if inside else [each]
                found.update(inside)
        if unknown:
            raise UsageError(f"{unknown[0]}: the library {self.path} holds no picture of that name; "
                             "to list all: findalike search --where 'size >= 0' --paths")  # fmt: skip
        return found

    def _inside(self, uri: str) -> Mapping[str, Asset]:
        asset = self.store.find(uri)
        if asset:
            return {asset.id: asset}
        inside = (uri.rstrip(os.sep) + os.sep, uris.member(uri, ""))
        return {asset.id: asset for asset in self.store.assets() if asset.uri.startswith(inside)}

    def due(self) -> list[str]:
        """The spaces whose size calls for an index that is not there or lacks too many rows."""
        return [space for space, status in self.store.status().items() if status.due]

    def optimize(self, progress: Callable[[str], None] = lambda _: None, wait: float = 0) -> None:
        """Compact the store, and build the index that its size calls for. Raises LibraryLocked."""
        with self._writing(wait):
            self.store.optimize(progress)

    # Asking

    def search(
        self,
        *what: object,
        text: str | Sequence[str] | None = None,
        where: str | None = None,
        k: int = 20,
        min_score: float = 0.0,
        region: Box | None = None,
        focus: str | None = None,
        face: int | None = None,
        encoder: str | Sequence[str] | None = None,
        include_self: bool = False,
        diverse: float = 0.0,
        offset: int = 0,
        cursor: str | None = None,
        look: Mapping[str, float] | str | None = None,
        verify: str | None = None,
        same: str | Sequence[str] = (),
        watch: Callable[[int, int], None] = lambda done, total: None,
    ) -> Hits:
        """The pictures that look like the given ones and fit the words, best first.

        `what` may be paths, words, bytes of a picture file, PIL images, arrays of shape (height, width, 3),
        asset ids, `Term`s, or one `Query`, which then says all; `text` is words whatever they look like.
        `region` (left, top, right, bottom in 0..1) is the part, and `focus` the thing, that counts of the one
        picture given, `face` the number of one of its faces, counted left to right. `same="color"` keeps to
        pictures of the color that the one given has. `Query` says what the others mean; `watch` is told how
        many of how many hits were verified. Raises QueryError, LibraryMismatch.
        """
        if len(what) == 1 and isinstance(what[0], Query):
            return self._answer(what[0], watch)
        texts = _texts(text)
        terms = [self.term(each) for each in what] + [Term(each, "text") for each in texts]
        if (region, focus, face) != (None, None, None):
            terms = _on_the_picture(terms, region, focus, face)
        names = encoder if encoder is None or isinstance(encoder, str) else _names(encoder)
        names_of = same if isinstance(same, str) else tuple(same)
        rest = (k, min_score, include_self, diverse, offset, cursor, look or (), verify, names_of)
        return self._answer(Query(tuple(terms), where, names, *rest), watch)

    def _answer(self, query: Query, watch: Callable[[int, int], None]) -> Hits:
        query = replace(query, terms=tuple(self._there(term) for term in query.terms))
        with timing.stage("rank"):
            searcher = Searcher(self.store, self.settings, self._shelves)
            spaces = self._spaces(query)
            hits = searcher.search(query, spaces, watch, self._same(query))
        of_faces = any(catalog.describes_faces(space.card) for space in spaces)
        if any(term.box for term in query.terms) and not (of_faces or self._known_finders()):
            hits.notes = (*hits.notes, UNDIVIDED)
        return hits

    def _same(self, query: Query) -> list[Same]:
        """What hits must have in common with the query picture. Raises QueryError."""
        if not query.same:
            return []
        term = attributes.picture_of(query)
        looker = self._space(self._card(None)).looker
        sight = attributes.Sight(
            term,
            looker.asset(term),
            lambda space: self._space(self._card(space)).looker.seen(replace(term, focus=None)).vector,
            lambda: looker.picture(replace(term, focus=None), looker.asset(term)),
        )
        return [attributes.same(self.store, column, sight) for column in query.same]

    def _there(self, term: Term) -> Term:
        """The term; of a path where nothing is, the library's picture of that path. Raises QueryError."""
        if term.kind != "image" or not isinstance(term.what, str) or sources.exists(uri_of(term.what)):
            return term
        asset = self.store.find(uri_of(term.what))
        if asset is None:
            raise QueryError(f"{term.what}: there is no such file; check the path, or give id: and a "
                             "picture's id")  # fmt: skip
        return replace(term, what=asset.id, kind="asset")

    def faces(self, what: object) -> list[Face]:
        """The faces of a picture or a film, numbered left to right, with whose they are where that is known:
        those that the library keeps of its own, those that are found now of any other. `what` is as in
        `search`. Raises QueryError, ExtraMissing."""
        term = self._there(self.term(what))
        looker = self._space(self._of_faces()).looker
        return self.people.described(looker.faces(term, looker.asset(term)))

    def faces_sheet(self, what: object, out: Path_) -> None:
        """Write the picture with its faces framed and numbered; of a film, the faces alone. .png, .jpg or
        .webp. Raises QueryError, UsageError."""
        term, found = self._there(self.term(what)), self.faces(what)
        face_sheet = plugins.on_use("findalike.present.face_sheet")
        words = [f"{face.number} {face.name}".strip() for face in found]
        if any(face.time is not None for face in found):
            crops = zip(words, (self.people.crop(face.id) for face in found), strict=True)
            face_sheet.strips([face_sheet.Strip(term.label, list(crops))], out)
            return
        looker = self._space(self._of_faces()).looker
        frames = [face_sheet.Framed(face.box, each) for face, each in zip(found, words, strict=True)]
        face_sheet.framed(looker.picture(term, looker.asset(term)).pixels, frames, out)

    def _of_faces(self) -> Card:
        """The card that faces of any picture are found by: the library's, else that of this installation."""
        known = any(catalog.describes_faces(card) for card in self.store.cards().values())
        return self._faces_card() if known else self._asked(catalog.FACES)

    def tags(self, what: object) -> list[Tag]:
        """What a picture shows, bank by bank, the surest first: what the library keeps of its own pictures,
        what is seen now of any other. `what` is as in `search`. Raises QueryError."""
        card = self._card(None) if self.store.cards() else self._asked(self.settings.encoder)
        own = list(self.store.cards().values())
        encoders = (self._encoder(self._installed(each)) for each in [*own, *tagging.CLASSIFIER])
        return tagging.tags(self.store, self._space(card).looker, lambda: encoders, self.term(what))

    def facets(
        self, column: str = "tag", where: str | None = None, most: int = 20
    ) -> list[tuple[Value, int]]:
        """The values of a column and how many pictures have them, the most frequent first, of the pictures
        that pass the filter. Dates and times count by year; `year` and `month`, where no column has the name,
        are those of `taken`, else of the first date or time. Raises QueryError."""
        passes = None if where is None else parse_filter(where, self.store.columns())
        return tagging.facets(self.store, column, passes, most)

    def words(self, text: str) -> list[Word]:
        """What a text names, what is broader, narrower and near in meaning, and how many pictures of the
        library show each; of a word that nothing knows, those spelled like it. Raises QueryError."""
        space = self._spaces(Query((Term(text, "text"),)))[0]
        return tagging.words(self.store, space, self._shelves.latest(), text)

    def tag(
        self,
        vocabulary: Path_ | Vocabulary,
        name: str | None = None,
        min_confidence: float = tagging.MIN_CONFIDENCE,
        wait: float = 0,
        watch: tagging.Watch = lambda done, total: None,
    ) -> Tagged:
        """Tag every picture with what it shows of a vocabulary: a file of one word or phrase a line, or a
        `Vocabulary`. What the name stood for before is replaced. Raises UsageError, LibraryLocked."""
        read = vocabulary if isinstance(vocabulary, Vocabulary) else Vocabulary.read(vocabulary, name)
        with self._writing(wait):
            space = self._spaces(Query((Term(read.name, "text"),)))[0]
            return tagging.tag(self.store, space, read, min_confidence, watch)

    def untag(self, name: str) -> int:
        """Forget a vocabulary and its tags; returns how many pictures had one. Raises UsageError."""
        with self._writing(0):
            return tagging.untag(self.store, name)

    def labels(self, asset_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The labels of assets, of those that have any."""
        return self._labels.of(asset_ids)

    def edit(
        self,
        asset_ids: Iterable[str],
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        metadata: Metadata | None = None,
        wait: float = 0,
    ) -> int:
        """Put labels on assets, take others off, and set metadata, where None takes a value away; returns
        how many there are. Labels and metadata of one's own stay when the file changes. What is set is no
        longer predicted: its confidence goes, unless that is set too. Raises UsageError for
        an id that is none of the library's, and for a value of another kind than its column."""
        ids = list(dict.fromkeys(asset_ids))
        tagging.check_labels((*add, *remove))
        with self._writing(wait):
            assets = self.store.get(ids)
            if unknown := next((i for i in ids if i not in assets), None):
                raise UsageError(f"no picture of the library has the id {unknown!r}")
            if metadata:
                note_edits(self.store.sidecars, ids, metadata)
                self.store.update(
                    [replace(a, metadata=stated(a.metadata, metadata)) for a in assets.values()]
                )
            if add or remove:
                tagging.label(self.store, ids, add, remove)
        return len(ids)

    def review(self, column: str) -> Review:
        """The review of an attribute, in which people accept or correct what was predicted; who is shown what
        is known to this library object alone. Raises UsageError for a column that is no attribute."""
        with self._loading:
            if column not in self._reviews:
                self._reviews[column] = Review(self.store, column, self._writing)
            return self._reviews[column]

    def frame(self, hit: Hit | Moment) -> bytes:
        """The picture of a hit or of a moment of a film, as JPEG: of any other hit its thumbnail. Empty where
        there is none."""
        name = hit.frame if isinstance(hit, Hit) else hit.origin.key
        asset_id = hit.origin.asset_id
        kept = self.store.attachments(asset_id, [name]) if name else {}
        return kept.get(name) or self.store.thumbnails([asset_id]).get(asset_id, b"")

    def size_of(self, term: Term) -> tuple[int, int]:
        """Width and height of a term's picture, upright. Raises QueryError."""
        if term.kind not in ("image", "asset"):
            raise QueryError(f"{term.label!r} is no picture, so it has no size")
        looker = self._space(self._card(None)).looker
        picture = looker.picture(term, looker.asset(term))
        return picture.width, picture.height

    def term(self, what: object) -> Term:
        """The term that a path, an id, bytes, an image or an array stands for. Raises QueryError.

        A path where no file is, or of a member of an archive, stands for the library's picture of that path.
        """
        if isinstance(what, Term):
            return what
        if isinstance(what, str | os.PathLike):
            return self._written_term(os.fspath(what))
        if isinstance(what, bytes | bytearray | memoryview):
            return Term(bytes(what))
        return Term(decode.from_object(what))

    def _written_term(self, text: str) -> Term:
        try:
            term = parse_term(text)
        except QueryError:
            if addresses.scheme(text) in plugins.names("findalike.sources"):
                return self._elsewhere(text)
            path = os.path.expanduser(text)  # noqa: PTH111
            asset = None if os.path.lexists(path) else self.store.find(uris.from_path(path))
            if asset is None:
                raise
            return Term(asset.id, "asset")
        bare_id = term.kind == "text" and bool(self.store.get([text]))
        return Term(text, "asset") if bare_id else term

    def _elsewhere(self, uri: str) -> Term:
        """A picture of the library that is no file of this machine, or one that is not in the library."""
        if asset := self.store.find(uri):
            return Term(asset.id, "asset")
        try:
            with sources.open_asset(uri) as file:
                return Term(file.read())
        except ReadError as error:
            raise QueryError(f"{uri}: {error}") from error

    def _spaces(self, query: Query) -> list[Space]:
        """The spaces to search: those that are named, else the library's first, and for words the first that
        reads them. Raises LibraryMismatch."""
        if query.looks:
            return self._ways(query)
        if query.encoders:
            cards = [self._card(name) for name in query.encoders]
        elif any(term.face is not None for term in query.terms):
            cards = [self._faces_card()]
        elif all(term.kind == "text" for term in query.terms):
            cards = [self._reads_words() or self._card(None)]
        else:
            cards = [self._card(None)]
            if any(term.kind == "text" for term in query.terms) and not catalog.reads_words(cards[0]):
                cards = [*cards, *filter(None, [self._reads_words()])]
        return [self._space(card) for card in {card.space: card for card in cards}.values()]

    def _faces_card(self) -> Card:
        """The card of the library's faces. Raises LibraryMismatch."""
        cards = self.store.cards().values()
        space = next((card.space for card in cards if catalog.describes_faces(card)), None)
        if space is None:
            raise LibraryMismatch(
                f"the library {self.path} knows no faces; to look for them: findalike index --faces FOLDER"
            )
        return self._card(space)

    def _ways(self, query: Query) -> list[Space]:
        """The spaces of the ways of looking alike, and after them that of words where there are some.
        Raises QueryError, LibraryMismatch."""
        if all(term.kind == "text" for term in query.terms):
            raise QueryError("look weighs how pictures look alike, but the query has no picture")
        cards = {name: self._way(name) for name, _ in query.looks}
        if len({card.space for card in cards.values()}) < len(cards):
            raise QueryError(f"look names one space twice: {', '.join(cards)}")
        ways = [self._space(card) for card in cards.values()]
        if any(term.kind == "text" for term in query.terms):
            ways.append(self._space(self._reads_words() or self._card(None)))
        return ways

    def _way(self, name: str) -> Card:
        """The card of a way of looking alike. Raises QueryError, LibraryMismatch."""
        if name == THING:
            return self._card(None)
        known = self.store.cards().values()
        if not any(catalog.answers_to(card, name) for card in known):
            if name in WAYS:
                raise LibraryMismatch(
                    f"the library {self.path} does not know the {name} of its pictures yet; to add it, run "
                    "findalike index on the folders again"
                )
            names = dict.fromkeys((*WAYS, *(card.name for card in known)))
            raise QueryError(f"look names {name!r}, which is no way of looking alike: {', '.join(names)}")
        return self._card(name)

    def _reads_words(self) -> Card | None:
        """The library's first card with a side for texts."""
        own = (self._installed(card) for card in self.store.cards().values() if catalog.reads_words(card))
        return next(own, None)

    def _space(self, card: Card) -> Space:
        if card.space not in self._open_spaces:
            text = partial(self._text_encoder, card)
            looker = Looker(self.store, card, partial(self._encoder, card), text, self.settings, self._clips)
            self._open_spaces[card.space] = Space(self.store, card, looker, text)
        return self._open_spaces[card.space]

    def _card(self, name: str | None) -> Card:
        """The library's card of that name or space; without a name its first. Raises LibraryMismatch."""
        cards = self.store.cards()
        if not cards:
            raise LibraryMissing(f"the library {self.path} is empty: fill it with findalike index FOLDER")
        own = next(iter(cards.values())) if name is None else catalog.meant(cards.values(), name)
        if own:
            return self._installed(own)
        if not catalog.on_hub(name or ""):  # a search fetches nothing
            found = self._asked(name or "")  # a name that no encoder has is a UsageError
            if found.space in cards:
                return found
        raise LibraryMismatch(
            f"the library {self.path} holds {', '.join(cards)}, not {name}; to add it, run findalike index "
            f"--encoder {name} on the folders again"
        )

    def info(self) -> Info:
        """What the library holds."""
        return Info(
            self.path,
            self.store.count(),
            tuple(self.store.failures()),
            tuple(self.store.cards().values()),
            self.store.status(),
            last(self.store.columns()),
            self.store.disk_bytes(),
            {
                card.space: self._trained(card)
                for card in self.store.cards().values()
                if pairs.is_trained(card)
            },
        )

    def _trained(self, card: Card) -> Mapping[str, Any]:
        """What the card of a trained encoder says of the training; the `problem` where it cannot be read."""
        try:
            return pairs.training(self.at_home(card))
        except FindalikeError as error:
            return {"problem": str(error)}

    def check(self) -> list[Problem]:
        """What is wrong with the library, if anything."""
        found = list(self.store.check())
        for card in self.store.cards().values():
            try:
                installed = self._installed(card)
                if learned.is_learned(card):
                    learned.load(installed, ())
                elif pairs.is_trained(card):
                    pairs.check(installed)
            except FindalikeError as error:
                found.append(Problem("card", str(error), 1, False))
        missing = len(sources.missing(asset.uri for asset in self.store.assets()))
        if missing:
            how = "files are gone: connect the drive, or run findalike remove --missing"
            found.append(Problem("missing files", how, missing, False))
        return found

    def repair(self, progress: Callable[[str], None] = lambda _: None) -> list[Problem]:
        """Mend what `check` calls repairable; returns what was mended."""
        with self._writing(0):
            mended = list(self.store.repair())
            due = self.due()
            if due:
                self.store.optimize(progress)
        return mended + [Problem("index", f"the index of {space} was built", 1, True) for space in due]

    # Encoders

    def _encoder(self, card: Card) -> Encoder:
        with self._loading:
            if card.space not in self._encoders:
                self._encoders[card.space] = catalog.load(card, self.settings)
            return self._encoders[card.space]

    def _text_encoder(self, card: Card) -> TextEncoder | None:
        """The side for texts of a space, or None where it has none."""
        with self._loading:
            if card.space not in self._text_encoders:
                reads = catalog.reads_words(card)
                self._text_encoders[card.space] = catalog.load_text(card, self.settings) if reads else None
            return self._text_encoders[card.space]

    def _installed(self, card: Card) -> Card:
        """The card of this installation for a space of the library, which must be the same in all that
        makes vectors. Raises LibraryMismatch."""
        try:
            installed = catalog.installed(self.at_home(card))
        except (UsageError, EncoderError) as error:
            raise LibraryMismatch(
                f"the library {self.path} was made with {card.space}, which is not installed here ({error})"
            ) from error
        differing = catalog.differing(installed, card)
        if differing:
            raise LibraryMismatch(
                f"the library {self.path} was made with another {card.space}: {', '.join(differing)} differ; "
                "install the findalike that made it, or index the folders into a new library"
            )
        return installed

    def at_home(self, card: Card) -> Card:
        """The card, its files taken from this library where it keeps them."""
        folder = self._folder
        return learned.at_home(card, learned.Home(self.store.sidecars, folder)) if folder else card

    # The writer's lock

    @contextmanager
    def _writing(self, wait: float) -> Iterator[None]:
        """Hold the library for writing. Raises LibraryLocked naming who holds it."""
        if self.mode == "r":
            raise UsageError(f"the library {self.path} is open for reading; open it with mode 'a'")
        with self.store.locked(wait):
            yield


def _names(encoder: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(encoder, Iterable):
        raise QueryError(f"encoder is {encoder!r}, but it must be a name or a list of names")
    return tuple(encoder)


def _texts(text: object) -> list[str]:
    """Words, or several texts, as a list. Raises QueryError."""
    several = [text] if isinstance(text, str) else list(text) if isinstance(text, list | tuple) else None
    if text is not None and (several is None or not all(isinstance(each, str) for each in several)):
        raise QueryError(f"text is {text!r}, but it must be words, or a list of them; pictures come first")
    return several or []


def _on_the_picture(
    terms: Sequence[Term], region: Box | None, focus: str | None, face: int | None
) -> list[Term]:
    """The terms, with region, focus and face given to the one picture among them. Raises QueryError."""
    pictures = [term for term in terms if term.kind in ("image", "asset")]
    if len(pictures) != 1:
        given = "a face" if face is not None else "a focus" if region is None else "a region"
        raise QueryError(f"{given} is of one picture, but there are {len(pictures)} in the query; use Term")
    chosen = replace(pictures[0], box=region, focus=focus, face=face)
    return [chosen if term is pictures[0] else term for term in terms]

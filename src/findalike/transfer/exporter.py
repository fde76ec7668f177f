"""An export: the contents of a library as Parquet files that others read too.

    manifest.json                       which files, with counts and SHA-256; written last
    assets/part-00000.parquet           pictures and films: path, facts, tags, metadata
    vectors/SPACE/part-00000.parquet    rows of a space
    thumbnails/…  attachments/…  evidence/BANK/…
    failures/part-00000.parquet
    sidecars/…                          as they are in the library

Parts of the same number hold the same assets, and so do their row groups of the same number: one is what was
read in one batch. A part ends when one of its files has grown to 256 MiB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from findalike.errors import LibraryError, LibraryMismatch
from findalike.query import Kind
from findalike.sidecars import FolderSidecars
from findalike.store import columns
from findalike.store.base import Batch, Store
from findalike.transfer import manifest, tables
from findalike.transfer.contents import Contents, ahead, uninterrupted
from findalike.transfer.exported import SIDECARS, Exported
from findalike.transfer.fill import Filled, copy_sidecars
from findalike.transfer.manifest import File, Manifest
from findalike.transfer.part import Part
from findalike.transfer.tables import ASSETS, FAILURES, Layout
from findalike.transfer.tally import Tally

Step = Callable[[int], None]


def begin(folder: Path, source: str, layout: Layout) -> Manifest:
    """The manifest of an export to go on with, or of a new one. Raises LibraryMismatch, LibraryError for a
    folder that holds something else, and for an export of another library or of what this one was before."""
    if (folder / manifest.NAME).exists():
        raise LibraryMismatch(
            f"{folder} is an export already; name a new folder, or prove with --check that it holds the same"
        )
    if (folder / manifest.UNFINISHED).exists():
        found = manifest.read(folder, manifest.UNFINISHED)
        if (found.source, found.layout) != (source, layout):
            what = (
                "the library has other spaces, banks or columns since"
                if found.source == source
                else (f"an export of {found.source} was begun there")
            )
            raise LibraryMismatch(f"{folder}: {what}; name a new folder")
        manifest.check(folder, found.files)
        return found
    strange = next(folder.iterdir(), None) if folder.exists() else None
    if strange:
        raise LibraryError(
            f"{folder} is a folder of something else (it holds {strange.name!r}); name a new or empty folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    made = Manifest(source, layout)
    manifest.write(folder, made, manifest.UNFINISHED)
    return made


def layout_of(store: Store) -> Layout:
    """What an export of a store has tables of. Its assets are read once, for a column may have the name of a
    fact."""
    kinds: dict[str, Kind] = {}
    for asset in store.assets():
        if asset.metadata.keys() - kinds.keys() or "integer" in kinds.values():
            kinds = columns.grown(kinds, [asset])
    return Layout(store.cards(), store.banks(), kinds)


class Exporter:
    """Writes what is lacking of an export. Each part that is whole is listed, so that another run goes on
    after it."""

    def __init__(self, folder: Path, begun: Manifest, step: Step = lambda _: None) -> None:
        self.manifest = begun
        self.filled = Filled()
        self._folder = folder
        self._step = step

    def write(self, contents: Contents) -> Exported:
        """On KeyboardInterrupt the part at hand is ended first."""
        kept = Exported(self._folder, self.manifest).ids()
        self.filled = Filled(kept=len(kept))
        batches = ahead(contents.batches(kept))
        while self._part(batches):
            pass
        self._rest(contents)
        return Exported(self._folder, self.manifest)

    def finish(self, totals: Tally) -> None:
        """Write the manifest: the export is whole."""
        manifest.write(self._folder, replace(self.manifest, totals=totals))
        (self._folder / manifest.UNFINISHED).unlink()

    def _part(self, batches: Iterator[Batch]) -> bool:
        """Write one part; whether there may be another."""
        with Part(self._folder, self.manifest.layout, len(self.manifest.of(ASSETS))) as part:
            try:
                full = self._fill(part, batches)
            except KeyboardInterrupt:
                self._end(part)
                raise
            self._end(part)
            return full

    def _fill(self, part: Part, batches: Iterator[Batch]) -> bool:
        for batch in batches:
            uninterrupted(partial(part.write, batch))
            self.filled = self.filled.plus(batch, batch)
            self._step(self.filled.written + self.filled.kept)
            if part.full():
                return True
        return False

    def _end(self, part: Part) -> None:
        if not part.empty():
            self._list(self.manifest.files, part.finish())

    def _rest(self, contents: Contents) -> None:
        """What is small: failures and sidecars, of which an earlier run may have left others."""
        kept = [f for f in self.manifest.files if f.path.partition("/")[0] not in (FAILURES, SIDECARS)]
        self._list(kept, [*self._failures(contents), *self._sidecars(contents)])

    def _failures(self, contents: Contents) -> list[File]:
        table = tables.failures_table(contents.failures())
        path = f"{FAILURES}/part-00000.parquet"
        (self._folder / FAILURES).mkdir(exist_ok=True)
        pq.write_table(table, self._folder / path)
        return [manifest.described(self._folder, path, len(table))]

    def _sidecars(self, contents: Contents) -> list[File]:
        (self._folder / SIDECARS).mkdir(exist_ok=True)
        written = FolderSidecars(self._folder / SIDECARS)
        copy_sidecars(contents.sidecars, written)
        return [manifest.described(self._folder, f"{SIDECARS}/{name}") for name in written.names()]

    def _list(self, kept: Iterable[File], new: Iterable[File]) -> None:
        self.manifest = replace(self.manifest, files=(*kept, *new))
        manifest.write(self._folder, self.manifest, manifest.UNFINISHED)

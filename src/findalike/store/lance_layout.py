"""Which tables a library has from the start, how a folder becomes one, and how one of an earlier findalike
gets what it lacks."""

from __future__ import annotations

from collections.abc import Iterable

from findalike.errors import LibraryError
from findalike.store import lance_records, lance_tables, lance_text, manifest
from findalike.store.lance_filter import NO_TAGS, TAG_KEYS
from findalike.store.lance_place import Place
from findalike.store.lance_snapshot import Tables

OWN = {
    "assets": lance_records.ASSETS,
    "thumbnails": lance_records.THUMBNAILS,
    "failures": lance_records.FAILURES,
    "words": lance_records.WORDS,
}
_CHUNK = 10_000  # assets in one commit


def make(place: Place) -> None:
    """Make a library in a missing or empty place, or finish one whose making was killed: the manifest comes
    last."""
    if place.sidecars.stamp(manifest.NAME) is not None:
        return
    ours = {f"{name}.lance" for name in OWN}
    strange = [name for name in place.names() if name not in ours]
    if any(name.endswith(".lance") for name in strange):
        raise LibraryError(
            f"{place} was a library, but its {manifest.NAME} is lost: put it back from a backup, or index "
            "the folders into a new library"
        )
    if strange:
        raise LibraryError(
            f"{place} is a folder of something else (it holds {strange[0]!r}); name a new or empty folder"
        )
    place.make()
    tables = Tables(place)
    for name, schema in OWN.items():
        tables.create(name, schema)
    manifest.write(place.sidecars, {})


def complete(tables: Tables, spaces: Iterable[str]) -> None:
    """Give a library what an earlier findalike did not: tags, documents, their words, and the index over
    them, which comes last: while it is missing, all of this is done again."""
    assets = tables.latest("assets")
    if lance_text.indexed(assets):
        return
    tables.create("words", lance_records.WORDS)
    for name in ["assets", *map(lance_records.rows_table, spaces)]:
        table = tables.latest(name)
        if TAG_KEYS not in table.schema.names:
            table.add_columns({TAG_KEYS: f"make_array('{NO_TAGS}')"})
    lance_tables.add_columns(assets, lance_records.TAGS)
    _fill_in(tables)
    lance_text.make_index(tables.latest("assets"))


def _fill_in(tables: Tables) -> None:
    """Write the documents that are missing, and their words."""
    table, words = tables.latest("assets"), tables.latest("words")
    bare = lance_tables.select(table, ["asset_id"], f"`{lance_text.COLUMN}` IS NULL").column("asset_id")
    for start in range(0, len(bare), _CHUNK):
        ids = bare.slice(start, _CHUNK).to_pylist()
        found = lance_tables.select_ids(table, table.schema.names, "asset_id", ids)
        assets = list(lance_records.to_assets(found, lance_records.kinds_of(table.schema)))
        data = lance_records.assets_to_arrow(assets, table.schema)
        lacking = lance_text.Vocabulary().latest(words).lacking(data.column(lance_text.COLUMN).to_pylist())
        if lacking:
            words.add(lance_records.words_to_arrow(lacking))
        lance_tables.change(table, data, "asset_id")

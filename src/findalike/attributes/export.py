"""The values of attributes as a table: who gave them, or how sure the prediction is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from findalike.attributes.card import confidence_column
from findalike.filters import Filter
from findalike.present.cells import safe
from findalike.store.base import Store
from findalike.types import Asset

GIVEN, PREDICTED, NONE = "given", "predicted", ""


def lines(store: Store, columns: Sequence[str], where: Filter | None = None) -> Iterator[str]:
    """A CSV file, line by line, by path: path and id of each picture, and of each column its value, the
    confidence of a prediction, and whether it was given or predicted. A text that a spreadsheet would take
    for a formula begins with a quote."""
    head = ["path", "id", *(name for c in columns for name in (c, confidence_column(c), f"{c}_by"))]
    yield _line(head)
    ids = [asset_id for _, asset_id in store.listing(where)]
    for start in range(0, len(ids), 1_000):
        some = ids[start : start + 1_000]
        there = store.get(some)
        yield from (_line(_record(there[i], columns)) for i in some if i in there)


def _record(asset: Asset, columns: Sequence[str]) -> list[object]:
    record: list[object] = [asset.uri, asset.id]
    for column in columns:
        value, confidence = (asset.metadata.get(name) for name in (column, confidence_column(column)))
        by = NONE if value is None else GIVEN if confidence is None else PREDICTED
        record += ["" if value is None else value, "" if confidence is None else confidence, by]
    return record


def _line(values: Sequence[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(map(safe, values))
    return buffer.getvalue()

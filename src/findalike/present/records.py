"""Hits as records, JSON and bare paths: the forms that programs read, and that stay the same."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from typing import Any

from findalike import uri
from findalike.present.caption import plain
from findalike.types import Hit, Moment, Reason


def records(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """One dictionary for each hit, of JSON values, with the fields of `docs/present.md` in that order."""
    return [_record(rank, hit) for rank, hit in enumerate(hits, 1)]


def _record(rank: int, hit: Hit) -> dict[str, Any]:
    return {
        "rank": rank,
        "path": hit.asset.uri,
        "asset": hit.asset.id,
        "score": _rounded(hit.score),
        "band": hit.band,
        "similarity": _rounded(hit.similarity),
        "space": hit.space,
        "part": hit.origin.part,
        "box": [_rounded(edge, 6) for edge in hit.origin.box],
        "label": plain(hit.origin.label) or None,
        "time": _seconds(hit.origin.time),
        "end": _seconds(hit.origin.end),
        "moments": [_moment(moment) for moment in hit.moments],
        "query_span": list(map(_seconds, hit.query_span)) if hit.query_span else None,
        "frame": hit.frame or None,
        "reasons": [_reason(reason) for reason in hit.reasons],
        "tags": [plain(tag) for tag in hit.asset.tags],
        "metadata": {str(plain(column)): plain(value) for column, value in hit.asset.metadata.items()},
    }


def _moment(moment: Moment) -> dict[str, Any]:
    origin = moment.origin
    return {
        "time": _seconds(origin.time),
        "end": _seconds(origin.end),
        "score": _rounded(moment.score),
        "frame": origin.key,
    }


def _seconds(time: float | None) -> float | None:
    return None if time is None else _rounded(time, 3)


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "term": plain(reason.term),
        "space": reason.space,
        "similarity": _rounded(reason.similarity),
        "weight": _rounded(reason.weight, 6),
    }


def _rounded(number: float, digits: int = 4) -> float | None:
    # Adding zero takes the sign off a negative zero.
    return round(float(number), digits) + 0.0 if math.isfinite(number) else None


def to_json(hits: Sequence[Hit]) -> str:
    """One JSON list, indented, ending in a newline. Letters beyond ASCII stay as they are."""
    return json.dumps(records(hits), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def to_jsonl(hits: Sequence[Hit]) -> str:
    """One JSON object on each line."""
    lines = [json.dumps(record, ensure_ascii=False, allow_nan=False) for record in records(hits)]
    return "".join(f"{line}\n" for line in lines)


def paths(hits: Sequence[Hit], null: bool = False) -> bytes:
    """The paths byte for byte as the file system has them, each followed by a newline, or by NUL.

    A member of an archive is the archive's path, `!/` and the member's name. Names may hold newlines; only
    NUL tells them apart.
    """
    end = b"\0" if null else b"\n"
    return b"".join(_path(hit) + end for hit in hits)


def _path(hit: Hit) -> bytes:
    _, member = uri.split(hit.asset.uri)
    path = os.fsencode(uri.to_path(hit.asset.uri))
    return path + os.fsencode(uri.SEPARATOR + member) if member else path

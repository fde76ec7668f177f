"""Chosen pictures as a table, or their files in a zip."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse

from findalike.present.cells import safe
from findalike.query import MEASURES
from findalike.types import Asset
from findalike.web.files import original
from findalike.web.problems import ProblemError
from findalike.web.responses import JSON, problems, service_of
from findalike.web.schema import ExportIn

router = APIRouter(prefix="/v1/assets", tags=["assets"])


@router.post(
    "/export",
    operation_id="exportAssets",
    summary="Pictures as a CSV or JSON table, or their files in a zip",
    response_class=Response,
    dependencies=[JSON],
    responses={
        200: {
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
                "application/zip": {"schema": {"type": "string", "format": "binary"}},
            }
        },
        **problems(415),
    },
)
async def export_assets(request: Request, asked: ExportIn) -> Response:
    service = service_of(request)
    assets = await service.read(request, service.assets, asked.ids)
    headers = attached(f"findalike.{asked.format}")
    if asked.format == "zip":
        pieces = iterate_in_threadpool(_zipped(assets))
        return StreamingResponse(pieces, headers=headers, media_type="application/zip")
    told = await service.read(request, service.described, assets)
    if asked.format == "json":
        return JSONResponse(told, headers=headers)
    return Response(_csv(told), headers=headers, media_type="text/csv")


def attached(name: str) -> dict[str, str]:
    """The headers of a file to save, under a plain name."""
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


def _csv(told: Sequence[Mapping[str, Any]]) -> str:
    names = ("id", "path", "name", "media", "size", "modified", "width", "height")
    found = {name for each in told for name in each["metadata"]} - {*names}
    columns = sorted(found, key=lambda name: (name in MEASURES, name))
    rows = (
        [*(each[name] for name in names), ", ".join(each["labels"]), ", ".join(each["tags"])]
        + [each["metadata"].get(name) for name in columns]
        for each in told
    )
    return as_csv([*names, "labels", "tags", *columns], rows)


def as_csv(names: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A table with a line for each row. A cell that a spreadsheet would take for a formula begins with a
    quote."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(map(safe, names))
    writer.writerows([safe(value) for value in row] for row in rows)
    return out.getvalue()


class _Pipe(io.RawIOBase):
    """What a zip is written into, and taken out of piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _zipped(assets: Sequence[Asset]) -> Iterator[bytes]:
    """The files, stored as they are, and a list of those that could not be read."""
    pipe, names, missing = _Pipe(), set[str](), []
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        for asset in assets:
            try:
                with original(asset)[0] as file:
                    data = file.read()
            except (ProblemError, OSError) as error:
                missing.append(f"{asset.uri}: {error}")
                continue
            archive.writestr(_unused(asset.uri.rpartition("/")[2], names), data)
            yield pipe.taken()
        if missing:
            archive.writestr("missing.txt", "\n".join(missing) + "\n")
    yield pipe.taken()


def _unused(name: str, names: set[str]) -> str:
    name = name.translate({ord(c): "_" for c in '\\/:*?"<>|'}).strip(". ") or "picture"
    stem, dot, ending = name.rpartition(".")
    number, found = 2, name
    while found.casefold() in names:
        found = f"{stem or name} ({number}){dot}{ending}" if stem else f"{name} ({number})"
        number += 1
    names.add(found.casefold())
    return found

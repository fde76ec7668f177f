"""The parts of an asset: the frames of a film, the faces and regions of a picture, and pictures of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from starlette.responses import JSONResponse, Response

from findalike.store.base import evenly
from findalike.types import Origin
from findalike.web.files import ANEW, FOR_EVER, matches
from findalike.web.problems import ProblemError
from findalike.web.responses import Id, described_as, problems, service_of
from findalike.web.schema import PART_KEY, Parts
from findalike.web.service import Service, version

router = APIRouter(prefix="/v1/assets", tags=["files"])

Key = Annotated[
    str,
    InPath(
        max_length=80,
        pattern=PART_KEY,
        description="the `key` of a hit, a frame or a face",
        examples=["frame-12.480", "face-0312-0120-0500-0410"],
    ),
]

_JPEG = b"\xff\xd8\xff"


@router.get(
    "/{asset_id}/parts",
    operation_id="listParts",
    summary="The frames of a film, or the faces and regions of a picture",
    responses={**described_as(Parts), **problems()},
)
async def list_parts(
    request: Request,
    asset_id: Id,
    part: Annotated[Literal["frame", "face", "region"] | None, Query(description="only of this kind")] = None,
    most: Annotated[int, Query(ge=1, le=1_000, description="of more, so many, spread evenly")] = 100,
) -> JSONResponse:
    service = service_of(request)
    return JSONResponse(await service.read(request, _listed, service, asset_id, part, most))


@router.get(
    "/{asset_id}/parts/{key}",
    operation_id="getPart",
    summary="The picture of a frame or a face",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "what the client has is still right"},
        **problems(),
    },
)
async def get_part(
    request: Request,
    asset_id: Id,
    key: Key,
    v: Annotated[
        str | None, Query(max_length=64, description="the content it is of: with it, it may be kept for ever")
    ] = None,
) -> Response:
    service = service_of(request)
    data, current = await service.read(request, _picture, service, asset_id, key)
    tag = f'"{hashlib.sha256(data).hexdigest()[:20]}"'
    headers = {"ETag": tag, "Cache-Control": FOR_EVER if v == current else ANEW}
    if matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type="image/jpeg")


# In threads


def _picture(service: Service, asset_id: str, key: str) -> tuple[bytes, str]:
    """The picture, and the version of what it is of. Of all that is kept with an asset pictures alone are
    told: tracks and marks are the library's own."""
    asset = service.asset(asset_id)
    data = service.library.store.attachments(asset_id, [key]).get(key, b"")
    if not data.startswith(_JPEG):
        raise ProblemError("not-found", f"there is no picture of the part {key!r}")
    return data, version(asset)


def _listed(service: Service, asset_id: str, part: str | None, most: int) -> dict[str, Any]:
    asset = service.asset(asset_id)
    found = origins(service, asset_id)
    chosen = sorted((o for o in found.values() if part in (None, o.part)), key=_order)
    shown = [chosen[at] for at in evenly(len(chosen), most)]
    return {"parts": [told_part(origin, version(asset)) for origin in shown], "total": len(chosen)}


def origins(service: Service, asset_id: str) -> Mapping[str, Origin]:
    """The parts of an asset that any space has a row of, by their keys."""
    store = service.library.store
    rows = (row for space in store.cards() for row in store.rows(space, [asset_id]))
    return {row.origin.key: row.origin for row in rows if row.origin.part != "whole"}


def _order(origin: Origin) -> tuple[float, str]:
    return origin.time or 0.0, origin.key


def told_part(origin: Origin, of_version: str) -> dict[str, Any]:
    """A part as the API tells it."""
    return {
        "key": origin.key,
        "part": origin.part,
        "box": [round(float(edge), 6) for edge in origin.box],
        "time": seconds(origin.time),
        "end": seconds(origin.end),
        "label": origin.label,
        "picture": frame_link(origin, of_version),
    }


def frame_link(origin: Origin, of_version: str) -> str | None:
    """Where the picture of a film's frame is; None for what is no part of a film."""
    if origin.time is None:
        return None
    frame = Origin(origin.asset_id, "frame", time=origin.time)
    return part_link(origin.asset_id, frame.key, of_version)


def part_link(asset_id: str, key: str, of_version: str) -> str:
    """Where the picture of a part is. `v` changes with the content, as of a thumbnail."""
    return f"/v1/assets/{asset_id}/parts/{key}?v={of_version}"


def seconds(time: float | None) -> float | None:
    return None if time is None else round(float(time), 3) + 0.0

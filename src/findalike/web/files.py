"""The picture's own bytes by its id: in small, whole, in ranges; and where its file lies."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Annotated, BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from findalike import addresses, decode, sources
from findalike import uri as uris
from findalike.errors import FindalikeError, ReadError
from findalike.types import Asset
from findalike.web.problems import ProblemError
from findalike.web.responses import Id, problems, service_of
from findalike.web.service import Service, version
from findalike.web.thumbnails import SIZES, made, media_of

router = APIRouter(prefix="/v1/assets", tags=["files"])

FOR_EVER = "private, max-age=31536000, immutable"
ANEW = "private, no-cache"
SANDBOX = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; "
    "sandbox; frame-ancestors 'none'"
)
"""The policy of a file: whatever it holds, a browser runs none of it. The styles are its own viewer's."""

PIECE = 64 * 2**10

_RANGE = re.compile(r"bytes=([0-9]{0,30})-([0-9]{0,30})", re.IGNORECASE)
_ODD = re.compile(r"[^\w.() +-]+", re.ASCII)
_FILES = {f"{kind}/*": {"schema": {"type": "string", "format": "binary"}} for kind in ("image", "video")}


@router.get(
    "/{asset_id}/thumbnail",
    operation_id="getThumbnail",
    summary="A picture in small, upright",
    response_class=Response,
    responses={
        200: {
            "content": {
                f"image/{kind}": {"schema": {"type": "string", "format": "binary"}}
                for kind in ("jpeg", "webp", "png")
            }
        },
        304: {"description": "what the client has is still right"},
        **problems(),
    },
)
async def get_thumbnail(
    request: Request,
    asset_id: Id,
    size: Annotated[
        int | None,
        Query(
            ge=SIZES[0], le=SIZES[1], description="the longer side in pixels, which may come a little less"
        ),
    ] = None,
    v: Annotated[
        str | None, Query(max_length=64, description="the content it is of: with it, it may be kept for ever")
    ] = None,
) -> Response:
    data, lasting = await _thumbnail(request, service_of(request), asset_id, size, v)
    tag = f'"{hashlib.sha256(data).hexdigest()[:20]}"'
    headers = {"ETag": tag, "Cache-Control": FOR_EVER if lasting else ANEW}
    if matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type=media_of(data))


async def _thumbnail(
    request: Request, service: Service, asset_id: str, size: int | None, v: str | None
) -> tuple[bytes, bool]:
    """A thumbnail, and whether it is for ever what its address names: of the content `v`, in the size asked
    for. Of a drive that is not connected there is the small one, for now; of a film there is no other."""
    usual = service.library.settings.thumbnail_side
    stored = await service.stored.get(asset_id) if size in (None, usual) else None
    if stored is not None:
        return stored.data, v == stored.version
    asset = await service.read(request, service.asset, asset_id)
    if asset.is_film:
        if (stored := await service.stored.get(asset_id)) is None:
            raise ProblemError("not-found", "there is no small picture of this film")
        return stored.data, v == stored.version
    key = (asset_id, version(asset), size or usual)
    if (data := service.made.get(key)) is not None:
        return data, v == version(asset)
    try:
        data = await service.search(request, made, asset, size or usual, service.library.settings)
    except ReadError as error:
        stored = await service.stored.get(asset_id)
        if stored is None:
            raise ProblemError("file-missing", f"{asset.uri}: {error}") from None
        return stored.data, False
    service.made.put(key, data)
    return data, v == version(asset)


@router.get(
    "/{asset_id}/content",
    operation_id="getContent",
    summary="The file of a picture or film, or ranges of it",
    response_class=Response,
    responses={
        200: {"content": _FILES},
        206: {"content": _FILES},
        304: {"description": "what the client has is still right"},
        **problems(416),
    },
)
async def get_content(
    request: Request, asset_id: Id, download: Annotated[bool, Query(description="as an attachment")] = False
) -> Response:
    service = service_of(request)
    asset = await service.read(request, service.asset, asset_id)
    headers = {
        "Cache-Control": ANEW,
        "Content-Security-Policy": SANDBOX,
        "Content-Disposition": _disposition("attachment" if download else "inline", asset),
    }
    file, written = await service.read(request, original, asset)
    try:
        size = file.seek(0, os.SEEK_END)
        headers["ETag"] = f'"{written:x}-{size:x}-{version(asset)}"'
        headers["Last-Modified"] = formatdate(written / 1e9, usegmt=True)
        if matches(request.headers.get("if-none-match"), headers["ETag"]):
            file.close()
            return Response(status_code=304, headers=headers)
        first, last, partial = _part(request.headers, headers, size)
    except BaseException:
        file.close()
        raise
    headers |= {"Accept-Ranges": "bytes", "Content-Length": str(last - first)}
    if partial:
        headers["Content-Range"] = f"bytes {first}-{last - 1}/{size}"
    media = asset.media or "application/octet-stream"
    return StreamingResponse(_pieces(file, first, last), 206 if partial else 200, headers, media)


@router.post(
    "/{asset_id}/reveal",
    operation_id="revealAsset",
    summary="Show the file in the file manager of the server's machine",
    status_code=204,
    response_class=Response,
    responses=problems(501),
)
async def reveal_asset(request: Request, asset_id: Id) -> Response:
    service = service_of(request)
    if service.reveal is None:
        raise ProblemError("unavailable", "this server has no file manager to show files in")
    asset = await service.read(request, service.asset, asset_id)
    if addresses.scheme(asset.uri):
        raise ProblemError("unavailable", f"{asset.uri} is no file of the server's machine")
    path = uris.to_path(asset.uri)
    await service.read(request, _status, path)
    await service.read(request, service.reveal, Path(path))
    return Response(status_code=204)


def _status(path: str) -> os.stat_result:
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        raise ProblemError("file-missing", "the file is gone, or its drive is not connected") from None
    if not stat.S_ISREG(status.st_mode):
        raise ProblemError("file-missing", "there is no file any more where the picture was")
    return status


def original(asset: Asset) -> tuple[BinaryIO, int]:
    """The file of an asset, open at its start, and when it was written, in nanoseconds since 1970. Raises
    ProblemError where it is gone, cannot be read, or holds no picture or film any more: whatever came in its
    place is nobody's business."""
    try:
        file, written = _elsewhere(asset) if addresses.scheme(asset.uri) else _here(asset)
        head = file.read(decode.HEAD_BYTES)
    except (FindalikeError, OSError) as error:
        raise ProblemError("file-missing", f"the file cannot be read: {error}") from None
    if not (decode.sniff(head) or decode.sniff_film(head)):
        file.close()
        raise ProblemError("file-missing", "there is no picture or film any more where the library knows one")
    file.seek(0)
    return file, written


def _here(asset: Asset) -> tuple[BinaryIO, int]:
    path, inside = uris.to_path(asset.uri), uris.split(asset.uri)[1]
    status = _status(path)
    file = sources.open_asset(asset.uri)
    if not inside:
        return file, os.fstat(file.fileno()).st_mtime_ns
    with file:
        return io.BytesIO(file.read()), status.st_mtime_ns


def _elsewhere(asset: Asset) -> tuple[BinaryIO, int]:
    """What is no file of this machine. When it was written is asked for before it is opened, so that a
    browser never keeps an older content under a newer time."""
    listed = next(iter(sources.discover(asset.uri)))
    written = listed.modified or asset.modified
    return sources.open_asset(asset.uri), int(written.timestamp() * 1_000_000) * 1_000


def _pieces(file: BinaryIO, first: int, last: int) -> Iterator[bytes]:
    with file:
        file.seek(first)
        while first < last and (piece := file.read(min(PIECE, last - first))):
            first += len(piece)
            yield piece


def _part(asked: Headers, own: Mapping[str, str], size: int) -> tuple[int, int, bool]:
    """Where the part that is asked for begins and ends, and whether it is one. What is no range, several of
    them, and one of another version (RFC 9110, sections 13.1.5 and 14.2) stand for the whole. Raises
    ProblemError for a range that the file has not."""
    found = _RANGE.fullmatch(asked.get("range", ""))
    if found is None or asked.get("if-range", own["ETag"]) not in (own["ETag"], own["Last-Modified"]):
        return 0, size, False
    start, end = found.groups()
    if not (start or end) or (start and end and int(start) > int(end)):
        return 0, size, False
    if start:
        first, last = int(start), min(size, int(end) + 1) if end else size
    else:
        first, last = size - min(size, int(end)), size
    if first >= size:
        raise ProblemError("range", f"the file has {size} bytes", {"Content-Range": f"bytes */{size}"})
    return first, last, True


def matches(given: str | None, tag: str) -> bool:
    """Whether what a client has (If-None-Match) is what it would get."""
    return given is not None and (
        given.strip() == "*" or tag in (each.strip().removeprefix("W/") for each in given.split(","))
    )


def _disposition(kind: str, asset: Asset) -> str:
    """RFC 6266: a plain name for old clients, the true one percent-encoded; no letter ends the header."""
    name = asset.uri.rpartition("/")[2]
    plain = _ODD.sub("_", name)[:120] or "picture"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"

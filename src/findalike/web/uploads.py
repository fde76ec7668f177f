"""Pictures and films that come by HTTP: kept in one folder by content, indexed, let go of if unreadable."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, UploadFile
from starlette.responses import JSONResponse

from findalike import decode
from findalike import uri as uris
from findalike.web.responses import described_as, problems, service_of
from findalike.web.schema import Uploaded
from findalike.web.service import Service

router = APIRouter(prefix="/v1/assets", tags=["assets"])

_SUFFIX = {
    "image/jpeg": ".jpg",
    "image/heic": ".heic",
    "image/heif": ".heif",
    "video/quicktime": ".mov",
    "video/x-matroska": ".mkv",
    "video/x-msvideo": ".avi",
    "video/x-flv": ".flv",
    "video/x-ms-wmv": ".wmv",
    "video/3gpp": ".3gp",
    "video/mp2t": ".ts",
    "video/ogg": ".ogv",
}
PARTIAL = ".partial"
_ODD = re.compile(r"[^\w.() +-]+", re.ASCII)


@router.post(
    "",
    operation_id="uploadAssets",
    summary="Upload pictures and films into the server's folder and index them",
    status_code=201,
    responses={**described_as(Uploaded, 201), **problems(409, 415)},
)
async def upload_assets(request: Request, files: list[UploadFile]) -> JSONResponse:
    service = service_of(request)
    folder = service.upload_folder()
    several = [(each.filename or "picture", await each.read()) for each in files]
    return JSONResponse(await service.write(request, _uploaded, service, folder, several), 201)


def _uploaded(service: Service, folder: Path, several: Sequence[tuple[str, bytes]]) -> dict[str, Any]:
    """Keep what are pictures, index them, and let go of those that cannot be read."""
    failures, kept, new = [], dict[Path, str](), set[Path]()
    for name, data in several:
        head = data[: decode.HEAD_BYTES]
        media = decode.sniff(head) or decode.sniff_film(head)
        if media:
            path = _place(folder, name, media, data)
            kept[path] = name
            if not path.exists():
                _write(path, data)
                new.add(path)
        else:
            failures.append(
                {
                    "name": name,
                    "stage": "read",
                    "error": "is no picture or film of a format that is read here",
                }
            )
    store = service.library.store
    if kept:
        try:
            report = service.library.add(*kept, wait=2)
        except Exception:
            for path in new:
                if store.find(uris.from_path(path)) is None:
                    _let_go(path)
            raise
        for failure in report.failures:
            path = Path(uris.to_path(failure.uri))
            if path in kept:
                failures.append({"name": kept.pop(path), "stage": failure.stage, "error": failure.error})
                if path in new:
                    _let_go(path)
                store.clear_failures([failure.uri])
    found = [store.find(uris.from_path(path)) for path in kept]
    return {"assets": service.described([asset for asset in found if asset]), "failures": failures}


def _place(folder: Path, name: str, media: str, data: bytes) -> Path:
    """Where an upload is kept: by its content, so that the same picture is kept once, under a name that
    cannot lead elsewhere and an ending that says what it is."""
    digest = hashlib.sha256(data).hexdigest()[:16]
    stem = (
        _ODD.sub("_", re.split(r"[\\/]", name)[-1].rpartition(".")[0] or name)[:80].strip(". ") or "picture"
    )
    path = folder / digest[:2] / digest / (stem + _SUFFIX.get(media, "." + media.rpartition("/")[2]))
    if not path.parent.exists():
        return path
    return next((each for each in path.parent.iterdir() if each.suffix != PARTIAL), path)


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + PARTIAL)
    partial.write_bytes(data)
    os.replace(partial, path)  # noqa: PTH105


def _let_go(path: Path) -> None:
    """Remove an upload, and the folders that were made for it."""
    path.unlink(missing_ok=True)
    with suppress(OSError):
        path.parent.rmdir()
        path.parent.parent.rmdir()

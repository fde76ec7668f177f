"""What the routes of one server share: the library, the bounded ways to it, and what it tells of assets."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from starlette.requests import Request

from findalike import uri as uris
from findalike.errors import FindalikeError
from findalike.ingest import Progress, Report
from findalike.library import Library
from findalike.present.caption import plain
from findalike.store.columns import parent
from findalike.store.mirror import Mirrorable, mirrored
from findalike.types import Asset
from findalike.web.access import Keys
from findalike.web.config import Config
from findalike.web.fetch import Limits as FetchLimits
from findalike.web.fetch import fetch
from findalike.web.gate import Gate
from findalike.web.jobs import Jobs, Lesson
from findalike.web.metrics import Metrics
from findalike.web.problems import ProblemError
from findalike.web.thumbnails import Recent, Stored, Thumbnail

LOG = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

PUBLIC_PORTS, ANY_PORT = frozenset({80, 443}), frozenset(range(1, 2**16))
"""Where a picture may be fetched from: in the operator's own network servers have all kinds of ports."""

READERS = 4
"""Threads for what is short: an asset, facets, a part of a file."""

PATIENCE = 5.0
"""Seconds that a job waits for a write of others, such as a label that is put on just when it starts."""


class Service:
    """One server's share of a library. `reveal` shows a file in the file manager, where there is one."""

    def __init__(
        self, library: Library, config: Config, reveal: Callable[[Path], None] | None = None
    ) -> None:
        if config.mirror:
            library.store = mirrored(cast(Mirrorable, library.store))
        self.library = library
        self.config = config
        self.keys = Keys(config.tokens)
        self.reveal = reveal
        self.metrics = Metrics()
        self.warmed = threading.Event()
        self.name = uris.text(Path(library.path).name)
        self.jobs = Jobs(self._index, self._learn, config.limits.jobs)
        self.stored = Stored(self._thumbnails)
        self.made = Recent()
        limits = config.limits
        workers = limits.workers or max(2, library.settings.thread_count())
        self.searching = Gate("search", workers, limits.waiting, limits.seconds)
        self.reading = Gate("read", READERS, limits.waiting, limits.seconds)
        self.writing = Gate("write", 1, limits.waiting, limits.seconds * 4)

    async def read(self, request: Request, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.reading.run(request.is_disconnected, work, *args, **kwargs)

    async def search(self, request: Request, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.searching.run(request.is_disconnected, work, *args, **kwargs)

    async def write(self, request: Request, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.writing.run(request.is_disconnected, work, *args, **kwargs)

    def asset(self, asset_id: str) -> Asset:
        """Raises ProblemError for an id that is not there."""
        return self.assets([asset_id])[0]

    def assets(self, ids: Sequence[str]) -> list[Asset]:
        """In the order of their ids, each once. Raises ProblemError for an id that is not there."""
        found = self.library.store.get(ids)
        if unknown := next((each for each in ids if each not in found), None):
            raise ProblemError("not-found", f"no picture of the library has the id {unknown[:64]!r}")
        return [found[each] for each in dict.fromkeys(ids)]

    def described(self, assets: Sequence[Asset]) -> list[dict[str, Any]]:
        """Assets as the API tells them."""
        labels = self.library.labels(asset.id for asset in assets)
        return [described(asset, labels.get(asset.id, ())) for asset in assets]

    def upload_folder(self) -> Path:
        if self.config.uploads is None:
            raise ProblemError(
                "forbidden", "this server takes no uploads; its operator may give --uploads DIR"
            )
        return self.config.uploads

    def fetched(self, url: str) -> bytes:
        """The bytes of a picture of a query. Raises ProblemError where the operator has not allowed it."""
        if not self.config.urls:
            detail = "this server fetches nothing; send the picture, or ask its operator for --allow-urls"
            raise ProblemError("forbidden", detail)
        limits, private = self.config.limits, self.config.private_urls
        ports = ANY_PORT if private else PUBLIC_PORTS
        wanted = FetchLimits(bytes=limits.body, seconds=limits.seconds / 3, ports=ports, private=private)
        return fetch(url, wanted)

    def warm(self) -> None:
        """Load the encoder, the words and the index before the first client waits for them."""
        blank = np.full((256, 256, 3), 128, np.uint8)
        try:
            self.library.search(blank, k=1)
            self.library.search(text="dog", k=1)
        except FindalikeError as error:  # told to the client who asks
            LOG.info("not warmed: %s", error)
        finally:
            self.warmed.set()

    def close(self) -> None:
        self.jobs.close()
        self.stored.close()
        for gate in (self.searching, self.reading, self.writing):
            gate.close()

    def _thumbnails(self, asset_ids: Sequence[str]) -> dict[str, Thumbnail]:
        """Those of pictures that are still there."""
        assets = self.library.store.get(asset_ids)
        found = self.library.store.thumbnails(assets)
        return {i: Thumbnail(data, version(assets[i])) for i, data in found.items()}

    def _index(self, path: Path, retry: bool, watch: Callable[[Progress], None]) -> Report:
        report = self.library.add(path, retry=retry, wait=PATIENCE, watch=watch)
        if self.library.due():
            self.library.optimize(wait=PATIENCE)
        return report

    def _learn(self, column: str, watch: Callable[[str, int, int], None]) -> Lesson:
        """Learn an attribute anew, as it was learned before where it was, and predict by it."""
        library = self.library
        before = next((info for info in library.attributes() if info.column == column), None)
        fold_case = before is not None and before.fold_case
        now = library.learn_attribute(column, fold_case=fold_case, wait=PATIENCE, watch=watch)
        (done,) = library.apply_attributes(column, wait=PATIENCE, watch=watch)
        library.optimize(wait=PATIENCE)  # each answer was a write, and many small ones slow the next
        library.review(column).renew()
        accuracy = before.accuracy if before else None
        return Lesson(now.info.accuracy, accuracy, now.info.labelled, done.predicted, now.notes)


def described(asset: Asset, labels: Sequence[str]) -> dict[str, Any]:
    size = [asset.metadata.get(side) for side in ("width", "height")]
    width, height = (value if isinstance(value, int) else None for value in size)
    return {
        "id": asset.id,
        "name": parent(asset.uri)[1],
        "path": asset.uri,
        "media": asset.media,
        "size": asset.size,
        "modified": plain(asset.modified),
        "width": width,
        "height": height,
        "tags": [plain(tag) for tag in asset.tags],
        "labels": list(labels),
        "metadata": {str(plain(name)): plain(value) for name, value in asset.metadata.items()},
        "links": links(asset),
    }


def links(asset: Asset) -> Mapping[str, str]:
    """`v` changes with the content, so that what it names may be kept for ever."""
    own = f"/v1/assets/{asset.id}"
    return {"self": own, "thumbnail": f"{own}/thumbnail?v={version(asset)}", "content": f"{own}/content"}


def version(asset: Asset) -> str:
    return asset.sha256[:8] or hashlib.sha256(str(asset.modified).encode()).hexdigest()[:8]

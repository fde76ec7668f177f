"""The answer to a query: hits, and the forms in which they are shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, BinaryIO, cast, overload

from findalike import plugins
from findalike.encode import calibration
from findalike.errors import UsageError
from findalike.present import caption
from findalike.present.caption import Example, Pair, Thumbnails
from findalike.query import Query
from findalike.search.terms import uri_of
from findalike.search.verified import is_verified
from findalike.types import Hit


class Hits(Sequence[Hit]):
    """The answer to a query, best first. In a notebook it shows itself as a grid of pictures."""

    def __init__(
        self,
        hits: Iterable[Hit],
        query: Query,
        examples: Callable[[], Sequence[Example]],
        thumbnails: Thumbnails,
        holds: Callable[[str], bool] = lambda _: False,
        notes: Sequence[str] = (),
        cursor: str | None = None,
        start: int = 0,
        total: int | None = None,
        pairs: Callable[[Sequence[Hit]], Sequence[Pair]] = lambda _: (),
    ) -> None:
        """`examples` gives the query's terms as they are shown, when a sheet or a page asks for them; `holds`
        tells whether a uri is a picture of the library, which nothing is written over. `notes` say what of
        the query could not be looked for; `cursor` goes on after the last hit, and is None at the end;
        `start` is how many hits came on earlier pages, `total` how many there are, where that is known;
        `pairs` gives those of some hits that were verified, each beside the picture of the query."""
        self._hits = tuple(hits)
        self.query = query
        self.examples = examples
        self.thumbnails = thumbnails
        self._holds = holds
        self.notes = tuple(notes)
        self.cursor = cursor
        self.start = start
        self.total = total
        self._pairs = pairs

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Hit]: ...
    def __getitem__(self, index: int | slice) -> Hit | Sequence[Hit]:
        return self._hits[index]

    def __len__(self) -> int:
        return len(self._hits)

    def __repr__(self) -> str:
        best = f", best {caption.score(self._hits[0])} ({self._hits[0].band})" if self._hits else ""
        return f"<{len(self)} hits{best}>"

    @property
    def nothing_similar(self) -> bool:
        """Whether no hit is even loosely related. Without terms: whether nothing passed the filter."""
        if not self.query.terms:
            return not self._hits
        return all(hit.score < calibration.RELATED_FROM and not is_verified(hit) for hit in self._hits)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The records that `--json` prints."""
        records = plugins.on_use("findalike.present.records").records(self._hits)
        return cast(list[dict[str, Any]], records)

    def sheet(self, out: str | os.PathLike[str] | BinaryIO, columns: int | None = None) -> None:
        """Write a labelled contact sheet: .png, .jpg or .webp. Raises UsageError, also rather than write over
        a picture that was searched for or found."""
        self._spare(out)
        plugins.on_use("findalike.present.sheet").sheet(
            self._hits, self.thumbnails, out, query=self.examples(), columns=columns
        )

    def matches_sheet(self, out: str | os.PathLike[str] | BinaryIO, columns: int | None = None) -> None:
        """Write the verified hits, each beside the picture it was verified by, with lines between what
        agrees: .png, .jpg or .webp. `columns` of pairs, from 1 to 8. Raises UsageError, also where the query
        asked for no verification."""
        if self.query.verify is None:
            raise UsageError("nothing was verified: search with verify='geometric' or verify='ssim'")
        self._spare(out)
        matches = plugins.on_use("findalike.present.matches")
        matches.sheet(self._pairs(self._hits[: matches.MAX_PAIRS]), out, columns)

    def page(self, out: str | os.PathLike[str] | BinaryIO) -> None:
        """Write a self-contained HTML page. Raises UsageError."""
        self._spare(out)
        page = plugins.on_use("findalike.present.page")
        page.page(self._hits, self.thumbnails, out, query=self.examples())

    def _spare(self, out: object) -> None:
        """Refuse to write over a picture of the library or of the query."""
        if not isinstance(out, str | os.PathLike):
            return
        written = uri_of(os.fspath(out))
        asked = {uri_of(term.what) for term in self.query.terms if isinstance(term.what, str)}
        if written in asked or self._holds(written):
            raise UsageError(f"{os.fspath(out)} is one of the pictures; name another file to write to")

    def _repr_html_(self) -> str:
        page = plugins.on_use("findalike.present.page")
        return cast(str, page.html_grid(self._hits, self.thumbnails, self.examples()))

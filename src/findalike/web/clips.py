"""Films that come with a query: no longer than this server reads for one."""

from __future__ import annotations

import io

from findalike import decode, plugins
from findalike.errors import ReadError
from findalike.web.problems import ProblemError


def check_clip(data: bytes, seconds: float, budget: int) -> None:
    """Raises ProblemError for a film that says it is longer than `seconds`; what is no film, or none that can
    be read, is the search's to tell. `budget`: pixels of a frame."""
    if not decode.sniff_film(data[: decode.HEAD_BYTES]):
        return
    try:
        film = plugins.on_use("findalike.decode.film", "av").Film(io.BytesIO(data), budget)
    except ReadError:
        return
    length = film.facts.duration
    if length is not None and length > seconds:
        raise ProblemError(
            "too-large",
            f"the clip lasts {length:.0f} s; at most {seconds:.0f} s are looked for: cut out a part",
        )

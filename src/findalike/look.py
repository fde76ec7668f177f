"""How much each way of looking alike counts: `thing=1,colour=0.5`.

A way is a space of the library: `thing` its network's, `colour` and `layout` the small ones beside it, or any
other by the name of its encoder.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from findalike.errors import QueryError

THING, COLOUR, LAYOUT = WAYS = ("thing", "colour", "layout")
"""What a picture shows, its colours, and where in it what is light and dark."""

Look = tuple[tuple[str, float], ...]
"""Names of ways, each once, with weights above 0."""

_SPELLED = {"color": COLOUR}
_EXAMPLE = "write thing=1,colour=0.5"


def parse_look(text: str) -> Look:
    """The look that a text such as `thing=1,colour=0.5` says; a name alone has the weight 1. Raises
    QueryError."""
    pairs = []
    for part in text.split(","):
        name, sign, weight = (each.strip() for each in part.partition("="))
        try:
            pairs.append((name, float(weight) if sign else 1.0))
        except ValueError:
            raise QueryError(f"look {text!r}: {weight!r} is no number; {_EXAMPLE}") from None
    return checked_look(pairs)


def checked_look(look: object) -> Look:
    """A look from its text, from pairs, a mapping or None, in its one form. Ways of the weight 0 are left
    out. Raises QueryError."""
    if look is None:
        return ()
    if isinstance(look, str):
        return parse_look(look)
    pairs = look.items() if isinstance(look, Mapping) else look
    if not isinstance(pairs, Iterable):
        raise QueryError(
            f"look is {look!r}, but it must give ways of looking alike their weights: {_EXAMPLE}"
        )
    found: dict[str, float] = {}
    for pair in pairs:
        name, weight = _checked(pair)
        if name in found:
            raise QueryError(f"look names {name} twice; {_EXAMPLE}")
        found[name] = weight
    kept = tuple((name, weight) for name, weight in found.items() if weight)
    if found and not kept:
        raise QueryError("look gives every way the weight 0, so nothing would count; give one of them 1")
    return kept


def _checked(pair: object) -> tuple[str, float]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise QueryError(f"look holds {pair!r}, which is no way with its weight; {_EXAMPLE}")
    name, weight = pair
    if not isinstance(name, str) or not name:
        raise QueryError(f"look names {name!r}; the ways are {', '.join(WAYS)}, and encoders by name")
    if (
        isinstance(weight, bool)
        or not isinstance(weight, int | float)
        or not math.isfinite(weight)
        or weight < 0
    ):
        raise QueryError(f"look gives {name} the weight {weight!r}, but it must be a number from 0 up")
    return _SPELLED.get(name, name), float(weight)

"""How sure an alignment is: what chance would have to do to bring it about."""

from __future__ import annotations

import math

CHANCE = 0.03
"""The part of the matches of two different pictures that lie where any one transform sends them."""


def evidence(agreeing: int, tried: int) -> float:
    """How many powers of ten less often than once chance brings so many of the tried matches to agree with
    the best of the transforms that they tell: the bound of Chernoff (1952) on the binomial tail, times the
    number of transforms that were tried."""
    part = agreeing / tried
    rest = (1 - part) * math.log((1 - part) / (1 - CHANCE)) if part < 1 else 0.0
    surprise = tried * (part * math.log(part / CHANCE) + rest) if part > CHANCE else 0.0
    return (surprise - math.log(tried)) / math.log(10)


def confidence(agreeing: int, tried: int, spread: float, overlap: float) -> float:
    """From 0 to 1."""
    return 1 / (1 + math.exp(6 - evidence(agreeing, tried)))

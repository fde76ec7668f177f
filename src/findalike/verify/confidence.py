"""How sure an alignment is: what chance would have to do to bring it about, and whether it is the thing in
the middle that agrees or only what lies around it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

CHANCE = 0.05
"""The part of the matches of two different pictures that any one transform explains, at most."""

TOLD = 2
"""Matches that tell a transform, and so cannot speak for it."""

EVEN = 4.0
"""The evidence that is as often chance as not among the pictures that look most alike."""

AROUND, MIDDLE = 0.2, 0.3
"""Below the one support, two pictures share what lies around the thing; from the other on, the thing."""

PATCH = 0.05
"""The side of the patches that support is counted by, in units of the picture, so that a dense texture, of
a carpet say, has no more to tell than what lies on it."""

REACH = 0.06
"""How far from a match, in units of the picture, a patch is supported by it."""

WIDTH = 0.15
"""The standard deviation of what counts as the middle of a picture, in its units."""


def evidence(agreeing: int, tried: int) -> float:
    """How many powers of ten more often than by chance so many of the tried matches agree with the best of
    the transforms that they tell: Chernoff's bound (1952) on the binomial tail, times the number of
    transforms that were tried. 0 for what chance brings anyhow."""
    trials = tried - TOLD
    part = (agreeing - TOLD) / trials if trials > 0 else 0.0
    if part <= CHANCE:
        return 0.0
    rest = (1 - part) * math.log((1 - part) / (1 - CHANCE)) if part < 1 else 0.0
    surprise = trials * (part * math.log(part / CHANCE) + rest)
    return max(0.0, (surprise - math.log(tried)) / math.log(10))


def support(points: NDArray[np.float64], chosen: NDArray[np.float64], middle: NDArray[np.float64]) -> float:
    """How much of what a picture has in its middle agrees: the part of the patches with keypoints, each by
    how near the middle it is, that lie close to a keypoint that was chosen. All in units of the picture."""
    patches = (np.unique(np.floor(points / PATCH), axis=0) + 0.5) * PATCH
    squared = np.square(patches[:, None] - chosen[None]).sum(axis=2)
    near = (squared <= REACH**2).any(axis=1)
    weight = np.exp(-np.square(patches - middle).sum(axis=1) / (2 * WIDTH**2))
    return min(1.0, float(weight @ near) / max(float(weight.sum()), 1e-12))


def confidence(evidence: float, support: float) -> float:
    """From 0 to 1: the odds grow by e with each power of ten of evidence, and only for the thing itself."""
    sure = 1 / (1 + math.exp(min(EVEN - evidence, 700.0)))
    return sure * float(np.interp(support, (AROUND, MIDDLE), (0.0, 1.0)))

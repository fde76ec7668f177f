"""How far the review of an attribute is, and how much of it is right by now. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from findalike.attributes.answers import Answer

DOUBTFUL = 2.0
"""Standard deviations beyond which answers and confidences do not agree."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Of the pictures of a library: `stated` have a person's value, `predicted` a predicted one, whose
    confidences sum up to `sure`, and `bare` have none.

    `answered` predictions were reviewed so far, of which `accepted` stayed as they were; their confidences
    summed up to `foreseen`, with variance `spread`.
    """

    stated: int
    predicted: int
    bare: int
    sure: float
    answered: int = 0
    accepted: int = 0
    foreseen: float = 0.0
    spread: float = 0.0

    @property
    def total(self) -> int:
        return self.stated + self.predicted + self.bare

    @property
    def expected(self) -> float | None:
        """The share of the pictures with a value that have the right one, as far as the confidences can be
        trusted and people make no mistakes; None where none has a value."""
        valued = self.stated + self.predicted
        return (self.stated + self.sure) / valued if valued else None

    @property
    def expected_of_predicted(self) -> float | None:
        return self.sure / self.predicted if self.predicted else None

    @property
    def accepted_share(self) -> float | None:
        """The measured share of predictions that people left as they are. The most uncertain are asked for
        first, so that it is lower than among the others."""
        return self.accepted / self.answered if self.answered else None

    @property
    def foreseen_share(self) -> float | None:
        """The share that the confidences of these predictions said would be right."""
        return self.foreseen / self.answered if self.answered else None

    @property
    def trust(self) -> str:
        """Whether the answers bear the confidences out: `unknown` while there are too few, `fits`, `too sure`
        where fewer were accepted than foreseen by more than chance would do, else `too modest`."""
        if self.answered < 10 or self.spread <= 0:
            return "unknown"
        apart = (self.accepted - self.foreseen) / math.sqrt(self.spread)
        return "fits" if abs(apart) <= DOUBTFUL else "too sure" if apart < 0 else "too modest"


def standing(stated: int, predicted: int, bare: int, sure: float, answers: Iterable[Answer]) -> Standing:
    """The standing after these answers. Each answer to a prediction counts, also where a picture was answered
    for more than once; those to values of people, or to none, do not."""
    told = [answer for answer in answers if answer.confidence is not None]
    sures = [answer.confidence for answer in told if answer.confidence is not None]
    return Standing(
        stated,
        predicted,
        bare,
        sure,
        len(told),
        sum(answer.accepted for answer in told),
        sum(sures),
        sum(each * (1 - each) for each in sures),
    )

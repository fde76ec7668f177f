"""The seam of a bank: a table of concepts, and one method that says which of them a picture shows.

An observer is registered under the name of its bank as an entry point of the group `findalike.banks`. What
every observer would otherwise repeat (the check of numbers and weights) lives in `observed`, once.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from findalike import plugins
from findalike.errors import FindalikeError
from findalike.types import Bank, Evidence, Metadata, Picture
from findalike.words.lexicon import CLASS_COUNT, lexicon

GROUP = "findalike.banks"

TAG_FROM = 0.15
"""The least weight of a tag. A tag is read as a plain yes by filters, so it asks for more than evidence that
only ranks: at .15 a class stands out among a thousand, and an area of colour is seen at a glance."""

MOST_TAGS = 20
"""Tags of one bank for one picture: a class and all that it is a kind of are ten at most, so two things find
room."""


class Observer(Protocol):
    """Knows a bank, and looks at pictures for its concepts. Threads may call `observe` at once."""

    @property
    def bank(self) -> Bank: ...

    @property
    def from_metadata(self) -> bool:
        """Whether the evidence hangs on metadata alone. Then it is asked anew, without the picture, when
        only the metadata of an asset changed."""
        ...

    def observe(
        self, picture: Picture | None, metadata: Metadata, probabilities: NDArray[np.float32] | None
    ) -> Evidence:
        """What the picture shows: numbers of concepts and weights above 0, at most 1.

        `picture` is None where only metadata is looked at. `probabilities` are those of the 1,000 classes
        of a classifier, shape (1000,), or None where no classifier ran.
        """
        ...


def observers() -> tuple[Observer, ...]:
    """All that are installed, by the names of their banks. Raises FindalikeError for one whose bank has
    another name than it is registered under."""
    return tuple(observer(name) for name in plugins.names(GROUP))


def observer(name: str) -> Observer:
    """The observer of a bank. Raises UsageError for a name that no bank has, ExtraMissing."""
    found: Observer = plugins.load(GROUP, name)
    if found.bank.name != name:
        raise FindalikeError(
            f"the bank registered as {name!r} is named {found.bank.name!r}: mend its package"
        )
    return found


def observed(
    watcher: Observer, picture: Picture | None, metadata: Metadata, probabilities: NDArray[np.float32] | None
) -> Evidence:
    """The evidence of an observer, as plain ints and floats. Raises FindalikeError when it breaks its
    contract: a number outside its bank, or a weight that is not above 0 and at most 1."""
    count = len(watcher.bank.concepts)
    found = {int(n): float(w) for n, w in watcher.observe(picture, metadata, probabilities).items()}
    wrong = next((n for n, w in found.items() if not (0 <= n < count and 0 < w <= 1)), None)
    if wrong is not None:
        raise FindalikeError(
            f"the bank {watcher.bank.name} gave concept {wrong} the weight {found[wrong]}, where numbers are "
            f"below {count} and weights above 0 and at most 1"
        )
    return found


def tags_of(bank: Bank, evidence: Evidence) -> list[str]:
    """The names of what a picture shows, the surest first; of equally sure ones the narrower first."""
    sure = [(round(weight, 2), number) for number, weight in evidence.items() if weight >= TAG_FROM]
    sure.sort(key=lambda pair: (-pair[0], -len(bank.concepts[pair[1]].broader), pair[1]))
    return [bank.concepts[number].name for _, number in sure[:MOST_TAGS]]


class Classes:
    """The bank `classes`: what the default network recognises, and what that is a kind of."""

    from_metadata = False

    @property
    def bank(self) -> Bank:
        return lexicon().bank

    def observe(
        self, picture: Picture | None, metadata: Metadata, probabilities: NDArray[np.float32] | None
    ) -> Evidence:
        """Without probabilities there is none. Raises FindalikeError for those of other classes."""
        if probabilities is None:
            return {}
        if probabilities.shape != (CLASS_COUNT,):
            raise FindalikeError(f"expected {CLASS_COUNT} probabilities, got {probabilities.shape}")
        return lexicon().evidence_of(probabilities)


CLASSES = Classes()


def ramp(value: Any, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high`, a straight line between; `low` may be the greater. NaN is 0."""
    share = (float(value) - low) / (high - low)
    return 0.0 if math.isnan(share) else min(max(share, 0.0), 1.0)

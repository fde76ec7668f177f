"""The methods that need no labels: values said in words, and values that are names of colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from findalike.attributes import colours, reading, temperature, wording
from findalike.attributes.card import Label, Method, Score
from findalike.attributes.probe import Linear
from findalike.attributes.scoring import cooled, score
from findalike.attributes.wording import Reader, Wording
from findalike.errors import UsageError
from findalike.store.base import Store
from findalike.types import Vectors

_NAMED = 3


@dataclass(frozen=True, slots=True, eq=False)
class Dealt:
    """Labelled pictures: their ids, the numbers of their values among `values`, and their folds; none where
    nothing is labelled."""

    values: tuple[Label, ...]
    ids: tuple[str, ...]
    numbers: NDArray[np.int64]
    fold: NDArray[np.int64]


def told_by(
    store: Store, values: Sequence[Label], wanted: Wording, reader: Reader | None
) -> tuple[dict[Method, Linear], list[str]]:
    """The probes that need no labels, and a sentence on why words cannot tell. Raises UsageError where they
    are asked for and nothing can read them."""
    found: dict[Method, Linear] = {}
    notes = []
    if reader is not None and all(isinstance(value, str) for value in values):
        worded, unknown = wording.probe(values, wanted, reader)
        if worded is not None:
            found["words"] = worded
        elif wanted.asked:
            named = ", ".join(map(repr, unknown[:_NAMED]))
            notes.append(f"Not told by words: {reader.card.name} knows no word of {named}.")
    if colours.BANK in store.banks():
        named_by = colours.probe(values, store.banks()[colours.BANK])
        if named_by is not None:
            found["colours"] = named_by
    if wanted.values and reader is None:
        notes.append("Not told by words: no encoder of the library reads any; findalike encoders lists those "
                     "that do.")  # fmt: skip
    return found, notes


def measured(
    store: Store, method: Method, probe: Linear, labels: Dealt, vectors: Mapping[str, Vectors]
) -> tuple[Linear, Score]:
    """The probe with a temperature fitted to labels, and its score on them, each fold's by the temperature
    of the others; as it is where nothing is labelled. `vectors` may have those of the pictures already."""
    if not labels.ids:
        return probe, Score(method, probe.spaces)
    places = list(range(len(labels.ids)))
    if not set(probe.spaces) <= set(vectors):
        places, vectors = reading.read(store, probe.spaces, labels.ids)
    numbers, fold = labels.numbers[places], labels.fold[places]
    if not places:
        raise UsageError(f"no labelled picture has what {method} looks at: findalike index on their folders")
    logits = probe.logits(vectors)
    told = score(method, probe.spaces, cooled(logits, numbers, fold), numbers, fold)
    return replace(probe, temperature=temperature.fitted(logits, numbers)), told

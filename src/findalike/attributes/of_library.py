"""Attributes of a library, as methods of it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from findalike.attributes import applying, shelf
from findalike.attributes.applying import apply
from findalike.attributes.card import Applied, AttributeInfo, Learned, Method, Way
from findalike.attributes.learning import FOLDS, Ask, Watch, learn, unseen
from findalike.attributes.wording import Reader, worded
from findalike.encode import catalog
from findalike.encode.base import TextEncoder
from findalike.errors import FindalikeError, UsageError
from findalike.query import parse_filter
from findalike.store.base import Store
from findalike.types import Card

Values = Sequence[str] | Mapping[str, Sequence[str]] | str | os.PathLike[str]

KEPT_WITHIN = 30.0
"""Seconds that what was learned waits for other writers: it would be a pity to throw it away."""


class Attributes(ABC):
    """For a library: needs its store and the lock of its writer."""

    store: Store

    def learn_attribute(
        self,
        column: str,
        folds: int = FOLDS,
        encoder: str | Sequence[str] | None = None,
        where: str | None = None,
        fold_case: bool = False,
        values: Values | None = None,
        prompt: str | Sequence[str] | None = None,
        adopt: bool = False,
        seed: int = 0,
        wait: float = 0,
        watch: Watch = unseen,
    ) -> Learned:
        """Learn a column from the pictures to which people gave a value, on the vectors that the library has.

        Which spaces serve it, and how much they are smoothed, is chosen by cross-validation; `encoder` names
        those to choose from. `where` says which labelled pictures are learned from. With `fold_case`, values
        that differ in capitals and spaces alone count as one.

        Words are compared with pictures too, without labels: `values` are a list, a mapping to the texts that
        mean them, or a text file with `value` or `value: text, text` on each line; `prompt` is one text or
        several in which {} stands for the value. And values that are colours are told by the colour that is
        seen most. The best of these on the labelled pictures is the one that `apply_attributes` uses.

        Nothing is written to pictures before that, and others can write while it learns. With `adopt`, values
        with a confidence were predicted elsewhere. Raises UsageError, LibraryMismatch, LibraryLocked.
        """
        names = [encoder] if isinstance(encoder, str) else list(encoder or ())
        said = worded(values, prompt)
        with self._writing(wait):
            pass  # that it cannot be written is said before the work
        cards = [self._card(name) for name in names]
        passes = parse_filter(where, self.store.columns()) if where else None
        spaces = tuple(dict.fromkeys(card.space for card in cards))
        ask = Ask(column, folds, spaces, passes, fold_case, seed, said, adopt)
        reader = self._reader(cards, said.asked)
        patience = max(wait, KEPT_WITHIN) if wait >= 0 else wait
        return learn(self.store, ask, reader, watch, lambda: self._writing(patience))

    def _reader(self, cards: Sequence[Card], asked: bool) -> Reader | None:
        """What reads words: the first of these cards that does, else the first of the library. Where words
        are not asked for, one that cannot be loaded is none."""
        try:
            card = next((card for card in cards if catalog.reads_words(card)), None) or self._reads_words()
            encoder = self._text_encoder(card) if card else None
        except FindalikeError:
            if asked:
                raise
            return None
        return Reader(card, encoder) if card and encoder else None

    def apply_attributes(
        self,
        columns: str | Sequence[str] | None = None,
        min_confidence: float | None = None,
        where: str | None = None,
        method: Method | None = None,
        wait: float = 0,
        watch: Watch = unseen,
    ) -> list[Applied]:
        """Write value and confidence of these attributes, or of all that were learned, to every picture
        without a value of a person's own; pictures that are added later get theirs so too. Where nothing
        is said of how, it is done as the last time, at first with all confidences. Raises UsageError,
        LibraryMismatch, LibraryLocked."""
        names = [columns] if isinstance(columns, str) else columns
        with self._writing(wait):
            known = [info.column for info in self.attributes()]
            every = known if names is None else list(dict.fromkeys(names))
            if not every:
                raise UsageError("nothing was learned yet: findalike attributes learn --column COLUMN")
            found = [applying.of_column(self.store, name) for name in every]
            asked = (min_confidence, where, method) != (None, None, None)
            way = Way(min_confidence or 0.0, where or "", method)
            return [apply(self.store, each, way if asked else each.info.applied or way, watch)
                    for each in found]  # fmt: skip

    def attributes(self) -> list[AttributeInfo]:
        """What was learned, by the names of the columns. Raises LibraryError for a file that is damaged."""
        return [found.info for found in shelf.every(self.store.sidecars)]

    def forget_attribute(self, column: str, wait: float = 0, watch: Watch = unseen) -> int:
        """Take away what was learned and every value that was predicted, never a person's; returns how many
        pictures had one. Raises UsageError, LibraryLocked."""
        with self._writing(wait):
            return applying.forget(self.store, column, watch)

    # What a library brings

    @abstractmethod
    def _card(self, name: str | None) -> Card: ...

    @abstractmethod
    def _reads_words(self) -> Card | None: ...

    @abstractmethod
    def _text_encoder(self, card: Card) -> TextEncoder | None: ...

    @abstractmethod
    def _writing(self, wait: float) -> AbstractContextManager[None]: ...

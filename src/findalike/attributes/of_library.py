"""Attributes of a library, as methods of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from findalike.attributes import applying, shelf
from findalike.attributes.applying import apply
from findalike.attributes.card import Applied, AttributeInfo, Learned, Method
from findalike.attributes.learning import FOLDS, Ask, Watch, learn, unseen
from findalike.errors import UsageError
from findalike.query import parse_filter
from findalike.store.base import Store
from findalike.types import Card


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
        seed: int = 0,
        wait: float = 0,
        watch: Watch = unseen,
    ) -> Learned:
        """Learn a column from the pictures to which people gave a value, on the vectors that the library has.

        Which spaces serve it, and how much they are smoothed, is chosen by cross-validation; `encoder` names
        those to choose from. `where` says which labelled pictures are learned from. With `fold_case`, values
        that differ in capitals and spaces alone count as one. Nothing is written to pictures before
        `apply_attributes`. Raises UsageError, LibraryMismatch, LibraryLocked.
        """
        names = [encoder] if isinstance(encoder, str) else list(encoder or ())
        with self._writing(wait):
            spaces = tuple(dict.fromkeys(self._card(name).space for name in names))
            passes = parse_filter(where, self.store.columns()) if where else None
            return learn(self.store, Ask(column, folds, spaces, passes, fold_case, seed), watch)

    def apply_attributes(
        self,
        columns: str | Sequence[str] | None = None,
        min_confidence: float = 0.0,
        where: str | None = None,
        method: Method | None = None,
        wait: float = 0,
        watch: Watch = unseen,
    ) -> list[Applied]:
        """Write value and confidence of these attributes, or of all that were learned, to every picture
        without a value of a person's own. Raises UsageError, LibraryMismatch, LibraryLocked."""
        names = [columns] if isinstance(columns, str) else columns
        with self._writing(wait):
            known = [info.column for info in self.attributes()]
            every = known if names is None else list(dict.fromkeys(names))
            if not every:
                raise UsageError("nothing was learned yet: findalike attributes learn --column COLUMN")
            passes = parse_filter(where, self.store.columns()) if where else None
            found = [applying.of_column(self.store, name) for name in every]
            return [apply(self.store, each, min_confidence, passes, method, watch) for each in found]

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
    def _writing(self, wait: float) -> AbstractContextManager[None]: ...

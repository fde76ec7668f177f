"""What can be learned of a library, as methods of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from findalike.encode import whitening
from findalike.encode.base import Encoder
from findalike.encode.learned import Home
from findalike.errors import UsageError
from findalike.learn.lesson import Lesson, Watch, unseen
from findalike.learn.vocabulary import BOTH, MOST_PICTURES, make_vocabulary
from findalike.learn.whitening import whiten
from findalike.settings import Settings
from findalike.store.base import Store
from findalike.types import Card


class Learning(ABC):
    """For a library: needs its store, its settings, its encoders and the lock of its writer."""

    store: Store
    settings: Settings

    def learn_whitening(
        self,
        encoder: str | None = None,
        dim: int = whitening.DIM,
        power: float = whitening.POWER,
        name: str | None = None,
        wait: float = 0,
        watch: Watch = unseen,
    ) -> Lesson:
        """Learn the principal axes of an encoder's vectors, by default of the library's first, and add the
        space `whitened:NAME` of at most `dim` numbers; no file is read. Each axis is divided by its variance
        to `power`, 0 to 0.5. Raises UsageError, LibraryMismatch, LibraryLocked."""
        home = self._kept_in()
        with self._writing(wait):
            base = self._encoder(self._card(encoder))
            return whiten(self.store, base, home, name, dim, power, watch)

    def learn_vocabulary(
        self,
        local: str = "sift",
        sizes: Mapping[str, int] = BOTH,
        name: str | None = None,
        most_pictures: int = MOST_PICTURES,
        wait: float = 0,
        watch: Watch = unseen,
    ) -> Lesson:
        """Learn words for the keypoints (`sift` or `orb`) of at most so many pictures, and add the spaces
        `bow:NAME` and `vlad:NAME`, or the one that `sizes` gives a number of words. A picture whose file is
        gone is seen as its thumbnail. Raises UsageError, LibraryMissing, LibraryLocked, ExtraMissing."""
        home = self._kept_in()
        self._card(None)
        with self._writing(wait):
            return make_vocabulary(self.store, home, self.settings, local, sizes, name, most_pictures, watch)

    def _kept_in(self) -> Home:
        """Where the library keeps files of its own. Raises UsageError when it is in memory."""
        if self._folder is None:
            raise UsageError(
                "a library in memory keeps no files, and what is learned is one; give it a folder"
            )
        return Home(self.store.sidecars, self._folder)

    # What a library brings

    @property
    @abstractmethod
    def _folder(self) -> Path | None: ...

    @abstractmethod
    def _card(self, name: str | None) -> Card: ...

    @abstractmethod
    def _encoder(self, card: Card) -> Encoder: ...

    @abstractmethod
    def _writing(self, wait: float) -> AbstractContextManager[None]: ...

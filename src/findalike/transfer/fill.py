"""Filling a store from the contents of another place, so that a run that was stopped goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from findalike.errors import LibraryMismatch
from findalike.sidecars import Sidecars
from findalike.store.base import Batch, Store, card_to_json
from findalike.transfer.contents import Contents, Reader, ahead, only, uninterrupted
from findalike.transfer.tally import of_assets
from findalike.types import Card

_CHUNK = 1_000

Step = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Filled:
    """`written` assets of them with their `rows`; `kept` were there already, from an earlier run."""

    written: int = 0
    kept: int = 0
    rows: int = 0

    def plus(self, batch: Batch, lacking: Batch) -> Filled:
        """With a batch, of which `lacking` was written."""
        return Filled(
            self.written + len(lacking.assets),
            self.kept + len(batch.assets) - len(lacking.assets),
            self.rows + sum(map(len, lacking.rows.values())),
        )


def check(contents: Contents, store: Store, begun: bool, place: str) -> None:
    """Raises LibraryMismatch for a store that holds something else. Nothing is written."""
    cards, known = list(contents.cards().values()), list(store.cards().values())
    if list(map(card_to_json, known)) != list(map(card_to_json, cards[: len(known)])):
        raise LibraryMismatch(
            f"{place} holds the spaces {_named(known)}, which are not, in this order and with these cards, "
            f"those that come ({_named(cards)}); name a new place"
        )
    if not begun and (store.count() or store.failures() or store.banks() or store.sidecars.names()):
        raise LibraryMismatch(
            f"{place} is a library already, with {store.count():,} pictures; name a new place, or, if it is "
            "a copy made earlier, prove with --check that it holds the same"
        )


def _named(cards: Sequence[Card]) -> str:
    return ", ".join(card.space for card in cards) or "none"


def fill(contents: Contents, store: Store, begun: bool, step: Step = lambda _: None) -> Filled:
    """Bring a store in step with the contents. What an earlier run brought is compared and kept, and what the
    source has no more goes. On KeyboardInterrupt a batch that is being written is written to its end."""
    for card in contents.cards().values():
        store.add_card(card)
    banks = contents.banks()
    for name in set(store.banks()) - set(banks):
        store.remove_bank(name)
    for bank in banks.values():
        store.add_bank(bank)
    filled = _assets(contents, store, begun and store.count() > 0, step)
    _failures(contents, store)
    copy_sidecars(contents.sidecars, store.sidecars)
    return filled


def _assets(contents: Contents, store: Store, compare: bool, step: Step) -> Filled:
    filled, seen = Filled(), set[str]()
    for batch in ahead(contents.batches()):
        lacking = _lacking(batch, store) if compare else batch
        if lacking.assets:
            uninterrupted(partial(_write, store, lacking, compare))
        filled = filled.plus(batch, lacking)
        seen.update(asset.id for asset in batch.assets if compare)
        step(filled.written + filled.kept)
    if compare:
        store.remove([asset.id for asset in store.assets() if asset.id not in seen])
    return filled


def _lacking(batch: Batch, store: Store) -> Batch:
    """What of a batch the store does not hold as it is."""
    cards = store.cards()
    there = list(store.get([asset.id for asset in batch.assets]).values())
    wanted, found = of_assets(batch, cards), of_assets(Reader(store).read(there), cards)
    return only(batch, {i for i, digest in wanted.items() if found.get(i) != digest})


def _write(store: Store, batch: Batch, compare: bool) -> None:
    if compare and (other := store.get([asset.id for asset in batch.assets])):
        store.remove(other)  # with parts that the source has no more
    store.write(batch)


def _failures(contents: Contents, store: Store) -> None:
    wanted = {failure.uri: failure for failure in contents.failures()}
    known = {failure.uri: failure for failure in store.failures()}
    store.clear_failures([uri for uri in known if uri not in wanted])
    lacking = [failure for uri, failure in wanted.items() if known.get(uri) != failure]
    for start in range(0, len(lacking), _CHUNK):
        store.write(Batch(failures=lacking[start : start + _CHUNK]))


def copy_sidecars(source: Sidecars, target: Sidecars) -> None:
    """Bring sidecars in step with others."""
    names = source.names()
    for name in target.names():
        if name not in names:
            target.remove(name)
    for name in names:
        content = source.read(name)
        if content is not None and content != target.read(name):
            target.write(name, content)

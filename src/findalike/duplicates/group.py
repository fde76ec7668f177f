"""What is found: pairs of assets that were compared, and groups of which one is to be kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from findalike.types import Asset

Kind = Literal["bytes", "pixels", "copy", "alike"]
"""How a picture repeats another, the surest first."""

NAMES: dict[Kind, str] = {
    "bytes": "same bytes",
    "pixels": "same pixels",
    "copy": "near copy",
    "alike": "look-alike",
}

Level = Literal["exact", "copies", "alike"]
"""How far to look: to the same bytes and pixels, to near copies, or to look-alikes as well."""

LEVELS: dict[Level, tuple[Kind, ...]] = {
    "exact": ("bytes", "pixels"),
    "copies": ("bytes", "pixels", "copy"),
    "alike": ("bytes", "pixels", "copy", "alike"),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two assets, by id, that were compared and are duplicates of this kind.

    `score` in 0..1 is how sure that is. `changes` says what became of `one` in `other`, such as "cropped to
    60 %". `derived` is the id of the one that was made from the other, where the pictures tell, else "".
    """

    one: str
    other: str
    kind: Kind
    score: float
    changes: tuple[str, ...] = ()
    derived: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A picture of a group other than its keeper, and how it repeats the keeper.

    `changes` says what was done to the keeper to get it. `reclaimable` bytes come free when it goes: none
    for a member of an archive, or for another name of a file that is counted already, which `note` says.
    """

    asset: Asset
    kind: Kind
    score: float
    changes: tuple[str, ...] = ()
    reclaimable: int = 0
    note: str = ""

    @property
    def reason(self) -> str:
        """In words: `near copy: turned by 90°, smaller (50 %)`."""
        return f"{NAMES[self.kind]}: {', '.join(self.changes)}" if self.changes else NAMES[self.kind]


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures that repeat one another. Each member was compared with the keeper itself, or with a member
    that agrees with it nearly exactly, so nothing hangs together by a long chain."""

    keeper: Asset
    members: tuple[Member, ...]

    @property
    def kind(self) -> Kind:
        """The loosest kind of its members."""
        return max((member.kind for member in self.members), key=list(NAMES).index)

    @property
    def reclaimable(self) -> int:
        """Bytes."""
        return sum(member.reclaimable for member in self.members)

    def __len__(self) -> int:
        return 1 + len(self.members)

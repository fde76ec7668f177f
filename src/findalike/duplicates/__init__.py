"""Pictures that are there more than once: found by a cascade, grouped around the one to keep, and cleaned up
by actions that can be undone. `docs/duplicates.md` says how."""

from findalike.duplicates.actions import Outcome, Refusal, act
from findalike.duplicates.cascade import Found, Stage, Watch, find, only
from findalike.duplicates.denials import Denial, Denials
from findalike.duplicates.group import LEVELS, NAMES, Group, Level, Member
from findalike.duplicates.keeper import keep_first
from findalike.duplicates.log import Action
from findalike.duplicates.undo import last, purge, restored, undo

__all__ = [
    "LEVELS",
    "NAMES",
    "Action",
    "Denial",
    "Denials",
    "Found",
    "Group",
    "Level",
    "Member",
    "Outcome",
    "Refusal",
    "Stage",
    "Watch",
    "act",
    "find",
    "keep_first",
    "last",
    "only",
    "purge",
    "restored",
    "undo",
]

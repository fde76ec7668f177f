"""Where the time of a search goes: stages note themselves, and whoever wants to know listens.

with timing.spent() as seconds:
    library.search("dog.jpg")
seconds  # {"decode": 0.004, "encode": 0.009, "nearest": 0.006, "rank": 0.001}
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

Stage = Literal["decode", "encode", "nearest", "texts", "rank", "fetch"]

_spent: ContextVar[dict[str, float] | None] = ContextVar("spent", default=None)
_within: ContextVar[str] = ContextVar("within", default="")


@contextmanager
def spent() -> Iterator[dict[str, float]]:
    """The seconds that each stage takes in this block and thread."""
    seconds: dict[str, float] = {}
    token = _spent.set(seconds)
    try:
        yield seconds
    finally:
        _spent.reset(token)


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """Count this block to a stage; a stage within another takes its time off the outer one."""
    seconds = _spent.get()
    if seconds is None:
        yield
        return
    outer = _within.set(name)
    started = time.perf_counter()
    try:
        yield
    finally:
        took = time.perf_counter() - started
        _within.reset(outer)
        seconds[name] = seconds.get(name, 0.0) + took
        if parent := _within.get():
            seconds[parent] = seconds.get(parent, 0.0) - took

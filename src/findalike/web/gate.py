"""A bounded way from requests to threads: so many work, so many wait, and the next is told to come back."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from findalike.web.problems import ProblemError

P = ParamSpec("P")
T = TypeVar("T")


class Gate:
    """Runs work in `workers` threads. At most `waiting` requests wait behind them; `seconds` is how long a
    request may take, waiting included."""

    def __init__(self, name: str, workers: int, waiting: int, seconds: float) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._free = asyncio.Semaphore(workers)
        self._most = workers + waiting
        self._seconds = seconds
        self.inside = 0

    async def run(
        self, gone: Callable[[], Awaitable[bool]], work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The result of `work`. `gone` tells whether the client is still there when its turn comes. Raises
        ProblemError when too many wait, or when it takes too long: then it still holds its thread until it is
        done, so that late work is bounded too."""
        if self.inside >= self._most:
            raise ProblemError("busy", "too many requests are waiting; try again in a second")
        self.inside += 1
        try:
            async with asyncio.timeout(self._seconds):
                return await self._turn(gone, contextvars.copy_context(), lambda: work(*args, **kwargs))
        except TimeoutError:
            raise ProblemError(
                "timeout",
                f"no answer within {self._seconds:g} s; ask for less, or again when less is going on",
            ) from None
        finally:
            self.inside -= 1

    async def _turn(
        self, gone: Callable[[], Awaitable[bool]], context: contextvars.Context, work: Callable[[], T]
    ) -> T:
        await self._free.acquire()
        try:
            if await gone():
                raise ProblemError("busy", "the client went away")
            future = asyncio.get_running_loop().run_in_executor(self._threads, context.run, work)
        except BaseException:
            self._free.release()
            raise
        future.add_done_callback(lambda _: self._free.release())
        return await asyncio.shield(future)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

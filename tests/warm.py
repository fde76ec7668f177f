"""The installed program, begun from a process that has read its libraries already.

Most of the time that a command takes goes into reading LanceDB's client and other libraries. Here one process
reads them once and forks for each call; what belongs to a command is read in each call. What is loaded when,
how long a start takes, terminals, signals and limits are tested on programs that begin as usual.
"""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

OF_OTHERS = ("PIL.Image", "click", "cv2", "onnxruntime", "rich.console", "rich.progress", "rich.table")
READ_BEFORE = ("findalike.library", "findalike.store.lance", *OF_OTHERS)

NOTHING_GOES_ON = "ignore:lancedb fork support:RuntimeWarning"
"""Whoever forks is warned of work that is not done; a process that only reads modules has none."""


def possible(environment: Mapping[str, str]) -> bool:
    """Whether this system forks, and Python itself is to begin as it does elsewhere."""
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    return forks and not any(name.startswith(("PYTHON", "LC_", "LANG")) for name in environment)


def run(
    command: Sequence[str], *, stdin: str, environment: Mapping[str, str], cwd: Path | None, timeout: float
) -> subprocess.CompletedProcess[str]:
    """What subprocess.run gives for the command, a program written in Python."""
    context = _warmed()
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ("stdin", "stdout", "stderr")]
        streams[0].write_text(stdin, "utf-8", "surrogateescape", newline="")
        process = context.Process(target=_run, args=(command, dict(environment), cwd or Path.cwd(), streams))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired([*command], timeout)
        told = [stream.read_text("utf-8", "surrogateescape") for stream in streams[1:]]
        return subprocess.CompletedProcess([*command], process.exitcode, *told)


@cache
def _warmed() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*READ_BEFORE])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONWARNINGS", NOTHING_GOES_ON)
        forkserver.ensure_running()
    return context


def _run(command: Sequence[str], environment: Mapping[str, str], cwd: Path, streams: Sequence[Path]) -> None:
    gc.freeze()  # what was read before is shared while nothing goes through it
    for number, (path, how) in enumerate(zip(streams, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)):
        opened = os.open(path, how | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ |= environment
    os.chdir(cwd)
    sys.argv = [*command]
    try:
        runpy.run_path(command[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # which a forked process of multiprocessing leaves out

"""How long the installed program takes to start, as medians: `python benchmarks/start.py`."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RUNS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    program = shutil.which("findalike", path=str(Path(sys.executable).parent))
    if program is None:
        raise SystemExit("findalike is not installed beside this Python")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, "demo", f"{folder}/demo"], check=True, capture_output=True)
        query, library = f"{folder}/demo/queries/chelsea-query.jpg", f"{folder}/demo/library"
        report = {
            "python -c pass": seconds([sys.executable, "-c", "pass"]),
            "import findalike (target .15)": seconds([sys.executable, "-c", "import findalike"]),
            "findalike --help (target .3)": seconds([program, "--help"]),
            "findalike search, cold (target 3)": seconds([program, "search", query, "--library", library]),
            "findalike search 'a cat', cold": seconds([program, "search", "a cat", "--library", library]),
            "  the tower of words (target .1)": tower_seconds(),
        }
    for name, value in report.items():
        print(f"{name:36} {value:.3f} s")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


TOWER = """
import time, numpy, findalike.settings, findalike.types
started = time.perf_counter()
from findalike.encode import text
text.tower().embed("a cat")
print(time.perf_counter() - started)
"""


def tower_seconds() -> float:
    """What loading the tower and reading a first text add to a program that has numpy anyway."""
    command = [sys.executable, "-c", TOWER]
    return float(np.median([float(subprocess.check_output(command)) for _ in range(RUNS)]))


def seconds(command: list[str]) -> float:
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return float(np.median(times))


if __name__ == "__main__":
    main()

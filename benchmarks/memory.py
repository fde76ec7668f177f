"""How much memory an ingest takes: `python benchmarks/memory.py --files 100000`.

Makes so many different small JPEGs and indexes them with the installed program, whose resident memory is
read five times a second.
"""

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
import psutil
from PIL import Image
from rich.progress import track


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    program = shutil.which("findalike", path=str(Path(sys.executable).parent))
    if program is None:
        raise SystemExit("findalike is not installed beside this Python")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "pictures", options.files)
        command = [program, "index", f"{folder}/pictures", "--library", f"{folder}/library", "--json"]
        report = watched(command)
    for name, value in report.items():
        print(f"{name:32} {value:,.1f}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def write(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for number in track(range(count), "writing pictures", transient=True):
        place = folder / f"{number // 1000:03}"
        place.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
        coarse.resize((160, 120), Image.Resampling.BICUBIC).save(place / f"{number:06}.jpg", quality=85)


def watched(command: list[str]) -> dict[str, float]:
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        watch, most = psutil.Process(process.pid), 0
        while process.poll() is None:
            try:
                most = max(most, watch.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.2)
        seconds = time.perf_counter() - started
        report = json.loads(process.stdout.read() if process.stdout else "{}")
    return {
        "pictures": float(report["added"]),
        "failures": float(len(report["failures"])),
        "pictures/s, start and index included": report["added"] / seconds,
        "peak memory MiB (target 1536)": most / 2**20,
    }


if __name__ == "__main__":
    main()

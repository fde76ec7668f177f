"""Make the picture of the README with the program itself: `python docs/picture.py` (`make docs`).

Of the demo's photographs only those go in that are in the public domain or under CC0 by the word of
scikit-image, whose package they come in: the cat Chelsea and the moving clock (Stéfan van der Walt), the
coffee (Rachel Michetti), the man with a camera (Lav Varshney), the astronaut and the Hubble field (NASA),
the rocket (SpaceX).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

OUT = Path(__file__).parent / "images" / "demo.png"
FREE = ("astronaut", "camera", "chelsea", "clock_motion", "coffee", "hubble_deep_field", "rocket")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        demo, library = Path(folder) / "demo", f"{folder}/library"
        findalike("demo", str(demo))
        wanted = [word for name in FREE for word in ("--include", f"{name}*")]
        findalike("index", str(demo / "pictures"), *wanted, "--library", library)
        query = demo / "queries" / "chelsea-query.jpg"
        findalike("search", str(query), "-k", "9", "--library", library, "--sheet", str(OUT))
    with Image.open(OUT) as sheet:
        sheet.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(OUT, optimize=True)
    print(f"{OUT.name}: {OUT.stat().st_size // 1024} KiB")


def findalike(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "findalike.cli.main", *words], check=True)


if __name__ == "__main__":
    main()

"""Make the pictures of the README with the program itself: `python docs/picture.py` (`make docs`).

Of the demo's photographs only those go in that are in the public domain or under CC0 by the word of
scikit-image, whose package they come in: the cat Chelsea and the moving clock (Stéfan van der Walt), the
coffee (Rachel Michetti), the man with a camera (Lav Varshney), the astronaut and the Hubble field (NASA),
the rocket (SpaceX).
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).parent / "images"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FREE = ("astronaut", "camera", "chelsea", "clock_motion", "coffee", "hubble_deep_field", "rocket")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        demo, library = Path(folder) / "demo", f"{folder}/library"
        findalike("demo", str(demo))
        wanted = [word for name in FREE for word in ("--include", f"{name}*")]
        findalike("index", str(demo / "pictures"), *wanted, "--library", library)
        query = demo / "queries" / "chelsea-query.jpg"
        findalike("search", str(query), "-k", "9", "--library", library, "--sheet", str(IMAGES / "demo.png"))
        smaller(IMAGES / "demo.png")
        if program := next(filter(None, map(shutil.which, CHROMIUM)), None):
            with served(library) as address:
                draw_page(program, address, query, IMAGES / "page.png")
            smaller(IMAGES / "page.png")


def smaller(picture: Path) -> None:
    with Image.open(picture) as opened:
        opened.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(picture, optimize=True)
    print(f"{picture.name}: {picture.stat().st_size // 1024} KiB")


@contextmanager
def served(library: str) -> Iterator[str]:
    """The address of a server over a library."""
    command = [sys.executable, "-m", "findalike.cli.main", "serve", "--library", library, "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        yield next(filter(None, (re.search(r"http://\S+", line) for line in process.stderr)))[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def draw_page(program: str, address: str, query: Path, out: Path) -> None:
    """The page after a picture was given and a part of it marked."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--headless", "--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 750})
        page.goto(address)
        page.set_input_files("#file", query)
        page.wait_for_function("document.querySelectorAll('#grid .cell img').length > 8")
        frame = page.locator(".crop").bounding_box()
        assert frame
        page.mouse.move(frame["x"] + frame["width"] * 0.25, frame["y"] + frame["height"] * 0.1)
        page.mouse.down()
        page.mouse.move(frame["x"] + frame["width"] * 0.72, frame["y"] + frame["height"] * 0.8, steps=5)
        page.mouse.up()
        page.mouse.move(600, 40)
        page.wait_for_timeout(2_000)
        page.screenshot(path=out)
        browser.close()


def findalike(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "findalike.cli.main", *words], check=True)


if __name__ == "__main__":
    main()

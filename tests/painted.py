"""Flat pictures of three colours, and a table that names the colour of some."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from web import encoded

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (40, 60, 200)}


def painted(folder: Path) -> Path:
    """Ten pictures of each colour, in shades. `table.csv` names the `colour` of the first four of each, and
    says of all whether it is `known`: that of the first five."""
    folder.mkdir()
    lines = ["path,colour,known"]
    for name, rgb in COLOURS.items():
        for n in range(10):
            shade = tuple(min(255, part + 5 * n) for part in rgb)
            (folder / f"{name}-{n}.png").write_bytes(encoded(Image.new("RGB", (64 + n, 64), shade)))
            lines.append(f"{name}-{n}.png,{name if n < 4 else ''},{str(n < 5).lower()}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return folder

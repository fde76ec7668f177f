"""How well duplicates are found, against edits whose truth is known, and how fast on many rows.

    python benchmarks/duplicates.py --data ../shared/data --work /tmp/duplicates
    python benchmarks/duplicates.py --rows 100000 --work /tmp/duplicates

With `--data` some of the given pictures, chosen by a seed from several sets, are edited in twenty ways by
`edits` below, and all given pictures are distractors. `--work` keeps the pictures and the libraries made.
"""

from __future__ import annotations

import argparse
import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Edit = Callable[[Image.Image, random.Random], Image.Image]

SETS = ("boxes", "captions", "captions-train", "cars", "clothing", "corel", "faces", "grocery", "objects")
"""Where pictures to edit come from. The others hold copies of one picture, or one thing taken thrice."""
DISTRACTORS = (*SETS, "copies", "covers")


def cropped(away: float) -> Edit:
    """What is left when this share of the area is cut away, at a place and of a shape of its own."""

    def edit(image: Image.Image, chance: random.Random) -> Image.Image:
        shape = chance.uniform(0.85, 1.18)
        across = min(1.0, (1 - away) ** 0.5 * shape)
        down = min(1.0, (1 - away) / across)
        across = (1 - away) / down
        width, height = round(image.width * across), round(image.height * down)
        left, top = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
        return image.crop((left, top, left + width, top + height))

    return edit


def scaled(factor: float) -> Edit:
    def edit(image: Image.Image, chance: random.Random) -> Image.Image:
        size = max(8, round(image.width * factor)), max(8, round(image.height * factor))
        return image.resize(size, Image.Resampling.LANCZOS)

    return edit


def compressed(quality: int) -> Edit:
    def edit(image: Image.Image, chance: random.Random) -> Image.Image:
        target = io.BytesIO()
        image.save(target, "JPEG", quality=quality)
        return Image.open(target).convert("RGB")

    return edit


def blurred(image: Image.Image, chance: random.Random) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(max(image.size) / 200))


def captioned(image: Image.Image, chance: random.Random) -> Image.Image:
    made = image.copy()
    pen, size = ImageDraw.Draw(made), max(10, image.height // 8)
    font = ImageFont.load_default(size)
    pen.text(
        (image.width / 2, size), "WHEN YOU SEE IT", "white", font, "mm", stroke_width=2, stroke_fill="black"
    )
    lower = image.height - size
    pen.text((image.width / 2, lower), "AGAIN", "white", font, "mm", stroke_width=2, stroke_fill="black")
    return made


def bordered(image: Image.Image, chance: random.Random) -> Image.Image:
    colour = chance.choice(["white", "black", (200, 30, 40)])
    return ImageOps.expand(image, round(max(image.size) * chance.uniform(0.05, 0.12)), colour)


def turned(degrees: float) -> Edit:
    def edit(image: Image.Image, chance: random.Random) -> Image.Image:
        if degrees == 90:
            return image.transpose(chance.choice([Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270]))
        return image.rotate(chance.choice([-1, 1]) * degrees, Image.Resampling.BICUBIC, expand=True)

    return edit


def mirrored(image: Image.Image, chance: random.Random) -> Image.Image:
    return ImageOps.mirror(image)


def recoloured(image: Image.Image, chance: random.Random) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    shift = chance.randint(15, 40)
    other = Image.merge("HSV", (hue.point(lambda v: (v + shift) % 256), saturation, value)).convert("RGB")
    return ImageEnhance.Brightness(other).enhance(chance.uniform(0.75, 1.25))


def grey(image: Image.Image, chance: random.Random) -> Image.Image:
    return image.convert("L").convert("RGB")


def framed(image: Image.Image, chance: random.Random) -> Image.Image:
    """As a screenshot shows it: on a page with a bar, lines of text and room around."""
    width, height = image.size
    page = Image.new("RGB", (round(width * 1.25), round(height * 1.45)), "white")
    pen, bar = ImageDraw.Draw(page), round(height * 0.12)
    pen.rectangle((0, 0, page.width, bar), "#3b5998")
    pen.ellipse((bar * 0.2, bar * 0.2, bar * 0.8, bar * 0.8), "white")
    page.paste(image, (round(width * 0.125), round(height * 0.18)))
    font = ImageFont.load_default(max(8, height // 22))
    for n, line in enumerate(("somebody: look at this!", "12 likes   3 answers", "write an answer ...")):
        pen.text((width * 0.1, height * (1.22 + 0.07 * n)), line, "#333333", font)
    return page


EDITS: dict[str, Edit] = {
    **{f"crop {away} %": cropped(away / 100) for away in (5, 15, 30, 50, 65)},
    **{f"scale {factor}": scaled(factor) for factor in (0.25, 0.5, 2)},
    **{f"jpeg {quality}": compressed(quality) for quality in (10, 30, 90)},
    "blur": blurred,
    "text": captioned,
    "border": bordered,
    "turn 3": turned(3),
    "turn 90": turned(90),
    "mirror": mirrored,
    "colour": recoloured,
    "grey": grey,
    "frame": framed,
}
BELOW_HALF = ("crop 65 %",)


def chosen(data: Path, count: int, seed: int) -> list[Path]:
    """Pictures of several sets, as many of each as of any other."""
    chance = random.Random(seed)
    found: list[Path] = []
    for name in SETS:
        inside = sorted(
            p for p in (data / name).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")
        )
        found += chance.sample(inside, -(-count // len(SETS)))
    return chance.sample(found, count)


def make(pictures: Sequence[Path], folder: Path, seed: int) -> None:
    """Write every edit of every picture as `folder/EDIT/NUMBER.jpg` unless it is there."""
    for number, path in enumerate(pictures):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        for name, edit in EDITS.items():
            target = folder / name / f"{number:03d}.jpg"
            if target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            edit(image, random.Random(f"{seed} {number} {name}")).save(target, quality=92)

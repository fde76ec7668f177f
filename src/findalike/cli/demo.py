"""`findalike demo`: photographs that come inside well-known packages, edits of them, and a search."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

import findalike
from findalike.cli.index import progress_bar
from findalike.cli.options import number, say
from findalike.errors import ExtraMissing, UsageError
from findalike.present import caption

MARKER = ".findalike-demo"

PHOTOGRAPHS = {
    "skimage": ("data", "astronaut.png brick.png camera.png cell.png chelsea.png clock_motion.png coffee.png "
                "coins.png grass.png gravel.png hubble_deep_field.jpg ihc.png moon.png motorcycle_left.png "
                "motorcycle_right.png page.png retina.jpg rocket.jpg text.png"),
    "sklearn": ("datasets/images", "china.jpg flower.jpg"),
    "matplotlib": ("mpl-data/sample_data", "grace_hopper.jpg Minduka_Present_Blue_Pack.png"),
}  # fmt: skip
"""Of each package the folder and the pictures; a package that is not installed is left out."""

EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "cropped": lambda image: image.crop(_inner(image, 0.15)),
    "grey": lambda image: ImageOps.grayscale(image).convert("RGB"),
    "mirrored": ImageOps.mirror,
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.55),
    "framed": lambda image: ImageOps.expand(image, max(image.size) // 14, (250, 250, 245)),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(max(image.size) / 250)),
}

QUERIES = ("chelsea.png", "rocket.jpg", "astronaut.png")


@click.command()
@click.argument("folder", default="findalike-demo")
def demo(folder: str) -> None:
    """Index real photographs, search them, and show the result. Everything goes into FOLDER.

    The photographs come inside scikit-image, scikit-learn and matplotlib: pip install 'findalike[demo]'.
    """
    place = _prepared(Path(folder))
    photographs = list(_photographs())
    if not photographs:
        raise ExtraMissing("the demo shows photographs of other packages: pip install 'findalike[demo]'")
    pictures, queries = place / "pictures", place / "queries"
    _write_edits(photographs, pictures)
    _write_queries(photographs, queries)
    with findalike.open(place / "library") as library:
        with progress_bar() as watch:
            report = library.add(pictures, watch=watch)
        say(f"Indexed {number(report.added, 'picture')} in {report.seconds:.1f} s.")
        for query in sorted(queries.iterdir()):
            hits = library.search(query, k=12)
            sheet = place / f"{query.stem}.png"
            hits.sheet(sheet, columns=6)
            best = Path(hits[0].asset.uri).name
            say(f"{query.name}: best {best}, {caption.score(hits[0])} ({hits[0].band}); see {sheet}")
    click.echo(_next(place, queries))


def _prepared(place: Path) -> Path:
    """An empty folder of our own. One that holds something else is left alone."""
    if place.exists() and not (place / MARKER).exists() and (not place.is_dir() or any(place.iterdir())):
        raise UsageError(
            f"{place} is there already and holds something else; name another folder: findalike demo FOLDER"
        )
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    (place / MARKER).touch()
    return place


def _photographs() -> Iterator[Path]:
    for package, (folder, names) in PHOTOGRAPHS.items():
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            continue
        inside = Path(next(iter(spec.submodule_search_locations))) / folder
        yield from (path for name in names.split() if (path := inside / name).exists())


def _write_edits(photographs: list[Path], to: Path) -> None:
    to.mkdir()
    for path in photographs:
        shutil.copy(path, to / path.name)
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        for name, edit in EDITS.items():
            edit(image).save(to / f"{path.stem}-{name}.jpg", quality=85)


def _write_queries(photographs: list[Path], to: Path) -> None:
    """Pictures that are not in the library: turned a little, cropped and scaled."""
    to.mkdir()
    for path in photographs:
        if path.name in QUERIES:
            with Image.open(path) as opened:
                image = opened.convert("RGB").rotate(4, Image.Resampling.BICUBIC)
            image = image.crop(_inner(image, 0.08))
            image.thumbnail((400, 400))
            image.save(to / f"{path.stem}-query.jpg", quality=80)


def _inner(image: Image.Image, margin: float) -> tuple[int, int, int, int]:
    x, y = round(image.width * margin), round(image.height * margin)
    return x, y, image.width - x, image.height - y


def _next(place: Path, queries: Path) -> str:
    query, library = shlex.quote(str(min(queries.iterdir()))), shlex.quote(str(place / "library"))
    return f"""
Look at {place}/*.png, then try:

  findalike search {query} --library {library}
  findalike search {query} --library {library} --html found.html

and with your own pictures:

  findalike index ~/Pictures
  findalike search PHOTO.jpg --sheet found.png"""

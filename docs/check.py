"""The documentation check: `python docs/check.py` (part of `make check`).

Prints what is missing or wrong, one line each, and exits with 1 when there is any. It holds the pages against
the program that is installed (commands, options, settings, encoders, stores, errors, JSON fields, Python
names, addresses and fields of the server) and against the files (links, anchors, files that are named,
examples, commands beside figures).
"""

from __future__ import annotations

import inspect
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import click
import generate

import findalike
from findalike import plugins
from findalike.cli.main import COMMANDS
from findalike.cli.main import findalike as program
from findalike.ingest import Report
from findalike.library import Info, Library
from findalike.present import records
from findalike.search import Hits
from findalike.settings import Settings
from findalike.types import Asset, Hit, Origin, Reason
from findalike.web.app import create_app
from findalike.web.config import Config
from findalike.web.fetch import FetchError
from findalike.web.problems import PROBLEMS
from findalike.web.service import Service

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#+) +(.+?) *#*$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(
    r"(?:src|tests|docs|benchmarks|training)/[\w./*-]+\.\w+|[A-Z]\w+\.md|constraints\.txt|\.ci/run"
)
PAGE_IN_CODE = re.compile(r"docs/[\w./-]+\.md")
VARIABLE = re.compile(r"\bFINDALIKE_[A-Z_]*[A-Z]\b")
MEASURED = re.compile(r"measure|figures", re.IGNORECASE)
ADDRESS = re.compile(r"^### (GET|HEAD|POST|PUT|PATCH|DELETE) (/\S*)$", re.MULTILINE)
CALLED = re.compile(r"127\.0\.0\.1:8000(/[^\s?'\"]*)")
COMMAND = re.compile(r"make \w+|python3? (?:benchmarks|training)/\w+\.py|findalike \w+")


@dataclass(frozen=True)
class Docs:
    """The pages of one copy of the repository: their texts by their path in it."""

    root: Path
    texts: Mapping[str, str]

    def text(self, page: str) -> str:
        return self.texts.get(page, "")


def read(root: Path) -> Docs:
    return Docs(root, {p.relative_to(root).as_posix(): p.read_text("utf-8") for p in generate.pages(root)})


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else generate.ROOT
    found = problems(root.resolve())
    for problem in found:
        print(problem)
    print(f"documentation: {len(found)} to mend" if found else "documentation: all there")
    sys.exit(1 if found else 0)


def problems(root: Path) -> list[str]:
    """What is missing or wrong, as lines that begin with a page."""
    docs = read(root)
    return [problem for check in CHECKS for problem in check(docs)]


# The program


def generated(docs: Docs) -> Iterator[str]:
    there = set()
    for page, text in docs.texts.items():
        names = {found[2] for found in generate.BLOCK.finditer(text)}
        there |= names
        yield from (f"{page}: nothing generates {name!r}" for name in sorted(names - set(generate.BLOCKS)))
        if generate.filled(text, docs.root) != text:
            yield f"{page}: its generated part is out of date: make docs"
    yield from (f"docs: no page has the generated part {n!r}" for n in sorted(set(generate.BLOCKS) - there))


def named(docs: Docs) -> Iterator[str]:
    """Every name of the program stands as code on the page where a reader looks for it."""
    tree = [error.__name__ for error in (*generate.below(findalike.FindalikeError), FetchError)]
    expected: list[tuple[str, str, Iterable[str]]] = [
        ("docs/settings.md", "setting", _fields(Settings)),
        ("docs/settings.md", "variable", _variables(docs.root)),
        ("docs/encoders.md", "encoder", plugins.names("findalike.encoders")),
        ("docs/store.md", "store", plugins.names("findalike.stores")),
        ("docs/errors.md", "error", tree),
        ("docs/present.md", "JSON field", _json_fields()),
        ("docs/ingest.md", "field of the report", _fields(Report)),
        ("docs/python.md", "field of Info", _fields(Info)),
        ("docs/api.md", "problem", PROBLEMS),
    ]
    for page, kind, names in expected:
        yield from _missing(docs, page, kind, names, "`{}`")
    yield from _missing(docs, "docs/cli.md", "command", COMMANDS, "## findalike {}\n")
    yield from _missing(docs, "docs/python.md", "name", _python_names(), "{}")


def _missing(docs: Docs, page: str, kind: str, names: Iterable[str], form: str) -> Iterator[str]:
    text = docs.text(page)
    if not text:
        yield f"{page}: is missing"
        return
    for name in names:
        written = form.format(name)
        if not re.search(rf"(?<!\w){re.escape(written)}(?!\w)", text):
            yield f"{page}: the {kind} {name} is not documented"


def _fields(kind: Any) -> list[str]:
    return [field.name for field in fields(kind)]


def _variables(root: Path) -> list[str]:
    """The environment variables that the source names."""
    text = "".join(path.read_text("utf-8") for path in sorted((root / "src").rglob("*.py")))
    return sorted(set(VARIABLE.findall(text)))


def _json_fields() -> list[str]:
    asset = Asset("/p.jpg", 1, datetime(2020, 1, 1, tzinfo=UTC))
    hit = Hit(asset, Origin(""), 1.0, "", 1.0, "", (Reason("", "", 1.0, 1.0),))
    record = records.records([hit])[0]
    return [*record, *record["reasons"][0]]


def _python_names() -> Iterator[str]:
    """All that a user of Python meets: public names, methods, and the parameters of those."""
    yield from (name for name in findalike.__all__ if name != "__version__")
    for kind in (Library, Hits):
        for name, member in inspect.getmembers_static(kind):
            if not name.startswith("_") and callable(inspect.unwrap(getattr(member, "fget", None) or member)):
                yield name
    for method in (Library.add, Library.search, Library.remove, findalike.open):
        yield from (name for name in inspect.signature(method).parameters if name != "self")


# The server


def served(docs: Docs) -> Iterator[str]:
    """docs/api.md has a section for each address and method of the server and none for others, and names
    the parameters of each in it, and the fields of all bodies and answers. Examples call what there is."""
    page = "docs/api.md"
    if not docs.text(page):
        return  # which is said of its problems
    paths = _openapi()["paths"]
    there = {f"{method.upper()} {path}": told for path, one in paths.items() for method, told in one.items()}
    sections = {f"{found[1]} {found[2]}": body for found, body in _addresses(docs.text(page))}
    yield from (f"{page}: {name} is not documented" for name in there if name not in sections)
    yield from (f"{page}: the server has no {name}" for name in sections if name not in there)
    for name, body in sections.items():
        for parameter in there.get(name, {}).get("parameters", ()):
            if parameter["in"] == "query" and f"`{parameter['name']}`" not in body:
                yield f"{page}: the parameter {parameter['name']} of {name} is not documented"
    yield from _missing(docs, page, "field", _served_fields(), "`{}`")
    known = [re.compile(re.sub(r"\\{\w+\\}", r"[^/]+", re.escape(path))) for path in paths]
    for other, text in docs.texts.items():
        for address in CALLED.findall("".join(code for _, code in FENCE.findall(text))):
            called = re.sub(r"\$\w+", "X", address)
            if called not in OTHER and not any(path.fullmatch(called) for path in known):
                yield f"{other}: calls {address}, which the server has not"


OTHER = ("/", "/v1/openapi.json")
"""Addresses of the server that its document leaves out."""


def _addresses(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """The headings that are a method and an address, and what stands below each."""
    for found in ADDRESS.finditer(text):
        after = HEADING.search(FENCE.sub(lambda code: "x" * len(code[0]), text), found.end())
        yield found, text[found.end() : after.start() if after else len(text)]


@cache
def _openapi() -> dict[str, Any]:
    with findalike.open(":memory:") as library:
        service = Service(library, Config())
        try:
            return create_app(service).openapi()
        finally:
            service.close()


def _served_fields() -> list[str]:
    schemas = _openapi()["components"]["schemas"].values()
    return sorted({name for schema in schemas for name in schema.get("properties", ())})


# The pages


def links(docs: Docs) -> Iterator[str]:
    for page, text in docs.texts.items():
        for target in LINK.findall(_without_code(text)):
            if "://" in target or target.startswith("mailto:"):
                continue
            path, _, anchor = target.partition("#")
            aim = (docs.root / page).parent / path if path else docs.root / page
            if not aim.exists():
                yield f"{page}: the link to {target} leads nowhere"
            elif anchor and aim.suffix == ".md" and anchor not in anchors(aim.read_text("utf-8")):
                yield f"{page}: there is no heading for {target}"


def anchors(text: str) -> set[str]:
    """The anchors that headings get: lower case, words joined by hyphens, repeated ones numbered."""
    found: set[str] = set()
    for _, title in HEADING.findall(FENCE.sub("", text)):
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        number = 0
        while (anchor := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(anchor)
    return found


def index(docs: Docs) -> Iterator[str]:
    """Every page of docs/ is listed in docs/README.md, those of decisions in their own list."""
    listed = docs.text("docs/README.md") + docs.text("docs/decisions/README.md")
    for page in docs.texts:
        name = page.rpartition("/")[2]
        if page.startswith("docs/") and page != "docs/README.md" and f"{name})" not in listed:
            yield f"docs/README.md: does not list {page}"


def files(docs: Docs) -> Iterator[str]:
    """Files that pages name, and pages that the source names, are there."""
    for page, text in docs.texts.items():
        for code in CODE.findall(FENCE.sub("", text)):
            for name in FILE.findall(code):
                beside = (docs.root / page).parent / name
                if not beside.exists() and not any(docs.root.glob(name)):
                    yield f"{page}: names {name}, which is not there"
    for folder in ("src", "training", "benchmarks"):
        for path in sorted((docs.root / folder).rglob("*.py")):
            for name in PAGE_IN_CODE.findall(path.read_text("utf-8")):
                if not (docs.root / name).exists():
                    yield f"{path.relative_to(docs.root).as_posix()}: names {name}, which is not there"


def examples(docs: Docs) -> Iterator[str]:
    """Python in examples compiles; commands and their options are those of the program."""
    for page, text in docs.texts.items():
        for language, code in FENCE.findall(text):
            if language == "python":
                try:
                    compile(code, page, "exec")
                except SyntaxError as error:
                    yield f"{page}: an example is no Python: {error.msg}: {error.text}"
            if language == "sh":
                for line in code.splitlines():
                    yield from (f"{page}: {line.strip()}: {wrong}" for wrong in _wrong_command(line))


def _wrong_command(line: str) -> Iterator[str]:
    found = re.match(r"\s*(?:[A-Z_]+=\S+ +)*findalike +(?!-)(.+)", line.split(" | ")[0])
    if not found:
        return
    name, *words = shlex.split(found[1], comments=True)
    command = program.get_command(click.Context(program), name)
    if command is None:
        yield f"there is no command {name}"
        return
    if isinstance(command, click.Group):  # the first of its commands stands when none is named
        context = click.Context(command)
        named = command.get_command(context, words[0]) if words else None
        command = named or command.get_command(context, command.list_commands(context)[0])
    known = {
        word for p in command.get_params(click.Context(command)) for word in (*p.opts, *p.secondary_opts)
    }
    yield from (f"there is no option {w}" for w in words if re.match(r"-[a-zA-Z0-9-]", w) and w not in known)


def figures(docs: Docs) -> Iterator[str]:
    """A section of measured figures says which command prints them."""
    for page, text in docs.texts.items():
        if page == "CHANGELOG.md":
            continue
        for title, body in _sections(text):
            numbers = len(re.findall(r"\d", _without_code(body)))
            if MEASURED.search(title) and numbers and not COMMAND.search(body):
                yield f"{page}: {title!r} has figures, but no command that prints them"


def _sections(text: str) -> Iterator[tuple[str, str]]:
    found = list(HEADING.finditer(text))
    for here, after in zip(found, [*found[1:], None], strict=True):
        yield here[2], text[here.end() : after.start() if after else len(text)]


def _without_code(text: str) -> str:
    return CODE.sub("", FENCE.sub("", text))


CHECKS: tuple[Callable[[Docs], Any], ...] = (
    generated,
    named,
    served,
    links,
    index,
    files,
    examples,
    figures,
)

if __name__ == "__main__":
    main()

"""The names of assets: a path, or a member of an archive, as text that any store and JSON can hold.

A path whose bytes are not UTF-8 has its stray bytes written as private-use characters U+F780 to U+F7FF.
Where a name really holds such a character, its three bytes are written that way too, so that on systems
with byte paths every name comes back byte for byte.
"""

from __future__ import annotations

import os

SEPARATOR = "!/"

_TO_TEXT: dict[int, int | str] = {0xDC00 + byte: 0xF700 + byte for byte in range(0x80, 0x100)}
_TO_PATH = {text: stray for stray, text in _TO_TEXT.items()}
_BYTE_PATHS = os.name != "nt"

if _BYTE_PATHS:
    for _code in range(0xF780, 0xF800):
        _TO_TEXT[_code] = "".join(chr(0xF700 + byte) for byte in chr(_code).encode())


def from_path(path: str | os.PathLike[str]) -> str:
    """The uri of a local file: its absolute path, not resolved through links."""
    return text(os.path.abspath(path))  # noqa: PTH100  (Path.absolute keeps "..")


def to_path(uri: str) -> str:
    """The path to open; for a member of an archive, the path of the archive."""
    return split(uri)[0].translate(_TO_PATH)


def member(archive_uri: str, name: str) -> str:
    """The uri of a member of an archive."""
    return f"{archive_uri}{SEPARATOR}{text(name)}"


def split(uri: str) -> tuple[str, str]:
    """Archive and member name; the member name is empty for a file of its own.

    Below a folder whose name ends in `!` a path reads like a member; the file system decides.
    """
    head, found, tail = uri.partition(SEPARATOR)
    while found and os.path.isdir(head.translate(_TO_PATH) + "!"):  # noqa: PTH112
        more, found, tail = tail.partition(SEPARATOR)
        head = f"{head}{SEPARATOR}{more}"
    return (head, tail.translate(_TO_PATH)) if found else (uri, "")


def text(name: str) -> str:
    """A file's or member's name as the text that stands in its uri."""
    return name if name.isascii() else name.translate(_TO_TEXT)

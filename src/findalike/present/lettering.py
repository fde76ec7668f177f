"""Letters on pictures: Pillow's own font, another of the system where that lacks a letter, and eliding."""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont

_OTHER_FONTS = (  # those that look most like Pillow's own come first
    "Arial.ttf",
    "arial.ttf",
    "LiberationSans-Regular.ttf",
    "NotoSans-Regular.ttf",
    "segoeui.ttf",
    "DejaVuSans.ttf",
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "Hiragino Sans GB.ttc",
    "YuGothM.ttc",
    "msyh.ttc",
    "malgun.ttf",
    "DroidSansFallbackFull.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansHebrew-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
)


def fitted(text: str, size: int, width: int, keep_end: int = 0) -> tuple[str, Font]:
    """The text, shortened with an ellipsis to at most `width` pixels, and the font that has its letters.

    `keep_end` letters at the end stay, such as those of a file's ending.
    """
    text, font = lettered(text, size)
    if font.getlength(text) <= width:
        return text, font
    end = text[len(text) - keep_end :] if keep_end else ""
    low, high = 0, len(text) - len(end)
    while low < high:
        middle = (low + high + 1) // 2
        fits = font.getlength(f"{text[:middle].rstrip()}…{end}") <= width
        low, high = (middle, high) if fits else (low, middle - 1)
    return f"{text[:low].rstrip()}…{end}", font


def wrapped(text: str, size: int, width: int, most: int) -> tuple[list[str], Font]:
    """The text in at most `most` lines of at most `width` pixels, and its font."""
    text, font = lettered(text, size)
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return [fitted(line, size, width)[0] for line in lines], font


@lru_cache(maxsize=4_096)
def lettered(text: str, size: int) -> tuple[str, Font]:
    """The text and a font for it. Where no font at hand has its letters, they lose their accents, and what
    is then still unknown becomes a question mark."""
    own = _font("", size)
    if own is None:  # pragma: no cover  (Pillow without FreeType)
        raise RuntimeError("this Pillow was built without FreeType, which a contact sheet needs")
    if _has_all(own, text):
        return text, own
    for name in _OTHER_FONTS:
        other = _font(name, size)
        if other is not None and _has_all(other, text):
            return text, other
    return "".join(_nearest(char, own) for char in text), own


def _nearest(char: str, font: Font) -> str:
    if _has(font, char):
        return char
    bare = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    return bare if bare and _has_all(font, bare) else "" if unicodedata.combining(char) else "?"


@cache
def _font(name: str, size: int) -> Font | None:
    try:
        font = ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except OSError:
        return None
    return font if isinstance(font, Font) else None


def _has_all(font: Font, text: str) -> bool:
    return all(_has(font, char) for char in text)


@lru_cache(maxsize=16_384)
def _has(font: Font, char: str) -> bool:
    """Whether the font draws the letter otherwise than one that no font has."""
    if char.isspace():
        return True
    drawn, unknown = font.getmask(char), font.getmask("\uffff")
    return drawn.size != unknown.size or bytes(drawn) != bytes(unknown)

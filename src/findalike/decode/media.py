"""What kind of file this is: by its first bytes, and by its name."""

from __future__ import annotations

import re

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0\x08\0\0\0", "image/tiff"),
    (b"MM\0+\0\x08\0\0", "image/tiff"),
)
_CANON_RAW = b"CR"
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"}
_HEIF = {b"mif1", b"mif2", b"msf1"}
_NAMES = re.compile(
    r"\.(jpe?g|jpe|jfif|pjpeg|png|apng|webp|gif|bmp|dib|tiff?|avifs?|hei[cf]s?|hif)$", re.IGNORECASE
)


def sniff(head: bytes) -> str:
    """The media type of a picture from its first bytes (64 are enough); empty for anything else."""
    for magic, media in _MAGIC:
        if head.startswith(magic):
            return "" if media == "image/tiff" and head[8:10] == _CANON_RAW else media
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "image/bmp"
    return _sniff_boxes(head) if head[4:8] == b"ftyp" else ""


def looks_like_picture(name: str) -> bool:
    """Whether a file of this name claims to be a picture of a format that is read here."""
    return _NAMES.search(name) is not None


def _sniff_boxes(head: bytes) -> str:
    """By the brands of an ISO base media file (ISO/IEC 14496-12): the major one, then the compatible."""
    length = min(int.from_bytes(head[:4], "big"), len(head))
    major = head[8:12]
    brands = {major, *(head[at : at + 4] for at in range(16, length - 3, 4))}
    if major not in _AVIF | _HEIC | _HEIF:
        return ""
    if major in _AVIF or (major in _HEIF and brands & _AVIF):
        return "image/avif"
    return "image/heic" if brands & _HEIC else "image/heif"

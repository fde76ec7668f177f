"""What kind of file this is: by its first bytes, and by its name."""

from __future__ import annotations

import re

HEAD_BYTES = 512
"""So many first bytes tell every format that is read here."""

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

_FILM_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"FLV\1", "video/x-flv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-wmv"),
    (b"\0\0\1\xba", "video/mpeg"),
    (b"OggS", "video/ogg"),
)
_MATROSKA = b"\x1a\x45\xdf\xa3"
_FILM_BRANDS = frozenset(
    b"isom iso2 iso3 iso4 iso5 iso6 iso7 iso8 iso9 mp41 mp42 mp71 avc1 hvc1 av01 dash cmfc M4V M4VH M4VP "
    b"mmp4 MSNV NDSC NDSH NDSM NDSP NDSS NDXC NDXH NDXM NDXP NDXS XAVC f4v F4V ndia niko pana CAEP".split()
)
_OLD_QUICKTIME = {b"moov", b"mdat", b"wide", b"pnot"}
_TS_PACKET, _TS_SYNC = 188, 0x47
_FILM_NAMES = re.compile(
    r"\.(mp4|m4v|mov|qt|mkv|webm|avi|mpe?g|vob|m2ts|wmv|asf|flv|f4v|3gp|3g2|ogv)$", re.IGNORECASE
)
"""Without .ts and .mts, which are more often TypeScript; by their bytes such films are known all the same."""


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


def sniff_film(head: bytes) -> str:
    """The media type of a film from its first bytes (`HEAD_BYTES` are enough); empty for anything else. What
    it names may hold sound alone, which shows only when it is opened."""
    for magic, media in _FILM_MAGIC:
        if head.startswith(magic):
            return media
    if head.startswith(_MATROSKA):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "video/x-msvideo"
    if head[4:8] == b"ftyp":
        return _film_of_brand(head[8:12])
    if head[4:8] in _OLD_QUICKTIME:
        return "video/quicktime"
    for start in (0, 4):  # those of cameras have a time stamp before each packet
        step = _TS_PACKET + start
        if len(head) > start + step and head[start] == head[start + step] == _TS_SYNC:
            return "video/mp2t"
    return ""


def looks_like_film(name: str) -> bool:
    """Whether a file of this name claims to be a film of a format that is read here."""
    return _FILM_NAMES.search(name) is not None


def _film_of_brand(brand: bytes) -> str:
    if brand == b"qt  ":
        return "video/quicktime"
    if brand[:3] in (b"3gp", b"3g2"):
        return "video/3gpp"
    return "video/mp4" if brand.strip() in _FILM_BRANDS else ""


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

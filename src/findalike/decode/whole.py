"""Whether a file is all there, told from its structure: decoders fill what is missing with grey.

Each check walks the headers only. The file is whole when its format's end is reached: JPEG's EOI marker,
PNG's IEND, GIF's trailer, the last byte that a RIFF, TIFF, BMP or ISO media header promises.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator

from findalike.errors import DamagedPicture

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_ALONE = frozenset([0x01, *range(0xD0, 0xD9)])
_SOS, _EOI = 0xDA, 0xD9
_PNG_START = 8
_PROFILE_LIMIT = 1 << 20
_ISPE = re.compile(rb"ispe\0\0\0\0(.{4})(.{4})", re.DOTALL)


def require_whole(data: bytes, media: str) -> None:
    """Raises DamagedPicture when the file ends before its format says."""
    check = _CHECKS.get(media)
    try:
        is_whole = check is None or check(data)
    except (struct.error, IndexError):
        is_whole = False
    if not is_whole:
        raise DamagedPicture(f"is cut off: the file ends after {len(data):,} bytes, inside the picture")


def claimed_size(data: bytes, media: str) -> tuple[int, int]:
    """Width and height from the header of a format whose decoder allocates when it opens; else (0, 0)."""
    if media == "image/webp":
        return _webp_size(data)
    if media in ("image/avif", "image/heic", "image/heif"):
        sizes = [struct.unpack(">II", found[1] + found[2]) for found in _ISPE.finditer(data[: 1 << 20])]
        return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    return 0, 0


def png_without_text(data: bytes) -> bytes:
    """The PNG without comments, and without a profile that does not unpack to a sane size: both can be
    bombs, and Pillow gives up a good picture over them."""
    parts, start = [], 0
    for kind, at, end in _png_chunks(data):
        bad_profile = kind == b"iCCP" and not _is_sane_profile(data[at + 8 : end - 4])
        if bad_profile or kind in (b"tEXt", b"zTXt", b"iTXt"):
            parts.append(data[start:at])
            start = end
    return b"".join([*parts, data[start:]]) if parts else data


def _jpeg(data: bytes) -> bool:
    if data.endswith(b"\xff\xd9"):
        return True  # what comes last cannot be inside a scan, and a cut inside a header fails by itself
    at = 2
    while at < len(data):
        if data[at] != 0xFF:
            at = data.find(b"\xff", at)
            if at < 0:
                return False
            continue
        marker = data[at + 1]
        if marker == _EOI:
            return True
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
            if marker == _SOS:
                found = _MARKER.search(data, at)
                at = found.start() if found else len(data)
    return False


def _png(data: bytes) -> bool:
    return any(kind == b"IEND" for kind, _, _ in _png_chunks(data))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The kind, start and end of each chunk that is there in full, up to IEND."""
    at, kind = _PNG_START, b""
    while at + 12 <= len(data) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            return
        yield kind, at, end
        at = end


def _is_sane_profile(payload: bytes) -> bool:
    name_end = payload.find(b"\0")
    try:
        unpacker = zlib.decompressobj()
        unpacker.decompress(payload[name_end + 2 :], _PROFILE_LIMIT)
    except zlib.error:
        return False
    return name_end >= 0 and unpacker.eof


def _gif(data: bytes) -> bool:
    at = 13 + _palette_bytes(data[10])
    frames = 0
    while True:
        if at >= len(data):
            return False
        kind = data[at]
        if kind == 0x2C:
            at = _after_blocks(data, at + 11 + _palette_bytes(data[at + 9]))
            frames += 1
        elif kind == 0x21:
            at = _after_blocks(data, at + 2)
        else:
            return kind == 0x3B or frames > 0


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += data[at] + 1
    return at + 1


def _bmp(data: bytes) -> bool:
    offset, header = struct.unpack_from("<II", data, 10)
    if header < 40:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        packing, size = 0, 0
    else:
        width, height, _, bits, packing, size = struct.unpack_from("<iiHHII", data, 18)
    stride = (width * bits + 31) // 32 * 4
    needed = stride * abs(height) if packing in (0, 3, 6) else size
    return bool(offset + needed <= len(data))


def _riff(data: bytes) -> bool:
    return bool(struct.unpack_from("<I", data, 4)[0] + 8 <= len(data))


def _boxes(data: bytes) -> bool:
    at = 0
    while at < len(data):
        length = struct.unpack_from(">I", data, at)[0]
        if length == 1:
            length = struct.unpack_from(">Q", data, at + 8)[0]
        if length == 0:
            return True  # to the end of the file, wherever that is
        if length < 8 or at + length > len(data):
            return False
        at += length
    return True


def _webp_size(data: bytes) -> tuple[int, int]:
    head = data[:30].ljust(30, b"\0")
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF


_CHECKS: dict[str, Callable[[bytes], bool]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/gif": _gif,
    "image/bmp": _bmp,
    "image/webp": _riff,
    "image/avif": _boxes,
    "image/heic": _boxes,
    "image/heif": _boxes,
}

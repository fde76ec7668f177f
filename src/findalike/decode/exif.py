"""The few EXIF fields that a library keeps, read without trust: what is broken is left out.

An EXIF block is a small TIFF: directories of entries that point into the block (CIPA DC-008).
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from findalike.types import Value

_MAKE, _MODEL, _ORIENTATION, _DATE = 0x010F, 0x0110, 0x0112, 0x0132
_EXIF, _GPS = 0x8769, 0x8825
_DATE_ORIGINAL, _DATE_DIGITIZED = 0x9003, 0x9004
_OFFSET, _OFFSET_ORIGINAL, _OFFSET_DIGITIZED = 0x9010, 0x9011, 0x9012
_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE = 1, 2, 3, 4
_DATES = ((_DATE_ORIGINAL, _OFFSET_ORIGINAL), (_DATE_DIGITIZED, _OFFSET_DIGITIZED), (_DATE, _OFFSET))
_WANTED = {_MAKE, _MODEL, _ORIENTATION, _EXIF, _GPS} | {tag for pair in _DATES for tag in pair}

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8, 13: 4}
_NUMBERS = {1: "B", 3: "H", 4: "I", 5: "II", 9: "i", 10: "ii", 13: "I"}
_FORMAT = re.compile(r"(\d{4})[:\-/.](\d\d)[:\-/.](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_ZONE = re.compile(r"([+-])(\d\d):?(\d\d)")
_MOST_ENTRIES, _MOST_BYTES = 1000, 4096
_FIRST_PHOTOGRAPH = 1826

_Fields = dict[int, bytes | tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Exif:
    """`orientation` is 1..8; `metadata` holds those of taken, camera, latitude, longitude that are known."""

    orientation: int
    metadata: dict[str, Value]


def read(block: bytes) -> Exif:
    """The fields of an EXIF block or of a whole TIFF file. Never raises."""
    block = block.removeprefix(b"Exif\0\0")
    try:
        endian, start = _header(block)
        fields = _directory(block, endian, start, _WANTED)
    except (struct.error, ValueError):
        return Exif(1, {})
    gps = _pointed(block, endian, fields, _GPS, {1, 2, 3, 4})
    inner = _pointed(block, endian, fields, _EXIF, _WANTED - {_EXIF, _GPS, _ORIENTATION, _MAKE, _MODEL})
    found: dict[str, Value] = {"taken": _taken({**fields, **inner}), "camera": _camera(fields), **_place(gps)}
    return Exif(_orientation(fields), {name: value for name, value in found.items() if value is not None})


def _header(block: bytes) -> tuple[str, int]:
    endian = {b"II": "<", b"MM": ">"}.get(block[:2])
    if endian is None:
        raise ValueError("no TIFF header")
    magic, start = struct.unpack_from(f"{endian}HI", block, 2)
    if magic != 42:
        raise ValueError("no TIFF header")
    return endian, start


def _directory(block: bytes, endian: str, start: int, wanted: set[int]) -> _Fields:
    """The wanted entries of one directory; those that point outside the block are left out."""
    (count,) = struct.unpack_from(f"{endian}H", block, start)
    fields: _Fields = {}
    for index in range(min(count, _MOST_ENTRIES)):
        try:
            tag, kind, length = struct.unpack_from(f"{endian}HHI", block, start + 2 + 12 * index)
            if tag in wanted:
                fields[tag] = _value(block, endian, start + 10 + 12 * index, kind, length)
        except (struct.error, ValueError):
            continue
    return fields


def _value(block: bytes, endian: str, at: int, kind: int, length: int) -> bytes | tuple[int, ...]:
    size = _SIZES.get(kind, 0) * length
    if not 0 < size <= _MOST_BYTES:
        raise ValueError("no value, or one too large")
    if size > 4:
        (at,) = struct.unpack_from(f"{endian}I", block, at)
    if at + size > len(block):
        raise ValueError("outside the block")
    if kind in (2, 7):
        return block[at : at + size]
    return struct.unpack_from(endian + _NUMBERS[kind] * length, block, at)


def _pointed(block: bytes, endian: str, fields: _Fields, tag: int, wanted: set[int]) -> _Fields:
    pointer = fields.get(tag)
    if not isinstance(pointer, tuple):
        return {}
    try:
        return _directory(block, endian, pointer[0], wanted)
    except struct.error:
        return {}


def _orientation(fields: _Fields) -> int:
    value = fields.get(_ORIENTATION)
    return value[0] if isinstance(value, tuple) and 1 <= value[0] <= 8 else 1


def _text(fields: _Fields, tag: int) -> str:
    value = fields.get(tag)
    if not isinstance(value, bytes):
        return ""
    value = value.partition(b"\0")[0]
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _camera(fields: _Fields) -> str | None:
    """Make and model; the make once, where the model repeats its first word."""
    make, model = _text(fields, _MAKE), _text(fields, _MODEL)
    first = make.partition(" ")[0].casefold()
    return (model if first and model.casefold().startswith(first) else f"{make} {model}".strip()) or None


def _taken(fields: _Fields) -> datetime | None:
    dates = (_moment(_text(fields, date), _text(fields, offset)) for date, offset in _DATES)
    return next((date for date in dates if date is not None), None)


def _moment(text: str, offset: str) -> datetime | None:
    """In UTC; without an offset the camera's clock is taken as UTC. None for dates that cannot be."""
    found = _FORMAT.match(text)
    if not found:
        return None
    zone = _ZONE.fullmatch(offset)
    try:
        shift = timedelta(hours=int(zone[2]), minutes=int(zone[3])) if zone else timedelta()
        tz = timezone(-shift if zone and zone[1] == "-" else shift)
        moment = datetime(*map(int, found.groups()), tzinfo=tz).astimezone(UTC)  # type: ignore[misc, arg-type]
    except (ValueError, OverflowError):
        return None
    sensible = moment.year >= _FIRST_PHOTOGRAPH and moment < datetime.now(UTC) + timedelta(days=2)
    return moment if sensible else None


def _place(gps: _Fields) -> dict[str, Value]:
    """Degrees, north and east positive; both or none."""
    latitude = _degrees(gps.get(_LATITUDE), _text(gps, _LATITUDE_REF), "NS", 90)
    longitude = _degrees(gps.get(_LONGITUDE), _text(gps, _LONGITUDE_REF), "EW", 180)
    if latitude is None or longitude is None:
        return {}
    return {"latitude": latitude, "longitude": longitude}


def _degrees(value: bytes | tuple[int, ...] | None, reference: str, signs: str, most: int) -> float | None:
    reference = reference[:1].upper()
    if not isinstance(value, tuple) or len(value) < 6 or reference not in signs or not reference:
        return None
    if value[1] == 0:
        return None
    parts = [value[i] / value[i + 1] if value[i + 1] else 0.0 for i in (0, 2, 4)]
    degrees = parts[0] + parts[1] / 60 + parts[2] / 3600
    if not math.isfinite(degrees) or not 0 <= degrees <= most:
        return None
    return -degrees if reference == signs[1] else degrees

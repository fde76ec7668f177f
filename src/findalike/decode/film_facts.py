"""What a film says of itself, read without trust: what is broken is left out."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from findalike.types import Metadata, Value

_MICROSECONDS = 1_000_000
_LONGEST = 366 * 24 * 3600.0
_FASTEST = 1000.0
_FIRST_DIGITAL_CLOCK = 1971
_TAKEN = ("com.apple.quicktime.creationdate", "creation_time", "date")
_PLACE = ("com.apple.quicktime.location.iso6709", "location", "location-eng")
_ISO_6709 = re.compile(r"([+-]\d{1,2}(?:\.\d+)?)([+-]\d{1,3}(?:\.\d+)?)")
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Facts:
    """`width` and `height` are upright, with square pixels; `duration` in seconds and `fps` are None where
    the film does not say. `metadata` has what of these and of `taken`, `camera`, `latitude` and `longitude`
    is known."""

    media: str
    width: int
    height: int
    duration: float | None
    fps: float | None
    codec: str
    metadata: Metadata = field(default_factory=dict)


def facts_of(container: Any, stream: Any, media: str, size: tuple[int, int]) -> Facts:
    """The facts of an opened film whose first frame has this upright size."""
    duration, fps = _duration(container, stream), _within(stream.average_rate, _FASTEST)
    codec = str(stream.codec_context.name)
    found: dict[str, Value] = {
        "width": size[0],
        "height": size[1],
        "duration": None if duration is None else round(duration, 3),
        "fps": None if fps is None else round(fps, 3),
        "codec": codec,
        **_tags({name.casefold(): text for name, text in {**stream.metadata, **container.metadata}.items()}),
    }
    known = {name: value for name, value in found.items() if value is not None}
    return Facts(media, *size, duration, fps, codec, known)


@dataclass(frozen=True, slots=True)
class Promised:
    """How long a film says it is, and how far its frames must at least reach for it to be whole. Seconds."""

    duration: float
    least: float


def promised(container: Any, stream: Any) -> Promised | None:
    """None where the film says nothing. What is said of all streams may be the length of the sound, which
    often runs on a little."""
    own = _own_duration(stream)
    if own is not None:
        return Promised(own, own - max(1.0, 0.02 * own))
    common = _within((container.duration or 0) / _MICROSECONDS, _LONGEST)
    return None if common is None else Promised(common, 0.9 * common - 1.0)


def _duration(container: Any, stream: Any) -> float | None:
    common = _within((container.duration or 0) / _MICROSECONDS, _LONGEST)
    return common or _own_duration(stream)


def _own_duration(stream: Any) -> float | None:
    if stream.duration and stream.time_base:
        return _within(stream.duration * stream.time_base, _LONGEST)
    clock = _CLOCK.match(stream.metadata.get("DURATION", ""))
    if not clock:
        return None
    return _within(int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3]), _LONGEST)


def _within(value: Any, most: float) -> float | None:
    number = float(value or 0)
    return number if math.isfinite(number) and 0 < number <= most else None


def _tags(said: Mapping[str, str]) -> dict[str, Value]:
    moments = (_moment(said[name]) for name in _TAKEN if name in said)
    makers = (said.get(f"com.apple.quicktime.{name}", "").strip() for name in ("make", "model"))
    places = (_place(said[name]) for name in _PLACE if name in said)
    return {
        "taken": next((moment for moment in moments if moment), None),
        "camera": " ".join(filter(str.isprintable, " ".join(filter(None, makers)).split())) or None,
        **next((place for place in places if place), {}),
    }


def _moment(text: str) -> datetime | None:
    """In UTC; a clock that was never set counts from 1904 or 1970."""
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return (
        moment if moment.year >= _FIRST_DIGITAL_CLOCK and moment < datetime.now(UTC) + timedelta(2) else None
    )


def _place(text: str) -> dict[str, Value]:
    found = _ISO_6709.match(text)
    if not found or abs(float(found[1])) > 90 or abs(float(found[2])) > 180:
        return {}
    return {"latitude": float(found[1]), "longitude": float(found[2])}

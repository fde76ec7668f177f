"""What was done to a picture to get its copy, in words, from how the two lie on each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from findalike.duplicates.compare import COLOURED, COLOURLESS, Overlay
from findalike.types import Asset

CUT = 0.97
"""Where less than this part of a picture is shown, it was cut; what fills less of the copy is in a frame."""

PLAIN = 0.6
"""When so much of what surrounds the overlap is plain, it is a frame, and not more of the picture."""

WRITTEN = 0.93
"""Of less agreement than this, something was written on one of the two."""

LARGER, TURNED, STRETCHED, BLURRED = 1.05, 1.0, 1.08, 0.45
"""Factor, degrees, factor, and part of the fine detail."""


@dataclass(frozen=True, slots=True)
class Look:
    """What of a picture's pixels words need: how colourful its thumbnail is, its mean colour, and the longer
    side of the thumbnail in pixels."""

    colourful: float
    mean: tuple[float, float, float]
    side: int


def words(overlay: Overlay, one: Asset, look_one: Look, other: Asset, look_other: Look) -> tuple[str, ...]:
    """What became of `one` in `other`, the most telling first; `overlay` is that of their thumbnails."""
    said = [
        *_turns(overlay),
        *_cuts(overlay),
        *_sizes(overlay, _side(one, look_one) / look_one.side, _side(other, look_other) / look_other.side),
        *_colours(look_one, look_other, min(overlay.overlap) >= CUT),
    ]
    if overlay.agreement < WRITTEN:
        said.append("written on" if overlay.busier > 0 else "something written on it is gone")
    if overlay.sharper < BLURRED:
        said.append("blurred")
    if not said:
        said.append("recompressed" if one.media == other.media else f"saved as {_format(other)}")
    return tuple(said)


def derived(overlay: Overlay, one: Asset, look_one: Look, other: Asset, look_other: Look) -> str:
    """The id of the one that was made from the other, where the pictures tell; else empty."""
    cut_one, cut_other = (part < CUT for part in overlay.overlap)
    if cut_one != cut_other:  # the larger surrounds the overlap with more of the picture, or with a frame
        larger, smaller = (one, other) if cut_one else (other, one)
        framed = overlay.plain[0 if cut_one else 1] >= PLAIN
        return (larger if framed else smaller).id
    if _is_grey(look_one) and _is_coloured(look_other):
        return one.id
    if _is_grey(look_other) and _is_coloured(look_one):
        return other.id
    if overlay.agreement < WRITTEN:
        return other.id if overlay.busier > 0 else one.id
    return ""


def _turns(overlay: Overlay) -> Iterator[str]:
    degrees = round(overlay.degrees)
    if overlay.mirrored and abs(abs(overlay.degrees) - 180) <= TURNED:
        yield "flipped upside down"
        return
    if overlay.mirrored:
        yield "mirrored"
    if abs(overlay.degrees) > TURNED:
        yield f"turned by {abs(degrees)}°" + (
            "" if abs(degrees) == 180 else " left" if degrees < 0 else " right"
        )


def _cuts(overlay: Overlay) -> Iterator[str]:
    shown, filled = overlay.overlap
    if shown < CUT:
        framed = overlay.plain[0] >= PLAIN and filled >= CUT
        yield "without its frame" if framed else f"cropped to {shown:.0%}".replace("%", " %")
    tilted = abs((overlay.degrees + 45) % 90 - 45) > TURNED
    if filled < (0.8 if tilted else CUT):
        more = overlay.plain[1] < PLAIN and shown >= CUT
        yield "part of a larger picture" if more else f"in a frame ({filled:.0%} of it)".replace("%", " %")


def _sizes(overlay: Overlay, pixels_one: float, pixels_other: float) -> Iterator[str]:
    factor = overlay.scale * pixels_other / pixels_one
    if not 1 / LARGER < factor < LARGER:
        yield f"{'larger' if factor > 1 else 'smaller'} ({factor:.0%})".replace("%", " %")
    if overlay.stretch > STRETCHED:
        yield "stretched"


def _colours(one: Look, other: Look, whole: bool) -> Iterator[str]:
    if _is_grey(other) and _is_coloured(one):
        yield "grey"
    elif _is_grey(one) and _is_coloured(other):
        yield "coloured"
    elif whole and max(abs(a - b) for a, b in zip(one.mean, other.mean, strict=True)) > 14:
        yield "other colours"


def _is_grey(look: Look) -> bool:
    return look.colourful < COLOURLESS


def _is_coloured(look: Look) -> bool:
    return look.colourful > COLOURED


def _side(asset: Asset, look: Look) -> int:
    """The longer side of the picture itself."""
    sides = [value for name in ("width", "height") if isinstance(value := asset.metadata.get(name), int)]
    return max(sides, default=look.side)


def _format(asset: Asset) -> str:
    return asset.media.rpartition("/")[2].upper() or "another format"

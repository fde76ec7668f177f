"""Bytes to pictures: RGB, upright, with their origin."""

from findalike.decode.image import PIXEL_BUDGET, Decoded, decode, thumbnail
from findalike.decode.media import HEAD_BYTES, looks_like_film, looks_like_picture, sniff, sniff_film
from findalike.decode.objects import from_object

__all__ = [
    "HEAD_BYTES",
    "PIXEL_BUDGET",
    "Decoded",
    "decode",
    "from_object",
    "looks_like_film",
    "looks_like_picture",
    "sniff",
    "sniff_film",
    "thumbnail",
]

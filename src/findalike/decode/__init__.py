"""Bytes to pictures: RGB, upright, with their origin."""

from findalike.decode.image import PIXEL_BUDGET, Decoded, decode, thumbnail
from findalike.decode.media import looks_like_picture, sniff
from findalike.decode.objects import from_object

__all__ = ["PIXEL_BUDGET", "Decoded", "decode", "from_object", "looks_like_picture", "sniff", "thumbnail"]

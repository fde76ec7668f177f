"""Two pictures side by side: matched keypoints that one transform explains, and structural similarity. Pure.

OpenCV is imported when the first keypoints are asked for, and works on one thread: callers that have many
pictures run several threads of their own, since it holds no lock while it computes.
"""

from findalike.verify.alignment import Alignment, aligned
from findalike.verify.geometry import applied
from findalike.verify.keypoints import SIDE, Keypoints, Kind, keypoints, mirrored
from findalike.verify.structure import resized, ssim, ssim_aligned

__all__ = [
    "SIDE",
    "Alignment",
    "Keypoints",
    "Kind",
    "aligned",
    "applied",
    "keypoints",
    "mirrored",
    "resized",
    "ssim",
    "ssim_aligned",
]

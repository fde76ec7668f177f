"""What a library's own pictures teach: whitening of the vectors that it has, and words for its keypoints.

Each adds a space to the library, and fills it. Nothing is labelled for that.
"""

from findalike.learn.lesson import Lesson, Watch, unseen
from findalike.learn.vocabulary import BOTH, MOST_PICTURES, make_vocabulary
from findalike.learn.whitening import whiten

__all__ = ["BOTH", "MOST_PICTURES", "Lesson", "Watch", "make_vocabulary", "unseen", "whiten"]

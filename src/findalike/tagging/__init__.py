"""What pictures show, in words: tags of a picture, a vocabulary of one's own, and words near a word.

tags(...)     what a picture shows, by bank, and how strongly
tag(...)      a bank of the user's own words, each picture scored against each of them
untag(...)    forget such a bank
facets(...)   how many pictures have each value of a column
label(...)    words that people put on pictures themselves
words(...)    what a text names, what is near it, and how many pictures show that
"""

from findalike.tagging.facets import countable, facets, unknown_tags
from findalike.tagging.labels import Labels, check_labels, label
from findalike.tagging.neighbours import Word, words
from findalike.tagging.shown import CLASSIFIER, Tag, tags
from findalike.tagging.tables import vocabularies
from findalike.tagging.vocabulary import Entry, Vocabulary
from findalike.tagging.zero_shot import MIN_CONFIDENCE, Tagged, Watch, tag, untag

__all__ = [
    "CLASSIFIER",
    "MIN_CONFIDENCE",
    "Entry",
    "Labels",
    "Tag",
    "Tagged",
    "Vocabulary",
    "Watch",
    "Word",
    "check_labels",
    "countable",
    "facets",
    "label",
    "tag",
    "tags",
    "unknown_tags",
    "untag",
    "vocabularies",
    "words",
]

"""Attributes: what a column says of labelled pictures, learned from their vectors and told of the others.

learn(...)    a probe from the pictures that have a person's value, and how well it tells those left out
apply(...)    value and confidence for every picture that no person gave one
predict(...)  the same for some pictures, without writing
forget(...)   take away what was predicted and learned
"""

from findalike.attributes.applying import apply, follow, forget, of_column, predict
from findalike.attributes.card import (
    CONFIDENCE,
    METHODS,
    Applied,
    AttributeInfo,
    Label,
    Learned,
    Method,
    Prediction,
    Score,
    Way,
    confidence_column,
)
from findalike.attributes.export import lines
from findalike.attributes.labels import check_column, given
from findalike.attributes.learning import FOLDS, Ask, Watch, learn, unseen
from findalike.attributes.shelf import Attribute, every, load

__all__ = [
    "CONFIDENCE",
    "FOLDS",
    "METHODS",
    "Applied",
    "Ask",
    "Attribute",
    "AttributeInfo",
    "Label",
    "Learned",
    "Method",
    "Prediction",
    "Score",
    "Watch",
    "Way",
    "apply",
    "check_column",
    "confidence_column",
    "every",
    "follow",
    "forget",
    "given",
    "learn",
    "lines",
    "load",
    "of_column",
    "predict",
    "unseen",
]

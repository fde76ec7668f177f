"""Persons: faces grouped by who they are, named by people, kept with the library, and forgotten for good.

grouping    which faces are alike
sorting     new faces sorted in
album       persons as values, and what people say of them
shelf       the file that keeps them
tags        names as tags of pictures
people      the persons of a library
forgetting  nothing left of a person, and the proof
"""

from findalike.people.album import Person
from findalike.people.people import Face, People

__all__ = ["Face", "People", "Person"]

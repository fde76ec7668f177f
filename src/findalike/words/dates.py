"""The bank `dates`: years, decades, months, seasons and parts of the day, from what metadata says.

The date is `taken`, else a column of a table named date, datetime, created or year. Texts are not read as
dates: a table types its columns when it is listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from findalike.types import Bank, Concept, Evidence, Metadata, Picture, Value

FIRST_YEAR, LAST_YEAR = 1826, 2100
"""The first photograph, and a year that nobody will miss."""

COLUMNS = ("taken", "date", "datetime", "created", "year")

_MONTHS = (
    "january jan", "february feb", "march mar", "april apr", "may", "june jun",
    "july jul", "august aug", "september sep sept", "october oct", "november nov", "december dec",
)  # fmt: skip
_SEASONS = ("winter wintertime", "spring springtime", "summer summertime", "autumn fall")
_SPOKEN = {
    1920: "twenties", 1930: "thirties", 1940: "forties", 1950: "fifties", 1960: "sixties",
    1970: "seventies", 1980: "eighties", 1990: "nineties",
}  # fmt: skip
_PARTS = ((5, "night"), (12, "morning"), (18, "afternoon"), (22, "evening"), (24, "night"))
"""Hours that end the parts of a day."""


def _concepts() -> Iterator[Concept]:
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        yield Concept(str(year), (str(year),), (_decade(year),))
    for decade in range(FIRST_YEAR // 10 * 10, LAST_YEAR + 1, 10):
        spoken = (_SPOKEN[decade], f"{decade % 100}s") if decade in _SPOKEN else ()
        yield Concept(_decade(decade), (_decade(decade), *spoken))
    for words in (*_MONTHS, *_SEASONS):
        yield Concept(words.split()[0], tuple(words.split()))
    yield Concept("christmas", ("christmas", "christmas time", "xmas"))
    yield Concept("weekend", ("weekend",))
    yield Concept("morning", ("morning", "in the morning"))
    yield Concept("afternoon", ("afternoon",))
    yield Concept("evening", ("evening",))
    yield Concept("night", ("night", "at night", "night-time", "nighttime"))


def _decade(year: int) -> str:
    return f"{year // 10 * 10}s"


class Dates:
    bank = Bank("dates", "1", tuple(_concepts()))
    from_metadata = True

    def __init__(self) -> None:
        self._number = {concept.name: number for number, concept in enumerate(self.bank.concepts)}

    def observe(
        self, picture: Picture | None, metadata: Metadata, probabilities: NDArray[np.float32] | None
    ) -> Evidence:
        """All that the date is, each with weight 1. Seasons are those of the south where the latitude is."""
        found = next((value for value in map(metadata.get, COLUMNS) if _is_date(value)), None)
        if isinstance(found, date):
            names = {*_of_year(found.year), *_of_day(found, _is_south(metadata)), *_of_hour(found, metadata)}
        elif isinstance(found, int):
            names = {*_of_year(found)}
        else:
            return {}
        return {self._number[name]: 1.0 for name in sorted(names)}


def _is_date(value: Value) -> bool:
    """A date of ours; a whole number counts as its year, and True as none."""
    if isinstance(value, bool):
        return False
    year = value.year if isinstance(value, date) else value
    return isinstance(year, int) and FIRST_YEAR <= year <= LAST_YEAR


def _is_south(metadata: Metadata) -> bool:
    latitude = metadata.get("latitude")
    return isinstance(latitude, int | float) and latitude < 0


def _of_year(year: int) -> tuple[str, str]:
    return str(year), _decade(year)


def _of_day(day: date, south: bool) -> Iterator[str]:
    yield _MONTHS[day.month - 1].split()[0]
    yield _SEASONS[(day.month % 12 // 3 + 2 * south) % 4].split()[0]
    if day.month == 12 and 24 <= day.day <= 26:
        yield "christmas"
    if day.weekday() >= 5:
        yield "weekend"


def _of_hour(moment: date, metadata: Metadata) -> Iterator[str]:
    """The part of the day, where the clock is known to be local: cameras without a position write their
    own clock, which is kept as it is; those with one mostly write their offset too, and then the hour is
    that of Greenwich. Midnight to the second is a date without a time."""
    if not isinstance(moment, datetime) or metadata.get("longitude") is not None:
        return
    if (moment.hour, moment.minute, moment.second) != (0, 0, 0):
        yield next(name for end, name in _PARTS if moment.hour < end)


DATES = Dates()

"""What requests and answers of feedback and of reviews look like."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from findalike.web.schema import Asked, AssetId, AssetOut, Line

Said = Literal["match", "no match", "click"]
Session = Annotated[str, StringConstraints(min_length=8, max_length=64, pattern=r"^[0-9A-Za-z_-]+$")]
Given = Annotated[str, StringConstraints(min_length=1, max_length=100)] | bool

# Feedback


class MarkIn(Asked):
    """What someone says of a hit of the search for a picture of the library."""

    query: AssetId
    hit: AssetId
    verdict: Said
    space: Annotated[str, StringConstraints(max_length=200)] = ""
    rank: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class MarksIn(Asked):
    marks: Annotated[list[MarkIn], Field(min_length=1, max_length=100)]


class MarkOut(BaseModel):
    id: str
    at: datetime
    query: str
    hit: str
    verdict: Said
    space: str
    rank: int | None


class Marks(BaseModel):
    """The newest first. `total`: how many hold, also those that are left out here."""

    marks: list[MarkOut]
    total: int


class Removed(BaseModel):
    removed: int


# Reviews


class AttributeOut(BaseModel):
    """A column that was learned, or has predicted values. `accuracy` was measured on labelled pictures that
    were left out of learning; null where nothing was learned."""

    column: str
    learned: datetime | None
    labelled: int
    accuracy: float | None
    method: str | None
    predicted: int


class AttributesOut(BaseModel):
    attributes: list[AttributeOut]


class StandingOut(BaseModel):
    """How far a review is. `expected`: the share of the pictures with a value that have the right one, as far
    as the confidences can be trusted; `accepted_share`: the measured share of the `answered` predictions that
    stayed, and `foreseen_share` what their confidences said of them; `trust` whether these fit."""

    column: str
    total: int
    stated: int
    predicted: int
    bare: int
    expected: float | None
    expected_of_predicted: float | None
    answered: int
    accepted: int
    accepted_share: float | None
    foreseen_share: float | None
    trust: Literal["unknown", "fits", "too sure", "too modest"]


class ChoiceOut(BaseModel):
    value: str | bool
    probability: float | None


class CaseOut(BaseModel):
    """A picture to review. `confidence` is null for a value that a person gave; `revision` goes with the
    answer, so that nobody's answer is lost."""

    asset: AssetOut
    value: str | bool | None
    confidence: float | None
    revision: str
    choices: list[ChoiceOut]


class AnswerOut(BaseModel):
    id: str
    at: datetime
    asset: str
    value: str | bool
    before: str | bool | None
    confidence: float | None
    accepted: bool


class Dealt(BaseModel):
    """The next pictures, the most valuable first: none is before another session. `answer` is what was said,
    or taken back."""

    cases: list[CaseOut]
    standing: StandingOut
    answer: AnswerOut | None = None


class AnswersOut(BaseModel):
    answers: list[AnswerOut]


class OfColumn(Asked):
    column: Line


class InSession(OfColumn):
    session: Session = Field(description="made up by the client, another for each person")
    count: Annotated[int, Field(ge=1, le=10)] = 1


class NextIn(InSession):
    skip: AssetId | None = Field(default=None, description="not to be shown to this session again")
    again: bool = Field(default=False, description="show what was skipped, too")


class AnswerIn(InSession):
    asset: AssetId
    value: Given
    revision: Line = Field(description="that of the case that was shown")

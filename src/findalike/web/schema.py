"""What requests and answers look like: the models that make the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from findalike.query import MAX_K

Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
BoxEdges = Annotated[
    list[Share], Field(min_length=4, max_length=4, description="left, top, right, bottom in 0..1")
]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
Looks = Annotated[dict[Line, Weight], Field(max_length=16)]
AssetId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z_-]+$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")]
Value = bool | int | Number | str | None

_BOX_KEY = r"(face|region)(-[0-9]{4}){4}"
PART_KEY = rf"^(frame-[0-9]+\.[0-9]{{3}}(-{_BOX_KEY})?|{_BOX_KEY})$"
"""What tells a part from all others of its asset (`Origin.key`), but for the whole."""


class Asked(BaseModel):
    """Of a request: what is not known is refused, and a text is no number."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TermIn(Asked):
    """One thing to look for, or with a negative weight to look away from. Exactly one of `text`, `id`,
    `image`, `upload`, `url` and `vector` says what."""

    text: Text | None = None
    id: AssetId | None = Field(default=None, description="an asset of the library")
    image: str | None = Field(default=None, description="the file of a picture or a film in base64")
    upload: Line | None = Field(default=None, description="the name of the part of a multipart request")
    url: Annotated[str, StringConstraints(max_length=2_000)] | None = Field(
        default=None, description="fetched by the server, where its operator allows it"
    )
    vector: Annotated[list[Number], Field(min_length=1, max_length=16_384)] | None = None
    box: BoxEdges | None = Field(default=None, description="the part of the picture that counts")
    focus: Line | None = Field(default=None, description="the thing in the picture that counts")
    face: int | None = Field(default=None, ge=1, description="its face that counts, by number: left to right")
    weight: Number | None = Field(default=1.0, description="any number but 0")


class SearchIn(Asked):
    """Terms to rank by, a filter to pass, both, or neither: then all pictures, by path."""

    terms: Annotated[list[TermIn], Field(max_length=256)] = []
    where: Text | None = Field(default=None, examples=["year >= 2015 and tag = 'dog'"])
    min_score: Share = 0.0
    limit: Annotated[int, Field(ge=1, le=MAX_K)] = 40
    cursor: Annotated[str, StringConstraints(max_length=60_000)] | None = Field(
        default=None, description="goes on where an answer to this query ended"
    )
    encoder: Line | list[Line] | None = None
    look: (
        Annotated[dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]], Field(max_length=16)] | None
    ) = Field(
        default=None,
        description="what counts in looking alike: thing, colour, layout or encoders, and their weights",
        examples=[{"thing": 1, "colour": 0.5}],
    )
    include_self: bool = False
    diverse: Share = 0.0
    verify: Literal["geometric", "ssim"] | None = Field(
        default=None,
        description="puts first those of the best 50 hits that are seen to show the same as a picture "
        "looked for: by their keypoints, or by their structure",
    )
    same: Line | Annotated[list[Line], Field(max_length=16)] | None = Field(
        default=None,
        description="attributes: hits have the value that the picture has, or is predicted to have",
        examples=["color"],
    )


class Links(BaseModel):
    self: str
    thumbnail: str
    content: str


class AssetOut(BaseModel):
    id: str
    name: str
    path: str
    media: str
    size: int
    modified: datetime
    width: int | None
    height: int | None
    tags: list[str]
    labels: list[str]
    metadata: dict[str, Any]
    links: Links


class Shown(BaseModel):
    """What a picture shows, and how surely: above 0 and at most 1."""

    bank: str
    name: str
    confidence: float


class AssetDetail(AssetOut):
    """`available`: the file is where the library knows it."""

    shown: list[Shown]
    available: bool


class ReasonOut(BaseModel):
    term: str
    space: str
    similarity: float | None
    weight: float | None


class PartOut(BaseModel):
    """A frame of a film, which stands for what is shown from `time` to `end`, or a face or region of a
    picture. `picture`: where the film's picture of that time is; null for what is no part of a film."""

    key: str
    part: str
    box: list[float]
    time: float | None
    end: float | None
    label: str
    picture: str | None


class Parts(BaseModel):
    """In the order of time. `total` counts those that are left out, too."""

    parts: list[PartOut]
    total: int


class MomentOut(PartOut):
    """A stretch of a film that answers too."""

    score: float | None


class HitOut(AssetOut):
    """Of a film, `time` and `end` are the stretch that answers best, `picture` shows it, and `moments` are
    the others, best first. Where a clip was looked for, `query_span` is the stretch of it that was found."""

    rank: int
    score: float | None
    band: str
    similarity: float | None
    space: str
    part: str
    box: list[float]
    time: float | None
    end: float | None
    key: str
    picture: str | None
    moments: list[MomentOut]
    query_span: list[float] | None
    reasons: list[ReasonOut]


class Answer(BaseModel):
    """`cursor` is null at the end; `total` is null where it is not known without looking at all; `ranked` is
    false where nothing was ranked by; times are in ms."""

    hits: list[HitOut]
    cursor: str | None
    total: int | None
    notes: list[str]
    nothing_similar: bool
    ranked: bool
    timings: dict[str, float]


class Assets(BaseModel):
    assets: list[AssetOut]
    cursor: str | None


class LabelsIn(Asked):
    add: Annotated[list[Label], Field(max_length=100)] = []
    remove: Annotated[list[Label], Field(max_length=100)] = []


class EditIn(Asked):
    """Labels to put on and to take off; metadata to set, where null takes a value away."""

    labels: LabelsIn | None = None
    metadata: Annotated[dict[Label, Value], Field(max_length=100)] | None = None


class EditManyIn(EditIn):
    ids: Annotated[list[AssetId], Field(min_length=1, max_length=MAX_K)]


class Edited(BaseModel):
    changed: int


class ExportIn(Asked):
    ids: Annotated[list[AssetId], Field(min_length=1, max_length=MAX_K)]
    format: Literal["csv", "json", "zip"] = "json"


class PersonRef(BaseModel):
    number: int
    name: str | None


class FaceOut(BaseModel):
    """A face in a picture, or in a film at a `time`. `number` counts from 1, left to right; `score`: how
    surely it is a face; `person` is null where nobody knows whose it is; `picture` is the face, cut out."""

    key: str
    number: int
    box: list[float]
    time: float | None
    score: float
    person: PersonRef | None
    picture: str


class Faces(BaseModel):
    faces: list[FaceOut]


class FaceSeen(BaseModel):
    """A face in a picture that is not of the library: as `FaceOut`, but that nobody knows whose it is."""

    number: int
    box: list[float]
    time: float | None
    score: float


class FacesSeen(BaseModel):
    faces: list[FaceSeen]


class FaceIn(Asked):
    """Who a face is, or the number of a person it is not of."""

    name: Label | None = None
    not_person: Annotated[int, Field(ge=1, le=2**31)] | None = None


class PersonIn(Asked):
    name: Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00-\x1f]*$")]


class MergeIn(Asked):
    others: Annotated[list[Annotated[int, Field(ge=1, le=2**31)]], Field(min_length=1, max_length=100)]


class FaceRef(BaseModel):
    asset: str
    key: str


class PersonOut(BaseModel):
    """`faces` and `pictures`: how many; `face` and `picture`: one of the faces, null where none is left."""

    number: int
    name: str | None
    faces: int
    pictures: int
    picture: str | None
    face: FaceRef | None


class People(BaseModel):
    """`loose`: faces that are nobody's."""

    people: list[PersonOut]
    loose: int


class Forgotten(BaseModel):
    """How many faces, pictures of faces and pictures with them there were. `elsewhere`: pictures whose path,
    labels or metadata have the name, which stay so. `proved`: what was forgotten was looked for in every byte
    of the library, and is not there."""

    faces: int
    crops: int
    pictures: int
    elsewhere: int
    proved: bool


class Undone(BaseModel):
    undone: str


class FailureOut(BaseModel):
    path: str
    stage: str
    error: str


class UploadFailure(BaseModel):
    name: str
    stage: str
    error: str


class Uploaded(BaseModel):
    assets: list[AssetOut]
    failures: list[UploadFailure]


class Failures(BaseModel):
    failures: list[FailureOut]
    cursor: str | None


class JobIn(Asked):
    folder: Line = Field(description="the id of a folder that `/v1/library` lists")
    retry: bool = Field(default=False, description="look again into files that failed and have not changed")


class ReportOut(BaseModel):
    added: int
    updated: int
    encoded: int
    moved: int
    removed: int
    unchanged: int
    skipped: int
    seconds: float


class FilmOut(BaseModel):
    """How far a film is, in seconds; `of` is null where it does not say how long it is."""

    path: str
    seconds: float
    of: float | None


class LessonOut(BaseModel):
    """Of an attribute that was learned: `accuracy` on labelled pictures that were left out, and before."""

    accuracy: float | None
    before: float | None
    labelled: int
    predicted: int
    notes: list[str]


class JobOut(BaseModel):
    """One that indexes has a `folder`, one that learns an attribute a `column`."""

    id: str
    kind: Literal["index", "learn"]
    column: str | None
    folder: str
    path: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    phase: (
        Literal["listing", "encoding", "measuring", "sweeping", "reading", "learning", "applying", "writing"]
        | None
    )
    done: int
    total: int
    failed: int
    film: FilmOut | None
    created: datetime
    started: datetime | None
    ended: datetime | None
    error: str | None
    report: ReportOut | None
    lesson: LessonOut | None
    failures: list[FailureOut]


class Jobs(BaseModel):
    jobs: list[JobOut]


class Folder(BaseModel):
    id: str
    path: str


class Can(BaseModel):
    write: bool
    index: bool
    upload: bool
    reveal: bool


class LimitsOut(BaseModel):
    body: int
    pixels: int
    terms: int
    limit: int
    seconds: float
    urls: bool


class Range(BaseModel):
    """The first and the last value of the library's column of dates."""

    column: str
    first: datetime = Field(alias="from", serialization_alias="from")
    last: datetime = Field(alias="to", serialization_alias="to")


class SpaceOut(BaseModel):
    space: str
    name: str
    rows: int
    index: str


class LibraryOut(BaseModel):
    name: str
    path: str
    pictures: int
    failures: int
    spaces: list[SpaceOut]
    columns: dict[str, str]
    folders: list[Folder]
    can: Can
    limits: LimitsOut
    range: Range | None
    version: str
    faces: int = Field(description="faces that were found in its pictures; 0 where none were looked for")


class FacetValue(BaseModel):
    value: bool | int | float | str
    count: int


class Facets(BaseModel):
    column: str
    values: list[FacetValue]


class Counted(BaseModel):
    tag: str
    count: int


class Tags(BaseModel):
    """Of the whole library, or what one picture shows."""

    tags: list[Counted] | None = None
    shown: list[Shown] | None = None


class WordOut(BaseModel):
    word: str
    relation: str
    pictures: int
    bank: str
    similarity: float


class Words(BaseModel):
    text: str
    words: list[WordOut]


class EncoderOut(BaseModel):
    name: str
    space: str
    dim: int
    precision: str
    modalities: list[str]
    licence: str
    source: str
    in_library: bool


class Encoders(BaseModel):
    encoders: list[EncoderOut]


class SessionIn(Asked):
    token: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class Health(BaseModel):
    status: str


class Problem(BaseModel):
    """RFC 9457 problem details; `code` is stable, see docs/api.md."""

    type: str
    title: str
    status: int
    detail: str
    code: str

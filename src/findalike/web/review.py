"""`/v1/attributes` and `/v1/review`: attributes that were predicted, checked by people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from findalike.attributes.answers import Answer
from findalike.attributes.card import CONFIDENCE, AttributeInfo, confidence_column
from findalike.attributes.review import Case, Outdated, Review
from findalike.attributes.standing import Standing
from findalike.filters import IsNull, Not
from findalike.library import Library
from findalike.web.exports import as_csv, attached
from findalike.web.problems import ProblemError
from findalike.web.responses import JSON, described_as, problems, service_of
from findalike.web.schema import JobOut, Line
from findalike.web.schema_review import (
    AnswerIn,
    AnswersOut,
    AttributesOut,
    Dealt,
    InSession,
    NextIn,
    OfColumn,
    StandingOut,
)
from findalike.web.service import Service

attributes = APIRouter(prefix="/v1/attributes", tags=["review"])
router = APIRouter(prefix="/v1/review", tags=["review"])

PATIENCE = 2.0
"""Seconds that an answer waits for other writers."""

NAMES = ("at", "path", "asset", "value", "before", "confidence", "accepted", "id")
"""The columns of the table of answers."""

Column = Annotated[Line, Query(description="the attribute")]


@attributes.get(
    "",
    operation_id="listAttributes",
    summary="The attributes that were learned, and those that have predicted values",
    responses={**described_as(AttributesOut), **problems()},
)
async def list_attributes(request: Request) -> JSONResponse:
    service = service_of(request)
    return JSONResponse({"attributes": await service.read(request, _attributes, service)})


@router.get(
    "",
    operation_id="getReview",
    summary="How far the review of an attribute is, and how much is right by now",
    responses={**described_as(StandingOut), **problems()},
)
async def get_review(request: Request, column: Column) -> JSONResponse:
    service = service_of(request)
    return JSONResponse(await service.read(request, _standing, service, column))


@router.post(
    "/next",
    operation_id="nextCases",
    summary="The pictures to review next, which are shown to no other session meanwhile",
    dependencies=[JSON],
    responses={**described_as(Dealt), **problems(409, 415)},
)
async def next_cases(request: Request, asked: NextIn) -> JSONResponse:
    service = service_of(request)
    return JSONResponse(await service.search(request, _next, service, asked))


@router.post(
    "/answers",
    operation_id="answerCase",
    summary="Accept or correct a value; a 409 says in `now` what someone else made of it meanwhile",
    dependencies=[JSON],
    responses={**described_as(Dealt), **problems(409, 415)},
)
async def answer_case(request: Request, said: AnswerIn) -> JSONResponse:
    service = service_of(request)
    answer = await service.write(request, _answered, service, said)
    return JSONResponse(await service.search(request, _dealt, service, said, answer))


@router.post(
    "/undo",
    operation_id="undoAnswer",
    summary="Take back the last answer of a session, and so on",
    dependencies=[JSON],
    responses={**described_as(Dealt), **problems(409, 415)},
)
async def undo_answer(request: Request, asked: InSession) -> JSONResponse:
    service = service_of(request)
    answer = await service.write(request, _undone, service, asked)
    return JSONResponse(await service.search(request, _dealt, service, asked, answer))


@router.get(
    "/answers",
    operation_id="listAnswers",
    summary="What was answered, the oldest first, as JSON or as a CSV table",
    response_class=Response,
    responses={
        200: {
            "content": {
                "application/json": {"schema": AnswersOut.model_json_schema()},
                "text/csv": {"schema": {"type": "string"}},
            }
        },
        **problems(),
    },
)
async def list_answers(
    request: Request,
    column: Column,
    format: Annotated[Literal["json", "csv"], Query()] = "json",  # noqa: A002
) -> Response:
    service = service_of(request)
    answers = await service.read(request, _answers, service, column)
    if format == "json":
        told = {"answers": [_told_answer(each) for each in answers]}
        return JSONResponse(told, headers={"Cache-Control": "no-store"})
    table = await service.read(request, _table, service, answers)
    return Response(table, headers=attached("answers.csv"), media_type="text/csv")


@router.post(
    "/learn",
    operation_id="learnAttribute",
    summary="Learn an attribute anew from all that people said, and predict the others by it",
    status_code=202,
    dependencies=[JSON],
    responses={**described_as(JobOut, 202), **problems(409, 415)},
)
async def learn_attribute(request: Request, asked: OfColumn) -> JSONResponse:
    service = service_of(request)
    await service.read(request, _review, service, asked.column)
    job = service.jobs.learn(asked.column)
    return JSONResponse(job.to_json(), 202, {"Location": f"/v1/jobs/{job.id}"})


# In threads


def _review(service: Service, column: str) -> Review:
    """Raises ProblemError for a column that the library does not have."""
    if column not in service.library.store.columns():
        names = ", ".join(each["column"] for each in _attributes(service)) or "none"
        raise ProblemError("not-found", f"there is no column {column[:80]!r}; attributes are: {names}")
    return service.library.review(column)


def _attributes(service: Service) -> list[dict[str, Any]]:
    library = service.library
    learned = {info.column: info for info in library.attributes()}
    columns = library.store.columns()
    guessed = {name.removesuffix(CONFIDENCE) for name in columns if name.endswith(CONFIDENCE)} - {*learned}
    told = (name for name in guessed if columns.get(name) in ("text", "boolean") and _told(library, name))
    names = sorted({*learned, *told})
    return [
        _told_attribute(library.review(name).standing(), name, learned.get(name))
        for name in names
        if name in columns
    ]


def _told(library: Library, column: str) -> bool:
    """Whether any picture has a predicted value: the columns stay when an attribute is forgotten."""
    return library.store.count(Not(IsNull(confidence_column(column)))) > 0


def _told_attribute(now: Standing, name: str, info: AttributeInfo | None) -> dict[str, Any]:
    return {
        "column": name,
        "learned": info and info.learned.isoformat(),
        "labelled": info.labelled if info else 0,
        "accuracy": info and info.accuracy,
        "method": info and info.method,
        "predicted": now.predicted,
    }


def _standing(service: Service, column: str) -> dict[str, Any]:
    now = _review(service, column).standing()
    names = ("total", "stated", "predicted", "bare", "expected", "expected_of_predicted")
    more = ("answered", "accepted", "accepted_share", "foreseen_share", "trust")
    return {"column": column, **{name: getattr(now, name) for name in (*names, *more)}}


def _next(service: Service, asked: NextIn) -> dict[str, Any]:
    review = _review(service, asked.column)
    if asked.again:
        review.unskip(asked.session)
    if asked.skip:
        review.skip(asked.skip, asked.session)
    return _dealt(service, asked)


def _answered(service: Service, said: AnswerIn) -> Answer:
    service.asset(said.asset)
    review = _review(service, said.column)
    try:
        return review.answer(said.asset, said.value, said.revision, said.session, wait=PATIENCE)
    except Outdated as error:
        raise ProblemError("conflict", str(error), now=_told_case(service, error.now)) from error


def _undone(service: Service, asked: InSession) -> Answer:
    try:
        return _review(service, asked.column).undo(asked.session, wait=PATIENCE)
    except Outdated as error:
        raise ProblemError("conflict", str(error), now=_told_case(service, error.now)) from error


def _dealt(service: Service, asked: InSession, answer: Answer | None = None) -> dict[str, Any]:
    cases = _review(service, asked.column).deal(asked.session, asked.count)
    return {
        "cases": [_told_case(service, case) for case in cases],
        "standing": _standing(service, asked.column),
        "answer": answer and _told_answer(answer),
    }


def _told_case(service: Service, case: Case) -> dict[str, Any]:
    return {
        "asset": service.described([case.asset])[0],
        "value": case.value,
        "confidence": case.confidence,
        "revision": case.revision,
        "choices": [{"value": each.value, "probability": each.probability} for each in case.choices],
    }


def _told_answer(answer: Answer) -> dict[str, Any]:
    names = ("id", "asset", "value", "before", "confidence", "accepted")
    return {**{name: getattr(answer, name) for name in names}, "at": answer.at.isoformat()}


def _answers(service: Service, column: str) -> list[Answer]:
    return _review(service, column).answers()


def _table(service: Service, answers: list[Answer]) -> str:
    return as_csv(NAMES, _rows(service, answers))


def _rows(service: Service, answers: list[Answer]) -> Iterator[list[object]]:
    assets = service.library.store.get({answer.asset for answer in answers})
    for answer in answers:
        there = assets.get(answer.asset)
        told = _told_answer(answer) | {"path": there.uri if there else ""}
        yield [told[name] for name in NAMES]

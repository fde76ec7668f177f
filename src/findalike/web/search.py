"""`/v1/search`: a query as JSON, with pictures beside it, or as an address."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.responses import JSONResponse

from findalike import query as asking
from findalike import timing
from findalike.errors import LibraryMissing, QueryError
from findalike.look import WAYS, checked_look, parse_look
from findalike.present.records import records
from findalike.query import Term
from findalike.search import Hits
from findalike.types import Hit
from findalike.web.clips import check_clip
from findalike.web.parts import part_link, seconds, told_part
from findalike.web.problems import ProblemError
from findalike.web.responses import described_as, problems, service_of, validated
from findalike.web.schema import Answer, AssetId, Line, SearchIn, TermIn, Text
from findalike.web.service import Service, version

router = APIRouter(prefix="/v1", tags=["search"])

EVERYTHING = "size >= 0"
"""The filter of a query that asks for nothing: all pictures, by path."""

MOST_PARTS = 64

MOST_LETTERS = 5_000
"""Of all texts of a query together, so that no client keeps a thread busy for long."""

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/SearchIn"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["query"],
                    "properties": {
                        "query": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "description": "a SearchIn; its terms name the other parts by `upload`",
                        }
                    },
                    "additionalProperties": {"type": "string", "format": "binary"},
                }
            },
        },
    }
}


@router.post(
    "/search",
    operation_id="search",
    summary="Find pictures by words, by pictures, or by both",
    openapi_extra=_BODY,
    responses={**described_as(Answer), **problems(403, 408, 409, 413, 415)},
)
async def search(request: Request) -> JSONResponse:
    asked, parts = await _read(request)
    return await _answered(request, asked, parts)


@router.get(
    "/search",
    operation_id="searchByAddress",
    summary="The same as an address",
    responses={**described_as(Answer), **problems(403, 409)},
)
async def search_by_address(
    request: Request,
    text: Annotated[list[Text] | None, Query(description="words to look for")] = None,
    like: Annotated[list[AssetId] | None, Query(description="ids of pictures to look for")] = None,
    unlike: Annotated[list[AssetId] | None, Query(description="ids of pictures to look away from")] = None,
    where: Annotated[Text | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=asking.MAX_K)] = 40,
    min_score: Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)] = 0.0,
    cursor: Annotated[str | None, Query(max_length=60_000)] = None,
    encoder: Annotated[list[Line] | None, Query()] = None,
    look: Annotated[Line | None, Query(description="ways of looking alike: thing=1,colour=0.5")] = None,
    same: Annotated[list[Line] | None, Query(description="attributes whose value hits share")] = None,
) -> JSONResponse:
    terms = [TermIn(text=each) for each in text or ()]
    terms += [TermIn(id=each) for each in like or ()]
    terms += [TermIn(id=each, weight=-0.5) for each in unlike or ()]
    asked = SearchIn(
        terms=terms,
        where=where,
        limit=limit,
        min_score=min_score,
        cursor=cursor,
        encoder=encoder or None,
        look=dict(parse_look(look)) if look else None,
        same=same,
    )
    return await _answered(request, asked, {})


async def _read(request: Request) -> tuple[SearchIn, Mapping[str, bytes]]:
    """The query of a body, and the pictures that came with it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return await run_in_threadpool(validated, SearchIn, await request.body()), {}
    if kind != "multipart/form-data":
        raise ProblemError(
            "unsupported-media",
            f"a query is application/json or multipart/form-data, not {kind[:80] or 'nothing'!r}",
        )
    try:
        async with request.form(max_files=MOST_PARTS, max_fields=MOST_PARTS, max_part_size=2**20) as form:
            several = [(name, value) for name, value in form.multi_items()]
            parts = {name: await value.read() for name, value in several if isinstance(value, UploadFile)}
            fields = {name: value for name, value in several if isinstance(value, str)}
    except (MultiPartException, ValueError) as error:
        raise ProblemError("bad-request", f"the multipart body cannot be read: {error}") from None
    written = fields.get("query") or parts.pop("query", None)
    if not written:
        raise ProblemError("invalid", "the multipart body has no part `query` with the query as JSON")
    return validated(SearchIn, written), parts


async def _answered(request: Request, asked: SearchIn, parts: Mapping[str, bytes]) -> JSONResponse:
    service = service_of(request)
    body = await service.search(request, _answer, service, asked, parts)
    service.metrics.searched(body["timings"])
    return JSONResponse(body)


def _answer(service: Service, asked: SearchIn, parts: Mapping[str, bytes]) -> dict[str, Any]:
    """In a thread: the terms, the search, and its hits as the API tells them."""
    started = time.perf_counter()
    with timing.spent() as spent:
        query = _query(service, asked, parts)
        try:
            hits: Hits | None = service.library.search(query)
        except LibraryMissing:
            hits = None
        body = _told(service, query, hits)
    total = time.perf_counter() - started
    body["timings"] = {name: round(1000 * s, 2) for name, s in {**spent, "total": total}.items()}
    return body


def _query(service: Service, asked: SearchIn, parts: Mapping[str, bytes]) -> asking.Query:
    limits = service.config.limits
    if len(asked.terms) > limits.terms:
        raise ProblemError("query", f"{len(asked.terms)} terms; this server takes at most {limits.terms}")
    letters = sum(len(term.text or "") for term in asked.terms)
    if letters > MOST_LETTERS:
        many = f"the texts have {letters:,} letters together"
        raise ProblemError("query", f"{many}, but at most {MOST_LETTERS:,} are looked for")
    if asked.limit > limits.hits:
        raise ProblemError(
            "query", f"limit is {asked.limit}; this server gives at most {limits.hits} at once"
        )
    read = _Terms(service, parts)
    terms = tuple(read.term(term, f"terms[{n}]") for n, term in enumerate(asked.terms))
    encoder = tuple(asked.encoder) if isinstance(asked.encoder, list) else asked.encoder
    look = checked_look(asked.look)
    _check_encoders(service, (encoder,) if isinstance(encoder, str) else encoder or ())
    _check_encoders(service, [name for name, _ in look if name not in WAYS])
    return asking.Query(
        terms,
        asked.where if asked.where or terms else EVERYTHING,
        encoder or None,
        asked.limit,
        asked.min_score,
        asked.include_self,
        asked.diverse,
        cursor=asked.cursor,
        look=look,
        verify=asked.verify,
        same=_several(asked.same),
    )


def _several(names: str | list[str] | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def _check_encoders(service: Service, names: Sequence[str]) -> None:
    """Raises ProblemError for a name that is none of the library's: a reference such as `onnx:FILE` names a
    path, and no path from a client is opened."""
    cards = service.library.store.cards().values()
    for name in names:
        if not any(name in (card.name, card.space) for card in cards):
            known = ", ".join(sorted({card.name for card in cards})) or "none yet"
            raise ProblemError("query", f"the library has no encoder {name[:80]!r}; it has {known}")


@dataclass(frozen=True, slots=True)
class _Terms:
    """Turns terms as they are asked for into those of a query. None opens a file that a client names."""

    service: Service
    parts: Mapping[str, bytes]

    def term(self, asked: TermIn, place: str) -> Term:
        given = [name for name in ("text", "id", "image", "upload", "url", "vector") if getattr(asked, name)]
        if len(given) != 1:
            raise ProblemError(
                "invalid",
                f"{place} has {' and '.join(given) or 'none'}, but it must have one of text, id, image, "
                "upload, url, vector",
            )
        name = given[0]
        kind = {"text": "text", "id": "asset", "vector": "vector"}.get(name, "image")
        what = self._what(name, getattr(asked, name), place)
        if isinstance(what, bytes):
            config, settings = self.service.config, self.service.library.settings
            check_clip(what, config.limits.clip, settings.pixel_budget)
        weight = 1.0 if asked.weight is None else asked.weight
        box = tuple(asked.box) if asked.box else None
        try:
            return Term(what, kind, box, weight, asked.focus, asked.face)  # type: ignore[arg-type]
        except QueryError as error:
            raise QueryError(f"{place}: {error}") from None

    def _what(self, name: str, value: Any, place: str) -> Any:
        if name == "image":
            return _decoded(value, place)
        if name == "upload":
            if not self.parts.get(value):
                raise ProblemError(
                    "invalid", f"{place}: the request has no part {value[:80]!r} with a picture or film"
                )
            return self.parts[value]
        if name == "id" and not self.service.library.store.get([value]):
            raise ProblemError("query", f"{place}: no picture of the library has the id {value!r}")
        if name == "url":
            with timing.stage("fetch"):
                return self.service.fetched(value)
        return value


def _decoded(image: str, place: str) -> bytes:
    try:
        return base64.b64decode(image, validate=True)
    except (binascii.Error, ValueError):
        raise ProblemError("invalid", f"{place}.image is no base64") from None


def _told(service: Service, query: asking.Query, hits: Hits | None) -> dict[str, Any]:
    """The answer but its times. Of an empty library it is empty."""
    if hits is None:
        return _body([], None, 0, ["The library is empty."], False, bool(query.terms))
    found = []
    described = service.described([hit.asset for hit in hits])
    for hit, record, told in zip(hits, records(hits), described, strict=True):
        names = ("score", "band", "similarity", "space", "part", "box", "time", "reasons")
        own = {name: record[name] for name in names}
        found.append({"rank": hits.start + record["rank"], **own, **_stretch(hit), **told})
    notes = list(hits.notes)
    sought = any(term.weight > 0 for term in query.terms)
    if query.terms and not sought:
        notes.insert(0, "Nothing is looked for: these show least of what is looked away from.")
        for each in found:
            each |= {"score": None, "band": "not looked for"}
    return _body(found, hits.cursor, hits.total, notes, hits.nothing_similar, sought)


def _stretch(hit: Hit) -> dict[str, Any]:
    """Where in a film a hit is, and where else; what is empty of a picture."""
    of_version = version(hit.asset)
    own, span = told_part(hit.origin, of_version), hit.query_span
    if hit.frame or span:  # what was found need not begin where a frame is kept
        own["picture"] = part_link(hit.asset.id, hit.frame, of_version) if hit.frame else None
    return {
        **{name: own[name] for name in ("end", "key", "picture")},
        "moments": [
            {**told_part(moment.origin, of_version), "score": round(float(moment.score), 4)}
            for moment in hit.moments
        ],
        "query_span": None if span is None else [seconds(edge) for edge in span],
    }


def _body(
    hits: list[dict[str, Any]],
    cursor: str | None,
    total: int | None,
    notes: list[str],
    nothing: bool,
    ranked: bool,
) -> dict[str, Any]:
    return {
        "hits": hits,
        "cursor": cursor,
        "total": total,
        "notes": notes,
        "nothing_similar": nothing,
        "ranked": ranked,
    }

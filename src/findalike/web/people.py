"""Faces of pictures and the persons they are of: `/v1/assets/{id}/faces`, `/v1/faces` and `/v1/people`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, UploadFile
from fastapi import Path as InPath
from starlette.responses import JSONResponse

from findalike.errors import UsageError
from findalike.people import Face, Person
from findalike.people.album import asset_of
from findalike.types import Asset
from findalike.web.clips import check_clip
from findalike.web.parts import Key, part_link, seconds
from findalike.web.problems import ProblemError
from findalike.web.responses import JSON, Id, described_as, problems, service_of
from findalike.web.schema import (
    FaceIn,
    FaceOut,
    Faces,
    FacesSeen,
    Forgotten,
    Line,
    MergeIn,
    People,
    PersonIn,
    PersonOut,
    Undone,
)
from findalike.web.service import Service, version

faces = APIRouter(prefix="/v1/assets", tags=["people"])
seen = APIRouter(prefix="/v1/faces", tags=["people"])
router = APIRouter(prefix="/v1/people", tags=["people"])

Number = Annotated[int, InPath(ge=1, le=2**31, description="a person's number")]

PATIENCE = 2.0
"""Seconds that a change waits for other writers."""


@faces.get(
    "/{asset_id}/faces",
    operation_id="listFaces",
    summary="The faces of a picture or film, and whose they are",
    responses={**described_as(Faces), **problems(409)},
)
async def list_faces(request: Request, asset_id: Id) -> JSONResponse:
    service = service_of(request)
    return JSONResponse({"faces": await service.read(request, _faces, service, asset_id)})


@faces.post(
    "/{asset_id}/faces/{key}",
    operation_id="sayFace",
    summary="Say who a face is, or who it is not",
    dependencies=[JSON],
    responses={**described_as(FaceOut), **problems(409, 415)},
)
async def say_face(request: Request, asset_id: Id, key: Key, said: FaceIn) -> JSONResponse:
    service = service_of(request)
    if (said.name is None) == (said.not_person is None):
        raise ProblemError("invalid", "say one of name and not_person")
    await service.read(request, _face, service, asset_id, key)
    await service.write(request, _said, service, asset_id, key, said)
    return JSONResponse(await service.read(request, _face, service, asset_id, key))


@seen.post(
    "",
    operation_id="seeFaces",
    summary="The faces of a picture that is sent, to search for one of them; nothing is kept",
    responses={**described_as(FacesSeen), **problems(409, 415)},
)
async def see_faces(request: Request, file: UploadFile) -> JSONResponse:
    service = service_of(request)
    data = await file.read()
    return JSONResponse({"faces": await service.search(request, _seen, service, data)})


@router.get(
    "",
    operation_id="listPeople",
    summary="The persons, those with names first",
    responses={**described_as(People), **problems(409)},
)
async def list_people(request: Request) -> JSONResponse:
    service = service_of(request)
    return JSONResponse(await service.read(request, _people, service))


@router.post(
    "/undo",
    operation_id="undoPeople",
    summary="Take back what was said of persons last",
    responses={**described_as(Undone), **problems(409)},
)
async def undo_people(request: Request) -> JSONResponse:
    service = service_of(request)
    words = await service.write(request, service.library.people.undo, wait=PATIENCE)
    return JSONResponse({"undone": words})


@router.get(
    "/{number:int}",
    operation_id="getPerson",
    summary="One person",
    responses={**described_as(PersonOut), **problems(409)},
)
async def get_person(request: Request, number: Number) -> JSONResponse:
    service = service_of(request)
    return JSONResponse(await service.read(request, _person, service, number))


@router.patch(
    "/{number:int}",
    operation_id="namePerson",
    summary="Name a person; an empty name takes it away",
    dependencies=[JSON],
    responses={**described_as(PersonOut), **problems(409, 415)},
)
async def name_person(request: Request, number: Number, said: PersonIn) -> JSONResponse:
    service = service_of(request)
    await service.read(request, _person, service, number)
    await service.write(request, service.library.people.name, number, said.name, wait=PATIENCE)
    return JSONResponse(await service.read(request, _person, service, number))


@router.post(
    "/{number:int}/merge",
    operation_id="mergePeople",
    summary="Make one person of several, who keeps this number",
    dependencies=[JSON],
    responses={**described_as(PersonOut), **problems(409, 415)},
)
async def merge_people(request: Request, number: Number, said: MergeIn) -> JSONResponse:
    service = service_of(request)
    for each in (number, *said.others):
        await service.read(request, _person, service, each)
    await service.write(request, service.library.people.merge, number, *said.others, wait=PATIENCE)
    return JSONResponse(await service.read(request, _person, service, number))


@router.delete(
    "/{number:int}",
    operation_id="forgetPerson",
    summary="Forget a person: name, faces and all that was measured of them",
    responses={**described_as(Forgotten), **problems(409)},
)
async def forget_person(
    request: Request,
    number: Number,
    confirm: Annotated[Line, Query(description="the person's name, or the number where there is none")],
) -> JSONResponse:
    service = service_of(request)
    person = await service.read(request, _person, service, number)
    if confirm != (person["name"] or str(number)):
        detail = (
            f"this cannot be undone: confirm is {confirm[:80]!r}, but must be the name of person {number}"
        )
        raise ProblemError("invalid", detail)
    done = await service.write(request, service.library.people.forget, number, wait=PATIENCE)
    names = ("faces", "crops", "pictures", "elsewhere", "proved")
    return JSONResponse({name: getattr(done, name) for name in names})


# In threads


def _faces(service: Service, asset_id: str) -> list[dict[str, Any]]:
    asset = service.asset(asset_id)
    return [_told(face, asset) for face in service.library.people.in_picture(asset_id)]


def _face(service: Service, asset_id: str, key: str) -> dict[str, Any]:
    """Raises ProblemError for a face that is not there."""
    found = next((face for face in _faces(service, asset_id) if face["key"] == key), None)
    if found is None:
        raise ProblemError("not-found", f"there is no face {key!r} in this picture")
    return found


def _seen(service: Service, data: bytes) -> list[dict[str, Any]]:
    """Raises ProblemError for a film that is too long, and where the library knows no faces to search for."""
    library = service.library
    if library.people.card is None:
        raise ProblemError("query", "the library knows no faces; none were looked for in its pictures")
    check_clip(data, service.config.limits.clip, library.settings.pixel_budget)
    return [_told_seen(face) for face in library.faces(data)]


def _told_seen(face: Face) -> dict[str, Any]:
    return {
        "number": face.number,
        "box": [round(float(edge), 6) for edge in face.box],
        "time": seconds(face.time),
        "score": round(float(face.sureness), 4),
    }


def _told(face: Face, asset: Asset) -> dict[str, Any]:
    key = _key(face.id)
    person = {"number": face.person, "name": face.name or None} if face.person else None
    return {
        "key": key,
        **_told_seen(face),
        "person": person,
        "picture": part_link(asset.id, key, version(asset)),
    }


def _said(service: Service, asset_id: str, key: str, said: FaceIn) -> None:
    people, face = service.library.people, f"{asset_id}:{key}"
    if said.not_person is not None:
        people.bar(_known(service, said.not_person).number, [face], wait=PATIENCE)
        return
    name = said.name or ""
    whose = next((p for p in people.all() if face in p.faces), None)
    same = next((p for p in people.all() if p.name and p.name.casefold() == name.casefold()), None)
    if whose is None or whose.name:
        people.place([face], name, wait=PATIENCE)
    elif same:  # a name for one of several faces that are alike is a name for all of them
        people.merge(same.number, whose.number, wait=PATIENCE)
    else:
        people.name(whose.number, name, wait=PATIENCE)


def _people(service: Service) -> dict[str, Any]:
    people = service.library.people
    several = people.all()
    shown = service.library.store.get({asset_of(person.faces[0]) for person in several if person.faces})
    return {"people": [_told_person(each, shown) for each in several], "loose": len(people.loose())}


def _person(service: Service, number: int) -> dict[str, Any]:
    person = _known(service, number)
    return _told_person(person, service.library.store.get(map(asset_of, person.faces[:1])))


def _known(service: Service, number: int) -> Person:
    """Raises ProblemError for one who is not there."""
    try:
        return service.library.people.get(number)
    except UsageError:
        raise ProblemError("not-found", f"there is no person {number}; /v1/people lists them") from None


def _told_person(person: Person, assets: Mapping[str, Asset]) -> dict[str, Any]:
    face = _shown_face(person.faces, assets)
    return {
        "number": person.number,
        "name": person.name or None,
        "faces": len(person.faces),
        "pictures": person.pictures,
        "picture": face and part_link(face["asset"], face["key"], version(assets[face["asset"]])),
        "face": face,
    }


def _shown_face(several: Sequence[str], assets: Mapping[str, Asset]) -> dict[str, str] | None:
    """The first face of a person, where its picture is there."""
    face = next((each for each in several if asset_of(each) in assets), None)
    return None if face is None else {"asset": asset_of(face), "key": _key(face)}


def _key(face: str) -> str:
    return face.rpartition(":")[2]

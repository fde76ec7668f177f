"""`findalike faces`, `people` and `forget`: who is in pictures, and how they are forgotten."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import findalike
from findalike.cli.main import DONE, FAILED
from findalike.cli.options import ListFirst, json_option, library_option, number, say
from findalike.errors import LibraryMissing, UsageError
from findalike.library import IN_MEMORY, Library
from findalike.people import Face, Person
from findalike.people.forgetting import Forgotten
from findalike.present.caption import moment, printable
from findalike.present.face_sheet import Strip, strips

SHOWN = 10
"""Faces of each person on the sheet of all."""

yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@click.command(
    epilog="""\b
Examples:
  findalike faces group.jpg
  findalike faces group.jpg --sheet faces.png
  findalike faces id:3f2a90c1d4e5b677 --json"""
)
@click.argument("picture", metavar="PICTURE")
@library_option
@click.option("--sheet", metavar="FILE", help="Draw it with its faces numbered: .png, .jpg or .webp.")
@json_option
def faces(picture: str, library: str | None, sheet: str | None, as_json: bool) -> None:
    """List the faces in a picture, numbered from left to right, and whose they are.

    PICTURE is a path, or id: and the id of a picture of the library. One that is not in the library is looked
    into, and nothing of it is kept. To search by one: findalike search PICTURE --face N
    """
    with _library_or_none(library) as opened:
        found = opened.faces(picture)
        if sheet:
            opened.faces_sheet(picture, sheet)
            say(f"Wrote {sheet}")
    if as_json:
        _print_json([_record(face) for face in found])
    else:
        click.echo("".join(_line(face) for face in found), nl=False)
    if not found:
        say("No face was found in the picture.")


def _library_or_none(library: str | None) -> Library:
    """The library; where none is, and none was named, one of nothing, since any picture can be looked at."""
    try:
        return findalike.open(library, "r")
    except LibraryMissing:
        if library is not None:
            raise
        return findalike.open(IN_MEMORY)


def _line(face: Face) -> str:
    at = "" if face.time is None else moment(face.time)
    box = ",".join(f"{edge:.3f}" for edge in face.box)
    whose = face.name or (f"person {face.person}" if face.person else "")
    return "\t".join([str(face.number), printable(whose), box, f"{face.sureness:.2f}", at, face.id]) + "\n"


def _record(face: Face) -> dict[str, Any]:
    return {**dataclasses.asdict(face), "person": face.person or None, "name": face.name or None}


@click.group(
    cls=ListFirst,
    epilog="""\b
Examples:
  findalike people
  findalike people sheet everybody.png
  findalike people show 3 --sheet three.png
  findalike people name 3 "Anna"
  findalike people merge Anna 7
  findalike people not Anna 4
  findalike people undo
  findalike search --where "tag = 'Anna'" """,
)
def people() -> None:
    """Group faces into persons, and say who they are. Without a command: list.

    WHO is the number of a person, which stays, or their name. A named person is a tag of each picture that
    shows them. Faces are looked for by findalike index --faces, and never unless that is asked for.
    """


@people.command("list")
@library_option
@json_option
def list_(library: str | None, as_json: bool) -> None:
    """List the persons: number, name, faces, pictures."""
    with _opened(library) as opened:
        if opened.people.card is None and not as_json:
            say("No faces were looked for in this library; to look for them: findalike index --faces FOLDER")
            return
        found, loose = opened.people.all(), len(opened.people.loose())
    if as_json:
        _print_json([_record_of(person) for person in found])
        return
    lines = (f"{p.number}\t{printable(p.name or 'unnamed')}\t{len(p.faces)}\t{p.pictures}\n" for p in found)
    click.echo("".join(lines), nl=False)
    say(f"{number(len(found), 'person')}; {number(loose, 'face')} of nobody.")


@people.command()
@click.argument("who", metavar="WHO")
@library_option
@click.option("--sheet", metavar="FILE", help="Draw the faces, numbered: .png, .jpg or .webp.")
@json_option
def show(who: str, library: str | None, sheet: str | None, as_json: bool) -> None:
    """List the faces of a person, numbered for split and not."""
    with _opened(library) as opened:
        person, found = opened.people.get(who), opened.people.faces(who)
        assets = opened.store.get({face.asset_id for face in found})
        if sheet:
            strips([_strip(opened, person, found)], sheet)
            say(f"Wrote {sheet}")
    paths = [assets[face.asset_id].uri if face.asset_id in assets else "" for face in found]
    if as_json:
        both = zip(found, paths, strict=True)
        faces = [{**_record(face), "path": path} for face, path in both]
        _print_json({**_record_of(person), "faces": faces})
        return
    for face, path in zip(found, paths, strict=True):
        at = "" if face.time is None else moment(face.time)
        click.echo(f"{face.number}\t{printable(path)}\t{at}\t{face.id}")


@people.command()
@click.argument("file", metavar="FILE")
@library_option
def sheet(file: str, library: str | None) -> None:
    """Draw all persons, a row of faces each: .png, .jpg or .webp."""
    with _opened(library) as opened:
        found = opened.people.all()
        strips([_strip(opened, p, opened.people.faces(p.number)[:SHOWN]) for p in found], file)
    say(f"Wrote {file}")


@people.command()
@click.argument("who", metavar="WHO")
@click.argument("name", metavar="NAME")
@library_option
def name(who: str, name: str, library: str | None) -> None:
    """Name a person; an empty name takes it away."""
    with _opened(library) as opened:
        person = opened.people.name(who, name)
    _say_person(person)


@people.command()
@click.argument("name", metavar="NAME")
@click.argument("faces", nargs=-1, required=True, metavar="FACE...")
@library_option
def place(name: str, faces: tuple[str, ...], library: str | None) -> None:
    """Say that faces, by the ids that findalike faces shows, are the person of a name."""
    with _opened(library) as opened:
        person = opened.people.place(faces, name)
    _say_person(person)


@people.command()
@click.argument("who", metavar="WHO")
@click.argument("others", nargs=-1, required=True, metavar="OTHER...")
@library_option
def merge(who: str, others: tuple[str, ...], library: str | None) -> None:
    """Make one person of several, with the number of the first."""
    with _opened(library) as opened:
        person = opened.people.merge(who, *others)
    _say_person(person)


@people.command()
@click.argument("who", metavar="WHO")
@click.argument("faces", nargs=-1, metavar="[FACE]...")
@library_option
def split(who: str, faces: tuple[str, ...], library: str | None) -> None:
    """Make a person of their own of some faces, by their numbers in show; without any, of those that are less
    alike."""
    with _opened(library) as opened:
        for person in opened.people.split(who, _ids(opened, who, faces)):
            _say_person(person)


@people.command("not")
@click.argument("who", metavar="WHO")
@click.argument("faces", nargs=-1, required=True, metavar="FACE...")
@library_option
def not_(who: str, faces: tuple[str, ...], library: str | None) -> None:
    """Say that faces, by their numbers in show, are not this person. They never come back by themselves."""
    with _opened(library) as opened:
        person = opened.people.bar(who, _ids(opened, who, faces))
    _say_person(person)


@people.command()
@library_option
def undo(library: str | None) -> None:
    """Take back what was said last; again, and again, what was said before."""
    with _opened(library) as opened:
        click.echo(f"Taken back: {printable(opened.people.undo())}")


@click.command(
    epilog="""\b
Examples:
  findalike forget Anna
  findalike forget 3 --yes
  findalike forget --all-faces"""
)
@click.argument("who", required=False, metavar="[WHO]")
@library_option
@click.option("--all-faces", is_flag=True, help="Every face and person; none is looked for again.")
@yes_option
@json_option
def forget(who: str | None, library: str | None, all_faces: bool, yes: bool, as_json: bool) -> int:
    """Forget a person for good: vectors, pictures of the face, names and tags, in every file of the library.

    It cannot be undone. Proof follows: the library's files are searched for what was removed, before and
    after. The photographs themselves, and their thumbnails, are never touched. Exits with 1 when something is
    left.

    While faces are looked for in this library, a photograph that is new or changes later is looked into, and
    would bring the person back without a name. To end that: --all-faces, or findalike remove the photographs.
    """
    if (who is None) == (not all_faces):
        raise click.UsageError("name a person, by number or name, or give --all-faces")
    with _opened(library) as opened:
        _agree(_what(opened, who), yes)
        known = opened.people
        done = known.forget_all(progress=say) if who is None else known.forget(who, progress=say)
    if as_json:
        _print_json({**dataclasses.asdict(done), "proved": done.proved})
    else:
        click.echo("\n".join(_proof(done)))
        if who is not None:
            say("New photographs of them, and those that change, are looked into; to end that: --all-faces.")
    return DONE if done.proved else FAILED


def _what(library: Library, who: str | None) -> str:
    if who is None:
        persons, loose = library.people.all(), library.people.loose()
        faces = sum(len(p.faces) for p in persons) + len(loose)
        return f"all {number(faces, 'face')} and {number(len(persons), 'person')}"
    person = library.people.get(who)
    return f"{person.label}: {number(len(person.faces), 'face')} in {number(person.pictures, 'picture')}"


def _agree(what: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"to forget {what}, without being asked, add --yes")
    if not click.confirm(f"Forget {what}? It cannot be undone.", err=True):
        raise click.Abort


def _proof(done: Forgotten) -> list[str]:
    """What was forgotten, and how it is known, in lines."""
    who = printable(", ".join(done.persons)) if len(done.persons) == 1 else "all faces"
    pieces = number(done.looked_for, "vector or crop", "vectors and crops")
    found, left, read = (each.vectors + each.crops for each in (done.before, done.after, done.read))
    lines = [
        f"Forgot {who}: {number(done.faces, 'face')} in {number(done.pictures, 'picture')}, "
        f"{number(done.crops, 'crop')}. No photograph was touched.",
        f"Searched every byte of the library for {pieces}: {found} found before, {left} after.",
        f"Read every version of every table: {read} found; by id: {done.left}.",
    ]
    if done.control is not None:
        seen = "is found" if done.control else "is NOT found, so the search proves nothing"
        lines.append(f"The same search for a face that stays: it {seen}.")
    if done.elsewhere:
        lines.append(
            f"The name stands in the paths, labels or metadata of {number(done.elsewhere, 'picture')}, which "
            "are yours and stay."
        )
    if not done.proved:
        lines.append(f"Something is LEFT, in: {', '.join((*done.after.places, *done.read.places)) or 'rows'}")
    return lines


def _opened(library: str | None) -> Library:
    """The library, to be written; never made."""
    findalike.open(library, "r").close()
    return findalike.open(library)


def _ids(library: Library, who: str, faces: Sequence[str]) -> list[str]:
    """Faces by their numbers in `show`, or by id. Raises UsageError."""
    known = {str(face.number): face.id for face in library.people.faces(who)}
    wrong = next((face for face in faces if face.isdecimal() and face not in known), None)
    if wrong is not None:
        raise UsageError(f"there is no face {wrong}: there are {len(known)}; to list them: "
                         f"findalike people show {who}")  # fmt: skip
    return [known.get(face, face) for face in faces]


def _strip(library: Library, person: Person, found: Sequence[Face]) -> Strip:
    named = f"{person.number}  {person.name or 'unnamed'}"
    title = f"{named}  {number(len(person.faces), 'face')} in {number(person.pictures, 'picture')}"
    return Strip(title, [(_caption(library, face), library.people.crop(face.id)) for face in found])


def _caption(library: Library, face: Face) -> str:
    asset = library.store.get([face.asset_id]).get(face.asset_id)
    return f"{face.number} {Path(asset.uri).name if asset else ''}"


def _record_of(person: Person) -> dict[str, Any]:
    return {
        "number": person.number,
        "name": person.name or None,
        "faces": len(person.faces),
        "pictures": person.pictures,
    }


def _say_person(person: Person) -> None:
    faces, pictures = number(len(person.faces), "face"), number(person.pictures, "picture")
    click.echo(f"{person.number}\t{printable(person.name or 'unnamed')}\t{faces} in {pictures}")


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=1))

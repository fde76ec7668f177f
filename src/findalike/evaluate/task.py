"""What is asked and what would be right: queries, the gallery they are ranked over, and grades of
relevance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from findalike.errors import UsageError
from findalike.evaluate.truth import Labels, Pairs, Pictures, Relevant

LEAVE_ONE_OUT, QUERY_GALLERY, PAIRS = "leave one out", "query against gallery", "pairs"

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """`queries` and `gallery` are places of pictures, in ascending order. What is relevant follows from
    `codes` (the number of each picture's label, -1 for none) or, where there are any, from `grades`. `copies`
    says whether pictures of the query's own bytes are ranked. `counts` and `unknown` tell what was left
    out."""

    name: str
    protocol: str
    pictures: Pictures
    queries: Places
    gallery: Places
    labels: Labels = ()
    codes: Places | None = None
    grades: Mapping[int, Mapping[int, float]] = field(default_factory=dict)
    pairs: Pairs | None = None
    copies: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def block(self, some: slice) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Grades, and what is not ranked (the query itself, and its copies), of some queries: shape (q,
        g)."""
        queries = self.queries[some]
        content = self.pictures.content
        excluded = self.gallery == queries[:, None]
        if not self.copies:
            excluded |= content[self.gallery] == content[queries][:, None]
        if self.codes is not None:
            return self.codes[self.gallery] == self.codes[queries][:, None], excluded
        grades = np.zeros(excluded.shape)
        at = {int(place): column for column, place in enumerate(self.gallery)}
        for row, query in enumerate(queries):
            for place, grade in self.grades.get(int(query), {}).items():
                if place in at:
                    grades[row, at[place]] = grade
        return grades, excluded


def leave_one_out(
    name: str, pictures: Pictures, labels: Labels, copies: bool = False, unknown: Sequence[str] = ()
) -> Task:
    """Each labelled picture asks for those of its label among all other labelled ones. Raises UsageError for
    labels that tell nothing."""
    codes = _codes(name, labels)
    labelled = np.flatnonzero(codes >= 0)
    check_varied(name, pictures, labels, labelled)
    counts = _counts(labels, labelled, pictures, copies)
    return Task(name, LEAVE_ONE_OUT, pictures, labelled, labelled, labels, codes, copies=copies,
                counts=counts, unknown=tuple(unknown))  # fmt: skip


def query_gallery(
    name: str,
    pictures: Pictures,
    labels: Labels,
    asks: Sequence[bool | None],
    copies: bool = False,
    unknown: Sequence[str] = (),
) -> Task:
    """Pictures that ask (True) are ranked over those that do not (False); None is left out. Raises
    UsageError."""
    codes = _codes(name, labels)
    ready = [a if code >= 0 else None for a, code in zip(asks, codes, strict=True)]
    queries, gallery = (
        np.array([i for i, a in enumerate(ready) if a is role], np.int64) for role in (True, False)
    )
    for what, places in (("query", queries), ("gallery", gallery)):
        if not len(places):
            raise UsageError(f"no picture with a value of {name} is of the {what} side: check the split")
    if not set(codes[queries]) & set(codes[gallery]):
        raise UsageError(
            f"no query has the {name} of any picture of the gallery, so there is nothing to find"
        )
    labelled = np.sort(np.concatenate([queries, gallery]))
    counts = _counts(labels, labelled, pictures, copies)
    return Task(name, QUERY_GALLERY, pictures, queries, gallery, labels, codes, copies=copies, counts=counts,
                unknown=tuple(unknown))  # fmt: skip


def of_relevant(name: str, pictures: Pictures, truth: Relevant, copies: bool = False) -> Task:
    """The queries of a table, ranked over all pictures."""
    queries = np.array(sorted(truth.grades), np.int64)
    counts = {"pictures": len(pictures), "queries": len(queries), "gallery": len(pictures)}
    return Task(name, QUERY_GALLERY, pictures, queries, np.arange(len(pictures)), grades=truth.grades,
                copies=copies, counts=counts, unknown=truth.unknown)  # fmt: skip


def of_pairs(name: str, pictures: Pictures, truth: Pairs) -> Task:
    """The pairs of a table. Raises UsageError unless some are the same and some are not."""
    if truth.same.all() or not truth.same.any():
        kind = "the same" if truth.same.all() else "different"
        raise UsageError(f"{name}: all {len(truth.same):,} pairs are {kind}; both kinds are needed")
    none = np.zeros(0, np.int64)
    counts = {"pictures": len(pictures), "pairs": len(truth.same), "same": int(truth.same.sum()),
              "selves": truth.selves}  # fmt: skip
    return Task(name, PAIRS, pictures, none, none, pairs=truth, counts=counts, unknown=truth.unknown)


def with_counts(task: Task, counts: Mapping[str, int]) -> Task:
    """The task with further counts of what was left out."""
    return replace(task, counts={**task.counts, **counts})


def sides(column: str, values: Labels, wanted: str) -> list[bool | None]:
    """Who asks: pictures whose value is `wanted`; those with another are the gallery. Raises UsageError."""
    if wanted not in values:
        there = ", ".join(sorted({value for value in values if value})[:10]) or "none"
        raise UsageError(f"the column {column!r} has no value {wanted!r}; there are {there}. Write "
                         f"--split {column}=VALUE for the value of the queries")  # fmt: skip
    return [None if value is None else value == wanted for value in values]


def _codes(name: str, labels: Labels) -> Places:
    numbers = {label: n for n, label in enumerate(sorted({label for label in labels if label is not None}))}
    if not numbers:
        raise UsageError(
            f"no picture has a value of {name}: check the name of the column and the paths of the table"
        )
    return np.array([-1 if label is None else numbers[label] for label in labels], np.int64)


def check_varied(name: str, pictures: Pictures, labels: Labels, labelled: Places) -> None:
    """Raises UsageError for labels that tell nothing of these places."""
    sizes = Counter(labels[i] for i in labelled)
    if len(labelled) < 2:
        raise UsageError(
            f"there is one picture with a value of {name}, and nothing to find it among; add more pictures"
        )
    if len(set(pictures.content[labelled])) == 1:
        raise UsageError(
            f"all {len(labelled):,} pictures have the same bytes, so there is nothing to tell apart"
        )
    if len(sizes) == 1:
        raise UsageError(f"all {len(labelled):,} pictures have the {name} {next(iter(sizes))!r}: with one "
                         "value every answer is right; name another column, or folders")  # fmt: skip
    if max(sizes.values()) == 1:
        raise UsageError(f"no two pictures have the same {name}, so no query has anything to find; name a "
                         "column whose values repeat")  # fmt: skip


def _counts(labels: Labels, labelled: Places, pictures: Pictures, copies: bool) -> dict[str, int]:
    content = pictures.content[labelled]
    counts = {
        "pictures": len(pictures),
        "labelled": len(labelled),
        "unlabelled": len(pictures) - len(labelled),
        "values": len({labels[i] for i in labelled}),
    }
    twice = len(content) - len(set(content))
    return counts | ({} if copies else {"copies": twice})

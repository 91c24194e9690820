"""What is wrong with who is on duty over a stretch of time. Pure: it is given books and people.

A hole is the only finding for which a change is refused; the rest is said and left to the admin. What the
database holds is put to these questions in `oncall/rota/coverage.py`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, pairwise
from typing import Literal

from oncall.rota.rota import Book, Segment

Kind = Literal["hole", "empty-rung", "double-duty", "not-employed", "unreachable", "one-person"]
# The gravest first.
KINDS: tuple[Kind, ...] = (
    "hole",
    "not-employed",
    "unreachable",
    "double-duty",
    "empty-rung",
    "one-person",
)
Stretch = tuple[datetime, datetime]


@dataclass(frozen=True)
class Person:
    """What must be known of somebody to say whether he can be on duty.

    Employed from `start` (None: always was) up to, not including, `end`. `dialled`: a phone of his may
    be dialled; `told`: some channel brings him notices.
    """

    key: str
    start: datetime | None = None
    end: datetime | None = None
    dialled: bool = True
    told: bool = True

    def employed(self, at: datetime) -> bool:
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)


@dataclass(frozen=True)
class Finding:
    """Something is wrong with a rota from `start` up to, not including, `end`.

    `rung` is None if it concerns the whole ladder. `people` are whom it concerns, by key. `refused`: a
    change that brings it about is refused. `also` is where else somebody on double duty stands.
    """

    kind: Kind
    rota: str
    rung: int | None
    start: datetime
    end: datetime
    people: tuple[str, ...] = ()
    refused: bool = False
    also: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Change:
    """Who has a rung for a while, before a change and after it; None: nobody."""

    rota: str
    rung: int
    start: datetime
    end: datetime
    had: str | None
    has: str | None


def review(
    books: Mapping[str, Book], people: Iterable[Person], start: datetime, end: datetime
) -> list[Finding]:
    """All that is wrong from `start` up to, not including, `end`, the earliest first.

    Time before a rota's first rules is a hole too: nobody is rung then.
    """
    known = {person.key: person for person in people}
    found: list[Finding] = []
    ladders = {key: _segments(book, start, end) for key, book in books.items()}
    for key, segments in ladders.items():
        found += holes(key, segments)
        found += _empty_rungs(key, books[key], segments)
        found += _one_person(key, segments)
        found += _not_employed(key, books[key], known, start, end)
        found += _unreachable(key, known, segments)
    found += _double_duty(ladders)
    return sorted(found, key=lambda f: (f.start, KINDS.index(f.kind), f.rota, f.rung or 0, f.people))


def holes(rota: str, segments: Sequence[Segment]) -> list[Finding]:
    """The stretches in which no rung of the rota has anybody."""
    empty = _runs(segments, lambda segment: True if not segment.standing else None)
    return [Finding("hole", rota, None, *_span(run), refused=True) for _, run in empty]


def opened(
    before: Mapping[str, Book], after: Mapping[str, Book], start: datetime, end: datetime
) -> list[Finding]:
    """Holes of `after` where `before` had somebody. A rota that is new owes nobody before its beginning."""
    found: list[Finding] = []
    for key, book in after.items():
        earlier = before.get(key)
        if earlier is not None and earlier.versions:
            there = [(hole.start, hole.end) for hole in holes(key, earlier.segments(start, end))]
        else:
            there = [(start, first)] if (first := beginning(book)) and first > start else []
        for hole in holes(key, book.segments(start, end)):
            found += [replace(hole, start=a, end=b) for a, b in _without((hole.start, hole.end), there)]
    return sorted(found, key=lambda hole: (hole.start, hole.rota))


def beginning(book: Book) -> datetime | None:
    """From when on the rota has rules at all; None if it has none."""
    return min((version.valid_from for version in book.versions), default=None)


def changes(
    before: Mapping[str, Book], after: Mapping[str, Book], start: datetime, end: datetime
) -> list[Change]:
    """Who has each rung instead of whom, where the two differ: rota by rota, rung by rung, in time."""
    found: list[Change] = []
    for key, book in after.items():
        earlier = before.get(key) or Book()
        had, has = earlier.segments(start, end), book.segments(start, end)
        edges = sorted({segment.start for segment in (*had, *has)} | {end})
        for rung in sorted({duty.rung for segment in (*had, *has) for duty in segment.standing}):
            pieces = [(a, b, _on(had, a, rung), _on(has, a, rung)) for a, b in pairwise(edges)]
            for (old, new), same in groupby(pieces, lambda piece: piece[2:]):
                if old != new:
                    run = list(same)
                    found.append(Change(key, rung, run[0][0], run[-1][1], old, new))
    return found


# -- one kind each -----------------------------------------------------------------------------


def _empty_rungs(rota: str, book: Book, segments: Sequence[Segment]) -> Iterator[Finding]:
    most = max((len(version.rules.rungs) for version in book.versions), default=0)
    for rung in range(1, most + 1):

        def empty(segment: Segment, rung: int = rung) -> bool | None:
            there = {duty.rung for duty in segment.standing}
            rules = book.rules_at(segment.start)
            missing = rules is not None and rung <= len(rules.rungs) and rung not in there
            return True if there and missing else None

        for _, run in _runs(segments, empty):
            yield Finding("empty-rung", rota, rung, *_span(run))


def _one_person(rota: str, segments: Sequence[Segment]) -> Iterator[Finding]:
    for _, run in _runs(segments, lambda segment: True if len(_people(segment)) == 1 else None):
        # Whoever it is: of a rota with a single rung this is said once, not turn by turn.
        people = dict.fromkeys(key for segment in run for key in _people(segment))
        yield Finding("one-person", rota, None, *_span(run), tuple(people))


def _not_employed(
    rota: str, book: Book, known: Mapping[str, Person], start: datetime, end: datetime
) -> Iterator[Finding]:
    # The rota passes over whoever is not employed: to see whom it names, it is asked without knowing.
    edges = {edge for person in known.values() for edge in (person.start, person.end) if edge}
    segments = _segments(replace(book, people=()), start, end, edges)

    def stranger(segment: Segment, rung: int) -> str | None:
        named = next((duty.technician for duty in segment.standing if duty.rung == rung), None)
        if named is None or (named in known and known[named].employed(segment.start)):
            return None
        return named

    for rung in sorted({duty.rung for segment in segments for duty in segment.standing}):
        for key, run in _runs(segments, lambda segment, rung=rung: stranger(segment, rung)):  # type: ignore[misc]
            yield Finding("not-employed", rota, rung, *_span(run), (str(key),))


def _unreachable(rota: str, known: Mapping[str, Person], segments: Sequence[Segment]) -> Iterator[Finding]:
    """Once for each person, from his first to his last instant on duty."""
    of: dict[str, list[tuple[int, Segment]]] = defaultdict(list)
    for segment in segments:
        for duty in segment.standing:
            of[duty.technician].append((duty.rung, segment))
    for key, stood in of.items():
        person = known.get(key)
        if person is not None and not (person.dialled and person.told):
            rung, first = stood[0]
            yield Finding("unreachable", rota, rung, first.start, stood[-1][1].end, (key,))


def _double_duty(ladders: Mapping[str, Sequence[Segment]]) -> Iterator[Finding]:
    of: dict[str, dict[datetime, list[tuple[bool, tuple[str, int]]]]] = defaultdict(lambda: defaultdict(list))
    for rota, segments in ladders.items():
        for segment in segments:
            for duty in segment.standing:
                place = (rota, duty.rung)
                of[duty.technician][segment.start].append((True, place))
                of[duty.technician][segment.end].append((False, place))
    for key, edges in of.items():
        held: list[tuple[str, int]] = []
        pieces: list[tuple[datetime, datetime, tuple[tuple[str, int], ...]]] = []
        marks = sorted(edges)
        for edge, until in pairwise([*marks, marks[-1]]):
            for begins, place in edges[edge]:
                if begins:
                    held.append(place)
                else:
                    held.remove(place)
            pieces.append((edge, until, tuple(sorted(held))))
        for places, same in groupby(pieces, lambda piece: piece[2]):
            run = list(same)
            if len(places) > 1:
                (rota, rung), *others = places
                yield Finding("double-duty", rota, rung, run[0][0], run[-1][1], (key,), also=tuple(others))


# -- segments ----------------------------------------------------------------------------------


def _segments(book: Book, start: datetime, end: datetime, edges: Iterable[datetime] = ()) -> list[Segment]:
    """Its segments, cut also where other rules begin (they may have other rungs) and at `edges`."""
    cuts = {version.valid_from for version in book.versions} | set(edges)
    marks = sorted({start, end} | {cut for cut in cuts if start < cut < end})
    return [segment for a, b in pairwise(marks) for segment in book.segments(a, b)]


def _runs(
    segments: Sequence[Segment], wanted: Callable[[Segment], Hashable | None]
) -> Iterator[tuple[Hashable, list[Segment]]]:
    """Neighbouring segments of which `wanted` says the same, leaving out those of which it says None."""
    for value, run in groupby(segments, wanted):
        if value is not None:
            yield value, list(run)


def _span(run: Sequence[Segment]) -> Stretch:
    return run[0].start, run[-1].end


def _people(segment: Segment) -> tuple[str, ...]:
    return tuple(dict.fromkeys(duty.technician for duty in segment.standing))


def _on(segments: Sequence[Segment], at: datetime, rung: int) -> str | None:
    segment = segments[bisect_right(segments, at, key=lambda each: each.start) - 1]
    return next((duty.technician for duty in segment.standing if duty.rung == rung), None)


def _without(stretch: Stretch, others: Sequence[Stretch]) -> list[Stretch]:
    """What is left of a stretch without the others, which are in order and apart."""
    left: list[Stretch] = []
    start, end = stretch
    for a, b in others:
        if b <= start or a >= end:
            continue
        if a > start:
            left.append((start, a))
        start = b
    if start < end:
        left.append((start, end))
    return left

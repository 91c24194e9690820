"""What a technician's first page and the list of his turns show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from console.web.people import Person, people
from console.web.shown import case_list
from console.web.shown.case_list import Row
from oncall.cases import his_cases
from oncall.cases.holding import holders
from oncall.reaching import shift_checks
from oncall.reaching.shift_checks import Check
from oncall.rota import coverage, on_duty, swaps, turns
from oncall.rota.rota import Because, Book
from oncall.rota.turns import Turn

AHEAD = timedelta(days=60)
# Turns that the first page names.
FEW = 3


@dataclass(frozen=True)
class Standing:
    """He is on `rung` of `rota` now; `until` None: for months. `others` are the rest of the ladder."""

    rota: str
    rung: int
    because: Because | None
    until: datetime | None
    following: Person | None
    others: list[tuple[int, Person]]


@dataclass(frozen=True)
class OwnTurn:
    """A turn of his. `why` says what of it is not his by the rota itself: swap, override, absence. `end`
    None: it goes on beyond what was looked at. `gives_from` is the first instant that he can give away.
    """

    rota: str
    rung: int
    start: datetime
    end: datetime | None
    why: list[str]
    running: bool
    gives_from: datetime


@dataclass(frozen=True)
class Now:
    """`standing` is empty if he is not on duty. `check` asks whether he can be reached; `offers` is how many
    swaps wait for his answer.
    """

    person: Person
    standing: list[Standing]
    check: Check | None
    turns: list[OwnTurn]
    his: list[Row]
    free: list[Row]
    ended: list[Row]
    offers: int
    rotas: int


def now(connection: Connection, at: datetime, technician: str) -> Now:
    """His first page at `at`."""
    known, books = people(connection), coverage.books(connection, at)
    found = his_cases.his_cases(connection, at, technician)
    every = [*found.his, *found.free, *found.ended]
    rows = {
        row.case.id: row for row in case_list.rows(connection, at, every, holders(connection, every), known)
    }
    offers = swaps.listed(connection, ("proposed",), technician=technician)
    ahead = _own_turns(books, at, technician)
    return Now(
        known.get(technician, Person(technician, technician, 1)),
        [each for key, book in books.items() for each in _standing(key, book, at, technician, known)],
        _check(connection, at, technician, ahead),
        [turn for turn in ahead if not turn.running][:FEW],
        [rows[case.id] for case in found.his],
        [rows[case.id] for case in found.free],
        [rows[case.id] for case in found.ended],
        sum(each.counterpart == technician and each.begins > at for each in offers),
        len(books),
    )


def own_turns(connection: Connection, at: datetime, technician: str) -> list[OwnTurn]:
    """His turns that run, or begin within AHEAD, the first first."""
    books = coverage.books(connection, at)
    return _own_turns(books, at, technician)


# -- small parts -------------------------------------------------------------------------------


def _standing(
    rota: str, book: Book, at: datetime, technician: str, known: Mapping[str, Person]
) -> list[Standing]:
    ladder = on_duty.rungs(book, at)
    others = [
        (each.rung, known[each.technician])
        for each in ladder
        if each.technician is not None and each.technician != technician and each.technician in known
    ]
    return [
        Standing(
            rota,
            each.rung,
            each.because,
            each.until,
            known.get(each.following) if each.following else None,
            others,
        )
        for each in ladder
        if each.technician == technician
    ]


def _own_turns(books: Mapping[str, Book], at: datetime, technician: str) -> list[OwnTurn]:
    found: list[OwnTurn] = []
    for key, book in books.items():
        segments = book.segments(at, at + AHEAD)
        for turn in turns.turns(book, at, at + AHEAD):
            if turn.technician != technician:
                continue
            why = {
                duty.because
                for segment in segments
                if segment.start < turn.end and segment.end > turn.start
                for duty in segment.standing
                if duty.rung == turn.rung and duty.technician == technician
            }
            found.append(_own(key, turn, at, sorted(why - {"turn", "pattern"})))
    return sorted(found, key=lambda each: (each.start, each.rota, each.rung))


def _own(rota: str, turn: Turn, at: datetime, why: list[str]) -> OwnTurn:
    end = None if turn.goes_on else turn.end
    next_hour = at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    gives_from = turn.start if turn.start > at else next_hour
    return OwnTurn(rota, turn.rung, turn.start, end, why, turn.start <= at, gives_from)


def _check(connection: Connection, at: datetime, technician: str, ahead: list[OwnTurn]) -> Check | None:
    """The first question that was put to him about a turn that is still his."""
    still = {(turn.rota, turn.rung, turn.start) for turn in ahead}
    asked = (each for each in shift_checks.coming(connection, at, technician) if each.asked_at is not None)
    return next((each for each in asked if (each.rota, each.rung, each.shift_at) in still), None)

"""Ten generated rotas over eleven years: the product's answers are those of an independent computation.

Every hour from 2024 to 2034, and the minutes around hand-overs, edges of patterns, overrides, absences,
versions and changes of clock. Of edges that come every day a sample is taken, and all those near a change of
clock; `FULL=1` takes all of them.
"""

from __future__ import annotations

import os
import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from making import ACTOR, RINGING, opened_at
from oracles.ladder import Answer, Away, Put, Step, Wall, Window
from oracles.ladder import Rota as Oracle
from sqlalchemy import insert

from oncall.rota import roster, rota_file
from oncall.rota.rota import Absence, Book, Employment, Override, Segment, Version
from oncall.rota.rota_file import WEEK
from oncall.tables import absences, rota_overrides, rota_versions, technicians

BEGIN, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HOURS = (END - BEGIN) // HOUR
FULL = os.environ.get("FULL") == "1"
PEOPLE = ("anna", "bruno", "carla", "dario", "elena", "fabio")
ZONES = (
    "Europe/Rome",
    "Australia/Lord_Howe",  # half an hour
    "Europe/Dublin",  # winter is the deviation
    "America/New_York",
    "Europe/Rome",
    "Pacific/Chatham",  # 45 minutes off the hour, changes at 02:45
    "Africa/Casablanca",  # sets its clocks for Ramadan
    "America/Santiago",  # midnight itself is skipped
    "Asia/Beirut",  # midnight comes twice
    "Africa/Cairo",
)
# Where nights skip or repeat, and where people hand over.
CLOCKS = ("02:30", "02:00", "02:15", "01:30", "00:30", "00:00", "18:30", "08:00", "13:00", "23:45")


@dataclass(frozen=True)
class Case:
    """One rota, as the oracle and as the product have it; `files` are the versions' texts."""

    oracle: Oracle
    book: Book
    files: list[tuple[datetime, str]]


# -- made at random ------------------------------------------------------------------------------


@cache
def case(seed: int) -> Case:
    source = random.Random(seed)
    zone = ZONES[seed]
    moments = [BEGIN + 3 * HOUR, *sorted(moment(source) for _ in range(source.randrange(1, 4)))]
    if seed % 3 == 0:  # rules applied for an earlier instant hide those that were to come
        moments.append(moments[-1] - 90 * DAY)
    applied = [(since, tuple(step(source) for _ in range(source.choice((1, 2, 2))))) for since in moments]
    away = [absence(source) for _ in range(40)]
    service: dict[str, tuple[datetime | None, datetime | None]] = {
        "elena": (moment(source), None),
        "fabio": (None, moment(source)),
        "bruno": (BEGIN + 400 * DAY, BEGIN + 3000 * DAY),
    }
    oracle = Oracle(Wall(zone), applied, [put(source) for _ in range(60)], away, service)
    files = [(since, written(zone, steps)) for since, steps in applied]
    rules = [rota_file.to_rules(rota_file.to_document(rota_file.read(text).rota[0])) for _, text in files]
    book = Book(
        [Version(n, since, made) for n, ((since, _), made) in enumerate(zip(files, rules, strict=True))],
        [
            Override(n, p.rung, p.start, p.end, p.person, p.because, p.made)  # type: ignore[arg-type]
            for n, p in enumerate(oracle.puts)
        ],
        [Absence(n, a.person, a.start, a.end, a.recorded) for n, a in enumerate(away)],
        [Employment(person, *when) for person, when in service.items()],
    )
    return Case(oracle, book, files)


def moment(source: random.Random) -> datetime:
    return BEGIN + source.randrange(HOURS * 60) * MINUTE


def clock(source: random.Random) -> time:
    return time.fromisoformat(source.choice(CLOCKS))


def some_people(source: random.Random, most: int) -> tuple[str, ...]:
    return tuple(source.sample(PEOPLE, source.randrange(1, most + 1)))


def first_day(source: random.Random) -> date:
    return date(2024, 1, 1) + source.randrange(-20, 40) * DAY


def step(source: random.Random) -> Step:
    windows = tuple(window(source) for _ in range(source.choice((0, 0, 1, 2))))
    people = some_people(source, 4)
    if windows and source.random() < 0.3:
        return Step((), windows=windows)
    if len(people) == 1:
        return Step(people, windows=windows)
    every = source.choice((1, 2, 7, 7, 14))
    return Step(people, first_day(source), clock(source), every, windows)


def window(source: random.Random) -> Window:
    days = tuple(sorted(source.sample(range(7), source.randrange(1, 8))))
    people = some_people(source, 3)
    opens, closes = clock(source), clock(source)
    if len(people) == 1:
        return Window(days, opens, closes, people)
    return Window(days, opens, closes, people, first_day(source), source.choice((1, 7, 14)))


def put(source: random.Random) -> Put:
    start = moment(source)
    end = start + source.randrange(1, 60 * 24 * 40) * MINUTE
    if source.random() < 0.2:  # withdrawn at once, or before it began
        end = start - source.randrange(0, 2) * HOUR
    because = source.choice(("override", "override", "swap"))
    return Put(
        source.randrange(1, 4),
        start,
        end,
        source.choice(PEOPLE),
        because,
        start - source.randrange(0, 30) * DAY,
    )


def absence(source: random.Random) -> Away:
    start = moment(source)
    end = start + source.randrange(1, 60 * 24 * 60) * MINUTE
    recorded = start + source.randrange(-60, 20) * DAY
    return Away(source.choice(PEOPLE), start, end, recorded)


def written(zone: str, steps: tuple[Step, ...]) -> str:
    """The rota file that says this."""
    text = f'[[rota]]\nkey = "duty"\ntime_zone = "{zone}"\n'
    for each in steps:
        text += "[[rota.rung]]\n"
        if each.people:
            text += f"people = {list(each.people)}\n"
        if each.starts:
            text += (
                f'starts = {each.starts}\nhandover = "{each.handover:%H:%M}"\nevery = "{each.every} days"\n'
            )
        for window in each.windows:
            text += f"[[rota.rung.pattern]]\ndays = {[WEEK[day] for day in window.days]}\n"
            text += f'from = "{window.opens:%H:%M}"\nto = "{window.closes:%H:%M}"\n'
            text += f"people = {list(window.people)}\n"
            if window.starts:
                text += f'starts = {window.starts}\nevery = "{window.every} days"\n'
    return text


# -- compared ------------------------------------------------------------------------------------


def told(segment: Segment) -> Answer:
    return [(duty.rung, duty.technician, duty.because) for duty in segment.standing]


def ladder(book: Book, at: datetime) -> Answer:
    return [(duty.rung, duty.technician, duty.because) for duty in book.ladder(at)]


@cache
def year_by_year(seed: int) -> list[tuple[datetime, Answer]]:
    """The beginning of each segment and who stands there, checked to be a partition."""
    segments = case(seed).book.segments(BEGIN, END)
    assert segments[0].start == BEGIN
    assert segments[-1].end == END
    for one, other in pairwise(segments):
        assert one.start < one.end == other.start
        assert one.standing != other.standing
    return [(segment.start, told(segment)) for segment in segments]


@pytest.mark.parametrize("seed", range(len(ZONES)))
def test_every_hour(seed: int) -> None:
    made = case(seed)
    segments = iter([*year_by_year(seed), (END, [])])
    _, now_on = next(segments)
    following, then_on = next(segments)
    at = BEGIN
    for _ in range(HOURS):
        while following <= at:
            now_on = then_on
            following, then_on = next(segments)
        expected = made.oracle.who(at)
        assert expected == now_on, at
        assert expected == ladder(made.book, at), at
        at += HOUR


@pytest.mark.parametrize("seed", range(len(ZONES)))
def test_every_minute_around_a_change(seed: int) -> None:
    made = case(seed)
    starts, standing = zip(*year_by_year(seed), strict=True)
    edges = {edge for edge in changes(made.oracle, random.Random(seed)) if BEGIN + HOUR < edge < END - HOUR}
    around = {edge + minute * MINUTE for edge in edges for minute in range(-5, 6)}
    for at in sorted(around | {edge - timedelta(seconds=1) for edge in edges}):
        expected = made.oracle.who(at)
        assert expected == ladder(made.book, at), at
        assert expected == standing[bisect_right(starts, at) - 1], at
    # And nothing changes anywhere else.
    for start in starts[1:] if FULL else random.Random(seed).sample(starts[1:], min(500, len(starts) - 1)):
        assert made.oracle.who(start - timedelta(seconds=1)) != made.oracle.who(start), start


def changes(oracle: Oracle, source: random.Random) -> Iterator[datetime]:
    """Where somebody else may have a rung, and where the clocks are set."""
    wall = oracle.wall
    set_at = [instant for instant, _ in wall.changes]
    yield from set_at
    for span in (*oracle.puts, *oracle.aways):
        yield from (span.start, span.end)
    yield from (away.recorded for away in oracle.aways)
    yield from (edge for when in oracle.service.values() for edge in when if edge)
    yield from (since for since, _ in oracle.applied)
    near = {(instant.date() + days * DAY) for instant in set_at for days in (-1, 0, 1)}
    for _, steps in oracle.applied:
        for each in steps:
            day = each.starts
            while day is not None and day < END.date():
                if FULL or day in near or source.random() < 0.04:
                    yield wall.comes(datetime.combine(day, each.handover))
                day += each.every * DAY
            for window in each.windows:
                for day in (BEGIN.date() + days * DAY for days in range(HOURS // 24)):
                    if FULL or day in near or source.random() < 0.02:
                        yield wall.comes(datetime.combine(day, window.opens))
                        yield wall.comes(datetime.combine(day, window.closes))


# -- from the database ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 3, 7])
def test_the_path_of_a_call_says_the_same(seed: int, database_url: str) -> None:
    """Three look-ups for one instant, and the whole book: the same answer, on both databases."""
    made = case(seed)
    with opened_at(database_url) as database, database.write() as connection:
        for person in PEOPLE:
            begins, ends = made.oracle.service.get(person, (None, None))
            connection.execute(
                insert(technicians).values(
                    key=person,
                    name=person,
                    spoken_name=person,
                    phone="+393331234501",
                    created_at=BEGIN,
                    starts_at=begins,
                    retired_at=ends,
                )
            )
        for since, text in made.files:
            connection.execute(
                insert(rota_versions).values(
                    rota="duty",
                    valid_from=since,
                    document=rota_file.to_document(rota_file.read(text).rota[0]),
                    applied_at=BEGIN,
                    applied_by=ACTOR,
                )
            )
        source = random.Random(seed)
        for p in made.oracle.puts:
            # Withdrawn: the row keeps the end it was made with.
            withdrawn = p.end if p.end <= p.start or source.random() < 0.3 else None
            connection.execute(
                insert(rota_overrides).values(
                    rota="duty",
                    rung=p.rung,
                    starts_at=p.start,
                    ends_at=p.end + 3 * DAY if withdrawn else p.end,
                    technician=p.person,
                    created_at=p.made,
                    created_by=ACTOR,
                    because=p.because,
                    withdrawn_at=withdrawn,
                )
            )
        for a in made.oracle.aways:
            withdrawn = a.end if source.random() < 0.3 else None
            connection.execute(
                insert(absences).values(
                    technician=a.person,
                    starts_at=a.start,
                    ends_at=a.end + 3 * DAY if withdrawn else a.end,
                    kind="holiday",
                    created_at=a.recorded,
                    created_by=ACTOR,
                    withdrawn_at=withdrawn,
                )
            )
        stored = roster.book(connection, "duty")
        edges = [edge for span in (*made.oracle.puts, *made.oracle.aways) for edge in (span.start, span.end)]
        instants = [*edges, *(edge - MINUTE for edge in edges), *(moment(source) for _ in range(100))]
        for at in source.sample(instants, 150):
            expected = made.oracle.who(at)
            assert ladder(stored, at) == expected, at
            contacts = roster.ladder(connection, RINGING, "duty", at)
            assert [(c.rung, c.technician, c.because) for c in contacts] == expected, at


def test_what_is_generated_is_worth_comparing() -> None:
    """Every reason occurs, and so do rungs that nobody has."""
    reasons: set[str] = set()
    empty = 0
    for seed in range(len(ZONES)):
        for _, answer in year_by_year(seed):
            reasons |= {because for _, _, because in answer}
            empty += not answer
    assert reasons == {"turn", "override", "swap", "absence", "pattern"}
    assert empty
    assert len({ZoneInfo(zone).key for zone in ZONES}) == 9

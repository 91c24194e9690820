"""What it costs to look up who is on duty: ten years of a rota, against a calendar of the same.

The library recurring_ical_events is asked a few times, the rota a hundred times as often; 10,000 overrides
lie anywhere in the ten years. The calendar has a recurring event for each
person of each rung and an event for each override. Both must answer alike. Each is built once, which is told
apart, and keeps what it keeps from question to question.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events
from results import Result, draw, in_turns, medians, spent

from oncall.rota.rota import Book, Override, Pattern, Rotation, Rules, Rung, Version

ROME = ZoneInfo("Europe/Rome")
BEGIN, YEARS = date(2024, 1, 1), 10
DAY = timedelta(days=1)
TEAM = ("anna", "bruno", "carla")
HANDOVER = time(18, 30)
LUNCH = (time(13), time(14))
DAYS = ("MO", "TU", "WE", "TH", "FR")
# Seconds that a look-up may take.
LIMIT = 100e-6
OVERRIDES = 10_000
# Points of the curve before that.
FEWER = (0, 10, 100, 1_000)
# How often the library is asked; and in short.
ASKED, ASKED_FEW = 20, 3
LIBRARY = "recurring_ical_events on a calendar of the same"
WHAT = "10 years, 10,000 overrides (CPU)"
ROWS = (
    f"1,000 rota look-ups, {WHAT}",
    f"a rota look-up, {WHAT}",
    f"a year of the rota, {WHAT}",
    "a rota look-up, 10,000 overrides (CPU)",
)


def at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, ROME)


def drawn_overrides(many: int, source: random.Random) -> list[Override]:
    """Overrides of some hours on the first rung, on whole minutes, anywhere in the years."""
    minutes = YEARS * 365 * 24 * 60
    begin = at(BEGIN, HANDOVER).astimezone(UTC)
    found = []
    for number in range(many):
        start = begin + timedelta(minutes=source.randrange(minutes))
        end = start + timedelta(minutes=source.randrange(30, 24 * 60))
        found.append(Override(number, 1, start, end, source.choice([*TEAM, "dario"])))
    return found


def book(overrides: list[Override]) -> Book:
    lunch = Pattern(frozenset(range(5)), *LUNCH, ("elena",))
    first = Rung(TEAM, Rotation(BEGIN, HANDOVER, 7), patterns=(lunch,))
    second = Rung(("dario", "fabio"), Rotation(BEGIN, HANDOVER, 1))
    begin = at(BEGIN, HANDOVER).astimezone(UTC)
    return Book([Version(1, begin, Rules(ROME, (first, second)))], overrides)


def calendar(overrides: list[Override]) -> icalendar.Calendar:
    """The same rota: a rule of recurrence for each person; PRIORITY tells what hides what."""
    made = icalendar.Calendar()
    made.add("prodid", "-//bench//")
    made.add("version", "2.0")
    for place, person in enumerate(TEAM):
        first = BEGIN + place * 7 * DAY
        rule = {"freq": "weekly", "interval": len(TEAM)}
        made.add_component(event(person, 1, 9, at(first, HANDOVER), at(first + 7 * DAY, HANDOVER), rule))
    for place, person in enumerate(("dario", "fabio")):
        first = BEGIN + place * DAY
        rule = {"freq": "daily", "interval": 2}
        made.add_component(event(person, 2, 9, at(first, HANDOVER), at(first + DAY, HANDOVER), rule))
    # The first window that begins when the rota has begun.
    rule = {"freq": "weekly", "byday": list(DAYS)}
    made.add_component(event("elena", 1, 5, at(BEGIN + DAY, LUNCH[0]), at(BEGIN + DAY, LUNCH[1]), rule))
    for override in overrides:
        made.add_component(
            event(override.technician, 1, 1, override.start, override.end, sequence=override.id)
        )
    return made


def event(
    person: str,
    rung: int,
    priority: int,
    start: datetime,
    end: datetime,
    rule: dict[str, object] | None = None,
    sequence: int = 0,
) -> icalendar.Event:
    made = icalendar.Event()
    made.add("uid", f"{person}-{rung}-{priority}-{sequence}")
    made.add("dtstamp", start)
    made.add("dtstart", start)
    made.add("dtend", end)
    made.add("summary", person)
    made.add("location", str(rung))
    made.add("priority", priority)
    made.add("sequence", sequence)
    if rule:
        made.add("rrule", rule)
    return made


def asked(query: recurring_ical_events.CalendarQuery, moment: datetime) -> list[tuple[int, str]]:
    """Who is on duty by the calendar: of each rung's events then the one that hides the rest."""
    covering = query.between(moment, moment + timedelta(seconds=1))
    first: dict[int, tuple[int, int, str]] = {}
    for found in covering:
        rank = (-int(found["PRIORITY"]), int(found["SEQUENCE"]), str(found["SUMMARY"]))
        rung = int(found["LOCATION"])
        first[rung] = max(first.get(rung, rank), rank)
    return [(rung, first[rung][2]) for rung in sorted(first)]


def each(run: Callable[[datetime], object], moments: list[datetime]) -> float:
    """Seconds of the processor for one of them, the median of runs over all."""
    return medians([spent(lambda: [run(moment) for moment in moments]) for _ in range(3)]).cpu / len(moments)


def measure(quick: bool) -> list[Result]:
    source = random.Random(1)
    lookups = ASKED_FEW if quick else ASKED
    put = drawn_overrides(OVERRIDES, source)
    known, made = book(put), calendar(put)
    begin = at(BEGIN, HANDOVER).astimezone(UTC)
    built = spent(lambda: known.ladder(begin)).cpu
    queries: list[recurring_ical_events.CalendarQuery] = []
    built_there = spent(lambda: queries.append(recurring_ical_events.of(made))).cpu
    (query,) = queries
    print(f"        built: the rota in {built * 1e3:.1f} ms, the calendar in {built_there * 1e3:.1f} ms")

    span = (YEARS - 1) * 365 * 24 * 60
    moments = [begin + 9 * DAY + timedelta(minutes=source.randrange(span)) for _ in range(100 * lookups)]
    few = moments[:lookups]
    for moment in few:
        ours = [(duty.rung, duty.technician) for duty in known.ladder(moment)]
        assert ours == asked(query, moment), moment
    takes = each(known.ladder, moments)
    takes_there = spent(lambda: [asked(query, moment) for moment in few]).cpu / lookups
    print(f"        a look-up: {takes * 1e6:.1f} µs and {takes_there * 1e3:.1f} ms")

    start, end = datetime(2028, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
    year = medians([spent(lambda: known.segments(start, end)) for _ in range(5)]).cpu
    year_there = medians([spent(lambda: query.between(start, end)) for _ in range(1 if quick else 3)]).cpu
    print(f"        a year: {year * 1e3:.1f} ms and {year_there * 1e3:.1f} ms")
    return [
        Result(ROWS[0], takes * 1000 / takes_there, 1, f"one of {LIBRARY}"),
        Result(ROWS[1], takes / LIMIT, 1, f"{LIMIT * 1e6:.0f} µs"),
        Result(ROWS[2], year / year_there, 1 / 20, LIBRARY),
        growth(put, moments[:300], 5 if quick else 30),
    ]


def growth(put: list[Override], moments: list[datetime], runs: int) -> Result:
    """What a look-up costs by how many overrides there are."""
    books = {many: book(put[:many]) for many in (*FEWER, len(put))}
    look_ups = {
        str(many): lambda known=known: [known.ladder(moment) for moment in moments]  # type: ignore[misc]
        for many, known in books.items()
    }
    costs = {int(many): cost.cpu for many, cost in in_turns(look_ups, runs).items()}
    draw("a rota look-up", "overrides", {many: cost for many, cost in costs.items() if many})
    return Result(ROWS[3], costs[len(put)] / costs[10], 1.5, "10 overrides")

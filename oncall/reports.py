"""The figures of a report, computed from plain rows. Pure: no database, no clock.

Hours on call are elapsed hours: a night on which the clock is set forward has one less. Each second counts
once, as the first of these that it is: public holiday, Sunday, night, ordinary; days and nights are those
of the wall clock.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import median
from typing import Literal, TypeVar
from zoneinfo import ZoneInfo

from oncall.rota.rota import Segment
from oncall.rota.wallclock import instant_of, parse_time

# What is counted: codes, outcomes, pairs of them.
Value = TypeVar("Value", str, tuple[str, str])
Kind = Literal["ordinary", "night", "sunday", "holiday"]
KINDS: tuple[Kind, ...] = ("ordinary", "night", "sunday", "holiday")
MIDNIGHT = time(0, 0)
SUNDAY = 6


# -- the period --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Period:
    """From the beginning of the day `first` to the end of the day `last`: up to, not including, `end`."""

    first: date
    last: date
    start: datetime
    end: datetime


def period(first: date, last: date, zone: ZoneInfo) -> Period:
    """Whole days of the wall clock of `zone`. Raises ValueError if they end before they begin."""
    if last < first:
        raise ValueError(f"the period ends ({last}) before it begins ({first})")
    following = last + timedelta(days=1)
    return Period(first, last, instant_of(first, MIDNIGHT, zone), instant_of(following, MIDNIGHT, zone))


def month_before(day: date) -> tuple[date, date]:
    """The first and the last day of the month before the one of `day`."""
    last = day.replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


# -- hours on call -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Calendar:
    """What each instant is: `night` as "22:00-06:00", `holiday` says whether a day is a public holiday."""

    zone: ZoneInfo
    night: str
    holiday: Callable[[date], bool]

    def parts(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, Kind]]:
        """The stretch cut where its kind changes, in order; neighbours may be alike."""
        day = start.astimezone(self.zone).date()
        while start < end:
            for begin, finish, kind in self._day(day):
                if start < finish and begin < end:
                    yield max(start, begin), min(end, finish), kind
            day += timedelta(days=1)
            start = max(start, instant_of(day, MIDNIGHT, self.zone))

    def _day(self, day: date) -> Iterator[tuple[datetime, datetime, Kind]]:
        begins = instant_of(day, MIDNIGHT, self.zone)
        ends = instant_of(day + timedelta(days=1), MIDNIGHT, self.zone)
        if self.holiday(day) or day.weekday() == SUNDAY:
            yield begins, ends, "holiday" if self.holiday(day) else "sunday"
            return
        falls, dawns = (instant_of(day, parse_time(each), self.zone) for each in self.night.split("-"))
        # A night over midnight is the beginning and the end of each day.
        edges = [begins, dawns, falls, ends] if dawns <= falls else [begins, falls, dawns, ends]
        inner: tuple[Kind, ...] = ("night", "ordinary", "night")
        kinds: tuple[Kind, ...] = inner if dawns <= falls else ("ordinary", "night", "ordinary")
        for begin, finish, kind in zip(edges, edges[1:], kinds, strict=False):
            if begin < finish:
                yield begin, finish, kind


@dataclass(frozen=True)
class Split:
    """Elapsed seconds by their kind."""

    ordinary: int = 0
    night: int = 0
    sunday: int = 0
    holiday: int = 0

    @property
    def total(self) -> int:
        return self.ordinary + self.night + self.sunday + self.holiday


@dataclass(frozen=True)
class OnCall:
    """Seconds on call by rung, by person, and those in which nobody was on the ladder at all."""

    rungs: Mapping[int, Split]
    people: Mapping[str, Split]
    nobody: Split


def on_call(segments: Iterable[Segment], calendar: Calendar) -> OnCall:
    """How long somebody was on call. Whoever stands on two rungs at once counts once as a person."""
    rungs: defaultdict[int, dict[Kind, float]] = defaultdict(_none)
    people: defaultdict[str, dict[Kind, float]] = defaultdict(_none)
    nobody = _none()
    for segment in segments:
        counters = [rungs[duty.rung] for duty in segment.standing]
        counters += [people[key] for key in sorted({duty.technician for duty in segment.standing})]
        for begin, finish, kind in calendar.parts(segment.start, segment.end):
            seconds = (finish - begin).total_seconds()
            for counter in counters or [nobody]:
                counter[kind] += seconds
    return OnCall(
        {rung: _split(rungs[rung]) for rung in sorted(rungs)},
        {key: _split(people[key]) for key in sorted(people)},
        _split(nobody),
    )


def _none() -> dict[Kind, float]:
    return dict.fromkeys(KINDS, 0.0)


def _split(seconds: Mapping[Kind, float]) -> Split:
    return Split(*(round(seconds[kind]) for kind in KINDS))


# -- what is counted ---------------------------------------------------------------------------


@dataclass(frozen=True)
class CaseRow:
    """A case; `billed` is minutes, `prepaid` those out of a package. `holder` has it, or had it."""

    number: str
    rota: str
    customer: str | None
    urgency: str | None
    final_urgency: str | None
    opened_at: datetime
    due_at: datetime | None
    connected_at: datetime | None
    taken_at: datetime | None
    closed_at: datetime | None
    merged: bool = False
    billable: bool = False
    minutes: int | None = None
    prepaid: int = 0
    billed: int = 0
    holder: str | None = None

    @property
    def level(self) -> str | None:
        return self.final_urgency or self.urgency

    @property
    def accepted_at(self) -> datetime | None:
        """When a technician was connected, or took it: the earlier."""
        return min((at for at in (self.connected_at, self.taken_at) if at), default=None)


@dataclass(frozen=True)
class AttemptRow:
    """A technician's phone was rung; `accepted` by his key. `call`: the caller's call in which it rang."""

    case: str
    rota: str
    rung: int
    technician: str
    asked_at: datetime
    accepted: bool
    pressed_at: datetime | None
    result: str | None
    result_at: datetime | None
    call: str | None = None

    @property
    def talk(self) -> timedelta | None:
        """From his key to the end; None if he was not connected."""
        if self.result != "connected" or self.pressed_at is None or self.result_at is None:
            return None
        return self.result_at - self.pressed_at


@dataclass(frozen=True)
class Spread:
    """Of `count` durations in seconds: the middle one, the one that nine in ten do not pass, the longest."""

    count: int
    median: int
    p90: int
    worst: int


@dataclass(frozen=True)
class Promise:
    """How many were taken in charge in time, and how many not; `open`: there is time left."""

    kept: int = 0
    missed: int = 0
    open: int = 0


def spread(seconds: Sequence[int]) -> Spread | None:
    """None for nothing. The median of an even number is the mean of the middle two, rounded; the 90th
    percentile is the nearest rank.
    """
    if not seconds:
        return None
    ordered = sorted(seconds)
    return Spread(
        len(ordered), round(median(ordered)), ordered[math.ceil(len(ordered) * 0.9) - 1], ordered[-1]
    )


def to_accept(cases: Iterable[CaseRow]) -> Spread | None:
    """From the key by which the urgency was stated to the technician's. A merged case goes on as another."""
    taken = [each for each in cases if each.accepted_at is not None and not each.merged]
    return spread([_seconds(each.accepted_at - each.opened_at) for each in taken if each.accepted_at])


def promises(cases: Iterable[CaseRow], at: datetime) -> dict[str, Promise]:
    """By urgency as it ended, whether cases with a deadline were taken in charge by then, as of `at`.

    Who closes a case has taken it in charge.
    """
    verdicts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        if case.due_at is None or case.merged or case.level is None:
            continue
        ends = [each for each in (case.accepted_at, case.closed_at) if each is not None]
        done = min(ends, default=at)
        verdict = "missed" if done > case.due_at else "kept" if ends else "open"
        verdicts[case.level][verdict] += 1
    return {level: Promise(**verdicts[level]) for level in sorted(verdicts)}


def counted(values: Iterable[Value]) -> dict[Value, int]:
    """How often each stands there, in their order."""
    found = Counter(values)
    return {value: found[value] for value in sorted(found)}


def by_hour(instants: Iterable[datetime], zone: ZoneInfo) -> tuple[int, ...]:
    """How many fall into each of the 24 hours of the wall clock."""
    hours = Counter(at.astimezone(zone).hour for at in instants)
    return tuple(hours[hour] for hour in range(24))


def attempts_by_rung(rows: Iterable[AttemptRow]) -> dict[int, dict[str, int]]:
    """Results by rung; a rung of 0 is somebody who was rung before the ladder, since he had the case."""
    results: defaultdict[int, list[str]] = defaultdict(list)
    for row in rows:
        results[row.rung].append(row.result or "ringing")
    return {rung: counted(results[rung]) for rung in sorted(results)}


# -- rest --------------------------------------------------------------------------------------

# D.Lgs. 66/2003, art. 7: eleven hours in a row, every twenty-four.
REST = timedelta(hours=11)


@dataclass(frozen=True)
class Work:
    """A technician was woken or worked from `start` to `end`."""

    technician: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class TooLittleRest:
    """He worked until `worked_until` (from `woken_at`), and his day begins at `begins`: to have rested
    eleven hours he should not begin before `rest_until`.
    """

    technician: str
    woken_at: datetime
    worked_until: datetime
    begins: datetime
    rest_until: datetime


def rest(works: Iterable[Work], begins_after: Callable[[datetime], datetime | None]) -> list[TooLittleRest]:
    """Who could not rest for eleven hours in a row before his next ordinary working day.

    `begins_after(at)` is when the first working day after `at` begins; None: none in sight. One finding for
    each person and day.
    """
    nights: dict[tuple[datetime, str], list[Work]] = {}
    for work in works:
        begins = begins_after(work.start)
        if begins is not None and begins - work.end < REST:
            nights.setdefault((begins, work.technician), []).append(work)
    found = []
    for (begins, technician), worked in sorted(nights.items()):
        until = max(work.end for work in worked)
        woken = min(work.start for work in worked)
        found.append(TooLittleRest(technician, woken, until, begins, until + REST))
    return found


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())

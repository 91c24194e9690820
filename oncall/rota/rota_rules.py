"""What the rules of one rota say about an instant, as long as nobody is away or replaced. Pure.

Everything here is counted in days of the calendar and times on the clock of the rota's zone; what such a
time means on the nights the clock is set stands in `oncall/rota/wallclock.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from oncall.rota.wallclock import instant_of, shown

Because = Literal["turn", "override", "swap", "absence", "pattern"]
# Groups of people, each with why somebody of it has the rung; within a group the first has it.
Line = list[tuple[Because, tuple[str, ...]]]

BEGINNING_OF_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_EVERY = re.compile(r"([1-9][0-9]{0,2}) (day|week)s?")


def parse_period(text: str) -> int:
    """`"1 week"`, `"2 weeks"`, `"1 day"` → days. Raises ValueError for anything else."""
    found = _EVERY.fullmatch(text)
    if not found:
        raise ValueError(f'expected a period such as "1 day", "1 week" or "2 weeks", got {text!r}')
    return int(found[1]) * (7 if found[2] == "week" else 1)


@dataclass(frozen=True)
class Rotation:
    """Turns of `period` days, the first on the day `starts`, handed over at `handover` o'clock."""

    starts: date
    handover: time
    period: int

    def begins(self, turn: int, zone: ZoneInfo) -> datetime:
        """The instant at which turn number `turn` (from 0) begins; the one before ends there."""
        # Days are added to the date, never to an instant: a turn over a change of clock is an hour
        # shorter or longer, and the hand-over stays at its time of day.
        return instant_of(self.starts + timedelta(days=turn * self.period), self.handover, zone)

    def turn_at(self, at: datetime, zone: ZoneInfo) -> int:
        """The number of the turn that runs at `at`; negative before the first."""
        passed = shown(at, zone) - datetime.combine(self.starts, self.handover)
        return passed // timedelta(days=self.period)


@dataclass(frozen=True)
class Pattern:
    """A window that comes again every week, on each of `days` (0 is Monday) on which it begins.

    It lasts from `begins` to `ends` on the clock, into the next day if that is not later. The people of
    a pattern with `starts` take turns of `period` days by the day a window begins; before `starts` it
    does not hold. Without, it is always the first one's.
    """

    days: frozenset[int]
    begins: time
    ends: time
    people: tuple[str, ...]
    starts: date | None = None
    period: int = 1

    def window(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From when up to, not including, when the window lasts that begins on `day`."""
        return instant_of(day, self.begins, zone), instant_of(self._last_day(day), self.ends, zone)

    def begins_on(self, day: date) -> bool:
        return day.weekday() in self.days and (self.starts is None or day >= self.starts)

    def people_at(self, at: datetime, zone: ZoneInfo) -> tuple[str, ...]:
        """Whose turn it is and who comes after him; nobody outside the window."""
        now = shown(at, zone)
        for day in (now.date(), now.date() - _DAY):
            if self.begins_on(day):
                last_day = self._last_day(day)
                if datetime.combine(day, self.begins) <= now < datetime.combine(last_day, self.ends):
                    return self._people_on(day)
        return ()

    def windows(
        self, start: datetime, end: datetime, zone: ZoneInfo
    ) -> Iterator[tuple[datetime, datetime, tuple[str, ...]]]:
        """Every window that touches the time from `start` to `end`, and more around it, in order of time."""
        day, last = start.astimezone(zone).date() - _DAY, end.astimezone(zone).date() + _DAY
        while day <= last:
            if self.begins_on(day):
                yield *self.window(day, zone), self._people_on(day)
            day += _DAY

    def _last_day(self, day: date) -> date:
        return day if self.ends > self.begins else day + _DAY

    def _people_on(self, day: date) -> tuple[str, ...]:
        turn = (day - self.starts).days // self.period if self.starts else 0
        return _from(self.people, turn)


@dataclass(frozen=True)
class Rung:
    """One step of the ladder: people in turn, or (without a rotation) the one who always has it.

    `rings` is how long a phone of this rung really rings, in seconds; None: as configured. Where a
    pattern covers the instant its people come before the rung's own, who may be none.
    """

    people: tuple[str, ...]
    rotation: Rotation | None = None
    rings: int | None = None
    patterns: tuple[Pattern, ...] = ()

    def people_at(self, at: datetime, zone: ZoneInfo) -> tuple[str, ...]:
        """Of the rung's own people whose turn it is, and who comes after him; nobody before that begins."""
        if self.rotation is None:
            return self.people
        turn = self.rotation.turn_at(at, zone)
        return _from(self.people, turn) if turn >= 0 else ()

    def everybody(self) -> frozenset[str]:
        """All whom the rules of this rung name."""
        return frozenset(self.people).union(*(pattern.people for pattern in self.patterns))

    def stands(self, there: Collection[str]) -> bool:
        """Whether nothing of the rung is without anybody when those are left who are `there`."""
        if any(person in there for person in self.people):
            return True
        groups = [self.people] if self.people else [pattern.people for pattern in self.patterns]
        return all(any(person in there for person in group) for group in groups)

    def line(self, at: datetime, zone: ZoneInfo) -> Line:
        """Everybody whom the rules would put on the rung at `at`, in the order of precedence."""
        patterns: Line = [("pattern", pattern.people_at(at, zone)) for pattern in self.patterns]
        return [*patterns, ("turn", self.people_at(at, zone))]

    def changes(
        self, start: datetime, end: datetime, zone: ZoneInfo
    ) -> Iterator[tuple[datetime, int, tuple[str, ...]]]:
        """Where a group of the line changes after `start` and before `end`: which, and who is in it then.

        Those of one group come in order of time.
        """
        for place, pattern in enumerate(self.patterns):
            for begin, finish, people in pattern.windows(start, end, zone):
                if start < begin < end:
                    yield begin, place, people
                if start < finish < end:
                    yield finish, place, ()
        if self.rotation is not None:
            turn = max(self.rotation.turn_at(start, zone) + 1, 0)
            while (begins := self.rotation.begins(turn, zone)) < end:
                yield begins, len(self.patterns), _from(self.people, turn)
                turn += 1


def _from(people: tuple[str, ...], turn: int) -> tuple[str, ...]:
    """All of them, beginning with the one whose turn it is."""
    first = turn % len(people)
    return people[first:] + people[:first]


@dataclass(frozen=True)
class Rules:
    """The rules of one rota, as applied once; `rungs[0]` is rung 1."""

    zone: ZoneInfo
    rungs: tuple[Rung, ...]

    def first_instant(self) -> datetime:
        """The beginning of the first turn; the beginning of time if nothing has a first day."""
        begins = [r.rotation.begins(0, self.zone) for r in self.rungs if r.rotation]
        for pattern in (pattern for rung in self.rungs for pattern in rung.patterns):
            if pattern.starts is not None:
                week = (pattern.starts + timedelta(days=days) for days in range(7))
                first = next(day for day in week if pattern.begins_on(day))
                begins.append(pattern.window(first, self.zone)[0])
        return min(begins) if begins else BEGINNING_OF_TIME

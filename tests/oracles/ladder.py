"""Who is on duty, in full: versions, weekly patterns, absences, overrides, swaps, people who come and leave.

Nothing here computes the instant of a wall-clock time. It watches the clock on the wall of a zone, minute by
minute of UTC where that matters: a hand-over, or the edge of a window, has come as soon as the clock has
shown its time or a later one. So what a night skips comes at the end of the skipped stretch, and what it
shows twice comes the first time.

A rung is asked in one line of people: those whom overrides put there, the latest made first; those of each
window that is open, beginning with the one whose turn it is; the rung's own, in the same way. The first who
is there has it: for the reason he stands in the line if he is the very first, else because of an absence.
Nobody is there outside his time of service, nor while he is absent, from when that was recorded on; whoever
made an override after that knew it, and the override counts.

All edges stand on whole minutes.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TICK = timedelta(microseconds=1)
# The clocks are watched from the one to the other.
FIRST, LAST = datetime(2023, 6, 1, tzinfo=UTC), datetime(2035, 6, 1, tzinfo=UTC)


class Wall:
    """The clock on the wall of a zone."""

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        # (instant, offset from then on), found by looking at every hour, and within it at every minute.
        self.changes = [(FIRST, self._offset(FIRST))]
        hour = FIRST
        while hour < LAST:
            if self._offset(hour + HOUR) != self.changes[-1][1]:
                minute = hour
                while self._offset(minute) == self.changes[-1][1]:
                    minute += MINUTE
                self.changes.append((minute, self._offset(minute)))
            hour += HOUR
        self._instants = [instant for instant, _ in self.changes]

    def _offset(self, at: datetime) -> timedelta:
        offset = at.astimezone(self.zone).utcoffset()
        assert offset is not None
        return offset

    def passed(self, at: datetime) -> datetime:
        """The latest time (naive) that the clock has shown by `at`."""
        index = bisect_right(self._instants, at) - 1
        changed, offset = self.changes[index]
        if index:
            before = self.changes[index - 1][1]
            if offset < before and at < changed + (before - offset):
                return (changed + before).replace(tzinfo=None) - TICK
        return (at + offset).replace(tzinfo=None)

    def comes(self, wall: datetime) -> datetime:
        """The first minute by which the clock has shown `wall` (naive)."""
        at = wall.replace(tzinfo=UTC) - max(offset for _, offset in self.changes) - HOUR
        while self.passed(at) < wall:
            at += MINUTE
        return at


@dataclass(frozen=True)
class Window:
    """`days` are those on which it opens, 0 is Monday; `every` in days."""

    days: tuple[int, ...]
    opens: time
    closes: time
    people: tuple[str, ...]
    starts: date | None = None
    every: int = 1

    def line(self, now: datetime) -> list[str]:
        """Whom it puts into the line, if it is open when the clock has shown `now`."""
        for day in (now.date(), now.date() - DAY):
            if day.weekday() not in self.days or (self.starts and day < self.starts):
                continue
            closing_day = day if self.closes > self.opens else day + DAY
            if datetime.combine(day, self.opens) <= now < datetime.combine(closing_day, self.closes):
                turn = (day - self.starts).days // self.every if self.starts else 0
                return [self.people[(turn + step) % len(self.people)] for step in range(len(self.people))]
        return []


@dataclass(frozen=True)
class Step:
    """A rung. `starts`, `handover` and `every` (days) stand together; without, it is always the first's."""

    people: tuple[str, ...]
    starts: date | None = None
    handover: time = time(0)
    every: int = 1
    windows: tuple[Window, ...] = ()

    def line(self, now: datetime) -> list[str]:
        if self.starts is None:
            return list(self.people)
        handed_over = (now - datetime.combine(self.starts, self.handover)) // timedelta(days=self.every)
        if handed_over < 0:
            return []
        return [self.people[(handed_over + step) % len(self.people)] for step in range(len(self.people))]


@dataclass(frozen=True)
class Put:
    """Somebody is put on a rung (from 1), as an override or a swap."""

    rung: int
    start: datetime
    end: datetime
    person: str
    because: str
    made: datetime


@dataclass(frozen=True)
class Away:
    person: str
    start: datetime
    end: datetime
    recorded: datetime


Answer = list[tuple[int, str, str]]  # rung, person, because


@dataclass
class Rota:
    """`applied` and `puts` in the order in which they were made; `service` by person: from, until."""

    wall: Wall
    applied: list[tuple[datetime, tuple[Step, ...]]]
    puts: list[Put] = field(default_factory=list)
    aways: list[Away] = field(default_factory=list)
    service: dict[str, tuple[datetime | None, datetime | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Found again by the day, so that not every one is looked at for every instant.
        self._puts: dict[date, list[Put]] = defaultdict(list)
        self._aways: dict[date, list[Away]] = defaultdict(list)
        for put in self.puts:
            for day in _days(put.start, put.end):
                self._puts[day].append(put)
        for away in self.aways:
            for day in _days(away.start, away.end):
                self._aways[day].append(away)

    def who(self, at: datetime) -> Answer:
        """The ladder at `at`."""
        steps: tuple[Step, ...] = ()
        for since, newer in self.applied:
            if since <= at:
                steps = newer
        now, today = self.wall.passed(at), at.date()
        answer: Answer = []
        for number, step in enumerate(steps, start=1):
            line: list[tuple[str, str, datetime | None]] = [
                (put.person, put.because, put.made)
                for put in reversed(self._puts.get(today, ()))
                if put.rung == number and put.start <= at < put.end
            ]
            for window in step.windows:
                line += [(person, "pattern", None) for person in window.line(now)]
            line += [(person, "turn", None) for person in step.line(now)]
            for place, (person, because, made) in enumerate(line):
                if self._there(person, at, made):
                    answer.append((number, person, because if place == 0 else "absence"))
                    break
        return answer

    def _there(self, person: str, at: datetime, made: datetime | None) -> bool:
        begins, ends = self.service.get(person, (None, None))
        if (begins is not None and at < begins) or (ends is not None and at >= ends):
            return False
        for away in self._aways.get(at.date(), ()):
            known = made is not None and away.recorded <= made
            if away.person == person and away.start <= at < away.end and away.recorded <= at and not known:
                return False
        return True


def _days(start: datetime, end: datetime) -> Iterator[date]:
    day = start.date()
    while day <= end.date():
        yield day
        day += DAY

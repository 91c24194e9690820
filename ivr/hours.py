"""Is a PIN asked at this instant, why, and until when? Pure, and the same for every instant of any year.

The rule of one local day, the first that applies: a special day asks on all of the day but its open
stretches; a public holiday and a closed day ask all day; any other day asks inside its windows.
Windows are half-open wall-clock times; what an edge means on a night when the clock changes stands in
`oncall.rota.wallclock`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from oncall.rota.wallclock import instant_of, parse_time

Reason = Literal["special-day", "holiday", "closed-day", "night", "lunch", "open"]

MIDNIGHT = time(0, 0)
# A change further away than this is no change a caller or an admin can use.
HORIZON = timedelta(days=400)


@dataclass(frozen=True)
class Window:
    """A stretch of the wall clock, `start` included and `end` not; over midnight if end <= start."""

    start: time
    end: time

    @property
    def reason(self) -> Reason:
        """A window that touches midnight is the night, any other the lunch break."""
        return "night" if self.end <= self.start or self.start == MIDNIGHT else "lunch"

    def in_day(self) -> list[tuple[time, time | None]]:
        """Its parts in one calendar day; an end of None is the end of the day."""
        if self.end == MIDNIGHT:
            return [(self.start, None)]
        if self.end <= self.start:
            return [(MIDNIGHT, self.end), (self.start, None)]
        return [(self.start, self.end)]


@dataclass(frozen=True)
class State:
    """What holds at an instant. `until` is when `pin` next changes, None if not within 400 days."""

    pin: bool
    reason: Reason
    name: str | None
    until: datetime | None


@dataclass(frozen=True)
class Part:
    """A stretch of one local day, `end` not included, in which nothing changes. `end` and `start` in UTC."""

    start: datetime
    end: datetime
    pin: bool
    reason: Reason
    name: str | None


@dataclass(frozen=True)
class _Stretch:
    start: datetime
    pin: bool
    reason: Reason
    name: str | None


class Hours:
    """The PIN windows of one number.

    `holidays(day)` gives the name of a public holiday or None. `special` maps a date to its open
    stretches. Days are worked out when first asked for, then kept.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        windows: Iterable[Window],
        closed_weekdays: Iterable[int] = (5, 6),
        holidays: Callable[[date], str | None] = lambda day: None,
        special: Mapping[date, Iterable[Window]] | None = None,
    ) -> None:
        self._zone = zone
        self._windows = tuple(windows)
        self._closed = frozenset(closed_weekdays)
        self._holiday = holidays
        self._special = {day: tuple(open_) for day, open_ in (special or {}).items()}
        self._days: dict[date, list[_Stretch]] = {}
        self._changes: dict[date, datetime | None] = {}

    def at(self, at: datetime) -> State:
        """The state at an aware instant."""
        day, stretches, position = self._find(at)
        here = stretches[position]
        until = next((s.start for s in stretches[position + 1 :] if s.pin != here.pin), None)
        if until is None:
            until = self._first_change_after(day, here.pin)
        return State(here.pin, here.reason, here.name, until)

    def next_opening(self, at: datetime) -> datetime | None:
        """`at` itself when no PIN is asked then, else when it stops being asked; None: not in sight."""
        state = self.at(at)
        return state.until if state.pin else at

    def last_opening(self, at: datetime) -> date:
        """The local date of the latest instant, up to `at`, at which the office was open."""
        day, stretches, position = self._find(at)
        if any(not s.pin for s in stretches[: position + 1]):
            return day
        oldest = day - HORIZON
        while day > oldest:
            day -= timedelta(days=1)
            if any(not s.pin for s in self._day(day)):
                return day
        return oldest

    def day(self, day: date) -> list[Part]:
        """The whole of a local day, in order, without gap or overlap; neighbours differ. A day on which the
        clock changes has an hour more or less.
        """
        stretches = self._day(day)
        following = self._instant(day + timedelta(days=1), MIDNIGHT)
        ends = [*(stretch.start for stretch in stretches[1:]), following]
        parts: list[Part] = []
        for stretch, end in zip(stretches, ends, strict=True):
            part = Part(stretch.start, end, stretch.pin, stretch.reason, stretch.name)
            before = parts[-1] if parts else None
            if before and (before.pin, before.reason, before.name) == (part.pin, part.reason, part.name):
                parts[-1] = replace(before, end=end)
            else:
                parts.append(part)
        return parts

    # -- one day ------------------------------------------------------------------------------

    def _find(self, at: datetime) -> tuple[date, list[_Stretch], int]:
        day = at.astimezone(self._zone).date()
        stretches = self._day(day)
        position = bisect_right(stretches, at, key=lambda s: s.start) - 1
        return day, stretches, position

    def _day(self, day: date) -> list[_Stretch]:
        known = self._days.get(day)
        if known is None:
            known = self._days[day] = self._work_out(day)
        return known

    def _work_out(self, day: date) -> list[_Stretch]:
        if day in self._special:
            return self._cut(day, "special-day", None, self._special[day], inside=False, outside=True)
        name = self._holiday(day)
        if name is not None:
            return [_Stretch(self._instant(day, MIDNIGHT), True, "holiday", name)]
        if day.weekday() in self._closed:
            return [_Stretch(self._instant(day, MIDNIGHT), True, "closed-day", None)]
        return self._cut(day, None, None, self._windows, inside=True, outside=False)

    def _cut(
        self,
        day: date,
        reason: Reason | None,
        name: str | None,
        windows: Iterable[Window],
        *,
        inside: bool,
        outside: bool,
    ) -> list[_Stretch]:
        """The day cut at the edges of `windows`; `reason` None takes each window's own, else open."""
        cuts = {
            self._instant(day, MIDNIGHT): _Stretch(
                self._instant(day, MIDNIGHT), outside, reason or "open", name
            )
        }
        next_day = self._instant(day + timedelta(days=1), MIDNIGHT)
        parts = sorted(
            (
                (self._instant(day, start), next_day if end is None else self._instant(day, end), window)
                for window in windows
                for start, end in window.in_day()
            ),
            key=lambda part: part[0],
        )
        for start, end, window in parts:
            if start >= end:
                continue  # swallowed by a skipped hour
            cuts[start] = _Stretch(start, inside, reason or window.reason, name)
            if end < next_day:
                cuts[end] = _Stretch(end, outside, reason or "open", name)
        return [cuts[instant] for instant in sorted(cuts)]

    def _instant(self, day: date, clock: time) -> datetime:
        return instant_of(day, clock, self._zone)

    # -- beyond one day -------------------------------------------------------------------------

    def _first_change_after(self, day: date, pin: bool) -> datetime | None:
        """The first instant after `day` at which `pin` no longer holds; it holds when `day` ends."""
        if day in self._changes:
            return self._changes[day]
        found = None
        for ahead in range(1, HORIZON.days + 1):
            found = next((s.start for s in self._day(day + timedelta(days=ahead)) if s.pin != pin), None)
            if found is not None:
                break
        # Asked only with the state in which the day ends, so the day alone is the key.
        self._changes[day] = found
        return found


def parse_window(text: str) -> Window:
    """`"18:30-08:00"` → Window. Raises ValueError for 24:00, zero length, or anything else."""
    start, dash, end = text.partition("-")
    if not dash:
        raise ValueError(f'expected a stretch such as "18:30-08:00", got {text!r}')
    window = Window(parse_time(start.strip()), parse_time(end.strip()))
    if window.start == window.end:
        raise ValueError(f"{text!r} has no length; for a whole day use a closed day")
    return window


def overlap(windows: Iterable[Window]) -> tuple[Window, Window] | None:
    """Two of the windows that share a minute, if any do."""
    parts = sorted(
        ((start, end or time.max, window) for window in windows for start, end in window.in_day()),
        key=lambda part: part[0],
    )
    for (_, end, first), (start, _, second) in pairwise(parts):
        if start < end:
            return first, second
    return None

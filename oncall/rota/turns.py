"""Turns: how long somebody stands on a rung without a break, and when he is told that it begins. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from oncall.notices.delivery import quiet_until
from oncall.rota.rota import Because, Book
from oncall.rota.wallclock import instant_of, parse_time

# A turn is announced so long before it begins, and before the quiet hours that its beginning lies in.
LEAD = timedelta(minutes=15)
# No turn is announced longer before its beginning than this: quiet hours last less than a day, and one
# day a year has 25 hours.
LONGEST_LEAD = timedelta(hours=26)
# A turn that lasts longer counts as without an end.
LONGEST = timedelta(days=62)
# How far ahead its end is looked for: most last a week.
_LOOKS = (timedelta(days=9), LONGEST)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Turn:
    """`technician` stands on `rung` from `start` up to, not including, `end`, whatever the reasons; `because`
    is the first of these.

    `begun_before`, `goes_on`: the stretch that was looked at cuts it there.
    """

    rung: int
    technician: str
    because: Because
    start: datetime
    end: datetime
    begun_before: bool = False
    goes_on: bool = False

    def covers(self, at: datetime) -> bool:
        return self.start <= at < self.end


def turns(book: Book, start: datetime, end: datetime) -> list[Turn]:
    """Every turn that touches [start, end), in the order in which they begin.

    Where the same person goes on, by whatever rule, there is no seam.
    """
    running: dict[int, Turn] = {}
    found: list[Turn] = []
    for segment in book.segments(start, end):
        standing = {duty.rung: duty for duty in segment.standing}
        for rung, turn in list(running.items()):
            if rung not in standing or standing[rung].technician != turn.technician:
                found.append(running.pop(rung))
        for rung, duty in standing.items():
            if rung in running:
                running[rung] = replace(running[rung], end=segment.end)
            else:
                running[rung] = Turn(
                    rung,
                    duty.technician,
                    duty.because,
                    segment.start,
                    segment.end,
                    begun_before=segment.start <= start,
                )
    found += [replace(turn, goes_on=True) for turn in running.values()]
    return sorted(found, key=lambda turn: (turn.start, turn.rung))


def at_instant(found: Iterable[Turn], rung: int, at: datetime) -> Turn | None:
    """Whose turn it is on `rung` at `at`."""
    return next((turn for turn in found if turn.rung == rung and turn.covers(at)), None)


def end_of(book: Book, turn: Turn) -> datetime | None:
    """When the turn really ends; None if that is months away, or never."""
    if not turn.goes_on:
        return turn.end
    for look in _LOOKS:
        whole = at_instant(turns(book, turn.start, turn.start + look), turn.rung, turn.start)
        if whole is not None and not whole.goes_on:
            return whole.end
    return None


def begins(book: Book, rung: int, technician: str, at: datetime) -> bool:
    """Whether his turn on `rung` begins at this very instant."""
    found = at_instant(turns(book, at - _TICK, at + _TICK), rung, at)
    return found is not None and found.technician == technician and found.start == at


def announced_at(start: datetime, quiet: str, zone: ZoneInfo) -> datetime:
    """When somebody is told of a turn that begins at `start`: a quarter of an hour before.

    If that lies in the quiet hours, a quarter of an hour before these begin: nobody is woken to hear what
    was known in the evening, and a notice that waits for the morning would come too late. Where the quiet
    hours leave no such instant he is told in them.
    """
    wanted = start - LEAD
    if quiet_until(wanted, quiet, zone) is None:
        return wanted
    day, clock = wanted.astimezone(zone).date(), parse_time(quiet[:5])
    evenings = (instant_of(each, clock, zone) for each in (day, day - timedelta(days=1)))
    earlier = next(evening for evening in evenings if evening <= wanted) - LEAD
    return wanted if quiet_until(earlier, quiet, zone) else earlier

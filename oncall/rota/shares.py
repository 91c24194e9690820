"""How the load of a stretch of days is spread over people, for whoever plans it. Pure.

Planned duty, not performance: it says nothing of calls, and is known before anything has happened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from oncall.rota.rota import Book
from oncall.rota.wallclock import instant_of, parse_time

_DAY = timedelta(days=1)
# On one rung, whoever has at least this part of a night or of a day has it.
_MOST = 0.5


@dataclass(frozen=True)
class Share:
    """What somebody has of a rung: elapsed seconds, nights, and days that are free for others."""

    rung: int
    technician: str
    seconds: int
    nights: int
    free_days: int


Stretch = tuple[datetime, datetime]


def shares(
    book: Book, first: date, after: date, zone: ZoneInfo, night: str, free: Callable[[date], bool]
) -> list[Share]:
    """Everybody's share of each rung from the day `first` up to, not including, `after`; the most first.

    A night ("22:00-06:00", by the clocks of `zone`) counts to the day on which it begins; a night or a free
    day is somebody's if he has at least half of it on that rung.
    """
    start, end = instant_of(first, time(), zone), instant_of(after, time(), zone)
    held: defaultdict[tuple[int, str], list[Stretch]] = defaultdict(list)
    # The last night ends on the day after.
    for segment in book.segments(start, end + _DAY):
        for duty in segment.standing:
            held[duty.rung, duty.technician].append((segment.start, segment.end))
    days = [first + timedelta(days=n) for n in range((after - first).days)]
    nights = [_night(day, night, zone) for day in days]
    off = [(instant_of(day, time(), zone), instant_of(day + _DAY, time(), zone)) for day in days if free(day)]
    found = [
        Share(
            rung,
            who,
            round(_within(stretches, (start, end)).total_seconds()),
            sum(_has(stretches, each) for each in nights),
            sum(_has(stretches, each) for each in off),
        )
        for (rung, who), stretches in held.items()
    ]
    there = [share for share in found if share.seconds or share.nights]
    return sorted(there, key=lambda share: (share.rung, -share.seconds, share.technician))


def _night(day: date, night: str, zone: ZoneInfo) -> Stretch:
    falls, dawns = (parse_time(each) for each in night.split("-"))
    return instant_of(day, falls, zone), instant_of(day if dawns > falls else day + _DAY, dawns, zone)


def _has(stretches: Sequence[Stretch], wanted: Stretch) -> bool:
    length = wanted[1] - wanted[0]
    return length > timedelta() and _within(stretches, wanted) >= length * _MOST


def _within(stretches: Sequence[Stretch], wanted: Stretch) -> timedelta:
    start, end = wanted
    return sum((min(b, end) - max(a, start) for a, b in stretches if a < end and start < b), timedelta())

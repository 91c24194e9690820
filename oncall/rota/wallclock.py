"""Wall-clock times, and what they mean on the two nights a year when the clock changes. Pure.

A wall-clock time that the night skips counts as the end of the skipped stretch (02:30 → 03:00); one
that occurs twice counts at its first occurrence. Hand-overs and the edges of PIN windows share this
rule.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_TICK = timedelta(microseconds=1)
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def parse_time(text: str) -> time:
    """`"18:30"` → time(18, 30). Raises ValueError for anything but HH:MM from 00:00 to 23:59."""
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(f"expected a time of day as HH:MM from 00:00 to 23:59, got {text!r}")
    return time(int(found[1]), int(found[2]))


@lru_cache(maxsize=1 << 14)
def instant_of(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which the clocks of `zone` show `clock` on `day`, by the rule above."""
    wall = datetime.combine(day, clock, tzinfo=zone)  # fold=0: the first of two
    instant = wall.astimezone(UTC)
    if instant.astimezone(zone) == wall:  # of one zone, so what the clocks show is compared
        return instant
    # Skipped. With fold=0 zoneinfo uses the offset before the change, so `instant` lies after the
    # change by as much as `wall` lies after the stretch's beginning.
    return _change_before(instant, zone)


def shown(at: datetime, zone: ZoneInfo) -> datetime:
    """The latest time (naive) that the clocks of `zone` have shown by `at`.

    The same rule, asked from the other side: an instant of a wall-clock time has come when the clocks have
    shown it or a later one.
    """
    wall = at.astimezone(zone)
    if wall.fold:  # shown for the second time: the clock had come further when it was set back
        change = _change_before(at, zone)
        return (change - _TICK).astimezone(zone).replace(tzinfo=None)
    return wall.replace(tzinfo=None)


def _change_before(instant: datetime, zone: ZoneInfo) -> datetime:
    """The change of offset within the day before `instant`, to the second. It is known to exist."""
    low, high = instant - timedelta(days=1), instant
    after = high.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if middle == low:
            break
        if middle.astimezone(zone).utcoffset() == after:
            high = middle
        else:
            low = middle
    return high


def candidates(wall: datetime, zone: ZoneInfo) -> list[datetime]:
    """The instants at which the clocks of `zone` show the naive `wall`: one, two, or none."""
    both = {
        wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        for fold in (0, 1)
        if wall.replace(tzinfo=zone, fold=fold).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall
    }
    return sorted(both)


def choices(wall: datetime, zone: ZoneInfo) -> list[datetime]:
    """What somebody may mean by the naive `wall`: the one instant; else the two, where it occurs twice; or,
    where it is skipped, what it would be on either side of the change.
    """
    return candidates(wall, zone) or sorted(
        wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)
    )

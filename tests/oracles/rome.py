"""The wall clock of Rome, from the rule itself and not from a time-zone database.

Summer time (UTC+2) lasts from 01:00 UTC on the last Sunday of March to 01:00 UTC on the last Sunday of
October; the rest of the year is UTC+1. Valid from 1996 on.
"""

from datetime import UTC, datetime, timedelta
from functools import cache

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


@cache
def last_sunday(year: int, month: int) -> datetime:
    """01:00 UTC on the last Sunday of the month (a month of 31 days): the moment clocks are changed."""
    day = datetime(year, month, 31, 1, tzinfo=UTC)
    while day.isoweekday() != 7:
        day -= timedelta(days=1)
    return day


def wall(instant: datetime) -> datetime:
    """What a clock on the wall shows (naive)."""
    utc = instant.astimezone(UTC)
    summer = last_sunday(utc.year, 3) <= utc < last_sunday(utc.year, 10)
    return (utc + (2 if summer else 1) * HOUR).replace(tzinfo=None)


def passed(instant: datetime) -> datetime:
    """The latest wall-clock time (naive) that has come by this instant.

    An edge at wall-clock time W has been passed exactly if `passed(instant) >= W`:
    - in March the clock leaps from 02:00 to 03:00, so an edge at 02:30 is passed at 03:00;
    - in October 02:00–03:00 is shown twice; the first showing passes every edge in it, so during the second
      one nothing in that hour is still to come, whatever the clock shows.
    """
    utc = instant.astimezone(UTC)
    back = last_sunday(utc.year, 10)
    if back <= utc < back + HOUR:
        return (back + 2 * HOUR).replace(tzinfo=None) - TICK
    return wall(instant)

"""Moments worth rehearsing, offered with a click: tonight, lunch, a holiday, the night the clock changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ivr.hours import Hours, Reason
from oncall.rota.wallclock import instant_of

DAY = timedelta(days=1)
SUNDAY = 6
# How far ahead a moment is looked for.
WEEK, YEAR = 8, 370
# Years that can be rehearsed.
FIRST_YEAR, LAST_YEAR = 2000, 2199


@dataclass(frozen=True)
class Moment:
    """`name` is its text: `rehearse.when-NAME`."""

    name: str
    at: datetime


def moments(now: datetime, zone: ZoneInfo, hours: Hours) -> list[Moment]:
    """Those there are, the first the one that people ask about most."""
    today = now.astimezone(zone).date()
    tonight = instant_of(today, time(22), zone)
    later = "tonight" if tonight > now else "tomorrow-night"
    found = [
        Moment(later, tonight if tonight > now else instant_of(today + DAY, time(22), zone)),
        Moment("now", now),
    ]
    for name, clock, reason in (("lunch", time(13, 15), "lunch"), ("office", time(10, 30), "open")):
        if (at := _next(now, zone, hours, clock, reason)) is not None:  # type: ignore[arg-type]
            found.append(Moment(name, at))
    found.append(
        Moment("sunday", instant_of(today + DAY * ((SUNDAY - today.weekday()) % 7 or 7), time(10), zone))
    )
    christmas = instant_of(date(today.year, 12, 25), time(3), zone)
    if christmas <= now:
        christmas = instant_of(date(today.year + 1, 12, 25), time(3), zone)
    found.append(Moment("christmas", christmas))
    if (change := _change(today, zone)) is not None:
        found.append(Moment("clock-change", change - timedelta(minutes=15)))
    return found


def _next(now: datetime, zone: ZoneInfo, hours: Hours, clock: time, reason: Reason) -> datetime | None:
    """The next time the clock shows `clock` while the hours have this reason; None within a week."""
    today = now.astimezone(zone).date()
    days = (instant_of(today + DAY * ahead, clock, zone) for ahead in range(WEEK))
    return next((at for at in days if at > now and hours.at(at).reason == reason), None)


def _change(today: date, zone: ZoneInfo) -> datetime | None:
    """The next instant at which the clocks of `zone` are changed; None if they are not."""
    for ahead in range(1, YEAR):
        day, following = today + DAY * ahead, today + DAY * (ahead + 1)
        start, end = instant_of(day, time(0), zone), instant_of(following, time(0), zone)
        if end - start != DAY:
            before = start.astimezone(zone).utcoffset()
            hours = range(1, 25)
            return next(
                at
                for at in (start + timedelta(hours=n) for n in hours)
                if at.astimezone(zone).utcoffset() != before
            )
    return None


def typed(text: str) -> datetime | None:
    """The naive local time of a form's field; None if it says none, or one that is out of reach."""
    try:
        wall = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return wall if wall.tzinfo is None and FIRST_YEAR <= wall.year <= LAST_YEAR else None

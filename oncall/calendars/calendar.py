"""Turns as a calendar (RFC 5545). Pure: the same turns give the same bytes.

An event is a turn: a stretch during which the same person has the same rung, whatever the reasons. Its UID
is made of rota, rung, person and beginning, so a client that asks again changes it in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from oncall.rota.rota import Segment
from oncall.rota.wallclock import instant_of

# Loaded by whoever writes a calendar: it takes 80 modules, and every process that serves calls can write one.
if TYPE_CHECKING:
    from icalendar import Timezone, TimezoneDaylight, TimezoneStandard

BACK, AHEAD = timedelta(days=30), timedelta(days=400)
# How often clients are asked to look again.
REFRESH = timedelta(hours=1)


@dataclass(frozen=True)
class Turn:
    """`technician` has `rung` of `rota` from `start` up to, not including, `end`."""

    rota: str
    zone: ZoneInfo
    rung: int
    technician: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Window:
    """What a feed shows at an instant: turns that end after `since`, cut at `first` and `end`.

    `first` and `end` move once a year and once a month, so that a turn without an end in sight, and with
    it its UID, does not change from one look to the next. `moved_at` is when `end` last did.
    """

    first: datetime
    since: datetime
    end: datetime
    moved_at: datetime


def window(at: datetime, zone: ZoneInfo) -> Window:
    since = at - BACK
    # December of the year before: a turn of some weeks that began in it is shown from its beginning.
    first = instant_of(date(since.astimezone(zone).year - 1, 12, 1), time(), zone)
    month = (at + AHEAD).astimezone(zone).date().replace(day=1)
    end = instant_of((month + timedelta(days=32)).replace(day=1), time(), zone)
    return Window(first, since, end, instant_of(month, time(), zone) - AHEAD)


def turns(segments: Iterable[Segment], rota: str, zone: ZoneInfo) -> list[Turn]:
    """The turns in these segments, which are in order and without gap. By beginning, then by rung."""
    found: list[Turn] = []
    running: dict[int, tuple[str, datetime]] = {}
    end: datetime | None = None
    for segment in segments:
        standing = {duty.rung: duty.technician for duty in segment.standing}
        for rung, (who, since) in list(running.items()):
            if standing.get(rung) != who:
                found.append(Turn(rota, zone, rung, who, since, segment.start))
                del running[rung]
        for rung, who in standing.items():
            running.setdefault(rung, (who, segment.start))
        end = segment.end
    if end is not None:
        found += [Turn(rota, zone, rung, who, since, end) for rung, (who, since) in running.items()]
    return sorted(found, key=lambda turn: (turn.start, turn.rung))


def write(
    shown: Sequence[Turn],
    *,
    name: str,
    host: str,
    changed_at: datetime,
    summaries: Mapping[Turn, str],
    zones: Sequence[ZoneInfo],
) -> bytes:
    """The calendar `name` of these turns. `host` makes their UIDs ours, `changed_at` is when any of them
    last changed; `summaries` is what each is called. `zones` are defined in it, also if it is empty.
    """
    from icalendar import Calendar, Event

    calendar = Calendar()
    calendar.add("prodid", "-//after-hours-ivr//turns//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    name = _clean(name)
    calendar.add("name", name)
    calendar.add("x-wr-calname", name)
    if zones:
        calendar.add("x-wr-timezone", zones[0].key)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", f"PT{REFRESH // timedelta(hours=1)}H")
    years = [turn.start.year for turn in shown] + [turn.end.year for turn in shown] or [changed_at.year]
    for zone in zones:
        calendar.add_component(time_zone(zone, min(years), max(years) + 1))
    changed_at = changed_at.replace(microsecond=0)
    # It only ever grows, as a SEQUENCE must: seconds since 2020.
    sequence = int((changed_at - datetime(2020, 1, 1, tzinfo=UTC)).total_seconds())
    for turn in shown:
        event = Event()
        begins = turn.start.astimezone(UTC)
        event.add("uid", f"{begins:%Y%m%dT%H%M%SZ}-{turn.rota}-{turn.rung}-{turn.technician}@{host}")
        # Without METHOD this is the instant of the last change, not of the look: RFC 5545, 3.8.7.2.
        event.add("dtstamp", changed_at)
        event.add("last-modified", changed_at)
        event.add("sequence", max(sequence, 0))
        event.add("dtstart", turn.start.astimezone(turn.zone))
        event.add("dtend", turn.end.astimezone(turn.zone))
        event.add("summary", _clean(summaries[turn]))
        # Whoever is on call for a week can still be invited to a meeting.
        event.add("transp", "TRANSPARENT")
        calendar.add_component(event)
    return bytes(calendar.to_ical())


# -- time zones ----------------------------------------------------------------------------------


def time_zone(zone: ZoneInfo, first: int, last: int) -> Timezone:
    """The zone's VTIMEZONE, right from the year `first` to the end of the year `last`.

    Every change of its clocks stands in it by itself: no rule of ours has to be guessed. DTSTART of each
    is what the clocks showed until then, as RFC 5545 wants it.
    """
    from icalendar import Timezone

    at, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 1, tzinfo=UTC)
    definition = Timezone()
    definition.add("tzid", zone.key)
    definition.add_component(_observance(zone, at, at))
    while at < end:
        later = at + timedelta(days=1)
        if later.astimezone(zone).utcoffset() != at.astimezone(zone).utcoffset():
            definition.add_component(_observance(zone, at, _change(zone, at, later)))
        at = later
    return definition


def _observance(zone: ZoneInfo, before: datetime, at: datetime) -> TimezoneDaylight | TimezoneStandard:
    """What the clocks of `zone` show from `at` on; `before` is an instant before they are changed."""
    from icalendar import TimezoneDaylight, TimezoneStandard

    old, new = before.astimezone(zone), at.astimezone(zone)
    part = TimezoneDaylight() if new.dst() else TimezoneStandard()
    old_offset, new_offset = old.utcoffset(), new.utcoffset()
    assert old_offset is not None
    assert new_offset is not None
    part.add("dtstart", at.replace(tzinfo=None) + old_offset)
    part.add("tzoffsetfrom", old_offset)
    part.add("tzoffsetto", new_offset)
    part.add("tzname", new.tzname() or zone.key)
    return part


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first instant, to the second, at which the clocks show what they show at `high`."""
    after = high.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == after:
            high = middle
        else:
            low = middle
    return high


def _clean(text: str) -> str:
    """On one line, without what is no text."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())

"""When somebody is away, read from a calendar of his (RFC 5545). Pure.

What counts is every entry that blocks time: not those that are cancelled, nor those shown as free
(TRANSP:TRANSPARENT). Nothing of an entry is kept but when it is and whether it is a holiday: what it is
called is nobody's business.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from icalendar import Calendar

from oncall.rota.wallclock import instant_of

LARGEST = 1024 * 1024
MOST = 500
AHEAD = timedelta(days=400)
HOLIDAYS = frozenset({"holiday", "holidays", "vacation", "ferie", "urlaub"})
# Steps that all repeating entries of a calendar may take together, from where each is begun to the horizon;
# and what one by month or year counts for, since it may look for a day that never comes to the end of all
# years: half a second.
MOST_STEPS = 20_000
LIBRARY_STEPS = 200
# Parts of a rule by which it could come more often than once a day, or for ever in vain.
_TOO_OFTEN = ("BYHOUR", "BYMINUTE", "BYSECOND", "BYEASTER")
# Parts that no rule by days or weeks may have.
_NOT_BY_DAYS = {"BYYEARDAY", "BYWEEKNO", "BYSETPOS"}
_WEEKDAYS = {"MO": 0, "TU": 1, "WE": 2, "TH": 3, "FR": 4, "SA": 5, "SU": 6}
# How many days a step of each is, at least.
_FREQUENCIES = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 28, "YEARLY": 365}

Kind = Literal["holiday", "other"]


class CalendarRefused(Exception):
    """The calendar cannot be read; nothing of it counts. The text says why, and quotes nothing of it."""


@dataclass(frozen=True)
class Away:
    """One absence: from `start` up to, not including, `end`. `entry` names it in its calendar, for good."""

    entry: str
    start: datetime
    end: datetime
    kind: Kind


def read(content: bytes, zone: ZoneInfo, at: datetime) -> list[Away]:
    """The absences that have not ended at `at` and begin within 400 days, by beginning.

    Days and times without a zone of their own are those of `zone`. Raises CalendarRefused.
    """
    events = list(_parsed(content).walk("VEVENT"))
    by_uid: dict[str, list[Any]] = {}
    for number, event in enumerate(events):
        # Without a UID an entry is its place in the calendar: the next reading may take it for another.
        by_uid.setdefault(str(event.get("UID") or f"\0{number}"), []).append(event)
    budget = _Budget(at, at + AHEAD)
    found: dict[str, Away] = {}
    try:
        for uid, same in by_uid.items():
            for away in _of_entry(uid, same, zone, budget):
                if max(at, away.start) < away.end and away.start < at + AHEAD:
                    found[away.entry] = away
                    if len(found) > MOST:
                        raise CalendarRefused(f"more than {MOST} absences within {AHEAD.days} days")
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, IndexError) as error:
        raise CalendarRefused(f"an entry of it cannot be read ({type(error).__name__})") from None
    return sorted(found.values(), key=lambda away: (away.start, away.entry))


def _parsed(content: bytes) -> Any:
    if len(content) > LARGEST:
        raise CalendarRefused(f"larger than {LARGEST // 1024} kB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CalendarRefused("not text in UTF-8") from None
    if any(unicodedata.category(c) == "Cc" and c not in "\r\n\t" for c in text):
        raise CalendarRefused("it holds control characters: not a calendar")
    if not text.lstrip().upper().startswith("BEGIN:VCALENDAR"):
        raise CalendarRefused("not a calendar: it does not begin with BEGIN:VCALENDAR")
    if not text.rstrip().upper().endswith("END:VCALENDAR"):
        raise CalendarRefused("cut short: it does not end with END:VCALENDAR")
    try:
        return Calendar.from_ical(text)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise CalendarRefused(f"not a calendar that can be read ({type(error).__name__})") from None


# -- one entry, with its repetitions and exceptions ------------------------------------------------


class _Budget:
    """What all repeating entries of a calendar may cost together."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self.start = start
        self.end = end
        self.steps = 0.0

    def spend(self, first: datetime, days: int, fixed: int = 0) -> None:
        """An entry is repeated from the wall-clock time `first` on, a step every so many days."""
        self.steps += max(0.0, (self.end.replace(tzinfo=None) - first).days / days) + fixed
        if self.steps > MOST_STEPS:
            raise CalendarRefused("its repeating entries are too many, or go back too far")


def _of_entry(uid: str, events: list[Any], zone: ZoneInfo, budget: _Budget) -> Iterator[Away]:
    """Every occurrence. An exception to a repetition is an event of its own with the same UID."""
    changed = {_key(event["RECURRENCE-ID"].dt, zone): event for event in events if "RECURRENCE-ID" in event}
    for event in events:
        if "RECURRENCE-ID" in event or _no_absence(event):
            continue
        first, last = _stretch(event)
        once = "RRULE" not in event and "RDATE" not in event
        for start in _starts(event, first, last - first, zone, budget):
            if _key(start, zone) not in changed:
                # What comes once stays the same entry when it is moved.
                key = None if once else _key(start, zone)
                yield _away(uid, key, start, start + (last - first), event, zone)
    for key, event in changed.items():
        if not _no_absence(event):
            start, end = _stretch(event)
            yield _away(uid, key, start, end, event, zone)


def _no_absence(event: Any) -> bool:
    shown_free = str(event.get("TRANSP", "")).upper() == "TRANSPARENT"
    return shown_free or str(event.get("STATUS", "")).upper() == "CANCELLED" or "DTSTART" not in event


def _stretch(event: Any) -> tuple[date, date]:
    """Beginning and end, both dates or both times by the wall clock of their zone."""
    start: date = event["DTSTART"].dt
    if "DTEND" in event:
        end: date = event["DTEND"].dt
        if isinstance(start, datetime) != isinstance(end, datetime):
            raise CalendarRefused("an entry of it begins with a day and ends with a time, or the reverse")
        if isinstance(start, datetime) and isinstance(end, datetime) and start.tzinfo and end.tzinfo:
            end = end.astimezone(start.tzinfo)
        return start, end
    if "DURATION" in event:
        return start, start + event["DURATION"].dt
    return start, start if isinstance(start, datetime) else start + timedelta(days=1)


def _starts(event: Any, first: date, length: timedelta, zone: ZoneInfo, budget: _Budget) -> Iterator[date]:
    """When it begins: once, or as often as its rules say. Times are those of `first`'s own zone."""
    rules = _listed(event, "RRULE")
    added = [each.dt for each in _dates(event, "RDATE")]
    dropped = {_key(each.dt, zone) for each in _dates(event, "EXDATE")}
    if not rules and not added:
        yield first
        return
    seen: set[datetime] = set()
    for start in [first, *added, *(each for rule in rules for each in _by_rule(rule, first, length, budget))]:
        # A period of RDATE is a pair; only its beginning counts.
        moment = start[0] if isinstance(start, tuple) else start
        key = _key(moment, zone)
        if key not in seen and key not in dropped:
            seen.add(key)
            yield moment


def _by_rule(rule: Any, first: date, length: timedelta, budget: _Budget) -> Iterator[date]:
    """What a rule gives that is not over, up to the horizon, by the wall clock of `first`: 9 o'clock stays
    9 o'clock.
    """
    if len(rule.get("FREQ", [])) != 1 or rule["FREQ"][0] not in _FREQUENCIES or set(_TOO_OFTEN) & set(rule):
        raise CalendarRefused("an entry of it repeats more often than once a day, or nobody knows how")
    interval = int((rule.get("INTERVAL") or [1])[0])
    if interval < 1:
        raise CalendarRefused("an entry of it repeats at an interval of nothing")
    wall = first.replace(tzinfo=None) if isinstance(first, datetime) else datetime.combine(first, time())
    end = budget.end.replace(tzinfo=None) + timedelta(days=1)
    if until := (rule.get("UNTIL") or [None])[0]:
        end = min(end, _until(until, first))
    frequency = rule["FREQ"][0]
    step = interval * _FREQUENCIES[frequency]
    if frequency in ("DAILY", "WEEKLY"):
        if "COUNT" not in rule:
            # Years ago it came on the same days of its own count: whole steps are left out.
            over = budget.start.replace(tzinfo=None) - wall - length - timedelta(days=9)
            wall += timedelta(days=max(over.days // step, 0) * step)
        budget.spend(wall, step)
        moments = _by_days(rule, wall, step, end)
    else:
        budget.spend(wall, step, fixed=LIBRARY_STEPS)
        moments = _by_library(rule, wall)
    # COUNT counts what comes, before exceptions are taken out.
    count = int((rule.get("COUNT") or [10**9])[0])
    for number, moment in enumerate(moments):
        if number >= count or moment > end:
            return
        yield moment.replace(tzinfo=first.tzinfo) if isinstance(first, datetime) else moment.date()


def _by_days(rule: Any, first: datetime, step: int, end: datetime) -> Iterator[datetime]:
    """FREQ=DAILY and WEEKLY, a step every so many days. The library goes on to the end of all years after
    a day that never comes; here every step is counted.
    """
    weekly = rule["FREQ"][0] == "WEEKLY"
    if set(rule) & ({"BYMONTHDAY", *_NOT_BY_DAYS} if weekly else _NOT_BY_DAYS):
        raise CalendarRefused("an entry of it repeats in a way that its frequency does not know")
    weekdays = {_WEEKDAYS[str(day)] for day in rule.get("BYDAY", [])}
    months = {int(month) for month in rule.get("BYMONTH", [])}
    monthdays = {int(day) for day in rule.get("BYMONTHDAY", [])}
    begins, stretch = first, 1
    if weekly:
        weekdays = weekdays or {first.weekday()}
        begins -= timedelta(days=(first.weekday() - _WEEKDAYS[str((rule.get("WKST") or ["MO"])[0])]) % 7)
        stretch = 7
    while begins <= end:
        for day in (begins + timedelta(days=n) for n in range(stretch)):
            left = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - day  # of its month
            if (
                day >= first
                and (not weekdays or day.weekday() in weekdays)
                and (not months or day.month in months)
                and (not monthdays or {day.day, -left.days} & monthdays)
            ):
                yield day
        begins += timedelta(days=step)


def _by_library(rule: Any, first: datetime) -> Iterator[datetime]:
    """FREQ=MONTHLY and YEARLY."""
    parts = {name: value for name, value in rule.items() if name not in ("UNTIL", "COUNT", "RSCALE", "SKIP")}
    yield from rrulestr(type(rule)(parts).to_ical().decode(), dtstart=first)


def _until(until: date, first: date) -> datetime:
    """UNTIL by the wall clock of `first`; a day counts to its end."""
    if not isinstance(until, datetime):
        return datetime.combine(until, time(23, 59, 59))
    if until.tzinfo is not None and isinstance(first, datetime) and first.tzinfo is not None:
        until = until.astimezone(first.tzinfo)
    return until.replace(tzinfo=None)


# -- small parts -------------------------------------------------------------------------------


def _away(uid: str, key: datetime | None, start: date, end: date, event: Any, zone: ZoneInfo) -> Away:
    """`key` says which of its occurrences this is; None: it comes once."""
    words = {word.strip().casefold() for each in _listed(event, "CATEGORIES") for word in _words(each)}
    kind: Kind = "holiday" if words & HOLIDAYS else "other"
    which = key.isoformat() if key else ""
    named = hashlib.sha256(f"{uid}\n{which}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return Away(named, _instant(start, zone), _instant(end, zone), kind)


def _words(categories: Any) -> list[str]:
    return [str(each) for each in getattr(categories, "cats", [categories])]


def _listed(event: Any, name: str) -> list[Any]:
    value = event.get(name)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _dates(event: Any, name: str) -> list[Any]:
    return [each for part in _listed(event, name) for each in part.dts]


def _key(moment: date, zone: ZoneInfo) -> datetime:
    """The instant by which an occurrence is known, whether it is given as a day or as a time."""
    return _instant(moment, zone)


def _instant(moment: date, zone: ZoneInfo) -> datetime:
    """In UTC. A day begins at midnight in `zone`; so does a time without a zone belong there."""
    if not isinstance(moment, datetime):
        return instant_of(moment, time(), zone)
    if moment.tzinfo is None:
        return instant_of(moment.date(), moment.time(), zone)
    return moment.astimezone(UTC)

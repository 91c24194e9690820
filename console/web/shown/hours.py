"""What the pages of the hours show: the days of a year, one day with whoever has duty, one instant.

Numbers whose hours are the same are shown once.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from console.house import numbers
from console.settings import Configuration
from console.web.people import Person, people
from ivr.explain import Explainer, Explanation
from ivr.hours import Hours, Part
from ivr.settings import NumberSettings
from oncall.rota import roster
from oncall.rota.rota import OnDuty

# Years that can be looked at, as those of `ivr explain`.
FIRST_YEAR, LAST_YEAR = 1900, 2199
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Group:
    """Our numbers whose hours are the same; `key` is the first of them."""

    numbers: tuple[NumberSettings, ...]
    hours: Hours

    @property
    def key(self) -> str:
        return self.numbers[0].number


def groups(configuration: Configuration) -> list[Group]:
    """All our numbers, in the order of the configuration. They differ by where holidays are kept."""
    built = numbers(configuration)
    alike: dict[str, list[NumberSettings]] = {}
    for number in configuration.number:
        region = configuration.hours.holidays if number.holidays is None else number.holidays
        alike.setdefault(region, []).append(number)
    return [Group(tuple(each), built[each[0].number].hours) for each in alike.values()]


def group_of(found: Sequence[Group], number: str) -> Group | None:
    """The group a number belongs to, the first for none at all; None for a number that is not ours."""
    if not number:
        return found[0]
    return next((group for group in found if number in [each.number for each in group.numbers]), None)


# -- a year ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """A stretch in which a PIN is asked: where it begins and how long it is, in minutes of the day."""

    x: int
    width: int
    reason: str


@dataclass(frozen=True)
class Look:
    """How a day looks. Days that look alike share one, by its number from 1."""

    id: int
    minutes: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Day:
    """`pin`: the wall-clock stretches in which a PIN is asked. `kind` is holiday, special-day, closed-day or
    empty; `change` the length of a day on which the clock is changed.
    """

    day: date
    look: Look
    pin: tuple[tuple[str, str], ...]
    kind: str
    name: str | None
    change: timedelta | None

    @property
    def notable(self) -> bool:
        return self.kind in ("holiday", "special-day") or self.change is not None

    @property
    def whole(self) -> bool:
        """Whether a PIN is asked from the first minute to the last."""
        return self.pin == (("00:00", "24:00"),)


@dataclass(frozen=True)
class Month:
    first: date
    days: list[Day]


@dataclass(frozen=True)
class Year:
    months: list[Month]
    looks: list[Look]

    @property
    def notable(self) -> list[Day]:
        return [day for month in self.months for day in month.days if day.notable]


def twelve_months(hours: Hours, zone: ZoneInfo, first: date) -> Year:
    """The twelve months that begin on `first`, the first day of a month."""
    looks: dict[tuple[int, tuple[Bar, ...]], Look] = {}
    months = []
    for _ in range(12):
        length = monthrange(first.year, first.month)[1]
        days = [_day(hours, zone, first + ahead * DAY, looks) for ahead in range(length)]
        months.append(Month(first, days))
        first += length * DAY
    return Year(months, list(looks.values()))


def _day(hours: Hours, zone: ZoneInfo, day: date, looks: dict[tuple[int, tuple[Bar, ...]], Look]) -> Day:
    parts = hours.day(day)
    midnight = parts[0].start
    bars = tuple(
        Bar(_minutes(part.start - midnight), _minutes(part.end - part.start), part.reason)
        for part in parts
        if part.pin
    )
    length = parts[-1].end - midnight
    seen = (_minutes(length), bars)
    look = looks.setdefault(seen, Look(len(looks) + 1, *seen))
    reasons = {part.reason for part in parts}
    kind = next((each for each in ("special-day", "holiday", "closed-day") if each in reasons), "")
    return Day(day, look, _asked(parts, zone), kind, parts[0].name, None if length == DAY else length)


def _asked(parts: Sequence[Part], zone: ZoneInfo) -> tuple[tuple[str, str], ...]:
    """Stretches with a PIN by the wall clock; of neighbours that differ by their reason alone, one."""
    found: list[tuple[str, str]] = []
    for part in parts:
        if not part.pin:
            continue
        start = f"{part.start.astimezone(zone):%H:%M}"
        end = "24:00" if part is parts[-1] else f"{part.end.astimezone(zone):%H:%M}"
        if found and found[-1][1] == start:
            start = found.pop()[0]
        found.append((start, end))
    return tuple(found)


def _minutes(length: timedelta) -> int:
    return round(length.total_seconds() / 60)


# -- one day -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class OnCall:
    """Who would be rung, in this order; `phone` as of the beginning of the stretch."""

    rung: int
    person: Person
    phone: str
    because: str


@dataclass(frozen=True)
class Standing:
    """From `start` to `end` the same people would be rung; `rota` is named if the group has several."""

    start: datetime
    end: datetime
    rota: str
    ladder: tuple[OnCall, ...]


@dataclass(frozen=True)
class DayPart:
    part: Part
    standing: tuple[Standing, ...]


@dataclass(frozen=True)
class OneDay:
    """A day in its stretches. `offices`: each number with the phones that ring while the office is open."""

    day: date
    length: timedelta
    parts: tuple[DayPart, ...]
    offices: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def changes(self) -> bool:
        return self.length != DAY


def one_day(connection: Connection, group: Group, day: date) -> OneDay:
    parts = group.hours.day(day)
    rotas = list(dict.fromkeys(number.rota for number in group.numbers))
    crew = _Crew(connection)
    start, end = parts[0].start, parts[-1].end
    segments = {key: roster.book(connection, key, start, end).segments(start, end) for key in rotas}
    shown = []
    for part in parts:
        standing = [
            Standing(
                max(segment.start, part.start),
                min(segment.end, part.end),
                key if len(rotas) > 1 else "",
                crew.ladder(segment.standing, max(segment.start, part.start)),
            )
            for key in rotas
            for segment in segments[key]
            if segment.start < part.end and part.start < segment.end
        ]
        shown.append(DayPart(part, tuple(standing)))
    offices = tuple((number.name, tuple(number.office)) for number in group.numbers)
    return OneDay(day, parts[-1].end - parts[0].start, tuple(shown), offices)


class _Crew:
    """Everybody, with name and phone."""

    def __init__(self, connection: Connection) -> None:
        self.known = people(connection)
        self.technicians = {each.key: each for each in roster.all_technicians(connection)}

    def ladder(self, standing: Sequence[OnDuty], at: datetime) -> tuple[OnCall, ...]:
        return tuple(
            OnCall(duty.rung, self.known[duty.technician], person.phone, duty.because)
            for duty in standing
            if (person := self.technicians.get(duty.technician)) and person.serves(at)
        )


# -- one instant -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What `ivr explain` says of an instant, with the names of people and the reason each has the turn."""

    number: NumberSettings
    told: Explanation
    ladder: tuple[OnCall, ...]


def explain(connection: Connection, configuration: Configuration, number: str, at: datetime) -> Answer:
    """What would happen to a call. Raises KeyError for a number that is not ours."""
    ours = numbers(configuration)[number]
    crew = _Crew(connection)
    book = roster.book(connection, ours.settings.rota, at, at + timedelta(seconds=1))
    told = Explainer(number, ours.hours, book, crew.technicians).at(at)
    ladder = tuple(
        OnCall(duty.rung, crew.known[duty.technician], phone, duty.because) for duty, phone in told.ladder
    )
    return Answer(ours.settings, told, ladder)


def typed(day: str, clock: str) -> datetime | None:
    """The naive local time that a form's two fields say; None if they say none."""
    try:
        wall = datetime.combine(date.fromisoformat(day.strip()), time.fromisoformat(clock.strip()))
    except ValueError:
        return None
    return wall if wall.tzinfo is None and in_reach(wall.date()) else None


def in_reach(day: date) -> bool:
    return FIRST_YEAR <= day.year <= LAST_YEAR

"""The picture of a rota: weeks of seven days, a lane a rung, with who is on duty drawn to the minute.

Places are parts of a week's width in percent, as text. A day is as wide as any other, also on the days the
clock is set: what lies in it is placed by the time that really passes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from console.web.people import Person
from oncall.rota import validation
from oncall.rota.planned import PlannedAbsence
from oncall.rota.rota import Because, Book, OnDuty, Segment
from oncall.rota.wallclock import instant_of

DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)
# Beside a name, where it is not simply somebody's turn.
SIGNS: dict[str, str] = {"override": "✱", "swap": "⇄", "absence": "+"}
# Parts of a week, in percent, below which a bar has room for its sign and initials only, or for no time.
_INITIALS, _SHORT, _TIMELESS, _SIGN = 2.9, 6.5, 11.5, 1.7

FreeDay = tuple[str, str]
# Why a day is not like others: "holiday", "closed-day", "special-day" or "", and the holiday's name.
WhyFree = Callable[[date], FreeDay]


@dataclass(frozen=True)
class Day:
    """`hours` is how long it lasts: 23 or 25 when the clock is set. `beyond`: of another month."""

    day: date
    start: datetime
    end: datetime
    today: bool
    beyond: bool
    free: str
    name: str
    hours: int


@dataclass(frozen=True)
class Bar:
    """Somebody (None: nobody) has `rung` from `start` up to, not including, `end`, for one reason.

    `x` and `width` place the part of it that lies in a week. `arrives`: it begins there. `begun`: it was so
    before the picture begins. `text` is what it has room for: "all", "timeless", "initials" or "".
    """

    rung: int
    who: Person | None
    because: Because | None
    start: datetime
    end: datetime
    x: str = "0"
    width: str = "0"
    arrives: bool = True
    text: str = "all"
    over: bool = False
    begun: bool = False

    @property
    def sign(self) -> str:
        return SIGNS.get(self.because or "", "")


@dataclass(frozen=True)
class Hole:
    """Nobody is on duty at all."""

    start: datetime
    end: datetime
    x: str = "0"
    width: str = "0"
    text: bool = True


@dataclass(frozen=True)
class Away:
    """An absence in a week; `row` keeps those that overlap apart."""

    absence: PlannedAbsence
    who: Person
    row: int
    x: str
    width: str


@dataclass(frozen=True)
class Week:
    """`now` is where the present lies in it, "" if elsewhere."""

    days: list[Day]
    lanes: list[list[Bar]]
    holes: list[Hole]
    away: list[Away]
    now: str

    @property
    def number(self) -> int:
        return self.days[0].day.isocalendar().week

    @property
    def away_rows(self) -> int:
        return max((each.row for each in self.away), default=-1) + 1


@dataclass(frozen=True)
class Agenda:
    """One day as a list: by rung, who has it when the day begins and each who takes over; holes beside."""

    day: Day
    rungs: list[list[Bar]]
    holes: list[Hole]
    away: list[Away]


def bars(
    book: Book, start: datetime, end: datetime, known: Mapping[str, Person], at: datetime | None = None
) -> list[Bar]:
    """Who has which rung, rung by rung, each without gap or overlap as far as the rules have it.

    Cut at `start` and `end`; stretches that a rung has nobody are among them. What ended by `at` is over.
    """
    found: list[Bar] = []
    for segment in _segments(book, start, end):
        rules = book.rules_at(segment.start)
        there = {duty.rung: duty for duty in segment.standing}
        for rung in range(1, len(rules.rungs) + 1 if rules else 1):
            duty = there.get(rung)
            who = known.get(duty.technician) if duty else None
            found.append(Bar(rung, who, duty.because if duty else None, segment.start, segment.end))
    joined: list[Bar] = []
    for bar in sorted(found, key=lambda each: (each.rung, each.start)):
        last = joined[-1] if joined else None
        if last and (last.rung, last.who, last.because, last.end) == (
            bar.rung,
            bar.who,
            bar.because,
            bar.start,
        ):
            joined[-1] = replace(last, end=bar.end)
        else:
            joined.append(bar)
    before = {duty.rung: duty for duty in book.ladder(start - _TICK)}
    return [
        replace(bar, over=at is not None and bar.end <= at, begun=bar.start == start and _same(before, bar))
        for bar in joined
    ]


def _same(before: Mapping[int, OnDuty], bar: Bar) -> bool:
    duty = before.get(bar.rung)
    if duty is None or bar.who is None:
        return duty is None and bar.who is None
    return (duty.technician, duty.because) == (bar.who.key, bar.because)


def _segments(book: Book, start: datetime, end: datetime) -> list[Segment]:
    """Cut also where other rules begin: they may have other rungs."""
    cuts = sorted({v.valid_from for v in book.versions if start < v.valid_from < end} | {start, end})
    return [segment for a, b in pairwise(cuts) for segment in book.segments(a, b)]


def holes(book: Book, rota: str, start: datetime, end: datetime, at: datetime) -> list[Hole]:
    """Where nobody is on duty. Time that passed before the rota had any rules is none."""
    first = validation.beginning(book)
    if first is None:
        return []
    start = max(start, min(first, at))
    if start >= end:
        return []
    return [Hole(each.start, each.end) for each in validation.holes(rota, book.segments(start, end))]


# -- days and weeks ----------------------------------------------------------------------------


def week_of(day: date) -> date:
    """Its Monday."""
    return day - timedelta(days=day.weekday())


def month_days(first: date) -> list[date]:
    """The days of the month of `first`, with those around them that make whole weeks."""
    day, after = week_of(first.replace(day=1)), next_month(first)
    days = []
    while day < after or day.weekday() != 0:
        days.append(day)
        day += DAY
    return days


def next_month(first: date) -> date:
    return (first.replace(day=1) + timedelta(days=32)).replace(day=1)


def previous_month(first: date) -> date:
    return (first.replace(day=1) - DAY).replace(day=1)


def days(dates: Sequence[date], zone: ZoneInfo, at: datetime, free: WhyFree, month: date | None) -> list[Day]:
    found = []
    for day in dates:
        start, end = instant_of(day, time(), zone), instant_of(day + DAY, time(), zone)
        why, name = free(day)
        beyond = month is not None and (day.year, day.month) != (month.year, month.month)
        hours = round((end - start).total_seconds() / 3600)
        found.append(Day(day, start, end, start <= at < end, beyond, why, name, hours))
    return found


def weeks(
    shown: Sequence[Day],
    found: Sequence[Bar],
    empty: Sequence[Hole],
    absences: Sequence[PlannedAbsence],
    known: Mapping[str, Person],
    at: datetime,
) -> list[Week]:
    """The picture, week by week."""
    rungs = max((bar.rung for bar in found), default=1)
    drawn = []
    for n in range(0, len(shown), 7):
        seven = list(shown[n : n + 7])
        start, end = seven[0].start, seven[-1].end
        lanes = [
            [_placed(bar, seven) for bar in found if bar.rung == rung and bar.start < end and start < bar.end]
            for rung in range(1, rungs + 1)
        ]
        here = []
        for hole in empty:
            if hole.start < end and start < hole.end:
                x, width = _span(hole.start, hole.end, seven)
                here.append(replace(hole, x=f"{x:.3f}", width=f"{width:.3f}", text=width > _TIMELESS))
        now = f"{_part(at, seven):.3f}" if start <= at < end else ""
        drawn.append(Week(seven, lanes, here, _away(absences, known, seven), now))
    return drawn


def agenda(
    shown: Sequence[Day],
    found: Sequence[Bar],
    empty: Sequence[Hole],
    absences: Sequence[PlannedAbsence],
    known: Mapping[str, Person],
) -> list[Agenda]:
    """Day by day, for a narrow screen. A bar `arrives` on the day on which it begins."""
    rungs = max((bar.rung for bar in found), default=1)
    listed = []
    for day in shown:
        lanes = [
            [
                replace(bar, arrives=day.start <= bar.start and not bar.begun)
                for bar in found
                if bar.rung == rung and bar.start < day.end and day.start < bar.end
            ]
            for rung in range(1, rungs + 1)
        ]
        here = [
            replace(hole, start=max(hole.start, day.start), end=min(hole.end, day.end))
            for hole in empty
            if hole.start < day.end and day.start < hole.end
        ]
        away = [
            Away(each, known[each.technician], 0, "", "")
            for each in absences
            if each.start < day.end and day.start < each.end and each.technician in known
        ]
        listed.append(Agenda(day, lanes, here, away))
    return listed


def _placed(bar: Bar, seven: Sequence[Day]) -> Bar:
    x, width = _span(bar.start, bar.end, seven)
    arrives = bar.start >= seven[0].start and not bar.begun
    text = "all"
    for most, less in ((_INITIALS, ""), (_SHORT, "initials"), (_TIMELESS, "timeless")):
        if width < most + (_SIGN if bar.sign else 0):
            text = less
            break
    return replace(bar, x=f"{x:.3f}", width=f"{width:.3f}", arrives=arrives, text=text)


def _span(start: datetime, end: datetime, seven: Sequence[Day]) -> tuple[float, float]:
    x = _part(max(start, seven[0].start), seven)
    return x, _part(min(end, seven[-1].end), seven) - x


def _part(at: datetime, seven: Sequence[Day]) -> float:
    """Where an instant lies in the week, in percent."""
    for n, day in enumerate(seven):
        if at < day.end:
            return 100 / len(seven) * (n + (at - day.start) / (day.end - day.start))
    return 100.0


def _away(
    absences: Sequence[PlannedAbsence], known: Mapping[str, Person], seven: Sequence[Day]
) -> list[Away]:
    start, end = seven[0].start, seven[-1].end
    taken: list[datetime] = []
    found = []
    for each in absences:
        if each.technician not in known or each.start >= end or each.end <= start:
            continue
        row = next((n for n, until in enumerate(taken) if until <= each.start), len(taken))
        taken[row:] = [each.end, *taken[row + 1 :]]
        x, width = _span(each.start, each.end, seven)
        found.append(Away(each, known[each.technician], row, f"{x:.3f}", f"{width:.3f}"))
    return found


def short_names(known: Mapping[str, Person]) -> dict[str, str]:
    """What each is called where there is little room: the first name, if nobody else has it."""
    firsts = {key: (who.name.split() or [key])[0] for key, who in known.items()}
    count = Counter(name.casefold() for name in firsts.values())
    return {key: name if count[name.casefold()] == 1 else known[key].name for key, name in firsts.items()}

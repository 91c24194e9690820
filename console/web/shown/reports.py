"""What the page of reports shows: the figures of a period as plots and tables, gathered in one reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from console.settings import Configuration
from console.web.people import Person, people
from console.web.plots import Plot, Rect, columns, row, shade
from console.web.shown.report_cases import Cases, cases_of, share, told
from console.web.shown.report_span import Asked, Unit, units
from console.web.words import Words
from ivr.records import figures, reports
from ivr.records.figures import GROUPS, Slot, Wanted, Worked
from ivr.records.reports import Sources
from oncall.reports import KINDS, Period, Split, on_call
from oncall.rota import roster

GROUP_NAMES = tuple(GROUPS)
MISSED, REFUSED = GROUP_NAMES.index("missed"), GROUP_NAMES.index("refused")
# Of customers a page shows so many; the file has all.
CUSTOMERS = 20


@dataclass(frozen=True)
class Heat:
    """One weekday (1 Monday): how many calls in each hour, with a shade from 0 to 5."""

    weekday: int
    hours: tuple[tuple[int, int], ...]
    total: int


@dataclass(frozen=True)
class Line:
    """A row of a table that is a plot: a name, figures, and a bar of pieces."""

    name: str
    values: tuple[int, ...]
    bar: tuple[Rect, ...]


@dataclass(frozen=True)
class Over:
    """A plot over time, with the rows that say the same: when, and a figure for each series."""

    plot: Plot
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    total: int


@dataclass(frozen=True)
class Calls:
    """`answered`: of those that wanted somebody, how many spoke to one, in per cent; None without any."""

    total: int
    before: int
    missed: int
    missed_before: int
    answered: int | None
    heat: list[Heat]
    over: Over
    outcomes: list[Line]
    missed_hours: Over
    refused: int
    refusals: list[Line]
    rings: list[Line]


@dataclass(frozen=True)
class Hours:
    """Elapsed time on call, in seconds by kind as KINDS, then the sum; `person` if this is somebody's."""

    name: str
    seconds: tuple[int, ...]
    bar: tuple[Rect, ...]
    person: Person | None = None


@dataclass(frozen=True)
class RotaHours:
    rota: str
    rungs: list[Hours]
    people: list[Hours]
    nobody: int


@dataclass(frozen=True)
class Shown:
    """The parts of the page that are asked for; the others are None."""

    calls: Calls | None
    cases: Cases | None
    customers: list[tuple[Worked, tuple[Rect, ...]]] | None
    rotas: list[RotaHours] | None


def sources(configuration: Configuration) -> Sources:
    """What reports go by."""
    return Sources(configuration.zone, configuration.hours, configuration.number, configuration.reports)


def gather(
    connection: Connection,
    at: datetime,
    configuration: Configuration,
    words: Words,
    asked: Asked,
    parts: Sequence[str],
) -> Shown:
    """These parts of the page: calls, cases, customers, duty."""
    wanted = asked.wanted
    return Shown(
        calls=_calls(connection, words, asked) if "calls" in parts else None,
        cases=cases_of(connection, at, configuration, words, wanted) if "cases" in parts else None,
        customers=_customers(connection, wanted) if "customers" in parts else None,
        rotas=_rotas(connection, configuration, words, asked) if "duty" in parts else None,
    )


def _customers(connection: Connection, wanted: Wanted) -> list[tuple[Worked, tuple[Rect, ...]]]:
    worked = figures.worked(connection, wanted, CUSTOMERS)
    most = max((each.minutes for each in worked), default=0)
    series = ("billed", "unbilled")
    return [(each, row(series, (each.billed, each.minutes - each.billed), most)) for each in worked]


# -- calls -------------------------------------------------------------------------------------


def _calls(connection: Connection, words: Words, asked: Asked) -> Calls:
    slots = figures.slots(connection, asked.wanted, words.zone)
    came = figures.outcomes(connection, asked.wanted, asked.wanted.period)
    before = figures.outcomes(connection, asked.wanted, asked.before)
    total = sum(came.values())
    sums = [sum(each.groups[place] for each in slots) for place in range(len(GROUP_NAMES))]
    most = max(came.values(), default=0)
    outcomes = [
        (
            name,
            Line(
                words.maybe(f"reports.outcome-{name or 'under-way'}", name),
                (count,),
                row((_group(name),), (count,), most),
            ),
        )
        for name, count in sorted(came.items(), key=lambda each: -each[1])
    ]
    time = _time(words, asked.span)
    return Calls(
        total=total,
        before=sum(before.values()),
        missed=sums[MISSED],
        missed_before=sum(before.get(name, 0) for name in GROUPS["missed"]),
        answered=share(sums[0], sums[MISSED]),
        heat=_heat(slots),
        over=_over(words, time, slots, GROUP_NAMES),
        outcomes=[line for _, line in outcomes],
        missed_hours=_by_hour(words, slots),
        refused=sums[REFUSED],
        refusals=[line for name, line in outcomes if name in GROUPS["refused"]],
        rings=_rings(connection, words, asked.wanted),
    )


def _rings(connection: Connection, words: Words, wanted: Wanted) -> list[Line]:
    rung = Counter(figures.rings(connection, wanted))
    most = max(rung.values(), default=0)
    return [
        Line(words.maybe(f"reports.result-{name}", name), (count,), row(("rings",), (count,), most))
        for name, count in rung.most_common()
    ]


def _group(outcome: str) -> str:
    return next((name for name, some in GROUPS.items() if outcome in some), "hung-up")


def _heat(slots: Sequence[Slot]) -> list[Heat]:
    counts: Counter[tuple[int, int]] = Counter()
    for each in slots:
        counts[each.day.isoweekday(), each.hour] += each.calls
    most = max(counts.values(), default=0)
    rows = {day: [counts[day, hour] for hour in range(24)] for day in range(1, 8)}
    return [
        Heat(day, tuple((count, shade(count, most)) for count in hours), sum(hours))
        for day, hours in rows.items()
    ]


@dataclass(frozen=True)
class _Time:
    """The columns of a plot over time: what each is of, what it is called, and its label."""

    units: list[Unit]
    names: list[str]
    labels: list[str]


def _time(words: Words, span: Period) -> _Time:
    found = units(span)
    return _Time(found, [when(words, each) for each in found], [_short(words, each) for each in found])


def _over(words: Words, time: _Time, slots: Sequence[Slot], series: Sequence[str]) -> Over:
    """Calls of some groups over time. The slots come in order."""
    places = [GROUP_NAMES.index(name) for name in series]
    values = [[0] * len(places) for _ in time.units]
    column = 0
    for each in slots:
        while each.day > time.units[column].last:
            column += 1
        stack = values[column]
        for at, place in enumerate(places):
            stack[at] += each.groups[place]
    plot = columns(series, values, time.labels, told(words, time.names, series, values))
    rows = tuple((name, tuple(stack)) for name, stack in zip(time.names, values, strict=True) if any(stack))
    return Over(plot, rows, sum(map(sum, values)))


def _by_hour(words: Words, slots: Sequence[Slot]) -> Over:
    """Missed calls by hour of the day."""
    counts = Counter[int]()
    for each in slots:
        counts[each.hour] += each.groups[MISSED]
    values = [[counts[hour]] for hour in range(24)]
    names = [f"{hour:02d}:00–{hour:02d}:59" for hour in range(24)]
    said = told(words, names, ("missed",), values)
    plot = columns(("missed",), values, [str(hour) for hour in range(24)], said)
    rows = tuple((name, (stack[0],)) for name, stack in zip(names, values, strict=True) if stack[0])
    return Over(plot, rows, counts.total())


def when(words: Words, unit: Unit) -> str:
    """What one column of a plot over time is of."""
    if unit.kind == "day":
        return words.short_day(unit.first)
    if unit.kind == "month":
        return f"{words.month(unit.first.month)} {unit.first.year}"
    return words("reports.week", first=words.short_day(unit.first), last=words.short_day(unit.last))


def _short(words: Words, unit: Unit) -> str:
    if unit.kind == "month":
        return words.month(unit.first.month)[:3]
    return f"{unit.first.day} {words.month(unit.first.month)[:3]}"


# -- on call -----------------------------------------------------------------------------------


def _rotas(
    connection: Connection, configuration: Configuration, words: Words, asked: Asked
) -> list[RotaHours]:
    """Hours on call as the report has them: by person only if figures by person are on."""
    wanted = asked.wanted
    if wanted.customer is not None:
        return []  # nobody is on call for one customer
    keys = roster.rota_keys(connection)
    if wanted.rota is not None:
        keys = [key for key in keys if key == wanted.rota]
    elif wanted.numbers is not None:
        mine = {each.rota for each in configuration.number if each.number in wanted.numbers}
        keys = [key for key in keys if key in mine]
    known = people(connection)
    return [_rota(connection, configuration, words, asked, key, known) for key in keys]


def _rota(
    connection: Connection,
    configuration: Configuration,
    words: Words,
    asked: Asked,
    key: str,
    known: Mapping[str, Person],
) -> RotaHours:
    start, end = asked.span.start, asked.span.end
    segments = roster.book(connection, key, start, end).segments(start, end)
    found = on_call(segments, reports.calendar_of(sources(configuration), key))
    most = max((split.total for split in found.rungs.values()), default=0)
    rungs = [_hours(words("reports.rung", n=rung), split, most, None) for rung, split in found.rungs.items()]
    his: list[Hours] = []
    if configuration.reports.per_person:
        longest = max((split.total for split in found.people.values()), default=0)
        his = [_hours(known[one].name, split, longest, known[one]) for one, split in found.people.items()]
    return RotaHours(key, rungs, sorted(his, key=lambda each: each.name.casefold()), found.nobody.total)


def _hours(name: str, split: Split, most: int, person: Person | None) -> Hours:
    seconds = tuple(getattr(split, kind) for kind in KINDS)
    return Hours(name, (*seconds, split.total), row(KINDS, seconds, most), person)

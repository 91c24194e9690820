"""The figures of a period, counted inside the database: what a page of reports draws.

The same as `reports.py` counts one by one, for periods with many calls: a constant number of statements,
each with a row for a group and none for a call. Times to accept are known to the minute.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, case, func, select
from sqlalchemy.sql.elements import KeyedColumnElement

from ivr.tables import calls
from oncall.reports import Period
from oncall.tables import attempts, case_log, cases
from pins.tables import customers
from storage.arithmetic import earliest, hour_of, minute_of, seconds_between

# What an outcome means to whoever reads a report. "" is a call under way, or one whose end was lost.
GROUPS: dict[str, tuple[str, ...]] = {
    "spoke": ("connected", "accepted", "screened", "office"),
    "missed": ("nobody-answered", "call-back", "office-missed", "message", "stand-in"),
    "refused": ("no-pin", "no-contract", "not-covered", "no-urgency", "no-digits", "blocked"),
    "hung-up": ("hung-up", ""),
}


@dataclass(frozen=True)
class Wanted:
    """Of which calls and cases: those of these numbers of ours, of this rota, of this customer; None: all."""

    period: Period
    numbers: tuple[str, ...] | None = None
    rota: str | None = None
    customer: int | None = None


# -- calls -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slot:
    """The calls that began in one hour of the wall clock: how many, and how many of each group."""

    day: date
    hour: int
    calls: int
    groups: tuple[int, ...]


def slots(connection: Connection, wanted: Wanted, zone: ZoneInfo) -> list[Slot]:
    """The calls of the period by hour, in order; hours without any are left out. `groups` as in GROUPS."""
    finer = not _whole_hours(wanted.period, zone)
    unit = minute_of(calls.c.started_at) if finer else hour_of(calls.c.started_at)
    # The last group is the rest.
    told = list(GROUPS.values())[:-1]
    sums = [func.sum(case((calls.c.outcome.in_(some), 1), else_=0)) for some in told]
    query = select(unit, func.count(), *sums).where(*_calls(wanted, wanted.period)).group_by(unit)
    found: dict[tuple[date, int], list[int]] = {}
    for text, *counts in connection.execute(query):
        local = datetime.fromisoformat(f"{text}{'' if finer else ':00'}+00:00").astimezone(zone)
        key = local.date(), local.hour
        # An hour that comes twice, or the minutes of one.
        found[key] = [a + b for a, b in zip(found[key], counts, strict=True)] if key in found else counts
    return [
        Slot(day, hour, total, (*groups, total - sum(groups)))
        for (day, hour), (total, *groups) in sorted(found.items())
    ]


def outcomes(connection: Connection, wanted: Wanted, period: Period) -> dict[str, int]:
    """How often each outcome in another period, for comparison."""
    query = select(calls.c.outcome, func.count()).where(*_calls(wanted, period)).group_by(calls.c.outcome)
    return {outcome or "": count for outcome, count in connection.execute(query)}


def _calls(wanted: Wanted, period: Period) -> Iterator[ColumnElement[bool]]:
    yield calls.c.started_at >= period.start
    yield calls.c.started_at < period.end
    if wanted.numbers is not None:
        yield calls.c.number.in_(wanted.numbers)
    if wanted.customer is not None:
        yield calls.c.customer_id == wanted.customer


def _whole_hours(period: Period, zone: ZoneInfo) -> bool:
    """Whether the zone's clocks differ from UTC by whole hours all along, as nearly all do."""
    step = timedelta(days=15)
    instants = [period.start + each * step for each in range((period.end - period.start) // step + 1)]
    offsets = [at.astimezone(zone).utcoffset() for at in (*instants, period.end)]
    return all(offset is not None and not offset.total_seconds() % 3600 for offset in offsets)


# -- cases -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Taken:
    """How many cases of a level were taken in charge after so many whole minutes (None: not yet), and whether
    that was in time: kept, missed, open, or "" for a case without a deadline.
    """

    level: str
    verdict: str
    minutes: int | None
    count: int


_LEVEL = func.coalesce(cases.c.final_urgency, cases.c.urgency, "")
_ACCEPTED = earliest(cases.c.connected_at, cases.c.taken_at)


def _verdict(at: datetime) -> ColumnElement[str]:
    """As `oncall.reports.promises`: who closes a case has taken it in charge."""
    done = earliest(cases.c.connected_at, cases.c.taken_at, cases.c.closed_at)
    return case(
        (cases.c.due_at.is_(None) | (_LEVEL == ""), ""),
        (func.coalesce(done, at) > cases.c.due_at, "missed"),
        (done.is_not(None), "kept"),
        else_="open",
    )


def taken(connection: Connection, at: datetime, wanted: Wanted) -> list[Taken]:
    """Cases opened in the period by level, verdict as of `at`, and minutes until they were taken."""
    verdict, minutes = _verdict(at), seconds_between(cases.c.opened_at, _ACCEPTED) // 60
    query = (
        # Named like no column: in GROUP BY a column's name comes first.
        select(_LEVEL.label("of_level"), verdict.label("came_out"), minutes.label("after"), func.count())
        .where(*_cases(wanted, cases.c.opened_at))
        .group_by("of_level", "came_out", "after")
    )
    return [
        Taken(level, told, None if spent is None else int(spent), count)
        for level, told, spent, count in connection.execute(query)
    ]


@dataclass(frozen=True)
class Late:
    """A case that was not taken in charge in time."""

    number: str
    level: str
    customer: str | None
    opened_at: datetime
    due_at: datetime
    accepted_at: datetime | None


def late(connection: Connection, at: datetime, wanted: Wanted, limit: int) -> list[Late]:
    """The latest of them, newest first."""
    query = (
        select(
            cases.c.number,
            _LEVEL.label("level"),
            customers.c.name,
            cases.c.opened_at,
            cases.c.due_at,
            cases.c.connected_at,
            cases.c.taken_at,
        )
        .outerjoin(customers, customers.c.id == cases.c.customer_id)
        .where(*_cases(wanted, cases.c.opened_at), _verdict(at) == "missed")
        .order_by(cases.c.opened_at.desc())
        .limit(limit)
    )
    return [
        Late(
            row.number,
            row.level,
            row.name,
            row.opened_at,
            row.due_at,
            min((each for each in (row.connected_at, row.taken_at) if each), default=None),
        )
        for row in connection.execute(query)
    ]


def _cases(wanted: Wanted, when: KeyedColumnElement[datetime]) -> Iterator[ColumnElement[bool]]:
    yield when >= wanted.period.start
    yield when < wanted.period.end
    yield cases.c.merged_into.is_(None)
    if wanted.rota is not None:
        yield cases.c.rota == wanted.rota
    if wanted.numbers is not None and wanted.rota is None:
        of_number = select(calls.c.sid).where(
            calls.c.sid == cases.c.call_sid, calls.c.number.in_(wanted.numbers)
        )
        yield of_number.exists()
    if wanted.customer is not None:
        yield cases.c.customer_id == wanted.customer


# -- customers, technicians' phones -------------------------------------------------------------


@dataclass(frozen=True)
class Worked:
    """What was worked for a customer on cases closed in the period. Minutes; `billed` are to be billed."""

    id: int
    code: str
    name: str
    cases: int
    minutes: int
    prepaid: int
    billed: int


def worked(connection: Connection, wanted: Wanted, limit: int) -> list[Worked]:
    """The customers with most minutes, the most first."""
    minutes = func.sum(cases.c.minutes)
    within = list(_cases(wanted, cases.c.closed_at))
    some = [*within, cases.c.minutes > 0, cases.c.customer_id.is_not(None)]
    most = (
        select(cases.c.customer_id, func.count().label("cases"), minutes.label("minutes"))
        .where(*some)
        .group_by(cases.c.customer_id)
        .order_by(minutes.desc(), cases.c.customer_id)
        .limit(limit)
        .subquery()
    )
    query = (
        select(most.c.customer_id, customers.c.code, customers.c.name, most.c.cases, most.c.minutes)
        .join(customers, customers.c.id == most.c.customer_id)
        .order_by(most.c.minutes.desc(), most.c.customer_id)
    )
    rows = list(connection.execute(query))
    # A case that was reopened is closed more than once: its last closing counts.
    last: dict[int, tuple[int, int, int]] = {}
    told = (
        select(cases.c.id, cases.c.customer_id, case_log.c.details)
        .join(case_log, case_log.c.case_id == cases.c.id)
        .where(*some, case_log.c.act == "closed")
        .where(cases.c.customer_id.in_([row.customer_id for row in rows]))
        .order_by(case_log.c.id)
    )
    for row in connection.execute(told):
        details = row.details or {}
        last[row.id] = row.customer_id, int(details.get("prepaid", 0)), int(details.get("billed", 0))
    prepaid: Counter[int] = Counter()
    billed: Counter[int] = Counter()
    for customer, from_package, to_bill in last.values():
        prepaid[customer] += from_package
        billed[customer] += to_bill
    return [
        Worked(
            row.customer_id,
            row.code,
            row.name,
            row.cases,
            row.minutes,
            prepaid[row.customer_id],
            billed[row.customer_id],
        )
        for row in rows
    ]


def rings(connection: Connection, wanted: Wanted) -> dict[str, int]:
    """How calls to technicians came out; "ringing" for those that have not."""
    result = func.coalesce(attempts.c.result, "ringing")
    query = select(result, func.count()).where(
        attempts.c.asked_at >= wanted.period.start, attempts.c.asked_at < wanted.period.end
    )
    if wanted.rota is not None:
        query = query.join(cases, cases.c.id == attempts.c.case_id).where(cases.c.rota == wanted.rota)
    elif wanted.numbers is not None:
        query = query.join(calls, calls.c.sid == attempts.c.call_sid).where(
            calls.c.number.in_(wanted.numbers)
        )
    if wanted.customer is not None:
        of_customer = select(cases.c.id).where(cases.c.customer_id == wanted.customer)
        query = query.where(attempts.c.case_id.in_(of_customer))
    return {row[0]: row[1] for row in connection.execute(query.group_by(result))}


# -- what is read off them ------------------------------------------------------------------------


@dataclass(frozen=True)
class Middle:
    """Of so many cases: minutes within which half were taken in charge, nine in ten, and all."""

    count: int
    median: int
    p90: int
    worst: int


def middle(found: Sequence[Taken]) -> Middle | None:
    """None if none was taken. As `oncall.reports.spread`, to the minute."""
    minutes = sorted((each.minutes, each.count) for each in found if each.minutes is not None)
    total = sum(count for _, count in minutes)
    if not total:
        return None
    halves = _at_rank(minutes, (total + 1) // 2), _at_rank(minutes, total // 2 + 1)
    ninth = _at_rank(minutes, math.ceil(total * 0.9))
    return Middle(total, round(sum(halves) / 2), ninth, minutes[-1][0])


def _at_rank(minutes: Sequence[tuple[int, int]], rank: int) -> int:
    """The `rank`-th of all, counted from 1."""
    passed = 0
    for each, count in minutes:
        passed += count
        if passed >= rank:
            return each
    return minutes[-1][0]

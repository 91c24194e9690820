"""A report: its rows gathered from the calls, cases, attempts and the rota, and put into figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ivr.records.accounts import Account, CallRow, Line, Talk, account, calls_in, lines_of, talks_in
from ivr.settings import HoursSettings, NumberSettings
from oncall import reports
from oncall.cases import case_rows
from oncall.reports import (
    AttemptRow,
    Calendar,
    CaseRow,
    OnCall,
    Period,
    Promise,
    Spread,
    TooLittleRest,
    Work,
)
from oncall.rota import roster
from oncall.rota.wallclock import instant_of
from oncall.settings import ReportSettings
from pins import customers

NOON, MIDNIGHT = time(12, 0), time(0, 0)
# A working day is looked for no further ahead than this many days.
HORIZON = 30
# A call that has not ended yet, or whose end was lost.
UNDER_WAY = "under way"


@dataclass(frozen=True)
class Sources:
    """What a report goes by: the numbers with their rotas and holidays, the hours, the service's zone."""

    zone: ZoneInfo
    hours: HoursSettings
    numbers: Sequence[NumberSettings]
    settings: ReportSettings


@dataclass(frozen=True)
class RotaReport:
    """The figures of one rota. `urgencies`: cases by the code first stated, "" where none was asked;
    `reclassified`: from which code to which, how often. `people` is empty unless figures by person are on.
    """

    rota: str
    on_call: OnCall
    calls: int
    by_hour: tuple[int, ...]
    by_outcome: dict[str, int]
    cases: int
    urgencies: dict[str, int]
    reclassified: dict[tuple[str, str], int]
    accept: Spread | None
    promises: dict[str, Promise]
    attempts: dict[int, dict[str, int]]
    rest: list[TooLittleRest]


@dataclass(frozen=True)
class Report:
    """`as_of` is when it was made: of a period that goes on, hours on call are as planned."""

    period: Period
    as_of: datetime
    per_person: bool
    night: str
    rotas: list[RotaReport]
    lines: list[Line]
    # Calls to numbers that are no longer configured: no rota is theirs.
    elsewhere: int

    @property
    def accounts(self) -> list[Account]:
        """What each customer's lines come to, in the order of their codes."""
        codes = sorted({line.customer for line in self.lines})
        return [account(code, [line for line in self.lines if line.customer == code]) for code in codes]


def gather(
    connection: Connection, at: datetime, sources: Sources, period: Period, rota: str | None = None
) -> Report:
    """The report of a period, of all rotas or of one. Raises UnknownRota."""
    keys = roster.rota_keys(connection)
    if rota is not None and rota not in keys:
        raise roster.UnknownRota(rota)
    rotas = {number.number: number.rota for number in sources.numbers}
    codes = customers.codes(connection)
    cases = case_rows.cases_of(connection, period, codes)
    rang = case_rows.attempts_of(connection, period)
    calls = calls_in(connection, period, codes, rotas)
    talks = talks_in(connection, period)
    lines = lines_of(period, calls, cases, rang, talks)
    found = [
        _of_rota(connection, at, sources, period, key, calls, cases, rang, talks)
        for key in keys
        if rota in (None, key)
    ]
    elsewhere = 0 if rota is not None else sum(call.rota is None for call in calls)
    kept = [line for line in lines if rota in (None, line.rota)]
    return Report(period, at, sources.settings.per_person, sources.settings.night, found, kept, elsewhere)


def lines(
    connection: Connection, sources: Sources, period: Period, customer: str | None = None
) -> list[Line]:
    """The lines of a period, in order of time: of every customer, or of the one with this code."""
    rotas = {number.number: number.rota for number in sources.numbers}
    codes = customers.codes(connection)
    found = lines_of(
        period,
        calls_in(connection, period, codes, rotas),
        case_rows.cases_of(connection, period, codes),
        case_rows.attempts_of(connection, period),
        talks_in(connection, period),
    )
    return [line for line in found if customer in (None, line.customer)]


def _of_rota(
    connection: Connection,
    at: datetime,
    sources: Sources,
    period: Period,
    key: str,
    calls: list[CallRow],
    cases: list[CaseRow],
    rang: list[AttemptRow],
    talks: list[Talk],
) -> RotaReport:
    calls = [call for call in calls if call.rota == key]
    cases = [case for case in cases if case.rota == key]
    rang = [attempt for attempt in rang if attempt.rota == key]
    talks = [talk for talk in talks if talk.case in {case.number for case in cases}]
    opened = [case for case in cases if period.start <= case.opened_at < period.end and not case.merged]
    changed = [case for case in opened if case.urgency and case.level != case.urgency]
    segments = roster.book(connection, key).segments(period.start, period.end)
    on_call = reports.on_call(segments, calendar_of(sources, key))
    if not sources.settings.per_person:
        on_call = OnCall(on_call.rungs, {}, on_call.nobody)
    return RotaReport(
        rota=key,
        on_call=on_call,
        calls=len(calls),
        by_hour=reports.by_hour((call.started for call in calls), sources.zone),
        by_outcome=reports.counted(call.outcome or UNDER_WAY for call in calls),
        cases=len(opened),
        urgencies=reports.counted(case.urgency or "" for case in opened),
        reclassified=reports.counted((case.urgency or "", case.level or "") for case in changed),
        accept=reports.to_accept(opened),
        promises=reports.promises(opened, at),
        attempts=reports.attempts_by_rung(rang),
        rest=reports.rest(_works(period, cases, rang, talks), working_days(sources, key)),
    )


@dataclass(frozen=True)
class Tired:
    """Somebody could not rest eleven hours in a row after what he did for a rota."""

    rota: str
    found: TooLittleRest


def tired(connection: Connection, sources: Sources, period: Period, rota: str | None = None) -> list[Tired]:
    """What the report says of rest, and nothing else of it; the latest first."""
    works = case_rows.works_of(connection, period)
    works += [
        (talk.rota, Work(talk.technician, talk.start, talk.end)) for talk in talks_in(connection, period)
    ]
    found = []
    for key in roster.rota_keys(connection):
        if rota in (None, key):
            his = [work for of_rota, work in works if of_rota == key]
            found += [Tired(key, each) for each in reports.rest(his, working_days(sources, key))]
    return sorted(found, key=lambda each: each.found.begins, reverse=True)


# -- the calendar of a rota --------------------------------------------------------------------


def _region(sources: Sources, key: str) -> str | None:
    """The holidays of the rota's first number; None: as configured for all."""
    return next((number.holidays for number in sources.numbers if number.rota == key), None)


def calendar_of(sources: Sources, key: str) -> Calendar:
    """Public holidays as they are: a special day on which the office opens is one all the same."""
    plain = sources.hours.model_copy(update={"special_day": []})
    hours = plain.build(sources.zone, _region(sources, key))

    @cache
    def holiday(day: date) -> bool:
        return hours.at(instant_of(day, NOON, sources.zone)).reason == "holiday"

    return Calendar(sources.zone, sources.settings.night, holiday)


def working_days(sources: Sources, key: str) -> Callable[[datetime], datetime | None]:
    """When the first working day after an instant begins: when the office first opens on it."""
    hours = sources.hours.build(sources.zone, _region(sources, key))

    @cache
    def begins(day: date) -> datetime | None:
        midnight = instant_of(day, MIDNIGHT, sources.zone)
        state = hours.at(midnight)
        if not state.pin:
            return midnight
        following = instant_of(day + timedelta(days=1), MIDNIGHT, sources.zone)
        return state.until if state.until is not None and state.until < following else None

    def after(at: datetime) -> datetime | None:
        today = at.astimezone(sources.zone).date()
        days = (begins(today + timedelta(days=ahead)) for ahead in range(HORIZON))
        return next((each for each in days if each is not None and each > at), None)

    return after


def _works(period: Period, cases: list[CaseRow], rang: list[AttemptRow], talks: list[Talk]) -> list[Work]:
    """When technicians were woken or worked: calls they accepted, talks, minutes they noted."""
    found = [
        Work(each.technician, each.asked_at, max(each.pressed_at, each.result_at or each.pressed_at))
        for each in rang
        if each.accepted and each.pressed_at is not None
    ]
    found += [Work(talk.technician, talk.start, talk.end) for talk in talks]
    for case in cases:
        if not case.minutes or case.holder is None or case.closed_at is None:
            continue
        # Nobody notes when he worked: it is taken to begin when he accepted.
        worked = timedelta(minutes=case.minutes)
        start = case.accepted_at or case.closed_at - worked
        if period.start <= start < period.end:
            found.append(Work(case.holder, start, start + worked))
    return found

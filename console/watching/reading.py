"""Reads the metrics off the database and off what this machine's processes have written down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from console.backups.daily import newest
from console.certificate import NOTE as CERTIFICATE
from console.house import House, not_ready
from console.processes.patient import PATIENT
from console.processes.standing_by import snapshot_file
from console.stand_in.publishing import published
from console.watching.heartbeat import FAILURES, SUCCESS
from console.watching.keeping import counted
from console.watching.tracing import DROPPED
from ivr.records import watched as calls
from ivr.tally import EDGES, key_of, labels_of
from oncall import watched as rota
from pins import throttle
from storage import notebook, snapshot
from storage import watched as work
from webhooks.watching import CHECKS, FAILED, REFUSED, TURNS

# A value with the values of its labels; that of a histogram is what `ivr.tally` keeps of a duration.
Sample = tuple[tuple[str, ...], Any]
Samples = Mapping[str, Sequence[Sample]]

TICK = "worker-tick"
_COUNTS = {
    REFUSED: "ivr_requests_refused_total",
    FAILED: "ivr_requests_failed_total",
    CHECKS: "ivr_pin_checks_total",
    FAILURES: "ivr_heartbeat_failures_total",
    DROPPED: "ivr_spans_dropped_total",
}
_MARKS = {
    TICK: "ivr_worker_last_tick_timestamp_seconds",
    SUCCESS: "ivr_heartbeat_last_success_timestamp_seconds",
}
_FROM_ZERO = ((FAILED,), (FAILURES,), (DROPPED,), (REFUSED, "not-believed"))
_SPANS = {TURNS: "ivr_turn_duration_seconds"}


def read(house: House, at: datetime) -> Samples:
    """Every metric that has a value at `at`. Without the database those that this machine knows by itself."""
    found: dict[str, list[Sample]] = {}
    for name, labels, value in _read(house, at):
        found.setdefault(name, []).append((labels, value))
    return found


_Each = Iterator[tuple[str, tuple[str, ...], Any]]


def _read(house: House, at: datetime) -> _Each:
    yield "ivr_build_info", (_version(),), 1
    yield from _of_this_machine(house, at)
    up = not not_ready(house)
    if up:
        try:
            with house.database.read() as connection:
                shared = list(_of_all(connection, house, at))
        except (SQLAlchemyError, OSError):
            up = False
        else:
            yield from shared
    yield "ivr_database_up", (), int(up)


@cache
def _version() -> str:
    try:
        return version("after-hours-ivr")
    except PackageNotFoundError:
        return "unknown"


def _of_this_machine(house: House, at: datetime) -> _Each:
    told = counted(house.configuration)
    for known, names in (("counts", _COUNTS), ("marks", _MARKS), ("spans", _SPANS)):
        for key, value in told[known].items():
            name, labels = labels_of(key)
            if name in names:
                yield names[name], labels, value
    # What has not happened yet is a figure, too: of a count that only begins nobody can tell that it grew.
    for name, *rest in _FROM_ZERO:
        if key_of(name, *rest) not in told["counts"]:
            yield _COUNTS[name], tuple(rest), 0
    for by in ("database", "standby"):
        if key_of(TURNS, "caller", by) not in told["spans"]:
            yield _SPANS[TURNS], ("caller", by), [0] * (len(EDGES) + 2)
    written = snapshot.written_at(snapshot_file(house.configuration))
    yield "ivr_snapshot_age_seconds", (), _age(written, at)
    backup = house.configuration.backup
    if backup.folder:
        yield "ivr_backup_age_seconds", (), _age(newest(house.configuration.folder / backup.folder), at)


def _of_all(connection: Connection, house: House, at: datetime) -> _Each:
    yield from _of_calls(connection, at)
    yield from _of_cases(connection, house, at)
    # Those that calls are rung by: nobody need stand on the ladder of one that is no longer in use.
    rotas = sorted({number.rota for number in house.configuration.number})
    for key, people in rota.on_duty(connection, at, rotas).items():
        yield "ivr_people_on_duty", (key,), people
    for (channel, state), many in rota.sends(connection, at).items():
        yield "ivr_notice_sends_past_day", (channel, state), many
    yield "ivr_notices_given_up_past_day", (), rota.given_up(connection, at)
    for what, many in work.alarms(connection, at).items():
        yield "ivr_alarms_past_day", (what,), many
    yield "ivr_alarms_untold", (), work.untold_alarms(connection)
    waiting = work.waiting(connection, at, PATIENT)
    yield "ivr_due_work_pending", (), waiting.many
    yield "ivr_due_work_lateness_seconds", (), waiting.late
    document = published(connection)
    yield "ivr_stand_in_published", (), int(document is not None)
    if document is not None:
        yield "ivr_stand_in_valid_seconds", (), (document.covers_until - at).total_seconds()
    seen = notebook.read(connection, CERTIFICATE)
    if seen is not None:
        yield "ivr_certificate_expiry_timestamp_seconds", (), seen.content["ends"]


def _of_calls(connection: Connection, at: datetime) -> _Each:
    for outcome, many in calls.outcomes(connection, at).items():
        yield "ivr_calls_past_day", (outcome,), many
    yield "ivr_calls_under_way", (), calls.under_way(connection, at)
    standing = throttle.glance(connection, at)
    yield "ivr_pin_budget_left", ("hour",), max(0, throttle.BUDGET_HOUR - standing.hour)
    yield "ivr_pin_budget_left", ("day",), max(0, throttle.BUDGET_DAY - standing.day)
    for lane, many in throttle.missed_by_lane(connection, at).items():
        yield "ivr_pin_misses_past_day", (lane,), many
    yield "ivr_wake_ups_left", (), calls.wake_ups_left(connection, at)


def _of_cases(connection: Connection, house: House, at: datetime) -> _Each:
    levels = rota.open_cases(connection, at)
    # Also those of which none is open: an alert then sees a case come, and go.
    for level in {*levels, *(each.code for each in house.configuration.urgency.level if each.after_hours)}:
        found = levels.get(level)
        yield "ivr_cases_open", (level,), found.many if found else 0
        yield "ivr_case_oldest_seconds", (level,), (at - found.oldest).total_seconds() if found else 0
        yield "ivr_cases_waiting", (level,), found.waiting if found else 0
        yield "ivr_cases_overdue", (level,), found.overdue if found else 0
    taken = rota.delays(connection, at)
    for name, seconds in (
        ("ivr_first_ring_seconds", taken.to_ring),
        ("ivr_acceptance_seconds", taken.to_acceptance),
    ):
        if seconds:
            yield name, ("median",), seconds[len(seconds) // 2]
            yield name, ("p95",), seconds[min(len(seconds) - 1, len(seconds) * 95 // 100)]
            yield name, ("max",), seconds[-1]


def _age(written: datetime | None, at: datetime) -> float:
    return float("inf") if written is None else max(0.0, (at - written).total_seconds())

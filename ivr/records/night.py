"""The last night at a glance: since when the office has been closed, and what came in since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import Connection, func, select

from ivr.hours import Hours
from ivr.records import heard
from ivr.tables import calls
from ivr.vocabulary import Outcome
from oncall.tables import case_calls, cases
from pins import throttle

# A call may have begun so long before the case that it opened.
BEFORE = timedelta(hours=1)
REFUSED = (
    Outcome.NO_PIN,
    Outcome.NO_CONTRACT,
    Outcome.NOT_COVERED,
    Outcome.NO_URGENCY,
    Outcome.NO_DIGITS,
    Outcome.BLOCKED,
)
# How far back is looked for the office's closing, the likely first.
_LOOKS = (timedelta(days=1), timedelta(days=4), timedelta(days=15), timedelta(days=60))


@dataclass(frozen=True)
class Night:
    """What came in from `since` on. `accepted` counts the cases that were opened, `taken` those that a
    technician took up, `accept` is the median time until he did. `wrong_pins` were keyed since
    `wrong_since`: they are known for a day.
    """

    since: datetime
    calls: int
    outcomes: dict[str, int]
    accepted: int
    taken: int
    accept: timedelta | None
    messages: int
    wrong_pins: int
    wrong_since: datetime

    @property
    def refused(self) -> int:
        return sum(self.outcomes.get(each.value, 0) for each in REFUSED)


def began(hours: Hours, at: datetime) -> datetime | None:
    """When the office closed last for longer than its lunch: the beginning of the night, weekend or holiday
    that goes on at `at`, or that was the last. None if it has not within two months.
    """
    for look in _LOOKS:
        closing: datetime | None = None
        instant = at - look
        before = hours.at(instant)
        while before.until is not None and before.until <= at:
            instant = before.until
            before = hours.at(instant)
            if before.pin and before.reason != "lunch":
                closing = instant
        if closing is not None:
            return closing
    return None


def night(connection: Connection, at: datetime, since: datetime) -> Night:
    """The figures from `since` up to `at`."""
    counted = (
        select(calls.c.outcome, func.count().label("many"))
        .where(calls.c.started_at >= since, calls.c.started_at <= at)
        .group_by(calls.c.outcome)
    )
    outcomes = {row.outcome or "": row.many for row in connection.execute(counted)}
    # By their calls, which an index finds.
    opened = (
        select(cases.c.id, cases.c.opened_at, cases.c.connected_at, cases.c.taken_at)
        .join(case_calls, case_calls.c.case_id == cases.c.id)
        .join(calls, calls.c.sid == case_calls.c.call_sid)
        .where(
            calls.c.started_at >= since - BEFORE,
            cases.c.opened_at >= since,
            cases.c.opened_at <= at,
            cases.c.merged_into.is_(None),
        )
        .distinct()
    )
    found = connection.execute(opened).all()
    waits = [
        (min(instants) - row.opened_at).total_seconds()
        for row in found
        if (instants := [each for each in (row.connected_at, row.taken_at) if each is not None])
    ]
    wrong_since = max(since, at - throttle.DAY)
    return Night(
        since=since,
        calls=sum(outcomes.values()),
        outcomes=outcomes,
        accepted=len(found),
        taken=len(waits),
        accept=timedelta(seconds=round(median(waits))) if waits else None,
        messages=heard.recorded_since(connection, since),
        wrong_pins=throttle.missed_since(connection, wrong_since),
        wrong_since=wrong_since,
    )

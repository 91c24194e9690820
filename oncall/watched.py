"""How cases, people and notices stand, in figures for whoever watches: every look is short, however many
cases there have ever been.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from oncall.rota import rota_book
from oncall.tables import attempts, cases, notice_sends, notices

DAY = timedelta(days=1)
# Cases of a day that are looked at for how long things took: the newest.
MOST = 1000
# An open case whose caller was never asked for an urgency.
NO_URGENCY = "none"


@dataclass(frozen=True)
class OpenCases:
    """Of one urgency: how many are open, since when the oldest is, how many nobody has taken in charge yet,
    and how many of these are beyond their time.
    """

    many: int
    oldest: datetime
    waiting: int
    overdue: int


def open_cases(connection: Connection, at: datetime) -> dict[str, OpenCases]:
    """By the urgency that counts now."""
    rows = connection.execute(
        select(
            cases.c.urgency,
            cases.c.final_urgency,
            cases.c.opened_at,
            cases.c.due_at,
            cases.c.connected_at,
            cases.c.taken_at,
        ).where(cases.c.closed_at.is_(None))
    )
    found: dict[str, OpenCases] = {}
    for row in rows:
        level = row.final_urgency or row.urgency or NO_URGENCY
        waits = row.connected_at is None and row.taken_at is None and row.due_at is not None
        late = waits and row.due_at < at
        known = found.get(level, OpenCases(0, row.opened_at, 0, 0))
        found[level] = OpenCases(
            known.many + 1,
            min(known.oldest, row.opened_at),
            known.waiting + waits,
            known.overdue + late,
        )
    return found


@dataclass(frozen=True)
class Delays:
    """Seconds from the urgency key of a case to its first ring, and to its acceptance, for each case opened
    in the last day that has come so far.
    """

    to_ring: list[float]
    to_acceptance: list[float]


def delays(connection: Connection, at: datetime) -> Delays:
    of_today = (
        select(cases.c.id, cases.c.opened_at, cases.c.connected_at, cases.c.taken_at)
        .where(cases.c.opened_at > at - DAY)
        .order_by(cases.c.opened_at.desc())
        .limit(MOST)
        .subquery()
    )
    rang = (
        select(attempts.c.case_id, func.min(attempts.c.asked_at).label("at"))
        .where(attempts.c.case_id.in_(select(of_today.c.id)))
        .group_by(attempts.c.case_id)
        .subquery()
    )
    rows = connection.execute(
        select(of_today.c.opened_at, of_today.c.connected_at, of_today.c.taken_at, rang.c.at).join_from(
            of_today, rang, of_today.c.id == rang.c.case_id, isouter=True
        )
    ).all()
    taken = [(row.opened_at, [each for each in (row.connected_at, row.taken_at) if each]) for row in rows]
    return Delays(
        sorted((row.at - row.opened_at).total_seconds() for row in rows if row.at),
        sorted((min(ends) - opened).total_seconds() for opened, ends in taken if ends),
    )


def on_duty(connection: Connection, at: datetime, rotas: Iterable[str]) -> dict[str, int]:
    """How many people stand on the ladder of each rota now; nobody on that of one that has no rules yet."""
    near = at + timedelta(seconds=1)
    return {key: len(rota_book.book(connection, key, at - DAY, near).ladder(at)) for key in rotas}


def sends(connection: Connection, at: datetime) -> Mapping[tuple[str, str], int]:
    """Tries to bring notices of the last day, by channel and how each stands."""
    counted: dict[tuple[str, str], int] = defaultdict(int)
    for channel in ("text", "voice", "mail", "service"):
        rows = connection.execute(
            select(notice_sends.c.state, func.count())
            .where(notice_sends.c.channel == channel, notice_sends.c.tried_at > at - DAY)
            .group_by(notice_sends.c.state)
        )
        for state, many in rows:
            counted[channel, state] += many
    return counted


def given_up(connection: Connection, at: datetime) -> int:
    """Notices of the last day that nothing could bring."""
    failed = select(func.count()).where(notices.c.outcome == "failed", notices.c.settled_at > at - DAY)
    return connection.execute(failed).scalar_one()

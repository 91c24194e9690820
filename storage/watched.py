"""How the work that must happen later stands, in figures for whoever watches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, or_, select

from storage.alarms import ALARM
from storage.due import PENDING
from storage.tables import due_work

DAY = timedelta(days=1)
# Beyond this many it is not counted on: nobody need know how many more.
MOST = 10_000


@dataclass(frozen=True)
class Waiting:
    """Work that is due and not done: how much, up to MOST, and for how many seconds the oldest piece has been
    due that nobody is at.
    """

    many: int
    late: float


def waiting(connection: Connection, at: datetime, patient: Collection[str] = ()) -> Waiting:
    """How much is due at `at`, and how late the oldest of it is; that of the kinds `patient` never is."""
    due = select(due_work.c.id).where(due_work.c.state == PENDING, due_work.c.due_at <= at)
    many = connection.execute(select(func.count()).select_from(due.limit(MOST).subquery())).scalar_one()
    oldest = connection.execute(
        select(due_work.c.due_at)
        .where(
            due_work.c.state == PENDING,
            due_work.c.due_at <= at,
            due_work.c.kind.not_in(patient),
            or_(due_work.c.leased_until.is_(None), due_work.c.leased_until <= at),
        )
        .order_by(due_work.c.due_at)
        .limit(1)
    ).scalar()
    return Waiting(many, (at - oldest).total_seconds() if oldest else 0.0)


def alarms(connection: Connection, at: datetime) -> dict[str, int]:
    """Alarms raised in the last day, by what they are about."""
    raised = connection.execute(
        select(due_work.c.payload)
        .where(due_work.c.kind == ALARM, due_work.c.created_at > at - DAY)
        .limit(MOST)
    ).scalars()
    return dict(Counter(str(payload.get("what", "")) for payload in raised))


def untold_alarms(connection: Connection) -> int:
    """Alarms that have not reached the admins yet."""
    waits = select(func.count()).where(due_work.c.kind == ALARM, due_work.c.state == PENDING)
    return connection.execute(waits).scalar_one()

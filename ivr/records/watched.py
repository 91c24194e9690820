"""How calls stand, in figures for whoever watches: of the last day alone, however many there ever were."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from ivr.journal import WAKE_UPS_AN_HOUR
from ivr.tables import calls, wake_ups

DAY = timedelta(days=1)
# A call that goes on for longer has ended without anybody's telling us.
LONGEST = timedelta(hours=4)
UNDER_WAY = "under-way"


def outcomes(connection: Connection, at: datetime) -> dict[str, int]:
    """Calls that began in the last day, by how they came out."""
    counted = (
        select(calls.c.outcome, func.count()).where(calls.c.started_at > at - DAY).group_by(calls.c.outcome)
    )
    return {outcome or UNDER_WAY: many for outcome, many in connection.execute(counted)}


def under_way(connection: Connection, at: datetime) -> int:
    """Callers on the line now."""
    now = select(func.count()).where(calls.c.started_at > at - LONGEST, calls.c.ended_at.is_(None))
    return connection.execute(now).scalar_one()


def wake_ups_left(connection: Connection, at: datetime) -> int:
    """Technicians who may still be woken within this hour for callers without a verified PIN."""
    woken = select(func.count()).where(wake_ups.c.at > at - timedelta(hours=1))
    return max(0, WAKE_UPS_AN_HOUR - connection.execute(woken).scalar_one())

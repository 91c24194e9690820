"""A customer's latest calls: those in which he was recognised by his PIN."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from ivr.journal import CallRecord, record_of
from ivr.tables import calls


def latest(connection: Connection, customer_id: int, limit: int) -> list[CallRecord]:
    """The newest first."""
    his = select(calls).where(calls.c.customer_id == customer_id)
    return [
        record_of(row) for row in connection.execute(his.order_by(calls.c.started_at.desc()).limit(limit))
    ]


def count(connection: Connection, customer_id: int) -> int:
    """How many there are."""
    his = select(func.count()).select_from(calls).where(calls.c.customer_id == customer_id)
    return connection.execute(his).scalar_one()

"""How many cases a customer has."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from oncall.tables import cases


def count(connection: Connection, customer_id: int) -> int:
    """Open and closed ones."""
    his = select(func.count()).select_from(cases).where(cases.c.customer_id == customer_id)
    return connection.execute(his).scalar_one()

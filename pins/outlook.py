"""What is ahead for PINs, for people who see to it in time."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import Connection, func, select

from pins.registry import live
from pins.tables import pins

# A PIN that ends within so long is to be replaced by now: the first reminder is as early.
SOON = timedelta(days=30)


def ending(connection: Connection, today: date, opened: date) -> int:
    """How many PINs that live end soon, and have no other in their place. `opened` is the day on which the
    office last opened.
    """
    soon = pins.c.expires_on <= today + SOON
    query = select(func.count()).select_from(pins)
    return connection.execute(query.where(live(opened), soon, pins.c.replaced_by.is_(None))).scalar_one()

"""A customer to choose while a few letters are typed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from pins.customer_card import clean
from pins.customer_list import LONGEST_TEXT, matches
from pins.tables import customers

MOST = 20


@dataclass(frozen=True)
class Choice:
    code: str
    name: str


def choices(connection: Connection, text: str, limit: int = MOST) -> list[Choice]:
    """The first customers that match, in the order of their names; the first of all for no text."""
    query = select(customers.c.code, customers.c.name).order_by(customers.c.found_by, customers.c.id)
    if text := clean(text)[:LONGEST_TEXT]:
        query = query.where(matches(text))
    return [Choice(row.code, row.name) for row in connection.execute(query.limit(limit))]


def chosen(connection: Connection, text: str) -> Choice | None:
    """The one customer that a text means: his code, `NAME · CODE`, or what only he matches; else None."""
    text = clean(text)[:LONGEST_TEXT]
    for code in (text, text.rpartition("·")[2]):
        query = select(customers.c.code, customers.c.name).where(customers.c.code == code.strip().upper())
        if (row := connection.execute(query).first()) is not None:
            return Choice(row.code, row.name)
    found = choices(connection, text, 2)
    return found[0] if len(found) == 1 else None

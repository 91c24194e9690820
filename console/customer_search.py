"""Finds the customer a screened caller belongs to. Never a list of all: some letters must be known."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select

from pins.customers import clean
from pins.tables import customers

MOST = 5
FEWEST_LETTERS = 3


@dataclass(frozen=True)
class Match:
    code: str
    name: str


@dataclass(frozen=True)
class Found:
    """The first few that match, and whether there are `more`. `short`: too little was asked for."""

    matches: tuple[Match, ...] = ()
    more: bool = False
    short: bool = False


def search(connection: Connection, text: str) -> Found:
    """Customers with exactly this code, or whose code begins with it or whose name contains it; then
    at least three letters or digits of it are needed.
    """
    text = clean(text)[:100]
    exact = connection.execute(
        select(customers.c.code, customers.c.name).where(customers.c.code == text.upper())
    ).first()
    if sum(c.isalnum() for c in text) < FEWEST_LETTERS:
        return Found((Match(*exact),)) if exact else Found(short=True)
    rows = connection.execute(
        select(customers.c.code, customers.c.name)
        .where(
            or_(
                customers.c.code.startswith(text.upper(), autoescape=True),
                # SQLite's lower() knows ASCII alone.
                func.lower(customers.c.name).contains(text.lower(), autoescape=True),
                customers.c.name.contains(text, autoescape=True),
            )
        )
        .order_by(customers.c.code != text.upper(), customers.c.name, customers.c.code)
        .limit(MOST + 1)
    )
    found = [Match(row.code, row.name) for row in rows]
    return Found(tuple(found[:MOST]), more=len(found) > MOST)

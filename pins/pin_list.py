"""PINs as a list: the newest first, narrowed, a page at a time. No digit of any is known here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from pins import customer_list
from pins.registry import PinRecord, live, record_of
from pins.tables import customers, pins

PAGE = 30
# A PIN that ends within so many days: the first reminder is as early.
SOON = timedelta(days=30)


class Which(StrEnum):
    """Which PINs are listed."""

    LIVE = "live"
    # It ends soon, and none has been issued in its place.
    ENDING = "ending"
    # It lives, and never opened a call.
    UNUSED = "unused"
    # It lives beside the one that takes its place.
    OVERLAP = "overlap"
    EXPIRED = "expired"
    REVOKED = "revoked"
    ALL = "all"


@dataclass(frozen=True)
class Listed:
    """A PIN in the list, with the name of the customer who has it."""

    pin: PinRecord
    name: str


@dataclass(frozen=True)
class Page:
    """A page of the list. `before` and `after` are the ids by which its neighbours are asked for."""

    rows: tuple[Listed, ...]
    before: int | None
    after: int | None


def page(
    connection: Connection,
    which: Which,
    day: date,
    opened: date,
    text: str = "",
    *,
    after: int = 0,
    before: int = 0,
    limit: int = PAGE,
) -> Page:
    """The page of PINs issued before the one with the id `after`, or after `before`; without them the newest.

    `text` looks for a customer as in the list of customers, or for words of a label. `opened` is the day on
    which the office last opened. One statement.
    """
    query = (
        select(pins, customers.c.code, customers.c.name)
        .join(customers, customers.c.id == pins.c.customer_id)
        .where(_among(which, day, opened))
    )
    if text := text.strip()[: customer_list.LONGEST_TEXT]:
        # SQLite's lower() knows ASCII alone.
        label = or_(
            func.lower(pins.c.label).contains(text.lower(), autoescape=True),
            pins.c.label.contains(text, autoescape=True),
        )
        query = query.where(or_(customer_list.matches(text), label))
    backwards = bool(before)
    if backwards:
        query = query.where(pins.c.id > before).order_by(pins.c.id)
    else:
        query = query.where(pins.c.id < after) if after else query
        query = query.order_by(pins.c.id.desc())
    found = connection.execute(query.limit(limit + 1)).all()
    more, found = len(found) > limit, found[:limit]
    if backwards:
        found = found[::-1]
    rows = tuple(Listed(record_of(row), row.name) for row in found)
    earlier = more if backwards else bool(after)
    later = backwards or more
    return Page(
        rows, rows[0].pin.id if rows and earlier else None, rows[-1].pin.id if rows and later else None
    )


@dataclass(frozen=True)
class Rotatable:
    """PINs that can be rotated: how many, those of whom want letters by e-mail, and the first by name."""

    count: int
    by_email: int
    first: tuple[Listed, ...]


def rotatable(
    connection: Connection,
    day: date,
    *,
    only: Collection[int] | None = None,
    shorter_than: int | None = None,
    limit: int,
) -> Rotatable:
    """Which PINs `batches.to_rotate` would have: live and not replaced, `only` these, only shorter ones."""
    these = and_(live(day), pins.c.replaced_by.is_(None))
    if only is not None:
        these = and_(these, pins.c.id.in_(list(only)))
    if shorter_than is not None:
        these = and_(these, pins.c.length < shorter_than)
    joined = pins.join(customers, customers.c.id == pins.c.customer_id)
    mailed = func.count().filter(customer_list.by_email())
    many, by_email = connection.execute(select(func.count(), mailed).select_from(joined).where(these)).one()
    query = select(pins, customers.c.code, customers.c.name).select_from(joined).where(these)
    rows = connection.execute(query.order_by(pins.c.id).limit(limit))
    return Rotatable(many, by_email, tuple(Listed(record_of(row), row.name) for row in rows))


def _among(which: Which, day: date, opened: date) -> ColumnElement[bool]:
    expires, replaced = pins.c.expires_on, pins.c.replaced_by
    alive = live(opened)
    return {
        Which.LIVE: alive,
        Which.ENDING: and_(alive, expires <= day + SOON, replaced.is_(None)),
        Which.UNUSED: and_(alive, pins.c.last_used_at.is_(None)),
        Which.OVERLAP: and_(alive, replaced.is_not(None)),
        Which.EXPIRED: and_(pins.c.revoked_at.is_(None), expires < opened),
        Which.REVOKED: pins.c.revoked_at.is_not(None),
        Which.ALL: pins.c.id > 0,
    }[which]

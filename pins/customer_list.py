"""Customers as a list: found by a few letters or a number, narrowed, a page at a time.

A page is found by where the one beside it ended, in the order of names; its cost does not grow with the
pages before it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, false, func, or_, select

from pins.customer_card import SOON, Contract, Standing, clean, folded
from pins.registry import live
from pins.tables import customer_phones, customers, pins

PAGE = 30
# So many letters of what is looked for count.
LONGEST_TEXT = 100


@dataclass(frozen=True)
class Wanted:
    """Which customers: by what was typed, how the contract stands on `day`, and whether they have no PIN that
    lives, the office having opened last on `opened`.
    """

    day: date
    opened: date
    text: str = ""
    standing: Standing | None = None
    no_pin: bool = False


@dataclass(frozen=True)
class Listed:
    """A customer in the list. `used` is when one of his PINs last opened a call."""

    id: int
    code: str
    name: str
    contract: Contract
    phones: tuple[str, ...]
    live_pins: int
    used: datetime | None


@dataclass(frozen=True)
class Page:
    """A page of the list. `before` and `after` are the codes by which its neighbours are asked for, None
    where there is none.
    """

    rows: tuple[Listed, ...]
    before: str | None
    after: str | None


def page(
    connection: Connection, wanted: Wanted, *, after: str = "", before: str = "", limit: int = PAGE
) -> Page:
    """The page after the customer with the code `after`, or before `before`; the first page without them, or
    if that customer is gone. Four statements, however many customers.
    """
    query = select(customers).where(which(wanted))
    backwards = bool(before)
    anchor = connection.execute(
        select(customers.c.found_by, customers.c.id).where(customers.c.code == clean(before or after).upper())
    ).first()
    if anchor is None:
        backwards = False
    else:
        query = query.where(_beyond(anchor.found_by, anchor.id, backwards=backwards))
    order = (customers.c.found_by, customers.c.id)
    query = query.order_by(*(each.desc() for each in order) if backwards else order).limit(limit + 1)
    found: Sequence[Any] = connection.execute(query).all()
    more, found = len(found) > limit, found[:limit]
    if backwards:
        found = found[::-1]
    earlier = more if backwards else anchor is not None
    later = bool(backwards) or more
    return Page(
        _listed(connection, found, wanted.opened),
        found[0].code if found and earlier else None,
        found[-1].code if found and later else None,
    )


def count(connection: Connection, wanted: Wanted) -> int:
    """How many customers that is. Reads them all."""
    return connection.execute(select(func.count()).select_from(customers).where(which(wanted))).scalar_one()


@dataclass(frozen=True)
class Sums:
    """How many customers, how many of them have a PIN that lives, how many are not covered on the day, and
    how many want their letters by e-mail.
    """

    customers: int
    served: int
    uncovered: int
    by_email: int


def sums(connection: Connection, condition: ColumnElement[bool], day: date, opened: date) -> Sums:
    """Of the customers for whose rows the condition holds."""
    many = func.count()
    row = connection.execute(
        select(
            many.label("customers"),
            many.filter(served(opened)).label("served"),
            many.filter(~covered(day)).label("uncovered"),
            many.filter(by_email()).label("by_email"),
        )
        .select_from(customers)
        .where(condition)
    ).one()
    return Sums(row.customers, row.served, row.uncovered, row.by_email)


def names(connection: Connection, condition: ColumnElement[bool], limit: int) -> list[tuple[str, str]]:
    """Code and name of the first of them, in the order of the list."""
    query = (
        select(customers.c.code, customers.c.name)
        .where(condition)
        .order_by(customers.c.found_by, customers.c.id)
    )
    return [(row.code, row.name) for row in connection.execute(query.limit(limit))]


def ids_of(connection: Connection, condition: ColumnElement[bool]) -> list[int]:
    """All of those for whose rows the condition holds, in the order of the list."""
    query = select(customers.c.id).where(condition).order_by(customers.c.found_by, customers.c.id)
    return [row.id for row in connection.execute(query)]


def which(wanted: Wanted) -> ColumnElement[bool]:
    """Whether a row of `customers` is among them."""
    asked: list[ColumnElement[bool]] = []
    if text := wanted.text.strip()[:LONGEST_TEXT]:
        asked.append(matches(text))
    if wanted.standing is not None:
        asked.append(stands(wanted.standing, wanted.day))
    if wanted.no_pin:
        asked.append(~served(wanted.opened))
    return and_(customers.c.id > 0, *asked)


def chosen(these: Collection[int]) -> ColumnElement[bool]:
    """Whether a row is of one of these customers."""
    return customers.c.id.in_(list(these))


def unserved(day: date) -> ColumnElement[bool]:
    """Whether a row is of a customer whose contract holds on `day` and who has no PIN that lives, but for one
    that is being replaced: as `batches.missing`.
    """
    standing = exists().where(pins.c.customer_id == customers.c.id, live(day), pins.c.replaced_by.is_(None))
    return and_(covered(day), ~standing)


def served(opened: date) -> ColumnElement[bool]:
    """Whether a row is of a customer who has a PIN that lives."""
    return exists().where(pins.c.customer_id == customers.c.id, live(opened))


def covered(day: date) -> ColumnElement[bool]:
    """`Contract.covers` in SQL, packages counted."""
    return or_(stands(Standing.RUNNING, day), stands(Standing.MINUTES, day))


def by_email() -> ColumnElement[bool]:
    """`letters.wants_email` in SQL."""
    return and_(customers.c.letters_by_email.is_(True), customers.c.email != "")


def matches(text: str) -> ColumnElement[bool]:
    """Whether every word of the text stands in a customer's name, spoken name or code, or its digits in one
    of his telephone numbers. Neither capitals nor marks matter.
    """
    words = folded(text).split()
    named = and_(*(customers.c.found_by.contains(word, autoescape=True) for word in words))
    digits = "".join(c for c in text if c in "0123456789")
    telephone = len(digits) >= 3 and all(c in "0123456789+ ()./-" for c in text)
    if not telephone:
        return named if words else false()
    # A number as it is written in its country, or with its country: +39 0461…, 0039 0461…, 0461….
    digits = digits.removeprefix("00")
    phone = customer_phones.c.phone.contains(digits, autoescape=True)
    return or_(named, customers.c.id.in_(select(customer_phones.c.customer_id).where(phone)))


def stands(standing: Standing, day: date) -> ColumnElement[bool]:
    """Whether a row's contract stands so on `day`: `Contract.standing` in SQL, but that RUNNING has those in
    it that end soon, too.
    """
    coverage, until, starts = customers.c.coverage, customers.c.contract_until, customers.c.contract_from
    bought = coverage != "none"
    not_ended = or_(until.is_(None), until >= day)
    holds = and_(bought, not_ended, or_(starts.is_(None), starts <= day))
    left = func.coalesce(customers.c.minutes_left, 0)
    return {
        Standing.RUNNING: and_(holds, coverage == "contract"),
        Standing.ENDING: and_(holds, coverage == "contract", until <= day + SOON),
        Standing.ENDED: and_(bought, until < day),
        Standing.AHEAD: and_(bought, not_ended, starts > day),
        Standing.NONE: coverage == "none",
        Standing.MINUTES: and_(holds, coverage == "prepaid", left > 0),
        Standing.NO_MINUTES: and_(holds, coverage == "prepaid", left <= 0),
    }[standing]


# -- small parts -------------------------------------------------------------------------------


def _beyond(found_by: str, row_id: int, *, backwards: bool) -> ColumnElement[bool]:
    key, number = customers.c.found_by, customers.c.id
    if backwards:
        return or_(key < found_by, and_(key == found_by, number < row_id))
    return or_(key > found_by, and_(key == found_by, number > row_id))


def _listed(connection: Connection, rows: Sequence[Any], opened: date) -> tuple[Listed, ...]:
    found = [row.id for row in rows]
    phones: dict[int, list[str]] = {}
    numbers = select(customer_phones).where(customer_phones.c.customer_id.in_(found))
    for customer_id, phone in connection.execute(numbers.order_by(customer_phones.c.phone)):
        phones.setdefault(customer_id, []).append(phone)
    query = (
        select(pins.c.customer_id, func.count().filter(live(opened)), func.max(pins.c.last_used_at))
        .where(pins.c.customer_id.in_(found))
        .group_by(pins.c.customer_id)
    )
    of_pins = {customer_id: (many, used) for customer_id, many, used in connection.execute(query)}
    return tuple(
        Listed(
            row.id,
            row.code,
            row.name,
            Contract(row.coverage, row.contract_from, row.contract_until, row.minutes_left),
            tuple(phones.get(row.id, ())),
            *of_pins.get(row.id, (0, None)),
        )
        for row in rows
    )

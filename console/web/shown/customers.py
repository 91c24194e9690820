"""What the page of a customer shows, gathered in one reading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from console import issuing
from console.house import House
from console.web.actors import Actors, actors
from ivr.journal import CallRecord
from ivr.records import customer_calls
from oncall.cases import case_list, customer_cases
from oncall.cases.cases import Case
from pins import customers, registry
from pins.customers import Customer
from pins.registry import PinRecord
from storage import audit
from storage.audit import Act

# So many of each on the page of the customer.
LATEST = 10
# PINs that no longer open anything are listed up to so many.
MOST_DEAD = 10
# Acts on one page of his history.
ACTS = 50


@dataclass(frozen=True)
class One:
    """A customer with what belongs to him; PINs that live come first, then the newest."""

    customer: Customer
    pins: tuple[tuple[PinRecord, str], ...]
    live: int
    calls: list[CallRecord]
    cases: list[Case]
    acts: list[Act]
    actors: Actors


@dataclass(frozen=True)
class History:
    """Acts on his file, the newest first. `before` asks for those before them, None if there are none."""

    customer: Customer
    acts: list[Act]
    actors: Actors
    before: int | None


@dataclass(frozen=True)
class Belongings:
    """How much would go with him."""

    customer: Customer
    pins: int
    cases: int
    calls: int


def one(connection: Connection, house: House, at: datetime, code: str) -> One:
    """Raises UnknownCustomer."""
    customer = customers.customer(connection, code)
    opened = issuing.last_opening(house.configuration, at)
    found = [(pin, pin.status(opened)) for pin in registry.all_pins(connection, customer.code)]
    alive = [each for each in found if each[1] in ("active", "overlap")]
    dead = [each for each in found if each[1] not in ("active", "overlap")]
    return One(
        customer,
        (*alive[::-1], *dead[::-1][:MOST_DEAD]),
        len(alive),
        customer_calls.latest(connection, customer.id, LATEST),
        case_list.page(connection, case_list.Wanted("all", customers=[customer.id]), size=LATEST).cases,
        audit.acts(connection, [customers.subject(customer.id)], limit=LATEST),
        actors(connection),
    )


def history(connection: Connection, code: str, before: int) -> History:
    """The acts before the one with the id `before`; 0: the newest. Raises UnknownCustomer."""
    customer = customers.customer(connection, code)
    found = audit.acts(connection, [customers.subject(customer.id)], limit=ACTS + 1, before=before or None)
    shown = found[:ACTS]
    return History(customer, shown, actors(connection), shown[-1].id if len(found) > ACTS else None)


def belongings(connection: Connection, code: str) -> Belongings:
    """Raises UnknownCustomer."""
    customer = customers.customer(connection, code)
    return Belongings(
        customer,
        len(registry.all_pins(connection, customer.code)),
        customer_cases.count(connection, customer.id),
        customer_calls.count(connection, customer.id),
    )

"""Verbs on customers and their contracts. Each takes a Connection, the actor and `at`, and never commits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Unpack

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from pins.customer_card import (
    COVERAGES,
    LANGUAGES,
    Card,
    Changes,
    Contract,
    Fault,
    Site,
    card_of,
    changed,
    clean,
    code_for,
    differences,
    faults,
    found_by,
)
from pins.tables import customer_phones, customer_sites, customers
from storage import audit
from storage.prepared import Prepared

__all__ = ["COVERAGES", "LANGUAGES", "Contract", "Site", "clean"]


class RegistryRefusal(Exception):
    """What was asked of the registry cannot be; nothing was changed. The text says why."""


class UnknownCustomer(RegistryRefusal):
    def __init__(self, code: str) -> None:
        super().__init__(f"there is no customer {code!r}")


class FieldRefused(RegistryRefusal):
    """A field of a customer's file holds what it cannot."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.why)
        self.fault = fault


class CodeTaken(RegistryRefusal):
    def __init__(self, code: str) -> None:
        super().__init__(f"there is a customer {code} already")
        self.code = code


class PhoneTaken(RegistryRefusal):
    def __init__(self, phone: str, code: str) -> None:
        super().__init__(f"{phone} stands on the file of customer {code} already")
        self.phone, self.code = phone, code


@dataclass(frozen=True, kw_only=True)
class Customer(Card):
    """A customer: what stands on his file, and the id that nothing changes."""

    id: int


# What a new customer has, if nothing else is said.
AT_FIRST = Contract()


def subject(customer_id: int) -> str:
    """How the audit names a customer: by his id, which says nothing of him once he is erased."""
    return f"customer:{customer_id}"


def add_customer(
    connection: Connection,
    actor: str,
    at: datetime,
    name: str,
    *,
    code: str | None = None,
    spoken_name: str | None = None,
    language: str | None = None,
    contract: Contract = AT_FIRST,
    phones: Sequence[str] = (),
    sites: Sequence[Site] = (),
    address: str = "",
    email: str = "",
    letters_by_email: bool = False,
    notes: str = "",
) -> Customer:
    """Add a customer; without `code` one is made of the name.

    Raises CodeTaken, PhoneTaken, or RegistryRefusal for a malformed value; then nothing is written.
    """
    if code is None:
        taken = connection.execute(select(customers.c.code)).scalars()
        code = code_for(clean(name), set(taken))
    card = card_of(
        {
            "code": code,
            "name": name,
            "spoken_name": spoken_name,
            "language": language,
            "coverage": contract.coverage,
            "contract_from": contract.starts,
            "contract_until": contract.until,
            "minutes": contract.minutes_left,
            "phones": phones,
            "sites": sites,
            "address": address,
            "email": email,
            "letters_by_email": letters_by_email,
            "notes": notes,
        }
    )
    _check(connection, card)
    write(connection, actor, at, added=[card])
    return customer(connection, card.code)


def change(
    connection: Connection, actor: str, at: datetime, code: str, /, **fields: Unpack[Changes]
) -> Customer:
    """Change these fields of a customer; a list is replaced whole. To change nothing is no act.

    Raises UnknownCustomer, CodeTaken, PhoneTaken, or RegistryRefusal for a malformed value; then nothing
    is written.
    """
    return _change(connection, actor, at, code, fields)


def end(
    connection: Connection, actor: str, at: datetime, code: str, on: date, reason: str | None = None
) -> Customer:
    """End the contract: `on` is its last day. PINs stay; a call after it is refused, and told why.

    Raises UnknownCustomer, or RegistryRefusal if it would end before it starts.
    """
    return _change(connection, actor, at, code, {"contract_until": on}, "customer.end", reason)


def _change(
    connection: Connection,
    actor: str,
    at: datetime,
    code: str,
    fields: Mapping[str, Any],
    act: str = "customer.change",
    reason: str | None = None,
) -> Customer:
    connection.execute(_LOCKED, {"wanted": code.upper()})
    before = customer(connection, code)
    after = changed(before, fields)
    if not differences(before, after):
        return before
    _check(connection, after, before)
    write(connection, actor, at, changed=[(before, after)], act=act, reason=reason)
    return customer(connection, after.code)


# Whoever changes a customer reads him first. key_share: calls that point to him are not held up.
_LOCKED = (
    select(customers.c.id).where(customers.c.code == bindparam("wanted")).with_for_update(key_share=True)
)


def _check(connection: Connection, card: Card, before: Customer | None = None) -> None:
    """Raises for what is wrong with the card, by itself or beside those of others."""
    for fault in faults(card):
        raise FieldRefused(fault)
    own = before.id if before else None
    same_code = connection.execute(select(customers.c.id).where(customers.c.code == card.code)).scalar()
    if same_code not in (None, own):
        raise CodeTaken(card.code)
    for phone in card.phones:
        taken = customer_of_phone(connection, phone)
        if taken and not (before and phone in before.phones):
            raise PhoneTaken(phone, taken)


# -- writing -----------------------------------------------------------------------------------

_CHANGED = [column.name for column in customers.c if column.name not in ("id", "created_at")]
_CHANGE = (
    update(customers)
    .where(customers.c.id == bindparam("customer"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGED})
)
_NO_PHONES = delete(customer_phones).where(customer_phones.c.customer_id == bindparam("customer"))
_NO_SITES = delete(customer_sites).where(customer_sites.c.customer_id == bindparam("customer"))


def write(
    connection: Connection,
    actor: str,
    at: datetime,
    *,
    added: Sequence[Card] = (),
    changed: Sequence[tuple[Customer, Card]] = (),
    act: str = "customer.change",
    reason: str | None = None,
) -> None:
    """Write cards that were checked, with an act of the audit for each. Few statements, however many."""
    if added:
        connection.execute(insert(customers), [{**_columns(card), "created_at": at} for card in added])
    if changed:
        rows = [
            {"customer": before.id} | {f"new_{name}": value for name, value in _columns(after).items()}
            for before, after in changed
        ]
        connection.execute(_CHANGE, rows)
        # All first: what leaves one file may come onto another.
        connection.execute(_NO_PHONES, [{"customer": before.id} for before, _ in changed])
        connection.execute(_NO_SITES, [{"customer": before.id} for before, _ in changed])
    ids = _ids(connection, [card.code for card in added])
    written: list[tuple[int, Customer | None, Card]] = [(ids[card.code], None, card) for card in added]
    written += [(before.id, before, after) for before, after in changed]
    phones = [{"customer_id": id_, "phone": phone} for id_, _, card in written for phone in card.phones]
    sites = [
        {"customer_id": id_, "name": site.name, "address": site.address}
        for id_, _, card in written
        for site in card.sites
    ]
    for table, rows in ((customer_phones, phones), (customer_sites, sites)):
        if rows:
            connection.execute(insert(table), rows)
    why = {"reason": reason} if reason else {}
    acts = [
        (act if before else "customer.add", subject(id_), {**differences(before, card), **why})
        for id_, before, card in written
    ]
    audit.record_many(connection, actor, at, acts)


def _columns(card: Card) -> dict[str, Any]:
    return {
        "code": card.code,
        "name": card.name,
        "spoken_name": card.spoken_name,
        "language": card.language,
        "coverage": card.contract.coverage,
        "contract_from": card.contract.starts,
        "contract_until": card.contract.until,
        "minutes_left": card.contract.minutes_left,
        "address": card.address,
        "email": card.email,
        "letters_by_email": card.letters_by_email,
        "notes": card.notes,
        "found_by": found_by(card),
    }


def _ids(connection: Connection, added: Sequence[str]) -> dict[str, int]:
    """The ids of those just added, by code."""
    if len(added) == 1:
        one = connection.execute(select(customers.c.id).where(customers.c.code == added[0])).scalar_one()
        return {added[0]: one}
    return {code: customer_id for customer_id, code in codes(connection).items()} if added else {}


# -- reading -----------------------------------------------------------------------------------


def customer(connection: Connection, code: str) -> Customer:
    """The customer with this code (case does not matter). Raises UnknownCustomer."""
    # No database is asked for what no database takes.
    known = select(customers).where(customers.c.code == clean(code).upper())
    row = connection.execute(known).first()
    if row is None:
        raise UnknownCustomer(code)
    return _customer(connection, row)


def all_customers(connection: Connection) -> list[Customer]:
    """Every customer, by code."""
    phones: dict[int, list[str]] = {}
    for customer_id, phone in connection.execute(select(customer_phones)):
        phones.setdefault(customer_id, []).append(phone)
    sites: dict[int, list[Site]] = {}
    for customer_id, name, address in connection.execute(select(customer_sites)):
        sites.setdefault(customer_id, []).append(Site(name, address))
    rows = connection.execute(select(customers).order_by(customers.c.code))
    return [_of_row(row, phones.get(row.id, ()), sites.get(row.id, ())) for row in rows]


def some(connection: Connection, *, after: int, limit: int) -> list[Customer]:
    """The next ones after this id, in the order in which they were added. Three statements."""
    rows = connection.execute(
        select(customers).where(customers.c.id > after).order_by(customers.c.id).limit(limit)
    ).all()
    these = [row.id for row in rows]
    phones: dict[int, list[str]] = {}
    for found in connection.execute(select(customer_phones).where(customer_phones.c.customer_id.in_(these))):
        phones.setdefault(found.customer_id, []).append(found.phone)
    sites: dict[int, list[Site]] = {}
    for place in connection.execute(select(customer_sites).where(customer_sites.c.customer_id.in_(these))):
        sites.setdefault(place.customer_id, []).append(Site(place.name, place.address))
    return [_of_row(row, phones.get(row.id, ()), sites.get(row.id, ())) for row in rows]


def codes(connection: Connection) -> dict[int, str]:
    """Every customer's code, by id."""
    return {row.id: row.code for row in connection.execute(select(customers.c.id, customers.c.code))}


def names(connection: Connection, ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Code and name of each of these customers, by id."""
    query = select(customers.c.id, customers.c.code, customers.c.name)
    rows = connection.execute(query.where(customers.c.id.in_(set(ids))))
    return {row.id: (row.code, row.name) for row in rows}


_BY_PHONE = Prepared(
    select(customers.c.code)
    .join(customer_phones, customer_phones.c.customer_id == customers.c.id)
    .where(customer_phones.c.phone == bindparam("phone"))
)


def customer_of_phone(connection: Connection, phone: str) -> str | None:
    """The code of the customer on whose file `phone` stands, or None."""
    code: str | None = _BY_PHONE.scalar(connection, {"phone": phone})
    return code


def all_phones(connection: Connection) -> set[str]:
    """Every number on a file."""
    return set(connection.execute(select(customer_phones.c.phone)).scalars())


_PHONES_OF = (
    select(customer_phones.c.phone)
    .where(customer_phones.c.customer_id == bindparam("customer"))
    .order_by(customer_phones.c.phone)
)


def phones_of(connection: Connection, customer_id: int) -> list[str]:
    """The numbers on a customer's file."""
    return list(connection.execute(_PHONES_OF, {"customer": customer_id}).scalars())


def code_of(connection: Connection, customer_id: int) -> str | None:
    """His code; None if there is no such customer."""
    return connection.execute(select(customers.c.code).where(customers.c.id == customer_id)).scalar()


def name_of(connection: Connection, customer_id: int) -> str | None:
    """His name as it is written; None if there is no such customer."""
    return connection.execute(select(customers.c.name).where(customers.c.id == customer_id)).scalar()


def spoken_name(connection: Connection, customer_id: int) -> str | None:
    """How his name is said; None if there is no such customer."""
    return connection.execute(select(customers.c.spoken_name).where(customers.c.id == customer_id)).scalar()


# -- small parts -------------------------------------------------------------------------------


def _customer(connection: Connection, row: Row[tuple[object, ...]]) -> Customer:
    places = select(customer_sites.c.name, customer_sites.c.address)
    found = connection.execute(places.where(customer_sites.c.customer_id == row.id))
    sites = [Site(name, address) for name, address in found]
    return _of_row(row, phones_of(connection, row.id), sites)


def _of_row(row: Row[tuple[object, ...]], phones: Iterable[str], sites: Iterable[Site]) -> Customer:
    return Customer(
        id=row.id,
        code=row.code,
        name=row.name,
        spoken_name=row.spoken_name,
        language=row.language,
        contract=Contract(row.coverage, row.contract_from, row.contract_until, row.minutes_left),
        # By their characters, whatever order the database prefers.
        phones=tuple(sorted(phones)),
        sites=tuple(sorted(sites, key=lambda site: site.name)),
        address=row.address,
        email=row.email,
        letters_by_email=row.letters_by_email,
        notes=row.notes,
    )

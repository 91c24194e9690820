"""Customers, contracts and PINs: the verbs against a real database, and what is never written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from making import (
    ACTOR,
    NIGHT,
    PEPPER,
    SECOND_PEPPER,
    everything_written,
    fresh_database,
    opened_at,
    pin_settings,
)
from sqlalchemy import Connection, select, update

from ivr.vocabulary import Call, Carried, LegReceived, Received
from pins import customers, registry, tables
from pins.customers import Contract, UnknownCustomer
from pins.index import PinIndex
from pins.registry import NewPin, PinRevokedAlready, PinUsedBefore, UnknownPin
from storage import audit
from storage.engine import Database

INDEX = PinIndex(pin_settings())
SECRET = "38205917"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened_at(database_url) as database:
        yield database


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        yield connection


@pytest.fixture
def acme(connection: Connection) -> Connection:
    add(connection, "Acme S.r.l.", code="ACME", phones=["+393471112201"])
    return connection


def add(connection: Connection, name: str, **more: object) -> customers.Customer:
    return customers.add_customer(connection, ACTOR, NIGHT, name, **more)  # type: ignore[arg-type]


def new(pin: str = SECRET, index: PinIndex = INDEX) -> NewPin:
    return NewPin(pin, tuple(index.digests(pin)))


def issue(connection: Connection, pin: str = SECRET, code: str = "ACME", **more: date) -> int:
    return registry.issue(connection, ACTOR, NIGHT, code, new(pin), **more)  # type: ignore[arg-type]


# -- PINs ----------------------------------------------------------------------------------------


def test_an_issued_pin_is_found_with_its_customer(acme: Connection) -> None:
    pin_id = issue(acme, expires=date(2026, 12, 31))
    found = registry.find_pin(acme, INDEX.digests(SECRET))
    assert found is not None
    assert (found.pin_id, found.code, found.spoken_name, found.revoked) == (
        pin_id,
        "ACME",
        "Acme S.r.l.",
        False,
    )
    assert found.expires_on == date(2026, 12, 31)
    assert found.contract == Contract()
    assert registry.find_pin(acme, INDEX.digests("38205918")) is None
    assert registry.find_pin(acme, INDEX.digests("3820591")) is None
    assert registry.find_pin(acme, []) is None


def test_leading_zeros_are_part_of_a_pin(acme: Connection) -> None:
    issue(acme, "00471926")
    assert registry.find_pin(acme, INDEX.digests("00471926"))
    assert registry.find_pin(acme, INDEX.digests("471926")) is None


def test_a_pin_issued_under_an_older_pepper_is_still_found(acme: Connection) -> None:
    issue(acme)
    newer = PinIndex(pin_settings(PEPPER, SECOND_PEPPER))
    found = registry.find_pin(acme, newer.digests(SECRET))
    assert found is not None
    registry.issue(acme, ACTOR, NIGHT, "ACME", new("90385714", newer))
    by_id = select(tables.pins.c.key_version).order_by(tables.pins.c.id)
    versions = [row.key_version for row in acme.execute(by_id)]
    assert versions == [1, 2]
    assert registry.find_pin(acme, newer.digests("90385714"))
    # The old keys alone do not find what the new ones wrapped.
    assert registry.find_pin(acme, INDEX.digests("90385714")) is None


def test_a_pin_is_never_issued_twice(acme: Connection) -> None:
    pin_id = issue(acme)
    with pytest.raises(PinUsedBefore):
        issue(acme)
    registry.revoke(acme, ACTOR, NIGHT, pin_id)
    with pytest.raises(PinUsedBefore):
        issue(acme)
    # Nor when the keys have been changed since.
    newer = PinIndex(pin_settings(PEPPER, SECOND_PEPPER))
    with pytest.raises(PinUsedBefore):
        registry.issue(acme, ACTOR, NIGHT, "ACME", new(SECRET, newer))
    assert len(registry.all_pins(acme)) == 1


def test_a_pin_needs_a_customer_but_no_contract(connection: Connection) -> None:
    with pytest.raises(UnknownCustomer):
        issue(connection)
    add(connection, "Malga Fosca", code="MALGA", contract=Contract(until=date(2020, 12, 31)))
    assert issue(connection, code="malga")


def test_a_revoked_pin_is_found_as_revoked(acme: Connection) -> None:
    pin_id = issue(acme)
    registry.revoke(acme, ACTOR, NIGHT, pin_id, "lost")
    found = registry.find_pin(acme, INDEX.digests(SECRET))
    assert found is not None
    assert found.revoked
    row = acme.execute(select(tables.pins)).one()
    assert (row.revoked_at, row.revoked_by, row.revoke_reason) == (NIGHT, ACTOR, "lost")
    with pytest.raises(PinRevokedAlready):
        registry.revoke(acme, ACTOR, NIGHT, pin_id)
    with pytest.raises(UnknownPin):
        registry.revoke(acme, ACTOR, NIGHT, pin_id + 1)


@pytest.mark.parametrize(
    ("expires", "opened", "expired"),
    [
        (None, "2026-03-10", False),
        ("2026-03-10", "2026-03-09", False),
        # Its last day is over, but nobody could give the customer another one yet.
        ("2026-03-10", "2026-03-10", False),
        ("2026-03-10", "2026-03-11", True),
        # The last day is a Friday: it still works until Monday's opening.
        ("2026-03-13", "2026-03-13", False),
        ("2026-03-13", "2026-03-16", True),
    ],
)
def test_a_pin_expires_when_the_office_next_opens(
    acme: Connection, expires: str | None, opened: str, expired: bool
) -> None:
    pin_id = issue(acme)
    last = date.fromisoformat(expires) if expires else None
    acme.execute(update(tables.pins).where(tables.pins.c.id == pin_id).values(expires_on=last))
    found = registry.find_pin(acme, INDEX.digests(SECRET))
    assert found is not None
    assert found.expired(date.fromisoformat(opened)) is expired
    (record,) = registry.all_pins(acme)
    assert record.status(date.fromisoformat(opened)) == ("expired" if expired else "active")


def test_records_of_pins_have_no_digits(acme: Connection) -> None:
    add(acme, "Other", code="OTHER")
    pin_id = issue(acme)
    issue(acme, "90385714", "OTHER")
    registry.used(acme, NIGHT, pin_id)
    first, second = registry.all_pins(acme)
    assert (first.customer, first.last_used, first.issued_by) == ("ACME", NIGHT, ACTOR)
    assert (second.customer, second.last_used) == ("OTHER", None)
    assert registry.all_pins(acme, "other") == [second]
    with pytest.raises(UnknownCustomer):
        registry.all_pins(acme, "nobody")
    assert SECRET not in repr(first)


def test_revoked_is_what_a_pin_is_first(acme: Connection) -> None:
    pin_id = issue(acme, expires=date(2020, 1, 1))
    registry.revoke(acme, ACTOR, NIGHT, pin_id)
    (record,) = registry.all_pins(acme)
    assert record.status(date(2026, 3, 10)) == "revoked"


def test_the_next_pin_is_as_long_as_the_longest_live_one(acme: Connection) -> None:
    assert registry.length_of_next(acme) == 8
    assert registry.longest_live(acme) == 8
    long = issue(acme, "382059171")
    issue(acme, "90385714")
    assert registry.length_of_next(acme) == 9
    registry.revoke(acme, ACTOR, NIGHT, long)
    assert (registry.length_of_next(acme), registry.longest_live(acme)) == (8, 8)
    assert registry.live_pins(acme) == 1


def test_the_thousand_and_first_live_pin_is_longer(acme: Connection) -> None:
    owner = customers.customer(acme, "ACME").id
    rows = [
        {
            "customer_id": owner,
            "digest": number.to_bytes(32, "big"),
            "key_version": 1,
            "params_version": 1,
            "length": 8,
            "issued_at": NIGHT,
            "issued_by": ACTOR,
        }
        for number in range(999)
    ]
    acme.execute(tables.pins.insert(), rows)
    assert registry.length_of_next(acme) == 8
    issue(acme)
    assert registry.length_of_next(acme) == 9


def test_every_act_is_in_the_audit(acme: Connection) -> None:
    pin_id = issue(acme)
    registry.revoke(acme, ACTOR, NIGHT + timedelta(hours=1), pin_id, "lost")
    found = [(act.act, act.subject, (act.details or {}).get("reason")) for act in audit.acts(acme)]
    assert found == [
        ("pin.revoke", f"pin:{pin_id}", "lost"),
        ("pin.issue", f"pin:{pin_id}", ""),
        ("customer.add", f"customer:{customers.customer(acme, 'ACME').id}", None),
    ]


# -- what is never written -----------------------------------------------------------------------


def test_no_row_and_no_file_holds_the_digits_of_a_pin(tmp_path: Path) -> None:
    drawn = registry.draw(INDEX, 8)
    with fresh_database(tmp_path) as database, database.write() as connection:
        add(connection, "Acme", code="ACME")
        pin_id = registry.issue(connection, ACTOR, NIGHT, "ACME", drawn, label="reception")
        registry.used(connection, NIGHT, pin_id)
        registry.revoke(connection, ACTOR, NIGHT, pin_id, "lost")
    written = everything_written(tmp_path)
    assert b"reception" in written
    raw = drawn.pin.encode()
    for hidden in (raw, raw[::-1], raw.hex().encode(), int(drawn.pin).to_bytes(4, "big")):
        assert hidden not in written


def test_no_repr_shows_the_digits_of_a_pin() -> None:
    got = Received("CA1", "+393471112201", "+390461825060", 1, digits=SECRET)
    leg = LegReceived("CA2", Carried(Call("CA1", "", "", "it"), 1), 1, digits=SECRET)
    for value in (new(), got, leg):
        assert SECRET not in repr(value)
        assert SECRET not in f"{value} {[value]}"

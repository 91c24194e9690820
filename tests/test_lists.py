"""Customers and PINs as lists, on both databases: what SQL says is what the rules say; pages fit together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import pytest
from making import ACTOR, NIGHT, opened_at, pin_settings
from sqlalchemy import Connection, select

from pins import batches, customer_card, customer_list, customers, pin_list, registry
from pins.customer_card import Contract, Standing
from pins.customer_list import Wanted
from pins.index import PinIndex
from pins.letters import wants_email
from pins.pin_list import Which
from pins.tables import customers as rows

TODAY = NIGHT.date()
INDEX = PinIndex(pin_settings())
CONTRACTS = [
    Contract(coverage, starts, until, minutes)
    for coverage in ("contract", "prepaid", "none")
    for starts in (None, TODAY, TODAY + timedelta(days=1))
    for until in (
        None,
        TODAY + timedelta(days=1),
        TODAY + customer_card.SOON,
        TODAY + customer_card.SOON + timedelta(days=1),
        TODAY + timedelta(days=500),
    )
    for minutes in (None, 0, 5)
] + [
    Contract(coverage, None, until)
    for coverage in ("contract", "prepaid", "none")
    for until in (TODAY, TODAY - timedelta(days=1))
]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with opened_at(database_url) as database, database.write() as connection:
        yield connection


def fill(connection: Connection) -> None:
    """A customer for each contract, every third with a PIN, of which some are over, replaced, revoked."""
    for number, contract in enumerate(CONTRACTS):
        name = f"{'éèà'[number % 3]} nome {number % 11}"
        fields = {"email": "a@example.net" if number % 2 else "", "letters_by_email": number % 4 == 1}
        customers.add_customer(
            connection,
            ACTOR,
            NIGHT,
            name,
            code=f"C{number}",
            contract=contract,
            **fields,  # type: ignore[arg-type]
        )
        if number % 3 == 0:
            expires = (None, TODAY, TODAY - timedelta(days=1))[number // 3 % 3]
            new = registry.draw(INDEX, 8 + number % 2)
            pin = registry.issue(connection, ACTOR, NIGHT, f"C{number}", new, expires=expires)
            if number % 5 == 0:
                registry.revoke(connection, ACTOR, NIGHT, pin)
            elif number % 7 == 0 and expires is None:
                registry.rotate(connection, ACTOR, NIGHT, pin, registry.draw(INDEX, 9), 3, TODAY)


def codes(connection: Connection, condition: object) -> set[str]:
    return set(connection.execute(select(rows.c.code).where(condition)).scalars())  # type: ignore[arg-type]


def test_how_a_contract_stands(connection: Connection) -> None:
    fill(connection)
    everybody = customers.all_customers(connection)
    for standing in Standing:
        also = {Standing.ENDING} if standing is Standing.RUNNING else set()
        found = codes(connection, customer_list.which(Wanted(TODAY, TODAY, standing=standing)))
        assert found == {
            each.code for each in everybody if each.contract.standing(TODAY) in {standing, *also}
        }
        assert found
    assert codes(connection, customer_list.covered(TODAY)) == {
        each.code for each in everybody if each.contract.covers(TODAY, prepaid_counts=True)
    }


def test_who_has_no_pin_and_what_they_are_together(connection: Connection) -> None:
    fill(connection)
    everybody = customers.all_customers(connection)
    unserved = codes(connection, customer_list.unserved(TODAY))
    assert unserved == {each.code for each in batches.missing(connection, TODAY)}
    sums = customer_list.sums(connection, customer_list.which(Wanted(TODAY, TODAY)), TODAY, TODAY)
    live = {
        pin.customer for pin in registry.all_pins(connection) if pin.status(TODAY) in ("active", "overlap")
    }
    assert sums == customer_list.Sums(
        len(everybody),
        len(live),
        sum(not each.contract.covers(TODAY, prepaid_counts=True) for each in everybody),
        sum(wants_email(each) for each in everybody),
    )
    assert customer_list.count(connection, Wanted(TODAY, TODAY, no_pin=True)) == len(everybody) - len(live)


def test_pages_of_customers_fit_together(connection: Connection) -> None:
    fill(connection)
    wanted = Wanted(TODAY, TODAY, "nome")
    whole = customer_list.ids_of(connection, customer_list.which(wanted))
    pages = [customer_list.page(connection, wanted, limit=10)]
    while pages[-1].after:
        pages.append(customer_list.page(connection, wanted, after=pages[-1].after, limit=10))
    assert [row.id for page in pages for row in page.rows] == whole
    for earlier, later in pairwise(pages):
        assert later.before
        assert customer_list.page(connection, wanted, before=later.before, limit=10).rows == earlier.rows
    assert pages[0].before is None


def test_a_page_after_a_customer_who_is_gone_is_the_first(connection: Connection) -> None:
    fill(connection)
    wanted = Wanted(TODAY, TODAY)
    assert customer_list.page(connection, wanted, after="GONE") == customer_list.page(connection, wanted)


def test_pages_of_pins_fit_together(connection: Connection) -> None:
    fill(connection)
    known = registry.all_pins(connection)
    kept = {Which.LIVE: ("active", "overlap"), Which.OVERLAP: ("overlap",), Which.REVOKED: ("revoked",)}
    kept |= {Which.EXPIRED: ("expired",), Which.ALL: ("active", "overlap", "expired", "revoked")}
    for which, statuses in kept.items():
        pages = [pin_list.page(connection, which, TODAY, TODAY, limit=4)]
        while pages[-1].after:
            pages.append(pin_list.page(connection, which, TODAY, TODAY, after=pages[-1].after, limit=4))
        found = [row.pin.id for page in pages for row in page.rows]
        assert found == [pin.id for pin in known[::-1] if pin.status(TODAY) in statuses]
        for earlier, later in pairwise(pages):
            assert later.before
            back = pin_list.page(connection, which, TODAY, TODAY, before=later.before, limit=4)
            assert back.rows == earlier.rows


@pytest.mark.parametrize(("only", "shorter_than"), [(None, None), (None, 9), ((1, 2, 3, 4, 5, 6), None)])
def test_what_would_be_rotated(
    connection: Connection, only: tuple[int, ...] | None, shorter_than: int | None
) -> None:
    fill(connection)
    orders = [
        order
        for order in batches.to_rotate(connection, TODAY, 7, shorter_than=shorter_than)
        if only is None or order.replaces in only
    ]
    found = pin_list.rotatable(connection, TODAY, only=only, shorter_than=shorter_than, limit=5)
    assert orders
    assert found.count == len(orders)
    assert found.by_email == sum(wants_email(order.customer) for order in orders)
    assert [row.pin.id for row in found.first] == [order.replaces for order in orders[:5]]


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Città  di\tTrento", "citta di trento"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("Ôrtisei", "ortisei"),
    ],
)
def test_names_are_folded(name: str, folded: str) -> None:
    assert customer_card.folded(name) == folded

"""Customers and their contracts: the verbs against a real database, and what the audit tells of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from making import ACTOR, NIGHT, opened_at
from sqlalchemy import Connection, select

from ivr.settings import LANGUAGES
from pins import customer_card, customers, tables
from pins.customers import CodeTaken, Contract, PhoneTaken, RegistryRefusal, Site, UnknownCustomer
from storage import audit
from storage.engine import Database


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


def change(connection: Connection, code: str, /, **fields: Any) -> customers.Customer:
    return customers.change(connection, ACTOR, NIGHT, code, **fields)


def acts(connection: Connection, subject: str) -> list[tuple[str, dict[str, Any] | None]]:
    """What the audit tells of a subject, oldest first."""
    return [(act.act, act.details) for act in audit.acts(connection, [subject])][::-1]


# -- added ---------------------------------------------------------------------------------------


def test_a_customer_as_it_was_given(connection: Connection) -> None:
    contract = Contract("prepaid", date(2026, 1, 1), date(2026, 12, 31), 300)
    added = add(
        connection,
        "Baita Segantini",
        code="baita",
        spoken_name="la baita",
        language="de",
        contract=contract,
        phones=["+393471112204", "+390461000009", "+393471112204"],
        sites=[Site("Valle", "Via Roma 1"), Site("Rifugio")],
        address="Via Roma 1\n38086 Pinzolo",
        email="baita@example.net",
        letters_by_email=True,
        notes="above the clouds",
    )
    assert added == customers.customer(connection, "Baita")
    assert added.code == "BAITA"
    assert added.spoken_name == "la baita"
    assert added.contract == contract
    assert added.phones == ("+390461000009", "+393471112204")
    assert added.sites == (Site("Rifugio"), Site("Valle", "Via Roma 1"))
    assert (added.address, added.email) == ("Via Roma 1\n38086 Pinzolo", "baita@example.net")
    assert added.letters_by_email
    assert customers.all_customers(connection) == [added]
    assert customers.codes(connection) == {added.id: "BAITA"}
    assert customers.customer_of_phone(connection, "+390461000009") == "BAITA"
    assert customers.customer_of_phone(connection, "") is None


@pytest.mark.parametrize(
    ("names", "codes"),
    [
        (["ACME S.r.l.", "Acme, S.R.L.", "acme srl"], ["ACMESRL", "ACMESRL-2", "ACMESRL-3"]),
        (["Società Agrìcola Ùnica"], ["SOCIETAAGRIC"]),
        (["日本", "!!!"], ["CUSTOMER", "CUSTOMER-2"]),
    ],
)
def test_a_code_is_made_of_the_name(connection: Connection, names: list[str], codes: list[str]) -> None:
    assert [add(connection, name).code for name in names] == codes


@pytest.mark.parametrize(
    ("name", "more", "error", "why"),
    [
        ("", {}, RegistryRefusal, "needs a name"),
        ("\x00\x0b\ud800", {}, RegistryRefusal, "needs a name"),
        ("Other", {"code": "acme"}, CodeTaken, "ACME"),
        ("Other", {"code": "A B"}, RegistryRefusal, "code is"),
        ("Other", {"code": ""}, RegistryRefusal, "code is"),
        ("Other", {"code": "-A"}, RegistryRefusal, "code is"),
        ("Other", {"code": "A\n"}, RegistryRefusal, "code is"),
        ("Other", {"code": "A" * 33}, RegistryRefusal, "code is"),
        ("Other", {"code": "01234567890"}, RegistryRefusal, "look like a PIN"),
        ("Other", {"contract": Contract("gold")}, RegistryRefusal, "coverage"),
        ("Other", {"contract": Contract(minutes_left=-1)}, RegistryRefusal, "minutes"),
        (
            "Other",
            {"contract": Contract(starts=date(2026, 2, 1), until=date(2026, 1, 31))},
            RegistryRefusal,
            "ends before",
        ),
        ("Other", {"phones": ["+390461000009", "+393471112201"]}, PhoneTaken, "ACME"),
        ("Other", {"phones": ["0461825060"]}, RegistryRefusal, "0461825060"),
        ("Other", {"phones": ["+39 333"]}, RegistryRefusal, "telephone number"),
        ("Other", {"phones": ["+390461000009\n"]}, RegistryRefusal, "telephone number"),
        ("Other", {"language": "fr"}, RegistryRefusal, "language"),
        ("Other", {"email": "nowhere"}, RegistryRefusal, "e-mail address"),
        ("Other", {"email": "a@b@example.net"}, RegistryRefusal, "e-mail address"),
        ("Other", {"email": "a@example.net\nBcc: b@example.net"}, RegistryRefusal, "e-mail address"),
        ("Other", {"letters_by_email": True}, RegistryRefusal, "need an e-mail"),
        ("Other", {"contract": Contract(until=date(202, 12, 31))}, RegistryRefusal, "out of reach"),
        ("Other", {"sites": [Site("A"), Site("a", "Via Roma")]}, RegistryRefusal, "twice"),
        ("Other", {"sites": [Site("", "Via Roma")]}, RegistryRefusal, "needs a name"),
        ("Other", {"sites": [Site("A|B")]}, RegistryRefusal, "site's name"),
        ("Other", {"notes": "x" * 10_001}, RegistryRefusal, "10000 characters"),
        ("O" * 201, {}, RegistryRefusal, "200 characters"),
    ],
)
def test_a_customer_that_cannot_be(
    acme: Connection, name: str, more: dict[str, object], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        add(acme, name, **more)
    assert [row.code for row in acme.execute(select(tables.customers.c.code))] == ["ACME"]
    assert len(acme.execute(select(tables.customer_phones)).all()) == 1


@pytest.mark.parametrize("spoken", [None, "", " ", "\x00"])
def test_a_customer_always_has_a_name_to_be_spoken(connection: Connection, spoken: str | None) -> None:
    assert add(connection, "Acme", spoken_name=spoken).spoken_name == "Acme"


def test_names_are_kept_without_what_no_document_may_hold(connection: Connection) -> None:
    added = add(connection, "Ac\x00me\x0b <Dial>\ud800 & Söhne", spoken_name="Ac\tme")
    assert added.name == "Ac me <Dial> & Söhne"
    assert added.spoken_name == "Ac me"


@pytest.mark.parametrize(
    ("contract", "day", "prepaid_counts", "covered"),
    [
        (Contract(), "2026-03-10", False, True),
        (Contract(until=date(2026, 3, 10)), "2026-03-10", False, True),
        (Contract(until=date(2026, 3, 9)), "2026-03-10", False, False),
        (Contract(starts=date(2026, 3, 10)), "2026-03-10", False, True),
        (Contract(starts=date(2026, 3, 11)), "2026-03-10", False, False),
        (Contract("none"), "2026-03-10", True, False),
        (Contract("prepaid", minutes_left=300), "2026-03-10", False, False),
        (Contract("prepaid", minutes_left=300), "2026-03-10", True, True),
        (Contract("prepaid", minutes_left=1), "2026-03-10", True, True),
        (Contract("prepaid", minutes_left=0), "2026-03-10", True, False),
        (Contract("prepaid"), "2026-03-10", True, False),
        (Contract("prepaid", until=date(2026, 3, 9), minutes_left=300), "2026-03-10", True, False),
        (Contract("contract", minutes_left=0), "2026-03-10", False, True),
    ],
)
def test_what_a_contract_covers(contract: Contract, day: str, prepaid_counts: bool, covered: bool) -> None:
    assert contract.covers(date.fromisoformat(day), prepaid_counts=prepaid_counts) is covered


# -- changed -------------------------------------------------------------------------------------


def test_a_change_replaces_what_it_names_and_leaves_the_rest(connection: Connection) -> None:
    before = add(
        connection,
        "Acme",
        code="ACME",
        phones=["+393471112201"],
        email="a@example.net",
        contract=Contract(until=date(2026, 12, 31)),
    )
    after = change(
        connection,
        "acme",
        name="Acme  S.r.l.",
        phones=["+390461000009"],
        sites=[Site("Sede", "Via Roma 1")],
        contract_until=None,
        minutes=60,
    )
    assert after == customers.customer(connection, "ACME")
    assert (after.id, after.name, after.email) == (before.id, "Acme S.r.l.", "a@example.net")
    assert (after.phones, after.sites) == (("+390461000009",), (Site("Sede", "Via Roma 1"),))
    assert after.contract == Contract(minutes_left=60)
    assert customers.customer_of_phone(connection, "+393471112201") is None
    assert acts(connection, f"customer:{before.id}")[1:] == [
        (
            "customer.change",
            {
                "name": ["Acme", "Acme S.r.l."],
                "spoken_name": ["Acme", "Acme S.r.l."],
                "contract_until": ["2026-12-31", None],
                "minutes": [None, 60],
                "phones": [["+393471112201"], ["+390461000009"]],
                "sites": [[], ["Sede: Via Roma 1"]],
            },
        )
    ]
    assert change(connection, "ACME", phones=[], sites=[]).phones == ()


def test_who_is_spoken_of_otherwise_stays_so(connection: Connection) -> None:
    add(connection, "Acme", code="ACME", spoken_name="la Acme")
    assert change(connection, "ACME", name="Acme S.p.A.").spoken_name == "la Acme"
    assert change(connection, "ACME", spoken_name="").spoken_name == "Acme S.p.A."


def test_a_code_can_be_changed(acme: Connection) -> None:
    owner = customers.customer(acme, "ACME").id
    assert change(acme, "ACME", code="acme-2").code == "ACME-2"
    assert customers.customer(acme, "ACME-2").id == owner
    with pytest.raises(UnknownCustomer):
        customers.customer(acme, "ACME")


def test_a_change_of_nothing_is_no_act(acme: Connection) -> None:
    before = customers.customer(acme, "ACME")
    written = audit.head(acme)
    assert change(acme, "ACME", name="Acme  S.r.l.", phones=["+393471112201"], minutes=None) == before
    assert change(acme, "ACME") == before
    assert audit.head(acme) == written


@pytest.mark.parametrize(
    ("fields", "error", "why"),
    [
        ({"code": "OTHER"}, CodeTaken, "OTHER"),
        ({"phones": ["+393471112201", "+390461000009"]}, PhoneTaken, "OTHER"),
        ({"name": "\x00"}, RegistryRefusal, "needs a name"),
        ({"contract_from": date(2027, 1, 1), "contract_until": date(2026, 1, 1)}, RegistryRefusal, "ends"),
        ({"letters_by_email": True}, RegistryRefusal, "need an e-mail"),
        ({"coverage": "gold"}, RegistryRefusal, "coverage"),
    ],
)
def test_a_change_that_cannot_be(
    acme: Connection, fields: dict[str, object], error: type[Exception], why: str
) -> None:
    add(acme, "Other", code="OTHER", phones=["+390461000009"])
    before, written = customers.all_customers(acme), audit.head(acme)
    with pytest.raises(error, match=why):
        change(acme, "ACME", notes="changed", **fields)
    with pytest.raises(UnknownCustomer):
        change(acme, "NOBODY", **fields)
    assert (customers.all_customers(acme), audit.head(acme)) == (before, written)


def test_a_contract_that_is_ended(acme: Connection) -> None:
    ended = customers.end(acme, ACTOR, NIGHT, "acme", date(2026, 3, 31), "gone to another")
    assert ended.contract == Contract(until=date(2026, 3, 31))
    assert acts(acme, f"customer:{ended.id}")[-1] == (
        "customer.end",
        {"contract_until": [None, "2026-03-31"], "reason": "gone to another"},
    )
    change(acme, "ACME", contract_from=date(2026, 1, 1))
    with pytest.raises(RegistryRefusal, match="ends before"):
        customers.end(acme, ACTOR, NIGHT, "acme", date(2025, 12, 31))


def test_the_audit_names_customers_by_their_ids(connection: Connection) -> None:
    owner = add(connection, "Distinctive", code="DISTINCT", phones=["+393471112209"])
    change(connection, "DISTINCT", email="distinctive@example.net")
    table = audit.audit
    for row in connection.execute(select(table.c.subject, table.c.act)):
        assert row.subject == f"customer:{owner.id}"
    added = acts(connection, f"customer:{owner.id}")[0][1]
    assert added is not None
    assert added["phones"] == [None, ["+393471112209"]]


def test_the_languages_of_a_customer_are_those_we_speak() -> None:
    assert tuple(LANGUAGES) == customer_card.LANGUAGES
    assert tuple(customer_card.COVERAGES) == tuple(customers.COVERAGES)

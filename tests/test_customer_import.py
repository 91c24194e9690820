"""Customers from CSV and to CSV: what a spreadsheet writes, every mistake by its row, all or nothing."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from making import ACTOR, NIGHT, fresh_database, opened_at
from sqlalchemy import Connection, event

from oncall import phones
from pins import customer_csv, customer_import, customers
from pins.customer_card import Card, Contract, Site, card_of, faults, fields_of
from pins.customer_import import Plan
from pins.customers import Customer
from storage import audit

NATIONAL = partial(phones.from_keys, countries=["IT"])


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with opened_at(database_url) as database, database.write() as connection:
        yield connection


def plan(text: str | bytes, *existing: Customer) -> Plan:
    data = text.encode() if isinstance(text, str) else text
    return customer_import.plan(data, existing, NATIONAL)


def card(text: str) -> Card:
    """The one card that the file adds."""
    made = plan(text)
    assert made.mistakes == []
    (added,) = made.added
    return added


def cell(column: str, content: str) -> Any:
    """What a cell of this column means."""
    return fields_of(card(f'code;name;{column}\nA;Acme;"{content}"'))[column]


def mistakes(text: str | bytes, *existing: Customer) -> list[tuple[int, str]]:
    made = plan(text, *existing)
    assert (made.added, made.changed, made.unchanged) == ([], [], 0)
    return [(mistake.row, mistake.column) for mistake in made.mistakes]


def known(code: str, name: str = "Acme", id_: int = 1, **fields: Any) -> Customer:
    return Customer(id=id_, **card_of({"code": code, "name": name, **fields}).__dict__)


# -- what a spreadsheet writes -------------------------------------------------------------------


def test_every_column_as_a_program_writes_it() -> None:
    assert card(
        "code,name,spoken_name,language,coverage,contract_from,contract_until,minutes,phones,sites,address,"
        "email,letters_by_email,notes\n"
        'acme,ACME S.r.l.,Acme,de,prepaid,2026-01-01,2026-12-31,300,"+390461825060|+393471112201",'
        '"Sede: Via Roma 1 | Deposito","Via Roma 1\n38122 Trento",info@example.net,yes,"due ""righe"""\n'
    ) == Card(
        code="ACME",
        name="ACME S.r.l.",
        spoken_name="Acme",
        language="de",
        contract=Contract("prepaid", date(2026, 1, 1), date(2026, 12, 31), 300),
        phones=("+390461825060", "+393471112201"),
        sites=(Site("Deposito"), Site("Sede", "Via Roma 1")),
        address="Via Roma 1\n38122 Trento",
        email="info@example.net",
        letters_by_email=True,
        notes='due "righe"',
    )


def test_every_column_as_an_italian_writes_it() -> None:
    assert card(
        "Codice;Ragione sociale;Nome parlato;Lingua;Copertura;Contratto dal;Contratto al;Minuti residui;"
        "Telefoni;Sedi;Indirizzo;E-mail;Lettere per e-mail;Note\r\n"
        "malga;Malga Fosca;la malga;tedesco;pacchetto a scalare;1/1/2026;31.12.2026;1.200,00;"
        "0461 825060;Valle: Via Roma 1;Via Roma 1;malga@example.net;sì;città\r\n"
    ) == Card(
        code="MALGA",
        name="Malga Fosca",
        spoken_name="la malga",
        language="de",
        contract=Contract("prepaid", date(2026, 1, 1), date(2026, 12, 31), 1200),
        phones=("+390461825060",),
        sites=(Site("Valle", "Via Roma 1"),),
        address="Via Roma 1",
        email="malga@example.net",
        letters_by_email=True,
        notes="città",
    )


def test_a_name_is_all_that_a_new_customer_needs() -> None:
    added = card("name\nSocietà Agrìcola\n")
    assert (added.code, added.spoken_name, added.contract) == ("SOCIETAAGRIC", "Società Agrìcola", Contract())
    made = plan("codice,nome\n,Acme S.r.l.\nACMESRL,Altra\n,Acme S.r.l. 2\n")
    assert [each.code for each in made.added] == ["ACMESRL-2", "ACMESRL", "ACMESRL2"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_separators_and_ends_of_lines(encoding: str, separator: str, end: str) -> None:
    rows = [["name", "notes"], ["Città Öl 日本", "ok"], ["", ""], ["Due", ""]]
    text = end.join(separator.join(row) for row in rows)
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    made = plan((mark + text).encode(encoding))
    assert made.mistakes == []
    assert [each.name for each in made.added] == ["Città Öl 日本", "Due"]


@pytest.mark.parametrize(
    ("column", "content", "meaning"),
    [
        ("contract_until", "31/12/2026", date(2026, 12, 31)),
        ("contract_until", "3.4.2026", date(2026, 4, 3)),
        ("contract_until", " 2026-04-03 ", date(2026, 4, 3)),
        ("contract_until", "", None),
        ("minutes", "300", 300),
        ("minutes", "1.200", 1200),
        ("minutes", "1,200", 1200),
        ("minutes", "1 200", 1200),
        ("minutes", "1\xa0200,00", 1200),
        ("minutes", "1.200.000", 1_200_000),
        ("minutes", "300,0", 300),
        ("minutes", "300.00", 300),
        ("minutes", "'300", 300),
        ("minutes", "", None),
        ("phones", "0461 825060", ("+390461825060",)),
        ("phones", "0461/825060", ("+390461825060",)),
        ("phones", "(0461) 82.50-60", ("+390461825060",)),
        ("phones", "347 111 2201", ("+393471112201",)),
        ("phones", "'0461825060", ("+390461825060",)),
        ("phones", "'+39 0461 825060", ("+390461825060",)),
        ("phones", "+39 0461 825060", ("+390461825060",)),
        ("phones", "0039 0461 825060", ("+390461825060",)),
        ("phones", "+49 30 123456", ("+4930123456",)),
        ("phones", "0461 825060 | +393471112201\n0461402406", None),
        ("language", "Deutsch", "de"),
        ("coverage", "Contratto", "contract"),
        ("letters_by_email", "NO", False),
        ("notes", "'=1+1", "=1+1"),
        ("notes", "''=1+1", "'=1+1"),
        ("notes", "'t Hooft", "'t Hooft"),
        ("notes", "'", "'"),
        ("sites", "Sede: Via Roma 1, 38122 Trento\nDeposito", None),
    ],
)
def test_what_a_cell_means(column: str, content: str, meaning: Any) -> None:
    several = {
        "phones": ("+390461402406", "+390461825060", "+393471112201"),
        "sites": (Site("Deposito"), Site("Sede", "Via Roma 1, 38122 Trento")),
    }
    assert cell(column, content) == (several[column] if meaning is None and column in several else meaning)


@pytest.mark.parametrize(
    ("column", "content", "why"),
    [
        ("contract_until", "12/31/2026", "day/month/year"),
        ("contract_until", "2026-02-30", "year-month-day"),
        ("contract_until", "31/12/26", "expected a date"),
        ("contract_until", "31-12-2026", "expected a date"),
        ("contract_until", "46387", "expected a date"),
        ("contract_until", "31/12/0202", "out of reach"),
        ("contract_from", "dicembre", "expected a date"),
        ("minutes", "300,5", "whole minutes"),
        ("minutes", "1.20", "whole minutes"),
        ("minutes", "tre", "whole minutes"),
        ("minutes", "-5", "formula"),
        ("minutes", "²", "whole minutes"),
        ("phones", "3,90461E+11", "a spreadsheet has made a figure"),
        ("phones", "3.93471E+11", "a spreadsheet has made a figure"),
        ("phones", "461825060", "drops the 0"),
        ("phones", "0461 825060, 0461 402406", "not a telephone number"),
        ("phones", "centralino", "not a telephone number"),
        ("phones", "+39", "not a telephone number"),
        ("phones", "+1+cmd|' /C calc'!A0", "formula"),
        ("phones", "+0461825060", "telephone number"),
        ("coverage", "gold", "contract, none, prepaid"),
        ("language", "français", "de, en, it"),
        ("letters_by_email", "forse", "yes or no"),
        ("letters_by_email", "sì", "need an e-mail"),
        ("email", "nowhere", "e-mail address"),
        ("sites", ": Via Roma", "needs a name"),
        ("notes", "=HYPERLINK(1)", "formula"),
        ("notes", "+39 0461 825060", "formula"),
        ("notes", " =1+1", "formula"),
        ("notes", "-1", "formula"),
        ("notes", "@SUM(A1)", "formula"),
        ("notes", "\tx", "formula"),
        ("notes", "\rx", "formula"),
        ("notes", "＝1", "formula"),
        ("notes", "a\x00b", "control character"),
        ("notes", "a\x1bb", "control character"),
        ("spoken_name", "x" * 201, "200 characters"),
    ],
)
def test_a_cell_that_is_wrong(column: str, content: str, why: str) -> None:
    made = plan(f'code;name;{column}\nOK;Okay;\nA;Acme;"{content}"\n')
    (mistake,) = made.mistakes
    assert (mistake.row, mistake.column) == (3, column)
    assert why in mistake.why


def test_what_is_wrong_with_the_rows() -> None:
    text = (
        'code;name;notes\nA;Acme;"two\nlines"\n\nB;"";\n;;;\nC;Too long;x;y\na;Acme again;\nD D;Space;\nE\n'
    )
    assert mistakes(text) == [(4, "name"), (6, ""), (7, "code"), (8, "code"), (9, "name")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", [(1, "")]),
        (b"\xef\xbb\xbf\r\n", [(1, "")]),
        (b"code;notes\nA;x", [(1, "name")]),
        (b"name;surname\nA;x", [(1, "surname")]),
        (b"name;nome\nA;x", [(1, "name")]),
        (b"just a text\n", [(1, "just a text"), (1, "name")]),
        (b"name;notes\nA;ok\nB;citt\xe0\nC;\xff\n", [(3, "notes"), (4, "notes")]),
        ("\ufeffname\nA\nB\nC".encode("utf-16-le")[:-1], [(4, "name")]),
        (b'name;notes\nA;"open\nB;x\n', [(2, "")]),
        (b'name;notes\nA;"open" quote\nB;x\n', [(2, "")]),
        (b'name;notes\nA;"' + b"x" * 200_000 + b'"\n', [(2, "")]),
        ("name\nAcme".encode("utf-16-le"), [(1, "")]),
        (b"x" * (customer_csv.LARGEST + 1), [(1, "")]),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_file_that_cannot_be_read(text: bytes, expected: list[tuple[int, str]]) -> None:
    assert [(row, column) for row, column in mistakes(text)][-len(expected) :] == expected


def test_a_file_of_too_many_rows() -> None:
    text = "name\n" + "\n" * customer_csv.MOST_ROWS + "Acme\n"
    assert mistakes(text) == [(customer_csv.MOST_ROWS + 2, "")]


# -- what others have ----------------------------------------------------------------------------


def test_codes_phones_and_names_that_others_have() -> None:
    others = (
        known("ACME", phones=["+390461825060"]),
        known("BAITA", "Baita", 2, phones=["+393471112201"]),
    )
    text = (
        "code;name;phones\n"
        "NEW;New;0461 825060\n"
        "BAITA;Baita;+393471112201\n"
        "C;C;0461 402406\n"
        "D;D;+390461402406\n"
        ";Acme;\n"
        ";Twin;\n"
        ";Twin;\n"
        "E;E;\n"
        ";E;\n"
    )
    assert mistakes(text, *others) == [(2, "phones"), (5, "phones"), (6, "name"), (8, "name"), (10, "name")]


def test_a_phone_may_pass_from_one_file_to_another(connection: Connection) -> None:
    both = "+390461825060"
    for code in ("A", "B"):
        customers.add_customer(
            connection, ACTOR, NIGHT, code, code=code, phones=[both] if code == "A" else []
        )
    made = plan(f"code;name;phones\nA;A;0461 402406\nB;B;{both}\n", *customers.all_customers(connection))
    customer_import.apply(connection, ACTOR, NIGHT, made)
    assert [each.phones for each in customers.all_customers(connection)] == [("+390461402406",), (both,)]


def test_a_column_that_is_not_there_leaves_and_an_empty_cell_empties() -> None:
    before = known("ACME", phones=["+390461825060"], email="a@example.net", notes="old", coverage="none")
    made = plan("code;name;notes;phones\nacme;Acme;;\n", before)
    ((_, after),) = made.changed
    assert (after.notes, after.phones) == ("", ())
    assert (after.email, after.contract.coverage) == ("a@example.net", "none")
    # Of what a customer has bought, nothing is assumed.
    assert mistakes("code;name;coverage\nACME;Acme;\n", before) == [(2, "coverage")]
    assert plan("code;name\nACME;Acme\n", before).unchanged == 1


def test_what_is_written_and_what_the_audit_tells(connection: Connection) -> None:
    for code in ("A", "B"):
        customers.add_customer(connection, ACTOR, NIGHT, code, code=code)
    made = plan("code;name\nA;Changed\nB;B\nC;New\n", *customers.all_customers(connection))
    before = audit.head(connection).id
    customer_import.apply(connection, ACTOR, NIGHT, made)
    assert [(each.code, each.name) for each in customers.all_customers(connection)] == [
        ("A", "Changed"),
        ("B", "B"),
        ("C", "New"),
    ]
    acts = [act for act in audit.acts(connection) if act.id > before][::-1]
    assert [(act.act, act.subject) for act in acts] == [
        ("customer.import", "customers"),
        ("customer.add", "customer:3"),
        ("customer.change", "customer:1"),
    ]
    assert acts[0].details == {"added": 1, "changed": 1, "unchanged": 1}
    assert audit.verify(connection)[1] == []


# -- round trip ----------------------------------------------------------------------------------

_texts = st.text(max_size=20) | st.sampled_from(
    [
        "=1+1",
        "'=1",
        "''",
        "'",
        "'5",
        "+39",
        "-",
        "@x",
        "\t=",
        "a\nb",
        'a"b',
        "a;b,c|d",
        " x ",
        "＝",
        "\u2028x",
    ]
)
_days = st.none() | st.dates(date(1990, 1, 1), date(2199, 12, 31))
_cards = st.builds(
    lambda **fields: card_of(fields),
    code=st.text(string.ascii_uppercase + string.digits, min_size=1, max_size=8),
    name=_texts,
    spoken_name=_texts,
    language=st.sampled_from([None, "it", "en", "de"]),
    coverage=st.sampled_from(["contract", "prepaid", "none"]),
    contract_from=_days,
    contract_until=_days,
    minutes=st.none() | st.integers(0, 10_000_000),
    phones=st.lists(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True), max_size=3),
    sites=st.lists(st.builds(Site, _texts, _texts), max_size=3),
    address=_texts,
    email=st.sampled_from(["", "a@example.net", "=a@example.net", "+x@example.net", "'a@example.net"]),
    letters_by_email=st.booleans(),
    notes=_texts,
).filter(lambda card: not faults(card))


@settings(max_examples=80, deadline=None)
@given(cards=st.lists(_cards, max_size=5, unique_by=lambda card: card.code), for_spreadsheet=st.booleans())
@example(cards=[card_of({"code": "A", "name": "=cmd|' /C calc'!A0", "notes": "'=x"})], for_spreadsheet=True)
def test_what_is_exported_is_read_back_as_it_was(cards: list[Card], for_spreadsheet: bool) -> None:
    phones: set[str] = set()
    existing = []
    for number, each in enumerate(cards):
        if phones.isdisjoint(each.phones):
            phones.update(each.phones)
            existing.append(Customer(id=number, **each.__dict__))
    text = customer_import.export(existing, for_spreadsheet=for_spreadsheet)
    again = customer_import.plan(text.encode(), existing, NATIONAL)
    assert (again.mistakes, again.added, again.changed) == ([], [], [])
    assert again.unchanged == len(existing)
    # And in a house that has none of them.
    anew = customer_import.plan(text.encode(), [], NATIONAL)
    assert [fields_of(each) for each in anew.added] == [fields_of(each) for each in existing]


def test_no_exported_cell_is_a_formula() -> None:
    bad = known("A", "=cmd|' /C calc'!A0", notes="@SUM(1)", address="-1", phones=["+390461825060"])
    for for_spreadsheet in (False, True):
        text = customer_import.export([bad], for_spreadsheet=for_spreadsheet)
        cells = text.replace(";", ",").split("\r\n")[1].split(",")
        begun = {each[0] for each in cells if each} & set("=+-@")
        assert begun == (set() if for_spreadsheet else {"+"})
        assert ("+390461825060" in cells) is not for_spreadsheet


# -- five thousand rows --------------------------------------------------------------------------

FAULTS = {
    "code": ["A B", "-X", "X" * 33, "=1+1", "C00001"],
    "name": ["", "=1", "@x", "x" * 201, "a\x00b"],
    "language": ["fr", "xx", "itt", "-", "=de"],
    "coverage": ["gold", "sì", "contrat", "1", "@contract"],
    "contract_until": ["12/31/2026", "2026-13-01", "domani", "31/12/26", "30.02.2026"],
    "minutes": ["300,5", "-1", "tanti", "1e3", "10000001"],
    "phones": ["3,90461E+11", "461300001", "+39", "0461300001", "ufficio"],
    "sites": [": Via Roma", "A | a: Via", "=Sede: Via", "\tSede", "x" * 121],
    "email": ["nowhere", "a@b", "a b@example.net", "=a@example.net", "a@example.net, b@example.net"],
    "letters_by_email": ["forse", "=si", "yess", "-", "2"],
}


def sheet(rows: list[dict[str, str]]) -> bytes:
    out = [";".join(rows[0])]
    for row in rows:
        quoted = ('"' + each.replace('"', '""') + '"' for each in row.values())
        out.append(";".join(quoted))
    return "\r\n".join(out).encode("utf-8-sig")


def a_row(number: int) -> dict[str, str]:
    return {
        "code": f"C{number:05d}",
        "name": f"Cliente {number}",
        "language": "it",
        "coverage": "contract",
        "contract_until": "31/12/2027",
        "minutes": "1.200",
        "phones": f"0461 {300_000 + number}|+3934711{number:05d}",
        "sites": f"Sede: Via Roma {number}\nDeposito: Via Trento {number}",
        "email": f"info{number}@example.net",
        "letters_by_email": "sì",
    }


def test_fifty_faults_among_five_thousand_rows(tmp_path: Path) -> None:
    """Each is found at its row and in its column, nothing else is, and nothing is written; once they are
    corrected everything is, in few statements.
    """
    rows = [a_row(number) for number in range(1, 5001)]
    places = random.Random(5).sample(range(10, 5000), 50)
    planted = [(column, bad) for column, all_bad in FAULTS.items() for bad in all_bad]
    wrong = [dict(row) for row in rows]
    for place, (column, bad) in zip(places, planted, strict=True):
        wrong[place][column] = bad
    expected = sorted((place + 2, column) for place, (column, _) in zip(places, planted, strict=True))
    with fresh_database(tmp_path) as database:
        made = plan(sheet(wrong))
        assert [(each.row, each.column) for each in made.mistakes] == expected
        with database.write() as connection, pytest.raises(AssertionError):
            customer_import.apply(connection, ACTOR, NIGHT, made)
        with database.read() as connection:
            assert customers.all_customers(connection) == []
            assert audit.head(connection).id == 0

        made = plan(sheet(rows))
        assert made.mistakes == []
        statements: list[str] = []
        event.listen(
            database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]), named=False
        )
        with database.write() as connection:
            customer_import.apply(connection, ACTOR, NIGHT, made)
        assert len(statements) < 20
        with database.read() as connection:
            written = customers.all_customers(connection)
            assert len(written) == 5000
            assert plan(sheet(rows), *written).unchanged == 5000
            assert audit.head(connection).id == 5001

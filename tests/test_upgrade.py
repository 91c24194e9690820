"""A database of the first version in use is upgraded with nothing lost, and its audit is chained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from making import NIGHT, a_sid, opened_at
from sqlalchemy import Connection, MetaData, Table, inspect, select, text
from sqlalchemy.exc import IntegrityError

from pins import customer_card, customers
from pins.tables import customers as rows_of_customers
from storage import audit, schema
from storage.engine import Database

Rows = list[dict[str, Any]]

CUSTOMER = {
    "name": "Frutticoltori «Val di Sole»",
    "spoken_name": "Val di Sole",
    "language": "it",
    "coverage": "contract",
    "contract_from": None,
    "contract_until": None,
    "minutes_left": None,
    "notes": "",
    "created_at": NIGHT,
}
PIN = {
    "label": "ufficio",
    "key_version": 1,
    "params_version": 1,
    "length": 8,
    "issued_at": NIGHT,
    "issued_by": "cli:rita",
    "expires_on": None,
    "revoked_at": None,
    "revoked_by": None,
    "revoke_reason": None,
    "last_used_at": NIGHT,
}
CALL = {
    "caller": "+393471112201",
    "number": "+390461825060",
    "started_at": NIGHT,
    "ended_at": None,
    "outcome": None,
    "urgency": "P1",
    "turn": 3,
    "step": "ringing",
    "state": "{}",
}
CASE = {
    "code": "4711",
    "rota": "duty",
    "urgency": "P1",
    "final_urgency": None,
    "billable": False,
    "call_back_to": None,
    "opened_at": NIGHT,
    "due_at": NIGHT,
    "connected_at": None,
    "taken_at": None,
    "taken_by": None,
    "closed_at": None,
    "closed_by": None,
    "outcome": None,
    "minutes": None,
}
ATTEMPT = {
    "technician": "anna",
    "phone": "+393331234501",
    "rung": 1,
    "asked_at": NIGHT,
    "picked_up_at": None,
    "pressed": None,
    "pressed_at": None,
    "result": None,
    "result_at": None,
}
OLD: dict[str, Rows] = {
    "customers": [
        {"id": 3, "code": "VALDISOLE", **CUSTOMER},
        {"id": 8, "code": "ACME", **CUSTOMER},
    ],
    "customer_phones": [{"customer_id": 3, "phone": "+393471112201"}],
    "pins": [
        {"id": 5, "customer_id": 3, "digest": bytes(range(32)), **PIN},
        {"id": 6, "customer_id": 8, "digest": bytes(range(1, 33)), **PIN},
    ],
    "calls": [{"sid": a_sid(n), "customer_id": c, **CALL} for n, c in ((1, 3), (2, None))],
    "turns": [
        {"sid": a_sid(1), "turn": 0, "at": NIGHT, "step": "pin", "heard": "nothing", "answer": "{}"},
    ],
    "cases": [
        {"id": n, "number": f"2026-0000{n}", "call_sid": a_sid(1), "customer_id": 3, **CASE} for n in (2, 4)
    ],
    "case_calls": [{"case_id": 2, "call_sid": a_sid(1), "joined_at": NIGHT}],
    "attempts": [{"id": n, "case_id": 2, "call_sid": a_sid(1), **ATTEMPT} for n in (7, 9)],
    "messages": [
        {
            "recording_sid": "RE1",
            "call_sid": a_sid(1),
            "url": "u",
            "seconds": 9,
            "recorded_at": NIGHT,
            "status": "completed",
            "file": None,
            "fetched_at": None,
        }
    ],
}


def acted(
    number: int, act: str, subject: str, reason: str | None = None, **details: object
) -> dict[str, Any]:
    at = NIGHT.replace(microsecond=number * 7)
    told = {"actor": "cli:Jörg", "act": act, "subject": subject, "reason": reason, "details": details}
    return {"id": number, "at": at, **told}


# With gaps, as PostgreSQL left them where a transaction failed.
ACTS = [
    acted(1, "customer.add", "customer:VALDISOLE"),
    acted(2, "pin.issue", "pin:5", customer="VALDISOLE", nested={"a": [1, None, "ü"]}),
    acted(5, "pin.revoke", "pin:4", "rubato, «subito»"),
    acted(6, "customer.add", "customer:NOLONGER"),
    acted(11, "technician.add", "technician:anna"),
]


def tables(connection: Connection) -> dict[str, Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return metadata.tables  # type: ignore[return-value]


@pytest.fixture
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database at the first revision, in use."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    else:
        url = f"sqlite:///{tmp_path / 'old.db'}"
    with opened_at(url) as database:
        if request.param == "postgresql":
            with database.write() as connection:
                connection.execute(text("DROP SCHEMA public CASCADE"))
                connection.execute(text("CREATE SCHEMA public"))
        with database.rebuild() as connection:
            from alembic import command

            command.upgrade(schema.config(connection), "0001")
        with database.write() as connection:
            known = tables(connection)
            for name, rows in OLD.items():
                connection.execute(known[name].insert(), rows)
            connection.execute(known["audit"].insert(), ACTS)
        yield database


BOTH = pytest.mark.parametrize("old", ["sqlite", "postgresql"], indirect=True)


@BOTH
def test_nothing_is_lost(old: Database) -> None:
    schema.migrate(old)
    with old.read() as connection:
        known = tables(connection)
        for name, rows in OLD.items():
            order = list(known[name].primary_key.columns)
            found = connection.execute(known[name].select().order_by(*order)).all()
            assert [
                {column: _aware(value) for column, value in row._asdict().items() if column in rows[0]}
                for row in found
            ] == rows, name
        assert connection.execute(text("SELECT screened FROM cases")).scalars().all() == [False, False]


@BOTH
def test_customers_of_before_are_found_as_new_ones_are(old: Database) -> None:
    with old.write() as connection:
        known = tables(connection)["customers"]
        connection.execute(known.update().where(known.c.code == "VALDISOLE").values(name="Città dei Ròveri"))
    schema.migrate(old)
    with old.read() as connection:
        for each in customers.all_customers(connection):
            found_by = select(rows_of_customers.c.found_by).where(rows_of_customers.c.id == each.id)
            assert connection.execute(found_by).scalar_one() == customer_card.found_by(each)


def _aware(value: object) -> object:
    """SQLite keeps no zone, and a table read from it knows none."""
    return value.replace(tzinfo=NIGHT.tzinfo) if isinstance(value, datetime) else value


@BOTH
def test_the_audit_is_chained_and_says_what_it_said(old: Database) -> None:
    schema.migrate(old)
    with old.read() as connection:
        assert audit.verify(connection) == (len(ACTS), [])
        found = list(reversed(audit.acts(connection)))
    assert [act.id for act in found] == [1, 2, 3, 4, 5]
    assert [(act.at, act.actor, act.act) for act in found] == [
        (act["at"], act["actor"], act["act"]) for act in ACTS
    ]
    # A customer's code may say who he is: it goes where it can be erased.
    assert [(act.subject, act.details) for act in found] == [
        ("customer:3", {"code": "VALDISOLE"}),
        ("pin:5", {"customer": "VALDISOLE", "nested": {"a": [1, None, "ü"]}}),
        ("pin:4", {"reason": "rubato, «subito»"}),
        ("customer:NOLONGER", {}),
        ("technician:anna", {}),
    ]
    with old.write() as connection:
        assert audit.record(connection, "cli:rita", NIGHT, "pin.issue", "pin:6") == 6
        assert audit.verify(connection) == (6, [])


@BOTH
def test_the_new_rows_are_written_as_verify_reads_them(old: Database) -> None:
    """Byte for byte: a migration imports no package, so it has its own way of writing them."""
    schema.migrate(old)
    with old.read() as connection:
        texts = (
            connection.execute(text("SELECT details FROM audit_details ORDER BY audit_id")).scalars().all()
        )
    assert texts[1] == json.dumps(
        {"customer": "VALDISOLE", "nested": {"a": [1, None, "ü"]}}, ensure_ascii=False, separators=(",", ":")
    )


@BOTH
def test_foreign_keys_hold_afterwards(old: Database) -> None:
    schema.migrate(old)
    attempt = {"id": 20, "case_id": 999, "call_sid": a_sid(1), **ATTEMPT}
    with old.write() as connection:
        known = tables(connection)
        if connection.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
        points = {key["referred_table"] for key in inspect(connection).get_foreign_keys("attempts")}
        assert points == {"cases", "calls", "passes"}
    for name, row in (
        ("attempts", attempt),
        ("cases", {"id": 20, "number": "2026-9", "call_sid": "CA0", "customer_id": 3, **CASE}),
        ("audit_details", {"audit_id": 999}),
    ):
        with pytest.raises(IntegrityError), old.write() as connection:
            connection.execute(known[name].insert(), row)
    with pytest.raises(IntegrityError), old.write() as connection:
        connection.execute(known["cases"].delete())
    with old.write() as connection:
        connection.execute(known["attempts"].insert(), {**attempt, "case_id": 4})

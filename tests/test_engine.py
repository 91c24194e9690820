"""Transactions: writers take turns from their first moment, readers wait for nobody, errors keep secrets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from making import NIGHT, fresh_database
from sqlalchemy import Connection, event, func, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from ivr.tables import calls, turns
from storage import due
from storage.engine import Database, open_database, sqlite_file
from storage.tables import due_work


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with fresh_database(tmp_path) as database:
        yield database


def note(connection: Connection, key: str = "k", at: datetime = NIGHT) -> None:
    due.add(connection, at, "test", key, at, {})


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(due_work)).scalar_one()


@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize(
    ("pragma", "value"),
    [("foreign_keys", 1), ("secure_delete", 1), ("journal_mode", "wal"), ("synchronous", 2)],
)
def test_every_connection_is_set_up(database: Database, kind: str, pragma: str, value: object) -> None:
    with getattr(database, kind)() as connection:
        assert connection.execute(text(f"PRAGMA {pragma}")).scalar() == value


def test_writers_begin_immediate_and_readers_do_not(database: Database) -> None:
    begun: list[str] = []
    event.listen(
        database.engine,
        "before_cursor_execute",
        lambda conn, cursor, statement, *rest: begun.append(statement) if "BEGIN" in statement else None,
    )
    with database.read() as connection:
        count(connection)
    with database.write() as connection:
        count(connection)
    assert begun == ["BEGIN", "BEGIN IMMEDIATE"]


def test_a_second_writer_waits_for_the_first(database: Database) -> None:
    """Both read before they write: without IMMEDIATE one of them would fail at once."""
    began, order = threading.Event(), []

    def second() -> None:
        began.set()
        with database.write() as connection:
            seen = count(connection)
            note(connection)
            order.append(("second", seen))

    thread = threading.Thread(target=second)
    with database.write() as connection:
        seen = count(connection)
        thread.start()
        assert began.wait(60)
        note(connection)
        order.append(("first", seen))
    thread.join(60)
    assert order == [("first", 0), ("second", 1)]


def test_a_reader_is_not_blocked_by_a_writer_and_sees_nothing_unfinished(database: Database) -> None:
    with database.write() as writer:
        note(writer)
        with database.read() as reader:
            assert count(reader) == 0
    with database.read() as reader:
        assert count(reader) == 1


def fail_after_writing(connection: Connection) -> None:
    note(connection)
    due.add(connection, NIGHT, "test", None, NIGHT, {})  # type: ignore[arg-type]


def test_an_error_leaves_nothing(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as connection:
        fail_after_writing(connection)
    with database.read() as connection:
        assert count(connection) == 0
    with database.write() as connection:  # and the lock is free again
        note(connection)


def test_a_foreign_key_must_point_to_something(database: Database) -> None:
    row = {"sid": "CA1", "turn": 0, "at": NIGHT, "step": "pin", "heard": "nothing", "answer": "{}"}
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), database.write() as connection:
        connection.execute(insert(turns), row)


def test_an_error_shows_no_parameter(database: Database) -> None:
    row = {
        "sid": "CA1",
        "caller": "+393471112201",
        "number": "+390461825060",
        "started_at": NIGHT,
        "turn": 0,
        "step": "pin",
        "state": "38205917",
    }
    with pytest.raises(IntegrityError) as failed, database.write() as connection:
        connection.execute(insert(calls), [row, row])
    for shown in (str(failed.value), repr(failed.value)):
        assert "38205917" not in shown
        assert "+393471112201" not in shown


def test_a_statement_that_fails_shows_no_parameter_either(database: Database) -> None:
    with pytest.raises(OperationalError) as failed, database.read() as connection:
        connection.execute(text("SELECT * FROM nowhere WHERE pin = :pin"), {"pin": "38205917"})
    assert "38205917" not in str(failed.value)


def test_deleted_content_leaves_the_file(database: Database, tmp_path: Path) -> None:
    with database.write() as connection:
        note(connection, "a-word-to-be-forgotten")
    with database.write() as connection:
        connection.execute(due_work.delete())
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"a-word-to-be-forgotten" not in (tmp_path / "ivr.db").read_bytes()


def test_an_instant_comes_back_aware_and_in_utc(database: Database) -> None:
    elsewhere = NIGHT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    with database.write() as connection:
        note(connection, at=elsewhere)
        found = connection.execute(select(due_work.c.due_at)).scalar_one()
    assert found == NIGHT
    assert found.utcoffset() == timedelta(0)


def test_a_naive_instant_is_not_written(database: Database) -> None:
    with pytest.raises(Exception, match="naive datetime"), database.write() as connection:
        note(connection, at=NIGHT.replace(tzinfo=None))
    with database.read() as connection:
        assert count(connection) == 0


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///ivr.db", "base/ivr.db"),
        ("sqlite:///data/ivr.db", "base/data/ivr.db"),
        ("sqlite:////var/lib/ivr.db", "/var/lib/ivr.db"),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("postgresql://user@host/name", None),
    ],
)
def test_the_file_of_an_address(url: str, file: str | None) -> None:
    assert sqlite_file(url, Path("base")) == (Path(file) if file else None)


def test_opening_connects_to_nothing(tmp_path: Path) -> None:
    open_database("sqlite:///ivr.db", folder=tmp_path).close()
    assert list(tmp_path.iterdir()) == []

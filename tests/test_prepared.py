"""Statements run on the driver's own cursor: the same rows, the same errors as SQLAlchemy's own way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from counting import counting
from making import opened_at
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    union,
    update,
)
from sqlalchemy.exc import IntegrityError, NoResultFound, OperationalError, SQLAlchemyError, StatementError

from storage.engine import Database, is_gone
from storage.prepared import Prepared
from storage.types import Instant

own = MetaData()
things = Table(
    "prepared_things",
    own,
    Column("id", Integer, primary_key=True),
    Column("name", String(40), nullable=False, unique=True),
    Column("at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("loud", Boolean, nullable=False),
    Column("facts", JSON, nullable=False),
)
AT = datetime(2026, 3, 10, 20, 0, 0, 123456, tzinfo=UTC)
NEW = insert(things)
ADD = Prepared(NEW.returning(things.c.id))
ALL = select(things).order_by(things.c.id)
NAMED = select(things).where(things.c.name == bindparam("wanted"))
LOUD = select(things.c.name, things.c.at.label("since")).where(
    things.c.loud.is_(True), things.c.name != "100%"
)
EITHER = union(
    select(things.c.name).where(things.c.name == bindparam("one")),
    select(things.c.name).where(things.c.at > bindparam("since", type_=Instant)),
)
MOVE = Prepared(
    update(things).where(things.c.at < bindparam("before")).values(ended_at=bindparam("ended"), loud=False)
)
FORGET = Prepared(delete(things).where(things.c.name == bindparam("wanted")))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened_at(database_url) as opened:
        with opened.write() as connection:
            own.create_all(connection)
        yield opened
        with opened.write() as connection:
            own.drop_all(connection)


def thing(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "at": AT, "ended_at": None, "loud": True, "facts": {"è": [1, None]}} | more


SOME = (
    thing("plain"),
    thing("100%", loud=False, facts={}),
    thing("it's %(name)s ? :x", ended_at=AT.astimezone(timezone(timedelta(hours=5))), facts=[]),
    thing("", at=datetime(1900, 1, 1, tzinfo=UTC)),
)


def filled(database: Database) -> None:
    with database.write() as connection:
        for number, each in enumerate(SOME, 1):
            assert ADD.scalar(connection, each) == number


def test_a_row_is_the_one_that_sqlalchemy_reads(database: Database) -> None:
    """By name and by place, with each column's type, whatever stands in it."""
    filled(database)
    with database.read() as connection:
        for statement, values in (
            (ALL, {}),
            (NAMED, {"wanted": "plain"}),
            (LOUD, {}),
            (EITHER, {"one": "100%", "since": AT - timedelta(days=1)}),
        ):
            expected = connection.execute(statement, values).all()
            found = Prepared(statement).all(connection, values)
            assert [tuple(row) for row in expected] == found
            assert [row._asdict() for row in expected] == [row._asdict() for row in found]
        row = Prepared(NAMED).one(connection, {"wanted": "plain"})
        assert (row.at, row.at.tzinfo, row.ended_at, row.loud, row.facts) == (
            *(AT, UTC, None, True),
            {"è": [1, None]},
        )


def test_what_is_written_is_what_sqlalchemy_writes(database: Database) -> None:
    with database.write() as connection:
        connection.execute(NEW, list(SOME))
        theirs = [tuple(row)[1:] for row in connection.execute(ALL)]
        connection.execute(delete(things))
        for each in SOME:
            ADD.scalar(connection, each)
        ours = [tuple(row)[1:] for row in connection.execute(ALL)]
    assert ours == theirs


def test_how_many_were_changed(database: Database) -> None:
    filled(database)
    with database.write() as connection:
        assert MOVE.count(connection, {"before": AT, "ended": AT}) == 1
        assert MOVE.count(connection, {"before": datetime(1800, 1, 1, tzinfo=UTC), "ended": AT}) == 0
        assert FORGET.count(connection, {"wanted": "plain"}) == 1
        assert Prepared(NAMED).first(connection, {"wanted": "plain"}) is None
        assert Prepared(NAMED).scalar(connection, {"wanted": "plain"}) is None
        with pytest.raises(NoResultFound):
            Prepared(NAMED).one(connection, {"wanted": "plain"})


def test_a_naive_instant_is_refused_before_anything_is_written(database: Database) -> None:
    with database.write() as connection:
        with pytest.raises(StatementError, match="naive"):
            ADD.scalar(connection, thing("naive", at=AT.replace(tzinfo=None)))
        assert connection.execute(select(func.count()).select_from(things)).scalar() == 0


def test_an_error_is_sqlalchemys_and_hides_the_values(database: Database) -> None:
    filled(database)
    with pytest.raises(IntegrityError) as refused, database.write() as connection:
        ADD.scalar(connection, thing("plain", facts={"pin": "38205917"}))
    assert not is_gone(refused.value)
    assert "38205917" not in str(refused.value)
    assert "plain" not in str(refused.value).partition("DETAIL")[0]
    # The transaction is over, and its connection as good as before.
    with database.write() as connection:
        assert ADD.scalar(connection, thing("another")) > 4


def test_it_belongs_to_the_transaction(database: Database) -> None:
    def write_and_fail() -> None:
        with database.write() as connection:
            ADD.scalar(connection, thing("undone"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    with database.read() as connection:
        assert connection.execute(ALL).first() is None


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_reading_transaction_writes_nothing(database: Database) -> None:
    with pytest.raises(SQLAlchemyError, match="read-only"), database.read() as connection:
        ADD.scalar(connection, thing("read"))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_that_broke_is_given_up(database: Database) -> None:
    """The server ends it in the middle: the error says that the database is gone, the next one is anew."""
    look = Prepared(ALL)
    process = text("SELECT pg_backend_pid()")
    with database.engine.connect() as connection:
        ended = connection.execute(process).scalar()
        with database.engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": ended})
        with pytest.raises(OperationalError) as broke:
            look.all(connection, {})
        assert connection.invalidated
    assert broke.value.connection_invalidated
    assert is_gone(broke.value)
    with database.read() as connection:
        assert connection.execute(process).scalar() != ended


def test_a_statement_whose_words_depend_on_its_values_is_refused(database: Database) -> None:
    these = Prepared(select(things).where(things.c.name.in_(bindparam("names", expanding=True))))
    with database.read() as connection, pytest.raises(TypeError, match="cannot be prepared"):
        these.all(connection, {"names": ["a", "b"]})


def test_a_missing_value_is_a_mistake_and_never_nothing(database: Database) -> None:
    """What the columns say by themselves in Python is not asked here."""
    words = Prepared(NAMED)
    with database.read() as connection:
        for _ in range(2):
            with pytest.raises(StatementError, match="wanted"):
                words.first(connection, {})
            words.first(connection, {"wanted": "plain"})


def test_it_is_counted_as_any_statement(database: Database) -> None:
    filled(database)
    with counting(database) as count, database.write() as connection:
        Prepared(ALL).all(connection, {})
        FORGET.count(connection, {"wanted": "plain"})
    assert count.statements == 2

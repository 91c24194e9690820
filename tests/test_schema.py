"""The tables that the migrations make are the tables that the packages use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from making import fresh_database
from sqlalchemy import Connection, inspect, text
from sqlalchemy.schema import CreateTable

from storage import schema
from storage.engine import Database, open_database
from storage.tables import metadata


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with fresh_database(tmp_path) as database, database.read() as connection:
        yield connection


def test_models_and_migrations_agree(connection: Connection) -> None:
    assert schema.differences(connection, metadata) == []


def test_a_difference_would_be_found(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as database, database.write() as connection:
        connection.execute(text("ALTER TABLE calls ADD COLUMN mood TEXT"))
        connection.execute(text("DROP INDEX ix_cases_code"))
        kinds = sorted(str(each[0]) for each in schema.differences(connection, metadata))
    assert kinds == ["add_index", "remove_column"]


def shape(sql: str) -> set[str]:
    """The lines of a CREATE TABLE, each folded, in no order: what Alembic does not compare."""
    inside = sql[sql.index("(") + 1 : sql.rindex(")")]
    parts = re.split(r",(?![^()]*\))", re.sub(r"\s+", " ", inside))
    return {part.replace('"', "").strip() for part in parts}


def test_keys_checks_and_types_agree_word_for_word(connection: Connection) -> None:
    for table in metadata.tables.values():
        made = connection.execute(
            text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name"), {"name": table.name}
        ).scalar_one()
        wanted = str(CreateTable(table).compile(dialect=connection.dialect))
        assert shape(made) == shape(wanted), table.name


def test_the_migrations_make_no_other_table(connection: Connection) -> None:
    assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_newest_is_the_head(connection: Connection) -> None:
    scripts = ScriptDirectory.from_config(schema.config(connection))
    assert scripts.get_heads() == [schema.NEWEST]
    assert schema.revision(connection) == schema.NEWEST


def test_an_empty_database_has_no_revision(tmp_path: Path) -> None:
    database = open_database("sqlite:///empty.db", folder=tmp_path)
    with database.read() as connection:
        assert schema.revision(connection) is None
    database.close()


def test_a_migration_is_all_or_nothing(tmp_path: Path) -> None:
    database = open_database("sqlite:///half.db", folder=tmp_path)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE legs (sid TEXT)"))  # in the way of one of the last tables
    with pytest.raises(Exception, match="legs"):
        schema.migrate(database)
    with database.read() as connection:
        assert inspect(connection).get_table_names() == ["legs"]
    database.close()


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as database:
        _same(database)


def _same(database: Database) -> None:
    with database.read() as connection:
        before = connection.execute(text("SELECT name, sql FROM sqlite_master ORDER BY name")).all()
    schema.migrate(database)
    with database.read() as connection:
        assert connection.execute(text("SELECT name, sql FROM sqlite_master ORDER BY name")).all() == before


def test_foreign_keys_go_one_way(connection: Connection) -> None:
    """cases → calls → customers, never back: no table can be reached from itself."""
    points = {
        table.name: {key.column.table.name for key in table.foreign_keys}
        for table in metadata.tables.values()
    }
    assert "calls" in points["cases"]
    assert "customers" in points["calls"]
    for start in points:
        reached: set[str] = set()
        ahead = set(points[start])
        while ahead:
            reached |= ahead
            ahead = set().union(*(points[name] for name in ahead)) - reached
        assert start not in reached, start

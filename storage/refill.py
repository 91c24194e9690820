"""An empty database filled with what `storage.dump` wrote, whichever kind of database that was and is.

The tables are made as they were when it was written, filled, and brought up to date: the lines say
themselves what they hold, so that an older backup needs none of today's tables. The caller's transaction
holds all of it or nothing, with SQLite's foreign keys checked at its end (`Database.rebuild`).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    TableClause,
    Text,
    column,
    delete,
    exists,
    insert,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.types import NULLTYPE, TypeEngine

from storage import schema
from storage.dump import TOGETHER
from storage.types import Instant

# JSON goes in as the text it is: of a type that nobody touches on its way.
_TYPES: dict[str, Callable[[], TypeEngine[Any]]] = {
    "instant": Instant,
    "json": lambda: NULLTYPE,
    "bool": Boolean,
    "int": Integer,
    "bytes": LargeBinary,
    "date": Date,
    "text": Text,
}
_READ: dict[str, Callable[[Any], Any]] = {
    "instant": datetime.fromisoformat,
    "bytes": base64.b64decode,
    "date": date.fromisoformat,
}
_LONGEST_ID = 2**31 - 1


class Unreadable(Exception):
    """The lines are not what `storage.dump` writes."""


@dataclass
class Filled:
    """How many rows each table was given, and the last number that each had given."""

    rows: dict[str, int] = field(default_factory=dict)
    given: dict[str, int] = field(default_factory=dict)


def occupied(connection: Connection, metadata: MetaData, but: tuple[str, ...]) -> str | None:
    """A table that holds rows, if any does; those of `but` do not count."""
    there = set(inspect(connection).get_table_names())
    for each in metadata.sorted_tables:
        if each.name in there and each.name not in but and connection.execute(select(exists(each))).scalar():
            return each.name
    return None


def known(revision: str) -> bool:
    """Whether this program can read a backup of this revision of the tables: a newer one it cannot."""
    from alembic.script import ScriptDirectory

    migrations = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))
    return revision in {each.revision for each in migrations.walk_revisions()}


def prepare(connection: Connection, metadata: MetaData, revision: str) -> None:
    """Bring the empty tables to `revision`, whatever they stand at."""
    from alembic import command

    if schema.revision(connection) == revision:
        for each in reversed(metadata.sorted_tables):
            connection.execute(delete(each))
        return
    metadata.drop_all(connection)
    connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
    command.upgrade(schema.config(connection), revision)


def bring_up_to_date(connection: Connection) -> None:
    """From whatever revision the tables stand at to the newest."""
    from alembic import command

    if schema.revision(connection) != schema.NEWEST:
        command.upgrade(schema.config(connection), "head")


def fill(connection: Connection, lines: Iterator[Any]) -> Filled:
    """Insert every row; stops after the line that says which numbers were given.

    Raises Unreadable, also if a row does not fit this kind of database; SQLAlchemyError.
    """
    filled = Filled()
    for line in lines:
        match line:
            case {"table": str(name), "columns": list(columns)}:
                filled.rows[name] = _fill_one(connection, name, columns, lines)
            case {"given": dict(given)}:
                filled.given = given
                return filled
            case _:
                raise Unreadable("it holds a line that nobody expects")
    raise Unreadable("it ends too early")


def number_from(connection: Connection, last: Mapping[str, int], skip: int = 0) -> None:
    """Have each table give the number after its last one next, `skip` more left out."""
    for name, number in last.items():
        number = min(number + skip, _LONGEST_ID)
        if connection.dialect.name == "sqlite":
            connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": name})
            given = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)")
        else:
            given = text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :number)")
        connection.execute(given, {"name": name, "number": number})


def _fill_one(connection: Connection, name: str, columns: list[Any], lines: Iterator[Any]) -> int:
    try:
        into = table(name, *(column(each, _TYPES[kind]()) for each, kind in columns))
        reads = [(each, _READ.get(kind)) for each, kind in columns]
    except (KeyError, TypeError, ValueError):
        raise Unreadable(f"its table {name} has columns that nobody knows") from None
    count = 0
    batch: list[dict[str, Any]] = []
    for line in lines:
        if isinstance(line, dict):
            _insert(connection, into, batch)
            if line != {"end": name, "rows": count}:
                raise Unreadable(f"its table {name} is not whole")
            return count
        try:
            batch.append(
                {
                    each: value if value is None or read is None else read(value)
                    for (each, read), value in zip(reads, line, strict=True)
                }
            )
        except (ValueError, TypeError):
            raise Unreadable(f"its table {name} has a row that nobody understands") from None
        count += 1  # noqa: SIM113
        if len(batch) == TOGETHER:
            _insert(connection, into, batch)
            batch = []
    raise Unreadable("it ends too early")


def _insert(connection: Connection, into: TableClause, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    try:
        connection.execute(insert(into), rows)
    except (DataError, IntegrityError) as error:
        raise Unreadable(f"its table {into.name} does not fit here: {type(error).__name__}") from error

"""Every row of the database as lines of JSON, for a backup that fits either kind of database.

For each table, in an order in which no row points to one that is still to come: a line that names its
columns and what each holds, a line for each row, a line with their number. At the end the last number that
each table has given, so that none is given twice. A value is written as what it is (an instant, bytes),
not as a database keeps it; JSON as the very text that stands there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    cast,
    func,
    inspect,
    select,
    text,
    type_coerce,
)
from sqlalchemy.types import TypeEngine

from storage.types import Instant

# What a column can hold; an Instant first, since it looks like nothing else.
_KINDS: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (Instant, "instant"),
    (JSON, "json"),
    (Boolean, "bool"),
    (Integer, "int"),
    (LargeBinary, "bytes"),
    (Date, "date"),
    (String, "text"),
)
TOGETHER = 500


class Undumpable(Exception):
    """A column holds what no backup can carry, or a row what its column cannot hold."""


# The columns that tables have, by name.
Columns = Mapping[str, frozenset[str]]


def lines(connection: Connection, metadata: MetaData, only: Columns | None = None) -> Iterator[Any]:
    """Every table's lines, then the numbers given. Needs a reading transaction: all is of one instant. `only`
    are the tables and columns that are there, if they are not yet what `metadata` says; see `there`.

    A few hundred rows are in memory at a time. Raises Undumpable, naming table and column.
    """
    for table in metadata.sorted_tables:
        if only is None:
            yield from _table(connection, table, list(table.columns))
        elif table.name in only:
            yield from _table(connection, table, [c for c in table.columns if c.name in only[table.name]])
    wanted = [table for table in numbered(metadata) if only is None or table.name in only]
    yield {"given": given(connection, wanted)}


def there(connection: Connection, metadata: MetaData) -> Columns:
    """The tables and columns of a database that a release before this one has made.

    Raises Undumpable if one of them is nowhere in `metadata`: what nobody here knows would be left out.
    """
    found = inspect(connection)
    columns = {
        name: frozenset(column["name"] for column in found.get_columns(name))
        for name in found.get_table_names()
        if name != "alembic_version"
    }
    for name, held in sorted(columns.items()):
        known = (
            {column.name for column in metadata.tables[name].columns} if name in metadata.tables else set()
        )
        for column in sorted(held - known):
            raise Undumpable(f"{name}.{column} is there, and this release does not know it")
    return columns


def numbered(metadata: MetaData) -> list[Table]:
    """The tables whose ids the database gives."""
    return [
        table
        for table in metadata.sorted_tables
        if table.autoincrement_column is not None and table.dialect_options["sqlite"]["autoincrement"]
    ]


def given(connection: Connection, tables: Iterable[Table]) -> dict[str, int]:
    """The last id that each table has given, of a row that is there or gone, by name; those that gave any."""
    return {table.name: last for table in tables if (last := _last(connection, table))}


def kind(column: Column[Any]) -> str:
    """What a column holds: instant, json, bool, int, bytes, date, text. Raises Undumpable."""
    for type_, name in _KINDS:
        if isinstance(column.type, type_):
            return name
    raise Undumpable(f"{column.table.name}.{column.name} holds what no backup can carry")


def _table(connection: Connection, table: Table, columns: list[Column[Any]]) -> Iterator[Any]:
    kinds = [kind(column) for column in columns]
    names = [column.name for column in columns]
    yield {"table": table.name, "columns": [list(each) for each in zip(names, kinds, strict=True)]}
    sqlite = connection.dialect.name == "sqlite"
    query = select(*(_as_kept(column, sqlite) for column in columns)).order_by(*table.primary_key)
    count = 0
    try:
        for row in connection.execute(query, execution_options={"yield_per": TOGETHER}):
            yield [_told(*each) for each in zip(kinds, row, strict=True)]
            count += 1
    except (ValueError, TypeError) as error:
        raise Undumpable(f"{table.name} holds what nobody wrote there: {type(error).__name__}") from None
    yield {"end": table.name, "rows": count}


def _as_kept(column: Column[Any], sqlite: bool) -> ColumnElement[Any]:
    """JSON as its text: no null or figure in it comes back as another."""
    if not isinstance(column.type, JSON):
        return column
    return type_coerce(column, Text) if sqlite else cast(column, Text)


def _told(of_kind: str, value: Any) -> Any:
    if value is None:
        return None
    match of_kind, value:
        case "instant", datetime():
            return value.astimezone(UTC).isoformat()
        case "bytes", bytes():
            return base64.b64encode(value).decode("ascii")
        case "date", date():
            return value.isoformat()
        case "json", int() | float():  # SQLite makes a number of a document that is one
            return json.dumps(value)
        case ("bool", bool()) | ("int", int()) | ("text" | "json", str()):
            return value
        case _:
            raise TypeError(of_kind)


def _last(connection: Connection, table: Table) -> int:
    column = table.autoincrement_column
    assert column is not None
    highest = connection.execute(select(func.max(column))).scalar() or 0
    if connection.dialect.name == "sqlite":
        asked = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        return max(highest, connection.execute(asked, {"name": table.name}).scalar() or 0)
    asked = text("SELECT pg_sequence_last_value(CAST(pg_get_serial_sequence(:name, :column) AS regclass))")
    last = connection.execute(asked, {"name": table.name, "column": column.name}).scalar()
    return max(highest, last or 0)

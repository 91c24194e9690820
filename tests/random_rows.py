"""Rows for every table there is, at random: whatever a column takes, and nothing that it does not."""

from __future__ import annotations

import itertools
import random
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import CheckConstraint, Column, Connection, Table, insert

from storage import dump
from storage.tables import metadata

# Letters that go wrong: beyond the first plane, right to left, combining, of two bytes, quotes, line ends.
ODD = "aZ09 ñß«»'\"\\\n\t;,%_{}<>&\u0301\u200e\u05d0漢😀\u2028"
ROWS = 4


def fill(connection: Connection, source: random.Random) -> None:
    """Put some rows into every table, each column filled somewhere and, if it may be, empty elsewhere."""
    made: dict[str, list[dict[str, Any]]] = {}
    count = itertools.count(1)
    for table in metadata.sorted_tables:
        # The first row has everything, and the second nothing that it need not have.
        rows = [_row(table, place, made, source, count) for place in range(ROWS)]
        made[table.name] = rows
        connection.execute(insert(table), rows)


def _row(
    table: Table,
    place: int,
    made: dict[str, list[dict[str, Any]]],
    source: random.Random,
    count: itertools.count[int],
) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for column in table.columns:
        if column.nullable and (place == 1 or (place > 1 and source.random() < 0.3)):
            row[column.name] = None
        elif column.foreign_keys:
            key = next(iter(column.foreign_keys)).column
            row[column.name] = made[key.table.name][place][key.name]
        else:
            row[column.name] = _value(column, source, next(count))
    return row


def _value(column: Column[Any], source: random.Random, number: int) -> Any:
    if one_of := _choices(column):
        return source.choice(one_of)
    match dump.kind(column):
        case "int":
            return number
        case "bool":
            return source.random() < 0.5
        case "bytes":
            return number.to_bytes(4, "big") + source.randbytes(getattr(column.type, "length", None) or 8)[4:]
        case "date":
            return date(2020, 1, 1) + timedelta(days=source.randrange(5000))
        case "instant":
            return datetime(2020, 1, 1, tzinfo=UTC) + timedelta(microseconds=source.randrange(10**15))
        case "json":
            return source.choice(([], {}, {"n": number, "x": [1.5, None, True, _text(source, 9)]}, [number]))
        case "text":
            longest = getattr(column.type, "length", None) or 60
            return f"{number}{_text(source, source.randrange(60))}"[:longest]
        case kind:
            raise AssertionError(kind)


def _text(source: random.Random, length: int) -> str:
    return "".join(source.choice(ODD) for _ in range(length))


def _choices(column: Column[Any]) -> list[str]:
    """What a check of the table allows in this column; empty if it checks nothing."""
    for check in column.table.constraints:
        if isinstance(check, CheckConstraint):
            said = re.fullmatch(rf"{column.name} IN \((.*)\)", str(check.sqltext))
            if said:
                return re.findall(r"'([^']*)'", said[1])
    return []

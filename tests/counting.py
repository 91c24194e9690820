"""What the database is asked, counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import event

from storage.engine import Database


@dataclass
class Count:
    """What the database was asked: statements without BEGIN and PRAGMA; on SQLite also how many transactions
    began, by their kind; and how many were committed.
    """

    statements: int = 0
    reads: int = 0
    writes: int = 0
    commits: int = 0


@contextmanager
def counting(database: Database) -> Iterator[Count]:
    """Counts until the block ends."""
    count = Count()

    def executed(conn: object, cursor: object, statement: str, *rest: object) -> None:
        if statement == "BEGIN IMMEDIATE":
            count.writes += 1
        elif statement == "BEGIN":
            count.reads += 1
        elif not statement.startswith("PRAGMA"):
            count.statements += 1

    def committed(conn: object) -> None:
        count.commits += 1

    event.listen(database.engine, "before_cursor_execute", executed)
    event.listen(database.engine, "commit", committed)
    try:
        yield count
    finally:
        event.remove(database.engine, "before_cursor_execute", executed)
        event.remove(database.engine, "commit", committed)

"""The whole database as it stands: every row of every table, to be compared before and after."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from storage.engine import Database

Rows = list[tuple[object, ...]]


@dataclass(frozen=True)
class Whole:
    """Every row of an SQLite database by table, in the order in which they were written."""

    tables: dict[str, Rows]

    def unlike(self, before: Whole) -> dict[str, Rows]:
        """Rows that are here and were not before, or were before and are gone; empty if nothing changed."""
        names = self.tables.keys() | before.tables.keys()
        found = {}
        for name in names:
            now, then = self.tables.get(name, []), before.tables.get(name, [])
            if now != then:
                found[name] = [row for row in (*now, *then) if (row in now) != (row in then)]
        return found


class Ledger:
    """Reads an SQLite database from a connection of its own, as quickly as that can be done."""

    def __init__(self, database: Database) -> None:
        file = database.engine.url.database
        assert file is not None
        assert database.engine.dialect.name == "sqlite"
        self._connection = sqlite3.connect(file, check_same_thread=False)
        found = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        # The sequences of ids count as state too: a row that came and went leaves its mark there.
        self._names = sorted(name for (name,) in found)

    def close(self) -> None:
        self._connection.close()

    def whole(self) -> Whole:
        """Everything, as of one instant."""
        self._connection.execute("BEGIN")
        try:
            return Whole(
                {name: self._connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in self._names}
            )
        finally:
            self._connection.execute("ROLLBACK")


def whole(database: Database) -> Whole:
    """Everything that stands in the database now."""
    ledger = Ledger(database)
    try:
        return ledger.whole()
    finally:
        ledger.close()

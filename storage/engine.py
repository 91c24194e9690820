"""Opening the database, and the two kinds of transaction.

SQLite writers begin IMMEDIATE: a transaction that reads first and writes later fails at once with
"database is locked" when another writer was quicker, whatever the busy time-out says. Readers begin
plainly and disturb nobody (write-ahead log).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import ConnectionPoolEntry

# A turn must be answered within 3.5 s, the slow hash included: a writer waits at most this long.
SQLITE_BUSY_MS = 2500


class Database:
    """An open database: `read()` and `write()` are its only transactions.

    Both yield a Connection inside a transaction that commits when the block ends and rolls back when
    it raises. Code below the doors receives that Connection and never commits.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(write=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def open_database(url: str, *, folder: Path | None = None) -> Database:
    """Open the database at `url`; a relative SQLite path is taken from `folder`.

    Opens nothing yet: the first transaction connects.
    """
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        return Database(_sqlite(url, folder))
    return Database(create_engine(address, pool_pre_ping=True, hide_parameters=True))


def sqlite_file(url: str, folder: Path | None = None) -> Path | None:
    """The file an SQLite address names, or None for another kind of database or one in memory."""
    address = make_url(url)
    if address.get_backend_name() != "sqlite" or address.database in (None, "", ":memory:"):
        return None
    assert address.database is not None
    return (folder or Path()) / address.database


def _sqlite(url: str, folder: Path | None) -> Engine:
    address = make_url(url)
    path = sqlite_file(url, folder)
    if path is not None:
        address = address.set(database=str(path))
    # An error's text ends up in a log: it never shows the values of a statement.
    engine = create_engine(address, connect_args={"timeout": SQLITE_BUSY_MS / 1000}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, record: ConnectionPoolEntry) -> None:
        # Our BEGIN, not the driver's: it would begin late and never IMMEDIATE.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        # WAL with NORMAL may lose the last commits at a power cut; a lost case is the worst there is.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine

"""Opening the database, and the two kinds of transaction.

SQLite: writers begin IMMEDIATE, for a transaction that reads first and writes later fails at once with
"database is locked" when another writer was quicker, whatever the busy time-out says. Readers begin
plainly and disturb nobody (write-ahead log). So there is one writer at a time.

PostgreSQL: many writers at a time, READ COMMITTED; whoever reads in order to write locks first
(`journal.lock`, `journal.lock_leg`, `cases.lock`). Readers see one instant from their first statement to
their last, as on SQLite, and cannot write.
"""

from __future__ import annotations

import select
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    DataError,
    IntegrityError,
    InvalidatePoolError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.pool import ConnectionPoolEntry

from storage.limits import Limits
from storage.partial import tell_postgresql
from storage.writers import WritersTurns

if TYPE_CHECKING:
    import psycopg

# A turn must be answered within 3.5 s, the slow hash included: a writer waits at most this long.
SQLITE_BUSY_MS = 2500

# The same on PostgreSQL, in seconds: what a turn may spend on its reading and on its writing transaction,
# each from waiting for a connection to the commit. What is left of the 3.5 s is the hash's.
READ_SECONDS = 1.0
WRITE_SECONDS = 2.0
# Within these: waiting for a connection that another thread holds, and for the answer to a ping.
POOL_SECONDS = 0.5
PING_SECONDS = 0.4

# What the server ends by itself, in milliseconds. The order matters: a transaction whose process stopped
# in its middle loses its locks before those who wait for them give up.
HURRIED = {
    "idle_in_transaction_session_timeout": 1200,
    "lock_timeout": 1700,
    "statement_timeout": 1900,
}
# For people's commands, the worker and migrations. A migration waits for its locks no longer than this,
# because every call waits behind it.
PATIENT = {
    "idle_in_transaction_session_timeout": 60_000,
    "lock_timeout": 5_000,
    "statement_timeout": 600_000,
}


# What says that a statement or a row is wrong, not that the database is gone.
# "deadlock_detected", "serialization_failure": PostgreSQL's Appendix A.
_GIVEN_UP = frozenset({"40P01", "40001"})
_OUR_FAULT = (DataError, IntegrityError, ProgrammingError)


def is_gone(error: BaseException) -> bool:
    """Whether it says that the database cannot be used, and not that it was asked for something wrong. A file
    of rubbish, a full disk and a server that stopped raise whatever their driver likes.
    """
    ours = isinstance(error, _OUR_FAULT) or is_contended(error)
    return isinstance(error, SQLAlchemyError | OSError | sqlite3.Error) and not ours


def is_contended(error: BaseException) -> bool:
    """Whether two transactions were in each other's way and this is the one that was given up: all of it was
    undone, and done again it succeeds. Only PostgreSQL says so.
    """
    return getattr(getattr(error, "orig", None), "sqlstate", None) in _GIVEN_UP


class Database:
    """An open database: `read()` and `write()` are its only transactions.

    Both yield a Connection inside a transaction that commits when the block ends and rolls back when
    it raises. Code below the doors receives that Connection and never commits.
    """

    # What other databases of this node are told apart by: see storage/spare.py. The house's own has no name.
    home: str = ""

    def __init__(
        self, engine: Engine, limits: Limits | None = None, turns: WritersTurns | None = None
    ) -> None:
        self.engine = engine
        self._limits = limits
        self.turns = turns
        self._reader = engine
        if engine.dialect.name == "postgresql":
            self._reader = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    def read(self) -> AbstractContextManager[Connection]:
        if self.turns is not None:
            return _reading(self._reader)
        return self._transaction(self._reader, READ_SECONDS)

    def write(self) -> AbstractContextManager[Connection]:
        if self.turns is not None:
            return self.turns.begin(self.engine)
        return self._transaction(self.engine, WRITE_SECONDS)

    @contextmanager
    def rebuild(self) -> Iterator[Connection]:
        """A writing transaction for migrations.

        SQLite changes a table by copying it and dropping the old one; with foreign keys enforced, the
        rows that point to it would forbid that. So they are checked once, at the end, instead.
        """
        with self.engine.connect() as connection:
            sqlite = connection.dialect.name == "sqlite"
            driver = connection.connection.dbapi_connection
            assert driver is not None
            if sqlite:  # a pragma inside a transaction would have no effect, and none has begun
                driver.cursor().execute("PRAGMA foreign_keys=OFF")
            try:
                with connection.begin():
                    if self.turns is not None:
                        self.turns.begin_immediate(connection)
                    yield connection
                    if sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                        raise RuntimeError("a migration left rows that point nowhere")
            finally:
                if sqlite:
                    driver.cursor().execute("PRAGMA foreign_keys=ON")

    def close(self) -> None:
        self.engine.dispose()

    def _transaction(self, engine: Engine, seconds: float) -> AbstractContextManager[Connection]:
        return engine.begin() if self._limits is None else self._limits.begin(engine, seconds)


def open_database(
    url: str, *, folder: Path | None = None, threads: int = 8, hurried: bool = False
) -> Database:
    """Open the database at `url`; a relative SQLite path is taken from `folder`.

    Opens nothing yet: the first transaction connects. `postgresql://` means psycopg 3, which is imported
    only then. `threads` is how many may be in a transaction at once. `hurried` is for the path of a
    call: whatever the server, the network or the name service does, a reading transaction on PostgreSQL
    ends within READ_SECONDS and a writing one within WRITE_SECONDS, by an error if need be.
    """
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        turns = WritersTurns(SQLITE_BUSY_MS / 1000)
        return Database(_sqlite(url, folder), turns=turns)
    return _postgresql(address, threads, hurried)


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
        # No listener says it at the beginning of each: with one, SQLAlchemy would look for listeners at every
        # step of every statement.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        # WAL with NORMAL may lose the last commits at a power cut; a lost case is the worst there is.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.close()

    return engine


@contextmanager
def _reading(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        connection.exec_driver_sql("BEGIN")
        yield connection


# -- PostgreSQL --------------------------------------------------------------------------------


def _postgresql(address: URL, threads: int, hurried: bool) -> Database:
    tell_postgresql()
    wanted = {**(HURRIED if hurried else PATIENT), "timezone": "UTC"}
    given = address.query.get("options", "")
    options = " ".join([*(f"-c {name}={value}" for name, value in wanted.items()), str(given)])
    arguments: dict[str, str | int] = {
        "application_name": "ivr",
        # A server set up without a locale keeps SQL_ASCII, and the driver would return bytes for text.
        "client_encoding": "utf8",
        "connect_timeout": 2 if hurried else 10,
        # A peer that is gone without a word is noticed after about as long, by either side of a wait.
        "keepalives": 1,
        "keepalives_idle": 5,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        "tcp_user_timeout": 2_000 if hurried else 10_000,
    }
    # What the address itself says of these counts.
    arguments = {name: value for name, value in arguments.items() if name not in address.query}
    engine = create_engine(
        address.set(drivername="postgresql+psycopg"),
        connect_args={**arguments, "options": options.strip()},
        isolation_level="READ COMMITTED",
        pool_size=threads,
        max_overflow=0,
        pool_timeout=POOL_SECONDS if hurried else 30,
        pool_use_lifo=True,
        # An error's text ends up in a log: it never shows the values of a statement.
        hide_parameters=True,
    )

    # SQLAlchemy's own ping waits for ever on a server that has stopped; this one does not.
    @event.listens_for(engine, "checkout")
    def on_checkout(connection: psycopg.Connection, record: ConnectionPoolEntry, fairy: Any) -> None:
        if record.info.pop("new", False):
            return
        if not _answers(connection):
            raise InvalidatePoolError("the connection is gone")

    @event.listens_for(engine, "connect")
    def on_connect(connection: psycopg.Connection, record: ConnectionPoolEntry) -> None:
        record.info["new"] = True

    return Database(engine, Limits(engine) if hurried else None)


def _answers(connection: psycopg.Connection) -> bool:
    """Whether the server answers an empty query on this idle connection within PING_SECONDS."""
    from psycopg import Error
    from psycopg.pq import ConnStatus, ExecStatus

    ping = connection.pgconn
    try:
        ping.send_query(b"")
        ping.flush()
        poll = select.poll()
        poll.register(ping.socket, select.POLLIN)
        while ping.is_busy():
            if not poll.poll(PING_SECONDS * 1000):
                return False
            ping.consume_input()
        # A connection that was ended answers too: with the error that ended it.
        while (answer := ping.get_result()) is not None:
            if answer.status != ExecStatus.EMPTY_QUERY:
                return False
    except Error:
        return False
    return ping.status == ConnStatus.OK

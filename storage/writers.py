"""Who writes next to an SQLite database, which has one writer at a time: whoever came first.

SQLite itself lets those who wait look again after ever longer pauses, up to a tenth of a second: in a flood
of calls whoever comes at the right moment is served, and somebody else never. So the threads of a process
queue here, in order, and only the first of them asks the database, every millisecond or two. Between
processes the queue of one makes a gap after a few of its own, long enough for the others to see it.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

# Seconds between two looks whether the database is free, at most; and how long a gap is left, after so many.
LOOKS_EVERY = 0.002
GAP, IN_A_ROW = 0.004, 4
LOCKED = "database is locked"


class WritersTurns:
    """The queue of one process. A writer waits `seconds` at most, then fails as SQLite's own wait does."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._guard = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Event] = deque()
        self._in_a_row = 0
        self._of_thread = threading.local()

    @contextmanager
    def begin(self, engine: Engine) -> Iterator[Connection]:
        """A writing transaction of `engine`, in its turn. Raises OperationalError."""
        self._of_thread.ends = time.monotonic() + self._seconds
        if not self._take(self._seconds):
            raise _locked()
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            self._pass_on()

    def begin_immediate(self, connection: Connection) -> None:
        """Begin, as soon as no other process writes. Raises OperationalError."""
        pragmas = connection.connection.cursor()
        pragmas.execute("PRAGMA busy_timeout")
        waits = (pragmas.fetchone() or (0,))[0]
        pragmas.execute("PRAGMA busy_timeout=0")
        ends = getattr(self._of_thread, "ends", 0.0)
        try:
            while not _begun(connection, last=time.monotonic() >= ends):
                time.sleep(LOOKS_EVERY * random.uniform(0.5, 1))  # noqa: S311 - no secret
        finally:
            pragmas.execute(f"PRAGMA busy_timeout={waits}")
            pragmas.close()

    def _take(self, seconds: float) -> bool:
        with self._guard:
            if not self._taken:
                self._taken, self._in_a_row = True, 0
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        if not turn.wait(seconds):
            with self._guard:
                if not turn.is_set():  # else it was passed on at the last moment
                    self._waiting.remove(turn)
                    return False
        if self._in_a_row % IN_A_ROW == 0:
            time.sleep(GAP)
        return True

    def _pass_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._in_a_row += 1
                self._waiting.popleft().set()
            else:
                self._taken = False


def _begun(connection: Connection, *, last: bool) -> bool:
    """Whether the transaction has begun; at the `last` look, why not is raised."""
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except OperationalError as error:
        if last or LOCKED not in str(error.orig):
            raise
        return False
    return True


def _locked() -> OperationalError:
    return OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError(LOCKED))

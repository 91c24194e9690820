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
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

# Seconds between two looks whether the database is free, at most; and how long a gap is left, after so many.
LOOKS_EVERY = 0.002
GAP, IN_A_ROW = 0.004, 4
LOCKED = "database is locked"


class _Patience:
    """How long a writer still waits; the time runs from when he first has to."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._over: threading.Event | None = None
        self._timer: threading.Timer | None = None

    def start(self) -> None:
        if self._timer is None:
            self._over = threading.Event()
            self._timer = threading.Timer(self._seconds, self._over.set)
            self._timer.daemon = True
            self._timer.start()

    def waits(self, seconds: float) -> bool:
        """Let this much time pass; False once it is over. Begun by `start`."""
        assert self._over is not None
        return not self._over.wait(seconds)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


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
        patience = self._of_thread.patience = _Patience(self._seconds)
        try:
            if not self._take(patience):
                raise OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError(LOCKED))
            try:
                with engine.begin() as connection:
                    self.begin_immediate(connection)
                    patience.end()
                    yield connection
            finally:
                self._pass_on()
        finally:
            patience.end()

    def begin_immediate(self, connection: Connection) -> None:
        """Begin, as soon as no other process writes. Raises OperationalError."""
        patience: _Patience = getattr(self._of_thread, "patience", None) or _Patience(self._seconds)
        pragmas = connection.connection.cursor()
        pragmas.execute("PRAGMA busy_timeout")
        waits = (pragmas.fetchone() or (0,))[0]
        pragmas.execute("PRAGMA busy_timeout=0")
        last = False
        try:
            while not _begun(connection, last=last):
                patience.start()
                last = not patience.waits(LOOKS_EVERY * random.uniform(0.5, 1))  # noqa: S311 - no secret
        finally:
            patience.end()
            with suppress(sqlite3.ProgrammingError):  # closed meanwhile: there is nothing to be restored
                pragmas.execute(f"PRAGMA busy_timeout={waits}")
                pragmas.close()

    def _take(self, patience: _Patience) -> bool:
        with self._guard:
            if not self._taken:
                self._taken, self._in_a_row = True, 0
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        patience.start()
        if not turn.wait(self._seconds):
            with self._guard:
                if not turn.is_set():  # else it was passed on at the last moment
                    self._waiting.remove(turn)
                    return False
        if self._in_a_row % IN_A_ROW == 0:
            patience.waits(GAP)
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

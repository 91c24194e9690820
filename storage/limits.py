"""How long a transaction of a call may take on PostgreSQL, whatever the server, the network or the name
service does: when its time is up, the connection's socket is shut, and whatever waits on it fails at once.
"""

from __future__ import annotations

import heapq
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger("ivr")


class _Watch:
    """One thread of the process for the limits of all its transactions. One for each, as a timer has, would
    cost more than the transaction.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, _Limit]] = []
        self._came = count()
        self._looks_at = float("inf")
        self._thread: threading.Thread | None = None

    def add(self, limit: _Limit, seconds: float) -> None:
        up = time.monotonic() + seconds
        with self._changed:
            heapq.heappush(self._waiting, (up, next(self._came), limit))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="limits", daemon=True)
                self._thread.start()
            elif up < self._looks_at:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            limit = self._next()
            try:
                limit.expire()
            except Exception as error:  # whatever it is: the other limits are kept
                log.error("a transaction could not be ended in time: %s", type(error).__name__)

    def _next(self) -> _Limit:
        """The next whose time is up, waited for. Those that ended in time are passed over."""
        with self._changed:
            while True:
                while self._waiting and self._waiting[0][2].ended:
                    heapq.heappop(self._waiting)
                self._looks_at = self._waiting[0][0] if self._waiting else float("inf")
                left = self._looks_at - time.monotonic()
                if left <= 0:
                    return heapq.heappop(self._waiting)[2]
                self._changed.wait(left if self._waiting else None)


_watch = _Watch()
# A process that is forked has none of the threads of its parent, and its locks as they happened to be.
os.register_at_fork(after_in_child=_watch.__init__)  # type: ignore[misc]


class _Limit:
    """The time of one transaction, begun when it is made."""

    def __init__(self, seconds: float) -> None:
        self._changed = threading.Condition()
        self._over = False
        self._connection: psycopg.Connection | None = None
        self.ended = False
        _watch.add(self, seconds)

    def end(self) -> None:
        """It was kept."""
        self.ended = True

    def watch(self, connection: psycopg.Connection) -> None:
        with self._changed:
            self._connection = connection
            if self._over:
                _shut(connection)

    def forget(self, connection: psycopg.Connection | None) -> None:
        with self._changed:
            if self._connection is connection:
                self._connection = None

    def connect(self, connect: Callable[[], Any]) -> psycopg.Connection | None:
        """What `connect` returns or raises; None if the time is up before. Then it goes on alone, and
        what it still opens is closed: the driver has no time-out of less than 2 s for each address, and
        none for looking a name up.
        """
        opened: list[psycopg.Connection] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                connection = connect()
            except BaseException as error:
                failed.append(error)
            else:
                with self._changed:
                    if not self._over:
                        opened.append(connection)
                if not opened:
                    connection.close()
            with self._changed:
                self._changed.notify_all()

        threading.Thread(target=run, daemon=True).start()
        with self._changed:
            self._changed.wait_for(lambda: self._over or opened or failed)
        if failed:
            raise failed[0]
        return opened[0] if opened else None

    def expire(self) -> None:
        """It is up."""
        with self._changed:
            if self.ended:  # just in time
                return
            self._over = True
            if self._connection is not None:
                _shut(self._connection)
            self._changed.notify_all()


def _shut(connection: psycopg.Connection) -> None:
    if connection.closed:
        return
    # A second descriptor of the same socket: ours to close.
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        try:
            ours.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was quicker


class Limits:
    """Gives each transaction of an engine its limit."""

    def __init__(self, engine: Engine) -> None:
        self._of_thread = threading.local()
        # Before the ping, and before what SQLAlchemy asks on a new connection.
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "checkout", self._watch, insert=True)
        # From here on the connection is another's, or its descriptor is.
        event.listen(engine, "checkin", self._forget)
        event.listen(engine, "close", self._forget)

    @contextmanager
    def begin(self, engine: Engine, seconds: float) -> Iterator[Connection]:
        limit = self._of_thread.limit = _Limit(seconds)
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            self._of_thread.limit = None
            limit.end()

    def _current(self) -> _Limit | None:
        return getattr(self._of_thread, "limit", None)

    def _connect(
        self, dialect: Dialect, record: ConnectionPoolEntry, arguments: Any, options: dict[str, Any]
    ) -> psycopg.Connection | None:
        limit = self._current()
        if limit is None:
            return None  # SQLAlchemy connects
        connection = limit.connect(lambda: dialect.connect(*arguments, **options))
        if connection is None:
            raise dialect.loaded_dbapi.OperationalError("no connection in the time of a turn")
        limit.watch(connection)
        return connection

    def _watch(self, connection: psycopg.Connection, record: ConnectionPoolEntry, fairy: Any) -> None:
        if limit := self._current():
            limit.watch(connection)

    def _forget(self, connection: psycopg.Connection | None, record: ConnectionPoolEntry) -> None:
        if limit := self._current():
            limit.forget(connection)

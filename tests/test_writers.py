"""Writers of an SQLite database are served as they came, and no process starves another."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from making import fresh_database
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from storage import engine
from storage.engine import Database, open_database
from storage.tables import due_work
from storage.writers import WritersTurns

INSERT = text(
    "INSERT INTO due_work (kind, key, payload, due_at, created_at, tries, state)"
    " VALUES ('x', :key, '{}', '2026-03-10 21:00:00.000000', '2026-03-10 21:00:00.000000', 0, 'done')"
)
# Another process that writes as often as it can, from several threads, until its input ends.
HAMMER = """
import sys, threading
from sqlalchemy import text
from storage.engine import open_database
database, over = open_database(sys.argv[1]), threading.Event()
def write():
    while not over.is_set():
        with database.write() as connection:
            connection.execute(text(sys.argv[2]), {"key": "theirs"})
threads = [threading.Thread(target=write) for _ in range(6)]
for thread in threads:
    thread.start()
print(flush=True)
sys.stdin.read()
over.set()
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with fresh_database(tmp_path) as database:
        yield database


def test_they_are_served_in_the_order_in_which_they_came(database: Database) -> None:
    turns = database.turns
    assert turns is not None
    served: list[int] = []

    def write(number: int) -> None:
        with database.write():
            served.append(number)

    threads = []
    with database.write():
        for number in range(12):
            threads.append(threading.Thread(target=write, args=(number,)))
            threads[-1].start()
            while len(turns._waiting) <= number:  # it stands in the queue before the next comes
                time.sleep(0)
    for thread in threads:
        thread.join(60)
    assert served == list(range(12))


def test_whoever_waits_too_long_fails_and_holds_up_nobody(tmp_path: Path, database: Database) -> None:
    turns = WritersTurns(0.05)
    impatient = Database(database.engine, turns=turns)
    failed: list[str] = []

    def write() -> None:
        with pytest.raises(OperationalError) as refused, impatient.write():
            pass
        failed.append(str(refused.value.orig))

    with impatient.write():
        waiting = threading.Thread(target=write)
        waiting.start()
        waiting.join(60)
    assert failed == ["database is locked"]
    assert not turns._waiting
    with impatient.write():
        pass


def test_a_transaction_that_fails_passes_its_turn_on(database: Database) -> None:
    for _ in range(3):
        with pytest.raises(OperationalError), database.write() as connection:
            connection.execute(text("INSERT INTO nothing VALUES (1)"))
    with database.write() as connection:
        assert connection.execute(select(func.count()).select_from(due_work)).scalar() == 0


def theirs(database: Database) -> int:
    """How often the other process has written."""
    with database.read() as connection:
        rows = select(func.count()).where(due_work.c.key == "theirs")
        return connection.execute(rows).scalar_one()


def test_another_process_that_writes_all_the_time_starves_nobody(tmp_path: Path, database: Database) -> None:
    url = f"sqlite:///{tmp_path / 'ivr.db'}"
    command = [sys.executable, "-c", HAMMER, url, str(INSERT)]
    hammer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert hammer.stdout is not None
    try:
        hammer.stdout.readline()
        waited = []
        while len(waited) < 25 or theirs(database) < 25:
            before = theirs(database)
            with database.write() as connection:
                waited.append(theirs(database) - before)
                connection.execute(INSERT, {"key": "ours"})
    finally:
        hammer.communicate(b"")
    # In so many transactions of the other process there were gaps enough, however fast the machine is.
    assert sorted(waited)[len(waited) * 9 // 10] < 40, waited


def test_the_wait_between_processes_ends_too(tmp_path: Path, database: Database) -> None:
    """Somebody else holds the database: the error is SQLite's own."""
    other = open_database(f"sqlite:///{tmp_path / 'ivr.db'}")
    impatient = open_database(f"sqlite:///{tmp_path / 'ivr.db'}")
    assert impatient.turns is not None
    impatient.turns._seconds = 0.05
    with other.write(), pytest.raises(OperationalError, match="locked"), impatient.write():
        pass
    with impatient.write() as connection:
        connection.execute(INSERT, {"key": "ours"})
        # The database's own patience is as it was.
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == engine.SQLITE_BUSY_MS
    impatient.close()
    other.close()

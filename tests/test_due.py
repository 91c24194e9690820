"""Work for later: claimed under a lease, once at a time, and given up only by finishing it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain

import pytest
from making import NIGHT, opened_at
from sqlalchemy import Connection, select

from storage import due
from storage.engine import Database
from storage.tables import due_work

LEASE = timedelta(minutes=2)
SECOND = timedelta(seconds=1)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened_at(database_url) as database:
        yield database


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        yield connection


def claim(connection: Connection, at: object = NIGHT, *kinds: str, limit: int = 20) -> list[due.Work]:
    return due.claim(connection, at, kinds or ("ring",), limit=limit, lease=LEASE)  # type: ignore[arg-type]


def test_what_is_due_is_claimed_oldest_first(connection: Connection) -> None:
    for key, seconds in (("third", 0), ("first", -20), ("second", -10), ("not yet", 1)):
        due.add(connection, NIGHT, "ring", key, NIGHT + timedelta(seconds=seconds), {"for": key})
    due.add(connection, NIGHT, "write", "another kind", NIGHT, {})
    claimed = claim(connection)
    assert [work.key for work in claimed] == ["first", "second", "third"]
    assert [work.payload["for"] for work in claimed] == ["first", "second", "third"]
    assert {work.tries for work in claimed} == {1}
    assert [work.key for work in claim(connection, NIGHT, "write")] == ["another kind"]


def test_no_kinds_no_work(connection: Connection) -> None:
    due.add(connection, NIGHT, "ring", "a", NIGHT, {})
    assert due.claim(connection, NIGHT, (), lease=LEASE) == []


def test_a_claim_is_limited(connection: Connection) -> None:
    for number in range(5):
        due.add(connection, NIGHT, "ring", str(number), NIGHT, {})
    assert [work.key for work in claim(connection, NIGHT, limit=2)] == ["0", "1"]
    assert [work.key for work in claim(connection, NIGHT, limit=2)] == ["2", "3"]


def test_under_a_lease_nobody_else_claims_it(connection: Connection) -> None:
    due.add(connection, NIGHT, "ring", "a", NIGHT, {})
    (first,) = claim(connection)
    assert claim(connection, NIGHT + LEASE - SECOND) == []
    (second,) = claim(connection, NIGHT + LEASE)
    assert (second.id, second.tries) == (first.id, 2)
    assert second.lease != first.lease


def test_whoever_lost_the_lease_neither_finishes_nor_postpones(connection: Connection) -> None:
    due.add(connection, NIGHT, "ring", "a", NIGHT, {})
    (late,) = claim(connection)
    (now,) = claim(connection, NIGHT + LEASE)
    assert not due.finish(connection, NIGHT, late)
    assert not due.postpone(connection, late, NIGHT + timedelta(days=1))
    assert due.pending(connection, "ring", "a")
    assert due.finish(connection, NIGHT + LEASE, now)
    assert not due.finish(connection, NIGHT + LEASE, now)
    assert not due.pending(connection, "ring", "a")
    assert claim(connection, NIGHT + timedelta(days=2)) == []


def test_what_is_postponed_is_due_again_then(connection: Connection) -> None:
    due.add(connection, NIGHT, "ring", "a", NIGHT, {})
    (work,) = claim(connection)
    again = NIGHT + timedelta(minutes=3)
    assert due.postpone(connection, work, again)
    assert not due.postpone(connection, work, again)  # the lease was given back with it
    assert claim(connection, again - SECOND) == []
    (second,) = claim(connection, again)
    assert (second.due_at, second.tries) == (again, 2)


def test_what_is_cancelled_stays_so_whoever_held_it(connection: Connection) -> None:
    due.add(connection, NIGHT, "ring", "a", NIGHT, {})
    due.add(connection, NIGHT, "ring", "b", NIGHT, {})
    (work, _) = claim(connection)
    assert due.cancel(connection, NIGHT, "ring", "a", "taken by anna") == 1
    assert due.cancel(connection, NIGHT, "ring", "a", "again") == 0
    assert due.cancel(connection, NIGHT, "write", "b", "another kind") == 0
    assert not due.postpone(connection, work, NIGHT)
    assert not due.finish(connection, NIGHT, work)
    row = connection.execute(select(due_work).where(due_work.c.key == "a")).one()
    assert (row.state, row.ended_at, row.ended_by, row.lease) == ("cancelled", NIGHT, "taken by anna", None)
    assert due.pending(connection, "ring", "b")
    assert [each.key for each in claim(connection, NIGHT + LEASE)] == ["b"]


def test_what_is_done_is_not_cancelled_afterwards(connection: Connection) -> None:
    due.add(connection, NIGHT, "ring", "a", NIGHT, {})
    (work,) = claim(connection)
    due.finish(connection, NIGHT, work)
    assert due.cancel(connection, NIGHT, "ring", "a", "late") == 0
    assert connection.execute(select(due_work.c.state)).scalar() == "done"


def test_work_is_written_with_its_cause_or_not_at_all(database: Database) -> None:
    with database.write() as connection:
        due.add(connection, NIGHT, "ring", "a", NIGHT, {})
        connection.rollback()
    with database.read() as connection:
        assert connection.execute(select(due_work)).all() == []


def test_workers_claim_disjoint_rows_and_all_of_them(database: Database) -> None:
    with database.write() as connection:
        for number in range(60):
            due.add(connection, NIGHT, "ring", str(number), NIGHT, {})
    claimed: list[list[str]] = [[], [], []]
    together = threading.Barrier(len(claimed))

    def work(keys: list[str]) -> None:
        together.wait(10)
        while True:
            with database.write() as connection:
                found = claim(connection, NIGHT, limit=3)
            if not found:
                return
            keys.extend(each.key for each in found)

    threads = [threading.Thread(target=work, args=(keys,)) for keys in claimed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(chain.from_iterable(claimed), key=int) == [str(number) for number in range(60)]


def test_a_row_s_number_is_never_given_again(connection: Connection) -> None:
    due.add(connection, NIGHT, "ring", "a", NIGHT, {})
    (work,) = claim(connection)
    connection.execute(due_work.delete())
    due.add(connection, NIGHT, "ring", "b", NIGHT, {})
    (next_one,) = claim(connection)
    assert next_one.id > work.id

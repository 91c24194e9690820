"""The oldest acts go when they have had their time; what should be there is still missed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from making import ACTOR, NIGHT, SECRETS, configuration, fresh_database, opened_at
from sqlalchemy import Connection, text

from console import outside, verification
from console.house import House
from console.privacy import purging
from storage import audit, audit_beginning, notebook
from storage.audit import BEGINNING, Head
from storage.engine import Database

KEY, OTHER = bytes(32), b"1" * 32
SIGNED = {**SECRETS, "IVR_SERVICE_SIGNING_KEY": bytes(range(60, 92)).hex()}
DAY = timedelta(days=1)
NOTHING = Head(0, BEGINNING)
ACTS = 12


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened_at(database_url) as database:
        yield database


def written(connection: Connection) -> None:
    """An act a day, the first at `NIGHT`; the sixth erases what the fourth said, as the seventh tells."""
    for number in range(1, ACTS + 1):
        if number != 7:
            assert audit.record(connection, ACTOR, NIGHT + (number - 1) * DAY, "pin.issue", "pin:1") == number
        if number == 6:
            assert audit.erase_details(connection, [4], number) == 1


def verified(connection: Connection, key: bytes | None = KEY) -> tuple[int, list[int]]:
    begins = audit_beginning.beginning(connection, key, NOTHING)
    count, faults = audit.verify(connection, (), begins)
    return count, [fault.id for fault in faults]


def forget(connection: Connection, upto: int, key: bytes = KEY) -> int:
    return audit_beginning.forget(connection, NIGHT, key, upto)


@pytest.mark.parametrize("upto", range(1, ACTS))
def test_the_oldest_go_and_the_rest_holds(database: Database, upto: int) -> None:
    with database.write() as connection:
        written(connection)
        before = NIGHT + (upto - 1) * DAY + timedelta(seconds=1)
        found = audit_beginning.acts_before(connection, before)
        # The seventh is as old as the sixth, whose work it is.
        assert found == list(range(1, (7 if upto == 6 else upto if upto != 7 else 7) + 1))
        assert forget(connection, found[-1]) == len(found)
        assert verified(connection) == (ACTS - len(found), [])
        assert audit.record(connection, ACTOR, NIGHT, "pin.issue", "pin:2") == ACTS + 1
        assert verified(connection) == (ACTS + 1 - len(found), [])
        # Asked again, or later than somebody who has gone further, it changes nothing.
        assert forget(connection, found[-1]) == 0
        assert forget(connection, 1) == 0
        assert verified(connection) == (ACTS + 1 - len(found), [])


def test_never_the_newest_and_none_from_between(database: Database) -> None:
    with database.write() as connection:
        assert audit_beginning.acts_before(connection, NIGHT) == []
        written(connection)
        assert audit_beginning.acts_before(connection, NIGHT) == []
        assert audit_beginning.acts_before(connection, NIGHT + 99 * DAY) == list(range(1, ACTS))
        # A clock that was set back: what came after a younger one waits for it.
        audit.record(connection, ACTOR, NIGHT + 50 * DAY, "pin.issue", "pin:1")
        audit.record(connection, ACTOR, NIGHT, "pin.issue", "pin:1")
        audit.record(connection, ACTOR, NIGHT + 51 * DAY, "pin.issue", "pin:1")
        assert audit_beginning.acts_before(connection, NIGHT + 40 * DAY) == list(range(1, ACTS + 1))


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        # Further rows are taken from the beginning, one from between, the first that stays is edited.
        (("DELETE FROM audit_details WHERE audit_id <= 7", "DELETE FROM audit WHERE id <= 7"), 6),
        (("DELETE FROM audit_details WHERE audit_id = 8", "DELETE FROM audit WHERE id = 8"), 8),
        (("UPDATE audit SET actor = 'nobody' WHERE id = 6",), 6),
        # The note is gone, or says more than was signed.
        (("DELETE FROM notebook",), 1),
        (("UPDATE notebook SET content = replace(content, '\"id\": 5', '\"id\": 6')",), 1),
        (("UPDATE notebook SET content = '[]'",), 1),
        (("UPDATE notebook SET content = '{}'",), 1),
    ],
)
def test_whoever_has_not_the_key_hides_nothing_behind_it(
    database: Database, changes: tuple[str, ...], missed: int
) -> None:
    with database.write() as connection:
        written(connection)
        forget(connection, 5)
        assert verified(connection) == (ACTS - 5, [])
        for change in changes:
            connection.execute(text(change))
        assert missed in verified(connection)[1]


def test_a_note_under_another_key_vouches_for_nothing(database: Database) -> None:
    with database.write() as connection:
        written(connection)
        forget(connection, 5, OTHER)
        assert verified(connection) == (ACTS - 5, [1])
        # Without any key nothing can vouch, which is said elsewhere.
        assert verified(connection, None) == (ACTS - 5, [])


def test_a_note_from_before_a_later_purge_is_too_old(database: Database) -> None:
    with database.write() as connection:
        written(connection)
        forget(connection, 3)
        old = notebook.read(connection, audit_beginning.NOTE)
        assert old is not None
        forget(connection, 5)
        notebook.write(connection, NIGHT, audit_beginning.NOTE, old.content)
        assert verified(connection) == (ACTS - 5, [4])


def test_the_purge_does_it_and_verify_knows(tmp_path: Path) -> None:
    """As the worker and the command do it, with the anchors of the machine."""
    with fresh_database(tmp_path) as database:
        house = House(configuration(tmp_path, SIGNED), database)
        with database.write() as connection:
            for number in range(5):
                audit.record(connection, ACTOR, NIGHT + number * DAY, "pin.issue", "pin:1")
        outside.keep_anchor(house, NIGHT)
        at = NIGHT + timedelta(days=house.configuration.privacy.audit + 2, seconds=1)
        assert purging.purge(house, "test", at).counts["audit"] == 3
        outside.keep_anchor(house, at)
        with database.read() as connection:
            told = verification.verify(connection, verification.outside(house.configuration))
        assert (told.rows, told.faults, told.holds) == (3, [], True)
        with database.write() as connection:
            connection.execute(text("DELETE FROM audit_details WHERE audit_id = 4"))
            connection.execute(text("DELETE FROM audit WHERE id = 4"))
        with database.read() as connection:
            told = verification.verify(connection, verification.outside(house.configuration))
        assert [fault.id for fault in told.faults] == [4]

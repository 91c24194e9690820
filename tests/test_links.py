"""Case links: given again while they live, dead after a day, with their case, and with their technician."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import NIGHT, Opened, a_case, a_sid, opened_at, staff
from sqlalchemy import func, select, update

from oncall.cases import links
from oncall.cases.cases import UnknownCase
from oncall.tables import case_links, technicians
from oncall.tables import cases as case_rows
from storage.engine import Database

SECRET, OTHER_SECRET = b"s" * 32, b"t" * 32
PUBLIC = "https://ivr.example.net"
HOUR, DAY = timedelta(hours=1), timedelta(hours=24)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened_at(database_url) as database:
        with database.write() as connection:
            staff(connection)
        yield database


@pytest.fixture
def opened(database: Database) -> Opened:
    with database.write() as connection:
        return a_case(connection)


def give(
    database: Database,
    opened: Opened,
    technician: str | None = "anna",
    after: timedelta = timedelta(),
    secret: bytes = SECRET,
) -> str:
    with database.write() as connection:
        return links.address(connection, NIGHT + after, PUBLIC + "/", secret, opened.number, technician)


def token(address: str) -> str:
    return address.removeprefix(f"{PUBLIC}/c/")


def find(database: Database, token: str, after: timedelta = timedelta()) -> links.Link | None:
    with database.read() as connection:
        return links.find(connection, NIGHT + after, token)


def rows(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(case_links)).scalar_one()


def test_an_address_is_short_and_opens_its_case_for_its_technician(
    database: Database, opened: Opened
) -> None:
    address = give(database, opened)
    assert re.fullmatch(re.escape(PUBLIC) + r"/c/[A-Za-z0-9_-]{22}", address)
    link = find(database, token(address))
    assert link is not None
    assert (link.case_id, link.technician, link.closed) == (opened.id, "anna", False)


def test_the_token_itself_is_kept_nowhere(database: Database, opened: Opened) -> None:
    given = token(give(database, opened))
    with database.read() as connection:
        kept = repr(connection.execute(select(case_links)).all())
    assert given not in kept


def test_the_same_is_given_again_while_it_is_worth_it(database: Database, opened: Opened) -> None:
    first = give(database, opened)
    assert give(database, opened, after=timedelta(minutes=5)) == first
    assert give(database, opened, after=DAY - HOUR - timedelta(seconds=1)) == first
    assert rows(database) == 1
    assert give(database, opened, after=DAY - HOUR) != first
    assert find(database, token(first), after=DAY - timedelta(seconds=1)) is not None


def test_each_reader_and_each_case_has_its_own(database: Database, opened: Opened) -> None:
    with database.write() as connection:
        other = a_case(connection, sid=a_sid(2))
    given = [
        give(database, opened),
        give(database, opened, "bruno"),
        give(database, opened, None),
        give(database, other),
        give(database, other, None),
    ]
    assert len(set(given)) == 5
    assert [give(database, opened, who) for who in ("anna", "bruno", None)] == given[:3]
    manager = find(database, token(given[2]))
    assert manager is not None
    assert manager.technician is None


def test_with_another_key_a_new_one_is_made_and_the_old_one_lives(database: Database, opened: Opened) -> None:
    old = give(database, opened)
    new = give(database, opened, secret=OTHER_SECRET, after=HOUR)
    assert new != old
    assert give(database, opened, secret=OTHER_SECRET, after=2 * HOUR) == new
    assert find(database, token(old), after=2 * HOUR) is not None


@pytest.mark.parametrize(("after", "lives"), [(DAY - timedelta(seconds=1), True), (DAY, False)])
def test_it_lives_for_a_day(database: Database, opened: Opened, after: timedelta, lives: bool) -> None:
    assert (find(database, token(give(database, opened)), after) is not None) is lives


@pytest.mark.parametrize("ends_links", [False, True])
def test_of_a_closed_case_it_says_only_that_it_is_closed(
    database: Database, opened: Opened, ends_links: bool
) -> None:
    """However the case was closed: closing may have ended the links too."""
    given = token(give(database, opened))
    with database.write() as connection:
        connection.execute(update(case_rows).values(closed_at=NIGHT + HOUR))
        if ends_links:
            connection.execute(update(case_links).values(expires_at=NIGHT + HOUR))
    link = find(database, given, 2 * HOUR)
    assert link is not None
    assert link.closed
    assert find(database, given, DAY) is None


def test_one_that_was_ended_stays_dead_when_its_case_is_opened_again(
    database: Database, opened: Opened
) -> None:
    given = token(give(database, opened))
    with database.write() as connection:
        connection.execute(update(case_links).values(expires_at=NIGHT + HOUR))
    assert find(database, given, 2 * HOUR) is None


def test_it_dies_when_its_technician_leaves(database: Database, opened: Opened) -> None:
    given = token(give(database, opened))
    with database.write() as connection:
        connection.execute(
            update(technicians).where(technicians.c.key == "anna").values(retired_at=NIGHT + HOUR)
        )
    assert find(database, given, HOUR - timedelta(seconds=1)) is not None
    assert find(database, given, HOUR) is None


@given(st.text(max_size=60))
def test_nothing_else_opens_anything(text: str) -> None:
    """No text that is not of the form of a token even reaches the database."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{22}", text):
        assert links.find(None, NIGHT, text) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["A" * 22, "A" * 21, "A" * 22 + "\n", "é" * 22, ""])
def test_an_unknown_token_opens_nothing(database: Database, opened: Opened, wrong: str) -> None:
    give(database, opened)
    assert find(database, wrong) is None


def test_there_is_none_of_a_case_that_does_not_exist(database: Database) -> None:
    with database.write() as connection, pytest.raises(UnknownCase):
        links.address(connection, NIGHT, PUBLIC, SECRET, "2026-99999", "anna")

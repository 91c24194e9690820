"""Looking through the audit log, on both databases: who, what, when, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from making import NIGHT, opened_at

from storage import audit, audit_search
from storage.audit_search import Wanted
from storage.engine import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A hundred acts of two people, one every hour from NIGHT on."""
    with opened_at(database_url) as opened:
        with opened.write() as connection:
            for place in range(100):
                who = "technician:anna via link" if place % 3 == 0 else "user:giulia"
                act = "pin.issue" if place % 2 else "case.take"
                audit.record(connection, who, NIGHT + timedelta(hours=place), act, f"pin:{place % 5}")
        yield opened


def found(database: Database, wanted: Wanted, **where: int) -> list[int]:
    with database.read() as connection:
        return [act.id for act in audit_search.search(connection, wanted, **where).acts]


def test_who_and_what_there_is_to_choose_from(database: Database) -> None:
    with database.read() as connection:
        assert audit_search.actors(connection) == ["technician:anna via link", "user:giulia"]
        assert audit_search.kinds(connection) == ["case.take", "pin.issue"]


def test_of_an_empty_log(database_url: str) -> None:
    with opened_at(database_url) as database, database.read() as connection:
        assert audit_search.actors(connection) == audit_search.kinds(connection) == []
        assert audit_search.search(connection, Wanted(start=NIGHT, end=NIGHT)).acts == []


def test_each_condition_and_all_together(database: Database) -> None:
    assert found(database, Wanted(actors=("technician:anna via link",)))[:3] == [100, 97, 94]
    assert found(database, Wanted(act="pin.issue"))[:2] == [100, 98]
    assert found(database, Wanted(subject="pin:4"))[:2] == [100, 95]
    day = Wanted(start=NIGHT + timedelta(hours=10), end=NIGHT + timedelta(hours=13))
    assert found(database, day) == [13, 12, 11]
    some = Wanted(("user:giulia",), "pin.issue", "pin:4", NIGHT, NIGHT + timedelta(hours=40))
    assert found(database, some) == [30, 20]
    assert found(database, Wanted(start=NIGHT + timedelta(days=30))) == []


def test_pages_go_both_ways(database: Database) -> None:
    with database.read() as connection:
        first = audit_search.search(connection, Wanted(), limit=40)
        second = audit_search.search(connection, Wanted(), before=first.acts[-1].id, limit=40)
        third = audit_search.search(connection, Wanted(), before=second.acts[-1].id, limit=40)
        back = audit_search.search(connection, Wanted(), after=third.acts[0].id, limit=40)
        to_first = audit_search.search(connection, Wanted(), after=second.acts[0].id, limit=40)
    pages = (first, second, third)
    assert [act.id for page in pages for act in page.acts] == list(range(100, 0, -1))
    assert [(page.newer, page.older) for page in pages] == [(False, True), (True, True), (True, False)]
    assert (back.acts, back.newer) == (second.acts, True)
    assert (to_first.acts, to_first.newer) == (first.acts, False)


def test_all_of_them_in_one_go(database: Database) -> None:
    with database.read() as connection:
        assert [act.id for act in audit_search.every(connection, Wanted(act="case.take"))] == list(
            range(99, 0, -2)
        )

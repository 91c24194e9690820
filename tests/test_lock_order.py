"""Two transactions that take the same things in another order wait for each other until PostgreSQL gives one
of them up: an answer a second late, from the standby, or a tick that was in vain.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from lock_order import watched
from making import NIGHT, a_case, configuration, fresh_database
from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError
from staging import on_stage

from console.house import House
from console.processes.worker import tick
from console.rehearsing.rehearsal import Rehearsal
from ivr.standby import merging
from ivr.standby.merging import Brought
from ivr.tables import calls
from oncall.cases import cases
from oncall.reaching import attempts
from storage import due
from storage.due import Work
from storage.engine import is_contended, is_gone, open_database

CALLS = Path(__file__).parent / "calls"
# A ring's end with every result, a talk, a short talk, another call about the case, pursuit, outages.
PLAYED = (
    "busy-then-failed-then-second-pass",
    "database-away",
    "database-goes-away-in-the-middle",
    "pursued-and-taken",
    "repeat-caller-taken",
    "talk-was-short",
)


@pytest.mark.parametrize("name", PLAYED)
def test_everything_is_taken_in_one_order(name: str, postgresql_url: str) -> None:
    rehearsal = on_stage(url=postgresql_url)
    try:
        with watched(rehearsal.house.database.engine) as found:
            rehearsal.play((CALLS / f"{name}.call").read_text(encoding="utf-8"), name)
            rehearsal.lifeline.away = False
            for spare in rehearsal.keeper.spares.standing():
                merging.bring_home(rehearsal.lifeline, spare, rehearsal.clock.now(), Brought())
        assert found == []
    finally:
        rehearsal.close()


def test_another_order_would_be_found(postgresql_url: str) -> None:
    database = open_database(postgresql_url)
    with database.write() as connection:
        case = a_case(connection)
        attempt = attempts.begin_attempt(connection, NIGHT, case.id, case.sid, "anna", "+393331234501", 1)
    with watched(database.engine) as found:
        with database.write() as connection:
            attempts.settle(connection, NIGHT, attempt, "no-answer", bridged=False)
            cases.lock(connection)
        assert len(found) == 1
        with database.write() as connection:
            cases.lock(connection)
            attempts.settle(connection, NIGHT, attempt, "no-answer", bridged=False)
        assert len(found) == 1
    database.close()


class GivenUp(Exception):
    """As psycopg says it."""

    sqlstate = "40P01"


def test_what_was_given_up_is_done_again_and_the_database_is_not_away(
    stage: Callable[..., Rehearsal],
) -> None:
    """The caller hears what he would have heard, from the database."""
    rehearsal = stage()
    contended = OperationalError("UPDATE cases", None, GivenUp())
    assert is_contended(contended)
    assert not is_gone(contended)
    write, left = rehearsal.lifeline.write, [contended]

    def once_in_vain() -> AbstractContextManager[Connection]:
        if left:
            raise left.pop()
        return write()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsal.lifeline, "write", once_in_vain)
        rehearsal.play("@ 2026-03-10 22:00\n* acme calls trento\n< PIN\n> hangs up", "contended")
    assert left == []
    assert not rehearsal.keeper.spares.any()
    with rehearsal.house.database.read() as connection:
        assert len(connection.execute(select(calls)).all()) == 1


def test_work_that_was_given_up_is_done_at_the_next_tick(tmp_path: Path) -> None:
    """And not when its lease is over: somebody waits to be phoned."""
    with fresh_database(tmp_path) as database:
        house = House(configuration(tmp_path), database)
        with database.write() as connection:
            due.add(connection, NIGHT, "case.pursue", "a", NIGHT, {})
        left: list[Exception] = [OperationalError("UPDATE cases", None, GivenUp())]

        def in_vain_once(house: House, work: Work, at: datetime) -> None:
            if left:
                raise left.pop()

        tick(house, NIGHT, {"case.pursue": in_vain_once})
        with database.read() as connection:
            assert due.pending(connection, "case.pursue", "a")
        tick(house, NIGHT + timedelta(seconds=2), {"case.pursue": in_vain_once})
        with database.read() as connection:
            assert not due.pending(connection, "case.pursue", "a")

"""The worker: what is due is done again and again while it is needed, one piece apart from another."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from making import ACTOR, NIGHT, Opened, a_case, case, configuration, fresh_database, staff
from sqlalchemy import select

from console.house import House
from console.processes.worker import LEASE, TICK_SECONDS, drain, keep_ticking, tick
from console.work import HANDLERS
from oncall.cases import casework
from oncall.cases.cases import PURSUE
from oncall.reaching import reminders
from storage import due
from storage.due import Work
from storage.tables import due_work

PURSUED = NIGHT + timedelta(seconds=270)
SECOND = timedelta(seconds=1)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with fresh_database(tmp_path) as database:
        yield House(configuration(tmp_path), database)


@pytest.fixture
def opened(house: House) -> Opened:
    with house.database.write() as connection:
        staff(connection)
        return a_case(connection)


def add(house: House, kind: str, key: str = "a", at: datetime = NIGHT) -> None:
    with house.database.write() as connection:
        due.add(connection, at, kind, key, at, {})


def pending(house: House, kind: str, key: str) -> bool:
    with house.database.read() as connection:
        return due.pending(connection, kind, key)


def test_a_case_taken_while_its_reminder_runs_is_not_reminded_of_again(house: House, opened: Opened) -> None:
    def slow(house: House, work: Work, at: datetime) -> datetime:
        with house.database.write() as connection:
            casework.take(connection, ACTOR, at, case(connection, opened), "anna")
        return at + timedelta(minutes=3)

    assert tick(house, PURSUED, {PURSUE: slow}) == 1
    assert not pending(house, PURSUE, opened.number)
    only = {kind: HANDLERS[kind] for kind in (PURSUE, reminders.REMIND)}
    assert tick(house, PURSUED + timedelta(days=1), only) == 0


def test_work_that_nobody_handles_yet_stays(house: House) -> None:
    add(house, "notice.sms")
    assert tick(house, NIGHT + timedelta(days=1)) == 0
    assert pending(house, "notice.sms", "a")
    done: list[str] = []
    assert (
        tick(house, NIGHT + timedelta(days=1), {"notice.sms": lambda house, work, at: done.append(work.key)})
        == 1
    )
    assert done == ["a"]
    assert not pending(house, "notice.sms", "a")


def test_one_that_fails_does_not_stop_the_others(house: House, caplog: pytest.LogCaptureFixture) -> None:
    for kind, key in (("good", "1"), ("bad", "2"), ("good", "3")):
        add(house, kind, key)
    done: list[str] = []

    def fail(house: House, work: Work, at: datetime) -> None:
        raise RuntimeError("no line")

    handlers = {"good": lambda house, work, at: done.append(work.key), "bad": fail}
    assert tick(house, NIGHT, handlers) == 3
    assert done == ["1", "3"]
    assert pending(house, "bad", "2")
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert "bad 2" in record.getMessage()
    # It is tried again when its lease is over, not before.
    assert tick(house, NIGHT + LEASE - SECOND, handlers) == 0
    tried: list[int] = []
    assert tick(house, NIGHT + LEASE, {"bad": lambda house, work, at: tried.append(work.tries)}) == 1
    assert tried == [2]


def test_handlers_act_after_the_claim_is_committed(house: House) -> None:
    add(house, "good")
    seen: list[tuple[bool, int]] = []

    def look(house: House, work: Work, at: datetime) -> None:
        with house.database.read() as connection:
            row = connection.execute(select(due_work)).one()
            seen.append((row.lease == work.lease, row.tries))
        with house.database.write() as connection:  # no transaction is open around a handler
            due.add(connection, at, "more", work.key, at, {})

    tick(house, NIGHT, {"good": look})
    assert seen == [(True, 1)]
    assert pending(house, "more", "a")


def test_what_was_missed_is_caught_up_once(house: House) -> None:
    """However long the worker slept, a row is one row."""
    add(house, "good")
    done: list[str] = []
    handlers = {"good": lambda house, work, at: done.append(work.key)}
    for _ in range(3):
        tick(house, NIGHT + timedelta(minutes=10), handlers)
    assert done == ["a"]


# -- more than is taken at once ------------------------------------------------------------------


def test_what_came_due_together_is_done_in_one_go(house: House) -> None:
    for number in range(7):
        add(house, "good", str(number))
    done: list[str] = []
    rounds: list[int] = []

    def once() -> int:
        handlers = {"good": lambda house, work, at: done.append(work.key)}
        rounds.append(tick(house, NIGHT, handlers, limit=3))
        return rounds[-1]

    drain(once, 3, stopwatch=lambda: 0.0)
    assert done == [str(number) for number in range(7)]
    assert rounds == [3, 3, 1]


def test_work_that_never_ends_leaves_the_next_tick_its_turn() -> None:
    seconds = iter(range(100))
    ticks: list[int] = []

    def always_full() -> int:
        ticks.append(1)
        return 3

    drain(always_full, 3, stopwatch=lambda: next(seconds))
    assert len(ticks) == TICK_SECONDS


@pytest.mark.parametrize("found", [None, 0, 2])
def test_a_tick_that_failed_or_found_less_is_the_last(found: int | None) -> None:
    ticks: list[int] = []

    def tick_again() -> int | None:
        ticks.append(1)
        return found

    drain(tick_again, 3)
    assert ticks == [1]


@pytest.mark.parametrize(
    "back", [timedelta(0), timedelta(seconds=2), timedelta(minutes=5), timedelta(days=400)]
)
def test_a_clock_that_was_put_back_keeps_nobody_waiting(back: timedelta) -> None:
    """By a daemon that corrects it, or by hand: each job is due at once, or as soon as it would have been."""
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    try:
        for every in (2, 3600):
            soon = NIGHT + timedelta(seconds=every)
            scheduler.add_job(lambda: None, "interval", seconds=every, next_run_time=soon)
        keep_ticking(scheduler, NIGHT - back)
        waits = [job.next_run_time - (NIGHT - back) for job in scheduler.get_jobs()]
        wanted = [timedelta(0) if back > SECOND else timedelta(seconds=every) for every in (2, 3600)]
        assert waits == wanted
    finally:
        scheduler.shutdown()

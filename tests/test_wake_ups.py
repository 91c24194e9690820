"""Technicians woken for callers without a verified PIN: four an hour at most, whoever calls and however many
at once; and nobody with a right PIN is ever among them, or kept back by them.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from making import ACTOR, NIGHT, a_sid, configuration, fresh_database, opened_at, staff
from sqlalchemy import func, select

from console.house import House, pin_index
from console.processes.doors import desks
from ivr.answer import Answer, Dial, Record
from ivr.desk import Desk
from ivr.journal import WAKE_UPS_AN_HOUR
from ivr.tables import wake_ups
from ivr.vocabulary import Received
from oncall.reaching import attempts
from pins import customers, registry
from storage.engine import Database

LINE = "+390461825060"
ON_FILE = "+393471112201"
HOUR = timedelta(hours=1)


@dataclass
class Town:
    """A house that has callers without a PIN heard by technicians, and one customer with a PIN."""

    house: House
    pin: str
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.desk = desks(self.house, random.Random(1)).caller

    def woken(self) -> list[datetime]:
        with self.house.database.read() as connection:
            return sorted(connection.execute(select(wake_ups.c.at)).scalars())


def town(database: Database, folder: Path) -> Town:
    shipped = configuration(folder)
    pins = shipped.pins.model_copy(update={"screen_without_pin": True})
    house = House(shipped.model_copy(update={"pins": pins}), database)
    new = registry.draw(pin_index(house.configuration), 8, random.Random(1))
    with database.write() as connection:
        staff(connection, NIGHT - timedelta(days=30))
        customers.add_customer(connection, ACTOR, NIGHT, "Acme", code="ACME", phones=[ON_FILE])
        registry.issue(connection, ACTOR, NIGHT, "ACME", new)
    return Town(house, new.pin)


@pytest.fixture
def on_both(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with opened_at(database_url) as database:
        yield town(database, tmp_path)


@dataclass
class Caller:
    desk: Desk
    sid: str
    number: str
    at: datetime
    turn: int = 0

    def asks(self, digits: str | None = None, *, status: str | None = None) -> Answer:
        got = Received(self.sid, self.number, LINE, self.turn, digits=digits, dial_status=status)
        self.turn += 1
        self.at += timedelta(seconds=1)
        return self.desk.answer(got, self.at)

    def until_he_waits(self) -> None:
        """He has no PIN, and says nothing of himself: at his next turn a technician may be rung."""
        self.asks()
        self.asks("0")
        self.asks("")

    def with_pin(self, pin: str) -> Answer:
        self.asks()
        self.asks(pin)
        self.asks("1")
        return self.asks("")


def rings(answer: Answer) -> bool:
    return isinstance(answer.parts[-1], Dial)


def test_of_many_at_once_four_are_heard_and_the_others_leave_a_message(on_both: Town) -> None:
    many = [Caller(on_both.desk, a_sid(number), "", NIGHT) for number in range(12)]
    for each in many:
        each.until_he_waits()
    together = threading.Barrier(len(many))

    def at_once(caller: Caller) -> Answer:
        together.wait(timeout=60)
        return caller.asks("")

    with ThreadPoolExecutor(len(many)) as pool:
        answers = list(pool.map(at_once, many))
    assert sum(map(rings, answers)) == WAKE_UPS_AN_HOUR == len(on_both.woken())
    assert all(isinstance(each.parts[-1], Record) for each in answers if not rings(each))


def test_whoever_has_a_right_pin_is_neither_counted_nor_kept_back(on_both: Town) -> None:
    for number in range(6):
        caller = Caller(on_both.desk, a_sid(number), "", NIGHT)
        caller.until_he_waits()
        caller.asks("")
    for number in range(20):
        at = NIGHT + timedelta(minutes=number)
        customer = Caller(on_both.desk, a_sid(100 + number), ON_FILE if number % 2 else "", at)
        customer.asks()
        customer.asks(on_both.pin)
        customer.asks("1")
        # From the second call on it is about the case that is open.
        assert rings(customer.asks("2" if number else "")) or rings(customer.asks(""))
    assert len(on_both.woken()) == WAKE_UPS_AN_HOUR


def test_whoever_was_heard_and_comes_back_wakes_nobody_else(on_both: Town) -> None:
    """After a short talk he may have the same technician again, and nobody who sleeps."""
    caller = Caller(on_both.desk, a_sid(1), "", NIGHT)
    caller.until_he_waits()
    dial = caller.asks("").parts[-1]
    assert isinstance(dial, Dial)
    with on_both.house.database.write() as connection:
        (attempt,) = attempts.unsettled(connection, caller.sid)
        attempts.picked_up(connection, caller.at, attempt)
        attempts.press(connection, caller.at, attempt, "accepted")
    got = Received(caller.sid, "", LINE, caller.turn, dial_status="completed", bridged=True)
    caller.turn += 1
    on_both.desk.answer(got, caller.at + timedelta(seconds=3))
    again = caller.asks("1").parts[-1]
    assert isinstance(again, Dial)
    assert again.targets[0].address == dial.targets[0].address
    assert isinstance(caller.asks(status="no-answer").parts[-1], Record)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(source=some.randoms(use_true_random=False), pause=some.integers(1, 1500))
def test_never_more_than_four_in_any_hour(
    source: random.Random, pause: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Strangers, and a customer among them, on two machines whose clocks differ by two seconds."""
    folder = tmp_path_factory.mktemp("woken")
    with fresh_database(folder) as database:
        here, now = town(database, folder), NIGHT
        for number in range(14):
            now += timedelta(seconds=source.randrange(pause))
            at = now + timedelta(seconds=source.choice((-1, 0, 1)))
            if source.random() < 0.2:
                customer = Caller(here.desk, a_sid(number), source.choice((ON_FILE, "")), at)
                with database.write() as connection:
                    before = connection.execute(select(func.count()).select_from(wake_ups)).scalar()
                answer = customer.with_pin(here.pin)
                assert rings(answer) or rings(customer.asks(""))
                assert len(here.woken()) == before
                continue
            caller = Caller(here.desk, a_sid(number), source.choice((ON_FILE, "", "+393479998877")), at)
            caller.until_he_waits()
            caller.asks("")
            here.desk.ended(caller.sid, caller.at)
        woken = here.woken()
    # Within an hour less what the clocks differ.
    for first in woken:
        within = [each for each in woken if first <= each < first + HOUR - timedelta(seconds=2)]
        assert len(within) <= WAKE_UPS_AN_HOUR

"""A day of guessing: ten thousand PINs from a thousand numbers, some of them customers' own, forged.

The guesser gets nowhere, the admins know at once, and meanwhile every customer with a right PIN reaches
the rota, or at the very least a person or a recorder. `GUESSES=10000` plays the whole day (a minute or
two); less of it is played otherwise, at the same pace of guesses to the budget.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from making import ACTOR, a_sid, configuration, fresh_database, rome, staff
from sqlalchemy import func, select

from console.house import House, pin_index
from console.processes.doors import desks
from ivr.answer import Answer, Dial, Gather, Record
from ivr.desk import Desk
from ivr.tables import calls, turns, wake_ups
from ivr.vocabulary import Received, Recording
from pins import customers, registry
from pins.tables import pin_tries
from storage.alarms import ALARM
from storage.tables import due_work

GUESSES = int(os.environ.get("GUESSES", "540"))
NUMBERS = max(100, GUESSES // 10)
FORGED = GOOD = 50 if GUESSES >= 10_000 else 12
LINE = "+390461825060"
# A Sunday: a PIN is asked from midnight to midnight.
DAWN = rome("2026-03-15 00:00")
ANNA = "+393331234501"


@dataclass
class Caller:
    """A telephone that knows what to press, and what it was answered last."""

    desk: Desk
    sid: str
    number: str
    at: datetime
    turn: int = 0

    def arrives(self) -> Answer:
        return self._ask()

    def presses(self, keys: str, seconds: int = 6) -> Answer:
        self.at += timedelta(seconds=seconds)
        return self._ask(digits=keys)

    def speaks(self, seconds: int) -> Answer:
        self.at += timedelta(seconds=seconds)
        sid = "RE" + self.sid[2:]
        return self._ask(recording=Recording(sid, f"https://api.twilio.com/{sid}", seconds))

    def hangs_up(self) -> None:
        self.desk.ended(self.sid, self.at)

    def _ask(self, **what: object) -> Answer:
        got = Received(self.sid, self.number, LINE, self.turn, **what)  # type: ignore[arg-type]
        self.turn += 1
        return self.desk.answer(got, self.at)

    def reaches(self, answer: Answer) -> str:
        """Where he ends who keeps pressing what he is asked for: "rota", "person" or "recorder"."""
        screened = False
        for _ in range(12):
            last = answer.parts[-1]
            if isinstance(last, Dial):
                return "person" if screened else "rota"
            if isinstance(last, Record):
                if screened or "nome" not in " ".join(answer.texts()):
                    return "recorder"
                screened = True
                answer = self.speaks(4)
            elif isinstance(last, Gather):
                answer = self.presses("1" if "prema 1" in " ".join(answer.texts()) else "", 1)
            else:
                break
        return "nobody"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with fresh_database(tmp_path) as database:
        with database.write() as connection:
            staff(connection, DAWN - timedelta(days=30))
        yield House(configuration(tmp_path), database)


def issue_to_customers(house: House, count: int) -> list[tuple[str, str]]:
    """`count` customers with a number on file and a PIN each: (number, PIN)."""
    index = pin_index(house.configuration)
    before = DAWN - timedelta(days=1)
    found = []
    with house.database.write() as connection:
        for n in range(count):
            phone = f"+39046190{n:04d}"
            added = customers.add_customer(connection, ACTOR, before, f"Ditta {n}", phones=[phone])
            new = registry.draw(index, 8, random.Random(n))
            registry.issue(connection, ACTOR, before, added.code, new)
            found.append((phone, new.pin))
    return found


def test_a_day_of_guessing(house: House) -> None:
    desk = desks(house, random.Random(1)).caller
    known = issue_to_customers(house, FORGED)
    right = {pin for _, pin in known}
    numbers = [phone for phone, _ in known] + [f"+3904{n:07d}" for n in range(1, NUMBERS - FORGED + 1)]
    source = random.Random(2)
    lines = GUESSES // 3
    every = timedelta(days=1) / lines
    # A good call in the middle of every so many guessing ones, at first while the budget still lasts.
    good_after = {round((n + 0.5) * lines / GOOD): n for n in range(GOOD)}
    reached: dict[str, Counter[str]] = {"known": Counter(), "unknown": Counter()}
    sid = 0
    for line in range(lines):
        at = DAWN + line * every
        sid += 1
        guesser = Caller(desk, a_sid(sid), numbers[line % len(numbers)], at)
        guesser.arrives()
        for _ in range(3):
            guess = f"{source.randrange(10**8):08d}"
            assert guess not in right
            answer = guesser.presses(guess, 1)
        # Every tenth plays along and has himself heard by whoever will hear him.
        if line % 10 == 0:
            guesser.reaches(answer)
        guesser.hangs_up()
        if line in good_after:
            number, pin = known[good_after[line]]
            for kind, caller in (("known", number), ("unknown", "" if line % 2 else f"+3933{line:08d}")):
                sid += 1
                customer = Caller(desk, a_sid(sid), caller, at + timedelta(seconds=5))
                customer.arrives()
                answer = customer.presses(pin)
                while "Digiti il PIN" in " ".join(answer.texts()):
                    answer = customer.presses(pin)
                reached[kind][customer.reaches(answer)] += 1
                customer.hangs_up()

    assert reached["known"] == {"rota": GOOD}
    assert sum(reached["unknown"].values()) == GOOD
    assert reached["unknown"]["nobody"] == 0

    with house.database.read() as connection:
        # Told by the journal, whatever the throttle's own rows say.
        looked_at = connection.execute(
            select(func.count())
            .select_from(turns.join(calls, calls.c.sid == turns.c.sid))
            .where(turns.c.heard == "a wrong PIN (unknown)", calls.c.caller.notin_([p for p, _ in known]))
        ).scalar_one()
        shared = connection.execute(
            select(func.count()).where(pin_tries.c.lane == "shared", pin_tries.c.at >= DAWN)
        ).scalar_one()
        assert looked_at <= shared <= 100
        alarms = connection.execute(
            select(due_work.c.key, due_work.c.created_at).where(due_work.c.kind == ALARM)
        ).all()
        assert sum(row.key == "pin-budget:" for row in alarms) == 1
        # The twentieth guess falls in the seventh call.
        told = next(row.created_at for row in alarms if row.key == "pin-budget:")
        assert told - DAWN <= 6 * every + timedelta(minutes=5)
        woken = sorted(connection.execute(select(wake_ups.c.at)).scalars())
        for at in woken:
            assert sum(at <= each < at + timedelta(hours=1) for each in woken) <= 4

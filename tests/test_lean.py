"""The path of a call is lean: what its process loads, and what it asks of the database. What each turn costs
stands in test_guard.py.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from counting import Count, counting
from making import ACTOR, NIGHT, ROOT, SECRETS, SID, configuration, fresh_database, staff

from console.house import House
from console.processes.doors import desks
from ivr.desk import Desk
from ivr.vocabulary import Received
from pins import customers, registry
from pins.index import PinIndex
from storage.engine import Database

# Slow to import, and of no use to a call; psycopg only where the address is PostgreSQL's.
NOT_LOADED = [
    "twilio.rest",
    "alembic",
    "apscheduler",
    "rich",
    "gunicorn",
    "holidays",
    "psycopg",
    "sqlalchemy.dialects.postgresql",
    "icalendar",
    "console",
    "requests",
    "prometheus_client",
    "opentelemetry",
]


def test_the_webhook_application_loads_nothing_it_does_not_need() -> None:
    script = f"import sys, webhooks.app\nprint(*(m for m in {NOT_LOADED!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_nor_does_it_when_it_is_put_together(tmp_path: Path) -> None:
    """`holidays` is loaded then, for the hours; the rest still is not."""
    configuration(tmp_path)
    script = f"""
import sys
from pathlib import Path
from console.processes.doors import webhook_app
from console.house import open_house
from console.settings import load
webhook_app(open_house(load(Path({str(tmp_path / "config.toml")!r}), {SECRETS!r})))
print(*(m for m in {NOT_LOADED!r} if m in sys.modules and m not in ("holidays", "console")))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_of_countries_only_its_own_is_loaded_with_its_holidays() -> None:
    """And the others are there for whoever asks afterwards."""
    script = """
import sys
from datetime import date
from ivr.settings import _holiday_names
print(_holiday_names("IT/TN")(date(2026, 6, 26)), _holiday_names("DE/BY")(date(2026, 1, 6)), sep="|")
print(sum(name.startswith("holidays.countries.") for name in sys.modules))
import holidays.countries
print(holidays.countries.France.__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    names, loaded, other = done.stdout.splitlines()
    assert names == "San Vigilio|Heilige Drei Könige"
    assert int(loaded) < 10
    assert other == "France"


# -- statements --------------------------------------------------------------------------------------


@dataclass
class Line:
    """A caller on the line, and a desk that serves him; `count` is of the latest turn."""

    desk: Desk
    database: Database
    pin: str
    turn: int = 0
    count: Count = field(default_factory=Count)

    def hear(self, digits: str | None = None, dial_status: str | None = None) -> object:
        got = Received(
            SID, "+393471112201", "+390461825060", self.turn, digits=digits, dial_status=dial_status
        )
        with counting(self.database) as self.count:
            answer = self.desk.answer(got, NIGHT + timedelta(seconds=self.turn))
        self.turn += 1
        return answer


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    settings = configuration(tmp_path)
    with fresh_database(tmp_path) as database:
        index = PinIndex(settings.pins)
        new = registry.draw(index, 8)
        with database.write() as connection:
            staff(connection, NIGHT - timedelta(days=90))
            customers.add_customer(connection, ACTOR, NIGHT, "Acme", code="ACME", phones=["+393471112201"])
            registry.issue(connection, ACTOR, NIGHT, "ACME", new)
        serving = desks(House(settings, database))
        yield Line(serving.caller, database, new.pin)


def test_a_turn_asked_again_is_one_look(line: Line) -> None:
    line.hear()
    line.hear("1234")
    line.turn = 1
    line.hear("1234")
    assert (line.count.statements, line.count.commits) == (1, 1)


def test_no_connection_is_held_while_the_slow_hash_runs(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    slow = line.desk._index.digests

    def watched(pin: str, **more: Any) -> object:
        held.append(line.database.engine.pool.checkedout())  # type: ignore[attr-defined]
        return slow(pin, **more)

    monkeypatch.setattr(line.desk._index, "digests", watched)
    line.hear()
    line.hear(line.pin)
    assert held == [0]


def test_only_a_complete_pin_costs_a_hash(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[bool] = []
    slow = line.desk._index.digests

    def watched(pin: str, **more: Any) -> object:
        hashed.append(True)
        return slow(pin, **more)

    monkeypatch.setattr(line.desk._index, "digests", watched)
    line.hear()
    for keys in ("", "1234567", "123456789", "²²²²²²²²"):
        line.hear(keys)
    assert hashed == []
    line.turn -= 1  # the same turn again
    line.hear("38205917")
    assert hashed == []

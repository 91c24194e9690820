"""The path of a call stays as lean as it is, without a stopwatch: what each turn asks of the database and how
long its answer is, and what the process of the webhook door loads, each within a budget.

A budget is what was measured when it was written. Raise one only with a reason: `bench/call.py` tells what a
turn costs, and docs/call-cost.md where the time goes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from acceptance.caller import FORM, Answer, Call, Fields, Line, pairs, signature
from counting import counting
from making import ACCOUNT, ACTOR, NIGHT, ROOT, SECRETS, TOKEN, configuration, opened_at, staff
from sqlalchemy import text

from console.house import House
from console.processes.doors import webhook_app
from ivr import journal
from pins import customers, registry
from pins.index import PinIndex
from storage.engine import Database

CALLER, NUMBER = "+393471112201", "+390461825060"

# Of each turn of a call: statements on SQLite and on PostgreSQL, BEGIN and COMMIT not counted; transactions;
# bytes of TwiML. PostgreSQL also takes locks, where SQLite's writer is alone.
BUDGET = {
    # Whose number it is, and whether too many strangers called, are one look; each call is counted.
    "arrival": (6, 6, 1, 1250),
    # A look before the slow hash. A wrong PIN is written, what is too old for the throttle forgotten, and the
    # counts looked at again, in case the budget is spent by it.
    "wrong PIN": (11, 13, 2, 1200),
    # It clears the number's own misses.
    "right PIN": (10, 12, 2, 1400),
    "urgency": (12, 14, 1, 1750),
    "first dial": (5, 7, 1, 1600),
    "no answer": (6, 8, 1, 1750),
    "next dial": (5, 7, 1, 1600),
    "technician picks up": (6, 7, 1, 1100),
    # He is sent the case's link, too.
    "technician accepts": (7, 8, 1, 150),
    "talk over": (11, 13, 1, 200),
    "end": (5, 6, 1, 0),
}
# Modules in the webhook door's process once it is put together, but for the standard library's.
MODULES = 600
# Slow to import, and of no use to a call; psycopg only where the address is PostgreSQL's.
NOT_LOADED = frozenset(
    {"twilio.rest", "twilio.twiml", "alembic", "apscheduler", "rich", "gunicorn", "psycopg", "requests"}
)

Asked = dict[str, tuple[int, int, int]]


class CountedLine(Line):
    """A line to an application in this process. `asked` has statements, transactions and bytes of each
    request, by the next of the names; a second passes before each.
    """

    def __init__(self, database: Database, settings: Any) -> None:
        super().__init__("nowhere:1", settings.service.public_url, ACCOUNT, TOKEN)
        self.at: datetime = NIGHT
        self.asked: Asked = {}
        self._names = iter(BUDGET)
        self._database = database
        self._client = webhook_app(House(settings, database), lambda: self.at).test_client()

    def send(self, url: str, fields: Fields = (), **more: Any) -> Answer:
        self.at += timedelta(seconds=1)
        form, parts = pairs(fields), urlsplit(url)
        headers = {"X-Twilio-Signature": signature(self.auth_token, url, form)}
        with counting(self._database) as count:
            reply = self._client.post(
                parts.path,
                query_string=parts.query,
                data=urlencode(form),
                content_type=FORM,
                headers=headers,
                base_url=self.public_url,
            )
        self.asked[next(self._names)] = (count.statements, count.commits, len(reply.data))
        return Answer(reply.status_code, reply.content_type, reply.data)


@pytest.fixture
def line(database_url: str, tmp_path: Path) -> Iterator[tuple[CountedLine, str]]:
    """A line, and the PIN of the one customer who calls."""
    settings = configuration(tmp_path)
    with opened_at(database_url) as database:
        new = registry.draw(PinIndex(settings.pins), 8)
        with database.write() as connection:
            staff(connection, NIGHT - timedelta(days=90))
            customers.add_customer(connection, ACTOR, NIGHT, "Acme", code="ACME", phones=[CALLER])
            registry.issue(connection, ACTOR, NIGHT, "ACME", new)
        yield CountedLine(database, settings), new.pin


def whole_call(line: CountedLine, pin: str) -> Asked:
    """Place the call of BUDGET; returns what each turn asked."""
    call: Call = line.ring(NUMBER, CALLER)
    call.press("38205917")
    call.press(pin)
    call.press("1")
    call.waits()
    call.no_answer()
    call.waits()
    call.answers().press("1")
    line.at += timedelta(seconds=95)
    call.talks(seconds=95)
    return line.asked


def beyond(asked: Asked, *, sqlite: bool) -> dict[str, str]:
    """What is over its budget, by turn; empty if nothing is."""
    found = {}
    for name, (on_sqlite, on_postgresql, transactions, length) in BUDGET.items():
        allowed = (on_sqlite if sqlite else on_postgresql, transactions, length)
        if any(is_ > may for is_, may in zip(asked[name], allowed, strict=True)):
            found[name] = f"{asked[name]} of {allowed}"
    return found


def test_what_each_turn_costs(line: tuple[CountedLine, str], database_url: str) -> None:
    asked = whole_call(*line)
    assert beyond(asked, sqlite=database_url.startswith("sqlite")) == {}
    assert set(asked) == set(BUDGET)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_query_more_a_turn_is_noticed(
    line: tuple[CountedLine, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    glance = journal.glance

    def slower(connection: Any, *more: Any) -> Any:
        connection.execute(text("SELECT 1"))
        return glance(connection, *more)

    monkeypatch.setattr(journal, "glance", slower)
    found = beyond(whole_call(*line), sqlite=True)
    # Whoever arrives is new, and the second turn of a technician's leg looks at nothing but the leg.
    assert set(found) >= set(BUDGET) - {"arrival", "technician accepts"}


def loaded(folder: Path, before: str = "") -> set[str]:
    """The modules in a process of its own that has put the webhook door together; `before` runs first."""
    configuration(folder)
    script = f"""
{before}
import sys
from pathlib import Path
from console.processes.doors import webhook_app
from console.house import open_house
from console.settings import load
webhook_app(open_house(load(Path({str(folder / "config.toml")!r}), {SECRETS!r}), hurried=True))
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    # The standard library's differ from version to version of the interpreter.
    return {name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}


def too_much(modules: set[str]) -> list[str]:
    """What is wrong with what is loaded."""
    found = sorted(modules & NOT_LOADED)
    return found if len(modules) <= MODULES else [*found, f"{len(modules)} modules"]


def test_what_the_door_loads(tmp_path: Path) -> None:
    assert too_much(loaded(tmp_path)) == []


def test_an_import_of_the_rest_interface_is_noticed(tmp_path: Path) -> None:
    found = too_much(loaded(tmp_path, before="import twilio.rest"))
    assert "twilio.rest" in found
    assert len(found) > 1  # and what it brings along is over the budget by itself

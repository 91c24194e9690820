"""Two machines whose clocks do not quite agree: calls go on whichever answers; who is far off is told."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from making import configuration, opened_at
from sqlalchemy import select

from console.house import House
from console.phone.events import Rang
from console.rehearsing import playhouse
from console.rehearsing.rehearsal import Rehearsal
from console.work.clocks import compare
from ivr import journal
from storage import clock as clocks
from storage.alarms import ALARM
from storage.engine import Database
from storage.tables import due_work

CALLS = Path(__file__).parent / "calls"
# By seconds: the first begins, the second goes on, and so in turn.
SLIGHT = [(-1.0, 1.0), (1.0, -1.0), (-2.0, 0.0)]
FAR = [(-300.0, 300.0), (300.0, -300.0), (0.0, 300.0)]


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@pytest.fixture
def machines(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, stage: Callable[..., Rehearsal]
) -> Rehearsal:
    """A stage whose requests are answered by two machines in turn, with the clocks that are asked for."""
    shifts: Sequence[float] = request.param
    turns = itertools.cycle(shifts)
    real = playhouse.webhook_app

    def app(house: House, clock: Callable[[], datetime], source: Any = None) -> Any:
        return real(house, lambda: clock() + seconds(next(turns)), source)

    monkeypatch.setattr(playhouse, "webhook_app", app)
    return stage()


@pytest.mark.parametrize("machines", SLIGHT, indirect=True)
@pytest.mark.parametrize(
    "file", ["busy-then-failed-then-second-pass", "talk-was-short", "wrong-pin-then-right"]
)
def test_two_seconds_change_nothing(machines: Rehearsal, file: str) -> None:
    machines.play((CALLS / f"{file}.call").read_text(encoding="utf-8"), file)


@pytest.mark.parametrize("machines", FAR, indirect=True)
def test_minutes_apart_a_right_pin_still_rings_a_technician(machines: Rehearsal) -> None:
    machines.play("@ 2026-03-10 22:00")
    call = machines.exchange.ring("+393471112201", "+390461825060")
    call.press(machines.pins["acme"], label="PIN of acme")
    call.press("1")
    call.wait()
    assert [type(event) for event in call.events].count(Rang) == 1
    call.ringing[0].answer()
    assert call.leg is not None
    call.leg.press("1")
    call.hang_up()
    with machines.house.database.read() as connection:
        assert [each.outcome for each in journal.recent(connection)] == ["connected"]


# -- whoever is far off is told ------------------------------------------------------------------


@pytest.fixture
def database(postgresql_url: str) -> Any:
    with opened_at(postgresql_url) as database:
        yield database


def off_by(number: float) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + seconds(number)


def alarms(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(due_work.c.key).where(due_work.c.kind == ALARM)).scalars())


@pytest.mark.parametrize(
    ("off", "told"), [(0.0, False), (1.5, False), (-1.5, False), (60.0, True), (-60.0, True)]
)
def test_a_clock_that_is_far_off_is_an_alarm(
    off: float, told: bool, database: Database, tmp_path: Path
) -> None:
    house = House(configuration(tmp_path), database)
    compare(house, off_by(off))
    compare(house, off_by(off))
    assert [key.split(":")[0] for key in alarms(database)] == ["clock-apart"] * told


def test_how_far_it_is_ahead(database: Database) -> None:
    with database.read() as connection:
        assert clocks.ahead(connection, off_by(0)) == timedelta()
        # What the question takes is not to be seen: of some, that is next to nothing once.
        ahead = max(clocks.ahead(connection, off_by(300)) for _ in range(5))
        behind = min(clocks.ahead(connection, off_by(-300)) for _ in range(5))
        assert seconds(299) < ahead <= seconds(300)
        assert seconds(-300) <= behind < seconds(-299)


def test_sqlite_has_no_clock_of_its_own(stage: Callable[..., Rehearsal]) -> None:
    with stage().house.database.read() as connection:
        assert clocks.ahead(connection, off_by(3600)) == timedelta()

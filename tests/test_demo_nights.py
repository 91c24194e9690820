"""The nights that a demonstration shows, whenever it is started; nobody outside hears of any."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from making import configuration, fresh_database, rome

from console.demonstration import cast, demo_nights
from console.house import House, pin_index, state_folder
from ivr import journal
from ivr.records import heard
from oncall.cases import cases
from pins import registry


@pytest.mark.parametrize(
    ("now", "still_open"),
    [
        ("2026-11-25 12:00", ["P2"]),
        ("2026-11-25 23:30", ["P1+", "P2"]),
        # A second call of ACME must not meet the case of its first.
        ("2026-11-25 03:01", ["P1+"]),
        # At two in that night it was three at once.
        ("2026-03-29 04:00", ["P1+"]),
    ],
)
def test_two_nights(tmp_path: Path, now: str, still_open: list[str]) -> None:
    at = rome(now)
    with fresh_database(tmp_path) as database:
        house = House(configuration(tmp_path), database)
        cast.enter(house, "demo", at - demo_nights.BEFORE)
        new = registry.draw(pin_index(house.configuration), 8)
        with database.write() as connection:
            registry.issue(connection, "demo", at - demo_nights.BEFORE, "ACME", new)
        demo_nights.play(house, at, new.pin)
        with database.read() as connection:
            calls = journal.recent(connection)
            outcomes = Counter(call.outcome for call in calls)
            assert outcomes["connected"] >= 3
            assert {"not-covered", "nobody-answered", "no-contract", "hung-up", "office"} >= {*outcomes} - {
                "connected"
            }
            assert all(call.started <= at and call.ended is not None and call.ended <= at for call in calls)
            waiting = cases.recent(connection, still_open=True)
            assert [case.urgency for case in waiting] == still_open
            unheard = heard.unheard(connection, at, most=10)
            assert len(unheard) == (waiting[0].urgency == "P1+")
            files = [message.file for message in unheard]
        folder = state_folder(house.configuration) / "messages"
        for name in files:
            assert name is not None
            assert (folder / name).read_bytes()[:2] == b"\xff\xf3"

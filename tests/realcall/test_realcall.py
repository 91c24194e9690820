"""Calls over real SIP and RTP, as `make realcall` plays one. docs/real-call.md tells what is real in them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from realcall import emergency, gone, message
from realcall.judge import Check
from realcall.missing import missing
from realcall.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A machine on which such a call can be played; else one line says what it lacks."""
    lacks = missing()
    if lacks is not None and os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"needs {lacks}", pytrace=False)
    if lacks is not None:
        pytest.skip(f"needs {lacks}")
    return Stage(tmp_path, print)


def wrong(checks: list[Check]) -> list[str]:
    return [f"{check.what}: {check.found}" for check in checks if not check.holds]


def test_from_ring_to_bridge(stage: Stage) -> None:
    stage.play(emergency.act)
    assert wrong(emergency.judged(stage)) == []


def test_a_message_is_left(stage: Stage) -> None:
    stage.play(message.act)
    assert wrong(message.judged(stage)) == []


def test_the_caller_hangs_up(stage: Stage) -> None:
    stage.play(gone.act)
    assert wrong(gone.judged(stage)) == []

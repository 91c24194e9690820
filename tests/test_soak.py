"""The soak in small: two nights of generated calls, and that its judge notices what it is there for.

`make soak` plays the long one: see docs/soak.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import soak
import soak_night
import soak_people

from console.work import HANDLERS
from ivr import placed, technician_flow
from ivr.technician_flow import Bridge, Leg, LegHeard, LegTurn
from oncall.cases.cases import PURSUE
from oncall.notices.channels import TextOut
from webhooks.outbound import RestTexts

CALLS = 60
# A judge may need to see some nights before something that goes wrong now and then shows.
NIGHTS = 15

Broken = Callable[[pytest.MonkeyPatch], None]


def test_generated_calls_end_as_they_must(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "CALLS_A_NIGHT", CALLS // 2)
    outcomes = list(soak.soak(CALLS, "short", processes=1))
    assert [wrong for outcome in outcomes for wrong in outcome.wrongs] == []
    count = sum((outcome.count for outcome in outcomes), start=Counter[str]())
    assert count["calls"] == CALLS
    # Something of everything, or else little was shown.
    for what in (
        "accepted",
        "connected in the call",
        "taken in a placed call",
        "callers who hung up",
        "voicemails",
        "declined",
        "missed: no-answer",
        "missed: busy",
        "texts sent",
    ):
        assert count[what] > 0, what


def test_a_night_is_played_again_just_as_it_was() -> None:
    one, other = (soak.play(0, "again", 6) for _ in range(2))
    assert one.count == other.count
    assert one.count["calls"] == 6


# -- what the judge must notice ------------------------------------------------------------------------


def nobody_pursues(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(HANDLERS, PURSUE, lambda *_: None)


def nobody_is_ever_engaged(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(soak_night, "DRAIN", timedelta(0))
    patch.setattr(placed, "engaged", lambda *_: frozenset())


def silence_connects(patch: pytest.MonkeyPatch) -> None:
    real = technician_flow.take_turn

    def take_turn(leg: Leg, heard: LegHeard) -> LegTurn:
        turn = real(leg, heard)
        return replace(turn, then=Bridge()) if heard == "silence" else turn

    patch.setattr(technician_flow, "take_turn", take_turn)


def texts_are_sent_twice(patch: pytest.MonkeyPatch) -> None:
    real = RestTexts.send

    def send(self: RestTexts, text: TextOut) -> str:
        real(self, text)
        return real(self, text)

    patch.setattr(RestTexts, "send", send)


def calls_ring_on_for_ever(patch: pytest.MonkeyPatch) -> None:
    """And nobody answers, so that it shows soon; there is no drain then, which would not end."""
    for temper in soak_people.ANSWERS:
        patch.setitem(soak_people.ANSWERS, temper, {"rings out": 1})
    patch.setattr(soak_night, "DRAIN", timedelta(0))
    read = soak_night.configuration()
    ringing = read.ringing.model_copy(update={"no_new_attempt_after": 900, "passes": 5})
    patch.setattr(soak_night, "configuration", lambda: read.model_copy(update={"ringing": ringing}))


@pytest.mark.usefixtures("wrong_on_purpose")
@pytest.mark.parametrize(
    ("broken", "noticed"),
    [
        (nobody_pursues, "nobody has answered for"),
        (nobody_is_ever_engaged, "while in use by"),
        (silence_connects, "was connected without pressing 1"),
        (texts_are_sent_twice, "arrived 2 times"),
        (calls_ring_on_for_ever, "was rung after"),
    ],
)
def test_the_judge_notices(monkeypatch: pytest.MonkeyPatch, broken: Broken, noticed: str) -> None:
    broken(monkeypatch)
    assert any(
        noticed in wrong for night in range(NIGHTS) for wrong in soak.play(night, "broken", 9).wrongs
    ), noticed

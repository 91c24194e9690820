"""What a technician whom we called hears, for every step, purpose and thing heard."""

from __future__ import annotations

import typing
from dataclasses import replace
from datetime import timedelta

import pytest
from making import NIGHT

from ivr.outgoing_flow import (
    FIRST_WAIT,
    REPEATS,
    SECOND_WAIT,
    AskHim,
    DialCustomer,
    Outgoing,
    OutgoingHeard,
    OutgoingTurn,
    Purpose,
    Step,
    take_turn,
)
from ivr.vocabulary import HangUp

CASE = Outgoing(
    purpose="pursue",
    technician="anna",
    language="it",
    urgency="P1+",
    customer="Acme",
    code="4712",
    due_at=NIGHT + timedelta(hours=1),
)
TOLD: dict[Purpose, Outgoing] = {
    "pursue": CASE,
    "call-back": replace(CASE, purpose="call-back"),
    "notice": Outgoing(purpose="notice", technician="anna", language="it", text="Il caso è chiuso."),
    "confirm": Outgoing(purpose="confirm", technician="anna", language="it", starts_at=NIGHT),
    "test": Outgoing(purpose="test", technician="anna", language="it"),
}
ANNOUNCED: dict[Purpose, list[str]] = {
    "pursue": ["out-announce", "out-keys"],
    "call-back": ["out-call-back"],
    "notice": ["out-notice", "out-notice-keys"],
    "confirm": ["out-confirm", "out-confirm-keys"],
    "test": ["out-test", "out-notice-keys"],
}
SHORT: dict[Purpose, str] = {
    "pursue": "technician-short",
    "call-back": "out-call-back",
    "notice": "out-confirm-short",
    "confirm": "out-confirm-short",
    "test": "out-confirm-short",
}
# Keys and events that end it, with what is said.
ENDS: dict[OutgoingHeard, str] = {
    "no-number": "out-no-number",
    "no-more-calls": "out-no-more-calls",
    "capped": "out-capped",
    "declined": "technician-passed",
    "heard-it": "out-thanks",
    "too-late": "out-too-late",
}
EVERY: tuple[OutgoingHeard, ...] = typing.get_args(OutgoingHeard)
STEPS: tuple[Step, ...] = typing.get_args(Step)
PURPOSES: tuple[Purpose, ...] = typing.get_args(Purpose)


def names(turn: OutgoingTurn) -> list[str]:
    asked = turn.then.lines if isinstance(turn.then, AskHim) else ()
    return [line.name for line in (*turn.says, *asked)]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_he_hears_what_it_is_about_and_has_six_seconds(purpose: Purpose) -> None:
    turn = take_turn(TOLD[purpose], "picked-up")
    assert names(turn) == ANNOUNCED[purpose]
    assert isinstance(turn.then, AskHim)
    assert turn.then.timeout == FIRST_WAIT


def test_a_caller_who_hung_up_is_announced_so() -> None:
    assert names(take_turn(replace(CASE, hung_up=True), "picked-up")) == ["out-hung-up", "out-keys"]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_silence_hears_one_short_repeat_and_then_nothing(purpose: Purpose) -> None:
    first = take_turn(TOLD[purpose], "silence")
    assert names(first) == [SHORT[purpose]]
    assert isinstance(first.then, AskHim)
    assert first.then.timeout == SECOND_WAIT
    second = take_turn(first.call, "silence")
    assert (names(second), second.then, second.call.step) == ([], HangUp(), "ended")


@pytest.mark.parametrize("purpose", PURPOSES)
def test_he_may_hear_it_again_but_not_for_ever(purpose: Purpose) -> None:
    turn = take_turn(TOLD[purpose], "picked-up")
    for count in range(REPEATS):
        turn = take_turn(turn.call, "repeat" if count % 2 else "wrong-key")
        assert names(turn) == ANNOUNCED[purpose]
    assert take_turn(turn.call, "repeat").then == HangUp()


@pytest.mark.parametrize("step", ["announced", "not-reached"])
def test_taken_dials_the_customer(step: Step) -> None:
    turn = take_turn(replace(CASE, step=step), "taken")
    assert (names(turn), turn.then, turn.call.step) == (["out-connecting"], DialCustomer(), "talking")


@pytest.mark.parametrize("heard", [each for each in EVERY if each not in ENDS and each != "taken"])
def test_after_dialling_he_may_try_again_unless_they_talked(heard: OutgoingHeard) -> None:
    turn = take_turn(replace(CASE, step="talking"), heard)
    if heard == "connected":
        assert (names(turn), turn.then) == (["goodbye"], HangUp())
        return
    assert names(turn) == ["out-cut-short" if heard == "cut-short" else "out-not-reached"]
    assert (turn.call.step, isinstance(turn.then, AskHim)) == ("not-reached", True)


@pytest.mark.parametrize("heard", [each for each in EVERY if each not in ENDS and each != "taken"])
def test_whoever_does_not_want_to_try_again_is_done(heard: OutgoingHeard) -> None:
    turn = take_turn(replace(CASE, step="not-reached"), heard)
    assert (names(turn), turn.then) == (["goodbye"], HangUp())


@pytest.mark.parametrize("heard", ENDS)
@pytest.mark.parametrize("step", ["announced", "talking", "not-reached"])
def test_what_ends_it_ends_it_everywhere(step: Step, heard: OutgoingHeard) -> None:
    turn = take_turn(replace(CASE, step=step), heard)
    assert (names(turn), turn.then, turn.call.step) == ([ENDS[heard]], HangUp(), "ended")


@pytest.mark.parametrize("heard", EVERY)
@pytest.mark.parametrize("purpose", PURPOSES)
def test_after_the_end_there_is_nothing(purpose: Purpose, heard: OutgoingHeard) -> None:
    call = replace(TOLD[purpose], step="ended")
    assert take_turn(call, heard) == OutgoingTurn(call, (), HangUp())


@pytest.mark.parametrize("heard", EVERY)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("purpose", PURPOSES)
def test_only_a_recorded_key_dials_anybody(purpose: Purpose, step: Step, heard: OutgoingHeard) -> None:
    turn = take_turn(replace(TOLD[purpose], step=step), heard)
    assert isinstance(turn.then, DialCustomer) == (heard == "taken" and step != "ended")

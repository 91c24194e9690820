"""Where Twilio's documentation is silent, the telephone plays either behaviour and the program is safe with
both. docs/simulator.md lists the points, with what makes each outcome safe.

tests/test_conversations.py plays every conversation on a network that does what is likely in all of them, and
on one that does the other in all. Here each point is turned by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
from test_conversations import (
    ASSUMPTIONS,
    DOCUMENTED,
    FILES,
    INCONVENIENT,
    PREPARATIONS,
    VARIANTS,
    Watched,
    assert_nobody_is_forgotten,
    comments,
)

from console.phone import Behaviour, Reply
from console.phone.door import Door, WsgiDoor
from console.rehearsing.rehearsal import Rehearsal
from console.settings import Configuration

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"
NAMED = {file.stem: file for file in FILES}

# Each point with the values beside the likely one, and conversations in which it matters.
POINTS: dict[str, tuple[tuple[object, ...], tuple[str, ...]]] = {
    "declined_status": (("no-answer",), ("first-declines", "technician-hangs-up-in-the-whisper")),
    "voicemail_status": (("no-answer",), ("only-voicemails", "pursued-while-voicemail")),
    "caller_gone_status": (("no-answer",), ("caller-hangs-up-ringing", "caller-hangs-up-second-ringing")),
    "action_after_caller_hangup": (
        (False,),
        ("caller-hangs-up-ringing", "caller-hangs-up-whisper", "call-back-between-rings"),
    ),
    "sends_digits_when_empty": ((False,), ("silent-at-the-pin", "silent-at-the-urgency")),
    "keeps_keys": ((False,), ("pin-over-the-welcome", "malformed-pins")),
    "gather_after_hangup": (
        (True,),
        (
            "caller-hangs-up-pin",
            "caller-hangs-up-urgency",
            "caller-hangs-up-welcome",
            "caller-hangs-up-refusal",
        ),
    ),
    "failed_whisper": (("connects",), ("first-technician-accepts",)),
    "silent_recording": (
        ("empty",),
        ("office-is-busy-message-not-left", "screening-says-nothing", "wrong-pin-three-times-no-message"),
    ),
    "recording_told_first": (
        (True,),
        ("nobody-answers-message-left", "nobody-answers-message-then-hangs-up", "screening-accepted"),
    ),
    "callbacks_late": ((True,), ("second-technician-accepts", "nobody-answers-message-left")),
    "receipts_backwards": ((True,), ("pursued-and-taken", "pursued-and-taken-by-text")),
}
# What goes wrong at times, rather than what nobody could find out: it changes the course of things.
FAULTS = {"rest_faults", "receipt_seconds", "receipts", "ends_reported"}

Stage = Callable[..., Rehearsal]


@pytest.mark.parametrize(
    ("point", "value", "name"),
    [
        pytest.param(point, value, name, id=f"{point}-{value}-{name}")
        for point, (values, names) in POINTS.items()
        for value in (getattr(DOCUMENTED, point), *values)
        for name in names
    ],
)
def test_the_conversation_goes_the_same_way(
    point: str,
    value: object,
    name: str,
    stage: Stage,
    shipped_configuration: Configuration,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file, configuration, behaviour = NAMED[name], shipped_configuration, replace(DOCUMENTED, **{point: value})
    for assumed in comments(file, "assumes"):
        behaviour = replace(behaviour, **{k: v for k, v in ASSUMPTIONS[assumed].items() if k != point})
    for variant in comments(file, "with"):
        configuration = VARIANTS[variant](configuration)
    rehearsal = stage(configuration, behaviour=behaviour)
    for variant in comments(file, "with"):
        PREPARATIONS.get(variant, lambda _: None)(rehearsal)
    Watched(rehearsal, caplog)  # answers what the file asks
    rehearsal.play(file.read_text(encoding="utf-8"), file.name)
    assert_nobody_is_forgotten(rehearsal)


def test_every_point_is_turned_and_stands_in_the_page() -> None:
    named = {each.name for each in fields(Behaviour)} - FAULTS
    assert named == POINTS.keys()
    assert set(re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)) == named


def test_every_conversation_is_played_with_both() -> None:
    for point in POINTS:
        assert getattr(DOCUMENTED, point) != getattr(INCONVENIENT, point), point


class WithoutWhispers:
    """A door behind which a technician's first request is lost."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def post(self, url: str, form: list[tuple[str, str]], headers: dict[str, str]) -> Reply:
        if "/voice/technician/0" in url:
            return Reply(500, "text/plain", b"")
        return self._door.post(url, form, headers)


@pytest.mark.parametrize("failed_whisper", ["ends", "connects"])
def test_nobody_counts_as_reached_whose_whisper_was_lost(failed_whisper: str, stage: Stage) -> None:
    """He may be talking to the caller; but he pressed no key, so the case stays open and is pursued."""
    rehearsal = stage(behaviour=Behaviour(failed_whisper=failed_whisper))  # type: ignore[arg-type]
    rehearsal.play("@ 2026-03-10 22:00")
    rehearsal.exchange.door = WithoutWhispers(WsgiDoor(rehearsal.app))
    call = rehearsal.exchange.ring("+393471112201", "+390461825060")
    call.press(rehearsal.pins["acme"], label="PIN of acme")
    call.press("1")
    call.wait()
    (leg,) = call.ringing
    leg.answer()
    if failed_whisper == "connects":
        leg.talk(60)
    else:
        call.wait()
        assert call.state == "ringing", "the next phone rings"
        call.hang_up()
    assert call.state == "ended"
    assert rehearsal.fact("anna's result is unconfirmed") is None
    assert rehearsal.fact("case P1+ is open and pursued") is None


def test_a_message_of_silence_is_a_message(stage: Stage) -> None:
    """Somebody listens to nothing: that is safer than to lose one that was spoken low."""
    rehearsal = stage(behaviour=Behaviour(silent_recording="kept"))
    text = NAMED["office-is-busy-message-not-left"].read_text(encoding="utf-8")
    rehearsal.play(text.replace("* no work waits\n", "* outcome message\n"))

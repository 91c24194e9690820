"""The conversation with a technician whose phone was picked up: his own small flow, pure.

Keys are live from the first word: 1 accepts, 2 passes, 9 repeats. A voicemail presses nothing and
costs at most 20 s: what he hears, 6 s of silence, one short repeat, 4 s, and we hang up. A caller
without a verified PIN is announced as such, with what he said of himself; that takes the time of the
repeat.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from ivr.vocabulary import Clock, Digits, HangUp, Line, Recorded, UrgencyName, line

FIRST_WAIT = 6
SECOND_WAIT = 4
# Wrong keys and repeats on request, together; a child playing with the phone ends here.
REPEATS = 6


@dataclass(frozen=True)
class Leg:
    """A technician's leg, with what he is told."""

    sid: str
    parent_sid: str
    attempt_id: int
    language: str
    urgency: str | None
    customer: str | None
    code: str
    due_at: datetime | None
    # Of a caller without a verified PIN: the number he calls from, "" if withheld; the recording of his name.
    caller: str = ""
    name_recording: str | None = None
    silences: int = 0
    repeats: int = 0
    ended: bool = False
    # The caller's turn at which he was rung; None if a version wrote this that did not know.
    rung_at_turn: int | None = None


LegHeard = Literal["picked-up", "accepted", "passed", "repeat", "wrong-key", "silence", "too-late"]


@dataclass(frozen=True)
class AskTechnician:
    """Ask for one key; what is said may be keyed over."""

    lines: tuple[Line | Recorded, ...]
    timeout: int


@dataclass(frozen=True)
class Bridge:
    """Let the document end: the network then connects the two."""


@dataclass(frozen=True)
class LegTurn:
    leg: Leg
    says: tuple[Line, ...]
    then: AskTechnician | Bridge | HangUp


def take_turn(leg: Leg, heard: LegHeard) -> LegTurn:
    """`accepted` and `passed` mean that the key is recorded already; `too-late` that it could not be."""
    match heard:
        case _ if leg.ended:
            return LegTurn(leg, (), HangUp())
        case "picked-up":
            return ask(leg, announce(leg), FIRST_WAIT)
        case "accepted":
            return LegTurn(replace(leg, ended=True), (line("technician-connecting"),), Bridge())
        case "passed":
            return LegTurn(replace(leg, ended=True), (line("technician-passed"),), HangUp())
        case "too-late":
            return LegTurn(replace(leg, ended=True), (line("technician-too-late"),), HangUp())
        case "silence" if leg.silences == 0 and leg.customer is not None:
            return ask(replace(leg, silences=1), (line("technician-short"),), SECOND_WAIT)
        case "repeat" | "wrong-key" if leg.repeats < REPEATS:
            return ask(replace(leg, repeats=leg.repeats + 1), announce(leg), FIRST_WAIT)
        case _:
            return LegTurn(replace(leg, ended=True), (), HangUp())


def ask(leg: Leg, lines: tuple[Line | Recorded, ...], wait: int) -> LegTurn:
    return LegTurn(leg, (), AskTechnician(lines, timeout=wait))


def announce(leg: Leg) -> tuple[Line | Recorded, ...]:
    if leg.customer is None or leg.urgency is None or leg.due_at is None:
        return announce_unverified(leg)
    return (
        line(
            "technician-announce",
            urgency=UrgencyName(leg.urgency),
            customer=leg.customer,
            code=Digits(leg.code),
            due=Clock(leg.due_at),
        ),
    )


def announce_unverified(leg: Leg) -> tuple[Line | Recorded, ...]:
    """What he said of himself; if that is missing, the number he calls from."""
    keys = line("technician-keys")
    if leg.name_recording is not None:
        return line("technician-screened"), Recorded(leg.name_recording), keys
    if leg.caller:
        return line("technician-screened-number", number=Digits(leg.caller)), keys
    return line("technician-screened-withheld"), keys

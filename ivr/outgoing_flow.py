"""The conversation with a technician whom we call ourselves, pure: to have a case taken, to tell him
something, to ask whether he can be reached.

Keys are live from the first word. A voicemail presses nothing: it hears what is said, 6 s of silence, one
short repeat, 4 s, and we hang up. Only his recorded key counts; 1 makes a case his, and the
customer is dialled then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from ivr.vocabulary import Clock, Digits, HangUp, Line, UrgencyName, line

FIRST_WAIT = 6
SECOND_WAIT = 4
# Wrong keys and repeats on request, together.
REPEATS = 6
# A talk shorter than this, in seconds, may have been cut.
SHORT_TALK = 20
# What he presses after the customer did not answer, or the talk was cut.
AGAIN_WAIT = 10

Purpose = Literal["pursue", "call-back", "notice", "confirm", "test"]
Step = Literal["announced", "talking", "not-reached", "ended"]


@dataclass(frozen=True)
class Outgoing:
    """A call that we place, and what he is told. What a purpose does not need is empty.

    `hung_up`: he was being rung, or had accepted, when the caller hung up. `starts_at` is when his turn
    begins. `text` is read to him as it stands.
    """

    purpose: Purpose
    technician: str
    language: str
    step: Step = "announced"
    urgency: str | None = None
    customer: str | None = None
    code: str = ""
    due_at: datetime | None = None
    hung_up: bool = False
    starts_at: datetime | None = None
    text: str = ""
    silences: int = 0
    repeats: int = 0


@dataclass(frozen=True)
class CarriedOutgoing:
    """A call that we place as it travels in an address: `number` of ours is shown, `case` is a number too."""

    call: Outgoing
    phone: str
    number: str
    case: str | None = None


@dataclass(frozen=True)
class OutgoingReceived:
    """One request of a call that we placed; `digits` as in Received. `talked`: seconds he talked to the
    customer, if the network says so. `home` names the database that knows the call; see
    `ivr.standby.luggage`. `carried` is the call as its address brought it along, which was made
    for turn `made_for`.
    """

    sid: str
    outgoing: int
    turn: int
    digits: str | None = None
    dial_status: str | None = None
    bridged: bool = False
    talked: int | None = None
    home: str = ""
    carried: CarriedOutgoing | None = None
    made_for: int = 0

    def __repr__(self) -> str:
        return f"OutgoingReceived({self.sid}, turn {self.turn})"


# What was heard. `taken`, `declined` and `heard-it` mean that the key is recorded already; `too-late` that
# somebody else has the case by now. `no-number`: nobody knows where the customer can be called;
# `no-more-calls`: he was dialled as often as may be; `capped`: no customer may be dialled any more today.
# `connected` and `not-connected`: how dialling him ended.
OutgoingHeard = Literal[
    "picked-up",
    "taken",
    "no-number",
    "no-more-calls",
    "capped",
    "declined",
    "heard-it",
    "too-late",
    "repeat",
    "wrong-key",
    "silence",
    "connected",
    "cut-short",
    "not-connected",
]


@dataclass(frozen=True)
class AskHim:
    """Ask for one key; what is said may be keyed over."""

    lines: tuple[Line, ...]
    timeout: int


@dataclass(frozen=True)
class DialCustomer:
    """Ring the customer's phone and connect the two."""


@dataclass(frozen=True)
class OutgoingTurn:
    call: Outgoing
    says: tuple[Line, ...]
    then: AskHim | DialCustomer | HangUp


def take_turn(call: Outgoing, heard: OutgoingHeard) -> OutgoingTurn:
    """What is said and done next. Every combination has an answer."""
    match call.step, heard:
        case "ended", _:
            return OutgoingTurn(call, (), HangUp())
        case "announced", "picked-up":
            return ask(call, announce(call), FIRST_WAIT)
        case _, "taken":
            return OutgoingTurn(replace(call, step="talking"), (line("out-connecting"),), DialCustomer())
        case _, "no-number":
            return end(call, line("out-no-number"))
        case _, "no-more-calls":
            return end(call, line("out-no-more-calls"))
        case _, "capped":
            return end(call, line("out-capped"))
        case _, "declined":
            return end(call, line("technician-passed"))
        case _, "heard-it":
            return end(call, line("out-thanks"))
        case _, "too-late":
            return end(call, line("out-too-late"))
        case "talking", "connected":
            return end(call, line("goodbye"))
        case "talking", "cut-short":
            return ask(replace(call, step="not-reached"), (line("out-cut-short"),), AGAIN_WAIT)
        case "talking", _:
            return ask(replace(call, step="not-reached"), (line("out-not-reached"),), AGAIN_WAIT)
        case "not-reached", _:
            return end(call, line("goodbye"))
        case _, "silence" if call.silences == 0:
            return ask(replace(call, silences=1), (shortly(call),), SECOND_WAIT)
        case _, "repeat" | "wrong-key" if call.repeats < REPEATS:
            return ask(replace(call, repeats=call.repeats + 1), announce(call), FIRST_WAIT)
        case _:
            return end(call)


def ask(call: Outgoing, lines: tuple[Line, ...], wait: int) -> OutgoingTurn:
    return OutgoingTurn(call, (), AskHim(lines, wait))


def end(call: Outgoing, *says: Line) -> OutgoingTurn:
    return OutgoingTurn(replace(call, step="ended"), says, HangUp())


def announce(call: Outgoing) -> tuple[Line, ...]:
    """What this call is about, and its keys."""
    match call.purpose:
        case "pursue" if call.urgency and call.customer and call.due_at:
            urgency, due = UrgencyName(call.urgency), Clock(call.due_at)
            customer, code = call.customer, Digits(call.code)
            told = line("out-announce", urgency=urgency, customer=customer, code=code, due=due)
            if call.hung_up:
                told = line("out-hung-up", urgency=urgency, customer=customer, code=code, due=due)
            return told, line("out-keys")
        case "pursue" | "call-back":
            return (line("out-call-back", code=Digits(call.code)),)
        case "notice":
            return line("out-notice", text=call.text), line("out-notice-keys")
        case "confirm" if call.starts_at:
            return line("out-confirm", at=Clock(call.starts_at)), line("out-confirm-keys")
        case _:
            return line("out-test"), line("out-notice-keys")


def shortly(call: Outgoing) -> Line:
    """The repeat that a silent line hears."""
    match call.purpose:
        case "pursue":
            return line("technician-short")
        case "call-back":
            return line("out-call-back", code=Digits(call.code))
        case _:
            return line("out-confirm-short")

"""The words of the conversation: what can be heard, what can be said, what is remembered of a call.

Standard library only. Everything here is a value: nothing acts, nothing asks the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

# -- what arrives at the door --------------------------------------------------------------------


@dataclass(frozen=True)
class Received:
    """One request of a caller's call, as the door understood it.

    `number` is the one of ours that was called; `caller` is empty when it is withheld. `digits` is
    None when the request carried no keys at all, "" for silence. `gone`: the caller has hung up.
    """

    sid: str
    caller: str
    number: str
    turn: int
    # Not in the repr: these may be a PIN, and a repr ends up in logs.
    digits: str | None = None
    dial_status: str | None = None
    bridged: bool = False
    recording: Recording | None = None
    gone: bool = False

    def __repr__(self) -> str:
        return f"Received({self.sid}, turn {self.turn})"


@dataclass(frozen=True)
class Recording:
    """A recording as the telephone network announced it; `seconds` of sound."""

    sid: str
    url: str
    seconds: int


@dataclass(frozen=True)
class LegReceived:
    """One request of a technician's leg; `digits` as in Received."""

    sid: str
    parent_sid: str
    attempt: int
    turn: int
    digits: str | None = None

    def __repr__(self) -> str:
        return f"LegReceived({self.sid}, turn {self.turn})"


# -- what is remembered of a call ------------------------------------------------------------------


class Step(StrEnum):
    """Where the caller stands, named by what is asked of him or done for him."""

    ARRIVAL = "arrival"
    OFFICE = "office"
    OFFICE_MISSED = "office-missed"
    PIN = "pin"
    URGENCY = "urgency"
    REFUSED = "refused"
    RINGING = "ringing"
    MESSAGE = "message"
    ENDED = "ended"


class Outcome(StrEnum):
    """How a call came out; the latest of these that happened."""

    CONNECTED = "connected"
    ACCEPTED = "accepted"
    NOBODY_ANSWERED = "nobody-answered"
    OFFICE = "office"
    NO_PIN = "no-pin"
    NO_CONTRACT = "no-contract"
    NOT_COVERED = "not-covered"
    NO_URGENCY = "no-urgency"
    MESSAGE = "message"
    HUNG_UP = "hung-up"


@dataclass(frozen=True)
class CustomerFacts:
    id: int
    code: str
    spoken_name: str
    language: str | None


@dataclass(frozen=True)
class LadderPlace:
    """One person of the ladder, copied into the call: a change of shift meanwhile skips nobody."""

    rung: int
    technician: str
    name: str
    spoken_name: str
    phone: str
    rings: int


@dataclass(frozen=True)
class NewCase:
    """A case as the caller will hear of it. `due_at`: to be taken in charge by then."""

    number: str
    code: str
    due_at: datetime


@dataclass(frozen=True)
class Call:
    """One caller's call, from ring to end; what the next turn needs and nothing else."""

    sid: str
    caller: str
    number: str
    language: str
    step: Step = Step.ARRIVAL
    outcome: Outcome | None = None
    # How often this step's question went unanswered or met a wrong key.
    missed: int = 0
    # The office's phones still to be rung by day, a group at a time.
    office: tuple[tuple[str, ...], ...] = ()
    pin_offered: bool = True
    wrong_pins: int = 0
    pin_phase_ends: datetime | None = None
    # A full-length PIN was just keyed without `#`: the one that follows is no answer to anything.
    hash_may_follow: bool = False
    # The sentence that says why he was refused.
    refused: str | None = None
    customer: CustomerFacts | None = None
    billable: bool = False
    urgency: str | None = None
    case: NewCase | None = None
    ladder: tuple[LadderPlace, ...] = ()
    ringing_since: datetime | None = None
    ringing_pass: int = 1
    # Phones tried in this pass.
    tried: tuple[str, ...] = ()
    # Identities given when the turn was saved.
    case_id: int | None = None
    attempt_id: int | None = None


# -- what is heard ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What happened since the last turn, with the facts this step needs. `at` is now.

    `reopens` is when the office opens next, None if not in sight; `gone`: the caller has hung up.
    """

    at: datetime
    reopens: datetime | None = None
    gone: bool = False


@dataclass(frozen=True, kw_only=True)
class ArrivedByNight(Heard):
    """A new call inside a PIN window."""


@dataclass(frozen=True, kw_only=True)
class ArrivedByDay(Heard):
    """A new call while the office is open; `office` holds the phones to ring, a group at a time.

    `pin_offered`: whether a caller the office misses may go on with his PIN.
    """

    office: tuple[tuple[str, ...], ...]
    pin_offered: bool = True


class OfficeAnswered(Heard):
    """Somebody at the office picked up, and the talk is over."""


class OfficeMissed(Heard):
    """Nobody at the office picked up."""


class Silence(Heard):
    """No key before the time was up."""


class WrongKey(Heard):
    """A key that means nothing here."""


class StrayHash(Heard):
    """A `#` that ended nothing: it was pressed after the last digit had already been taken."""


class WantsPin(Heard):
    """By day: has an emergency and a PIN."""


class WantsMessage(Heard):
    """Wants to leave a message."""


class PinMalformed(Heard):
    """Too short, too long, or no digits: not a guess."""


class NoPin(Heard):
    """Says he has no PIN."""


WhyWrong = Literal["unknown", "revoked", "expired"]


@dataclass(frozen=True, kw_only=True)
class PinWrong(Heard):
    """A complete PIN that opens nothing. `why` is for the journal alone: he hears no difference.

    `full_length`: it had as many digits as we take, so a `#` may still be on its way.
    """

    why: WhyWrong
    full_length: bool


@dataclass(frozen=True, kw_only=True)
class PinAccepted(Heard):
    """A right PIN; `covered`: the contract covers an urgency today. `full_length` as in PinWrong."""

    customer: CustomerFacts
    pin_id: int
    covered: bool
    full_length: bool
    connect_without_contract: bool = False


@dataclass(frozen=True, kw_only=True)
class UrgencyChosen(Heard):
    """An urgency accepted after hours, with the case it will be and the ladder to ring."""

    code: str
    case: NewCase
    ladder: tuple[LadderPlace, ...]
    engaged: frozenset[str] = frozenset()


class NotUrgent(Heard):
    """Any urgency that is not accepted after hours."""


@dataclass(frozen=True, kw_only=True)
class AttemptEnded(Heard):
    """The technician's phone stopped ringing, or the talk is over. Keys: see oncall.cases.Result.

    `engaged` are the phones now ringing or talking for another call.
    """

    result: str
    passes: int
    no_new_attempt_after: int
    engaged: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class MessageLeft(Heard):
    """The recording is over; `seconds` may be 0."""

    seconds: int


class Left(Heard):
    """The caller hung up where nothing else is to be told of it."""


# -- what is said and done -------------------------------------------------------------------------


@dataclass(frozen=True)
class Digits:
    """Spoken one by one."""

    text: str


@dataclass(frozen=True)
class Clock:
    """An instant by the wall clock: "18:30", with the day when it is not today."""

    at: datetime


@dataclass(frozen=True)
class UrgencyName:
    """A level's code, spoken as its owners speak it."""

    code: str


@dataclass(frozen=True)
class UrgencyMenu:
    """The levels offered, each with its key."""


Value = str | Digits | Clock | UrgencyName | UrgencyMenu


@dataclass(frozen=True)
class Line:
    """A sentence of the catalogue by its name, and the values that go into it."""

    name: str
    values: tuple[tuple[str, Value], ...] = ()


def line(name: str, **values: Value) -> Line:
    return Line(name, tuple(values.items()))


@dataclass(frozen=True)
class AskPin:
    """Ask for a PIN; `lines` may be keyed over."""

    lines: tuple[Line, ...]
    timeout: int = 10


@dataclass(frozen=True)
class AskKey:
    """Ask for one key; `lines` may be keyed over."""

    lines: tuple[Line, ...]
    timeout: int = 8


@dataclass(frozen=True)
class RingOffice:
    """Ring these phones at once."""

    phones: tuple[str, ...]


@dataclass(frozen=True)
class RingTechnician:
    place: LadderPlace


@dataclass(frozen=True)
class TakeMessage:
    pass


@dataclass(frozen=True)
class HangUp:
    pass


Next = AskPin | AskKey | RingOffice | RingTechnician | TakeMessage | HangUp


@dataclass(frozen=True)
class OpenCase:
    """Open the call's case, and the work that pursues it."""


@dataclass(frozen=True)
class PinUsed:
    """The PIN opened this call."""


@dataclass(frozen=True)
class HandOn:
    """Work for later that this turn causes: `kind` of due work, about this call."""

    kind: str


Effect = OpenCase | PinUsed | HandOn


@dataclass(frozen=True)
class Turn:
    """The answer to one thing heard: the call as it stands now, what is said, what is done next."""

    call: Call
    says: tuple[Line, ...]
    then: Next
    effects: tuple[Effect, ...] = ()

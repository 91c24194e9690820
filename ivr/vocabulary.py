"""The words of the conversation: what can be heard, what can be said, what is remembered of a call.

Standard library only. Everything here is a value: nothing acts, nothing asks the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Literal

# -- what arrives at the door --------------------------------------------------------------------


@dataclass(frozen=True)
class Received:
    """One request of a caller's call, as the door understood it.

    `number` is the one of ours that was called; `caller` is empty when it is withheld. `digits` is
    None when the request carried no keys at all, "" for silence. `gone`: the caller has hung up.
    `carried` is what the address brought along, if it was ours; `talked`: seconds of a Dial that was
    answered, if the network says so.
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
    carried: Carried | None = None
    talked: int | None = None

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
    """One request of a technician's leg; `digits` as in Received.

    `carried` is the caller's call as it stood when his phone was rung; `silences` and `repeats` how often he
    has said nothing, or heard it again: all from the address, which was made for turn `made_for` of the leg.
    """

    sid: str
    carried: Carried
    turn: int
    digits: str | None = None
    made_for: int = 0
    silences: int = 0
    repeats: int = 0

    @property
    def parent_sid(self) -> str:
        return self.carried.call.sid

    @property
    def rung_at_turn(self) -> int:
        """The caller's turn at which his phone was rung: with the call's sid, the name of the attempt."""
        return self.carried.turn - 1

    def __repr__(self) -> str:
        return f"LegReceived({self.sid}, turn {self.turn})"


# -- what is remembered of a call ------------------------------------------------------------------


class Step(StrEnum):
    """Where the caller stands, named by what is asked of him or done for him."""

    ARRIVAL = "arrival"
    CHALLENGE = "challenge"
    OFFICE = "office"
    OFFICE_MISSED = "office-missed"
    PIN = "pin"
    URGENCY = "urgency"
    VERIFYING = "verifying"
    SAME_CASE = "same-case"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    RINGING = "ringing"
    BETWEEN_RINGS = "between-rings"
    CALL_BACK_NUMBER = "call-back-number"
    TALK_WAS_SHORT = "talk-was-short"
    SCREENING_NAME = "screening-name"
    SCREENING_WAIT = "screening-wait"
    MESSAGE = "message"
    ENDED = "ended"


class Outcome(StrEnum):
    """How a call came out; the latest of these that happened."""

    CONNECTED = "connected"
    ACCEPTED = "accepted"
    CALL_BACK = "call-back"
    NOBODY_ANSWERED = "nobody-answered"
    SCREENED = "screened"
    OFFICE = "office"
    OFFICE_MISSED = "office-missed"
    NO_PIN = "no-pin"
    NO_CONTRACT = "no-contract"
    NOT_COVERED = "not-covered"
    NO_URGENCY = "no-urgency"
    NO_DIGITS = "no-digits"
    BLOCKED = "blocked"
    MESSAGE = "message"
    STAND_IN = "stand-in"
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
    """A case as the caller will hear of it. `due_at`: to be taken in charge by then.

    A caller without a verified PIN is promised nothing: his has no deadline.
    """

    number: str
    code: str
    due_at: datetime | None


@dataclass(frozen=True)
class KnownCase:
    """An open case of the customer who calls again; `technician` is the key of who has it, if anybody."""

    id: int
    number: str
    code: str
    opened_at: datetime
    due_at: datetime
    technician: str | None = None
    technician_name: str | None = None


@dataclass(frozen=True)
class Call:
    """One caller's call, from ring to end; what the next turn needs and nothing else."""

    sid: str
    caller: str
    number: str
    language: str
    # Those we speak, in the order in which `*` goes through them.
    languages: tuple[str, ...] = ()
    step: Step = Step.ARRIVAL
    outcome: Outcome | None = None
    # How often this step's question went unanswered or met a wrong key.
    missed: int = 0
    # The office's phones still to be rung by day, a group at a time.
    office: tuple[tuple[str, ...], ...] = ()
    pin_offered: bool = True
    wrong_pins: int = 0
    pin_phase_ends: datetime | None = None
    more_time_given: bool = False
    # A full-length PIN was just keyed without `#`: the one that follows is no answer to anything.
    hash_may_follow: bool = False
    # The sentence that says why he was refused.
    refused: str | None = None
    customer: CustomerFacts | None = None
    billable: bool = False
    urgency: str | None = None
    definitions_heard: int = 0
    codes_tried: int = 0
    # The customer's open case, while he is asked whether this is the same problem.
    known_case: KnownCase | None = None
    case: NewCase | None = None
    ladder: tuple[LadderPlace, ...] = ()
    ringing_since: datetime | None = None
    ringing_pass: int = 1
    # Phones tried in this pass.
    tried: tuple[str, ...] = ()
    reconnects: int = 0
    # A person decides about him, should his PIN be refused: he may hold a right one all the same.
    screen: bool = False
    # What he said of himself, and since when we wait for it; set once a person is to decide.
    name_recording: str | None = None
    screening_since: datetime | None = None
    # The last day of the PIN he keyed, while another takes its place.
    pin_last_day: date | None = None
    # The digits he is to key before anything else, while strangers flood us.
    challenge: str | None = None
    # His number is blocked: a right PIN opens, and nothing else does.
    blocked: bool = False
    # Identities given when the turn was saved.
    case_id: int | None = None
    attempt_id: int | None = None


@dataclass(frozen=True)
class Carried:
    """A call as it travels in an address: `turn` is the one that is expected next.

    It has none of the identities that only the database gives which served it, and not the caller's number.
    """

    call: Call
    turn: int


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


class ArrivedBlocked(Heard):
    """A new call from a number that is blocked, at whatever hour."""


@dataclass(frozen=True, kw_only=True)
class ArrivedInFlood(Heard):
    """A new call from a number that nobody knows, while such calls flood us: he is to key `digits`."""

    digits: str


class DigitsWrong(Heard):
    """Not the digits he was told. No guess at a PIN."""


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


class WantsMoreTime(Heard):
    """Needs more time to find or key his PIN."""


class WantsLanguage(Heard):
    """Wants to be spoken to in the next of our languages."""


WhyWrong = Literal["unknown", "revoked", "expired", "not evaluated"]
# What a complete PIN was checked against: see pins/throttle.py.
LaneName = Literal["shared", "known", "unread"]


@dataclass(frozen=True, kw_only=True)
class PinWrong(Heard):
    """A complete PIN that opens nothing. `why` is for the journal alone: he hears no difference.

    `full_length`: it had as many digits as we take, so a `#` may still be on its way. `may_be_right`:
    so many wrong ones were keyed lately that a right one cannot be told from a lucky one.
    """

    why: WhyWrong
    full_length: bool
    lane: LaneName = "shared"
    may_be_right: bool = False


class PinUnchecked(Heard):
    """A complete PIN that could not be checked in time: too many at once. Not a guess."""


class CannotVerify(Heard):
    """No PIN can be checked now, by nobody's fault: a person decides."""


@dataclass(frozen=True, kw_only=True)
class PinAccepted(Heard):
    """A right PIN; `covered`: the contract covers an urgency today. `full_length` as in PinWrong.

    `last_day` is given when another PIN takes its place and it still works until then.
    """

    customer: CustomerFacts
    pin_id: int
    covered: bool
    full_length: bool
    connect_without_contract: bool = False
    last_day: date | None = None


@dataclass(frozen=True, kw_only=True)
class UrgencyChosen(Heard):
    """An urgency accepted after hours, with the case it will be and the ladder to ring."""

    code: str
    case: NewCase
    ladder: tuple[LadderPlace, ...]


@dataclass(frozen=True, kw_only=True)
class UrgencyAgain(Heard):
    """An urgency accepted after hours, stated by a customer who has an open case: the latest of them."""

    code: str
    known: KnownCase


@dataclass(frozen=True, kw_only=True)
class SameProblem(Heard):
    """It is about the open case. `ladder` begins with the technician who has it; `due_at` as it is now."""

    due_at: datetime
    ladder: tuple[LadderPlace, ...]


class NotUrgent(Heard):
    """Any urgency that is not accepted after hours."""


class WantsDefinitions(Heard):
    """Wants to hear what the levels of urgency mean."""


class WantsToVerify(Heard):
    """Somebody phoned him and said to be a technician of ours."""


@dataclass(frozen=True, kw_only=True)
class CodeChecked(Heard):
    """A spoken code was keyed; `known` is the customer's own open case of this code, if there is one."""

    known: KnownCase | None


@dataclass(frozen=True, kw_only=True)
class WhileRinging(Heard):
    """What is known while technicians are rung: the rules, and the phones `engaged` with other calls.

    `no_new_attempt_after` in seconds since ringing began.
    """

    passes: int
    no_new_attempt_after: int
    engaged: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class AttemptEnded(WhileRinging):
    """The technician's phone stopped ringing, or the talk is over. Results: see oncall.cases.Result.

    `hung_up`: he picked up and hung up himself, pressing nothing. `talked` in seconds, when they were
    connected. `elsewhere`: the network says that they were, and another node must have served him: whether
    he pressed his key will be known once what both wrote down comes together.
    """

    result: str
    hung_up: bool = False
    talked: int = 0
    elsewhere: bool = False


class KeepsWaiting(WhileRinging):
    """He has heard what was said, or keyed over it: the next phone may ring."""


@dataclass(frozen=True, kw_only=True)
class WantsCallBack(WhileRinging):
    """Wants to be called back; at `number`, or None if neither his own nor one on file can be dialled."""

    number: str | None


@dataclass(frozen=True, kw_only=True)
class NumberGiven(WhileRinging):
    """A number to be called back at, or None if what was keyed cannot be dialled."""

    number: str | None


@dataclass(frozen=True, kw_only=True)
class WantsReconnect(WhileRinging):
    """The talk was short and he wants the technician again."""


@dataclass(frozen=True, kw_only=True)
class MessageLeft(Heard):
    """The recording is over; `seconds` may be 0. `recording` is its sid, if there is one."""

    seconds: int
    recording: str | None = None


class StillWaiting(Heard):
    """What he said of himself is not here yet."""


class NoMoreWakeUps(Heard):
    """As many technicians as may be were woken lately for callers without a verified PIN."""


@dataclass(frozen=True, kw_only=True)
class ReadyToScreen(WhileRinging):
    """A technician may be rung for him: with what he said of himself, if it came in time."""

    case: NewCase
    ladder: tuple[LadderPlace, ...]


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
class Day:
    """A day of the calendar."""

    date: date


@dataclass(frozen=True)
class UrgencyName:
    """A level's code, spoken as its owners speak it."""

    code: str


@dataclass(frozen=True)
class UrgencyMenu:
    """The levels offered, each with its key."""


@dataclass(frozen=True)
class Definitions:
    """What each level offered means."""


Value = str | Digits | Clock | Day | UrgencyName | UrgencyMenu | Definitions


@dataclass(frozen=True)
class Line:
    """A sentence of the catalogue by its name, and the values that go into it.

    `language` is given only where it is not the call's own: the offer of another language.
    """

    name: str
    values: tuple[tuple[str, Value], ...] = ()
    language: str | None = None


def line(name: str, **values: Value) -> Line:
    return Line(name, tuple(values.items()))


@dataclass(frozen=True)
class Recorded:
    """A recording is played, by its sid."""

    sid: str


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
class AskDigits:
    """Ask for several digits, ended by `#`, by `most` digits or by `timeout` seconds of silence."""

    lines: tuple[Line, ...]
    most: int
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
class TakeName:
    """Record what he says of himself: short, and over as soon as he is silent."""


@dataclass(frozen=True)
class HangUp:
    pass


Next = AskPin | AskKey | AskDigits | RingOffice | RingTechnician | TakeMessage | TakeName | HangUp


@dataclass(frozen=True)
class OpenCase:
    """Open the call's case, and the work that pursues it."""


@dataclass(frozen=True)
class JoinCase:
    """The call joins the customer's open case; its pursuit waits meanwhile."""


@dataclass(frozen=True)
class PursueNow:
    """The caller is no longer on the line: the pursuit of his case is due at once.

    `call_back` is the number he wants to be called back at, None for the one he called from.
    """

    call_back: str | None = None


@dataclass(frozen=True)
class PursueAgain:
    """The caller needs a technician once more: if this goes wrong too, his case is pursued."""


@dataclass(frozen=True)
class PinUsed:
    """The PIN opened this call."""


@dataclass(frozen=True)
class PinMissed:
    """A complete PIN opened nothing: it counts against the throttle."""


@dataclass(frozen=True)
class WakeUp:
    """A technician is woken for a caller without a verified PIN: counted, with a case of its own that
    nobody pursues.
    """


@dataclass(frozen=True)
class HandOn:
    """Work for later that this turn causes: `kind` of due work, about this call."""

    kind: str


Effect = OpenCase | JoinCase | PursueAgain | PursueNow | PinUsed | PinMissed | WakeUp | HandOn


@dataclass(frozen=True)
class Turn:
    """The answer to one thing heard: the call as it stands now, what is said, what is done next."""

    call: Call
    says: tuple[Line, ...]
    then: Next
    effects: tuple[Effect, ...] = ()

"""What happened on the telephone, as plain facts in the order in which they happened.

A `party` is "caller" or the number (or SIP address) of a phone that was rung, or called by the program.
No event ever holds a PIN.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

CALLER = "caller"


@dataclass(frozen=True, slots=True)
class Event:
    """`at`: the virtual instant, aware UTC."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Called(Event):
    """A call came in. `caller` is what the network shows: a number, or "anonymous"."""

    caller: str
    to: str


@dataclass(frozen=True, slots=True)
class Requested(Event):
    """A webhook was asked. `path` without its query; `status` 0 means nobody answered."""

    path: str
    status: int


@dataclass(frozen=True, slots=True)
class Heard(Event):
    """Something was said. Of a recording, `text` is its address in brackets.

    It is noted as it begins. If a key or a hang-up cuts it off, the event is replaced by one whose text
    ends with " …", or removed if not one word was heard.
    """

    party: str
    text: str
    language: str
    voice: str


@dataclass(frozen=True, slots=True)
class Pressed(Event):
    """Keys were pressed. `keys` is a label ("PIN of acme") for PINs, and never shows five digits."""

    party: str
    keys: str
    stopped_prompt: bool = False
    labelled: bool = False


@dataclass(frozen=True, slots=True)
class Waited(Event):
    """A party let a Gather run into its time-out."""

    party: str


@dataclass(frozen=True, slots=True)
class Rang(Event):
    phone: str


@dataclass(frozen=True, slots=True)
class Phoned(Event):
    """The program placed a call of its own: `phone` rings, and shows the number `shows`."""

    phone: str
    shows: str


@dataclass(frozen=True, slots=True)
class Missed(Event):
    """A phone stopped ringing unanswered."""

    phone: str
    why: Literal["no-answer", "busy", "failed", "canceled"]


@dataclass(frozen=True, slots=True)
class Answered(Event):
    phone: str
    by: Literal["person", "voicemail"]


@dataclass(frozen=True, slots=True)
class Bridged(Event):
    """`phone` was dialled in the call of `other`."""

    phone: str
    other: str = CALLER


@dataclass(frozen=True, slots=True)
class Recorded(Event):
    """`seconds` of speech; `ended_by` is a key, "silence", "hang up" or "limit"."""

    party: str
    seconds: int
    ended_by: str


@dataclass(frozen=True, slots=True)
class HungUp(Event):
    """The line of `party` ended. `by` is a party, or "program" when the TwiML ended it."""

    party: str
    by: str


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """What Twilio's debugger would show. `code` is Twilio's error code."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class TextSent(Event):
    """The program sent a text message to `phone`."""

    phone: str
    sender: str
    text: str


@dataclass(frozen=True, slots=True)
class TextReceived(Event):
    """Somebody at `phone` sent a text message to `number`, one of ours."""

    phone: str
    number: str
    text: str


@dataclass(frozen=True, slots=True)
class Worked(Event):
    """The worker did what was due."""

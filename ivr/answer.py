"""An answer to the telephone network with everything resolved: texts, voices, addresses.

It is stored as JSON beside the turn it answers, so that the same answer can be given again byte for
byte. What it looks like on the wire is the door's business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from ivr.prompts import Speech


@dataclass(frozen=True)
class Say:
    speech: Speech
    do: Literal["say"] = "say"


@dataclass(frozen=True)
class Sound:
    """A recording of ours to be played, by its address."""

    address: str


@dataclass(frozen=True)
class Gather:
    """Ask for keys; `prompts` may be keyed over. `timeout` in seconds of silence.

    `digits` ends it at once when so many were keyed; `finish` is the key that ends it, "" for none.
    """

    action: str
    prompts: tuple[Speech | Sound, ...]
    timeout: int
    digits: int
    finish: str
    do: Literal["gather"] = "gather"


@dataclass(frozen=True)
class Target:
    """A phone to ring. `whisper` is asked when it is picked up, before the two are connected."""

    address: str
    whisper: str | None = None


@dataclass(frozen=True)
class Dial:
    """Ring `targets` at once for `rings` seconds of real ringing."""

    action: str
    caller_id: str
    targets: tuple[Target, ...]
    rings: int
    do: Literal["dial"] = "dial"


@dataclass(frozen=True)
class Record:
    """Record after a tone, `limit` seconds at most; `#` ends it, and `silence` seconds without a word."""

    action: str
    callback: str
    limit: int
    silence: int = 10
    do: Literal["record"] = "record"


@dataclass(frozen=True)
class HangUp:
    do: Literal["hangup"] = "hangup"


Part = Annotated[Say | Gather | Dial | Record | HangUp, Field(discriminator="do")]


@dataclass(frozen=True)
class Answer:
    """The parts in order. An answer to a technician's leg that has no HangUp connects him."""

    parts: tuple[Part, ...]

    def texts(self) -> list[str]:
        """Everything it says, in order."""
        found: list[str] = []
        for part in self.parts:
            match part:
                case Say(speech):
                    found.append(speech.text)
                case Gather(prompts=prompts):
                    found += [prompt.text for prompt in prompts if isinstance(prompt, Speech)]
                case _:
                    pass
        return found

    def spoken(self) -> Answer:
        """The same with nothing recorded by the house in it: every sentence is spoken."""
        return Answer(tuple(_spoken(part) for part in self.parts))


def _spoken(part: Part) -> Part:
    match part:
        case Say(speech):
            return Say(replace(speech, recording=""))
        case Gather(prompts=prompts):
            plain = (replace(each, recording="") if isinstance(each, Speech) else each for each in prompts)
            return replace(part, prompts=tuple(plain))
        case _:
            return part


HANG_UP = Answer((HangUp(),))

_ANSWER = TypeAdapter(Answer)


def to_json(answer: Answer) -> str:
    return _ANSWER.dump_json(answer).decode()


def from_json(text: str) -> Answer:
    return _ANSWER.validate_json(text)

"""What each phone on the table does, told by what happened in the call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from console.phone.events import CALLER, Answered, Bridged, Event, HungUp, Missed, Phoned, Pressed, Rang

PhoneState = Literal["quiet", "ringing", "listening", "connected", "over"]
# How it ended at a phone; of one that is listening, "voicemail" says what listens.
How = Literal[
    "", "no-answer", "busy", "failed", "canceled", "voicemail", "talked", "passed", "hung-up", "no-key"
]
NOTES: dict[How, str] = {
    "no-answer": "no answer",
    "busy": "busy",
    "failed": "out of reach",
    "canceled": "stopped ringing",
    "hung-up": "hung up",
    "no-key": "no key",
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be rung. `key` is the name in commands and files, `name` the one on the screen."""

    key: str
    name: str
    phone: str
    office: bool = False


@dataclass(frozen=True, slots=True)
class Phone:
    """`since` is when it came to be as it is; `talked` in seconds, once a talk is over."""

    person: Person
    state: PhoneState = "quiet"
    how: How = ""
    since: datetime | None = None
    talked: int = 0

    @property
    def note(self) -> str:
        """How it ended, in words."""
        if self.how == "talked":
            return f"talked {self.talked // 60}:{self.talked % 60:02}"
        return NOTES.get(self.how, self.how)


def on_the_table(people: Sequence[Person], events: Iterable[Event]) -> list[Phone]:
    """Each person's phone after `events`. Offices stand there only if they were rung."""
    phones = {person.phone: Phone(person) for person in people}
    keys: dict[str, str] = {}
    # Who talks with whom: a technician whom the program called stays on the line after the talk.
    talks: dict[str, str] = {}
    for event in events:
        match event:
            case Rang(at=at, phone=number) | Phoned(at=at, phone=number) if number in phones:
                keys.pop(number, None)
                phones[number] = Phone(phones[number].person, "ringing", since=at)
            case Answered(at=at, phone=number, by=by) if number in phones:
                how: How = "voicemail" if by == "voicemail" else ""
                phones[number] = replace(phones[number], state="listening", how=how, since=at)
            case Pressed(party=number, keys=pressed):
                keys[number] = pressed
            case Bridged(at=at, phone=one, other=other):
                talks[one] = other
                for number in {one, other} & phones.keys():
                    phones[number] = replace(phones[number], state="connected", since=at)
            case Missed(at=at, phone=number, why=why) if number in phones:
                phones[number] = replace(phones[number], state="over", how=why, since=at)
            case HungUp(at=at, party=number) if number != CALLER:
                if number in phones:
                    phones[number] = _hung_up(phones[number], event, keys.get(number))
                stays = talks.pop(number, CALLER)
                if stays in phones and phones[stays].state == "connected":
                    talked = _seconds(phones[stays], at)
                    phones[stays] = replace(phones[stays], state="listening", since=at, talked=talked)
    return [phone for phone in phones.values() if phone.state != "quiet" or not phone.person.office]


def _hung_up(phone: Phone, event: HungUp, last_key: str | None) -> Phone:
    talked = _seconds(phone, event.at) if phone.state == "connected" else phone.talked
    how = phone.how
    if phone.state == "connected" or talked:
        how = "talked"
    elif not how:
        how = "passed" if last_key == "2" else "hung-up" if event.by == event.party else "no-key"
    return replace(phone, state="over", how=how, since=event.at, talked=talked)


def _seconds(phone: Phone, at: datetime) -> int:
    return int((at - phone.since).total_seconds()) if phone.since is not None else 0

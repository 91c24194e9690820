"""What each phone on the table does, told by what happened in the call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from console.phone.events import CALLER, Answered, Bridged, Event, HungUp, Missed, Pressed, Rang

PhoneState = Literal["quiet", "ringing", "listening", "connected", "over"]
MISSED = {
    "no-answer": "no answer",
    "busy": "busy",
    "failed": "out of reach",
    "canceled": "stopped ringing",
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
    """`note` says how it ended; `since` is when it came to be as it is."""

    person: Person
    state: PhoneState = "quiet"
    note: str = ""
    since: datetime | None = None


def on_the_table(people: Sequence[Person], events: Iterable[Event]) -> list[Phone]:
    """Each person's phone after `events` of one call. Offices stand there only if they were rung."""
    phones = {person.phone: Phone(person) for person in people}
    keys: dict[str, str] = {}
    for event in events:
        match event:
            case Rang(at=at, phone=number) if number in phones:
                keys.pop(number, None)
                phones[number] = replace(phones[number], state="ringing", note="", since=at)
            case Answered(at=at, phone=number, by=by) if number in phones:
                note = "voicemail" if by == "voicemail" else ""
                phones[number] = replace(phones[number], state="listening", note=note, since=at)
            case Pressed(party=number, keys=pressed):
                keys[number] = pressed
            case Bridged(at=at, phone=number) if number in phones:
                phones[number] = replace(phones[number], state="connected", since=at)
            case Missed(at=at, phone=number, why=why) if number in phones:
                phones[number] = replace(phones[number], state="over", note=MISSED[why], since=at)
            case HungUp(at=at, party=number) if number != CALLER and number in phones:
                note = _how_it_ended(phones[number], event, keys.get(number))
                phones[number] = replace(phones[number], state="over", note=note, since=at)
    return [phone for phone in phones.values() if phone.state != "quiet" or not phone.person.office]


def _how_it_ended(phone: Phone, event: HungUp, last_key: str | None) -> str:
    if phone.state == "connected" and phone.since is not None:
        seconds = int((event.at - phone.since).total_seconds())
        return f"talked {seconds // 60}:{seconds % 60:02}"
    if phone.note:
        return phone.note
    if last_key == "2":
        return "passed"
    return "hung up" if event.by == event.party else "no key"

"""What would happen to a call at an instant. Pure: hours, rota and people are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ivr.hours import Hours, State
from oncall.rota.roster import Technician
from oncall.rota.rota import Book, OnDuty

# Each rung with the phone that would ring.
Ladder = tuple[tuple[OnDuty, str], ...]


@dataclass(frozen=True)
class Explanation:
    at: datetime
    number: str
    state: State
    ladder: Ladder


class Explainer:
    """Answers many instants for one number; `people` by key, those who are retired included."""

    def __init__(self, number: str, hours: Hours, book: Book, people: Mapping[str, Technician]) -> None:
        self._number = number
        self._hours = hours
        self._book = book
        self._people = people

    def at(self, at: datetime) -> Explanation:
        ladder = tuple(
            (duty, person.phone)
            for duty in self._book.ladder(at)
            if (person := self._people.get(duty.technician)) and person.serves(at)
        )
        return Explanation(at, self._number, self._hours.at(at), ladder)

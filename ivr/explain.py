"""What would happen to a call at an instant. Pure: hours, rota and phones are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ivr.hours import Hours, State
from oncall.rota import Book, OnDuty


@dataclass(frozen=True)
class Explanation:
    """`ladder` holds each rung with the phone that would ring."""

    at: datetime
    number: str
    state: State
    ladder: tuple[tuple[OnDuty, str], ...]


class Explainer:
    """Answers many instants for one number. `phones` are those of technicians in service."""

    def __init__(self, number: str, hours: Hours, book: Book, phones: Mapping[str, str]) -> None:
        self._number = number
        self._hours = hours
        self._book = book
        self._phones = phones

    def at(self, at: datetime) -> Explanation:
        ladder = tuple(
            (duty, self._phones[duty.technician])
            for duty in self._book.ladder(at)
            if duty.technician in self._phones
        )
        return Explanation(at, self._number, self._hours.at(at), ladder)

"""What keeps technicians from handing turns to one another. Pure: it is given books and people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from oncall.rota.rota import Book, Override
from oncall.rota.validation import Person


@dataclass(frozen=True)
class Handing:
    """`giver` hands a rung to `taker` from `start` up to, not including, `end`."""

    rung: int
    start: datetime
    end: datetime
    giver: str
    taker: str


class Objection(str):
    """Why, as a text; `why` names it: not-his, not-in-service, absent, busy."""

    why: str

    def __new__(cls, text: str, why: str) -> Self:
        made = super().__new__(cls, text)
        made.why = why
        return made


def objection(
    books: Mapping[str, Book],
    people: Mapping[str, Person],
    rota: str,
    handings: Sequence[Handing],
    at: datetime,
) -> Objection | None:
    """Why these handings, all at once, cannot be; None if they can.

    The giver must have the rung in all that time. The taker must be employed and present in it, and must
    not be on duty on another rung or in another rota at the same time.
    """
    book = books[rota]
    for each in handings:
        if not _has(book, each):
            return Objection(
                f"{each.giver} does not have rung {each.rung} of rota {rota} in all that time", "not-his"
            )
        taker = people.get(each.taker)
        if taker is None or not _employed_throughout(taker, each):
            return Objection(f"{each.taker} is not in service in all that time", "not-in-service")
        if any(a.technician == each.taker and _touches(a.start, a.end, each) for a in book.absences):
            return Objection(f"{each.taker} is absent then", "absent")
    after = {**books, rota: exchanged(book, handings, at)}
    for each in handings:
        for key, other in after.items():
            for segment in other.segments(each.start, each.end):
                for duty in segment.standing:
                    if duty.technician == each.taker and (key, duty.rung) != (rota, each.rung):
                        return Objection(
                            f"{each.taker} is on duty on rung {duty.rung} of rota {key} at the same time",
                            "busy",
                        )
    return None


def exchanged(book: Book, handings: Sequence[Handing], at: datetime) -> Book:
    """The book as it would be if these handings were agreed on at `at`."""
    last = max((override.id for override in book.overrides), default=0)
    swapped = [
        Override(last + number, each.rung, each.start, each.end, each.taker, "swap", at)
        for number, each in enumerate(handings, start=1)
    ]
    return replace(book, overrides=[*book.overrides, *swapped])


def _has(book: Book, handing: Handing) -> bool:
    return all(
        any(duty.rung == handing.rung and duty.technician == handing.giver for duty in segment.standing)
        for segment in book.segments(handing.start, handing.end)
    )


def _employed_throughout(person: Person, handing: Handing) -> bool:
    return person.employed(handing.start) and (person.end is None or handing.end <= person.end)


def _touches(start: datetime, end: datetime, handing: Handing) -> bool:
    return start < handing.end and handing.start < end

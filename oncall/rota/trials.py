"""What a swap or an absence would do to who is on duty, before it is written. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from oncall.rota import absences, coverage, swaps, validation
from oncall.rota.exchange import exchanged, objection
from oncall.rota.rota import Absence, Book
from oncall.rota.swap_records import Swap
from oncall.rota.validation import Change, Finding
from oncall.settings import RingingSettings


@dataclass(frozen=True)
class Trial:
    """`changes`: who would have which rung instead of whom. `arose`: what would be wrong that is not now,
    holes among it.
    """

    changes: list[Change]
    arose: list[Finding]

    @property
    def holes(self) -> list[Finding]:
        return [each for each in self.arose if each.kind == "hole"]


def of_swap(connection: Connection, at: datetime, ringing: RingingSettings, swap: Swap) -> Trial:
    """What this swap would do, written or not. Raises what `swaps.check` raises."""
    swaps.check(connection, at, ringing, swap)
    before = coverage.books(connection, at)
    handings = swap.handings()
    after = {**before, swap.rota: exchanged(before[swap.rota], handings, at)}
    start, end = min(each.start for each in handings), max(each.end for each in handings)
    return _compared(connection, ringing, before, after, start, end)


def of_gifts(
    connection: Connection, at: datetime, ringing: RingingSettings, gifts: Mapping[str, Swap]
) -> dict[str, str]:
    """Which of these swaps cannot be for the turns of the two, by their keys, and why, by its name; the books
    are read once for all. What else is against a swap says `swaps.check`.
    """
    books = coverage.books(connection, at)
    everybody = {person.key: person for person in coverage.people(connection, ringing)}
    found: dict[str, str] = {}
    for key, swap in gifts.items():
        against = objection(books, everybody, swap.rota, swap.handings(), at)
        if against:
            found[key] = against.why
    return found


def of_absence(
    connection: Connection,
    at: datetime,
    ringing: RingingSettings,
    technician: str,
    start: datetime,
    end: datetime,
) -> Trial:
    """What the absence would do, as far as `absences.LOOK`. Raises what `absences.record` raises."""
    absences.check(connection, at, technician, start, end)
    before = coverage.books(connection, at)
    after = {
        key: replace(book, absences=[*book.absences, Absence(0, technician, start, end, at)])
        for key, book in before.items()
    }
    return _compared(connection, ringing, before, after, max(start, at), min(end, at + absences.LOOK))


def _compared(
    connection: Connection,
    ringing: RingingSettings,
    before: Mapping[str, Book],
    after: Mapping[str, Book],
    start: datetime,
    end: datetime,
) -> Trial:
    if end <= start:
        return Trial([], [])
    everybody = coverage.people(connection, ringing)
    was = validation.review(before, everybody, start, end)
    found = [each for each in validation.review(after, everybody, start, end) if each not in was]
    opened = validation.opened(before, after, start, end)
    arose = [*opened, *(each for each in found if each.kind != "hole")]
    return Trial(validation.changes(before, after, start, end), arose)

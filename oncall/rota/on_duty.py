"""Who is on duty at an instant, rung by rung, until when, and who comes next. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from oncall.rota import turns
from oncall.rota.rota import Because, Book
from oncall.rota.turns import Turn

# Most turns end, and the next begins, within so long.
_LOOK = timedelta(days=9)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Rung:
    """One rung. `technician` None: nobody stands on it. `until` None: for months, or for ever.

    `following` is who stands there from `until` on; None: nobody, or there is no end.
    """

    rung: int
    technician: str | None
    because: Because | None
    until: datetime | None
    following: str | None


def rungs(book: Book, at: datetime) -> list[Rung]:
    """Every rung of the rules in force at `at`; none before the first rules."""
    rules = book.rules_at(at)
    if rules is None:
        return []
    seen = turns.turns(book, at, at + _LOOK)
    return [_rung(book, seen, number, at) for number in range(1, len(rules.rungs) + 1)]


def _rung(book: Book, seen: list[Turn], number: int, at: datetime) -> Rung:
    now = turns.at_instant(seen, number, at)
    if now is None:
        later = next((turn for turn in seen if turn.rung == number), None)
        if later is None:
            return Rung(number, None, None, None, None)
        return Rung(number, None, None, later.start, later.technician)
    until = turns.end_of(book, now)
    if until is None:
        return Rung(number, now.technician, now.because, None, None)
    beyond = seen if until < at + _LOOK else turns.turns(book, until, until + _TICK)
    after = turns.at_instant(beyond, number, until)
    return Rung(number, now.technician, now.because, until, after.technician if after else None)

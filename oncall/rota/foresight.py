"""What is still to come for each person: the next turn, and whom a change will tell of what. Pure.

It says beforehand what `oncall/reaching/watch.py` will do, by the same rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from oncall.rota import turns
from oncall.rota.rota import Book
from oncall.rota.turns import Turn
from oncall.settings import NoticeSettings

# A turn that begins right where one stops looking is still seen.
_A_LITTLE = timedelta(minutes=1)


@dataclass(frozen=True)
class Next:
    """Somebody's turn that runs (`running`), or the next one. `end` None: not within two months.

    `start` of one that runs is when one looked.
    """

    rota: str
    rung: int
    start: datetime
    end: datetime | None
    running: bool


def next_turns(books: Mapping[str, Book], at: datetime) -> dict[str, Next]:
    """By technician, the turn that runs or begins first; who has none within two months is left out."""
    found: dict[str, Next] = {}
    for key, book in books.items():
        for turn in turns.turns(book, at, at + turns.LONGEST):
            known = found.get(turn.technician)
            if known is None or turn.start < known.start:
                end = None if turn.goes_on else turn.end
                found[turn.technician] = Next(key, turn.rung, turn.start, end, turn.start <= at)
    return found


# begins: his turn begins. cancelled: he was told of a turn that is no longer his. ends: it is over.
Kind = Literal["begins", "cancelled", "ends"]


@dataclass(frozen=True)
class Telling:
    """`technician` is told at `at` of a turn on `rung` of `rota` that begins, or ends, at `when`."""

    at: datetime
    technician: str
    kind: Kind
    rota: str
    rung: int
    when: datetime


def tellings(
    before: Mapping[str, Book],
    after: Mapping[str, Book],
    at: datetime,
    until: datetime,
    settings: NoticeSettings,
    zone: ZoneInfo,
) -> list[Telling]:
    """Whom a change at `at` has told of what up to `until`, the earliest first: what would have been told
    anyway is left out. `zone` is that of the quiet hours. Nothing if turns are not announced at all.
    """
    if not settings.shifts:
        return []
    found: list[Telling] = []
    for key, book in after.items():
        had = turns.turns(before.get(key) or Book(), at, until + _A_LITTLE)
        has = turns.turns(book, at, until + _A_LITTLE)
        knew, knows = ({(t.technician, t.rung, t.start): t for t in each} for each in (had, has))
        for (who, rung, start), turn in knows.items():
            if (who, rung, start) not in knew:
                when = max(turns.announced_at(start, settings.quiet, zone), at)
                found.append(Telling(when, who, "begins", key, rung, start))
            if not turn.goes_on and not _ends_so(had, turn):
                found.append(Telling(turn.end, who, "ends", key, rung, turn.end))
        for (who, rung, start), turn in knew.items():
            if (who, rung, start) in knows:
                continue
            if turn.begun_before:
                found.append(Telling(at, who, "ends", key, rung, at))
            elif turns.announced_at(start, settings.quiet, zone) <= at:
                found.append(Telling(at, who, "cancelled", key, rung, start))
    return sorted(found, key=lambda each: (each.at, each.technician, each.when))


def _ends_so(had: list[Turn], turn: Turn) -> bool:
    return any(
        each.technician == turn.technician and each.rung == turn.rung and each.end == turn.end for each in had
    )

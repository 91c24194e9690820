"""Who has the turn at an instant, computed from rules. Pure: no clock, no database.

Precedence, readable in `Book.ladder`: of the rules ever applied the latest that holds at the instant;
of the overrides of a rung the latest made that covers it; else the rotation; else nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from oncall.wallclock import instant_of

Because = Literal["turn", "override", "swap", "absence", "pattern"]

_EVERY = re.compile(r"([1-9][0-9]{0,2}) (day|week)s?")


def parse_period(text: str) -> int:
    """`"1 week"`, `"2 weeks"`, `"1 day"` → days. Raises ValueError for anything else."""
    found = _EVERY.fullmatch(text)
    if not found:
        raise ValueError(f'expected a period such as "1 day", "1 week" or "2 weeks", got {text!r}')
    return int(found[1]) * (7 if found[2] == "week" else 1)


@dataclass(frozen=True)
class Rotation:
    """Turns of `period` days, the first on the day `starts`, handed over at `handover` o'clock."""

    starts: date
    handover: time
    period: int

    def begins(self, turn: int, zone: ZoneInfo) -> datetime:
        """The instant at which turn number `turn` (from 0) begins; the one before ends there."""
        # Days are added to the date, never to an instant: a turn over a change of clock is an hour
        # shorter or longer, and the hand-over stays at its time of day.
        return instant_of(self.starts + timedelta(days=turn * self.period), self.handover, zone)

    def turn_at(self, at: datetime, zone: ZoneInfo) -> int:
        """The number of the turn that runs at `at`; negative before the first."""
        wall = at.astimezone(zone).replace(tzinfo=None)
        turn = (wall - datetime.combine(self.starts, self.handover)) // timedelta(days=self.period)
        # The wall clock names the turn to within one, on the nights it is set.
        while self.begins(turn, zone) > at:
            turn -= 1
        while self.begins(turn + 1, zone) <= at:
            turn += 1
        return turn


@dataclass(frozen=True)
class Rung:
    """One step of the ladder: people in turn, or (without a rotation) the one who always has it.

    `rings` is how long a phone of this rung really rings, in seconds; None: as configured.
    """

    people: tuple[str, ...]
    rotation: Rotation | None = None
    rings: int | None = None

    def person_at(self, at: datetime, zone: ZoneInfo) -> str | None:
        """The technician's key, or None before the first turn."""
        if self.rotation is None:
            return self.people[0]
        turn = self.rotation.turn_at(at, zone)
        return self.people[turn % len(self.people)] if turn >= 0 else None


@dataclass(frozen=True)
class Rules:
    """The rules of one rota, as applied once; `rungs[0]` is rung 1."""

    zone: ZoneInfo
    rungs: tuple[Rung, ...]

    def first_instant(self) -> datetime:
        """The beginning of the first turn; the beginning of time if all rungs are always on."""
        begins = [r.rotation.begins(0, self.zone) for r in self.rungs if r.rotation]
        return min(begins) if begins else BEGINNING_OF_TIME


BEGINNING_OF_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Version:
    """Rules that hold from an instant on, until later applied ones do. Higher `id`, later applied."""

    id: int
    valid_from: datetime
    rules: Rules


@dataclass(frozen=True)
class Override:
    """Somebody replaces whoever has rung `rung` from `start` up to, not including, `end`."""

    id: int
    rung: int
    start: datetime
    end: datetime
    technician: str
    because: Because = "override"


@dataclass(frozen=True)
class OnDuty:
    """One rung of the ladder at an instant."""

    rung: int
    technician: str
    because: Because
    rings: int | None = None


@dataclass(frozen=True)
class Book:
    """All that is known of one rota: versions and overrides, in any order."""

    versions: Sequence[Version] = ()
    overrides: Sequence[Override] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "versions", sorted(self.versions, key=lambda v: -v.id))
        object.__setattr__(self, "overrides", sorted(self.overrides, key=lambda o: -o.id))

    def ladder(self, at: datetime) -> list[OnDuty]:
        """Who is rung first, second … at `at`; rungs that nobody has are left out."""
        version = next((v for v in self.versions if v.valid_from <= at), None)
        if version is None:
            return []
        standing: list[OnDuty] = []
        for number, rung in enumerate(version.rules.rungs, start=1):
            override = _covering(self.overrides, number, at)
            if override:
                standing.append(OnDuty(number, override.technician, override.because, rung.rings))
            elif person := rung.person_at(at, version.rules.zone):
                standing.append(OnDuty(number, person, "turn", rung.rings))
        return standing


def _covering(overrides: Iterable[Override], rung: int, at: datetime) -> Override | None:
    return next((o for o in overrides if o.rung == rung and o.start <= at < o.end), None)

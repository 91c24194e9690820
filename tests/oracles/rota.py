"""Who is on duty: answered by handing over, turn after turn, from the first day on.

A rung is either a list of people who take turns (the first one's begins on the date `starts`, at the
wall-clock time `handover`; the next one's a step of `every` later, and so on round the list), or people who
are always on it. A hand-over that a daylight-saving night skips happens at the end of the skipped stretch;
one that it shows twice happens the first time. Of the overrides that cover an instant (`start` included,
`end` not) the one made last counts. Before the first hand-over of all there is nobody, on any rung.

Rules have a date from which they hold; earlier instants keep the earlier rules.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from .rome import passed


@dataclass(frozen=True)
class Rung:
    """`starts`, `handover` and `every` stand together or not at all."""

    people: tuple[str, ...]
    starts: date | None = None
    handover: str | None = None  # "18:30"
    every: str | None = None  # "1 day", "2 weeks"

    def turns(self) -> Iterator[tuple[datetime, str]]:
        """Wall-clock time (naive) of each hand-over and who takes over, without end."""
        assert self.starts is not None
        assert self.handover is not None
        assert self.every is not None
        count, unit = self.every.split()
        days = int(count) * (7 if unit.startswith("week") else 1)
        moment = datetime.combine(self.starts, time.fromisoformat(self.handover))
        while True:
            for person in self.people:
                yield moment, person
                moment += timedelta(days=days)


@dataclass(frozen=True)
class Override:
    rung: int  # from 1
    start: datetime
    end: datetime
    technician: str


@dataclass
class Rota:
    """`overrides` in the order in which they were made; `later` holds (from when, rungs) in order of time."""

    rungs: tuple[Rung, ...]
    overrides: list[Override] = field(default_factory=list)
    later: list[tuple[datetime, tuple[Rung, ...]]] = field(default_factory=list)


class Place(NamedTuple):
    rung: int
    technician: str
    because: str  # "turn" or "override"


def who(rota: Rota, at: datetime) -> list[Place]:
    """The ladder at an instant: who is on each rung, and why."""
    now = passed(at)
    rungs = rota.rungs
    starts = [next(rung.turns())[0] for rung in rungs if rung.starts]
    if starts and now < min(starts):
        return []
    for since, newer in rota.later:
        if at >= since:
            rungs = newer

    ladder = []
    for number, rung in enumerate(rungs, start=1):
        on_duty: list[str] = [] if rung.starts else list(rung.people)
        if rung.starts:
            for moment, person in rung.turns():
                if moment > now:
                    break
                on_duty = [person]
        because = "turn"
        for override in rota.overrides:
            if override.rung == number and override.start <= at < override.end:
                on_duty, because = [override.technician], "override"
        ladder += [Place(number, person, because) for person in on_duty]
    return ladder

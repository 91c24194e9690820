"""Who has the turn at an instant, computed from rules. Pure: no clock, no database.

The order of precedence, which `_in_order` reads aloud:

1. Of the rules ever applied, the latest applied that hold at the instant. What held before stays.
2. On each rung of them, whoever comes first in this order and serves at the instant:
   a. those whom overrides and swaps put there, the latest made first;
   b. the people of each weekly pattern whose window covers the instant, in the patterns' order:
      the one whose turn it is, then the next in their rotation;
   c. the rung's own people: the one whose turn it is, then the next in the rotation.
3. Else nobody: the rung is left out.

Somebody serves while he is employed and not absent. An override that was made when the absence was
known counts all the same: whoever made it knew better. An absence counts from when it was recorded at
the earliest: what was, was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from oncall.rota.layers import Layers

# The rules are a part of this: whoever computes with a rota finds all of it here.
from oncall.rota.rota_rules import BEGINNING_OF_TIME as BEGINNING_OF_TIME
from oncall.rota.rota_rules import Because as Because
from oncall.rota.rota_rules import Line
from oncall.rota.rota_rules import Pattern as Pattern
from oncall.rota.rota_rules import Rotation as Rotation
from oncall.rota.rota_rules import Rules as Rules
from oncall.rota.rota_rules import Rung as Rung
from oncall.rota.rota_rules import parse_period as parse_period

# -- what is known of a rota -------------------------------------------------------------------


@dataclass(frozen=True)
class Version:
    """Rules that hold from an instant on, until later applied ones do. Higher `id`, later applied."""

    id: int
    valid_from: datetime
    rules: Rules


@dataclass(frozen=True)
class Override:
    """Somebody replaces whoever has rung `rung` from `start` up to, not including, `end`.

    Higher `id`, later made. One that is withdrawn ends at the instant of withdrawal.
    """

    id: int
    rung: int
    start: datetime
    end: datetime
    technician: str
    because: Because = "override"
    made_at: datetime = BEGINNING_OF_TIME


@dataclass(frozen=True)
class Absence:
    """A technician cannot be on duty from `start` up to, not including, `end`.

    One that is withdrawn ends at the instant of withdrawal; none counts before it was recorded.
    """

    id: int
    technician: str
    start: datetime
    end: datetime
    recorded_at: datetime


@dataclass(frozen=True)
class Employment:
    """A technician is employed from `start` (None: always was) up to, not including, `end`."""

    technician: str
    start: datetime | None = None
    end: datetime | None = None

    def covers(self, at: datetime) -> bool:
        begun = self.start is None or self.start <= at
        return begun and (self.end is None or at < self.end)


@dataclass(frozen=True)
class OnDuty:
    """One rung of the ladder at an instant."""

    rung: int
    technician: str
    because: Because
    rings: int | None = None


class Segment(NamedTuple):
    """A stretch, `end` not included, in which nothing changes: who stands on the ladder, rung by rung."""

    start: datetime
    end: datetime
    standing: tuple[OnDuty, ...]


# -- the answer --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Book:
    """All that is known of one rota, in any order; built once, asked often.

    People who are not named in `people` are always employed.
    """

    versions: Sequence[Version] = ()
    overrides: Sequence[Override] = ()
    absences: Sequence[Absence] = ()
    people: Sequence[Employment] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "versions", sorted(self.versions, key=lambda v: -v.id))
        object.__setattr__(self, "overrides", sorted(self.overrides, key=lambda o: -o.id))

    def ladder(self, at: datetime) -> list[OnDuty]:
        """Who is rung first, second … at `at`; rungs that nobody has are left out."""
        at = at.astimezone(UTC)
        rules = self.rules_at(at)
        return [] if rules is None else list(self._standing(rules, at))

    def segments(self, start: datetime, end: datetime) -> list[Segment]:
        """The ladders from `start` up to, not including, `end`: in order, without gap or overlap.

        Neighbours differ. Empty ladders are among them.
        """
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        found: list[tuple[datetime, tuple[OnDuty, ...]]] = []
        for begin, finish, rules in self._reigns(start, end):
            ladders = [(begin, ())] if rules is None else list(self._ladders(rules, begin, finish))
            # Only where others begin to reign may a ladder be that of before.
            same = found and found[-1][1] == ladders[0][1]
            found += ladders[1:] if same else ladders
        ends = [*(moment for moment, _ in found[1:]), end]
        return [Segment(since, until, who) for (since, who), until in zip(found, ends, strict=False)]

    def rules_at(self, at: datetime) -> Rules | None:
        """Of the rules that hold at `at` the latest applied; None before the first."""
        instants, rules = self._history
        index = bisect_right(instants, at)
        return rules[index - 1] if index else None

    def rules_from(self, at: datetime) -> list[tuple[datetime, Rules]]:
        """The rules that hold at `at`, and those that will, each with from when: `at` at the earliest."""
        now = self.rules_at(at)
        coming = [(instant, rules) for instant, rules in zip(*self._history, strict=True) if instant > at]
        return coming if now is None else [(at, now), *coming]

    def _standing(self, rules: Rules, at: datetime) -> tuple[OnDuty, ...]:
        standing: list[OnDuty] = []
        for number, rung in enumerate(rules.rungs, start=1):
            overrides, line = self._overrides_of(number).at(at), rung.line(at, rules.zone)
            if duty := self._first_who_serves(number, rung.rings, overrides, line, at):
                standing.append(duty)
        return tuple(standing)

    def _first_who_serves(
        self, number: int, rings: int | None, overrides: Sequence[Override], line: Line, at: datetime
    ) -> OnDuty | None:
        somebody_is_away = False
        for person, because, knowing in _in_order(overrides, line):
            if self._serves(person, at, knowing):
                return self._on_duty(number, person, "absence" if somebody_is_away else because, rings)
            somebody_is_away = True
        return None

    def _on_duty(self, number: int, person: str, because: Because, rings: int | None) -> OnDuty:
        """One object for each, so that equal ones are the same."""
        wanted = (number, person, because, rings)
        duty = self._duties.get(wanted)
        if duty is None:
            duty = self._duties[wanted] = OnDuty(*wanted)
        return duty

    def _serves(self, person: str, at: datetime, knowing: datetime | None) -> bool:
        """Whether he is employed and not absent, but for what was known at the instant `knowing`."""
        employment = self._employments.get(person)
        if employment and not employment.covers(at):
            return False
        absences = self._absences_of.get(person)
        latest = absences.at(at) if absences else ()
        return not latest or (knowing is not None and latest[0].recorded_at <= knowing)

    # -- prepared once, when first asked for

    @cached_property
    def _history(self) -> tuple[list[datetime], list[Rules]]:
        """From when which rules hold, in order of time: hidden ones are left out."""
        instants: list[datetime] = []
        rules: list[Rules] = []
        newest = -1
        for version in sorted(self.versions, key=lambda v: (v.valid_from, v.id)):
            if version.id > newest:
                newest = version.id
                instants.append(version.valid_from)
                rules.append(version.rules)
        return instants, rules

    @cached_property
    def _duties(self) -> dict[tuple[int, str, Because, int | None], OnDuty]:
        return {}

    @cached_property
    def _layers(self) -> dict[int, Layers[Override]]:
        return {}

    def _overrides_of(self, number: int) -> Layers[Override]:
        layers = self._layers.get(number)
        if layers is None:
            ours = [o for o in reversed(self.overrides) if o.rung == number]
            layers = self._layers[number] = Layers(ours, self._surely_serves)
        return layers

    def _surely_serves(self, override: Override) -> bool:
        """Whether its person is employed and not absent in all its time."""
        absences = self._absences_of.get(override.technician)
        if absences and (absences.at(override.start) or absences.changes(override.start, override.end)):
            return False
        employment = self._employments.get(override.technician)
        if employment is None:
            return True
        ends_first = employment.end is not None and employment.end < override.end
        return employment.covers(override.start) and not ends_first

    @cached_property
    def _employments(self) -> dict[str, Employment]:
        return {employment.technician: employment for employment in self.people}

    @cached_property
    def _absences_of(self) -> dict[str, Layers[Absence]]:
        """By person; the latest recorded lies uppermost and hides the rest."""
        by_person: dict[str, list[Absence]] = {}
        for absence in sorted(self.absences, key=lambda a: a.recorded_at):
            start = max(absence.start, absence.recorded_at)
            counts = Absence(absence.id, absence.technician, start, absence.end, absence.recorded_at)
            by_person.setdefault(absence.technician, []).append(counts)
        return {person: Layers(absences, lambda _: True) for person, absences in by_person.items()}

    # -- where something may change

    def _reigns(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, Rules | None]]:
        """Which rules hold when, from `start` up to `end`; None where there are none yet."""
        instants, _ = self._history
        moments = [start, *(instant for instant in instants if start < instant < end), end]
        for begin, finish in pairwise(moments):
            if begin < finish:
                yield begin, finish, self.rules_at(begin)

    def _ladders(
        self, rules: Rules, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, tuple[OnDuty, ...]]]:
        """From `start` up to `end`: each instant from which on a rung has somebody else, and the ladder."""
        changes = [
            (moment, number - 1, duty)
            for number in range(1, len(rules.rungs) + 1)
            for moment, duty in self._turns_of(rules, number, start, end)
        ]
        changes.sort(key=itemgetter(0))
        ladder: list[OnDuty | None] = [None] * len(rules.rungs)
        for (moment, place, duty), following in zip(changes, [*changes[1:], None], strict=True):
            ladder[place] = duty
            if following is None or following[0] != moment:
                yield moment, tuple(filter(None, ladder))

    def _turns_of(
        self, rules: Rules, number: int, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, OnDuty | None]]:
        """Who has one rung from `start` on, and from each instant before `end` at which that changes.

        Overrides and line are followed, not asked for again at each instant.
        """
        rung, layers = rules.rungs[number - 1], self._overrides_of(number)
        overrides, line = layers.at(start), rung.line(start, rules.zone)
        changes: list[tuple[datetime, int | None, tuple[Any, ...]]] = [(start, None, overrides)]
        changes += [(moment, None, covering) for moment, covering in layers.changes(start, end)]
        people = {override.technician for _, _, covering in changes for override in covering}
        changes += rung.changes(start, end, rules.zone)
        comes_or_goes = len(line)
        for person in people | rung.everybody():
            changes += [(edge, comes_or_goes, ()) for edge in self._edges(person, start, end)]
        changes.sort(key=itemgetter(0))
        line.append(("turn", ()))
        last: OnDuty | None = None
        for (moment, group, value), following in zip(changes, [*changes[1:], None], strict=True):
            if group is None:
                overrides = value
            else:
                line[group] = (line[group][0], value)
            if following is None or following[0] != moment:
                duty = self._first_who_serves(number, rung.rings, overrides, line, moment)
                if duty is not last or moment == start:
                    yield moment, duty
                    last = duty

    def _edges(self, person: str, start: datetime, end: datetime) -> Iterator[datetime]:
        """When he comes or goes after `start` and before `end`."""
        if person in self._absences_of:
            yield from (edge for edge, _ in self._absences_of[person].changes(start, end))
        if employment := self._employments.get(person):
            bounds = (employment.start, employment.end)
            yield from (bound for bound in bounds if bound is not None and start < bound < end)


def _in_order(overrides: Sequence[Override], line: Line) -> Iterator[tuple[str, Because, datetime | None]]:
    """Everybody who may have a rung, in the order of precedence, and why; with when that was decided, if
    somebody decided it knowing who is absent.
    """
    for override in overrides:
        yield override.technician, override.because, override.made_at
    for because, people in line:
        for person in people:
            yield person, because, None

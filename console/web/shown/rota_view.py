"""What the calendar of a rota shows: the picture, who is who, the load of each, what is wrong ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from console.web.people import Person, people
from console.web.shown import rota as picture
from console.web.shown.rota import Agenda, Bar, Week, WhyFree
from oncall.rota import foresight, planned, roster, shares, turns, validation
from oncall.rota.foresight import Next
from oncall.rota.planned import AppliedRules, PlannedOverride
from oncall.rota.rota import Because, Book
from oncall.rota.shares import Share

# Holes are looked for so far ahead.
AHEAD = timedelta(days=60)


@dataclass(frozen=True)
class Calendar:
    """A month or a week. `there` is everybody in it, `signs` the reasons that a sign stands for."""

    weeks: list[Week]
    agenda: list[Agenda]
    there: list[Person]
    known: dict[str, Person]
    names: dict[str, str]
    signs: list[Because]
    shares: list[Share]
    next: dict[str, Next]
    holes_ahead: int
    first_hole: datetime | None


def calendar(
    connection: Connection,
    rota: str,
    ahead: Book,
    zone: ZoneInfo,
    at: datetime,
    free: WhyFree,
    night: str,
    dates: Sequence[date],
    month: date | None,
) -> Calendar:
    """The days `dates`, whole weeks of them; of the month `month`, if that is what is looked at.

    `ahead` is the rota's book of the time from `at` on.
    """
    known = people(connection)
    shown = picture.days(dates, zone, at, free, month)
    start, end = shown[0].start, shown[-1].end
    # A night that begins on the last day ends on the day after.
    book = roster.book(connection, rota, start - picture.DAY, end + picture.DAY)
    absences = planned.absences_within(connection, start, end)
    found = picture.bars(book, start, end, known, at)
    empty = picture.holes(book, rota, start, end, at)
    first, after = (month, picture.next_month(month)) if month else (dates[0], dates[-1] + picture.DAY)
    own_days = [day for day in shown if not day.beyond]
    load = shares.shares(book, first, after, zone, night, not_working(free))
    named = {bar.who.key for bar in found if bar.who} | {share.technician for share in load}
    rules = book.rules_at(max(at, start))
    for rung in rules.rungs if rules else ():
        named |= rung.everybody()
    coming = validation.holes(rota, ahead.segments(at, at + AHEAD))
    return Calendar(
        picture.weeks(shown, found, empty, absences, known, at),
        picture.agenda(own_days, found, empty, absences, known),
        [who for who in known.values() if who.key in named],
        known,
        picture.short_names(known),
        sorted({bar.because for bar in found if bar.because in picture.SIGNS}),
        load,
        foresight.next_turns({rota: ahead}, at),
        len(coming),
        coming[0].start if coming else None,
    )


def not_working(free: WhyFree) -> Callable[[date], bool]:
    """Whether a day is Saturday, Sunday or a holiday."""
    return lambda day: day.weekday() >= 5 or free(day)[0] == "holiday"


# -- one turn ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Missing:
    """Somebody who would have come before, and until when he is away; None: he is not in service."""

    who: Person
    until: datetime | None


@dataclass(frozen=True)
class TurnShown:
    """Whose rung it is at an instant (None: nobody's), from when to when, and because of what.

    `start` and `end` None: more than two months away. `pieces` are the stretches with a reason each.
    """

    rung: int
    who: Person | None
    start: datetime | None
    end: datetime | None
    because: Because | None
    pieces: list[Bar]
    overrides: list[PlannedOverride]
    rules: AppliedRules | None
    missing: list[Missing]
    beside: list[Bar]
    known: dict[str, Person]


def turn(connection: Connection, rota: str, rung: int, when: datetime) -> TurnShown | None:
    """None if the rota has no such rung then."""
    known = people(connection)
    first, last = when - turns.LONGEST, when + turns.LONGEST
    book = roster.book(connection, rota, first - picture.DAY, last)
    found = [bar for bar in picture.bars(book, first, last, known) if bar.rung == rung]
    place = next((n for n, bar in enumerate(found) if bar.start <= when < bar.end), None)
    if place is None:
        return None
    here, lower, upper = found[place], place, place
    while lower > 0 and found[lower - 1].who == here.who and found[lower - 1].end == found[lower].start:
        lower -= 1
    while upper + 1 < len(found) and found[upper + 1].who == here.who:
        upper += 1
    start, end = found[lower].start, found[upper].end
    versions = planned.rules_of(connection, rota)
    holding = [each for each in versions if each.valid_from <= when]
    others = picture.bars(book, when, when + timedelta(seconds=1), known)
    return TurnShown(
        rung,
        here.who,
        None if start <= first else start,
        None if end >= last else end,
        here.because,
        found[lower : upper + 1],
        planned.overrides_on(connection, rota, rung, start, end),
        holding[0] if holding else None,
        _missing(book, rung, when, known),
        [bar for bar in others if bar.rung != rung],
        known,
    )


def _missing(book: Book, rung: int, when: datetime, known: dict[str, Person]) -> list[Missing]:
    """Whom the rules would have put on the rung before whoever has it."""
    rules = book.rules_at(when)
    if rules is None or rung > len(rules.rungs):
        return []
    duty = next((each for each in book.ladder(when) if each.rung == rung), None)
    if duty is not None and duty.because != "absence":
        return []
    found: list[Missing] = []
    for _, group in rules.rungs[rung - 1].line(when, rules.zone):
        for key in group:
            if duty is not None and key == duty.technician:
                return found
            if key in known and key not in [each.who.key for each in found]:
                found.append(Missing(known[key], _away_until(book, key, when)))
    return found


def _away_until(book: Book, key: str, when: datetime) -> datetime | None:
    away = [a.end for a in book.absences if a.technician == key and a.start <= when < a.end]
    return max(away, default=None)

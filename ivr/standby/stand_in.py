"""What the stand-in at Twilio goes by: hours, ladders and sentences of the next weeks, worked out beforehand.

The stand-in serves calls while nothing of ours answers, so everything stands here as instants in UTC: it
needs no time zone, no rules and no database, and stays right although nobody renews it. No PIN, no customer
and no name of a technician is in it. Pure: the same facts give the same table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from ivr.hours import Hours
from ivr.prompts import Speaker, Speech
from ivr.rules import OurNumber, Rules
from ivr.vocabulary import Line, line
from oncall.phones import NumberRefused
from oncall.rota.rota import Book, OnDuty

# It begins with the week, so that it changes once in a week if nothing else does, and reaches this far from
# there: five weeks ahead at the least.
COVERS = timedelta(weeks=6)
# A place that the stand-in fills: the key a caller is asked for.
KEY = "{digits}"
SENTENCES: tuple[Line, ...] = (
    line("welcome-day"),
    line("office-missed-no-pin"),
    line("stand-in-welcome"),
    line("stand-in-emergency", digits=KEY),
    line("stand-in-again", digits=KEY),
    line("stand-in-nobody"),
    line("stand-in-message"),
    line("stand-in-heard"),
    line("stand-in-technician"),
    line("screening-wait"),
    line("ringing-next"),
    line("message-taken"),
    line("pin-silence"),
    line("goodbye"),
    line("technician-screened"),
    line("technician-keys"),
    line("technician-short"),
    line("technician-connecting"),
    line("technician-passed"),
)


@dataclass(frozen=True)
class Person:
    """A technician's phones in their order; each rings so many seconds, None: as the rung says."""

    phones: tuple[str, ...]
    rings: int | None = None


@dataclass(frozen=True)
class Ring:
    """A phone and how many seconds it rings."""

    address: str
    rings: int


@dataclass(frozen=True)
class NumberRow:
    """One of our numbers. `hours` says from which instant on a PIN is asked, or not; `office` holds the
    phones that are rung by day, a group at a time.
    """

    number: str
    language: str
    rota: str
    hours: tuple[tuple[datetime, bool], ...]
    office: tuple[tuple[Ring, ...], ...]
    by_day: bool


@dataclass(frozen=True)
class Table:
    """`ladders` by rota: from which instant on which phones are rung, one after the other. `until` is where
    all of it ends; `duty` is rung where nobody else is known. Seconds throughout.
    """

    until: datetime
    language: str
    numbers: tuple[NumberRow, ...]
    ladders: Mapping[str, tuple[tuple[datetime, tuple[Ring, ...]], ...]]
    duty: Ring | None
    passes: int
    no_new_attempt_after: int
    message_limit: int
    says: Mapping[str, Mapping[str, Speech]]

    def every_phone(self) -> set[str]:
        """Every address that can be dialled from it."""
        office = {ring.address for row in self.numbers for group in row.office for ring in group}
        duty = {ring.address for ladder in self.ladders.values() for _, rings in ladder for ring in rings}
        return office | duty | ({self.duty.address} if self.duty else set())


def begins(at: datetime) -> datetime:
    """The beginning of the week of `at`, in UTC."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())


def make_table(
    rules: Rules, books: Mapping[str, Book], people: Mapping[str, Person], speaker: Speaker, at: datetime
) -> Table:
    """The table as of `at`. `books` by rota, `people` by key."""
    start = begins(at)
    end = start + COVERS
    numbers = tuple(_number(rules, ours, start, end) for ours in rules.numbers.values())
    rotas = {row.rota for row in numbers}
    languages = dict.fromkeys([*(row.language for row in numbers), *rules.languages[:1]])
    return Table(
        until=end,
        language=next(iter(languages)),
        numbers=numbers,
        ladders={
            rota: _ladders(rules, books[rota], people, start, end) for rota in sorted(rotas & books.keys())
        },
        duty=_ring(rules, rules.ringing.duty_phone, rules.ringing.rings),
        passes=rules.ringing.passes,
        no_new_attempt_after=rules.ringing.no_new_attempt_after,
        message_limit=rules.ringing.message_limit,
        says={
            language: {each.name: speaker.say(each, language, at)[0] for each in SENTENCES}
            for language in languages
        },
    )


def document(table: Table) -> dict[str, Any]:
    """The table as JSON: instants in whole seconds since 1970, each phone once and named by its place."""
    phones: dict[Ring, int] = {}

    def place(ring: Ring) -> int:
        return phones.setdefault(ring, len(phones))

    ladders = {
        rota: [[_seconds(since), [place(ring) for ring in rings]] for since, rings in ladder]
        for rota, ladder in table.ladders.items()
    }
    numbers = {
        row.number: {
            "language": row.language,
            "rota": row.rota,
            "hours": [[_seconds(since), int(pin)] for since, pin in row.hours],
            "office": [[place(ring) for ring in group] for group in row.office],
            "byDay": row.by_day,
        }
        for row in table.numbers
    }
    duty = place(table.duty) if table.duty else None
    return {
        "until": _seconds(table.until),
        "language": table.language,
        "numbers": numbers,
        "ladders": ladders,
        "duty": duty,
        "phones": [[ring.address, ring.rings] for ring in phones],
        "passes": table.passes,
        "noNewAttemptAfter": table.no_new_attempt_after,
        "messageLimit": table.message_limit,
        "says": {
            language: {name: [each.text, each.language, each.voice] for name, each in says.items()}
            for language, says in table.says.items()
        },
    }


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())


def _number(rules: Rules, ours: OurNumber, start: datetime, end: datetime) -> NumberRow:
    settings, ringing = ours.settings, rules.ringing
    rings = [ring for ring in (_ring(rules, each, ringing.office_rings) for each in settings.office) if ring]
    together = (tuple(rings[:10]),) if rings else ()
    return NumberRow(
        number=settings.number,
        language=settings.language,
        rota=settings.rota,
        hours=tuple(_changes(ours.hours, start, end)),
        office=together if ringing.office_together else tuple((ring,) for ring in rings),
        by_day=settings.pin_by_day,
    )


def _changes(hours: Hours, start: datetime, end: datetime) -> Iterable[tuple[datetime, bool]]:
    """From `start` on, each instant from which a PIN is asked, or is not any more."""
    since: datetime | None = start
    while since is not None and since < end:
        state = hours.at(since)
        yield since, state.pin
        since = state.until


def _ladders(
    rules: Rules, book: Book, people: Mapping[str, Person], start: datetime, end: datetime
) -> tuple[tuple[datetime, tuple[Ring, ...]], ...]:
    found = [
        (segment.start, tuple(_rings(rules, segment.standing, people)))
        for segment in book.segments(start, end)
    ]
    # Neighbours may differ in why somebody stands there, and in nothing else.
    return (*found[:1], *(here for before, here in pairwise(found) if here[1] != before[1]))


def _rings(rules: Rules, standing: Iterable[OnDuty], people: Mapping[str, Person]) -> list[Ring]:
    """The phones of a ladder, each once, as far as they may be dialled."""
    found: dict[str, Ring] = {}
    for duty in standing:
        person = people.get(duty.technician, Person(()))
        rings = person.rings or duty.rings or rules.ringing.rings
        for phone in person.phones:
            ring = _ring(rules, phone, rings)
            if ring is not None:
                found.setdefault(phone, ring)
    return list(found.values())


def _ring(rules: Rules, phone: str, rings: int) -> Ring | None:
    """None if it may not be dialled: checked when it was saved, and again now."""
    try:
        return Ring(rules.ringing.check_number(phone), rings) if phone else None
    except NumberRefused:
        return None

"""Who is on duty, and whether he can be reached, for the next sixty days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import groupby

from sqlalchemy import Connection

from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look
from oncall import people
from oncall.phones import NumberRefused
from oncall.rota import coverage, rota_book, validation

AHEAD = timedelta(days=60)
# What begins within so long is red: a weekend, and time to find somebody.
SOON = timedelta(days=7)
# Wrong as soon as it begins; the other kinds of oncall/rota/validation.py are worth a look.
GRAVE = frozenset({"hole", "not-employed", "unreachable"})
_WHAT = {
    "hole": "nobody is on duty in rota {rota} from {start}",
    "not-employed": "rota {rota} names {who}, who is not in service, from {start}",
    "unreachable": "{who}, on duty in rota {rota} from {start}, cannot be reached by any telephone or notice",
    "double-duty": "{who} has two turns at once in rota {rota} from {start}",
    "empty-rung": "a rung of rota {rota} has nobody from {start}",
    "one-person": "the whole ladder of rota {rota} is one person ({who}) from {start}",
}
_REMEDY = {
    "hole": "Put somebody on duty (`ivr rota override`) or correct the rules (`ivr rota apply`); `ivr "
    "rota gaps` shows what is missing.",
    "not-employed": "Take the name out of the rota (`ivr rota apply`), or bring the person back.",
    "unreachable": "Correct the phone (`ivr technician change`), or allow its country in `[ringing] "
    "countries`.",
    "double-duty": "Give one of the turns to somebody else (`ivr rota override`).",
    "empty-rung": "Put somebody on it (`ivr rota override`), unless it is meant so.",
    "one-person": "Add a second person to the ladder: a phone may be flat.",
}


def check(look: Look) -> Iterator[Finding]:
    configuration = look.configuration
    with look.house.database.read() as connection:
        known = set(rota_book.rota_keys(connection))
        missing = sorted({number.rota for number in configuration.number} - known)
        found = coverage.findings(connection, configuration.ringing, look.at, look.at + AHEAD)
        bad_phones = list(_phones(look, connection))
    for key in missing:
        names = ", ".join(number.name for number in configuration.number if number.rota == key)
        yield red(
            f"no-rota.{key}",
            f"Rota {key} has no rules: whoever calls {names} at night reaches nobody.",
            "Write a rota file and apply it (`ivr rota apply FILE`); docs/rota.md shows one.",
        )
    yield from _told(look, found)
    yield from bad_phones
    if not missing and not found:
        yield green("rota", f"Somebody who can be reached is on duty for the next {AHEAD.days} days.")


def _told(look: Look, found: Iterable[validation.Finding]) -> Iterator[Finding]:
    """One finding for each kind and rota: the first of them, and how many more there are."""
    alike = sorted(found, key=lambda each: (each.kind, each.rota, each.start))
    for (kind, rota), same in groupby(alike, key=lambda each: (each.kind, each.rota)):
        first, *others = same
        # A hole from before a rota's first rules on has no beginning worth telling.
        start = coverage.wall(max(first.start, look.at), look.zone)
        what = _WHAT[kind].format(rota=rota, start=start, who=", ".join(first.people))
        more = f", and {len(others)} times more within {AHEAD.days} days" if others else ""
        make = red if kind in GRAVE and first.start <= look.at + SOON else yellow
        yield make(f"{kind}.{rota}", f"{what[0].upper()}{what[1:]}{more}.", _REMEDY[kind])


def _phones(look: Look, connection: Connection) -> Iterator[Finding]:
    """Phones of people in service that may not be dialled any more, whoever else of theirs may be."""
    for each in people.all_technicians(connection):
        if not each.serves(look.at):
            continue
        for phone in each.phones:
            try:
                look.configuration.ringing.check_number(phone)
            except NumberRefused as refused:
                yield yellow(
                    f"phone.{each.key}",
                    f"A phone of {each.key} would not be dialled: {refused}.",
                    "Correct it (`ivr technician change`), or allow what it needs in `[ringing]`.",
                )

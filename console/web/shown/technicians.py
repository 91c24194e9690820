"""What the pages of technicians show: how each is reached, whether he is on duty, how that was last tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from console.settings import Configuration
from console.web.people import Person, people
from ivr import phone_tests
from ivr.phone_tests import PhoneTest
from oncall import people as technicians
from oncall.people import Technician
from oncall.phones import NumberRefused
from oncall.reaching import shift_checks
from oncall.reaching.shift_checks import Check
from oncall.rota import coverage, foresight, planned
from oncall.rota.foresight import Next
from oncall.rota.planned import PlannedAbsence
from oncall.settings import RingingSettings

LONGEST_KEY = 32


@dataclass(frozen=True)
class Shown:
    """A technician. `barred` has the phones of his that may not be dialled, with the name of why.

    `tests` are the last test calls by phone, `check` the last question whether he can be reached.
    """

    who: Person
    technician: Technician
    next: Next | None
    away: PlannedAbsence | None
    barred: dict[str, str]
    tests: dict[str, PhoneTest] = field(default_factory=dict)
    check: Check | None = None

    @property
    def unreachable(self) -> bool:
        """Whether no phone of his may be dialled, or nothing brings him a notice."""
        dialled = [phone for phone in self.technician.phones if phone not in self.barred]
        told = any(not phone.startswith("sip:") for phone in dialled)
        return not dialled or not (told or self.technician.email or self.technician.services)


def everybody(connection: Connection, at: datetime, configuration: Configuration) -> list[Shown]:
    """All technicians, in the order of their names. The same few queries however many there are."""
    known = people(connection)
    coming = foresight.next_turns(coverage.books(connection, at), at)
    away: dict[str, PlannedAbsence] = {}
    for absence in planned.absences_within(connection, at, at):
        away.setdefault(absence.technician, absence)
    tests: dict[str, dict[str, PhoneTest]] = {}
    for test in phone_tests.latest(connection):
        tests.setdefault(test.technician, {})[test.phone] = test
    checks = shift_checks.last_asked(connection)
    found = [
        Shown(
            known[each.key],
            each,
            coming.get(each.key),
            away.get(each.key),
            barred(each, configuration.ringing),
            tests.get(each.key, {}),
            checks.get(each.key),
        )
        for each in technicians.all_technicians(connection)
    ]
    return sorted(found, key=lambda each: each.who.name.casefold())


def barred(technician: Technician, ringing: RingingSettings) -> dict[str, str]:
    """Phones that may not be dialled now, though they were saved once, and the name of why."""
    found = {}
    for phone in technician.phones:
        try:
            ringing.check_number(phone)
        except NumberRefused as refused:
            found[phone] = refused.why
    return found


def free_key(taken: Mapping[str, object], name: str) -> str:
    """A key for somebody of this name, that nobody has: `anna`, else `anna-rossi`, else `anna-2` …"""
    plain = "".join(_plain(c) for c in name.lower())
    words = [word for word in plain.split() if word] or ["technician"]
    longest = LONGEST_KEY - 4
    for key in (words[0][:longest], "-".join(words)[:longest].strip("-")):
        if key and key not in taken:
            return key
    number = 2
    while f"{words[0][:longest]}-{number}" in taken:
        number += 1
    return f"{words[0][:longest]}-{number}"


_LETTERS = str.maketrans("àáâäãåèéêëìíîïòóôöõùúûüçñß", "aaaaaaeeeeiiiiooooouuuucns")


def _plain(character: str) -> str:
    bare = character.translate(_LETTERS)
    return bare if bare.isascii() and bare.isalnum() else " "

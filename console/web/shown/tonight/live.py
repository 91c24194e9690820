"""What is going on at this instant: whether a PIN is asked, who is on duty, open cases, calls in progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from console.house import numbers
from console.settings import Configuration
from console.web.people import Person, people
from ivr import placed
from ivr.hours import State
from ivr.placed import Placed
from ivr.records import call_search
from ivr.records.call_search import Found
from ivr.settings import NumberSettings
from oncall import people as technicians
from oncall.cases import cases as casebook
from oncall.cases import open_cases
from oncall.cases.open_cases import OpenCase
from oncall.people import Technician
from oncall.reaching import attempts
from oncall.rota import coverage, on_duty, validation
from oncall.rota.on_duty import Rung
from oncall.rota.rota import Book
from pins import customers

# Cases that are shown; the list of cases has them all.
MOST_CASES = 20


@dataclass(frozen=True)
class Lines:
    """Numbers of ours for which the same holds now."""

    state: State
    numbers: tuple[NumberSettings, ...]


@dataclass(frozen=True)
class Place:
    """A rung with the people on it. `dialled`: a phone of his may be rung; `told`: notices reach him."""

    rung: Rung
    person: Person | None
    following: Person | None
    phones: tuple[str, ...] = ()
    email: str | None = None
    dialled: bool = True
    told: bool = True


@dataclass(frozen=True)
class Duty:
    """A rota and its rungs; `numbers` are the names of those of ours that ring it."""

    rota: str
    numbers: tuple[str, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Roster:
    """Everybody, and every rota from now on. By key."""

    people: Mapping[str, Person]
    technicians: Mapping[str, Technician]
    reach: Mapping[str, validation.Person]
    books: Mapping[str, Book]


@dataclass(frozen=True)
class CaseNow:
    """`holder` and `ringing` are people; `customer` is his name, `code` by which he is found."""

    open: OpenCase
    customer: str | None
    code: str | None
    holder: Person | None
    ringing: tuple[Person, ...]


@dataclass(frozen=True)
class CallNow:
    """A call that came in and goes on. `technician` is rung in it, or talks."""

    call: Found
    number: str
    technician: Person | None
    talks: bool


@dataclass(frozen=True)
class PlacedNow:
    """A call that we placed and that goes on: to whom, and about which case."""

    call: Placed
    technician: Person | None
    case: str | None


@dataclass(frozen=True)
class Live:
    """`many` is how many cases are open in all. `late` and `running`: how many of those shown are late, and
    how many wait for somebody in time.
    """

    lines: tuple[Lines, ...]
    duties: tuple[Duty, ...]
    cases: tuple[CaseNow, ...]
    many: int
    late: int
    running: int
    calls: tuple[CallNow, ...]
    placed: tuple[PlacedNow, ...]


def roster(connection: Connection, configuration: Configuration, at: datetime) -> Roster:
    """Everybody, and every rota from `at` on."""
    known = {each.key: each for each in technicians.all_technicians(connection)}
    reach = {key: coverage.person(each, configuration.ringing) for key, each in known.items()}
    return Roster(people(connection), known, reach, coverage.books(connection, at))


def live(connection: Connection, configuration: Configuration, at: datetime, known: Roster) -> Live:
    """All of it, in a number of statements that does not grow with cases or calls."""
    found = open_cases.of(connection, most=MOST_CASES)
    clocks = [left for each in found.first if (left := each.left(at)) is not None]
    return Live(
        lines=lines(configuration, at),
        duties=_duties(configuration, at, known),
        cases=_cases(connection, found.first, known.people),
        many=found.many,
        late=sum(left < 0 for left in clocks),
        running=sum(left >= 0 for left in clocks),
        calls=_calls(connection, configuration, at, known.people),
        placed=_placed(connection, at, known.people),
    )


def lines(configuration: Configuration, at: datetime) -> tuple[Lines, ...]:
    """Our numbers, those together for which the same holds, in the order of the configuration."""
    found: dict[State, list[NumberSettings]] = {}
    for number in numbers(configuration).values():
        found.setdefault(number.hours.at(at), []).append(number.settings)
    return tuple(Lines(state, tuple(some)) for state, some in found.items())


def _duties(configuration: Configuration, at: datetime, known: Roster) -> tuple[Duty, ...]:
    found = []
    for key, book in known.books.items():
        rung_by = tuple(number.name for number in configuration.number if number.rota == key)
        places = tuple(_place(rung, known) for rung in on_duty.rungs(book, at))
        found.append(Duty(key, rung_by, places))
    return tuple(found)


def _place(rung: Rung, known: Roster) -> Place:
    person, following = known.people.get(rung.technician or ""), known.people.get(rung.following or "")
    if person is None:
        return Place(rung, None, following)
    technician, reach = known.technicians[person.key], known.reach[person.key]
    return Place(rung, person, following, technician.phones, technician.email, reach.dialled, reach.told)


def _cases(
    connection: Connection, found: Sequence[OpenCase], who: Mapping[str, Person]
) -> tuple[CaseNow, ...]:
    named = customers.names(connection, [each.case.customer_id for each in found if each.case.customer_id])
    shown = []
    for each in found:
        code, name = named.get(each.case.customer_id or 0, (None, None))
        ringing = tuple(who[key] for key in dict.fromkeys(each.ringing) if key in who)
        shown.append(CaseNow(each, name, code, who.get(each.holder or ""), ringing))
    return tuple(shown)


def _calls(
    connection: Connection, configuration: Configuration, at: datetime, who: Mapping[str, Person]
) -> tuple[CallNow, ...]:
    names = {number.number: number.name for number in configuration.number}
    found = call_search.under_way(connection, at)
    rung = attempts.under_way(connection, [call.sid for call in found])
    shown = []
    for call in found:
        technician, talks = rung.get(call.sid, ("", False))
        shown.append(CallNow(call, names.get(call.number, call.number), who.get(technician), talks))
    return tuple(shown)


def _placed(connection: Connection, at: datetime, who: Mapping[str, Person]) -> tuple[PlacedNow, ...]:
    found = placed.under_way(connection, at)
    about = casebook.some(connection, [each.case_id for each in found if each.case_id is not None])
    numbers = {case.id: case.number for case in about}
    return tuple(
        PlacedNow(each, who.get(each.call.technician), numbers.get(each.case_id or 0)) for each in found
    )

"""Where the telephone stands: on a throwaway copy of the house, or before the running service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from console.house import numbers, system_clock
from console.phone import Cast, Exchange, HttpDoor, VirtualClock
from console.phone.callfile import UNKNOWN, WITHHELD
from console.rehearsing.phones import Person
from console.rehearsing.rehearsal import Rehearsal
from console.rehearsing.session import Session
from console.settings import Configuration
from ivr.hours import State
from oncall.rota import roster
from oncall.rota.roster import Contact
from pins import customers
from storage.engine import Database

REASONS = {
    "special-day": "special day",
    "holiday": "holiday",
    "closed-day": "closed day",
    "night": "night",
    "lunch": "lunch break",
    "open": "open",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a list: `name` is what the cast calls it, the rest is for reading."""

    name: str
    title: str
    detail: str = ""


class SystemClock(VirtualClock):
    """The real clock, which nobody moves: prompts take the time they take."""

    def __init__(self) -> None:
        super().__init__(system_clock())

    def now(self) -> datetime:
        return system_clock()

    def set(self, at: datetime) -> datetime:
        """Leaves the clock as it is."""
        return self.now()


@dataclass(frozen=True)
class Stage:
    """A session with the people around it. `database` is what the journal is read from afterwards.

    `service` is the address of the running service, None on a throwaway copy.
    """

    session: Session
    configuration: Configuration
    database: Database
    people: tuple[Person, ...]
    callers: tuple[Choice, ...]
    numbers: tuple[Choice, ...]
    customers: tuple[Choice, ...]
    service: str | None = None
    # Other phones of the people, by number: whose they are.
    other_phones: Mapping[str, Person] = field(default_factory=dict)
    # In which language people are written to, by number.
    languages: Mapping[str, str] = field(default_factory=dict)
    # What customers are called, by the name that they have in the cast.
    names: Mapping[str, str] = field(default_factory=dict)

    def caller(self, name: str | None) -> str:
        """A caller as the cast calls him; the first customer when none is named.

        Raises LookupError for a name nobody has.
        """
        if name is None:
            return self.callers[0].name
        name = {"unknown": UNKNOWN, "withheld": WITHHELD}.get(name, name)
        if name not in (UNKNOWN, WITHHELD) and not name.startswith("+"):
            name = name.lower()
        self.session.cast.phone(name)
        return name

    def number(self, name: str | None) -> str:
        """One of our numbers by its name or in E.164; the first when none is named. Raises LookupError."""
        if name is None:
            return self.numbers[0].name
        for choice in self.numbers:
            if name.lower() in (choice.name, choice.detail):
                return choice.name
        raise LookupError(f"{name} is none of our numbers: {', '.join(each.name for each in self.numbers)}")

    def outlook(self, number: str) -> tuple[str, str]:
        """What a call to `number` would meet now: the hours, and who would be rung. In words."""
        now, zone = self.session.now, self.configuration.zone
        found = outlook(self.configuration, self.database, self.session.cast.number(number), now)
        state = found.hours
        why = f"{REASONS[state.reason]}{f' ({state.name})' if state.name else ''}"
        until = ""
        if state.until is not None:
            local = state.until.astimezone(zone)
            same = local.date() == now.astimezone(zone).date()
            until = f" until {local:%H:%M}" if same else f" until {local:%a %H:%M}"
        who = "not known: the database does not answer"
        if found.ladder is not None:
            who = ", then ".join(each.name for each in found.ladder) or "nobody: the rota is empty"
        if state.pin:
            return f"{why}: a PIN is asked{until}", f"on duty: {who}"
        return f"{why}: the office is rung{until}", f"on duty: {who}"


@dataclass(frozen=True)
class Outlook:
    """What a call would meet: the hours, and whom the rota would ring; None if that cannot be found out."""

    hours: State
    ladder: tuple[Contact, ...] | None


def outlook(configuration: Configuration, database: Database, number: str, at: datetime) -> Outlook:
    """What a call to `number`, one of ours in E.164, would meet at `at`."""
    ours = numbers(configuration)[number]
    try:
        with database.read() as connection:
            ladder = tuple(roster.ladder(connection, configuration.ringing, ours.settings.rota, at))
    except SQLAlchemyError:
        return Outlook(ours.hours.at(at), None)
    return Outlook(ours.hours.at(at), ladder)


def rehearsed(rehearsal: Rehearsal) -> Stage:
    """The throwaway copy. The caller keeps the rehearsal open, and closes it."""
    session = Session(rehearsal.exchange, rehearsal.cast(), real_pins=rehearsal.real_pins)
    return _furnished(session, rehearsal.configuration, rehearsal.house.database)


def live(configuration: Configuration, database: Database) -> Stage:
    """The running service of the configuration, phoned over HTTP and signed as Twilio signs.

    Technicians are played here: no phone of theirs rings. Calls, wrong PINs and cases count. The
    configuration must have what a call needs.
    """
    service, twilio = configuration.service, configuration.twilio
    listener = f"http://{service.listen}".replace("//0.0.0.0:", "//127.0.0.1:")
    exchange = Exchange(
        HttpDoor(service.public_url, listener),
        public_url=service.public_url,
        account_sid=twilio.account_sid,
        auth_token=twilio.auth_tokens[0].get_secret_value(),
        shared_key=twilio.shared_keys[0].get_secret_value() if twilio.signatures == "sha256" else "",
        clock=SystemClock(),
        owned=configuration.our_numbers,
    )
    with database.read() as connection:
        people = {person.key: person.phone for person in _technicians(connection)}
        for customer in customers.all_customers(connection):
            if customer.phones:
                people.setdefault(customer.code.lower(), customer.phones[0])
    people |= {office.key: office.phone for office in offices(configuration)}
    ours = {number.name.lower().replace(" ", "-"): number.number for number in configuration.number}
    session = Session(exchange, Cast(people, ours, configuration.zone), live=True)
    return _furnished(session, configuration, database, urlsplit(listener).netloc)


def _furnished(
    session: Session, configuration: Configuration, database: Database, service: str | None = None
) -> Stage:
    cast = session.cast
    with database.read() as connection:
        found = customers.all_customers(connection)
        technicians = _technicians(connection)
        everybody = roster.all_technicians(connection)
        others = {
            phone: Person(each.key, each.name, phone) for each in everybody for phone in each.other_phones
        }
        usual = configuration.service.languages[0]
        languages = {phone: each.language or usual for each in everybody for phone in each.phones}
    known = [
        Choice(customer.code.lower(), customer.name, customer.phones[0])
        for customer in found
        if customer.phones
    ]
    strangers = [Choice(UNKNOWN, UNKNOWN, cast.unknown), Choice(WITHHELD, WITHHELD)]
    return Stage(
        session,
        configuration,
        database,
        (*technicians, *offices(configuration)),
        (*known, *strangers),
        tuple(
            Choice(cast.name_of_number(number.number), number.name, number.number)
            for number in configuration.number
        ),
        tuple(
            Choice(customer.code.lower(), customer.name)
            for customer in found
            if customer.code.lower() in cast.pins
        ),
        service,
        others,
        languages,
        {customer.code.lower(): customer.name for customer in found},
    )


def _technicians(connection: Connection) -> list[Person]:
    return [
        Person(each.key, each.name, each.phone)
        for each in roster.all_technicians(connection)
        if each.retired_at is None
    ]


def offices_numbers(configuration: Configuration, phone: str) -> list[str]:
    """The names of our numbers that are answered at this office's phone by day."""
    return [number.name for number in configuration.number if phone in number.office]


def offices(configuration: Configuration) -> list[Person]:
    """The offices' phones, each once."""
    phones = dict.fromkeys(phone for number in configuration.number for phone in number.office)
    return [
        Person(f"office-{count}" if count > 1 else "office", "Office", phone, office=True)
        for count, phone in enumerate(phones, start=1)
    ]

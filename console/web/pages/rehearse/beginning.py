"""What the form of a new rehearsal says: when, who calls which number, how urgent, who does not answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from flask import request
from sqlalchemy import Connection

from console.house import numbers
from console.phone.callfile import UNKNOWN, WITHHELD
from console.rehearsing.question import Question
from console.rehearsing.scene import Cue
from console.rehearsing.stage import offices, offices_numbers
from console.settings import Configuration
from console.web.shown.rehearse.moments import Moment, moments, typed
from oncall import people
from oncall.people import Technician
from oncall.rota.wallclock import choices
from pins import customer_choice, customers
from pins.customer_choice import Choice

OTHER = "other"
FROM = ("file", "unknown", "withheld", "typed")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
# What the form has before anybody touched it.
AT_FIRST = {"from": "file"}


@dataclass
class Beginning:
    """The form as it was sent, or as it is first shown. `wrong` are texts by field; `twice` the two instants
    of an hour that comes twice, or that the clocks skip.
    """

    form: dict[str, str]
    absent: frozenset[str]
    wrong: dict[str, str] = field(default_factory=dict)
    twice: list[datetime] = field(default_factory=list)
    at: datetime | None = None
    chosen: Choice | None = None
    cue: Cue | None = None

    @property
    def question(self) -> Question:
        return Question(self.form["urgency"], self.absent)


@dataclass(frozen=True)
class Office:
    """An office's phone: what the cast calls it, and our numbers that are answered there."""

    key: str
    numbers: str


@dataclass(frozen=True)
class Choices:
    """What the form offers. `customers` are the first few; `first` is one to begin with."""

    moments: list[Moment]
    technicians: list[Technician]
    offices: list[Office]
    customers: list[Choice]


def offered(connection: Connection, configuration: Configuration, now: datetime, number: str) -> Choices:
    """What there is to choose from at `now`; `number` is the one whose hours make the moments."""
    hours = numbers(configuration)[number].hours
    return Choices(
        moments(now, configuration.zone, hours),
        sorted(
            (each for each in people.all_technicians(connection) if each.serves(now)),
            key=lambda each: each.name,
        ),
        [
            Office(office.key, ", ".join(offices_numbers(configuration, office.phone)))
            for office in offices(configuration)
        ],
        customer_choice.choices(connection, ""),
    )


def first(configuration: Configuration, given: Mapping[str, str]) -> dict[str, str]:
    """The form before anybody touched it; what an address gives counts (`at`, `number`, `customer`)."""
    form = {
        **AT_FIRST,
        "number": configuration.our_numbers[0],
        "urgency": configuration.urgency.offered()[0].code,
    }
    if (at := typed(given.get("at", ""))) is not None:
        form |= {"when": OTHER, "at": at.isoformat(timespec="minutes")}
    form |= {name: given[name] for name in ("number", "customer", "urgency") if given.get(name)}
    if form["number"] not in configuration.our_numbers:
        form["number"] = configuration.our_numbers[0]
    return form


def sent(connection: Connection, configuration: Configuration, now: datetime) -> Beginning:
    """The form of this request. Its cue is None if something is wrong."""
    form = {name: value.strip() for name, value in request.form.items()}
    read = Beginning({**first(configuration, {}), **form}, frozenset(request.form.getlist("absent")))
    if read.form["number"] not in configuration.our_numbers:
        read.wrong["number"] = "rehearse.wrong-number"
    if read.form["urgency"] not in [level.code for level in configuration.urgency.level]:
        read.wrong["urgency"] = "rehearse.wrong-urgency"
    if not read.wrong:
        read.at = instant(configuration, now, read.form, read)
    caller = _caller(connection, read)
    if not read.wrong and read.at is not None:
        code = read.chosen.code.lower() if read.chosen else None
        read.cue = Cue(read.at, read.form["number"], caller, code)
    return read


def instant(
    configuration: Configuration, now: datetime, form: Mapping[str, str], into: Beginning | None = None
) -> datetime | None:
    """The moment that a form names: one of those offered, or a local time with, where the clocks need it,
    the place of the meant one in `which`. None if there is none; `into` is then told why.
    """
    zone = configuration.zone
    name = form.get("when", "")
    if name != OTHER:
        hours = numbers(configuration)[form["number"]].hours
        found = moments(now, zone, hours)
        return next((each.at for each in found if each.name == name), found[0].at)
    wall = typed(form.get("at", ""))
    meant = choices(wall, zone) if wall is not None else []
    if len(meant) > 1:
        if form.get("which") in ("0", "1"):
            if into is not None:
                into.twice = meant
            return meant[int(form["which"])]
        if into is not None:
            into.wrong["at"], into.twice = "rehearse.wrong-twice", meant
        return None
    if not meant and into is not None:
        into.wrong["at"] = "rehearse.wrong-at"
    return meant[0] if meant else None


def _caller(connection: Connection, read: Beginning) -> str:
    """Who calls, as the cast calls him; the customer whose PIN he has is found on the way."""
    form = read.form
    if form.get("customer"):
        read.chosen = customer_choice.chosen(connection, form["customer"])
        if read.chosen is None:
            read.wrong["customer"] = "rehearse.wrong-customer"
            return UNKNOWN
    match form["from"]:
        case "withheld":
            return WITHHELD
        case "typed":
            number = re.sub(r"^00", "+", re.sub(r"[\s./()-]", "", form.get("typed", "")))
            if not _NUMBER.fullmatch(number):
                read.wrong["typed"] = "rehearse.wrong-typed"
            return number
        case "file" if read.chosen is not None:
            known = customers.customer(connection, read.chosen.code)
            return read.chosen.code.lower() if known.phones else UNKNOWN
        case _:
            return UNKNOWN


def on_form(found: Choices, form: Mapping[str, str]) -> dict[str, str]:
    """The form with what was left open chosen: the first moment, and the first customer to begin with."""
    shown = {"when": found.moments[0].name, **form}
    if "customer" not in shown and found.customers:
        shown["customer"] = label(found.customers[0])
    return shown


def label(choice: Choice) -> str:
    """How a customer stands in the field that finds him."""
    return f"{choice.name} · {choice.code}"

"""All that the page of a case shows, in plain words: gathered in one reading, with no HTML in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from console import case_story
from console.house import House
from console.public.wording import Words
from ivr import casework
from ivr.casework import Event
from oncall import people
from oncall.cases import cases
from oncall.cases.cases import Case
from oncall.cases.links import Link
from pins import customers


@dataclass(frozen=True)
class Happened:
    """One line of the history; `quote` is in somebody's own words."""

    at: str
    what: str
    quote: str = ""


@dataclass(frozen=True)
class Sound:
    """A recording: `number` names it in the page's addresses, from 1; `file` is empty until it is here."""

    number: int
    title: str
    file: str


@dataclass(frozen=True)
class Person:
    key: str
    name: str


@dataclass(frozen=True)
class View:
    """What is shown. `looker` may act: it is his link; None: somebody who only looks.

    `holder` has the case. `caller` and `call_back_to` are numbers as they came, "" withheld; `dialable`
    those of them that are numbers. `clock` is when it is to be taken in charge; `left` how long that is, or
    was; `state` is one of open, late, in-time, taken-late, no-deadline.
    """

    case: Case
    looker: Person | None
    holder: Person | None
    customer: str
    customer_code: str
    caller: str
    dialable: frozenset[str]
    clock: str
    left: str
    state: str
    opened: str
    shown_at: str
    happened: list[Happened] = field(default_factory=list)
    sounds: list[Sound] = field(default_factory=list)
    may_call: str = "yes"

    @property
    def mine(self) -> bool:
        return self.looker is not None and self.holder is not None and self.looker.key == self.holder.key


def view(connection: Connection, at: datetime, house: House, link: Link, words: Words) -> View:
    """The page of the link's case at `at`."""
    zone = house.configuration.zone
    case = cases.find(connection, cases.number_of(connection, link.case_id))
    names = {each.key: each.name for each in people.all_technicians(connection)}
    holder = casework.holder(connection, case)
    events = casework.timeline(connection, case)
    callers = [event.who for event in events if event.kind == "call"]
    code = customers.codes(connection).get(case.customer_id) if case.customer_id else None
    state, left = _deadline(case, at, words)
    return View(
        case=case,
        looker=Person(link.technician, names.get(link.technician, link.technician))
        if link.technician
        else None,
        holder=Person(holder, names.get(holder, holder)) if holder else None,
        customer=(customers.name_of(connection, case.customer_id) or "") if case.customer_id else "",
        customer_code=code or "",
        caller=callers[-1] if callers else "",
        dialable=case_story.dialable([*callers, case.call_back_to]),
        clock=words.deadline(case.due_at, at, zone) if case.due_at else "",
        left=left,
        state=state,
        opened=words.clock(case.opened_at, at, zone),
        shown_at=words.clock(at, at, zone),
        happened=[_line(event, names, at, zone, words) for event in events],
        sounds=sounds(connection, case, at, zone, words),
        may_call=case_story.may_call(house, case),
    )


def sounds(connection: Connection, case: Case, at: datetime, zone: ZoneInfo, words: Words) -> list[Sound]:
    """The recordings of all calls about the case, in the order in which they were made."""
    return [
        Sound(
            each.number,
            words.page["name-said" if each.kind == "name" else "message"].format(
                time=words.clock(each.recorded_at, at, zone), seconds=each.seconds
            ),
            each.file,
        )
        for each in case_story.recordings(connection, case)
    ]


def _deadline(case: Case, at: datetime, words: Words) -> tuple[str, str]:
    """How the case stands to its deadline, and by how long."""
    state, length = case_story.standing(case, at)
    return state, "" if state == "no-deadline" else words.duration(length)


# -- the history -----------------------------------------------------------------------------------


def _line(event: Event, names: Mapping[str, str], at: datetime, zone: ZoneInfo, words: Words) -> Happened:
    time = words.clock(event.at, at, zone)
    if event.kind == "call":
        return Happened(time, words.log["opened"] + (f" ({event.who})" if event.who else ""))
    if event.kind == "attempt":
        result = words.results.get(event.what or "ringing", words.results["failed"])
        return Happened(time, result.format(who=names.get(event.who, event.who)))
    act = event.what or ""
    values = {name: str(value) for name, value in event.details.items() if value is not None}
    whose = str(event.details.get("technician") or "")
    values |= {"who": _who(event.who, names, words), "act": act, "name": names.get(whose, whose)}
    text = words.log.get(case_story.sentence_of(event), words.log["other"])
    return Happened(time, _filled(text, values), event.text)


def _filled(text: str, values: Mapping[str, str]) -> str:
    """The sentence with its values in place. What stands in a value is never taken for a place."""
    return re.sub(r"\{([a-z]+)\}", lambda place: values.get(place[1], ""), text)


def _who(actor: str, names: Mapping[str, str], words: Words) -> str:
    """Who did it, as people call him. Actors are `technician:anna via link`, `cli:root`, `ivr`."""
    kind, _, rest = actor.partition(":")
    if kind == "technician":
        key = rest.split(" ")[0]
        return names.get(key, key)
    return words.log["us"] if rest else words.log["service"]

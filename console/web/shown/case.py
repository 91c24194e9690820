"""What the page of a case shows, at the office's desk and on a technician's phone: read at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from console import case_story
from console.case_story import MayCall, Recording, State
from console.house import House
from console.web.actors import Actors, actors
from console.web.people import Person, people
from console.web.words import Words
from ivr import casework
from ivr.casework import Event
from oncall import people as technicians
from oncall.cases import case_list, cases, closing
from oncall.cases.case_list import Wanted
from oncall.cases.cases import Case, CaseRefusal
from oncall.cases.holding import sought
from oncall.rota import roster
from pins import customers

# What nobody pressed a key for within this long rings no more, whatever is known of it.
RINGS = timedelta(minutes=2)
MOST_OTHERS = 10


@dataclass(frozen=True)
class Line:
    """One thing that happened. `kind` is call, good, bad, ringing, act or note; `quote` is in somebody's own
    words; `sid` names a call that can be looked at.
    """

    at: datetime
    kind: str
    text: str
    quote: str = ""
    sid: str = ""


@dataclass(frozen=True)
class Pursuit:
    """How somebody is sought. `state`: ringing (`who`), next (at `at`), held (by a text message until `at`),
    none: nobody is, over: the case is closed.
    """

    state: str
    who: Person | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class Choice:
    """A technician who can be given the case; `rung` if he is on duty for its rota now."""

    person: Person
    rung: int | None


@dataclass(frozen=True)
class CaseShown:
    """`caller` and `call_back_to` are numbers as they came, "" withheld; `dialable` those that are numbers.
    `heard` is who has listened to a recording, by its number. `billed` and `prepaid` are minutes of the
    closing. `others` are open cases it may be merged with.
    """

    case: Case
    customer: str
    code: str
    holder: Person | None
    closer: str
    state: State
    left: timedelta
    pursuit: Pursuit
    caller: str
    dialable: frozenset[str]
    may_call: MayCall
    lines: list[Line]
    sounds: list[Recording]
    heard: dict[int, str]
    choices: list[Choice]
    others: list[Case]
    reopens: bool
    prepaid: int
    billed: int

    @property
    def has(self) -> str:
        """Who has it, as forms say it."""
        return self.holder.key if self.holder else ""


def shown(connection: Connection, at: datetime, house: House, case: Case, words: Words) -> CaseShown:
    """The case at `at`."""
    known, named = people(connection), actors(connection)
    holder = casework.holder(connection, case)
    events = casework.timeline(connection, case)
    callers = [event.who for event in events if event.kind == "call"]
    state, left = case_story.standing(case, at)
    code, name = customers.names(connection, [case.customer_id or 0]).get(case.customer_id or 0, ("", ""))
    told = closing.last_closing(connection, case.id) if case.closed_at else {}
    has_it, sounds = _person(known, holder), case_story.recordings(connection, case)
    return CaseShown(
        case=case,
        customer=name,
        code=code,
        holder=has_it,
        closer=named.name(case.closed_by, words) if case.closed_by else "",
        state=state,
        left=left,
        pursuit=_pursuit(connection, at, case, has_it, events, known),
        caller=callers[-1] if callers else "",
        dialable=case_story.dialable([*callers, case.call_back_to]),
        may_call=case_story.may_call(house, case),
        lines=[_line(event, named, words, at) for event in events],
        sounds=sounds,
        heard={each.number: named.name(each.heard_by, words) for each in sounds if each.heard_by},
        choices=_choices(connection, at, case, known),
        others=_others(connection, case),
        reopens=_reopens(case, at),
        prepaid=int(told.get("prepaid", 0)),
        billed=int(told.get("billed", 0)),
    )


# -- who has it, who is sought -----------------------------------------------------------------


def _person(known: Mapping[str, Person], key: str | None) -> Person | None:
    return known.get(key, Person(key, key, 1)) if key else None


def _pursuit(
    connection: Connection,
    at: datetime,
    case: Case,
    holder: Person | None,
    events: list[Event],
    known: Mapping[str, Person],
) -> Pursuit:
    if case.closed_at is not None:
        return Pursuit("over")
    rings = [e for e in events if e.kind == "attempt" and e.what is None and e.at > at - RINGS]
    if rings:
        return Pursuit("ringing", _person(known, rings[-1].who), rings[-1].at)
    following = sought(connection, [case]).get(case.number)
    if following is not None:
        return Pursuit("held" if holder else "next", holder, following)
    return Pursuit("none")


def _choices(connection: Connection, at: datetime, case: Case, known: Mapping[str, Person]) -> list[Choice]:
    """Everybody in service, whoever is on duty first, rung by rung."""
    rungs: dict[str, int] = {}
    for duty in roster.book(connection, case.rota, at).ladder(at):
        rungs.setdefault(duty.technician, duty.rung)
    serving = [each for each in technicians.all_technicians(connection) if each.serves(at)]
    found = [Choice(known[each.key], rungs.get(each.key)) for each in serving]
    return sorted(found, key=lambda choice: (choice.rung or 1000, choice.person.name))


def _others(connection: Connection, case: Case) -> list[Case]:
    """Open cases of the same customer, or, of one whose customer is not known, of callers like him."""
    if case.closed_at is not None or case.customer_id is None:
        return []
    wanted = Wanted("open", customers=[case.customer_id])
    found = case_list.page(connection, wanted, size=MOST_OTHERS + 1).cases
    return [each for each in found if each.id != case.id][:MOST_OTHERS]


def _reopens(case: Case, at: datetime) -> bool:
    try:
        closing.check_reopens(case, at)
    except CaseRefusal:
        return False
    return True


# -- the history -------------------------------------------------------------------------------


def _line(event: Event, named: Actors, words: Words, at: datetime) -> Line:
    if event.kind == "call":
        who = event.who or words("cases.withheld")
        return Line(event.at, "call", words("cases.log-call", who=who), sid=str(event.details["sid"]))
    if event.kind == "attempt":
        who, result = named.person(event.who), event.what or ""
        if not result:
            rings = event.at > at - RINGS
            text = words("cases.result-ringing" if rings else "cases.result-unknown", who=who)
            return Line(event.at, "ringing" if rings else "bad", text)
        kind = "good" if result in ("connected", "accepted") else "bad"
        return Line(event.at, kind, words.maybe(f"cases.result-{result}", f"{who}: {result}", who=who))
    act = case_story.sentence_of(event)
    values = {name: str(value) for name, value in event.details.items() if value is not None}
    whose = values.get("technician", "")
    values |= {
        "who": named.name(event.who, words),
        "name": named.person(whose),
        "with": values.get("with", ""),
        "from": values.get("from", ""),
        "to": values.get("to", ""),
    }
    if act in ("taken", "taken-for") and event.details.get("from") not in (None, whose):
        act, values["from"] = "taken-from", named.person(values["from"])
    text = words.maybe(f"cases.log-{act}", f"{values['who']}: {act}", **values)
    return Line(event.at, "note" if act == "note" else "act", text, event.text)


# -- looking for a case ------------------------------------------------------------------------


def find(connection: Connection, number: str) -> Case | None:
    """The case of this number or spoken code."""
    try:
        return cases.find(connection, number)
    except cases.UnknownCase:
        return None

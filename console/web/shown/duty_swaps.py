"""What a technician's swaps show: those that wait for him, and what one that he offers would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from console.house import House
from console.web.instants import Typed, typed
from console.web.people import Person, people
from console.web.shown.duty import AHEAD, OwnTurn, own_turns
from console.web.words import Words
from oncall import people as technicians
from oncall.people import RosterRefusal
from oncall.rota import roster, trials
from oncall.rota import swaps as verbs
from oncall.rota.swap_records import PENDING, Back, Swap
from oncall.rota.trials import Trial

MOST_ENDED = 10


@dataclass(frozen=True)
class Shown:
    """A swap as he sees it: `gives` and `gets` are his; of one of them there may be nothing. `trial` is what
    it would do if it was accepted now, None with `why` it cannot be.
    """

    swap: Swap
    other: Person
    gives: tuple[int, datetime, datetime] | None
    gets: tuple[int, datetime, datetime] | None
    trial: Trial | None = None
    why: str = ""


@dataclass(frozen=True)
class Swaps:
    """`to_answer` were offered to him, `waiting` wait for others, `ended` are the latest decided on."""

    to_answer: list[Shown]
    waiting: list[Shown]
    ended: list[Shown]
    known: Mapping[str, Person]


def swaps(connection: Connection, at: datetime, house: House, technician: str, words: Words) -> Swaps:
    """All that he has a part in; of what was decided on the latest."""
    known = people(connection)
    ringing = house.configuration.ringing
    found = verbs.listed(connection, technician=technician)
    to_answer, waiting, ended = [], [], []
    for swap in found:
        if swap.state not in PENDING or swap.begins <= at:
            ended.append(_seen(swap, technician, known))
        elif swap.state == "proposed" and swap.counterpart == technician:
            try:
                trial = trials.of_swap(connection, at, ringing, swap)
                to_answer.append(_seen(swap, technician, known, trial))
            except RosterRefusal as refused:
                why = words.maybe(f"duty.refused-{refused.why}", words("duty.refused-other"))
                to_answer.append(_seen(swap, technician, known, why=why))
        else:
            waiting.append(_seen(swap, technician, known))
    return Swaps(to_answer, waiting, ended[:MOST_ENDED], known)


@dataclass(frozen=True)
class Colleague:
    """Somebody it may be offered to; `why` he cannot have it, as the verbs name it, "" if he can."""

    person: Person
    why: str


@dataclass(frozen=True)
class Choice:
    """A turn of the other's, to take in return. `value` is how the form says it."""

    value: str
    rung: int
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Offer:
    """What he offers, as far as he has said it. `back_choice` is the turn in return, as the form says it,
    `back` what of it; `back_wrong`: that cannot be read.
    """

    rota: str | None
    rung: int
    start: Typed
    end: Typed
    counterpart: str
    back_choice: str
    back_start: Typed
    back_end: Typed
    back: Back | None
    back_wrong: bool
    colleagues: list[Colleague]
    choices: list[Choice]
    known: Mapping[str, Person]
    allowed: bool

    @property
    def instants(self) -> list[Typed]:
        return [self.start, self.end, self.back_start, self.back_end]

    @property
    def complete(self) -> bool:
        """Whether it says what is offered to whom."""
        return bool(self.rota and self.start.at and self.end.at and self.counterpart)


def offer(
    connection: Connection, at: datetime, house: House, technician: str, given: Mapping[str, str]
) -> Offer:
    """What a form, or an address, says of an offer."""
    zone = house.configuration.zone
    keys = roster.rota_keys(connection)
    rota = given.get("rota") if given.get("rota") in keys else None
    rung = given.get("rung", "")
    number = int(rung) if rung.isascii() and rung.isdigit() and len(rung) < 3 else 1
    start, end = typed(given, "from", zone), typed(given, "to", zone)
    known = people(connection)
    colleagues = _colleagues(connection, at, house, technician, rota, number, start.at, end.at, known)
    counterpart = given.get("with", "")
    if counterpart not in {each.person.key for each in colleagues}:
        counterpart = ""
    choices = _choices(connection, at, counterpart, rota, zone) if counterpart and rota else []
    chosen = next((each for each in choices if each.value == given.get("back")), None)
    back_start, back_end = typed(given, "back-from", zone), typed(given, "back-to", zone)
    back, wrong = _back(chosen, back_start, back_end)
    return Offer(
        rota,
        number,
        start,
        end,
        counterpart,
        chosen.value if chosen else "",
        back_start,
        back_end,
        back,
        wrong or bool(given.get("back") and chosen is None),
        colleagues,
        choices,
        known,
        rota is None or roster.swap_rules(connection, rota, at).allowed,
    )


def tried(
    connection: Connection, at: datetime, house: House, technician: str, asked: Offer
) -> tuple[Trial | None, RosterRefusal | None]:
    """What the offer would do, or why it cannot be; neither, as long as it is not complete."""
    if not asked.complete or asked.back_wrong:
        return None, None
    assert asked.rota is not None
    assert asked.start.at is not None
    assert asked.end.at is not None
    swap = _swap(asked.rota, asked.rung, technician, asked.counterpart, asked.start.at, asked.end.at, at)
    swap = replace(swap, back=asked.back)
    try:
        return trials.of_swap(connection, at, house.configuration.ringing, swap), None
    except RosterRefusal as refused:
        return None, refused


# -- small parts -------------------------------------------------------------------------------


def _seen(
    swap: Swap, technician: str, known: Mapping[str, Person], trial: Trial | None = None, why: str = ""
) -> Shown:
    there = (swap.rung, swap.start, swap.end)
    back = (swap.back.rung, swap.back.start, swap.back.end) if swap.back else None
    mine = swap.proposer == technician
    other = swap.counterpart if mine else swap.proposer
    person = known.get(other, Person(other, other, 1))
    return Shown(swap, person, there if mine else back, back if mine else there, trial, why)


def _swap(
    rota: str, rung: int, proposer: str, counterpart: str, start: datetime, end: datetime, at: datetime
) -> Swap:
    return Swap(0, rota, rung, proposer, counterpart, start, end, None, "proposed", at, None, None)


def _colleagues(
    connection: Connection,
    at: datetime,
    house: House,
    technician: str,
    rota: str | None,
    rung: int,
    start: datetime | None,
    end: datetime | None,
    known: Mapping[str, Person],
) -> list[Colleague]:
    """Everybody else in service, those first who can have it."""
    serving = [
        each for each in technicians.all_technicians(connection) if each.serves(at) and each.key != technician
    ]
    if rota is None or start is None or end is None:
        return [Colleague(known[each.key], "") for each in serving]
    asked = {each.key: _swap(rota, rung, technician, each.key, start, end, at) for each in serving}
    why = trials.of_gifts(connection, at, house.configuration.ringing, asked)
    # That the time is not his to give is no fault of theirs.
    theirs = {key: each for key, each in why.items() if each != "not-his"}
    found = [Colleague(known[each.key], theirs.get(each.key, "")) for each in serving]
    return sorted(found, key=lambda each: (bool(each.why), each.person.name))


def _choices(
    connection: Connection, at: datetime, counterpart: str, rota: str, zone: ZoneInfo
) -> list[Choice]:
    """His turns in the same rota that are still to begin."""
    found = own_turns(connection, at, counterpart)
    return [
        Choice(_value(turn), turn.rung, turn.gives_from, turn.end or at + AHEAD)
        for turn in found
        if turn.rota == rota
    ]


def _value(turn: OwnTurn) -> str:
    return f"{turn.rung}.{turn.start:%Y%m%dT%H%M%S}"


def _back(chosen: Choice | None, start: Typed, end: Typed) -> tuple[Back | None, bool]:
    """What is taken in return, a whole turn or the part that was typed; and whether it cannot be read."""
    if chosen is None:
        return None, False
    if not start.text and not end.text:
        return Back(chosen.rung, chosen.start, chosen.end), False
    if (start.text and start.at is None) or (end.text and end.at is None):
        return None, True
    return Back(chosen.rung, start.at or chosen.start, end.at or chosen.end), False

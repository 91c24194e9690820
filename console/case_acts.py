"""What people do to a case by a page: forms in, verbs of `ivr.casework` out. Never commits.

A form says who had the case when the page was shown (`has`, a technician's key or nothing), so that nobody
takes it from a colleague, gives it away or closes it unawares. Two doors use this: the case link of a
technician, and the console.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, select

from console.case_story import recordings
from console.house import House, rules
from ivr import casework, outgoing_desk
from ivr.records import heard
from ivr.tables import outgoing
from oncall import people
from oncall.cases import case_log, cases
from oncall.cases.cases import Case, CaseRefusal
from oncall.cases.casework import AlreadyTaken, NobodyHasIt, Via, subject
from oncall.cases.closing import MOST_MINUTES
from oncall.people import RosterRefusal
from pins.customers import RegistryRefusal
from storage import audit

# A call that was placed longer ago than this no longer rings, whatever is known of it.
RINGS_STILL = timedelta(minutes=2)


class NotDone(Exception):
    """It was not done, and nothing may be kept of it. `why` names what is said of it: `meanwhile` if who has
    the case has changed.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Doer:
    """Who acts: a `technician` for himself alone, or, None, somebody of the office for whoever he names."""

    actor: str
    technician: str | None
    via: Via


@dataclass(frozen=True)
class _Doing:
    """One act. `now` is the case as it is, `seen` as it was when the page was shown."""

    connection: Connection
    at: datetime
    house: House
    doer: Doer
    now: Case
    seen: Case
    form: Mapping[str, str]


def do(
    connection: Connection,
    at: datetime,
    house: House,
    doer: Doer,
    act: str,
    case: Case,
    form: Mapping[str, str],
) -> None:
    """Do one act of ACTS to the case, which was read in this transaction, as the form says.

    Raises NotDone, CaseClosed.
    """
    # Who had it when the page was shown: the verbs refuse if that has changed.
    seen = replace(case, taken_by=form.get("has") or None)
    try:
        ACTS[act](_Doing(connection, at, house, doer, case, seen, form))
    except cases.CaseClosed:
        raise
    except AlreadyTaken:
        raise NotDone("meanwhile") from None
    except NobodyHasIt:
        raise NotDone("nobody") from None
    except CaseRefusal as refused:
        raise NotDone(refused.why) from None
    except RosterRefusal:
        raise NotDone("technician") from None


# -- each act --------------------------------------------------------------------------------------


def _take(it: _Doing) -> None:
    taker = _somebody(it)
    has_it = casework.holder(it.connection, it.now)
    # Connected is as good as taken: he too is only replaced by somebody who knows of him.
    if has_it not in (None, taker, it.form.get("has")):
        raise NotDone("meanwhile")
    casework.take(it.connection, it.doer.actor, it.at, it.seen, taker, it.doer.via)


def _pass(it: _Doing) -> None:
    has_it = casework.holder(it.connection, it.now)
    if has_it is None:
        raise NotDone("nobody")
    if has_it != (it.doer.technician or it.form.get("has")):
        raise NotDone("meanwhile")
    casework.pass_on(it.connection, it.doer.actor, it.at, it.seen, it.form.get("reason", ""))


def _reclassify(it: _Doing) -> None:
    urgency = it.house.configuration.urgency
    code, reason = it.form.get("code", ""), case_log.tidy(it.form.get("reason", ""))
    if code == it.now.level or code not in {level.code for level in urgency.level}:
        raise NotDone("code")
    if not reason:
        raise NotDone("reason")
    casework.reclassify(it.connection, it.doer.actor, it.at, it.seen, code, reason, urgency)


def _note(it: _Doing) -> None:
    text = case_log.tidy(it.form.get("text", ""))
    if not 1 <= len(text) <= case_log.LONGEST_TEXT:
        raise NotDone("note")
    casework.note(it.connection, it.doer.actor, it.at, it.seen, text)


def _close(it: _Doing) -> None:
    outcome, minutes = case_log.tidy(it.form.get("outcome", "")), it.form.get("minutes", "").strip()
    if not 1 <= len(outcome) <= case_log.LONGEST_TEXT:
        raise NotDone("outcome")
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) <= 6 and int(minutes) <= MOST_MINUTES):
        raise NotDone("minutes")
    casework.close(it.connection, it.doer.actor, it.at, it.seen, outcome, int(minutes))


def _reopen(it: _Doing) -> None:
    casework.reopen(it.connection, it.doer.actor, it.at, it.seen, it.form.get("reason", ""))


def _merge(it: _Doing) -> None:
    try:
        other = cases.find(it.connection, it.form.get("other", "").strip())
    except cases.UnknownCase:
        raise NotDone("other-case") from None
    if other.closed_at is not None:
        raise NotDone("other-closed")
    casework.merge(it.connection, it.doer.actor, it.at, it.seen, other)


def _name(it: _Doing) -> None:
    if not it.now.screened or it.now.customer_id is not None:
        raise NotDone("customer")
    known = it.house.configuration.urgency
    try:
        casework.name_customer(
            it.connection, it.doer.actor, it.at, it.seen, it.form.get("customer", ""), known
        )
    except RegistryRefusal:
        raise NotDone("customer") from None


def _call(it: _Doing) -> None:
    caller = _somebody(it)
    if it.now.customer_calls >= it.house.configuration.ringing.customer_calls:
        raise NotDone("call")
    if it.now.screened and it.now.customer_id is None:
        raise NotDone("call")
    call_back(it.connection, it.at, it.house, it.now, caller)
    if it.doer.technician is None:
        audit.record(
            it.connection, it.doer.actor, it.at, "case.call", subject(it.now), details={"technician": caller}
        )


def _heard(it: _Doing) -> None:
    number = it.form.get("recording", "")
    known = {str(each.number): each for each in recordings(it.connection, it.now) if each.kind == "message"}
    if number not in known:
        raise NotDone("other")
    heard.listened(it.connection, it.doer.actor, it.at, known[number].sid)


def _somebody(it: _Doing) -> str:
    """For whom it is done: himself, or whom the form names. Raises NotDone."""
    named = it.doer.technician or it.form.get("technician", "")
    if not named:
        raise NotDone("technician")
    return named


ACTS: Mapping[str, Callable[[_Doing], None]] = {
    "take": _take,
    "pass": _pass,
    "reclassify": _reclassify,
    "note": _note,
    "close": _close,
    "name": _name,
    "call": _call,
    "reopen": _reopen,
    "merge": _merge,
    "heard": _heard,
}


# -- calling back ----------------------------------------------------------------------------------


def call_back(connection: Connection, at: datetime, house: House, case: Case, technician: str) -> None:
    """Have the technician's own phone rung, and the customer dialled once he has pressed a key.

    Nothing is done if his phone is being rung for that already. Raises CaseClosed, RosterRefusal.
    """
    # The doors, which `calling` needs, show these pages.
    from console.outbound import calling

    if case.closed_at is not None:
        raise cases.CaseClosed(case.number)
    person = people.technician(connection, technician)
    if not person.serves(at):
        raise RosterRefusal(f"{technician} is no longer in service", "left")
    rings_now = select(outgoing.c.id).where(
        *calls_back(case, technician), outgoing.c.ended_at.is_(None), outgoing.c.asked_at > at - RINGS_STILL
    )
    if connection.execute(rings_now.limit(1)).first():
        return
    configuration = house.configuration
    outgoing_id = outgoing_desk.begin(
        connection,
        at,
        rules(configuration),
        purpose="call-back",
        technician=technician,
        phone=person.phone,
        language=person.language,
        case=case,
    )
    calling.later(connection, at, outgoing_id, person.rings or configuration.ringing.rings)


def calls_back(case: Case, technician: str) -> list[ColumnElement[bool]]:
    """Calls that were placed to this technician to call the customer of this case."""
    return [
        outgoing.c.case_id == case.id,
        outgoing.c.technician == technician,
        outgoing.c.purpose == "call-back",
    ]

"""What a technician does by his case link: forms in, verbs of `ivr.casework` out. Never commits.

A form carries a key that is good for one use, so that a double tap, or a page sent again, does nothing
twice; and who had the case when the page was shown, so that nobody takes it from a colleague unawares.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, select

from console.house import House, rules
from console.public.keys import form_key
from ivr import casework, outgoing_desk
from ivr.tables import outgoing
from oncall import case_log, cases, people
from oncall.cases import Case, CaseRefusal
from oncall.casework import AlreadyTaken, NobodyHasIt
from oncall.closing import MOST_MINUTES
from oncall.links import Link
from oncall.people import RosterRefusal
from oncall.tables import case_log as log_rows
from pins.customers import RegistryRefusal

# A call that was placed longer ago than this no longer rings, whatever is known of it.
RINGS_STILL = timedelta(minutes=2)
# What each act leaves in the case's log, by which it is known to have been done.
_LEAVES = {
    "take": "taken",
    "pass": "passed",
    "reclassify": "reclassified",
    "note": "note",
    "close": "closed",
    "name": "named",
}
ACTS = (*_LEAVES, "call")


class NotDone(Exception):
    """It was not done, and nothing may be kept of it. `why` names what is said of it: `meanwhile` if
    somebody else has taken the case.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def actor_of(link: Link) -> str:
    """As whom the link acts."""
    return f"technician:{link.technician} via link"


def keys_of(connection: Connection, house: House, link: Link, case: Case) -> dict[str, str]:
    """A key for each form of the page, as things stand."""
    return {
        act: form_key(house.configuration, link.id, act, _times(connection, link, case, act)) for act in ACTS
    }


def do(
    connection: Connection, at: datetime, house: House, link: Link, act: str, form: Mapping[str, str]
) -> str:
    """Do one act of ACTS as the form says. Returns what is said of it: the act, or `again` if this form
    was sent before. Raises NotDone, CaseClosed.
    """
    # Whoever else sends this form waits here, and then finds its key used.
    cases.lock(connection)
    case = cases.find(connection, cases.number_of(connection, link.case_id))
    expected = form_key(house.configuration, link.id, act, _times(connection, link, case, act))
    if not hmac.compare_digest(expected.encode(), form.get("key", "").encode("utf-8", "replace")):
        return "again"
    # Who had it when the page was shown: the verbs refuse if that has changed.
    seen = replace(case, taken_by=form.get("has") or None)
    try:
        _DO[act](connection, at, house, link, seen, form)
    except cases.CaseClosed:
        raise
    except AlreadyTaken:
        raise NotDone("meanwhile") from None
    except NobodyHasIt:
        raise NotDone("nobody") from None
    except (CaseRefusal, RosterRefusal):
        raise NotDone("other") from None
    return act


# -- each act --------------------------------------------------------------------------------------


def _take(
    connection: Connection, at: datetime, house: House, link: Link, case: Case, form: Mapping[str, str]
) -> None:
    assert link.technician is not None
    has_it = casework.holder(connection, cases.find(connection, case.number))
    # Connected is as good as taken: he too is only replaced by somebody who knows of him.
    if has_it not in (None, link.technician, form.get("has")):
        raise NotDone("meanwhile")
    casework.take(connection, actor_of(link), at, case, link.technician, "link")


def _pass(
    connection: Connection, at: datetime, house: House, link: Link, case: Case, form: Mapping[str, str]
) -> None:
    has_it = casework.holder(connection, cases.find(connection, case.number))
    if has_it is None:
        raise NotDone("nobody")
    if has_it != link.technician:
        raise NotDone("meanwhile")
    casework.pass_on(connection, actor_of(link), at, case, form.get("reason", ""))


def _reclassify(
    connection: Connection, at: datetime, house: House, link: Link, case: Case, form: Mapping[str, str]
) -> None:
    urgency = house.configuration.urgency
    code, reason = form.get("code", ""), case_log.tidy(form.get("reason", ""))
    if code == case.level or code not in {level.code for level in urgency.level}:
        raise NotDone("code")
    if not reason:
        raise NotDone("reason")
    casework.reclassify(connection, actor_of(link), at, case, code, reason, urgency)


def _note(
    connection: Connection, at: datetime, house: House, link: Link, case: Case, form: Mapping[str, str]
) -> None:
    text = case_log.tidy(form.get("text", ""))
    if not 1 <= len(text) <= case_log.LONGEST_TEXT:
        raise NotDone("note")
    casework.note(connection, actor_of(link), at, case, text)


def _close(
    connection: Connection, at: datetime, house: House, link: Link, case: Case, form: Mapping[str, str]
) -> None:
    outcome, minutes = case_log.tidy(form.get("outcome", "")), form.get("minutes", "").strip()
    if not 1 <= len(outcome) <= case_log.LONGEST_TEXT:
        raise NotDone("outcome")
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) <= 6 and int(minutes) <= MOST_MINUTES):
        raise NotDone("minutes")
    casework.close(connection, actor_of(link), at, case, outcome, int(minutes))


def _name(
    connection: Connection, at: datetime, house: House, link: Link, case: Case, form: Mapping[str, str]
) -> None:
    if not case.screened or case.customer_id is not None:
        raise NotDone("customer")
    try:
        casework.name_customer(
            connection, actor_of(link), at, case, form.get("customer", ""), house.configuration.urgency
        )
    except RegistryRefusal:
        raise NotDone("customer") from None


def _call(
    connection: Connection, at: datetime, house: House, link: Link, case: Case, form: Mapping[str, str]
) -> None:
    assert link.technician is not None
    if case.customer_calls >= house.configuration.ringing.customer_calls:
        raise NotDone("call")
    if case.screened and case.customer_id is None:
        raise NotDone("call")
    call_back(connection, at, house, cases.find(connection, case.number), link.technician)


def call_back(connection: Connection, at: datetime, house: House, case: Case, technician: str) -> None:
    """Have the technician's own phone rung, and the customer dialled once he has pressed a key.

    Nothing is done if his phone is being rung for that already. Raises CaseClosed, RosterRefusal.
    """
    # The doors, which `calling` needs, show these pages.
    from console import calling

    if case.closed_at is not None:
        raise cases.CaseClosed(case.number)
    person = people.technician(connection, technician)
    if not person.serves(at):
        raise RosterRefusal(f"{technician} is no longer in service")
    rings_now = select(outgoing.c.id).where(
        *_calls_back(case, technician), outgoing.c.ended_at.is_(None), outgoing.c.asked_at > at - RINGS_STILL
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


_Do = Callable[[Connection, datetime, House, Link, Case, Mapping[str, str]], None]
_DO: Mapping[str, _Do] = {
    "take": _take,
    "pass": _pass,
    "reclassify": _reclassify,
    "note": _note,
    "close": _close,
    "name": _name,
    "call": _call,
}


# -- how often -------------------------------------------------------------------------------------


def _times(connection: Connection, link: Link, case: Case, act: str) -> int:
    """How often the act was done through links of this technician."""
    if act == "call":
        done = select(func.count()).where(*_calls_back(case, link.technician or ""))
    else:
        done = select(func.count()).where(
            log_rows.c.case_id == case.id,
            log_rows.c.act == _LEAVES[act],
            log_rows.c.actor == actor_of(link)[: case_log.LONGEST_ACTOR],
        )
    return connection.execute(done).scalar_one()


def _calls_back(case: Case, technician: str) -> list[ColumnElement[bool]]:
    """Calls that were placed to this technician to call the customer of this case."""
    return [
        outgoing.c.case_id == case.id,
        outgoing.c.technician == technician,
        outgoing.c.purpose == "call-back",
    ]

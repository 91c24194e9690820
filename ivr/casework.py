"""What people do to a case, joined with its customer: who notices say he is, his minutes, his contract.

The verbs of `oncall.cases.casework` and `oncall.cases.closing` with what they cannot know. Doors use these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, select

from ivr import case_facts, journal
from ivr.pseudonyms import readable
from ivr.settings import UrgencySettings
from ivr.tables import outgoing, outgoing_turns
from oncall.cases import case_log, cases, closing
from oncall.cases import casework as by_hand
from oncall.cases.cases import Case, CaseRefusal
from oncall.cases.casework import AlreadyTaken as AlreadyTaken
from oncall.cases.casework import NobodyHasIt as NobodyHasIt
from oncall.cases.casework import Via
from oncall.cases.casework import holder as holder
from oncall.cases.casework import let_go as let_go
from oncall.cases.casework import note as note
from oncall.cases.closing import merge as merge
from oncall.reaching import attempts
from oncall.rota import roster
from oncall.rota.roster import UnknownRota
from oncall.settings import RingingSettings
from pins import customers
from pins import minutes as packages
from storage import audit

log_of = case_log.of
# Who reopens a case about which somebody called without the database.
STANDBY = "standby"


def take(
    connection: Connection,
    actor: str,
    at: datetime,
    case: Case,
    technician: str,
    via: Via = "hand",
    ringing: RingingSettings | None = None,
) -> None:
    """A technician takes the case; `ringing` is needed for a taking by text message.

    Raises CaseClosed, AlreadyTaken, UnknownTechnician, RosterRefusal.
    """
    told = case_facts.facts(connection, case)
    by_hand.take(connection, actor, at, case, technician, via, ringing=ringing, told=told)


def pass_on(connection: Connection, actor: str, at: datetime, case: Case, reason: str = "") -> None:
    """Whoever has the case gives it up. Raises CaseClosed, AlreadyTaken, NobodyHasIt."""
    told = case_facts.facts(connection, case)
    by_hand.pass_on(connection, actor, at, case, reason=reason, told=told)


def reclassify(
    connection: Connection,
    actor: str,
    at: datetime,
    case: Case,
    code: str,
    reason: str,
    urgency: UrgencySettings,
) -> None:
    """State the case's urgency anew, for a reason. Raises CaseClosed or CaseRefusal."""
    level = next((each for each in urgency.level if each.code == code), None)
    if level is None:
        known = ", ".join(each.code for each in urgency.level)
        raise CaseRefusal(f"there is no urgency {code!r}: give one of {known}", "code")
    within = timedelta(minutes=level.within) if level.after_hours and level.within else None
    by_hand.reclassify(connection, actor, at, case, code, reason, within)


def name_customer(
    connection: Connection, actor: str, at: datetime, case: Case, code: str, urgency: UrgencySettings
) -> None:
    """The case of a caller who was screened is this customer's; whether it is billed says his contract on
    the day of the call. Raises CaseClosed, CaseRefusal, UnknownCustomer.
    """
    customer = customers.customer(connection, code)
    covered = customer.contract.covers(_day(connection, case), prepaid_counts=urgency.prepaid_counts)
    by_hand.name_customer(connection, actor, at, case, customer.id, billable=not covered)


def close(
    connection: Connection,
    actor: str,
    at: datetime,
    case: Case,
    outcome: str = "",
    minutes: int | None = None,
) -> None:
    """Close the case. Minutes worked are taken out of the customer's prepaid package; what it does not
    hold is billed. Raises CaseClosed, AlreadyTaken, CaseRefusal.
    """
    closing.check_minutes(minutes)
    now = by_hand.as_it_stands(connection, case)
    package = None
    billable = now.billable
    if now.customer_id is not None:
        package = packages.use(connection, now.customer_id, _day(connection, now), minutes or 0)
    if package is not None and package.before:
        # It pays for the call too, as long as anything is left in it.
        billable = (minutes or 0) > package.used
    closing.close(
        connection,
        actor,
        at,
        case,
        outcome=outcome,
        minutes=minutes,
        prepaid=package.used if package else 0,
        billable=billable,
    )
    _record(connection, actor, at, now, package)


def reopen(connection: Connection, actor: str, at: datetime, case: Case, reason: str = "") -> None:
    """Open a case again that was closed by mistake; its minutes go back into the package.

    Raises CaseRefusal.
    """
    _reopen(connection, actor, at, case, reason, closing.REOPENS_WITHIN)


def called_again(connection: Connection, at: datetime, case: Case) -> Case:
    """Somebody has called about this case since it was closed, at a node that could not know that: it is open
    again, whenever it was closed. Returns it, or the one that it was merged into, open as well.

    One whose customer has been erased stays closed; so does nothing else.
    """
    while case.merged_into is not None:
        case = cases.find(connection, case.merged_into)
    if case.closed_at is not None and (case.customer_id is not None or case.screened):
        _reopen(connection, STANDBY, at, case, "called again during an outage", None)
    return cases.find(connection, case.number)


def _reopen(
    connection: Connection, actor: str, at: datetime, case: Case, reason: str, within: timedelta | None
) -> None:
    (now,) = cases.locked(connection, case.id)
    closing.check_reopens(now, at, within)
    prepaid = int(closing.last_closing(connection, now.id).get("prepaid", 0))
    package = None
    if now.customer_id is not None and prepaid:
        package = packages.give_back(connection, now.customer_id, prepaid)
    given_back = -package.used if package else 0
    closing.reopen(connection, actor, at, case, reason, given_back=given_back, within=within)
    _record(connection, actor, at, now, package)


def _record(
    connection: Connection, actor: str, at: datetime, case: Case, package: packages.Package | None
) -> None:
    if package is None or not package.used or case.customer_id is None:
        return
    told = {"minutes": [package.before, package.after], "case": case.number}
    audit.record(connection, actor, at, "customer.minutes", customers.subject(case.customer_id), details=told)


def _day(connection: Connection, case: Case) -> date:
    """The day of the call, by the clocks of its rota."""
    try:
        named = roster.document(connection, case.rota, case.opened_at)["time_zone"]
    except UnknownRota:
        return case.opened_at.astimezone(UTC).date()
    return case.opened_at.astimezone(ZoneInfo(str(named))).date()


# -- for pages ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """One thing that happened: a `call` came in, a technician's phone rang, something was done.

    `who` is a telephone number ("" withheld), a technician's key, or the actor; `what` an outcome, a result
    or an act; None: not known yet.
    """

    at: datetime
    kind: Literal["call", "attempt", "log"]
    who: str
    what: str | None
    text: str = ""
    details: dict[str, Any] = field(default_factory=dict)


# A technician pressed his key in a call that he, or the office, had asked for: the customer was dialled.
_CALLED_BACK = (
    select(outgoing.c.technician, outgoing_turns.c.at)
    .join(outgoing_turns, outgoing_turns.c.outgoing_id == outgoing.c.id)
    .where(
        outgoing.c.case_id == bindparam("case"),
        outgoing.c.purpose == "call-back",
        outgoing_turns.c.heard == "taken",
    )
)


def timeline(connection: Connection, case: Case) -> list[Event]:
    """Calls about the case and back to its customer, attempts to reach a technician, and its log, in order of
    time.
    """
    events = [
        Event(call.started, "call", readable(call.caller), call.outcome, details={"sid": call.sid})
        for call in calls_of(connection, case)
    ]
    events += [
        Event(each.at, "attempt", each.technician, each.result, details={"rung": each.rung})
        for each in attempts.attempts_of(connection, case.id)
    ]
    events += [
        Event(entry.at, "log", entry.actor, entry.act, entry.text, entry.details)
        for entry in case_log.of(connection, case.id)
    ]
    events += [
        Event(row.at, "log", f"technician:{row.technician}", "called")
        for row in connection.execute(_CALLED_BACK, {"case": case.id})
    ]
    return sorted(events, key=lambda event: event.at)


def calls_of(connection: Connection, case: Case) -> list[journal.CallRecord]:
    """The calls about the case that are still on record."""
    found = []
    for sid in cases.calls_of(connection, case.id):
        try:
            found.append(journal.call(connection, sid))
        except journal.UnknownCall:  # purged
            continue
    return found

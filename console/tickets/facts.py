"""What is told of an event, gathered when it is sent: a ticket holds nothing of its own, so that whatever is
erased or purged meanwhile is not told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, select

from console.settings import Configuration
from console.tables import console_users
from console.tickets import words
from console.tickets.payload import (
    CaseNow,
    Customer,
    Happened,
    Message,
    Number,
    Technician,
    Ticket,
    Type,
)
from ivr import journal
from ivr.journal import CallRecord
from ivr.tables import messages
from ivr.tickets.tickets import Event
from oncall.cases import cases
from oncall.cases.cases import Case
from oncall.tables import attempts, case_log, technicians
from pins import customers

TYPES: Mapping[str, Type] = {
    "opened": "case.opened",
    "taken": "case.taken",
    "passed": "case.passed",
    "let-go": "case.let-go",
    "connected": "case.connected",
    "reclassified": "case.reclassified",
    "note": "case.note",
    "named": "case.named",
    "overdue": "case.overdue",
    "merged": "case.merged",
    "closed": "case.closed",
    "reopened": "case.reopened",
    "message": "message.left",
}
# A number that somebody can call; a withheld one comes as some word.
_NUMBER = re.compile(r"\+?[0-9]{5,15}|sip:[^\s]{1,100}")


def language_of(configuration: Configuration) -> str:
    """What tickets are written in."""
    return configuration.tickets.language or configuration.service.languages[0]


def gather(connection: Connection, configuration: Configuration, event: Event) -> Ticket | None:
    """The event as it is told now; None if what it is about is gone."""
    case = cases.by_number(connection, event.about) if event.subject.startswith("case:") else None
    message = _message(connection, configuration, event) if event.kind == "message" else None
    if (event.subject.startswith("case:") and case is None) or (event.kind == "message" and message is None):
        return None
    call = _call(connection, case.call_sid if case else event.about)
    customer_id = case.customer_id if case else call.customer_id if call else None
    customer = _customer(connection, customer_id)
    caller = _number_in(call.caller) if call else None
    zone, company = configuration.zone, configuration.service.name
    subject = words.heading(
        language_of(configuration),
        zone,
        company=company,
        about=case.number if case else "",
        first_urgency=case.urgency if case else None,
        customer=customer.name if customer else None,
        caller=caller,
        began=call.started if call else event.occurred_at,
    )
    ticket = Ticket(
        id=event.name,
        type=TYPES[event.kind],
        ticket=event.subject,
        sequence=event.sequence,
        occurred_at=event.occurred_at,
        service=company,
        subject=subject,
        text="",
        number=_number(configuration, call),
        caller=caller,
        call_back_to=_number_in(case.call_back_to) if case else None,
        customer=customer,
        case=_case(connection, configuration, case) if case else None,
        happened=_happened(connection, event),
        message=message,
    )
    return ticket.model_copy(update={"text": words.written(language_of(configuration), zone, ticket)})


def recording_file(connection: Connection, event: Event) -> str | None:
    """The name of the message's file in the folder of messages, if it has been fetched."""
    _, _, recording = event.source.partition(":")
    return journal.message_file(connection, recording) if event.kind == "message" else None


# -- small parts -------------------------------------------------------------------------------


def _case(connection: Connection, configuration: Configuration, case: Case) -> CaseNow:
    return CaseNow(
        number=case.number,
        code=case.code,
        state=(
            "merged"
            if case.merged_into
            else "closed"
            if case.closed_at
            else "taken"
            if case.taken_by
            else "connected"
            if case.connected_at
            else "open"
        ),
        verified=not case.screened,
        urgency=case.level,
        first_urgency=case.urgency,
        opened_at=case.opened_at,
        due_at=case.due_at,
        overdue=case.breached_at is not None,
        taken_by=_technician(connection, case.taken_by),
        taken_at=case.taken_at,
        connected_at=case.connected_at,
        closed_at=case.closed_at,
        outcome=case.outcome or None,
        minutes=case.minutes,
        merged_into=case.merged_into,
        link=_page(configuration, f"/cases/{case.number}"),
    )


def _happened(connection: Connection, event: Event) -> Happened:
    kind, _, about = event.source.partition(":")
    if kind == "attempt":
        who = connection.execute(select(attempts.c.technician).where(attempts.c.id == int(about))).scalar()
        return Happened(technician=_technician(connection, who))
    row = (
        connection.execute(select(case_log).where(case_log.c.id == int(about))).first()
        if kind == "log"
        else None
    )
    if row is None:
        return Happened()
    details: dict[str, Any] = row.details
    reclassified = row.act == "reclassified"
    return Happened(
        by=_actor(connection, row),
        technician=_technician(connection, details.get("technician")),
        via=details.get("via"),
        text=row.text or None,
        urgency_before=details.get("from") if reclassified else None,
        urgency_after=details.get("to") if reclassified else None,
        other_case=details.get("with"),
    )


def _message(connection: Connection, configuration: Configuration, event: Event) -> Message | None:
    _, _, recording = event.source.partition(":")
    row = connection.execute(select(messages).where(messages.c.recording_sid == recording)).first()
    if row is None:
        return None
    return Message(
        recording=recording,
        seconds=row.seconds,
        recorded_at=row.recorded_at,
        link=_page(configuration, f"/calls/{row.call_sid}"),
    )


def _call(connection: Connection, sid: str) -> CallRecord | None:
    try:
        return journal.call(connection, sid)
    except journal.UnknownCall:  # purged
        return None


def _customer(connection: Connection, customer_id: int | None) -> Customer | None:
    code = customers.code_of(connection, customer_id) if customer_id else None
    name = customers.name_of(connection, customer_id) if customer_id else None
    return Customer(code=code, name=name) if code and name else None


def _number_in(text: str | None) -> str | None:
    """A number as it can be dialled; what stands in the place of one that was forgotten is none."""
    return text if text and _NUMBER.fullmatch(text) else None


def _number(configuration: Configuration, call: CallRecord | None) -> Number | None:
    if call is None:
        return None
    named = {each.number: each.name for each in configuration.number}
    return Number(number=call.number, name=named.get(call.number, call.number))


def _technician(connection: Connection, key: str | None) -> Technician | None:
    if not key:
        return None
    name = connection.execute(select(technicians.c.name).where(technicians.c.key == key)).scalar()
    return Technician(key=key, name=name or key)


def _actor(connection: Connection, row: Row[Any]) -> str | None:
    """Who acted, by name; None for what no person did."""
    kind, _, rest = row.actor.partition(":")
    match kind:
        case "technician":
            who = _technician(connection, rest.partition(" via ")[0])
            return who.name if who else None
        case "user":
            full = select(console_users.c.full_name).where(console_users.c.name == rest)
            return str(connection.execute(full).scalar() or rest)
        case "cli":
            return str(rest)
        case _:
            return None


def _page(configuration: Configuration, path: str) -> str | None:
    address = configuration.console.address
    return f"{address}{path}" if address else None

"""Cases: found and read; taken and closed for a technician, notes written. What people may, a program may.

The acts are those of the console's page of a case, `console.case_acts`, with its rule that nobody takes a
case from a colleague unawares.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from console import case_acts
from console.access.scopes import Scope
from console.api import cursor
from console.api.asked import Asked
from console.api.operation import Area
from console.api.shapes.cases import (
    AttemptShown,
    CallOfCase,
    CasePage,
    CasePages,
    CaseShown,
    CaseTold,
    Closing,
    EntryShown,
    NewNote,
    Number,
    Taking,
)
from console.case_acts import Doer
from ivr import casework
from oncall.cases import case_list, cases
from oncall.cases.case_list import Place, Wanted
from oncall.cases.cases import Case, UnknownCase
from oncall.reaching import attempts
from oncall.reaching.attempts import Attempt
from pins import customers

area = Area("cases", "Accepted emergencies. A program acts for the technician whom it names, as itself.")


@area.get("/cases", Scope.CASES_READ)
def list_cases(asked: Asked, connection: Connection, query: CasePages) -> CasePage:
    """Cases, the latest first; open ones in the order in which somebody has to see to them."""
    found = cursor.read(f"cases-{query.state}", query.cursor, int, datetime, int)
    owners = None if query.customer is None else [customers.customer(connection, query.customer).id]
    wanted = Wanted(query.state, query.code or "", owners)
    page = case_list.page(
        connection,
        wanted,
        Place(*found) if found else None,  # type: ignore[arg-type]
        size=query.limit,
    )
    last = page.after
    return CasePage(
        cases=[CaseShown(**fields) for fields in _fields(asked, connection, page.cases)],
        next=cursor.write(f"cases-{query.state}", last.group, last.at.isoformat(), last.case_id)
        if last
        else None,
    )


@area.get("/cases/{number}", Scope.CASES_READ)
def read_case(asked: Asked, connection: Connection, number: Number) -> CaseTold:
    """One case, with its calls, every attempt to reach a technician, and what was done."""
    return _told(asked, connection, number)


@area.post("/cases/{number}/take", Scope.CASES_WRITE)
def take_case(asked: Asked, connection: Connection, number: Number, body: Taking) -> CaseTold:
    """A technician takes the case: the clock stops, nobody is rung for it any more."""
    return _done(asked, connection, number, "take", technician=body.technician, has=body.has)


@area.post("/cases/{number}/close", Scope.CASES_WRITE)
def close_case(asked: Asked, connection: Connection, number: Number, body: Closing) -> CaseTold:
    """Close the case, with how it ended and the minutes worked."""
    minutes = str(body.minutes)
    return _done(asked, connection, number, "close", outcome=body.outcome, minutes=minutes, has=body.has)


@area.post("/cases/{number}/notes", Scope.CASES_WRITE, 201)
def add_note(asked: Asked, connection: Connection, number: Number, body: NewNote) -> CaseTold:
    """Write something down about an open case."""
    return _done(asked, connection, number, "note", text=body.text)


def _done(asked: Asked, connection: Connection, number: str, act: str, **form: str | None) -> CaseTold:
    cases.lock(connection)
    given = {name: value for name, value in form.items() if value is not None}
    doer = Doer(asked.actor, None, "hand")
    case_acts.do(connection, asked.at, asked.house, doer, act, _case(connection, number), given)
    return _told(asked, connection, number)


def _case(connection: Connection, number: str) -> Case:
    found = cases.by_number(connection, number)
    if found is None:
        raise UnknownCase(number)
    return found


def _told(asked: Asked, connection: Connection, number: str) -> CaseTold:
    case = _case(connection, number)
    (fields,) = _fields(asked, connection, [case])
    return CaseTold(
        **fields,
        calls=[
            CallOfCase(at=asked.moment(call.started), sid=call.sid, caller=call.caller, outcome=call.outcome)
            for call in casework.calls_of(connection, case)
        ],
        log=[
            EntryShown(at=asked.moment(entry.at), actor=entry.actor, act=entry.act, text=entry.text)
            for entry in casework.log_of(connection, case.id)
        ],
    )


def _fields(asked: Asked, connection: Connection, found: list[Case]) -> list[dict[str, object]]:
    """Two statements, however many cases."""
    codes = customers.names(connection, [each.customer_id for each in found if each.customer_id])
    tried = attempts.attempts_of_cases(connection, [each.id for each in found])
    return [_of_case(asked, each, codes, tried.get(each.id, [])) for each in found]


def _of_case(
    asked: Asked, each: Case, codes: dict[int, tuple[str, str]], tried: list[Attempt]
) -> dict[str, object]:
    moment = asked.moment
    return {
        "number": each.number,
        "code": each.code,
        "customer": codes[each.customer_id][0] if each.customer_id in codes else None,
        "verified": not each.screened,
        "rota": each.rota,
        "urgency": each.urgency,
        "opened": moment(each.opened_at),
        "due": moment(each.due_at),
        "taken_by": each.taken_by,
        "taken_at": moment(each.taken_at),
        "taken_via": each.taken_via,
        "connected_at": moment(each.connected_at),
        "breached_at": moment(each.breached_at),
        "closed_at": moment(each.closed_at),
        "closed_by": each.closed_by,
        "final_urgency": each.final_urgency,
        "merged_into": each.merged_into,
        "outcome": each.outcome,
        "minutes": each.minutes,
        "billable": each.billable,
        "attempts": [
            AttemptShown(at=moment(one.at), technician=one.technician, result=one.result) for one in tried
        ],
    }

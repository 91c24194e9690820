"""Calls: looked through and read, never changed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy import Connection

from console.access.scopes import Scope
from console.api import cursor
from console.api.asked import Asked
from console.api.operation import Area
from console.api.shapes.calls import CallPage, CallPages, CallShown, CallTold, MessageShown, TurnShown
from ivr import journal
from ivr.journal import UnknownCall
from ivr.records import call_search
from ivr.records.call_search import Found, Place, Wanted

area = Area("calls", "Calls, as the journal tells them. A PIN is never among what was heard.")

Sid = Annotated[str, Field(pattern=r"^CA[0-9a-f]{32}$", description="As Twilio calls the call.")]


@area.get("/calls", Scope.CALLS_READ)
def list_calls(asked: Asked, connection: Connection, query: CallPages) -> CallPage:
    """Calls, the newest first."""
    found = cursor.read("calls", query.cursor, datetime, str)
    last = Place(*found) if found else None  # type: ignore[arg-type]
    wanted = Wanted(start=query.start, end=query.end)
    page = call_search.page(connection, asked.at, wanted, older_than=last, limit=query.limit)
    ended = page.calls[-1].place if page.calls and page.older else None
    return CallPage(
        calls=[CallShown(**_fields(asked, each)) for each in page.calls],
        next=cursor.write("calls", ended.at.isoformat(), ended.sid) if ended else None,
    )


@area.get("/calls/{sid}", Scope.CALLS_READ)
def read_call(asked: Asked, connection: Connection, sid: Sid) -> CallTold:
    """One call, turn by turn: what was heard and said."""
    page = call_search.page(connection, asked.at, Wanted(text=sid), limit=1)
    if not page.calls:
        raise UnknownCall(sid)
    return CallTold(
        **_fields(asked, page.calls[0]),
        turns=[
            TurnShown(at=asked.moment(turn.at), step=turn.step, heard=turn.heard, said=turn.said)
            for turn in journal.turns_of(connection, sid)
        ],
        messages=[
            MessageShown(recording=each.recording, seconds=each.seconds)
            for each in journal.messages_of(connection, sid)
        ],
    )


def _fields(asked: Asked, each: Found) -> dict[str, object]:
    names = {number.number: number.name for number in asked.configuration.number}
    return {
        "sid": each.sid,
        "caller": each.caller,
        "to": each.number,
        "number": names.get(each.number, each.number),
        "started": asked.moment(each.started),
        "ended": asked.moment(each.ended),
        "outcome": each.outcome,
        "customer": each.customer,
        "urgency": each.urgency,
        "case": each.case,
    }

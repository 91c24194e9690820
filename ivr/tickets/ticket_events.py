"""Finds what happened in cases and messages and stands in no ticket yet. Read only, and cheap: it is asked
every few seconds.

Cases, attempts and messages are looked for by their time, a week back, for those that were noted without the
database come home days later. Entries of a case's log are looked for by their ids, from a mark that stays
ten minutes behind, for of two transactions the one with the lower id may end later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, cast, exists, func, literal, or_, select

from ivr.tables import messages, ticket_events
from ivr.tickets.tickets import Found, of_case
from oncall.cases.cases import of_call
from oncall.tables import attempts, case_log, cases
from storage import notebook

# Where the mark stands in the notebook.
NOTE = "tickets"
# How often the mark moves on, and so how far it stays behind at least.
MOVES_EVERY = timedelta(minutes=10)
# So late may come home what was noted without the database.
COMES_HOME = timedelta(days=7)
# What happened so shortly before tickets were switched on is told too: it may not have been committed.
JUST_BEFORE = timedelta(minutes=1)
# A recording that has not been fetched by then is told without it.
FETCHED_WITHIN = timedelta(minutes=3)
# What of a case's log is told, and as what.
ACTS = {
    "taken": "taken",
    "passed": "passed",
    "resumed": "let-go",
    "reclassified": "reclassified",
    "note": "note",
    "named": "named",
    "breached": "overdue",
    "merged": "merged",
    "closed": "closed",
    "reopened": "reopened",
}


@dataclass(frozen=True)
class Mark:
    """From where it is looked: since tickets were switched on, as of the last move, from which entry of the
    log on; `newest` is from which it will be after the next move.
    """

    began: datetime
    moved: datetime
    log: int
    newest: int


def mark(connection: Connection) -> Mark | None:
    """None: tickets have not been switched on."""
    note = notebook.read(connection, NOTE)
    if note is None:
        return None
    content = note.content
    return Mark(datetime.fromisoformat(content["began"]), note.at, content["log"], content["newest"])


def begin(connection: Connection, at: datetime) -> None:
    """Tickets are switched on: what comes from now on is told."""
    newest = _newest(connection)
    _put(connection, at, Mark(at - JUST_BEFORE, at, newest, newest))


def end(connection: Connection) -> None:
    """They are switched off. What comes until they are on again is never told."""
    notebook.remove(connection, NOTE)


def move(connection: Connection, at: datetime, old: Mark) -> None:
    """Move the mark on. All that `found` finds must have been written before, in this transaction."""
    _put(connection, at, Mark(old.began, at, old.newest, _newest(connection)))


def found(connection: Connection, at: datetime, since: Mark, *, notes: bool = True) -> list[Found]:
    """What stands in no ticket yet, in no order. `notes`: also what people wrote down."""
    first = max(since.began, since.moved - COMES_HOME)
    acts = [act for act in ACTS if notes or act != "note"]
    new = [
        Found(of_case(row.number), "opened", of_case(row.number), row.opened_at)
        for row in connection.execute(
            select(cases.c.number, cases.c.opened_at).where(
                cases.c.opened_at >= first, _unknown(literal("case:") + cases.c.number)
            )
        )
    ]
    new += [
        Found(of_case(row.number), ACTS[row.act], f"log:{row.id}", row.at)
        for row in connection.execute(
            select(case_log.c.id, case_log.c.act, case_log.c.at, cases.c.number)
            .join(cases, cases.c.id == case_log.c.case_id)
            .where(
                case_log.c.id > since.log,
                case_log.c.act.in_(acts),
                _unknown(literal("log:") + cast(case_log.c.id, String)),
            )
            .order_by(case_log.c.id)
        )
    ]
    new += [
        Found(of_case(row.number), "connected", f"attempt:{row.id}", row.at)
        for row in connection.execute(
            select(
                attempts.c.id,
                func.coalesce(attempts.c.pressed_at, attempts.c.result_at).label("at"),
                cases.c.number,
            )
            .join(cases, cases.c.id == attempts.c.case_id)
            .where(
                attempts.c.result == "connected",
                attempts.c.asked_at >= first,
                _unknown(literal("attempt:") + cast(attempts.c.id, String)),
            )
        )
    ]
    # Somebody talked to the customer in a call that was no attempt to reach him.
    talked = exists().where(attempts.c.case_id == cases.c.id, attempts.c.result == "connected")
    new += [
        Found(of_case(row.number), "connected", f"talk:{row.number}", row.connected_at)
        for row in connection.execute(
            select(cases.c.number, cases.c.connected_at).where(
                cases.c.opened_at >= first,
                cases.c.connected_at.is_not(None),
                ~talked,
                _unknown(literal("talk:") + cases.c.number),
            )
        )
    ]
    for row in connection.execute(
        select(messages.c.recording_sid, messages.c.call_sid, messages.c.recorded_at).where(
            messages.c.recorded_at >= first,
            messages.c.kind == "message",
            or_(messages.c.file.is_not(None), messages.c.recorded_at <= at - FETCHED_WITHIN),
            _unknown(literal("message:") + messages.c.recording_sid),
        )
    ).all():
        case = of_call(connection, row.call_sid)
        subject = of_case(case.number) if case else f"call:{row.call_sid}"
        new.append(Found(subject, "message", f"message:{row.recording_sid}", row.recorded_at))
    return new


def _unknown(source: ColumnElement[Any]) -> ColumnElement[bool]:
    return ~exists().where(ticket_events.c.source == source)


def _newest(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(case_log.c.id), 0))).scalar_one())


def _put(connection: Connection, at: datetime, new: Mark) -> None:
    content = {"began": new.began.isoformat(), "log": new.log, "newest": new.newest}
    notebook.write(connection, at, NOTE, content)

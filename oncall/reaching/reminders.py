"""Reminders of a case that nobody has, at 50, 80 and 100 % of the time to take it in charge.

Each goes further than the one before: to the first rung, to the whole ladder, to the ladder and the
managers; the last says that the time has passed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, update

from oncall.cases import case_log
from oncall.tables import cases
from storage import due

REMIND = "case.remind"
Percent = Literal[50, 80, 100]
MARKS: tuple[Percent, ...] = (50, 80, 100)


def instant_of(percent: Percent, opened_at: datetime, due_at: datetime) -> datetime:
    """When so much of the time to take in charge has passed."""
    return opened_at + (due_at - opened_at) * percent / 100


def reached(at: datetime, opened_at: datetime, due_at: datetime) -> Percent | None:
    """The last mark that has been reached; None before the first."""
    passed = [mark for mark in MARKS if instant_of(mark, opened_at, due_at) <= at]
    return passed[-1] if passed else None


def following(at: datetime, opened_at: datetime, due_at: datetime) -> datetime | None:
    """When the next mark is reached; None after the last."""
    ahead = (instant_of(mark, opened_at, due_at) for mark in MARKS)
    return next((instant for instant in ahead if instant > at), None)


def plan(connection: Connection, at: datetime, number: str, opened_at: datetime, due_at: datetime) -> None:
    """See to it that the case is reminded of from its next mark on; its deadline may have moved."""
    again = following(at, opened_at, due_at) or at
    if not due.move(connection, REMIND, number, again):
        due.add(connection, at, REMIND, number, again, {"case": number})


def breach(connection: Connection, at: datetime, case_id: int) -> bool:
    """Record, once, that the time passed before anybody took the case in charge."""
    first = update(cases).where(cases.c.id == case_id, cases.c.breached_at.is_(None)).values(breached_at=at)
    if connection.execute(first).rowcount == 0:
        return False
    case_log.write(connection, at, case_id, "worker", "breached")
    return True

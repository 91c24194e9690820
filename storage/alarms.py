"""Alarms for the admins: what must not wait until somebody looks.

An alarm is a row of due work, written in the transaction of its cause; the worker sends it by every
channel there is. The same alarm is raised once in a while, however often its cause comes back: an
attack of ten thousand guesses is one alarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from storage import due
from storage.tables import due_work

ALARM = "alarm"
QUIET = timedelta(hours=24)


def raise_alarm(
    connection: Connection,
    at: datetime,
    what: str,
    about: str = "",
    details: Mapping[str, Any] | None = None,
    *,
    quiet: timedelta = QUIET,
) -> bool:
    """Have the admins told of `what` ("pin-budget"), about `about` ("pin:17"), unless they were told
    of the same within `quiet`. False if they were. `details` are put into the text; never a PIN.
    """
    key = f"{what}:{about}"
    told = select(due_work.c.id).where(
        due_work.c.kind == ALARM, due_work.c.key == key, due_work.c.created_at > at - quiet
    )
    if connection.execute(told.limit(1)).first():
        return False
    due.add(connection, at, ALARM, key, at, {"what": what, "about": about, **(details or {})})
    return True


@dataclass(frozen=True)
class Alarm:
    """An alarm as it was raised: `what`, about whatever, with what is put into its text."""

    at: datetime
    raised: Mapping[str, Any]


def raised_since(connection: Connection, since: datetime, *, most: int = 20) -> list[Alarm]:
    """The alarms raised since then, the newest first."""
    rows = connection.execute(
        select(due_work.c.created_at, due_work.c.payload)
        .where(due_work.c.kind == ALARM, due_work.c.created_at >= since)
        .order_by(due_work.c.created_at.desc(), due_work.c.id.desc())
        .limit(most)
    )
    return [Alarm(row.created_at, row.payload) for row in rows]

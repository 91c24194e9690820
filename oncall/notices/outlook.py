"""What lately went wrong in reaching people: notices that nothing could bring, turns nobody has confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from oncall.tables import notices, shift_checks


@dataclass(frozen=True)
class Unbrought:
    """A notice that was given up: who was to be told what, about what; see `oncall.notices.Notice`."""

    kind: str
    recipient: str
    about: str
    at: datetime


@dataclass(frozen=True)
class Unconfirmed:
    """`technician` was asked whether he can be reached in his turn on `rung`. `cannot`: he said no."""

    technician: str
    rota: str
    rung: int
    shift_at: datetime
    cannot: bool


def unbrought(connection: Connection, since: datetime, *, most: int = 20) -> list[Unbrought]:
    """Notices given up since then, the newest first."""
    failed = select(notices).where(notices.c.outcome == "failed", notices.c.settled_at >= since)
    rows = connection.execute(failed.order_by(notices.c.settled_at.desc()).limit(most))
    return [Unbrought(row.kind, row.recipient, row.about, row.settled_at) for row in rows]


def unconfirmed(connection: Connection, since: datetime, asked_by: datetime) -> list[Unconfirmed]:
    """Turns that began after `since`, or will, whose people were asked by `asked_by` and have not said
    that they can be reached.
    """
    silent = select(shift_checks).where(
        shift_checks.c.shift_at > since,
        shift_checks.c.asked_at <= asked_by,
        shift_checks.c.confirmed_at.is_(None),
    )
    rows = connection.execute(silent.order_by(shift_checks.c.shift_at, shift_checks.c.id))
    return [
        Unconfirmed(row.technician, row.rota, row.rung, row.shift_at, row.given_up_at is not None)
        for row in rows
    ]

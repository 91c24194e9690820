"""What a call told us of somebody: that he heard a notice, that he can be reached in his turn."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, select, update

from oncall.tables import notice_sends, shift_checks
from storage import due

# The work that brings a notice, by the notice's id; and that sees to a shift check, by its id.
NOTICE = "notice.send"
CHECK = "shift.check"


def heard(connection: Connection, at: datetime, send_id: int) -> None:
    """He heard a notice read to him, and pressed his key."""
    _settle(connection, at, send_id, "delivered", None)


def unheard(connection: Connection, at: datetime, send_id: int, why: str) -> None:
    """The call that was to read it to him ended; it counts only if he pressed nothing before."""
    _settle(connection, at, send_id, "failed", why)


def _settle(connection: Connection, at: datetime, send_id: int, state: str, why: str | None) -> None:
    open_ = update(notice_sends).where(
        notice_sends.c.id == send_id, notice_sends.c.state.in_(("trying", "sent"))
    )
    if connection.execute(open_.values(state=state, why=why, settled_at=at)).rowcount:
        of = select(notice_sends.c.notice_id).where(notice_sends.c.id == send_id)
        due.move(connection, NOTICE, str(connection.execute(of).scalar_one()), at)


def can(connection: Connection, at: datetime, check_id: int) -> None:
    """He can be reached in his coming turn; also if he said no before, or said nothing for too long."""
    _answered(connection, at, check_id, shift_checks.c.confirmed_at.is_(None), confirmed_at=at)


def cannot(connection: Connection, at: datetime, check_id: int) -> None:
    """He cannot: the next rung is told at once."""
    unanswered = and_(shift_checks.c.confirmed_at.is_(None), shift_checks.c.given_up_at.is_(None))
    _answered(connection, at, check_id, unanswered, given_up_at=at)


def _answered(
    connection: Connection, at: datetime, check_id: int, still: ColumnElement[bool], **when: datetime
) -> None:
    connection.execute(update(shift_checks).where(shift_checks.c.id == check_id, still).values(**when))
    due.move(connection, CHECK, str(check_id), at)

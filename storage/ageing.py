"""What becomes of ended work and of the audit's details as they grow old."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select

from storage import audit as log
from storage import due
from storage.tables import audit, audit_details, due_work


def work_before(connection: Connection, before: datetime) -> list[int]:
    """Work that was written earlier and is done, or no longer wanted; pending work never is."""
    query = select(due_work.c.id).where(due_work.c.state != due.PENDING, due_work.c.created_at < before)
    return list(connection.execute(query.order_by(due_work.c.id)).scalars())


def forget_work(connection: Connection, ids: Sequence[int]) -> int:
    over = due_work.c.state != due.PENDING
    return connection.execute(delete(due_work).where(due_work.c.id.in_(ids), over)).rowcount


def details_with(
    connection: Connection, subjects: Collection[str], holds: Callable[[str], bool]
) -> list[int]:
    """Acts on these subjects whose details hold what is looked for."""
    query = (
        select(audit.c.id, audit_details.c.details)
        .join(audit_details, audit_details.c.audit_id == audit.c.id)
        .where(audit.c.subject.in_(subjects), audit_details.c.details.is_not(None))
    )
    return [row.id for row in connection.execute(query) if holds(row.details)]


def forget_details(connection: Connection, actor: str, at: datetime, act: str, ids: Sequence[int]) -> int:
    """Empty them, by an act of its own; the chain still holds."""
    if not ids:
        return 0
    return log.erase_details(connection, ids, log.record(connection, actor, at, act, "audit"))

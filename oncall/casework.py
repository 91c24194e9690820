"""What people do to a case by hand. Each verb takes a Connection, the actor and `at`, and never commits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, literal, update

from oncall.cases import PURSUE, Case, CaseClosed, CaseRefusal
from oncall.tables import cases
from storage import audit, due
from storage.types import Instant


def take(connection: Connection, actor: str, at: datetime, case: Case, technician: str) -> None:
    """A technician takes the case by hand: the SLA clock stops, pursuit is cancelled.

    Raises CaseClosed. Taking it again, or from a colleague, is allowed and recorded.
    """
    _change(
        connection, case, taken_at=func.coalesce(cases.c.taken_at, literal(at, Instant)), taken_by=technician
    )
    due.cancel(connection, at, PURSUE, case.number, by=f"taken by {technician}")
    audit.record(
        connection, actor, at, "case.take", f"case:{case.number}", details={"technician": technician}
    )


def close(
    connection: Connection,
    actor: str,
    at: datetime,
    case: Case,
    *,
    outcome: str = "",
    minutes: int | None = None,
) -> None:
    """Close the case; `minutes` were worked. Raises CaseClosed, or CaseRefusal for bad minutes."""
    if minutes is not None and not 0 <= minutes <= 100_000:
        raise CaseRefusal("minutes worked are counted from 0 up")
    _change(
        connection,
        case,
        closed_at=at,
        closed_by=actor,
        outcome=outcome,
        minutes=minutes,
        final_urgency=case.final_urgency or case.urgency,
    )
    due.cancel(connection, at, PURSUE, case.number, by=f"closed by {actor}")
    audit.record(
        connection,
        actor,
        at,
        "case.close",
        f"case:{case.number}",
        reason=outcome,
        details={"minutes": minutes},
    )


def _change(connection: Connection, case: Case, **values: Any) -> None:
    """Change an open case. Raises CaseClosed, also when somebody closed it since `case` was read."""
    still_open = update(cases).where(cases.c.id == case.id, cases.c.closed_at.is_(None))
    if connection.execute(still_open.values(**values)).rowcount != 1:
        raise CaseClosed(case.number)

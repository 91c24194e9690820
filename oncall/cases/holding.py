"""Who has a case: who took it, else who was last connected to its caller and has not passed it on since;
and when somebody is next sought for those that nobody has.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from oncall.cases.cases import PURSUE, Case
from oncall.tables import attempts, case_log
from storage.due import PENDING
from storage.tables import due_work

_SPOKE = (
    select(attempts.c.case_id, attempts.c.technician, attempts.c.asked_at)
    .where(attempts.c.case_id.in_(bindparam("some", expanding=True)), attempts.c.result == "connected")
    .order_by(attempts.c.id)
)
_PASSED = select(case_log.c.case_id, case_log.c.at, case_log.c.details).where(
    case_log.c.case_id.in_(bindparam("some", expanding=True)), case_log.c.act == "passed"
)


def holders(connection: Connection, cases: Iterable[Case]) -> dict[int, str]:
    """The key of the technician who has each case, by the case's id; cases that nobody has are left out.

    Two queries at most, however many cases.
    """
    found: dict[int, str] = {}
    untaken: list[int] = []
    for case in cases:
        if case.taken_by is not None:
            found[case.id] = case.taken_by
        elif case.connected_at is not None:
            untaken.append(case.id)
    if not untaken:
        return found
    last = {row.case_id: row for row in connection.execute(_SPOKE, {"some": untaken})}
    passed = connection.execute(_PASSED, {"some": list(last)}).all() if last else []
    gave_up = {
        row.case_id
        for row in passed
        if row.details.get("technician") == last[row.case_id].technician
        and row.at > last[row.case_id].asked_at
    }
    return found | {case_id: row.technician for case_id, row in last.items() if case_id not in gave_up}


def sought(connection: Connection, cases: Iterable[Case]) -> dict[str, datetime]:
    """When the pursuit of each case next decides what to do, by its number; none for those not pursued."""
    numbers = [case.number for case in cases if case.closed_at is None]
    if not numbers:
        return {}
    rows = connection.execute(
        select(due_work.c.key, due_work.c.due_at).where(
            due_work.c.kind == PURSUE, due_work.c.key.in_(numbers), due_work.c.state == PENDING
        )
    )
    return {row.key: row.due_at for row in rows}

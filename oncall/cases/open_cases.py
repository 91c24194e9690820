"""The cases that are open, with who has each and how its pursuit stands: the most urgent first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, case, func, select

from oncall.cases import cases as casebook
from oncall.cases import holding
from oncall.cases.cases import PURSUE, Case
from oncall.tables import attempts
from oncall.tables import cases as case_rows
from storage import due
from storage.tables import due_work

# A pass that should have begun so long ago will not begin by itself.
OVERDUE = timedelta(minutes=2)


@dataclass(frozen=True)
class OpenCase:
    """`holder` is who has it, by his key. `next_pass` is when somebody is phoned for it next, None if it is
    not pursued; `ringing` are those who are rung for it now, or talk, by the pursuit or during a call.
    """

    case: Case
    holder: str | None
    next_pass: datetime | None
    ringing: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        """Whether its clock runs: nobody has taken it in charge."""
        return self.case.connected_at is None and self.case.taken_at is None and self.case.due_at is not None

    def overdue(self, at: datetime) -> bool:
        """Whether somebody should have been phoned a while ago: then no worker works."""
        return self.next_pass is not None and not self.ringing and self.next_pass < at - OVERDUE

    def left(self, at: datetime) -> float | None:
        """Seconds until it should be taken in charge, negative if it is late; None: no clock runs."""
        if not self.running or self.case.due_at is None:
            return None
        return (self.case.due_at - at).total_seconds()


@dataclass(frozen=True)
class Open:
    """The first of them, and how many there are in all."""

    first: tuple[OpenCase, ...]
    many: int


def of(connection: Connection, *, most: int = 50) -> Open:
    """Those whose clock runs come first, by their deadline; then the newest. Five statements."""
    still = case_rows.c.closed_at.is_(None)
    nobody = case_rows.c.connected_at.is_(None) & case_rows.c.taken_at.is_(None)
    clock = nobody & case_rows.c.due_at.is_not(None)
    order = (case((clock, case_rows.c.due_at)).is_(None), case((clock, case_rows.c.due_at)))
    query = select(case_rows.c.id).where(still).order_by(*order, case_rows.c.id.desc()).limit(most)
    ids = list(connection.execute(query).scalars())
    many = len(ids)
    if many == most:
        many = connection.execute(select(func.count()).select_from(case_rows).where(still)).scalar_one()
    known = {each.id: each for each in casebook.some(connection, ids)}
    found = [known[each] for each in ids]
    holders = holding.holders(connection, found)
    passes, ringing = _pursuits(connection, found), _ringing(connection, ids)
    return Open(
        tuple(
            OpenCase(each, holders.get(each.id), passes.get(each.number), tuple(ringing.get(each.id, ())))
            for each in found
        ),
        many,
    )


def _pursuits(connection: Connection, found: Sequence[Case]) -> dict[str, datetime]:
    work = select(due_work.c.key, due_work.c.due_at).where(
        due_work.c.kind == PURSUE,
        due_work.c.key.in_([each.number for each in found]),
        due_work.c.state == due.PENDING,
    )
    return {row.key: row.due_at for row in connection.execute(work)}


def _ringing(connection: Connection, ids: Sequence[int]) -> dict[int, list[str]]:
    unsettled = select(attempts.c.case_id, attempts.c.technician).where(
        attempts.c.result.is_(None), attempts.c.case_id.in_(ids)
    )
    found: dict[int, list[str]] = {}
    for row in connection.execute(unsettled.order_by(attempts.c.id)):
        found.setdefault(row.case_id, []).append(row.technician)
    return found

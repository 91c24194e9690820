"""Which cases are a technician's to see: those he has, those that nobody has and that he may take, and those
that ended in his hands within the last day. No others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, or_, select

from oncall.cases import case_list, case_log
from oncall.cases.case_list import Wanted
from oncall.cases.cases import Case, some
from oncall.cases.closing import REOPENS_WITHIN
from oncall.cases.holding import holders
from oncall.rota import roster
from oncall.tables import attempts, cases

# More than that are open only where nobody works.
MOST = 50


@dataclass(frozen=True)
class HisCases:
    """`his` he has; `free` nobody has, the most urgent first; `ended` were closed, the latest first."""

    his: list[Case]
    free: list[Case]
    ended: list[Case]


def his_cases(connection: Connection, at: datetime, technician: str) -> HisCases:
    """His cases at `at`. A few queries, however many cases there are."""
    on = on_rung_now(connection, at, technician)
    rang = exists().where(attempts.c.case_id == cases.c.id, attempts.c.technician == technician)
    free = (
        select(cases.c.id)
        .where(
            cases.c.closed_at.is_(None),
            cases.c.taken_by.is_(None),
            or_(cases.c.rota.in_(on), rang),
        )
        .order_by(cases.c.due_at.is_(None), cases.c.due_at, cases.c.id)
        .limit(MOST)
    )
    ended = (
        select(cases.c.id)
        .where(cases.c.closed_at > at - REOPENS_WITHIN, cases.c.merged_into.is_(None))
        .order_by(cases.c.closed_at.desc())
        .limit(200)
    )
    order = list(connection.execute(free).scalars())
    recent = list(connection.execute(ended).scalars())
    known = {case.id: case for case in some(connection, {*order, *recent})}
    has = holders(connection, known.values())
    return HisCases(
        case_list.page(connection, Wanted("open", who=technician)).cases,
        [known[case_id] for case_id in order if case_id not in has],
        [known[case_id] for case_id in recent if _ended_with(known[case_id], has.get(case_id), technician)],
    )


def may_see(connection: Connection, at: datetime, technician: str, case: Case) -> bool:
    """Whether the case is his to see."""
    holder = holders(connection, [case]).get(case.id)
    if case.closed_at is not None:
        recently = case.merged_into is None and at - case.closed_at < REOPENS_WITHIN
        return recently and _ended_with(case, holder, technician)
    if holder is not None:
        return holder == technician
    return case.rota in on_rung_now(connection, at, technician) or _rang(connection, technician, case)


def knew(connection: Connection, at: datetime, technician: str, case: Case) -> bool:
    """Whether he could see the case while it was open and he, or nobody, had it: it may be told him that it
    is no longer his to see.
    """
    if case.rota in on_rung_now(connection, at, technician) or _rang(connection, technician, case):
        return True
    entries = case_log.of(connection, case.id)
    return any(each.act == "taken" and each.details.get("technician") == technician for each in entries)


def on_rung_now(connection: Connection, at: datetime, technician: str) -> list[str]:
    """The rotas of which he is on the ladder."""
    return [
        key
        for key in roster.rota_keys(connection)
        if any(duty.technician == technician for duty in roster.book(connection, key, at).ladder(at))
    ]


def _rang(connection: Connection, technician: str, case: Case) -> bool:
    rang = attempts.c.case_id == case.id, attempts.c.technician == technician
    return connection.execute(select(attempts.c.id).where(*rang).limit(1)).first() is not None


def _ended_with(case: Case, holder: str | None, technician: str) -> bool:
    closed_himself = (case.closed_by or "").partition(" via ")[0] == f"technician:{technician}"
    return holder == technician or closed_himself

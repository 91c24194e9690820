"""Cases and attempts as the rows that reports are computed from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import Connection, case, func, or_, select

from oncall.reports import AttemptRow, CaseRow, Period, Work
from oncall.tables import attempts, case_log, cases


def cases_of(connection: Connection, period: Period, codes: Mapping[int, str]) -> list[CaseRow]:
    """Every case that was open at some instant of the period, by its number. `codes`: customers by id."""
    in_period = (
        cases.c.opened_at < period.end,
        or_(cases.c.closed_at.is_(None), cases.c.closed_at >= period.start),
    )
    closings = {
        row.case_id: row.details
        for row in connection.execute(
            select(case_log.c.case_id, case_log.c.details)
            .join(cases, cases.c.id == case_log.c.case_id)
            .where(*in_period, case_log.c.act == "closed")
            .order_by(case_log.c.id)
        )
    }
    spoke = {
        row.case_id: row.technician
        for row in connection.execute(
            select(attempts.c.case_id, attempts.c.technician)
            .join(cases, cases.c.id == attempts.c.case_id)
            .where(*in_period, attempts.c.result == "connected")
            .order_by(attempts.c.id)
        )
    }
    found = []
    for row in connection.execute(select(cases).where(*in_period).order_by(cases.c.id)):
        told = closings.get(row.id, {}) if row.closed_at is not None else {}
        found.append(
            CaseRow(
                number=row.number,
                rota=row.rota,
                customer=codes.get(row.customer_id or 0),
                urgency=row.urgency,
                final_urgency=row.final_urgency,
                opened_at=row.opened_at,
                due_at=row.due_at,
                connected_at=row.connected_at,
                taken_at=row.taken_at,
                closed_at=row.closed_at,
                merged=row.merged_into is not None,
                billable=row.billable,
                minutes=row.minutes,
                prepaid=int(told.get("prepaid", 0)),
                billed=int(told.get("billed", 0)),
                holder=row.taken_by or spoke.get(row.id),
            )
        )
    return found


def attempts_of(connection: Connection, period: Period) -> list[AttemptRow]:
    """Every attempt to reach a technician that began in the period."""
    rows = connection.execute(
        select(attempts, cases.c.rota, cases.c.number)
        .join(cases, cases.c.id == attempts.c.case_id)
        .where(attempts.c.asked_at >= period.start, attempts.c.asked_at < period.end)
        .order_by(attempts.c.id)
    )
    return [
        AttemptRow(
            case=row.number,
            rota=row.rota,
            rung=row.rung,
            technician=row.technician,
            asked_at=row.asked_at,
            accepted=row.pressed == "accepted",
            pressed_at=row.pressed_at,
            result=row.result,
            result_at=row.result_at,
            # In the pursuit `call_sid` only says which call opened the case.
            call=row.call_sid if row.pass_id is None else None,
        )
        for row in rows
    ]


def works_of(connection: Connection, period: Period) -> list[tuple[str, Work]]:
    """When technicians were woken or worked on cases, by rota: calls they accepted in the period, and minutes
    noted on cases that were closed in it or later. A case's minutes are taken to begin when it was accepted.
    """
    rang = connection.execute(
        select(
            cases.c.rota,
            attempts.c.technician,
            attempts.c.asked_at,
            attempts.c.pressed_at,
            attempts.c.result_at,
        )
        .join(cases, cases.c.id == attempts.c.case_id)
        .where(attempts.c.asked_at >= period.start, attempts.c.asked_at < period.end)
        .where(attempts.c.pressed == "accepted", attempts.c.pressed_at.is_not(None))
    )
    found = [
        (row.rota, Work(row.technician, row.asked_at, max(row.pressed_at, row.result_at or row.pressed_at)))
        for row in rang
    ]
    spoke = (
        select(attempts.c.technician)
        .where(attempts.c.case_id == cases.c.id, attempts.c.result == "connected")
        .order_by(attempts.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    holder = func.coalesce(cases.c.taken_by, spoke).label("holder")
    noted = connection.execute(
        select(
            cases.c.rota,
            holder,
            cases.c.minutes,
            cases.c.connected_at,
            cases.c.taken_at,
            cases.c.closed_at,
        ).where(
            cases.c.closed_at >= period.start,
            # Said so that nobody looks through all that was ever opened: by their closing they are few.
            case((cases.c.opened_at < period.end, 1), else_=0) == 1,
            cases.c.minutes > 0,
        )
    )
    for row in noted:
        length = timedelta(minutes=row.minutes)
        accepted = [each for each in (row.connected_at, row.taken_at) if each is not None]
        start = min(accepted, default=row.closed_at - length)
        if row.holder is not None and period.start <= start < period.end:
            found.append((row.rota, Work(row.holder, start, start + length)))
    return found

"""What the cases hold about a customer, found and erased. Number, code, times and urgency stay."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, or_, select, update

from oncall.cases import case_log, cases, closing
from oncall.notices import notices
from oncall.tables import case_calls, case_links, texts_in
from oncall.tables import case_log as log_rows
from oncall.tables import cases as table


@dataclass(frozen=True)
class HisCase:
    """A case as its customer may know of it."""

    number: str
    code: str
    call_sid: str
    urgency: str | None
    final_urgency: str | None
    opened_at: datetime
    due_at: datetime | None
    connected_at: datetime | None
    taken_at: datetime | None
    closed_at: datetime | None
    billable: bool
    call_back_to: str | None
    outcome: str | None
    minutes: int | None
    screened: bool
    merged_into: str | None


def cases_of(connection: Connection, customer_id: int) -> list[HisCase]:
    """The customer's cases, oldest first."""
    rows = connection.execute(select(table).where(table.c.customer_id == customer_id).order_by(table.c.id))
    return [HisCase(*(getattr(row, field) for field in HisCase.__annotations__)) for row in rows]


def case_ids_of(connection: Connection, customer_id: int) -> list[int]:
    """The ids of the customer's cases."""
    his = select(table.c.id).where(table.c.customer_id == customer_id).order_by(table.c.id)
    return list(connection.execute(his).scalars())


def calls_of(connection: Connection, customer_id: int) -> list[str]:
    """The calls about his cases, also those in which nobody recognised him."""
    joined = select(case_calls.c.call_sid).join(table, table.c.id == case_calls.c.case_id)
    return sorted(set(connection.execute(joined.where(table.c.customer_id == customer_id)).scalars()))


def log_of(connection: Connection, customer_id: int) -> list[tuple[str, case_log.Entry]]:
    """What was written down about his cases, each with the case's number."""
    rows = select(table.c.number, table.c.id).where(table.c.customer_id == customer_id).order_by(table.c.id)
    found = connection.execute(rows).all()
    return [(row.number, entry) for row in found for entry in case_log.of(connection, row.id)]


def notices_about(connection: Connection, abouts: Collection[str]) -> list[notices.Notice]:
    """Every notice about these ("case:2026-00412", "call:CA…")."""
    return [each for about in sorted(abouts) for each in notices.about_of(connection, about)]


def lock(connection: Connection, customer_id: int) -> None:
    """Keep other transactions from the customer's cases until ours ends."""
    his = select(table.c.id).where(table.c.customer_id == customer_id).order_by(table.c.id)
    connection.execute(his.with_for_update(key_share=True))


def erase(connection: Connection, actor: str, at: datetime, customer_id: int) -> list[str]:
    """Close the customer's open cases, so that nobody is rung for them any more, and forget whose all of
    them were. Returns their numbers.
    """
    while (opened := cases.open_of_customer(connection, customer_id)) is not None:
        closing.close(connection, actor, at, opened)
    his = select(table.c.id).where(table.c.customer_id == customer_id)
    connection.execute(update(log_rows).where(log_rows.c.case_id.in_(his)).values(text="", details={}))
    connection.execute(delete(case_links).where(case_links.c.case_id.in_(his)))
    numbers = [each.number for each in cases_of(connection, customer_id)]
    connection.execute(
        update(table)
        .where(table.c.customer_id == customer_id)
        .values(customer_id=None, call_back_to=None, outcome=None)
    )
    return numbers


def forget_notices(connection: Connection, at: datetime, abouts: Collection[str]) -> None:
    """Nobody is told any more of these, and what was told is forgotten; to whom it went stays."""
    for about in sorted(abouts):
        waiting = {each.kind for each in notices.about_of(connection, about) if each.settled_at is None}
        if waiting:
            notices.settle_needless(connection, at, about, waiting)
    notices.forget(connection, abouts)


def forget_answers(connection: Connection, names: Collection[str]) -> None:
    """Forget what technicians' text messages were answered, where that names him."""
    named = [texts_in.c.answer.contains(name, autoescape=True) for name in sorted(names) if name]
    if named:
        connection.execute(update(texts_in).where(or_(*named)).values(answer=""))


def forget_call_backs(connection: Connection, numbers: Collection[str]) -> None:
    """Forget these numbers where somebody without a verified PIN asked to be called back at them."""
    unverified = update(table).where(table.c.customer_id.is_(None), table.c.call_back_to.in_(numbers))
    connection.execute(unverified.values(call_back_to=None))

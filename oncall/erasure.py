"""What the cases hold about a customer, found and erased. Number, code, times and urgency stay."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from oncall import cases, casework
from oncall.tables import case_log
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


def cases_of(connection: Connection, customer_id: int) -> list[HisCase]:
    """The customer's cases, oldest first."""
    rows = connection.execute(select(table).where(table.c.customer_id == customer_id).order_by(table.c.id))
    return [HisCase(*(getattr(row, field) for field in HisCase.__annotations__)) for row in rows]


def lock(connection: Connection, customer_id: int) -> None:
    """Keep other transactions from the customer's cases until ours ends."""
    his = select(table.c.id).where(table.c.customer_id == customer_id).order_by(table.c.id)
    connection.execute(his.with_for_update(key_share=True))


def erase(connection: Connection, actor: str, at: datetime, customer_id: int) -> list[str]:
    """Close the customer's open cases, so that nobody is rung for them any more, and forget whose all of
    them were. Returns their numbers.
    """
    while (opened := cases.open_of_customer(connection, customer_id)) is not None:
        casework.close(connection, actor, at, opened)
    his = select(table.c.id).where(table.c.customer_id == customer_id)
    connection.execute(update(case_log).where(case_log.c.case_id.in_(his)).values(text="", details={}))
    numbers = [each.number for each in cases_of(connection, customer_id)]
    connection.execute(
        update(table)
        .where(table.c.customer_id == customer_id)
        .values(customer_id=None, call_back_to=None, outcome=None)
    )
    return numbers


def forget_call_backs(connection: Connection, numbers: Collection[str]) -> None:
    """Forget these numbers where somebody without a verified PIN asked to be called back at them."""
    unverified = update(table).where(table.c.customer_id.is_(None), table.c.call_back_to.in_(numbers))
    connection.execute(unverified.values(call_back_to=None))

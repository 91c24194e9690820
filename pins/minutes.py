"""The minutes of prepaid packages: taken out as they are worked, given back if that was a mistake.

What happened is returned, for whoever calls to record: these verbs write no act of their own, since the
audit's lock is taken last of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, bindparam, select, update

from pins.customer_card import MOST_MINUTES
from pins.tables import customers

_LOCKED = select(customers).where(customers.c.id == bindparam("customer")).with_for_update(key_share=True)


@dataclass(frozen=True)
class Package:
    """A package before and after: how many minutes were left in it."""

    before: int
    after: int

    @property
    def used(self) -> int:
        return self.before - self.after


def use(connection: Connection, customer_id: int, day: date, minutes: int) -> Package | None:
    """Take `minutes` out of the customer's package, as far as they go: never below none.

    None, and nothing is changed, if he has no package that holds on `day`.
    """
    row = connection.execute(_LOCKED, {"customer": customer_id}).first()
    if row is None or row.coverage != "prepaid":
        return None
    if (row.contract_from and day < row.contract_from) or (row.contract_until and day > row.contract_until):
        return None
    before: int = row.minutes_left or 0
    return _leave(connection, customer_id, Package(before, max(0, before - minutes)))


def give_back(connection: Connection, customer_id: int, minutes: int) -> Package | None:
    """Put `minutes` back, whatever the customer has by now. None if he is gone."""
    row = connection.execute(_LOCKED, {"customer": customer_id}).first()
    if row is None:
        return None
    before: int = row.minutes_left or 0
    return _leave(connection, customer_id, Package(before, min(before + minutes, MOST_MINUTES)))


def _leave(connection: Connection, customer_id: int, package: Package) -> Package:
    if package.used:
        kept = update(customers).where(customers.c.id == customer_id)
        connection.execute(kept.values(minutes_left=package.after))
    return package

"""A customer's PINs and his file, erased. Of a PIN only its digest stays: nobody is issued it again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from pins import registry
from pins.customers import Customer
from pins.tables import customer_phones, customer_sites, customers, pin_tries, pins

# What stands in the place of a number: the miss still counts against the shared budget.
ERASED = "erased"


def lock(connection: Connection, customer_id: int) -> None:
    """Keep other transactions from the customer and his PINs until ours ends: no call becomes his."""
    connection.execute(select(pins.c.id).where(pins.c.customer_id == customer_id).with_for_update())
    connection.execute(select(customers.c.id).where(customers.c.id == customer_id).with_for_update())


def numbers_of(connection: Connection, customer: Customer, callers: Collection[str]) -> set[str]:
    """The numbers on his file and those of `callers` that stand on nobody else's."""
    others = select(customer_phones.c.phone).where(customer_phones.c.customer_id != customer.id)
    return {*customer.phones, *callers} - set(connection.execute(others).scalars())


def erase(
    connection: Connection, actor: str, at: datetime, customer: Customer, numbers: Collection[str]
) -> list[int]:
    """Revoke and bury the customer's PINs, forget his `numbers`, remove his file.

    Whatever points to him must be gone before. Returns the ids of his PINs.
    """
    found = registry.all_pins(connection, customer.code)
    for pin in found:
        if pin.revoked_at is None:
            registry.revoke(connection, actor, at, pin.id, "erased")
        registry.purge_record(connection, actor, at, pin.id)
    connection.execute(update(pin_tries).where(pin_tries.c.number.in_(sorted(numbers))).values(number=ERASED))
    for table in (customer_phones, customer_sites):
        connection.execute(delete(table).where(table.c.customer_id == customer.id))
    connection.execute(delete(customers).where(customers.c.id == customer.id))
    return [pin.id for pin in found]

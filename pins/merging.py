"""What a spare database noted of PINs is brought into the house's own."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from pins.tables import pin_tries, pins
from storage.types import Instant

_USED = (
    update(pins)
    .where(
        pins.c.id == bindparam("pin"),
        or_(pins.c.last_used_at.is_(None), pins.c.last_used_at < bindparam("used", type_=Instant)),
    )
    .values(last_used_at=bindparam("used", type_=Instant))
)


def bring_tries(here: Connection, there: Connection, beyond: int) -> int:
    """Wrong PINs keyed there, of rows with a higher id than `beyond`; returns how many were not known here.

    One that was asked twice, because nobody knew whether the first had been written, was noted under the same
    instant: it counts once.
    """
    brought = 0
    for row in there.execute(select(pin_tries).where(pin_tries.c.id > beyond).order_by(pin_tries.c.id)):
        same = select(pin_tries.c.id).where(
            pin_tries.c.at == row.at, pin_tries.c.number == row.number, pin_tries.c.lane == row.lane
        )
        if here.execute(same).first() is None:
            here.execute(
                insert(pin_tries),
                {"at": row.at, "number": row.number, "lane": row.lane, "cleared": row.cleared},
            )
            brought += 1
    return brought


def bring_uses(here: Connection, there: Connection) -> None:
    """When PINs opened calls there."""
    used = select(pins.c.id, pins.c.last_used_at).where(pins.c.last_used_at.is_not(None))
    rows = [{"pin": row.id, "used": row.last_used_at} for row in there.execute(used)]
    if rows:
        here.execute(_USED, rows)

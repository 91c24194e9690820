"""What becomes of wrong tries and of dead PINs as they grow old."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, delete, or_, select

from pins import registry
from pins.registry import SURELY_OVER, PinStillLives, UnknownPin
from pins.tables import pin_tries, pins


def tries_before(connection: Connection, before: datetime) -> list[int]:
    """Wrong tries of earlier, each with the number it came from."""
    return list(connection.execute(select(pin_tries.c.id).where(pin_tries.c.at < before)).scalars())


def forget_tries(connection: Connection, ids: Sequence[int]) -> int:
    return connection.execute(delete(pin_tries).where(pin_tries.c.id.in_(ids))).rowcount


def dead_before(connection: Connection, before: datetime) -> list[int]:
    """PINs that were revoked, or surely over, earlier; by their ids."""
    over = and_(pins.c.revoked_at.is_(None), pins.c.expires_on < before.date() - SURELY_OVER)
    return list(
        connection.execute(
            select(pins.c.id).where(or_(pins.c.revoked_at < before, over)).order_by(pins.c.id)
        ).scalars()
    )


def bury(connection: Connection, actor: str, at: datetime, ids: Sequence[int]) -> int:
    """Remove their records; the digests stay, so that nobody is issued one of them again."""
    buried = 0
    for pin_id in ids:
        try:
            registry.purge_record(connection, actor, at, pin_id)
        except (UnknownPin, PinStillLives):
            continue
        buried += 1
    return buried

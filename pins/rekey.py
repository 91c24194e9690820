"""Putting PINs under a new pepper without knowing one of them.

Each row's digest is wrapped, HMAC(k_new, …), and carries the version of the key it stands under; so the
work may stop after any row and go on later, and a check that computes the digests of all versions finds
a PIN before, during and after. A row is changed only if it still is what was read: whoever else wraps,
revokes or erases meanwhile, nothing is wrapped twice and nothing comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select, update

from pins.index import wrap
from pins.settings import PinSettings
from pins.tables import pins, spent_pins
from storage import audit

STARTED, ENDED = "pin.rekey.start", "pin.rekey.end"
SUBJECT = "pins"


@dataclass(frozen=True)
class Wrapped:
    """A row that stood as `old` under `old_version`, and what becomes of it."""

    old: bytes
    old_version: int
    new: bytes


@dataclass(frozen=True)
class Batch:
    """Rows of one table to be wrapped, read but not written yet."""

    spent: bool
    rows: tuple[Wrapped, ...]


def peppers_of(settings: PinSettings) -> list[bytes]:
    return [bytes.fromhex(pepper.get_secret_value()) for pepper in settings.peppers]


def left(connection: Connection, newest: int) -> int:
    """How many rows stand under a key before version `newest`."""
    return sum(
        connection.execute(select(func.count()).where(table.c.key_version < newest)).scalar_one()
        for table in (pins, spent_pins)
    )


def next_batch(connection: Connection, peppers: Sequence[bytes], size: int) -> Batch | None:
    """Up to `size` rows that stand under an older key than the last of `peppers`, with what they become;
    None when there are none. A reading transaction will do.
    """
    for table in (pins, spent_pins):
        older = select(table.c.digest, table.c.key_version).where(table.c.key_version < len(peppers))
        rows = connection.execute(older.order_by(table.c.key_version).limit(size)).all()
        if rows:
            wrapped = [
                Wrapped(row.digest, row.key_version, wrap(peppers, row.digest, row.key_version))
                for row in rows
            ]
            # Always in one order: two that wrap the same rows must not wait for one another.
            return Batch(table is spent_pins, tuple(sorted(wrapped, key=lambda row: row.old)))
    return None


_WRAP = {
    table is spent_pins: update(table)
    .where(table.c.digest == bindparam("old"), table.c.key_version == bindparam("old_version"))
    .values(digest=bindparam("new"), key_version=bindparam("newest"))
    for table in (pins, spent_pins)
}


def write_batch(connection: Connection, batch: Batch, newest: int) -> int:
    """Write the batch; returns how many rows were changed: those that somebody else changed are left."""
    return connection.execute(
        _WRAP[batch.spent],
        [
            {"old": row.old, "old_version": row.old_version, "new": row.new, "newest": newest}
            for row in batch.rows
        ],
    ).rowcount


def start(connection: Connection, actor: str, at: datetime, newest: int, rows: int) -> None:
    """Say in the audit that `rows` rows are about to be wrapped."""
    audit.record(connection, actor, at, STARTED, SUBJECT, details={"pepper": newest, "rows": rows})


def end(connection: Connection, actor: str, at: datetime, newest: int, wrapped: int) -> None:
    """Say in the audit that no row is left; `wrapped` were changed by this run."""
    audit.record(connection, actor, at, ENDED, SUBJECT, details={"pepper": newest, "rows": wrapped})


def interrupted(connection: Connection) -> bool:
    """Whether the latest rekeying that was begun has not ended."""
    for act in audit.acts(connection, [SUBJECT]):
        if act.act in (STARTED, ENDED):
            return act.act == STARTED
    return False

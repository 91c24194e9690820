"""Work that must happen later: one row, written in the same transaction as its cause.

A worker claims due rows under a lease, acts after the claim is committed, then finishes or postpones
them. A worker that dies leaves its lease to expire and the work to another; whoever acts must
therefore be idempotent by the row's key.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, or_, select, update

from storage.prepared import Prepared
from storage.tables import due_work
from storage.types import Instant

PENDING, DONE, CANCELLED = "pending", "done", "cancelled"

_ADD = insert(due_work)
_ADD_ONE = Prepared(_ADD)
_CANCELLING = (
    update(due_work)
    .where(
        due_work.c.kind == bindparam("of_kind"),
        due_work.c.key == bindparam("of_key"),
        due_work.c.state == PENDING,
    )
    .values(state=CANCELLED, ended_at=bindparam("ended"), ended_by=bindparam("by"), lease=None)
)
_CANCEL = Prepared(_CANCELLING)
_CANCEL_BEGUN_BY = Prepared(_CANCELLING.where(due_work.c.created_at <= bindparam("begun", type_=Instant)))


@dataclass(frozen=True)
class Work:
    """One claimed row. `tries` counts this claim too, so the first is 1."""

    id: int
    kind: str
    key: str
    payload: dict[str, Any]
    due_at: datetime
    tries: int
    lease: str
    created_at: datetime


def add(
    connection: Connection, at: datetime, kind: str, key: str, due_at: datetime, payload: Mapping[str, Any]
) -> None:
    """Write work of `kind` about `key`, due at `due_at`."""
    _ADD_ONE.count(
        connection,
        {
            "kind": kind,
            "key": key,
            "payload": dict(payload),
            "due_at": due_at,
            "created_at": at,
            "tries": 0,
            "state": PENDING,
        },
    )


def add_all(
    connection: Connection, at: datetime, works: Sequence[tuple[str, str, datetime, Mapping[str, Any]]]
) -> None:
    """Write several pieces of work in one statement: kind, key, due instant and payload of each."""
    connection.execute(
        _ADD,
        [
            {
                "kind": kind,
                "key": key,
                "payload": dict(payload),
                "due_at": due_at,
                "created_at": at,
                "tries": 0,
                "state": PENDING,
            }
            for kind, key, due_at, payload in works
        ],
    )


def cancel(
    connection: Connection, at: datetime, kind: str, key: str, by: str, *, begun_by: datetime | None = None
) -> int:
    """Cancel the pending work of `kind` about `key`; `by` says who or what made it needless. Of work that was
    begun after `begun_by` it says nothing.

    Returns how many rows were cancelled. Work that has ended stays as it ended.
    """
    told = {"of_kind": kind, "of_key": key, "ended": at, "by": by}
    if begun_by is None:
        return _CANCEL.count(connection, told)
    return _CANCEL_BEGUN_BY.count(connection, told | {"begun": begun_by})


_WAITING = (
    select(due_work.c.id)
    .where(
        due_work.c.state == PENDING,
        due_work.c.due_at <= bindparam("now"),
        due_work.c.kind.in_(bindparam("kinds", expanding=True)),
        or_(due_work.c.leased_until.is_(None), due_work.c.leased_until <= bindparam("now")),
    )
    .limit(1)
)


def waiting(connection: Connection, at: datetime, kinds: Collection[str]) -> bool:
    """Whether there is anything of `kinds` to be claimed."""
    return connection.execute(_WAITING, {"now": at, "kinds": list(kinds)}).first() is not None


def claim(
    connection: Connection, at: datetime, kinds: Collection[str], *, limit: int = 20, lease: timedelta
) -> list[Work]:
    """Take up to `limit` due rows of `kinds`, oldest first, for the length of `lease`.

    Rows that another worker holds are passed over (SKIP LOCKED on PostgreSQL; on SQLite the writer's
    transaction is alone). Needs a writing transaction; act only after it has committed.
    """
    found = connection.execute(
        select(due_work.c.id)
        .where(
            due_work.c.state == PENDING,
            due_work.c.due_at <= at,
            due_work.c.kind.in_(kinds),
            or_(due_work.c.leased_until.is_(None), due_work.c.leased_until <= at),
        )
        .order_by(due_work.c.due_at, due_work.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).scalars()
    ids = list(found)
    if not ids:
        return []
    token = secrets.token_hex(8)
    connection.execute(
        update(due_work)
        .where(due_work.c.id.in_(ids))
        .values(leased_until=at + lease, lease=token, tries=due_work.c.tries + 1)
    )
    rows = connection.execute(
        select(due_work).where(due_work.c.id.in_(ids)).order_by(due_work.c.due_at, due_work.c.id)
    )
    return [
        Work(row.id, row.kind, row.key, dict(row.payload), row.due_at, row.tries, token, row.created_at)
        for row in rows
    ]


def finish(connection: Connection, at: datetime, work: Work) -> bool:
    """Mark claimed work as done. False if the lease has passed to another worker meanwhile."""
    return (
        connection.execute(
            update(due_work)
            .where(due_work.c.id == work.id, due_work.c.lease == work.lease, due_work.c.state == PENDING)
            .values(state=DONE, ended_at=at, ended_by="worker", leased_until=None, lease=None)
        ).rowcount
        == 1
    )


def finish_claim(connection: Connection, at: datetime, lease: str) -> int:
    """Mark all that was claimed under this lease as done, in one statement; returns how much it was."""
    return connection.execute(
        update(due_work)
        .where(due_work.c.lease == lease, due_work.c.state == PENDING)
        .values(state=DONE, ended_at=at, ended_by="worker", leased_until=None, lease=None)
    ).rowcount


def give_back(connection: Connection, lease: str) -> int:
    """Let go of all that was claimed under this lease: it is due as before. Returns how much it was."""
    return connection.execute(
        update(due_work)
        .where(due_work.c.lease == lease, due_work.c.state == PENDING)
        .values(leased_until=None, lease=None)
    ).rowcount


def postpone(connection: Connection, work: Work, due_at: datetime) -> bool:
    """Give claimed work back, due again at `due_at`. False if it was cancelled or passed on meanwhile."""
    return (
        connection.execute(
            update(due_work)
            .where(due_work.c.id == work.id, due_work.c.lease == work.lease, due_work.c.state == PENDING)
            .values(due_at=due_at, leased_until=None, lease=None)
        ).rowcount
        == 1
    )


_MOVE = Prepared(
    update(due_work)
    .where(
        due_work.c.kind == bindparam("of_kind"),
        due_work.c.key == bindparam("of_key"),
        due_work.c.state == PENDING,
    )
    .values(due_at=bindparam("new_due"), leased_until=None, lease=None)
)


def move(connection: Connection, kind: str, key: str, due_at: datetime) -> int:
    """Make the pending work of `kind` about `key` due at `due_at`, whoever holds a lease on it.

    Returns how many rows were moved.
    """
    return _MOVE.count(connection, {"of_kind": kind, "of_key": key, "new_due": due_at})


def pending(connection: Connection, kind: str, key: str, *, begun_after: datetime | None = None) -> bool:
    """Whether work of `kind` about `key` still waits to be done; if so asked, work that was begun later."""
    waits = select(func.count()).where(
        due_work.c.kind == kind, due_work.c.key == key, due_work.c.state == PENDING
    )
    if begun_after is not None:
        waits = waits.where(due_work.c.created_at > begun_after)
    return connection.execute(waits).scalar_one() > 0


def pending_since(connection: Connection, kind: str, since: datetime, but: int) -> int:
    """How much work of `kind`, other than the row `but`, was written after `since` and still waits."""
    waits = select(func.count()).where(
        due_work.c.state == PENDING,
        due_work.c.kind == kind,
        due_work.c.created_at > since,
        due_work.c.id != but,
    )
    return connection.execute(waits).scalar_one()


@dataclass(frozen=True)
class Late:
    """Work that should have been done: the oldest of it, since when it is due, and how much there is, counted
    up to `most`.
    """

    kind: str
    since: datetime
    many: int
    most: int


def late(
    connection: Connection, at: datetime, by: timedelta, *, most: int = 100, patient: Collection[str] = ()
) -> Late | None:
    """Work that has been due for longer than `by` and that nobody is at; None if there is none. If there is
    much, no worker works. That of the kinds `patient` is never late.
    """
    waits = select(due_work.c.kind, due_work.c.due_at).where(
        due_work.c.state == PENDING,
        due_work.c.due_at <= at - by,
        due_work.c.kind.not_in(patient),
        or_(due_work.c.leased_until.is_(None), due_work.c.leased_until <= at),
    )
    rows = connection.execute(waits.order_by(due_work.c.due_at).limit(most)).all()
    return Late(rows[0].kind, rows[0].due_at, len(rows), most) if rows else None

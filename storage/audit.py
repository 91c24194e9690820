"""Who did what, when and why, so that nobody can change it afterwards unseen.

Each row is chained to the one before it: `chain` is a SHA-256 over that row's chain and this row. The
details, which may hold personal data, stand in a table of their own under a salted hash, so that they
can be erased and the chain still holds. Ids have no gap. What the chain alone cannot show, that the
newest rows are gone or that everything was computed anew, is shown by anchors: signed notes of the
newest row, kept in a file outside the database (`storage.signed_log`).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from storage.tables import audit, audit_details

# What stands before the first row.
BEGINNING = bytes(32)
# PostgreSQL's advisory lock of whoever appends; taken last of all locks, held to the commit.
_APPENDING = 4_771_003
_LOCK = select(func.pg_advisory_xact_lock(_APPENDING))
_LAST = select(audit.c.id, audit.c.chain).order_by(audit.c.id.desc()).limit(1)
_RECORD = insert(audit)
_DETAILS = insert(audit_details)


@dataclass(frozen=True)
class Head:
    """The newest row: 0 and BEGINNING for an empty log."""

    id: int
    chain: bytes


@dataclass(frozen=True)
class Act:
    """One act as it is read again; `details` is None once they are erased."""

    id: int
    at: datetime
    actor: str
    act: str
    subject: str
    details: dict[str, Any] | None


@dataclass(frozen=True)
class Fault:
    """What is wrong with the log, and at which row."""

    id: int
    what: str


def record(
    connection: Connection,
    actor: str,
    at: datetime,
    act: str,
    subject: str,
    *,
    reason: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> int:
    """Write one act beside its effect, in the same transaction; returns its id.

    `act` is a verb with its object ("pin.issue"), `subject` what it was done to, by its id
    ("customer:17"). Whatever names a person belongs into `details`, where it can be erased.
    Never give it a PIN.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK)
    before = head(connection)
    told = {**(details or {}), **({"reason": reason} if reason else {})}
    text = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain)
    salt = secrets.token_bytes(16)
    hashed = _hash_of_details(salt, text)
    number = before.id + 1
    connection.execute(
        _RECORD,
        {
            "id": number,
            "at": at,
            "actor": actor[:120],
            "act": act,
            "subject": subject,
            "details_hash": hashed,
            "chain": _link(before.chain, number, at, actor[:120], act, subject, hashed),
        },
    )
    connection.execute(_DETAILS, {"audit_id": number, "salt": salt, "details": text})
    return number


def head(connection: Connection) -> Head:
    """The newest row of the log."""
    row = connection.execute(_LAST).first()
    return Head(row.id, row.chain) if row else Head(0, BEGINNING)


def acts(connection: Connection, subjects: Iterable[str] | None = None, *, limit: int = 200) -> list[Act]:
    """The latest acts, newest first; only those on `subjects`, if given."""
    query = (
        select(audit, audit_details.c.details)
        .outerjoin(audit_details, audit_details.c.audit_id == audit.c.id)
        .order_by(audit.c.id.desc())
        .limit(limit)
    )
    if subjects is not None:
        query = query.where(audit.c.subject.in_(list(subjects)))
    return [
        Act(row.id, row.at, row.actor, row.act, row.subject, json.loads(row.details) if row.details else None)
        for row in connection.execute(query)
    ]


_ERASE = (
    update(audit_details)
    .where(audit_details.c.audit_id == bindparam("number"))
    .values(salt=None, details=None, erased_by=bindparam("erased"))
)


def erase_details(connection: Connection, numbers: Iterable[int], erased_by: int) -> None:
    """Empty the details of these acts; `erased_by` is the act that says so. The chain still holds."""
    rows = [{"number": number, "erased": erased_by} for number in numbers]
    if rows:
        connection.execute(_ERASE, rows)


def verify(connection: Connection, anchors: Iterable[Head] = ()) -> list[Fault]:
    """Everything that is wrong with the log, in order; empty if nothing was edited, removed,
    inserted or put in another order, and every row that `anchors` remember is there as it was.
    """
    faults: list[Fault] = []
    wanted = {anchor.id: anchor.chain for anchor in anchors}
    before = Head(0, BEGINNING)
    erasing: list[tuple[int, int]] = []
    known: dict[int, str] = {}
    rows = connection.execution_options(yield_per=1000).execute(
        select(audit, audit_details.c.audit_id, audit_details.c.salt, audit_details.c.details)
        .add_columns(audit_details.c.erased_by)
        .outerjoin(audit_details, audit_details.c.audit_id == audit.c.id)
        .order_by(audit.c.id)
    )
    for row in rows:
        if row.id != before.id + 1:
            faults.append(Fault(before.id + 1, "missing"))
        if row.chain != _link(
            before.chain, row.id, row.at, row.actor, row.act, row.subject, row.details_hash
        ):
            faults.append(Fault(row.id, "was changed, or is not where it was"))
        if row.id in wanted and wanted.pop(row.id) != row.chain:
            faults.append(Fault(row.id, "is not what its anchor remembers"))
        if row.audit_id is None:
            faults.append(Fault(row.id, "its details are missing"))
        elif row.erased_by is not None:
            erasing.append((row.id, row.erased_by))
        elif row.salt is None or _hash_of_details(row.salt, row.details or "") != row.details_hash:
            faults.append(Fault(row.id, "its details were changed"))
        if row.act.endswith((".erase", ".purge")):
            known[row.id] = row.act
        before = Head(row.id, row.chain)
    faults += [
        Fault(number, "its details are gone, and the act that erased them is not there")
        for number, by in erasing
        if by not in known
    ]
    faults += [Fault(number, "is gone, and an anchor remembers it") for number in sorted(wanted)]
    return faults


def _link(
    before: bytes, number: int, at: datetime, actor: str, act: str, subject: str, hashed: bytes
) -> bytes:
    row = [number, at.astimezone(UTC).isoformat(timespec="microseconds"), actor, act, subject, hashed.hex()]
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(before + text.encode()).digest()


def _hash_of_details(salt: bytes, text: str) -> bytes:
    return hashlib.sha256(salt + text.encode()).digest()


def _plain(value: object) -> str:
    return str(value)

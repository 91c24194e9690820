"""Who did what, when and why, so that nobody can change it afterwards unseen.

Each row is chained to the one before it: `chain` is a SHA-256 over that row's chain and this row. The
details, which may hold personal data, stand in a table of their own under a salted hash, so that they
can be erased and the chain still holds; an act of its own, ERASE, then names the rows that were emptied.
Ids have no gap. What the chain alone cannot show, that the newest rows are gone or that everything was
computed anew, is shown by anchors: signed notes of the newest row, kept in a file outside the database
(`storage.anchors`).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Text,
    bindparam,
    cast,
    func,
    insert,
    select,
    type_coerce,
    update,
)
from sqlalchemy.types import NULLTYPE

from storage.tables import audit, audit_details

# What stands before the first row.
BEGINNING = bytes(32)
# The act that names the rows whose details were emptied. Its own are never: they hold row ids only.
ERASE = "audit.erase"
LONGEST_ACTOR = 120
SALT_BYTES = 16
PROGRESS_EVERY = 5000
# PostgreSQL's advisory lock of whoever appends; taken last of all locks, held to the commit: a verb
# records its act when its own changes are made, so that nobody waits for a row of his meanwhile.
_APPENDING = 4_771_003
_LOCK = select(func.pg_advisory_xact_lock(_APPENDING))
_LAST = select(audit.c.id, audit.c.chain).order_by(audit.c.id.desc()).limit(1)
_CHAIN = select(audit.c.chain).where(audit.c.id == bindparam("number"))
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
    """What is wrong with the log, and at which row. `kind` names it for whoever says it in other words:
    purged, missing, changed, details-missing, details-changed, details-gone, orphan, anchor-gone,
    anchor-differs. Of a gap, `upto` is its last row.
    """

    id: int
    what: str
    kind: str = field(default="", compare=False)
    upto: int | None = field(default=None, compare=False)


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
    told = {**(details or {}), **({"reason": reason} if reason else {})}
    return record_many(connection, actor, at, [(act, subject, told)])


def record_many(
    connection: Connection, actor: str, at: datetime, acts: Sequence[tuple[str, str, Mapping[str, Any]]]
) -> int:
    """Write several acts, each with its subject and details, in a few statements; returns the last id."""
    alone(connection)
    last = head(connection)
    actor = actor[:LONGEST_ACTOR]
    rows, texts = [], []
    for act, subject, told in acts:
        text = _as_text(told)
        salt = secrets.token_bytes(SALT_BYTES)
        hashed = _hash_of_details(salt, text)
        number = last.id + 1
        last = Head(number, _link(last.chain, number, at, actor, act, subject, hashed))
        rows.append(
            {
                "id": number,
                "at": at,
                "actor": actor,
                "act": act,
                "subject": subject,
                "details_hash": hashed,
                "chain": last.chain,
            }
        )
        texts.append({"audit_id": number, "salt": salt, "details": text})
    if rows:
        connection.execute(_RECORD, rows)
        connection.execute(_DETAILS, texts)
    return last.id


def alone(connection: Connection) -> None:
    """Nobody else appends, or removes what is too old, until our transaction ends. SQLite has one writer."""
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK)


def head(connection: Connection) -> Head:
    """The newest row of the log."""
    row = connection.execute(_LAST).first()
    return Head(row.id, row.chain) if row else Head(0, BEGINNING)


def chain_at(connection: Connection, number: int) -> bytes | None:
    """The chain of row `number`; None if there is no such row."""
    return connection.execute(_CHAIN, {"number": number}).scalar()


def acts(
    connection: Connection,
    subjects: Iterable[str] | None = None,
    *,
    limit: int = 200,
    before: int | None = None,
) -> list[Act]:
    """The latest acts, newest first; only those on `subjects`, and before the row `before`, if given.

    Raises ValueError or TypeError if somebody wrote into the log what `record` never writes.
    """
    query = (
        select(audit, audit_details.c.details)
        .outerjoin(audit_details, audit_details.c.audit_id == audit.c.id)
        .order_by(audit.c.id.desc())
        .limit(limit)
    )
    if subjects is not None:
        query = query.where(audit.c.subject.in_(list(subjects)))
    if before is not None:
        query = query.where(audit.c.id < before)
    return [
        Act(row.id, row.at, row.actor, row.act, row.subject, json.loads(row.details) if row.details else None)
        for row in connection.execute(query)
    ]


# -- erasing -----------------------------------------------------------------------------------

_ACT = select(audit.c.actor, audit.c.at).where(audit.c.id == bindparam("number"))
_FULL = (
    select(audit.c.id)
    .join(audit_details, audit_details.c.audit_id == audit.c.id)
    .where(audit_details.c.erased_by.is_(None), audit.c.act != ERASE)
    .where(audit.c.id.in_(bindparam("some", expanding=True)))
)
_EMPTY = (
    update(audit_details)
    .where(audit_details.c.audit_id == bindparam("number"))
    .values(salt=None, details=None, erased_by=bindparam("erased"))
)


def erase_details(connection: Connection, numbers: Iterable[int], erased_by: int) -> int:
    """Empty the details of these acts, because of the act `erased_by`; returns how many were emptied.

    The chain still holds, and an act ERASE on "audit:ID" of `erased_by` names the rows: without it
    emptied details are a fault, so that nobody can hide his own behind somebody's erasure.
    """
    asked = sorted(set(numbers))
    rows: list[int] = []
    for start in range(0, len(asked), 1000):  # a statement takes a limited number of values
        rows += connection.execute(_FULL, {"some": asked[start : start + 1000]}).scalars()
    if not rows:
        return 0
    because = connection.execute(_ACT, {"number": erased_by}).one()
    erasing = record(
        connection, because.actor, because.at, ERASE, f"audit:{erased_by}", details={"rows": sorted(rows)}
    )
    connection.execute(_EMPTY, [{"number": number, "erased": erasing} for number in rows])
    return len(rows)


# -- verifying ---------------------------------------------------------------------------------


def verify(
    connection: Connection,
    anchors: Iterable[Head] = (),
    beginning: Head = Head(0, BEGINNING),
    progress: Callable[[int], None] = lambda rows: None,
) -> tuple[int, list[Fault]]:
    """How many rows there are, and everything that is wrong with them, by row.

    No fault if nothing was edited, removed, inserted or put in another order, and every row that
    `anchors` remember is there as it was. Read the anchors before this transaction begins: then what
    is appended meanwhile is no fault. `beginning` is the last row that was purged, if any were. `progress`
    hears now and then how many rows have been read.
    """
    remembered = sorted(anchors, key=lambda anchor: anchor.id)
    wanted = {anchor.id for anchor in remembered}
    faults: list[Fault] = []
    # What the next row may be chained to: after a faulty one, to it as it is or as it should be.
    links = [beginning.chain]
    last, count = beginning.id, 0
    chains: dict[int, object] = {beginning.id: beginning.chain}
    emptied: list[tuple[int, object]] = []
    erasers: dict[object, set[int]] = {}
    for row in connection.execute(_as_stored(connection), execution_options={"yield_per": 1000}):
        count += 1
        if count % PROGRESS_EVERY == 0:
            progress(count)
        if row.id <= beginning.id:
            faults.append(Fault(row.id, "should not be there: the log begins after it", "purged"))
            continue
        computed = [link for before in links if (link := _computed(before, row))]
        if row.id != last + 1:  # what comes after a gap cannot be held against what came before it
            gap = _missing(last + 1, row.id - 1)
            faults.append(Fault(last + 1, gap, "missing", row.id - 1))
            links = [row.chain]
        elif row.chain in computed:
            links = [row.chain]
        else:
            faults.append(Fault(row.id, "was changed, or is not where it was", "changed"))
            links = [link for link in (row.chain, *computed) if isinstance(link, bytes)][:4]
        if what := _wrong_details(row):
            faults.append(
                Fault(row.id, what, "details-missing" if row.audit_id is None else "details-changed")
            )
        elif row.erased_by is not None:
            emptied.append((row.id, row.erased_by))
        elif row.act == ERASE:
            erasers[row.id] = _rows_named(row.details)
        if row.id in wanted:
            chains[row.id] = row.chain
        last = row.id
    faults += [
        Fault(number, "its details are gone, and no act says that they were erased", "details-gone")
        for number, by in emptied
        if number not in erasers.get(by, ())
    ]
    faults += _against_anchors(remembered, chains, beginning.id, last)
    faults += [
        Fault(number, "is gone, but its details are there", "orphan")
        for number in connection.execute(_ORPHANS).scalars()
    ]
    return count, sorted(faults, key=lambda fault: fault.id)


_ORPHANS = (
    select(audit_details.c.audit_id)
    .outerjoin(audit, audit.c.id == audit_details.c.audit_id)
    .where(audit.c.id.is_(None))
    .order_by(audit_details.c.audit_id)
)


def _against_anchors(
    anchors: Iterable[Head], chains: Mapping[int, object], beginning: int, last: int
) -> list[Fault]:
    """What the anchors remember otherwise. Of a stretch of rows that all differ, only the first: they
    are chained, so one change makes them so. Gaps have been reported.
    """
    faults: list[Fault] = []
    good, differs = beginning, False
    for anchor in anchors:
        if anchor.id > last:
            what = f"is gone, with all that came after it: an anchor remembers row {anchor.id}"
            return [*faults, Fault(last + 1, what, "anchor-gone", anchor.id)]
        if anchor.id < beginning or anchor.id not in chains:
            continue
        if chains[anchor.id] == anchor.chain:
            good, differs = anchor.id, False
        elif not differs:
            since = f", nor is any after row {good}, as far as is known" if anchor.id > good + 1 else ""
            faults.append(Fault(anchor.id, f"is not what its anchor remembers{since}", "anchor-differs"))
            differs = True
    return faults


def _as_stored(connection: Connection) -> Any:
    """Every row with its details, in order, as the database keeps it: whatever somebody wrote there is
    a fault to be reported, and must not stop the reading.
    """

    def raw(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return type_coerce(column, NULLTYPE).label(column.key)

    at = cast(audit.c.at, Text).label("at") if connection.dialect.name == "postgresql" else raw(audit.c.at)
    kept = [raw(audit.c[name]) for name in ("actor", "act", "subject", "details_hash", "chain")]
    told = [raw(audit_details.c[name]) for name in ("audit_id", "salt", "details", "erased_by")]
    return (
        select(audit.c.id, at, *kept, *told)
        .outerjoin(audit_details, audit_details.c.audit_id == audit.c.id)
        .order_by(audit.c.id)
    )


def _computed(before: bytes, row: Row[Any]) -> bytes | None:
    """What the row's chain should be after `before`; None if it holds what was never written."""
    texts = (row.at, row.actor, row.act, row.subject)
    if not (all(isinstance(text, str) for text in texts) and isinstance(row.details_hash, bytes)):
        return None
    try:
        at = datetime.fromisoformat(row.at)
    except ValueError:
        return None
    if at.tzinfo is None:  # SQLite keeps text, and this is the one way in which we write it
        at = at.replace(tzinfo=UTC)
        if row.at != at.strftime("%Y-%m-%d %H:%M:%S.%f"):
            return None
    return _link(before, row.id, at, row.actor, row.act, row.subject, row.details_hash)


def _wrong_details(row: Row[Any]) -> str:
    if row.audit_id is None:
        return "its details are missing"
    if row.erased_by is not None:
        return "" if row.salt is None and row.details is None else "its details were changed"
    as_written = isinstance(row.salt, bytes) and len(row.salt) == SALT_BYTES and isinstance(row.details, str)
    if not as_written or _hash_of_details(row.salt, row.details) != row.details_hash:
        return "its details were changed"
    return ""


def _rows_named(text: str) -> set[int]:
    """The rows that an act ERASE names; none if somebody else wrote it."""
    try:
        return set(json.loads(text)["rows"])
    except (ValueError, TypeError, KeyError):
        return set()


def _missing(first: int, last: int) -> str:
    return "is missing" if first == last else f"is missing, as are all up to row {last}"


# -- small parts -------------------------------------------------------------------------------


def _as_text(told: Mapping[str, Any]) -> str:
    text = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    # What no database takes, such as an argument that was not UTF-8.
    return text.encode("utf-8", "replace").decode()


def _link(
    before: bytes, number: int, at: datetime, actor: str, act: str, subject: str, hashed: bytes
) -> bytes:
    row = [number, at.astimezone(UTC).isoformat(timespec="microseconds"), actor, act, subject, hashed.hex()]
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(before + text.encode("utf-8", "surrogatepass")).digest()


def _hash_of_details(salt: bytes, text: str) -> bytes:
    return hashlib.sha256(salt + text.encode("utf-8", "surrogatepass")).digest()

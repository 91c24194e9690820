"""Absences: somebody cannot be on duty for a while, and his turns pass on. Verbs never commit.

That somebody is ill is health data: the kind is kept in its table, never a reason; the audit, which outlives
the absence, learns that and when, not the kind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from oncall import people
from oncall.reaching import watch
from oncall.rota import coverage, validation
from oncall.rota.roster import RosterRefusal
from oncall.rota.validation import Finding
from oncall.tables import absences
from storage import audit

Kind = Literal["holiday", "illness", "other"]
KINDS: tuple[Kind, ...] = ("holiday", "illness", "other")
# Holes that are further away are left to the watch, which finds them when they come nearer.
LOOK = timedelta(days=366)


class UnknownAbsence(RosterRefusal):
    def __init__(self, absence_id: int) -> None:
        super().__init__(f"there is no absence {absence_id}")


@dataclass(frozen=True)
class Leave:
    """An absence from `start` up to, not including, `end`; taken back at `withdrawn_at`.

    `source` is the calendar it was read from and its entry there, "" if it was entered by hand.
    """

    id: int
    technician: str
    start: datetime
    end: datetime
    kind: Kind
    source: str
    recorded_at: datetime
    withdrawn_at: datetime | None


@dataclass(frozen=True)
class Recorded:
    """An absence that was recorded, and the holes that it opens in any rota."""

    id: int
    opened: list[Finding]


def add(
    connection: Connection,
    actor: str,
    at: datetime,
    technician: str,
    start: datetime,
    end: datetime,
    kind: str,
    source: str = "",
    reason: str | None = None,
) -> int:
    """`record`, for whoever needs the id alone."""
    return record(connection, actor, at, technician, start, end, kind, source, reason).id


def record(
    connection: Connection,
    actor: str,
    at: datetime,
    technician: str,
    start: datetime,
    end: datetime,
    kind: str,
    source: str = "",
    reason: str | None = None,
) -> Recorded:
    """Record that a technician cannot be on duty from `start` up to, not including, `end`.

    It counts from `at` on: who was on duty before stays so. It may overlap others. A hole never stands in
    its way, for people are ill; each hole it opens within a year is alarmed. Raises UnknownTechnician, or
    RosterRefusal for one who has left, an absence that is over or ends before it starts, an unknown
    kind, and a reason of an illness.
    """
    if kind not in KINDS:
        raise RosterRefusal(f"an absence is one of {', '.join(KINDS)}; got {kind!r}", "kind")
    _without_reason(kind, reason)
    check(connection, at, technician, start, end)
    identity = connection.execute(
        insert(absences).values(
            technician=technician,
            starts_at=start,
            ends_at=end,
            kind=kind,
            source=source,
            created_at=at,
            created_by=actor,
        )
    ).inserted_primary_key
    assert identity is not None
    absence_id = int(identity[0])
    watch.wake_all(connection, at)
    opened = _alarm_holes(connection, at, absence_id, max(start, at), min(end, at + LOOK))
    told = {"absence": absence_id, "from": start.isoformat(), "to": end.isoformat()}
    audit.record(
        connection, actor, at, "absence.add", f"technician:{technician}", reason=reason, details=told
    )
    return Recorded(absence_id, opened)


def check(connection: Connection, at: datetime, technician: str, start: datetime, end: datetime) -> None:
    """Raises UnknownTechnician, or RosterRefusal, if he cannot be absent then."""
    if end <= start:
        raise RosterRefusal("an absence ends after it starts", "order")
    if end <= at:
        raise RosterRefusal("the past stays as it was: this absence would be over already", "past")
    person = people.technician(connection, technician)
    if person.retired_at is not None and person.retired_at <= max(start, at):
        raise RosterRefusal(f"{technician} is no longer in service then", "left")


def _alarm_holes(
    connection: Connection, at: datetime, absence_id: int, start: datetime, end: datetime
) -> list[Finding]:
    if start >= end:
        return []
    after = coverage.books(connection)
    before = {
        key: replace(book, absences=[each for each in book.absences if each.id != absence_id])
        for key, book in after.items()
    }
    opened = validation.opened(before, after, start, end)
    coverage.alarm(connection, at, opened, after)
    return opened


def withdraw(
    connection: Connection, actor: str, at: datetime, absence_id: int, reason: str | None = None
) -> Leave:
    """Take an absence back: from `at` on he can be on duty; what it held until then stays.

    Returns it as it was. Raises UnknownAbsence, or RosterRefusal if it is over or was taken back before.
    """
    known = find(connection, absence_id)
    if known.source == people.OUT_OF_SERVICE:
        raise RosterRefusal(f"{absence_id} is time in which {known.technician} is not in service")
    _without_reason(known.kind, reason)
    if known.withdrawn_at is not None:
        raise RosterRefusal(f"absence {absence_id} was withdrawn before", "withdrawn")
    taken_back = connection.execute(
        update(absences)
        .where(absences.c.id == absence_id, absences.c.withdrawn_at.is_(None), absences.c.ends_at > at)
        .values(withdrawn_at=at)
    )
    if taken_back.rowcount != 1:
        raise RosterRefusal(f"the past stays as it was: absence {absence_id} is over", "past")
    watch.wake_all(connection, at)
    told = {"absence": absence_id, "from": known.start.isoformat(), "to": known.end.isoformat()}
    audit.record(
        connection,
        actor,
        at,
        "absence.withdraw",
        f"technician:{known.technician}",
        reason=reason,
        details=told,
    )
    return known


def find(connection: Connection, absence_id: int) -> Leave:
    """The absence with this id, withdrawn or not. Raises UnknownAbsence."""
    row = connection.execute(select(absences).where(absences.c.id == absence_id)).first()
    if row is None:
        raise UnknownAbsence(absence_id)
    return _leave(row)


def of(
    connection: Connection, technician: str | None, start: datetime, end: datetime, *, withdrawn: bool = False
) -> list[Leave]:
    """A technician's absences (None: everybody's) that touch [start, end), in order of their beginning.

    Time out of service is none of them. With `withdrawn` also those that were taken back.
    """
    query = select(absences).where(absences.c.ends_at > start, absences.c.starts_at < end)
    query = query.where(absences.c.source != people.OUT_OF_SERVICE)
    if technician is not None:
        query = query.where(absences.c.technician == technician)
    if not withdrawn:
        query = query.where(absences.c.withdrawn_at.is_(None))
    rows = connection.execute(query.order_by(absences.c.starts_at, absences.c.id))
    return [_leave(row) for row in rows]


def _without_reason(kind: str, reason: str | None) -> None:
    if kind == "illness" and reason:
        raise RosterRefusal("of an illness nothing but the kind is kept: give no reason", "illness")


def _leave(row: Row[Any]) -> Leave:
    return Leave(
        row.id,
        row.technician,
        row.starts_at,
        row.ends_at,
        row.kind,
        row.source,
        row.created_at,
        row.withdrawn_at,
    )

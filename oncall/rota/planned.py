"""What was planned, as it was written down, with who did it: overrides, absences, rules. For people to read.

What it comes to is computed in `oncall/rota/rota.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, or_, select

from oncall import people
from oncall.tables import absences, rota_overrides, rota_versions


@dataclass(frozen=True)
class PlannedOverride:
    """`technician` has `rung` from `start` up to, not including, `end`. `because` is "override" or "swap"."""

    id: int
    rota: str
    rung: int
    technician: str
    start: datetime
    end: datetime
    because: str
    swap: int | None
    made_at: datetime
    made_by: str
    withdrawn_at: datetime | None

    @property
    def lasts_until(self) -> datetime:
        return self.end if self.withdrawn_at is None else min(self.end, self.withdrawn_at)


@dataclass(frozen=True)
class PlannedAbsence:
    """`technician` is away from `start` up to, not including, `end`. `source` "": entered by hand."""

    id: int
    technician: str
    start: datetime
    end: datetime
    kind: str
    source: str
    made_at: datetime
    made_by: str


@dataclass(frozen=True)
class AppliedRules:
    """Rules of a rota as they were applied; they hold from `valid_from` until later applied ones do."""

    id: int
    valid_from: datetime
    document: dict[str, Any]
    applied_at: datetime
    applied_by: str


# Where a page of a list ended: the beginning and the id of its last row.
Place = tuple[datetime, int]


def overrides_ahead(
    connection: Connection, rota: str, at: datetime, limit: int, after: Place | None = None
) -> list[PlannedOverride]:
    """Overrides that hold or are to come, by their beginning: at most `limit` of those after `after`."""
    o = rota_overrides.c
    query = select(rota_overrides).where(o.rota == rota, o.ends_at > at, o.withdrawn_at.is_(None))
    if after is not None:
        start, number = after
        query = query.where(or_(o.starts_at > start, and_(o.starts_at == start, o.id > number)))
    rows = connection.execute(query.order_by(o.starts_at, o.id).limit(limit))
    return [_override(row) for row in rows]


def overrides_on(
    connection: Connection, rota: str, rung: int, start: datetime, end: datetime, limit: int = 50
) -> list[PlannedOverride]:
    """Overrides of a rung that counted, or will, within [start, end); the latest made first."""
    o = rota_overrides.c
    query = select(rota_overrides).where(
        o.rota == rota,
        o.rung == rung,
        o.ends_at > start,
        o.starts_at < end,
        or_(o.withdrawn_at.is_(None), o.withdrawn_at > start),
    )
    return [_override(row) for row in connection.execute(query.order_by(o.id.desc()).limit(limit))]


def override(connection: Connection, override_id: int) -> PlannedOverride | None:
    row = connection.execute(select(rota_overrides).where(rota_overrides.c.id == override_id)).first()
    return _override(row) if row else None


def absences_ahead(
    connection: Connection,
    at: datetime,
    limit: int,
    after: Place | None = None,
    technician: str | None = None,
) -> list[PlannedAbsence]:
    """Absences that have not ended, by their beginning: at most `limit` of those after `after`."""
    a = absences.c
    query = _absences().where(a.ends_at > at)
    if technician is not None:
        query = query.where(a.technician == technician)
    if after is not None:
        start, number = after
        query = query.where(or_(a.starts_at > start, and_(a.starts_at == start, a.id > number)))
    rows = connection.execute(query.order_by(a.starts_at, a.id).limit(limit))
    return [_absence(row) for row in rows]


def absences_within(
    connection: Connection, start: datetime, end: datetime, limit: int = 500
) -> list[PlannedAbsence]:
    """Everybody's absences that touch [start, end), by their beginning."""
    query = _absences().where(absences.c.ends_at > start, absences.c.starts_at < end)
    rows = connection.execute(query.order_by(absences.c.starts_at, absences.c.id).limit(limit))
    return [_absence(row) for row in rows]


def _absences() -> Select[Any]:
    """Those that were not taken back. Time out of service is none of them."""
    a = absences.c
    return select(absences).where(a.withdrawn_at.is_(None), a.source != people.OUT_OF_SERVICE)


def rules_of(connection: Connection, rota: str, limit: int = 50) -> list[AppliedRules]:
    """The rules that were ever applied, the latest applied first."""
    v = rota_versions.c
    rows = connection.execute(select(rota_versions).where(v.rota == rota).order_by(v.id.desc()).limit(limit))
    return [
        AppliedRules(row.id, row.valid_from, dict(row.document), row.applied_at, row.applied_by)
        for row in rows
    ]


def _override(row: Row[Any]) -> PlannedOverride:
    return PlannedOverride(
        row.id,
        row.rota,
        row.rung,
        row.technician,
        row.starts_at,
        row.ends_at,
        row.because,
        row.swap_id,
        row.created_at,
        row.created_by,
        row.withdrawn_at,
    )


def _absence(row: Row[Any]) -> PlannedAbsence:
    return PlannedAbsence(
        row.id,
        row.technician,
        row.starts_at,
        row.ends_at,
        row.kind,
        row.source,
        row.created_at,
        row.created_by,
    )

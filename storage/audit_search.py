"""Looking through the audit log: by whoever acted, by what was done and to what, by day. Newest first.

Pages are found by the row at which the last one ended; a page of a long log costs what one of a short does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from storage.audit import Act
from storage.tables import audit, audit_details

# Rows are numbered when they are written, an instant is read when a door opens: the order of the two may
# differ for rows of the same minutes, by no more rows than this.
_DISORDER = 1000


@dataclass(frozen=True)
class Wanted:
    """What is looked for; None: anything. `actors` are alternatives: the same person acts through several
    channels. `start` is the first instant, `end` the one after the last.
    """

    actors: tuple[str, ...] | None = None
    act: str | None = None
    subject: str | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True)
class Found:
    """One page of acts, newest first; whether there are newer and older ones."""

    acts: list[Act]
    newer: bool
    older: bool


def search(
    connection: Connection,
    wanted: Wanted,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int = 50,
) -> Found:
    """The newest acts; those older than row `before`; or those next newer than row `after`.

    Raises ValueError or TypeError if somebody wrote into the log what `storage.audit` never writes.
    """
    query = _rows().where(*_conditions(connection, wanted)).limit(limit + 1)
    if after is not None:
        rows = list(connection.execute(query.where(audit.c.id > after).order_by(audit.c.id)))
        more, rows = len(rows) > limit, rows[:limit][::-1]
        return Found([_act(row) for row in rows], newer=more, older=True)
    if before is not None:
        query = query.where(audit.c.id < before)
    rows = list(connection.execute(query.order_by(audit.c.id.desc())))
    return Found([_act(row) for row in rows[:limit]], newer=before is not None, older=len(rows) > limit)


def every(connection: Connection, wanted: Wanted) -> Iterator[Act]:
    """All that are looked for, newest first, read a thousand at a time."""
    query = _rows().where(*_conditions(connection, wanted)).order_by(audit.c.id.desc())
    for row in connection.execute(query, execution_options={"yield_per": 1000}):
        yield _act(row)


def actors(connection: Connection) -> list[str]:
    """Everybody who has ever acted, with the channel, as it stands in the log."""
    return sorted(_distinct(connection, audit.c.actor))


def kinds(connection: Connection) -> list[str]:
    """Every act that was ever recorded, by name."""
    return sorted(_distinct(connection, audit.c.act))


def _distinct(connection: Connection, column: ColumnElement[str]) -> list[str]:
    """The values of an indexed column, one look into the index for each: not one for each row."""
    values = select(func.min(column).label("value")).cte("found", recursive=True)
    following = select(func.min(column)).where(column > values.c.value).scalar_subquery()
    values = values.union_all(select(following).where(values.c.value.is_not(None)))
    return list(connection.execute(select(values.c.value).where(values.c.value.is_not(None))).scalars())


def _rows() -> Any:
    return select(audit, audit_details.c.details).outerjoin(
        audit_details, audit_details.c.audit_id == audit.c.id
    )


def _conditions(connection: Connection, wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.actors is not None:
        conditions.append(audit.c.actor.in_(wanted.actors))
    if wanted.act is not None:
        conditions.append(audit.c.act == wanted.act)
    if wanted.subject is not None:
        conditions.append(audit.c.subject == wanted.subject)
    if wanted.start is not None:
        first = select(audit.c.id).where(audit.c.at >= wanted.start).order_by(audit.c.at, audit.c.id)
        number = connection.execute(first.limit(1)).scalar()
        # None: nothing is as new.
        conditions.append(audit.c.at >= wanted.start)
        conditions.append(audit.c.id >= ((number or 0) - _DISORDER))
    if wanted.end is not None:
        latest = select(audit.c.id).where(audit.c.at < wanted.end)
        number = connection.execute(latest.order_by(audit.c.at.desc(), audit.c.id.desc()).limit(1)).scalar()
        conditions.append(audit.c.at < wanted.end)
        conditions.append(audit.c.id <= ((number or 0) + _DISORDER))
    return conditions


def _act(row: Row[Any]) -> Act:
    details = json.loads(row.details) if row.details else None
    return Act(row.id, row.at, row.actor, row.act, row.subject, details)

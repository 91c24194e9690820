"""Absences that follow a calendar: what it says of the time to come is made so, what was stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from oncall import people
from oncall.calendars.calendar_import import Away
from oncall.rota import absences
from oncall.tables import absences as absence_rows
from oncall.tables import technicians


@dataclass(frozen=True)
class Brought:
    """How many absences came, changed and went. One that is changed is withdrawn and added anew."""

    added: int
    changed: int
    withdrawn: int
    unchanged: int


def bring(
    connection: Connection,
    actor: str,
    at: datetime,
    technician: str,
    calendar: str,
    entries: Sequence[Away],
    *,
    reason: str | None = None,
) -> Brought:
    """Make the technician's absences from `calendar` (a name among his calendars) those of `entries`,
    which `calendar_import.read` found at `at`. Absences from elsewhere are left alone, and so is what lies
    after the technician's last day.

    Raises UnknownTechnician; RosterRefusal, with nothing to keep, for what absences.add refuses.
    """
    # One reading at a time: two would each add what is new.
    connection.execute(
        select(technicians.c.id).where(technicians.c.key == technician).with_for_update(key_share=True)
    )
    leaves = people.technician(connection, technician).retired_at
    entries = [away for away in entries if leaves is None or max(away.start, at) < leaves]
    rows = connection.execute(
        select(absence_rows).where(
            absence_rows.c.technician == technician,
            absence_rows.c.source.startswith(f"{calendar}:", autoescape=True),
            absence_rows.c.withdrawn_at.is_(None),
            absence_rows.c.ends_at > at,
        )
    )
    known = {row.source: row for row in rows}
    wanted = {f"{calendar}:{away.entry}": away for away in entries}
    added = changed = unchanged = 0
    for source, away in wanted.items():
        row = known.get(source)
        # Of what has begun only the rest can still change.
        if row is not None and (max(row.starts_at, at), row.ends_at, row.kind) == (
            max(away.start, at),
            away.end,
            away.kind,
        ):
            unchanged += 1
            continue
        if row is not None:
            absences.withdraw(connection, actor, at, row.id, reason=reason)
            changed += 1
        else:
            added += 1
        absences.add(
            connection,
            actor,
            at,
            technician,
            max(away.start, at),
            away.end,
            away.kind,
            source=source,
            reason=reason,
        )
    gone = [row for source, row in known.items() if source not in wanted]
    for row in gone:
        absences.withdraw(connection, actor, at, row.id, reason=reason)
    return Brought(added, changed, len(gone), unchanged)

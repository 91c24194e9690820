"""Technicians: the people who are rung. Verbs take a Connection, the actor and `at`, and never commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, Select, insert, select, update

from oncall.reaching import watch
from oncall.rota.rota import Book, Employment
from oncall.rota.rota_book import book, rota_keys
from oncall.rota.rota_file import TechnicianEntry
from oncall.rota.wallclock import instant_of
from oncall.settings import RingingSettings
from oncall.tables import absences, technicians
from storage import audit

ROME = ZoneInfo("Europe/Rome")
# `absences.source` of the time in which somebody who came back, or is still to begin, was not in service.
OUT_OF_SERVICE = "service"
_TICK = timedelta(microseconds=1)


class RosterRefusal(Exception):
    """What was asked of the roster cannot be; nothing was changed. The text says why; `why` is the reason's
    name, for whoever says it in other words.
    """

    def __init__(self, text: str, why: str = "other") -> None:
        super().__init__(text)
        self.why = why


class UnknownTechnician(RosterRefusal):
    def __init__(self, key: str) -> None:
        super().__init__(f"there is no technician {key!r}", "unknown-technician")


@dataclass(frozen=True)
class Technician:
    """`rings` in seconds, None: as the rung says. He is employed from `starts_at` up to `retired_at`."""

    key: str
    name: str
    spoken_name: str
    phone: str
    other_phones: tuple[str, ...]
    email: str | None
    language: str | None
    rings: int | None
    services: tuple[str, ...]
    starts_at: datetime | None
    retired_at: datetime | None

    @property
    def phones(self) -> tuple[str, ...]:
        """Every phone of his, in the order in which they are rung."""
        return (self.phone, *self.other_phones)

    def serves(self, at: datetime) -> bool:
        """Whether he is employed at `at`; absent he may be."""
        begun = self.starts_at is None or self.starts_at <= at
        return begun and (self.retired_at is None or at < self.retired_at)

    def left_by(self, at: datetime) -> bool:
        """Whether his employment has ended at `at`."""
        return self.retired_at is not None and self.retired_at <= at


def technician(connection: Connection, key: str) -> Technician:
    """The technician with this key, retired or not. Raises UnknownTechnician."""
    return _technician(_row(connection, key))


def all_technicians(connection: Connection) -> list[Technician]:
    """All of them by key, retired ones included."""
    return [_technician(row) for row in connection.execute(select(technicians).order_by(technicians.c.key))]


def _row(connection: Connection, key: str) -> Row[Any]:
    row = connection.execute(select(technicians).where(technicians.c.key == key)).first()
    if row is None:
        raise UnknownTechnician(key)
    return row


def _technician(row: Row[Any]) -> Technician:
    return Technician(
        key=row.key,
        name=row.name,
        spoken_name=row.spoken_name,
        phone=row.phone,
        other_phones=tuple(row.other_phones),
        email=row.email,
        language=row.language,
        rings=row.rings,
        services=tuple(row.services),
        starts_at=row.starts_at,
        retired_at=row.retired_at,
    )


# -- added and changed -------------------------------------------------------------------------


def as_entry(connection: Connection, at: datetime, key: str, zone: ZoneInfo = ROME) -> dict[str, Any]:
    """What an entry has to say for nothing to change; for whoever changes a part of it. Raises
    UnknownTechnician.
    """
    known = technician(connection, key)
    returns = connection.execute(_open_gap(key, at)).first()
    begins = known.starts_at if returns is None else returns.ends_at
    said: dict[str, Any] = {
        "key": known.key,
        "name": known.name,
        "phone": known.phone,
        # A spoken name that merely repeats the written one follows it.
        "spoken_name": known.spoken_name if known.spoken_name != known.name else None,
        "email": known.email,
        "other_phones": list(known.other_phones),
        "rings": known.rings,
        "language": known.language,
        "services": list(known.services),
        "from": _first_day(begins, zone),
        "until": _last_day(known.retired_at, zone),
    }
    return {key: value for key, value in said.items() if value is not None}


def put_technician(
    connection: Connection,
    actor: str,
    at: datetime,
    settings: RingingSettings,
    entry: TechnicianEntry,
    *,
    zone: ZoneInfo = ROME,
    reason: str | None = None,
) -> str:
    """Add the technician, or make the one with this key what the entry says.

    What the entry leaves out is cleared: without a last day somebody who had left is back in service.
    But the past stays: of one who is known, first and last day change only what is still to come. Days
    begin at midnight in `zone`. Returns "added", "changed", "brought back" or "unchanged". Raises
    NumberRefused (a ValueError) for a number that may not be dialled, and RosterRefusal as `retire` does.
    """
    watch.wake_all(connection, at)
    done = enter(connection, actor, at, settings, entry, zone=zone, reason=reason)
    refuse_hole(connection, at, entry.key)
    return done


def enter(
    connection: Connection,
    actor: str,
    at: datetime,
    settings: RingingSettings,
    entry: TechnicianEntry,
    *,
    zone: ZoneInfo,
    reason: str | None,
) -> str:
    """`put_technician` for whoever changes the rules too, and asks `refuse_hole` afterwards."""
    for phone in (entry.phone, *entry.other_phones):
        settings.check_number(phone)
    values: dict[str, Any] = {
        "name": entry.name,
        "spoken_name": entry.spoken_name or entry.name,
        "phone": entry.phone,
        "other_phones": list(entry.other_phones),
        "email": entry.email,
        "language": entry.language,
        "rings": entry.rings,
        "services": list(entry.services),
    }
    known = connection.execute(select(technicians).where(technicians.c.key == entry.key)).first()
    if known is None:
        values |= {"starts_at": _begin(entry.first_day, zone), "retired_at": _end(entry.last_day, zone)}
        connection.execute(insert(technicians).values(key=entry.key, created_at=at, **values))
        told = {name: value for name, value in values.items() if value not in (None, [])}
        audit.record(
            connection, actor, at, "technician.add", f"technician:{entry.key}", reason=reason, details=told
        )
        return "added"
    service, out_until = _service(known, entry, zone, at)
    values |= service
    moved = _out_of_service(connection, actor, at, known, out_until)
    told = {name: [getattr(known, name), new] for name, new in values.items() if getattr(known, name) != new}
    if not told and not moved:
        return "unchanged"
    back = "retired_at" in told and known.retired_at is not None and known.retired_at <= at
    if back:
        told["back"] = True
    if moved and out_until != at:
        told["out_of_service_until"] = out_until or at
    connection.execute(update(technicians).where(technicians.c.key == entry.key).values(**values))
    audit.record(
        connection, actor, at, "technician.change", f"technician:{entry.key}", reason=reason, details=told
    )
    return "brought back" if back else "changed"


def _service(
    known: Row[Any], entry: TechnicianEntry, zone: ZoneInfo, at: datetime
) -> tuple[dict[str, datetime | None], datetime | None]:
    """First and last instant of service as they are to be stored, and until when somebody who once
    began is out of service meanwhile. What was before `at` is never touched.
    """
    begin: datetime | None = _begin(entry.first_day, zone)
    end: datetime | None = _end(entry.last_day, zone)
    # To the day: an hour that `retire` was given stays.
    if entry.first_day == _first_day(known.starts_at, zone):
        begin = known.starts_at
    if entry.last_day == _last_day(known.retired_at, zone):
        end = known.retired_at
    gone = known.retired_at is not None and known.retired_at <= at
    if end is not None and end <= at:
        end = known.retired_at if gone else at
    if known.starts_at is not None and known.starts_at > at:  # he has yet to begin
        return {"starts_at": max(begin or at, at), "retired_at": end}, None
    returns = max(begin or at, at)
    out_until = returns if (gone and end != known.retired_at) or (not gone and returns > at) else None
    return {"starts_at": known.starts_at, "retired_at": end}, out_until


def _out_of_service(
    connection: Connection, actor: str, at: datetime, known: Row[Any], until: datetime | None
) -> bool:
    """Keep the time in which he is not in service as an absence; returns whether anything changed."""
    open_gap = connection.execute(_open_gap(known.key, at)).first()
    if open_gap is not None:
        if open_gap.ends_at == (until or at):
            return False
        change = update(absences).where(absences.c.id == open_gap.id).values(ends_at=until or at)
        connection.execute(change)
        return True
    gone_at = known.retired_at if known.retired_at is not None and known.retired_at <= at else at
    if until is None or until <= gone_at:
        return False
    connection.execute(
        insert(absences).values(
            technician=known.key,
            starts_at=gone_at,
            ends_at=until,
            kind="other",
            source=OUT_OF_SERVICE,
            created_at=gone_at,
            created_by=actor,
        )
    )
    return True


def _open_gap(key: str, at: datetime) -> Select[Any]:
    return select(absences.c.id, absences.c.ends_at).where(
        absences.c.technician == key, absences.c.source == OUT_OF_SERVICE, absences.c.ends_at > at
    )


def _begin(first: date | None, zone: ZoneInfo) -> datetime | None:
    return None if first is None else instant_of(first, time(0), zone)


def _end(last: date | None, zone: ZoneInfo) -> datetime | None:
    return None if last is None else instant_of(last + timedelta(days=1), time(0), zone)


def _first_day(starts: datetime | None, zone: ZoneInfo) -> date | None:
    return None if starts is None else starts.astimezone(zone).date()


def _last_day(retired: datetime | None, zone: ZoneInfo) -> date | None:
    return None if retired is None else (retired - _TICK).astimezone(zone).date()


# -- retired -----------------------------------------------------------------------------------


def retire(
    connection: Connection,
    actor: str,
    at: datetime,
    key: str,
    *,
    on: datetime | None = None,
    reason: str | None = None,
) -> None:
    """Take a technician out of service at the instant `on` (default: `at`). His turns pass on to the
    next in the rotation.

    Raises UnknownTechnician, or RosterRefusal for an instant in the past, for one who has left, and
    where nobody would be left to pass on to.
    """
    on = at if on is None else on
    if on < at:
        raise RosterRefusal("the past stays as it was: give an instant that is still to come", "past")
    known = technician(connection, key)
    if known.retired_at is not None and known.retired_at <= at:
        raise RosterRefusal(f"{key} is no longer in service", "left")
    connection.execute(update(technicians).where(technicians.c.key == key).values(retired_at=on))
    refuse_hole(connection, at, key)
    watch.wake_all(connection, at)
    told = {"on": on.isoformat()} if on > at else {}
    audit.record(connection, actor, at, "technician.retire", f"technician:{key}", reason=reason, details=told)


def refuse_hole(connection: Connection, at: datetime, key: str) -> None:
    """Raises RosterRefusal if some rung will have nobody because this technician leaves (or has left),
    by rules that hold now or are to come, or by an override. The caller rolls back.
    """
    if technician(connection, key).retired_at is None:
        return
    for name in rota_keys(connection):
        if rung := _rung_without(book(connection, name), at, key):
            raise RosterRefusal(
                f"{key} stands in rota {name}, rung {rung}, where nobody else is in service then: "
                f"apply a rota without {key} first",
                "alone",
            )


def _rung_without(known: Book, since: datetime, key: str) -> int | None:
    """The first rung of which somebody has nobody but `key` at some instant from `since` on."""
    employed = {each.technician: each for each in known.people}
    edges = {edge for each in known.people for edge in (each.start, each.end) if edge and edge > since}
    reigns = known.rules_from(since)
    for index, (begin, rules) in enumerate(reigns):
        end = reigns[index + 1][0] if index + 1 < len(reigns) else None
        moments = [begin, *sorted(edge for edge in edges if begin < edge and (end is None or edge < end))]
        for number, rung in enumerate(rules.rungs, start=1):
            named = [o for o in known.overrides if o.rung == number and o.technician == key and o.end > begin]
            for moment in moments:
                there = _there(employed, moment)
                missed = rung.stands(there | {key}) or any(o.end > moment for o in named)
                if missed and not rung.stands(there):
                    return number
    return None


def _there(employed: Mapping[str, Employment], at: datetime) -> set[str]:
    return {key for key, each in employed.items() if each.covers(at)}

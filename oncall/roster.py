"""Verbs on technicians and the rota. Each takes a Connection, the actor and `at`, and never commits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, insert, or_, select, update

from oncall import rota, rota_file
from oncall.settings import RingingSettings
from oncall.tables import rota_overrides, rota_versions, technicians
from storage import audit


class RosterRefusal(Exception):
    """What was asked of the roster cannot be; nothing was changed. The text says why."""


class UnknownTechnician(RosterRefusal):
    def __init__(self, key: str) -> None:
        super().__init__(f"there is no technician {key!r}")


class UnknownRota(RosterRefusal):
    def __init__(self, key: str) -> None:
        super().__init__(f"there is no rota {key!r}")


@dataclass(frozen=True)
class Technician:
    key: str
    name: str
    spoken_name: str
    phone: str
    email: str | None
    retired_at: datetime | None

    def serves(self, at: datetime) -> bool:
        """Whether he was not retired yet at `at`."""
        return self.retired_at is None or self.retired_at > at


@dataclass(frozen=True)
class Contact:
    """A rung of the ladder with what is needed to ring it. `rings` in seconds."""

    rung: int
    technician: str
    name: str
    spoken_name: str
    phone: str
    because: rota.Because
    rings: int


# -- technicians -------------------------------------------------------------------------------


def put_technician(
    connection: Connection,
    actor: str,
    at: datetime,
    settings: RingingSettings,
    entry: rota_file.TechnicianEntry,
    *,
    reason: str | None = None,
) -> str:
    """Add the technician, or change the one with this key; returns "added", "changed" or "unchanged".

    Raises NumberRefused (a ValueError) for a number that may not be dialled.
    """
    settings.check_number(entry.phone)
    values = {
        "name": entry.name,
        "spoken_name": entry.spoken_name or entry.name,
        "phone": entry.phone,
        "email": entry.email,
    }
    known = connection.execute(select(technicians).where(technicians.c.key == entry.key)).first()
    if known is None:
        connection.execute(insert(technicians).values(key=entry.key, created_at=at, **values))
        done, told = "added", values
    elif all(getattr(known, name) == value for name, value in values.items()) and known.retired_at is None:
        return "unchanged"
    else:
        connection.execute(
            update(technicians).where(technicians.c.key == entry.key).values(retired_at=None, **values)
        )
        done, told = "changed", _changes(known, values)
    audit.record(
        connection,
        actor,
        at,
        "technician.add" if done == "added" else "technician.change",
        f"technician:{entry.key}",
        reason=reason,
        details=told,
    )
    return done


def _changes(known: Row[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What is changed, each as it was and as it is; `back` for one who was retired."""
    changed = {name: [getattr(known, name), new] for name, new in values.items()}
    told: dict[str, Any] = {name: both for name, both in changed.items() if both[0] != both[1]}
    return told | ({"back": True} if known.retired_at is not None else {})


def technician(connection: Connection, key: str) -> Technician:
    """The technician with this key, retired or not. Raises UnknownTechnician."""
    row = connection.execute(select(technicians).where(technicians.c.key == key)).first()
    if row is None:
        raise UnknownTechnician(key)
    return Technician(row.key, row.name, row.spoken_name, row.phone, row.email, row.retired_at)


def all_technicians(connection: Connection) -> list[Technician]:
    rows = connection.execute(select(technicians).order_by(technicians.c.key))
    return [Technician(r.key, r.name, r.spoken_name, r.phone, r.email, r.retired_at) for r in rows]


def retire(connection: Connection, actor: str, at: datetime, key: str, *, reason: str | None = None) -> None:
    """Take a technician out of service. Raises UnknownTechnician, or RosterRefusal while any rules
    in force (or a coming override) still name him: that would tear a hole into the rota by silence.
    """
    technician(connection, key)
    for name in rota_keys(connection):
        if any(key in rung.people for rules in _still_to_hold(connection, name, at) for rung in rules.rungs):
            raise RosterRefusal(f"{key} stands in rota {name}: apply a rota without {key} first")
    coming = connection.execute(
        select(rota_overrides.c.rota).where(rota_overrides.c.technician == key, rota_overrides.c.ends_at > at)
    ).first()
    if coming:
        raise RosterRefusal(f"{key} has an override of rota {coming.rota} that has not ended")
    connection.execute(update(technicians).where(technicians.c.key == key).values(retired_at=at))
    audit.record(connection, actor, at, "technician.retire", f"technician:{key}", reason=reason)


def _still_to_hold(connection: Connection, rota_key: str, at: datetime) -> list[rota.Rules]:
    """The rules in force at `at`, and those applied since that will be."""
    found: list[rota.Rules] = []
    for version in book(connection, rota_key).versions:  # the latest applied first
        found.append(version.rules)
        if version.valid_from <= at:
            break
    return found


# -- rules -------------------------------------------------------------------------------------


def apply(
    connection: Connection,
    actor: str,
    at: datetime,
    settings: RingingSettings,
    plan: rota_file.RotaFile,
    *,
    start: datetime | None = None,
    reason: str | None = None,
) -> list[str]:
    """Apply a rota file whole; returns a line for each thing that changed.

    The first rules of a rota hold from their beginning, later ones from `start` (default: `at`) on.
    Raises RosterRefusal, with nothing to keep, for an unknown or retired person, a `start` in the
    past, or a number that may not be dialled; the caller rolls back.
    """
    if start is not None and start < at:
        raise RosterRefusal("the past stays as it was: give an instant that is still to come")
    done: list[str] = []
    for entry in plan.technician:
        try:
            change = put_technician(connection, actor, at, settings, entry, reason=reason)
        except ValueError as error:
            raise RosterRefusal(f"technician {entry.key}: {error}") from None
        if change != "unchanged":
            done.append(f"technician {entry.key} {change}")
    serving = {t.key for t in all_technicians(connection) if t.retired_at is None}
    for wanted in plan.rota:
        for number, rung in enumerate(wanted.rung, start=1):
            if missing := sorted(set(rung.people) - serving):
                raise RosterRefusal(
                    f"rota {wanted.key}, rung {number}: no technician {', '.join(missing)} in service"
                )
        document = rota_file.to_document(wanted)
        first = not book(connection, wanted.key).versions
        holds = rota_file.to_rules(document).first_instant() if first else (start or at)
        if first and start is not None:
            holds = max(holds, start)
        connection.execute(
            insert(rota_versions).values(
                rota=wanted.key, valid_from=holds, document=document, applied_at=at, applied_by=actor
            )
        )
        told = {"from": holds, "rules": document}
        audit.record(connection, actor, at, "rota.apply", f"rota:{wanted.key}", reason=reason, details=told)
        done.append(f"rota {wanted.key} applied")
    return done


def override(
    connection: Connection,
    actor: str,
    at: datetime,
    rota_key: str,
    rung: int,
    start: datetime,
    end: datetime,
    technician_key: str,
    *,
    reason: str | None = None,
) -> int:
    """Let a technician replace whoever has the turn on `rung` from `start` up to, not including, `end`.

    Returns the override's id. Raises UnknownRota, UnknownTechnician or RosterRefusal.
    """
    if end <= start:
        raise RosterRefusal("an override ends after it starts")
    if end <= at:
        raise RosterRefusal("the past stays as it was: this override would have ended already")
    person = technician(connection, technician_key)
    if person.retired_at is not None:
        raise RosterRefusal(f"{technician_key} is no longer in service")
    known = book(connection, rota_key)
    if not known.versions:
        raise UnknownRota(rota_key)
    newest = known.versions[0]
    if not 1 <= rung <= len(newest.rules.rungs):
        raise RosterRefusal(f"rota {rota_key} has rungs 1 to {len(newest.rules.rungs)}")
    identity = connection.execute(
        insert(rota_overrides).values(
            rota=rota_key,
            rung=rung,
            starts_at=max(start, at),  # what was is not rewritten
            ends_at=end,
            technician=technician_key,
            created_at=at,
            created_by=actor,
        )
    ).inserted_primary_key
    assert identity is not None
    audit.record(
        connection,
        actor,
        at,
        "rota.override",
        f"rota:{rota_key}",
        reason=reason,
        details={
            "override": int(identity[0]),
            "rung": rung,
            "from": start.isoformat(),
            "to": end.isoformat(),
            "technician": technician_key,
        },
    )
    return int(identity[0])


def rota_keys(connection: Connection) -> list[str]:
    """Rotas that have ever been applied, in the order of their first application."""
    rows = connection.execute(select(rota_versions.c.rota).order_by(rota_versions.c.id)).scalars()
    return list(dict.fromkeys(rows))


def document(connection: Connection, rota_key: str, at: datetime) -> dict[str, object]:
    """The rules in force at `at`, as they were applied. Raises UnknownRota if there are none."""
    row = connection.execute(_VERSION, {"of_rota": rota_key, "now": at}).first()
    if row is None:
        raise UnknownRota(rota_key)
    return dict(row.document)


# -- who has the turn --------------------------------------------------------------------------

_VERSION = (
    select(rota_versions.c.id, rota_versions.c.valid_from, rota_versions.c.document)
    .where(rota_versions.c.rota == bindparam("of_rota"), rota_versions.c.valid_from <= bindparam("now"))
    .order_by(rota_versions.c.id.desc())
    .limit(1)
)
_OVERRIDES = select(rota_overrides).where(
    and_(
        rota_overrides.c.rota == bindparam("of_rota"),
        rota_overrides.c.ends_at > bindparam("now"),
        rota_overrides.c.starts_at <= bindparam("now"),
    )
)
_PEOPLE = select(technicians.c.key, technicians.c.name, technicians.c.spoken_name, technicians.c.phone).where(
    technicians.c.key.in_(bindparam("keys", expanding=True)),
    or_(technicians.c.retired_at.is_(None), technicians.c.retired_at > bindparam("now")),
)


@lru_cache(maxsize=64)
def _rules(document: str) -> rota.Rules:
    """Stored rules, parsed once a process: they are never changed, only added."""
    return rota_file.to_rules(json.loads(document))


def ladder(connection: Connection, settings: RingingSettings, rota_key: str, at: datetime) -> list[Contact]:
    """Who is rung for `rota_key` at `at`, rung by rung, with numbers that may be dialled now.

    Three look-ups. Empty if the rota does not exist or has not started.
    """
    row = connection.execute(_VERSION, {"of_rota": rota_key, "now": at}).first()
    if row is None:
        return []
    version = rota.Version(row.id, row.valid_from, _rules(json.dumps(row.document, sort_keys=True)))
    found = connection.execute(_OVERRIDES, {"of_rota": rota_key, "now": at})
    overrides = [rota.Override(o.id, o.rung, o.starts_at, o.ends_at, o.technician) for o in found]
    standing = rota.Book([version], overrides).ladder(at)
    keys = [duty.technician for duty in standing]
    people = {p.key: p for p in connection.execute(_PEOPLE, {"keys": keys, "now": at})}
    contacts: list[Contact] = []
    for duty in standing:
        person = people.get(duty.technician)
        if person is not None:
            contacts.append(
                Contact(
                    duty.rung,
                    person.key,
                    person.name,
                    person.spoken_name,
                    person.phone,
                    duty.because,
                    duty.rings or settings.rings,
                )
            )
    return contacts


def contact(connection: Connection, settings: RingingSettings, key: str, at: datetime) -> Contact | None:
    """A technician in service outside the rota's order: rung before everybody else. None if retired."""
    person = connection.execute(_PEOPLE, {"keys": [key], "now": at}).first()
    if person is None:
        return None
    return Contact(0, person.key, person.name, person.spoken_name, person.phone, "turn", settings.rings)


def book(connection: Connection, rota_key: str) -> rota.Book:
    """All rules and overrides of a rota, to answer many instants without asking again."""
    versions = [
        rota.Version(row.id, row.valid_from, _rules(json.dumps(row.document, sort_keys=True)))
        for row in connection.execute(select(rota_versions).where(rota_versions.c.rota == rota_key))
    ]
    overrides = [
        rota.Override(o.id, o.rung, o.starts_at, o.ends_at, o.technician)
        for o in connection.execute(select(rota_overrides).where(rota_overrides.c.rota == rota_key))
    ]
    return rota.Book(versions, overrides)

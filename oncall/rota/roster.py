"""Verbs on the rota, and who is rung. Each takes a Connection, the actor and `at`, and never commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, Select, and_, bindparam, insert, or_, select, update

from oncall import people
from oncall.people import RosterRefusal as RosterRefusal
from oncall.people import Technician as Technician
from oncall.people import UnknownTechnician as UnknownTechnician
from oncall.people import all_technicians as all_technicians
from oncall.people import technician as technician
from oncall.phones import NumberRefused
from oncall.reaching import watch
from oncall.rota import rota, rota_file
from oncall.rota.rota_book import book as book
from oncall.rota.rota_book import rota_keys as rota_keys
from oncall.rota.rota_book import to_override, to_version
from oncall.settings import RingingSettings
from oncall.tables import absences, rota_overrides, rota_versions, technicians
from storage import audit
from storage.prepared import Prepared


class UnknownRota(RosterRefusal):
    def __init__(self, key: str) -> None:
        super().__init__(f"there is no rota {key!r}", "unknown-rota")


class UnknownOverride(RosterRefusal):
    def __init__(self, override_id: int) -> None:
        super().__init__(f"there is no override {override_id}", "unknown")


@dataclass(frozen=True)
class Contact:
    """A rung of the ladder with what is needed to ring it. `rings` in seconds, for each of his phones."""

    rung: int
    technician: str
    name: str
    spoken_name: str
    phone: str
    because: rota.Because
    rings: int
    other_phones: tuple[str, ...] = ()


# -- rules -------------------------------------------------------------------------------------


def apply(
    connection: Connection,
    actor: str,
    at: datetime,
    settings: RingingSettings,
    plan: rota_file.RotaFile,
    *,
    start: datetime | None = None,
    zone: ZoneInfo = people.ROME,
    reason: str | None = None,
) -> list[str]:
    """Apply a rota file whole; returns a line for each thing that changed.

    The first rules of a rota hold from their beginning, later ones from `start` (default: `at`) on.
    Technicians' first and last days are those of `zone`. Raises RosterRefusal, with nothing to keep, for
    an unknown or retired person, a `start` in the past, a number that may not be dialled, or a last day
    after which a rung has nobody; the caller rolls back.
    """
    if start is not None and start < at:
        raise RosterRefusal("the past stays as it was: give an instant that is still to come", "past")
    for key in sorted({*rota_keys(connection), *(wanted.key for wanted in plan.rota)}):
        watch.wake(connection, at, key)
    done: list[str] = []
    for entry in plan.technician:
        try:
            change = people.enter(connection, actor, at, settings, entry, zone=zone, reason=reason)
        except ValueError as error:
            why = "number" if isinstance(error, NumberRefused) else "other"
            raise RosterRefusal(f"technician {entry.key}: {error}", why) from error
        if change != "unchanged":
            done.append(f"technician {entry.key} {change}")
    for wanted in plan.rota:
        _apply_rules(connection, actor, at, wanted, start, reason)
        done.append(f"rota {wanted.key} applied")
    for entry in plan.technician:
        people.refuse_hole(connection, at, entry.key)
    return done


def _apply_rules(
    connection: Connection,
    actor: str,
    at: datetime,
    wanted: rota_file.RotaEntry,
    start: datetime | None,
    reason: str | None,
) -> None:
    document = rota_file.to_document(wanted)
    rules = rota_file.to_rules(document)
    first = not book(connection, wanted.key).versions
    holds = rules.first_instant() if first else (start or at)
    if first and start is not None:
        holds = max(holds, start)
    left = {t.key: t.retired_at for t in all_technicians(connection)}
    # First rules may reach back to when somebody who has left was there.
    there = {key for key, leaves in left.items() if leaves is None or leaves > holds}
    still_there = {key for key, leaves in left.items() if leaves is None or leaves > max(holds, at)}
    for number, rung in enumerate(rules.rungs, start=1):
        missing = sorted(rung.everybody() - there)
        if missing or not rung.stands(still_there):
            names = ", ".join(missing or sorted(rung.everybody() - still_there))
            raise RosterRefusal(
                f"rota {wanted.key}, rung {number}: no technician {names} in service", "nobody"
            )
    connection.execute(
        insert(rota_versions).values(
            rota=wanted.key, valid_from=holds, document=document, applied_at=at, applied_by=actor
        )
    )
    told = {"from": holds, "rules": document}
    audit.record(connection, actor, at, "rota.apply", f"rota:{wanted.key}", reason=reason, details=told)


def document(connection: Connection, rota_key: str, at: datetime) -> dict[str, object]:
    """The rules in force at `at`, as they were applied. Raises UnknownRota if there are none."""
    row = _VERSION.first(connection, {"of_rota": rota_key, "now": at})
    if row is None:
        raise UnknownRota(rota_key)
    return dict(row.document)


def swap_rules(connection: Connection, rota_key: str, at: datetime) -> rota_file.SwapRules:
    """Whether and how turns may be swapped by the rules in force at `at`; before the first, by these.

    Raises UnknownRota.
    """
    row = _VERSION.first(connection, {"of_rota": rota_key, "now": at})
    if row is None:
        row = connection.execute(_FIRST_VERSION, {"of_rota": rota_key}).first()
    if row is None:
        raise UnknownRota(rota_key)
    return rota_file.to_swap_rules(dict(row.document))


# -- overrides ---------------------------------------------------------------------------------


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
    because: Literal["override", "swap"] = "override",
    swap_id: int | None = None,
    reason: str | None = None,
) -> int:
    """Let a technician replace whoever has the turn on `rung` from `start` up to, not including, `end`.

    `because` and `swap_id` are for what two technicians agreed on. Returns the override's id. Raises
    UnknownRota, UnknownTechnician or RosterRefusal.
    """
    if end <= start:
        raise RosterRefusal("an override ends after it starts", "order")
    if end <= at:
        raise RosterRefusal("the past stays as it was: this override would have ended already", "past")
    begins = max(start, at)  # what was is not rewritten
    person = technician(connection, technician_key)
    if person.starts_at is not None and person.starts_at > begins:
        raise RosterRefusal(f"{technician_key} is not in service yet when the override begins", "not-yet")
    if person.retired_at is not None and person.retired_at < end:
        raise RosterRefusal(f"{technician_key} is no longer in service when the override ends", "left")
    known = book(connection, rota_key)
    if not known.versions:
        raise UnknownRota(rota_key)
    rungs = max((len(rules.rungs) for holds, rules in known.rules_from(begins) if holds < end), default=0)
    if not 1 <= rung <= rungs:
        has = f"has rungs 1 to {rungs}" if rungs else "has no rules"
        raise RosterRefusal(f"rota {rota_key} {has} then", "rung")
    identity = connection.execute(
        insert(rota_overrides).values(
            rota=rota_key,
            rung=rung,
            starts_at=begins,
            ends_at=end,
            technician=technician_key,
            created_at=at,
            created_by=actor,
            because=because,
            swap_id=swap_id,
        )
    ).inserted_primary_key
    assert identity is not None
    watch.wake(connection, at, rota_key)
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
        }
        | ({} if swap_id is None else {"swap": swap_id}),
    )
    return int(identity[0])


def withdraw_override(
    connection: Connection, actor: str, at: datetime, override_id: int, *, reason: str | None = None
) -> None:
    """Take an override back: from `at` on it counts no more; whom it put there until then, it did.

    Raises UnknownOverride, or RosterRefusal for one that has ended or was withdrawn before.
    """
    this = rota_overrides.c.id == override_id
    row = connection.execute(select(rota_overrides).where(this)).first()
    if row is None:
        raise UnknownOverride(override_id)
    if row.withdrawn_at is not None:
        raise RosterRefusal(f"override {override_id} was withdrawn before", "withdrawn")
    if row.ends_at <= at:
        raise RosterRefusal(f"the past stays as it was: override {override_id} has ended", "past")
    held = update(rota_overrides).where(this, rota_overrides.c.withdrawn_at.is_(None))
    if connection.execute(held.values(withdrawn_at=at)).rowcount != 1:
        raise RosterRefusal(f"override {override_id} was withdrawn before", "withdrawn")
    watch.wake(connection, at, row.rota)
    told = {"override": override_id, "rung": row.rung, "technician": row.technician}
    audit.record(connection, actor, at, "rota.withdraw", f"rota:{row.rota}", reason=reason, details=told)


# -- who has the turn --------------------------------------------------------------------------

_VERSION = Prepared(
    select(rota_versions.c.id, rota_versions.c.valid_from, rota_versions.c.document)
    .where(rota_versions.c.rota == bindparam("of_rota"), rota_versions.c.valid_from <= bindparam("now"))
    .order_by(rota_versions.c.id.desc())
    .limit(1)
)
_FIRST_VERSION = (
    select(rota_versions.c.document)
    .where(rota_versions.c.rota == bindparam("of_rota"))
    .order_by(rota_versions.c.valid_from, rota_versions.c.id.desc())
    .limit(1)
)
_OVERRIDES = Prepared(
    select(rota_overrides).where(
        and_(
            rota_overrides.c.rota == bindparam("of_rota"),
            rota_overrides.c.ends_at > bindparam("now"),
            rota_overrides.c.starts_at <= bindparam("now"),
        )
    )
)
_ABSENT_NOW = and_(
    absences.c.technician == technicians.c.key,
    absences.c.starts_at <= bindparam("now"),
    absences.c.ends_at > bindparam("now"),
    or_(absences.c.withdrawn_at.is_(None), absences.c.withdrawn_at > bindparam("now")),
)
# Whoever may be rung, each with the absences that cover the instant: a row for each of these.
_PEOPLE: Select[Any] = (
    select(
        technicians.c.key,
        technicians.c.name,
        technicians.c.spoken_name,
        technicians.c.phone,
        technicians.c.other_phones,
        technicians.c.rings,
        technicians.c.starts_at,
        technicians.c.retired_at,
        absences.c.id.label("absence"),
        absences.c.starts_at.label("absent_from"),
        absences.c.ends_at.label("absent_to"),
        absences.c.created_at.label("recorded_at"),
    )
    .select_from(technicians.outerjoin(absences, _ABSENT_NOW))
    .where(technicians.c.key.in_(bindparam("keys", expanding=True)))
)


def ladder(connection: Connection, settings: RingingSettings, rota_key: str, at: datetime) -> list[Contact]:
    """Who is rung for `rota_key` at `at`, rung by rung, with numbers that may be dialled now.

    Three look-ups. Empty if the rota does not exist or has not started.
    """
    row = _VERSION.first(connection, {"of_rota": rota_key, "now": at})
    if row is None:
        return []
    version = to_version(row)
    found = _OVERRIDES.all(connection, {"of_rota": rota_key, "now": at})
    overrides = [to_override(each) for each in found]
    named = {each.technician for each in overrides}.union(*(r.everybody() for r in version.rules.rungs))
    rows = list(connection.execute(_PEOPLE, {"keys": sorted(named), "now": at}))
    away = [
        rota.Absence(p.absence, p.key, p.absent_from, p.absent_to, p.recorded_at)
        for p in rows
        if p.absence is not None
    ]
    known = {p.key: p for p in rows}
    employed = [rota.Employment(p.key, p.starts_at, p.retired_at) for p in known.values()]
    standing = rota.Book([version], overrides, away, employed).ladder(at)
    return [_contact(duty, known[duty.technician], settings) for duty in standing if duty.technician in known]


def contact(connection: Connection, settings: RingingSettings, key: str, at: datetime) -> Contact | None:
    """A technician in service outside the rota's order, absent or not: rung before everybody else. None
    if he is not employed then.
    """
    person = connection.execute(_PEOPLE, {"keys": [key], "now": at}).first()
    if person is None or not rota.Employment(key, person.starts_at, person.retired_at).covers(at):
        return None
    return _contact(rota.OnDuty(0, key, "turn"), person, settings)


def _contact(duty: rota.OnDuty, person: Row[Any], settings: RingingSettings) -> Contact:
    return Contact(
        duty.rung,
        person.key,
        person.name,
        person.spoken_name,
        person.phone,
        duty.because,
        person.rings or duty.rings or settings.rings,
        tuple(person.other_phones),
    )

"""Pursuing an accepted emergency that nobody has: who is phoned next, and when.

The ladder is phoned by calls of our own, one person after the other, in passes: the next begins some
minutes after the end of the one before. One pass runs at a time for a rota, that of the most urgent case;
nobody is phoned on a phone that we are ringing or talking to already. One row of due work, `case.pursue`,
drives it all: it falls due when something is to be decided, and whatever ends an attempt makes it due at
once. Only a technician who is connected, or who takes or closes the case, cancels that row.

Everything here holds if the transaction has taken `cases.lock`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, insert, select, update

from oncall.cases.cases import PURSUE, Case
from oncall.reaching import attempts
from oncall.rota import roster
from oncall.settings import RingingSettings
from oncall.tables import attempts as attempt_rows
from oncall.tables import case_log, passes
from oncall.tables import cases as case_rows
from storage import due
from storage.tables import due_work

# Another case's pass is running: asked again after this long, or as soon as something ends.
PATIENCE = timedelta(seconds=10)
# A call of ours whose end was never reported is asked about this long after its phone has stopped ringing.
OVERDUE = timedelta(seconds=45)

# Why somebody is phoned: by the ladder; or first, since he had accepted, or was being rung, as the caller
# hung up; or last, since he passed the case on.
Why = Literal["ladder", "accepted", "rang", "passed"]


@dataclass(frozen=True)
class Place:
    """One phone of the ladder of a pass; `rings` in seconds."""

    rung: int
    technician: str
    phone: str
    rings: int
    why: Why


@dataclass(frozen=True)
class Phone:
    """Phone him now. The attempt is written already; `first_pass`: the pursuit has just begun."""

    attempt_id: int
    place: Place
    begins_pass: int | None


@dataclass(frozen=True)
class Ask:
    """An attempt should have ended by now and nobody said so: ask the network about it."""

    attempt_id: int


@dataclass(frozen=True)
class AskCaller:
    """In a call that came in a technician rings, listens or talks, so far as anybody was told: ask the
    network whether that call goes on. `talking`: he has pressed the key that leads to a talk.
    """

    call_sid: str
    asked_at: datetime
    talking: bool


@dataclass(frozen=True)
class Wait:
    """Nothing to do before `until`. `nobody`: there is nobody to phone at all."""

    until: datetime
    nobody: bool = False


@dataclass(frozen=True)
class Over:
    """Nothing is left to pursue."""


Decision = Phone | Ask | AskCaller | Wait | Over


def decide(
    connection: Connection,
    at: datetime,
    settings: RingingSettings,
    case: Case,
    engaged: Collection[str],
) -> Decision:
    """What the pursuit of `case`, which is due, does now. `engaged`: phones that are ringing or talking."""
    if case.closed_at is not None:
        end_passes(connection, at, case.id)
        return Over()
    in_call = _in_a_call(connection, case.id)
    if in_call is not None:
        end_passes(connection, at, case.id)
        return AskCaller(in_call.call_sid, in_call.asked_at, in_call.pressed == "accepted")
    running = connection.execute(
        select(passes).where(passes.c.rota == case.rota, passes.c.ended_at.is_(None))
    ).first()
    if running is not None:
        under_way = _unsettled(connection, running.id)
        if under_way is not None and under_way.pressed == "accepted":
            # He has the case, and talks: nobody need wait for the end of that.
            _end_pass(connection, at, running.id)
            running = under_way = None
        if running is not None and under_way is not None:
            return _while_ringing(at, settings, case, running, under_way)
        if running is not None and running.case_id != case.id:
            if _goes_on(connection, at, running.case_id):
                return Wait(at + PATIENCE)
            _end_pass(connection, at, running.id)
            running = None
    if running is None:
        if _more_urgent_waits(connection, at, case):
            return Wait(at + PATIENCE)
        ladder = _ladder(connection, at, settings, case)
        if not ladder:
            return Wait(at + timedelta(seconds=settings.next_pass_after), nobody=True)
        begun = _begin_pass(connection, at, case, ladder)
        return _next(connection, at, settings, case, begun, ladder, engaged, begins=True)
    return _next(
        connection,
        at,
        settings,
        case,
        (running.id, running.number),
        [Place(**each) for each in running.ladder],
        engaged,
        begins=False,
    )


def end_passes(connection: Connection, at: datetime, case_id: int) -> None:
    """Nobody is phoned any more for this case: whatever pass is running is over."""
    connection.execute(
        update(passes).where(passes.c.case_id == case_id, passes.c.ended_at.is_(None)).values(ended_at=at)
    )


# -- one pass --------------------------------------------------------------------------------------


def _next(
    connection: Connection,
    at: datetime,
    settings: RingingSettings,
    case: Case,
    begun: tuple[int, int],
    ladder: Sequence[Place],
    engaged: Collection[str],
    *,
    begins: bool,
) -> Decision:
    """The next of this pass that may be phoned; else the pass ends, and the next one begins later."""
    pass_id, number = begun
    tried = {
        row.phone: row.pressed
        for row in connection.execute(
            select(attempt_rows.c.phone, attempt_rows.c.pressed).where(attempt_rows.c.pass_id == pass_id)
        )
    }
    # Whoever passed on one of his phones has said what he had to say.
    passed = {place.technician for place in ladder if tried.get(place.phone) is not None}
    busy = {place.technician for place in ladder if place.phone in engaged}
    for place in ladder:
        if place.phone in tried or place.technician in passed or place.technician in busy:
            continue
        attempt = attempts.begin_attempt(
            connection,
            at,
            case.id,
            case.call_sid,
            place.technician,
            place.phone,
            place.rung,
            pass_id=pass_id,
        )
        return Phone(attempt, place, number if begins else None)
    _end_pass(connection, at, pass_id)
    return Wait(at + timedelta(seconds=settings.next_pass_after))


def _while_ringing(
    at: datetime, settings: RingingSettings, case: Case, running: Row[Any], under_way: Row[Any]
) -> Decision:
    """An attempt of this rota's pass is under way: whoever ends it makes its case due again. Of one that has
    lost its end anybody who waits may ask: its own case may be pursued no more.
    """
    rings = next((p["rings"] for p in running.ladder if p["phone"] == under_way.phone), settings.rings)
    ends = under_way.asked_at + timedelta(seconds=rings) + OVERDUE
    if at >= ends:
        return Ask(under_way.id)
    return Wait(ends if running.case_id == case.id else min(ends, at + PATIENCE))


def _unsettled(connection: Connection, pass_id: int) -> Row[Any] | None:
    return connection.execute(
        select(attempt_rows)
        .where(attempt_rows.c.pass_id == pass_id, attempt_rows.c.result.is_(None))
        .order_by(attempt_rows.c.id.desc())
    ).first()


def _in_a_call(connection: Connection, case_id: int) -> Row[Any] | None:
    """An attempt for this case in a call that came in, of whose end nobody has told us."""
    return connection.execute(
        select(attempt_rows)
        .where(
            attempt_rows.c.case_id == case_id,
            attempt_rows.c.pass_id.is_(None),
            attempt_rows.c.result.is_(None),
        )
        .order_by(attempt_rows.c.id.desc())
    ).first()


def _begin_pass(connection: Connection, at: datetime, case: Case, ladder: Sequence[Place]) -> tuple[int, int]:
    """A new pass of the case: its id, and which one it is."""
    number = (
        1
        + connection.execute(
            select(func.count()).where(passes.c.case_id == case.id).select_from(passes)
        ).scalar_one()
    )
    identity = connection.execute(
        insert(passes).values(
            case_id=case.id,
            rota=case.rota,
            number=number,
            ladder=[asdict(place) for place in ladder],
            started_at=at,
        )
    ).inserted_primary_key
    assert identity is not None
    return int(identity[0]), number


def _end_pass(connection: Connection, at: datetime, pass_id: int) -> None:
    connection.execute(update(passes).where(passes.c.id == pass_id).values(ended_at=at))


# -- who waits for whom ------------------------------------------------------------------------------


def _goes_on(connection: Connection, at: datetime, case_id: int) -> bool:
    """Whether the pass of another case is still wanted: its pursuit is due now or about to be."""
    soon = connection.execute(
        select(due_work.c.due_at)
        .join(case_rows, case_rows.c.number == due_work.c.key)
        .where(due_work.c.kind == PURSUE, due_work.c.state == due.PENDING, case_rows.c.id == case_id)
    ).scalar()
    return soon is not None and soon <= at + PATIENCE


def _more_urgent_waits(connection: Connection, at: datetime, case: Case) -> bool:
    """Whether a case of the same rota whose pursuit is due too is to be taken in charge earlier."""
    waiting = connection.execute(
        select(case_rows.c.id, case_rows.c.due_at)
        .join(due_work, due_work.c.key == case_rows.c.number)
        .where(
            due_work.c.kind == PURSUE,
            due_work.c.state == due.PENDING,
            due_work.c.due_at <= at,
            case_rows.c.rota == case.rota,
            case_rows.c.id != case.id,
            case_rows.c.closed_at.is_(None),
        )
    )
    mine = (case.due_at or case.opened_at, case.id)
    return any((row.due_at, row.id) < mine for row in waiting if row.due_at is not None)


# -- the ladder of a pass ----------------------------------------------------------------------------


def _ladder(connection: Connection, at: datetime, settings: RingingSettings, case: Case) -> list[Place]:
    """Whom to phone, in order: who was at it when the caller hung up, then the ladder as it stands now,
    last those who passed the case on. Each with all his phones; none twice.
    """
    first, why = _was_at_it(connection, settings, case)
    contacts = roster.ladder(connection, settings, case.rota, at)
    if first is not None:
        known = roster.contact(connection, settings, first, at)
        contacts = [*([known] if known else []), *contacts]
    passed = _passed_on(connection, case.id)
    places: list[Place] = []
    for contact in sorted(contacts, key=lambda each: each.technician in passed):
        reason: Why = "passed" if contact.technician in passed else "ladder"
        if contact.technician == first and reason == "ladder":
            reason = why
        for phone in (contact.phone, *contact.other_phones):
            if all(place.phone != phone for place in places) and _may_be_dialled(settings, phone):
                places.append(Place(contact.rung, contact.technician, phone, contact.rings, reason))
    return places


def _may_be_dialled(settings: RingingSettings, phone: str) -> bool:
    """Checked when it was saved, and again now. One bad number never breaks the chain."""
    try:
        settings.check_number(phone)
    except ValueError:
        return False
    return True


def _was_at_it(connection: Connection, settings: RingingSettings, case: Case) -> tuple[str | None, Why]:
    """In the first pass: the technician who had accepted, or whose phone stopped ringing before its time,
    in the caller's own call.
    """
    begun = connection.execute(select(passes.c.id).where(passes.c.case_id == case.id).limit(1)).first()
    last = connection.execute(
        select(attempt_rows)
        .where(attempt_rows.c.case_id == case.id, attempt_rows.c.pass_id.is_(None))
        .order_by(attempt_rows.c.id.desc())
        .limit(1)
    ).first()
    if begun is not None or last is None or last.result_at is None:
        return None, "ladder"
    if last.result == "accepted":
        return last.technician, "accepted"
    rang = last.result_at - last.asked_at
    if last.result == "no-answer" and rang < timedelta(seconds=settings.rings - 2):
        return last.technician, "rang"
    return None, "ladder"


def _passed_on(connection: Connection, case_id: int) -> frozenset[str]:
    """Technicians who gave the case back after they had taken it."""
    rows = connection.execute(
        select(case_log.c.details).where(case_log.c.case_id == case_id, case_log.c.act == "passed")
    ).scalars()
    return frozenset(str(each.get("technician", "")) for each in rows)

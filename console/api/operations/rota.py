"""Who is on duty when, what would happen to a call, and overrides: made, found, withdrawn."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from console.access.scopes import Scope
from console.api.asked import Asked
from console.api.operation import Area
from console.api.problems import Field, Problem
from console.api.shapes.common import Id, Key, Why
from console.api.shapes.rota import (
    AtMoment,
    Call,
    Explained,
    FindingShown,
    LadderShown,
    NewOverride,
    OverrideList,
    OverrideMade,
    OverrideShown,
    OverrideWithdrawn,
    PhoneShown,
    RotaList,
    RungShown,
)
from console.house import numbers
from ivr.explain import Explainer
from oncall.rota import planning, roster
from oncall.rota.roster import UnknownOverride, UnknownRota
from oncall.rota.rota import Override
from oncall.rota.validation import Finding

area = Area("rota", "Who is on duty, computed from rules at the instant that is asked for, past or future.")


@area.get("/rotas", Scope.ROTA_READ)
def list_rotas(asked: Asked, connection: Connection) -> RotaList:
    """The keys of all rotas."""
    return RotaList(rotas=roster.rota_keys(connection))


@area.get("/rotas/{rota}/ladder", Scope.ROTA_READ)
def read_ladder(asked: Asked, connection: Connection, rota: Key, query: AtMoment) -> LadderShown:
    """Who is rung at an instant, rung by rung, and why he."""
    _known(connection, rota)
    at = query.at or asked.at
    ladder = roster.ladder(connection, asked.configuration.ringing, rota, at)
    rungs = [
        RungShown(rung=c.rung, technician=c.technician, phone=c.phone, because=c.because) for c in ladder
    ]
    return LadderShown(at=asked.moment(at), rota=rota, ladder=rungs)


@area.get("/explain", Scope.ROTA_READ)
def explain(asked: Asked, connection: Connection, query: Call) -> Explained:
    """What would happen to a call at an instant: is a PIN asked, why, until when, who would be rung."""
    ours = numbers(asked.configuration)
    called = query.number or asked.configuration.our_numbers[0]
    if called not in ours:
        why = f"is not one of our numbers ({', '.join(ours)})"
        raise Problem(422, "fields", f"{called} {why}", [Field("number", why)])
    book = roster.book(connection, ours[called].settings.rota)
    people = {each.key: each for each in roster.all_technicians(connection)}
    found = Explainer(called, ours[called].hours, book, people).at(query.at or asked.at)
    return Explained(
        at=asked.moment(found.at),
        number=found.number,
        pin=found.state.pin,
        reason=found.state.reason,
        name=found.state.name,
        until=asked.moment(found.state.until),
        ladder=[
            PhoneShown(rung=duty.rung, technician=duty.technician, phone=phone)
            for duty, phone in found.ladder
        ],
    )


@area.get("/rotas/{rota}/overrides", Scope.ROTA_READ)
def list_overrides(asked: Asked, connection: Connection, rota: Key) -> OverrideList:
    """Overrides that have not ended, by when they begin."""
    _known(connection, rota)
    return OverrideList(
        rota=rota, overrides=[_shown(asked, each) for each in _standing(connection, rota, asked.at)]
    )


@area.get("/rotas/{rota}/overrides/{override_id}", Scope.ROTA_READ)
def read_override(asked: Asked, connection: Connection, rota: Key, override_id: Id) -> OverrideShown:
    """One override, as long as it has not ended: neither by itself nor because it was withdrawn."""
    return _shown(asked, _one(connection, rota, override_id, asked.at))


@area.post("/rotas/{rota}/overrides", Scope.ROTA_WRITE, 201)
def add_override(asked: Asked, connection: Connection, rota: Key, body: NewOverride) -> OverrideMade:
    """Let a technician replace whoever has the turn on a rung for a while. The latest one that covers an
    instant counts. What was stays as it was: one that begins in the past holds from now on.
    """
    _known(connection, rota)
    made, arose = planning.override(
        connection,
        asked.actor,
        asked.at,
        asked.configuration.ringing,
        rota,
        body.rung,
        body.start,
        body.end,
        body.technician,
        reason=body.reason or None,
    )
    shown = _shown(asked, _one(connection, rota, made, asked.at))
    return OverrideMade(**dict(shown), findings=_findings(asked, arose))


@area.delete("/rotas/{rota}/overrides/{override_id}", Scope.ROTA_WRITE)
def withdraw_override(
    asked: Asked, connection: Connection, rota: Key, override_id: Id, query: Why
) -> OverrideWithdrawn:
    """Take an override back: from now on it counts no more; whom it put there until now, it did. The admins
    are told of a hole that this opens.
    """
    _one(connection, rota, override_id, asked.at)
    opened = planning.withdraw_override(
        connection, asked.actor, asked.at, override_id, reason=query.reason or None
    )
    return OverrideWithdrawn(id=override_id, findings=_findings(asked, opened))


def _known(connection: Connection, rota: str) -> None:
    if rota not in roster.rota_keys(connection):
        raise UnknownRota(rota)


def _standing(connection: Connection, rota: str, at: datetime) -> list[Override]:
    held = [each for each in roster.book(connection, rota, at).overrides if max(each.start, at) < each.end]
    return sorted(held, key=lambda each: (each.start, each.id))


def _one(connection: Connection, rota: str, override_id: int, at: datetime) -> Override:
    for each in _standing(connection, rota, at):
        if each.id == override_id:
            return each
    raise UnknownOverride(override_id)


def _shown(asked: Asked, each: Override) -> OverrideShown:
    return OverrideShown(
        id=each.id,
        rung=each.rung,
        technician=each.technician,
        start=asked.moment(each.start),
        end=asked.moment(each.end),
        because=each.because,
    )


def _findings(asked: Asked, found: list[Finding]) -> list[FindingShown]:
    return [
        FindingShown(
            kind=each.kind,
            rota=each.rota,
            rung=each.rung,
            start=asked.moment(each.start),
            end=asked.moment(each.end),
            people=list(each.people),
        )
        for each in found
    ]

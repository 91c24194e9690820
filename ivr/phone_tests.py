"""Test calls: whether somebody's telephone rings, and whether he hears us, before it matters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, func, select

from ivr import outgoing_desk, placed
from ivr.rules import Rules
from ivr.tables import IS_TEST, outgoing, outgoing_turns
from oncall.cases import cases
from oncall.people import Technician

# heard: he pressed 1. picked-up: he, or a voicemail, picked up and pressed nothing. missed: nobody did.
Result = Literal["heard", "picked-up", "missed", "ringing"]


class PhoneInUse(Exception):
    """His phone is ringing or talking for us now."""


@dataclass(frozen=True)
class PhoneTest:
    """A test call. `status` is how the network says it ended, once it has."""

    technician: str
    phone: str
    at: datetime
    result: Result
    status: str | None


def begin(
    connection: Connection, at: datetime, rules: Rules, technician: Technician, phone: str, language: str
) -> int:
    """Write down a test call to one of his phones, for whoever places it; returns its id.

    Raises PhoneInUse.
    """
    cases.lock(connection)
    if phone in placed.engaged(connection, at, ""):
        raise PhoneInUse
    return outgoing_desk.begin(
        connection,
        at,
        rules,
        purpose="test",
        technician=technician.key,
        phone=phone,
        language=language,
    )


def latest(connection: Connection) -> list[PhoneTest]:
    """The last test of each phone of each technician, by technician."""
    tests = select(func.max(outgoing.c.id)).where(IS_TEST)
    newest = tests.group_by(outgoing.c.technician, outgoing.c.phone)
    rows = connection.execute(select(outgoing).where(outgoing.c.id.in_(newest)))
    last = {(row.technician, row.phone): row for row in rows}
    heard = select(outgoing_turns.c.outgoing_id).where(
        outgoing_turns.c.outgoing_id.in_([row.id for row in last.values()]),
        outgoing_turns.c.heard == "heard it",
    )
    who_heard = set(connection.execute(heard).scalars())
    found = []
    for (technician, phone), row in sorted(last.items()):
        result: Result = "ringing"
        if row.id in who_heard:
            result = "heard"
        elif row.ended_at is not None:
            result = "missed" if row.answered_at is None else "picked-up"
        found.append(PhoneTest(technician, phone, row.asked_at, result, row.status))
    return found

"""Calls that the network knows and the journal does not, or not to their end: the stand-in served them while
nothing of ours answered. Each is written down once, and with it a case if it was an emergency.

The caller had no verified PIN: nothing was accepted, so nothing is pursued; whoever is on duty is told.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, select

from ivr import desk, journal
from ivr.rules import OurNumber, Rules
from ivr.tables import messages
from ivr.vocabulary import Call, Outcome, Recording, Step
from oncall.cases import cases
from oncall.notices.notices import MESSAGE
from oncall.reaching import attempts
from oncall.tables import attempts as attempt_rows
from storage import due

log = logging.getLogger("ivr.worker")

# Whoever is on duty is to be told of a call that was found; the key is its sid.
FOUND = "call.found"


@dataclass(frozen=True)
class Rung:
    """A phone that the call rang; `seconds` since something picked up, 0 if nothing did."""

    phone: str
    status: str
    started: datetime
    ended: datetime
    seconds: int


@dataclass(frozen=True)
class Found:
    """A call that is over, as the network remembers it."""

    sid: str
    caller: str
    number: str
    started: datetime
    ended: datetime
    rung: tuple[Rung, ...] = ()
    recordings: tuple[Recording, ...] = ()


# known: there was nothing to be done. written: it is in the journal now. case: and has a case.
Brought = Literal["known", "written", "case"]


def bring(
    connection: Connection,
    at: datetime,
    rules: Rules,
    technicians: Mapping[str, str],
    found: Found,
    source: random.Random,
) -> Brought:
    """Write down what the journal lacks of a call, in one transaction. Nothing is doubled, however often and
    by however many it is brought. `technicians` by phone, their keys.
    """
    ours = rules.numbers.get(found.number)
    if ours is None:
        return "known"
    journal.lock(connection, found.sid)
    standing = journal.glance(connection, found.sid, 0)
    new = standing is None and _begin(connection, rules, found)
    ended = standing is None or standing.ended
    if not ended:
        desk.over(connection, found.ended, found.sid)
    unknown = _keep_recordings(connection, at, found)
    if (
        not new
        and ended
        and standing is not None
        and not unknown
        and not _rung_unseen(connection, ours, found)
    ):
        return "known"
    if _is_emergency(connection, ours, found, unknown) and cases.of_call(connection, found.sid) is None:
        _open(connection, at, rules, technicians, found, source)
        return "case"
    if unknown:
        due.add(connection, at, MESSAGE, found.sid, at, {"call": found.sid})
    return "written"


def _begin(connection: Connection, rules: Rules, found: Found) -> bool:
    """False if another worker was quicker."""
    languages = rules.languages_of(found.number)
    call = Call(found.sid, found.caller, found.number, languages[0], languages)
    call = replace(call, step=Step.ENDED, outcome=Outcome.STAND_IN)
    if not journal.begin(connection, found.started, call, 0):
        return False
    journal.move_on(connection, call, 1)
    journal.end(connection, found.ended, found.sid, Outcome.STAND_IN.value)
    return True


def _keep_recordings(connection: Connection, at: datetime, found: Found) -> bool:
    """Whether there were any, with sound in them, that nobody had told us of."""
    sids = [each.sid for each in found.recordings]
    known = set(
        connection.execute(
            select(messages.c.recording_sid).where(messages.c.recording_sid.in_(sids))
        ).scalars()
    )
    fresh = [each for each in found.recordings if each.sid not in known and each.seconds > 0]
    for recording in fresh:
        journal.keep_message(connection, at, found.sid, recording, "announced")
    return bool(fresh)


def _rung_unseen(connection: Connection, ours: OurNumber, found: Found) -> list[Rung]:
    """Phones that were rung in this call, other than the office's by day, and that we had not rung."""
    by_us = set(
        connection.execute(select(attempt_rows.c.phone).where(attempt_rows.c.call_sid == found.sid)).scalars()
    )
    by_night = ours.hours.at(found.started).pin
    office = () if by_night else ours.settings.office
    return [each for each in found.rung if each.phone not in by_us and each.phone not in office]


def _is_emergency(connection: Connection, ours: OurNumber, found: Found, unknown: bool) -> bool:
    """He pressed the key, for else no technician's phone was rung; or he spoke while no office was open."""
    return bool(_rung_unseen(connection, ours, found)) or (unknown and ours.hours.at(found.started).pin)


def _open(
    connection: Connection,
    at: datetime,
    rules: Rules,
    technicians: Mapping[str, str],
    found: Found,
    source: random.Random,
) -> None:
    cases.lock(connection)
    ours = rules.numbers[found.number]
    unseen = _rung_unseen(connection, ours, found)
    number = cases.next_number(connection, found.started.astimezone(rules.zone).year)
    case_id = cases.open_case(
        connection,
        found.started,
        number=number,
        code=cases.free_code(connection, at, source),
        call_sid=found.sid,
        customer_id=None,
        rota=ours.settings.rota,
        urgency=None,
        due_at=None,
        pursue_at=None,
        billable=False,
    )
    for rung, each in enumerate(unseen, start=1):
        technician = technicians.get(each.phone)
        if technician is None:
            continue  # the duty phone's, or somebody who has left
        attempt = attempts.begin_attempt(
            connection, each.started, case_id, found.sid, technician, each.phone, rung
        )
        if each.seconds > 0:
            attempts.picked_up(connection, each.started, attempt)
        # Nobody has told us of a key, and only a key counts: picked up is not accepted.
        attempts.settle(connection, each.ended, attempt, each.status, bridged=False)
    due.add(connection, at, FOUND, found.sid, at, {"call": found.sid})
    log.warning("call %s was served by the stand-in: case %s", found.sid, number)

"""Calls at Twilio are compared with the journal: what it lacks is written down, and people are told.

While nothing of ours answers, the stand-in serves callers and Twilio alone remembers them. One row of work
goes on for ever and looks every ten minutes, and soon after the start.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection

from console.house import House, rules
from console.processes.standing_by import spares
from console.provisioning.memory import NOTE as PROVISIONED
from console.provisioning.memory import STAND_IN
from console.work.handed_on import LOUD_EVERY
from console.work.notices import UNDELIVERED
from ivr import journal
from ivr.standby import found_calls
from ivr.standby.found_calls import FOUND, Found, Rung
from ivr.vocabulary import Recording
from oncall import people
from oncall.cases import cases
from oncall.notices import notices
from oncall.notices.channels import ChannelFailed
from oncall.rota import roster
from storage import due, notebook
from storage.alarms import raise_alarm
from storage.due import Work
from webhooks.rest.past_calls import PastCall, RestPastCalls

__all__ = ["FOUND"]

log = logging.getLogger("ivr.worker")

COMPARE = "calls.compare"
KEY = "calls"
# Up to where calls have been compared.
COMPARED = "calls-compared"
EVERY, WAITS = timedelta(minutes=10), timedelta(minutes=1)
# A call that ended less long ago may still be arriving here, and its recording there.
SETTLED = timedelta(minutes=3)
# A talk lasts four hours at the most; a call that Twilio says goes on for longer holds nothing up.
LONGEST = timedelta(hours=6)
# What a found call is told as.
KIND = "stand-in-call"


def plan(house: House, at: datetime) -> None:
    """See to it that calls are compared."""
    with house.database.write() as connection:
        if not due.pending(connection, COMPARE, KEY):
            due.add(connection, at, COMPARE, KEY, at, {})


def compare(house: House, work: Work, at: datetime, past: RestPastCalls | None = None) -> datetime | None:
    """Bring what the journal lacks. Where nothing of ours was ever set up at Twilio, nobody is asked."""
    configuration = house.configuration
    with house.database.read() as connection:
        set_up = any(notebook.read(connection, name) for name in (STAND_IN, PROVISIONED))
        note = notebook.read(connection, COMPARED)
    if not set_up:
        return at + EVERY
    if note is None:
        # What came before we began is not ours to find.
        _remember(house, at, at - SETTLED)
        return at + EVERY
    if spares(configuration).any():
        return at + WAITS  # calls are still coming home from there
    kept = min(configuration.privacy.calls, configuration.privacy.caller_numbers)
    since = max(datetime.fromisoformat(note.content["until"]), at - timedelta(days=kept))
    try:
        found = (past or RestPastCalls(configuration.twilio)).since(since, configuration.our_numbers)
    except ChannelFailed as failed:
        log.error("calls could not be compared with Twilio's: %s", failed)
        return at + EVERY
    settled = [call for call in found if _settled(call, at)]
    for call in settled:
        _bring(house, call, at)
    waiting = [call.started for call in found if not _settled(call, at) and at - call.started < LONGEST]
    _remember(house, at, min([*waiting, at - SETTLED]))
    return at + EVERY


def tell(house: House, work: Work, at: datetime) -> datetime | None:
    """Whoever is on duty hears of a call that the stand-in served: aloud, but of several at once in one
    notice, and four times an hour at most. Its case stands in the list.
    """
    with house.database.write() as connection:
        case = cases.of_call(connection, work.key)
        if case is None or case.closed_at is not None:
            return None
        ladder = roster.ladder(connection, house.configuration.ringing, case.rota, at)
        first = [f"technician:{contact.technician}" for contact in ladder[:1]]
        told = notices.last_loud(connection, KIND, first[0], at - LOUD_EVERY) if first else None
        if told is not None and told < work.created_at:
            return told + LOUD_EVERY
        more = due.pending_since(connection, FOUND, told or at - LOUD_EVERY, work.id)
        facts = {"seconds": _spoke(connection, work.key)} | ({"more": more} if more else {})
        to = first or [f"admin:{address}" for address in house.configuration.notices.admins]
        about = f"case:{case.number}"
        notices.tell_everybody(connection, at, KIND, to, about, facts, loud=told is None)
        if not to:
            raise_alarm(connection, at, UNDELIVERED, about, {"kind": KIND, "concerns": about})
    return None


def _settled(call: PastCall, at: datetime) -> bool:
    return call.ended is not None and call.ended <= at - SETTLED


def _remember(house: House, at: datetime, until: datetime) -> None:
    with house.database.write() as connection:
        notebook.write(connection, at, COMPARED, {"until": until.isoformat()})


def _bring(house: House, call: PastCall, at: datetime) -> None:
    with house.database.write() as connection:
        brought = found_calls.bring(
            connection,
            at,
            rules(house.configuration),
            _phones(connection),
            _found(call),
            secrets.SystemRandom(),
        )
    if brought != "known":
        log.warning("call %s was not in the journal, or not to its end; it is now", call.sid)


def _phones(connection: Connection) -> dict[str, str]:
    everybody: Collection[people.Technician] = people.all_technicians(connection)
    return {phone: each.key for each in everybody for phone in each.phones}


def _found(call: PastCall) -> Found:
    assert call.ended is not None
    return Found(
        call.sid,
        call.caller,
        call.number,
        call.started,
        call.ended,
        tuple(Rung(leg.phone, leg.status, leg.started, leg.ended, leg.seconds) for leg in call.legs),
        tuple(Recording(each.sid, "", each.seconds) for each in call.recordings),
    )


def _spoke(connection: Connection, sid: str) -> int | None:
    return sum(each.seconds for each in journal.messages_of(connection, sid)) or None

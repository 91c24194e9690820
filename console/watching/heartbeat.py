"""A sign of life for a watcher elsewhere, who raises the alarm when it stops: the one alarm that works when
nothing here does.

The worker asks an address while all is well: the database answers, no work is late, the snapshot is fresh.
Nobody but the configuration names that address, and wherever its answer leads we do not go.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import requests
from sqlalchemy.exc import SQLAlchemyError

from console.house import House, not_ready
from console.processes.patient import PATIENT
from console.processes.standing_by import OVERDUE, snapshot_file
from ivr.tally import TALLY
from storage import due, snapshot

log = logging.getLogger("ivr.heartbeat")

SUCCESS, FAILURES = "heartbeat-heard", "heartbeat-failed"
# A worker ticks every two seconds and holds what it works on for two minutes.
LATE = timedelta(minutes=3)
# Seconds for connecting, and for each piece of the answer.
PATIENCE = 10
AGENT = "after-hours-ivr"


def unwell(house: House, at: datetime) -> str:
    """What is not well, in a word or two; "" if all is."""
    if not_ready(house):
        return "no database"
    with house.database.read() as connection:
        late = due.late(connection, at, LATE, most=1, patient=PATIENT)
    if late is not None:
        return "work is late"
    if house.configuration.service.signing_key.get_secret_value():
        written = snapshot.written_at(snapshot_file(house.configuration))
        if written is None or at - written > OVERDUE:
            return "no fresh snapshot"
    return ""


def beat(house: House, at: datetime, session: Any = requests) -> bool:
    """Give a sign of life, if one is wanted and all is well; whether somebody heard it. Fails for nothing."""
    address = house.configuration.watching.heartbeat.get_secret_value()
    if not address:
        return False
    try:
        why = unwell(house, at)
    except (SQLAlchemyError, OSError) as error:
        why = type(error).__name__
    if why:
        log.error("no heartbeat is sent: %s", why)
        return False
    try:
        # Its body is never read.
        with session.get(
            address, timeout=PATIENCE, allow_redirects=False, stream=True, headers={"User-Agent": AGENT}
        ) as answer:
            status = answer.status_code
    except (requests.RequestException, OSError, ValueError) as error:
        _failed(type(error).__name__)
        return False
    if not 200 <= status < 300:
        _failed(f"answered {status}")
        return False
    TALLY.mark(SUCCESS, at.timestamp())
    return True


def _failed(why: str) -> None:
    # The address is a secret: what requests says of an error would name it.
    TALLY.count(FAILURES)
    log.warning("the heartbeat was not heard: %s", why)

"""The stand-in at Twilio is kept as rota, hours and numbers are now, once it has been published by hand.

One row of work goes on for ever: it compares what should be served with what is, and publishes if they
differ. Whatever fails, Twilio goes on with what it has; if that lasts, or its end comes near, the admins are
told.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection

from console.house import House
from console.stand_in.publishing import Published, PublishFailed, is_fresh, publish, wanted
from storage import due, notebook
from storage.alarms import raise_alarm
from storage.due import Work

log = logging.getLogger("ivr.worker")

KEEP = "stand-in.keep"
KEY = "stand-in"
ACTOR = "service:stand-in"
# Looked at so often, and so published at most so often; after a failure later.
EVERY, AGAIN = timedelta(minutes=3), timedelta(minutes=10)
# So long after a change that could not be published, and so long before its end, the admins are told.
LATE, NEAR = timedelta(hours=1), timedelta(days=7)
# Since when what Twilio serves is behind.
BEHIND = "stand-in-behind"


def plan(house: House, at: datetime) -> None:
    """See to it that the stand-in is looked after."""
    with house.database.write() as connection:
        if not due.pending(connection, KEEP, KEY):
            due.add(connection, at, KEEP, KEY, at, {})


def keep(
    house: House, work: Work, at: datetime, pause: Callable[[float], object] = time.sleep
) -> datetime | None:
    """Publish the document if it has changed. Before the first publication by hand nothing is done."""
    document, known = wanted(house, at)
    if known is None:
        return at + EVERY
    why = None
    fresh = is_fresh(house, document, known)
    if not fresh and house.configuration.twilio.stand_in:
        try:
            known = publish(house, ACTOR, at, document, pause=pause)
            fresh = True
            log.info("the stand-in at Twilio is up to date")
        except PublishFailed as failed:
            why = str(failed)
            log.error("the stand-in at Twilio could not be published: %s", why)
    with house.database.write() as connection:
        _tell(house, connection, at, known, None if fresh else why or "[twilio] stand_in = false")
    return at + (AGAIN if why else EVERY)


def _tell(house: House, connection: Connection, at: datetime, known: Published, why: str | None) -> None:
    zone = house.configuration.zone
    if why is None:
        notebook.remove(connection, BEHIND)
    else:
        note = notebook.read(connection, BEHIND)
        if note is None:
            notebook.write(connection, at, BEHIND, {})
        elif at - note.at > LATE:
            since = f"{note.at.astimezone(zone):%Y-%m-%d %H:%M}"
            raise_alarm(connection, at, "stand-in-stale", details={"since": since, "why": why})
    if known.good(at) < NEAR:
        until = f"{known.covers_until.astimezone(zone):%Y-%m-%d %H:%M}"
        raise_alarm(connection, at, "stand-in-ends", details={"until": until})

"""The worker: claims due work and does it. APScheduler only ticks; what is due stands in a table."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

from apscheduler.schedulers.blocking import BlockingScheduler

from console.house import Clock, House, state_folder
from ivr import journal
from oncall import cases
from storage import due
from storage.due import Work
from webhooks.outbound import RecordingGone, RecordingNotReady, fetch_recording

log = logging.getLogger("ivr.worker")

TICK_SECONDS = 2
# Longer than the slowest piece of work: a recording that trickles in.
LEASE = timedelta(minutes=2)
# The next pass of a pursuit, counted from the end of the one before.
NEXT_PASS = timedelta(minutes=3)
# A recording that is not ready is asked for again, later each time, for about a day.
FETCH_AGAIN = timedelta(seconds=15)
FETCH_AGAIN_AT_MOST = timedelta(hours=1)
FETCH_TRIES = 36

# Does one piece of work; returns when it is due again, None when it is done.
Handler = Callable[[House, Work, datetime], datetime | None]


def pursue(house: House, work: Work, at: datetime) -> datetime | None:
    """An accepted emergency that nobody has taken: say so, aloud, until a person does.

    Only 'connected', or taking or closing the case by hand, cancels this row.
    """
    log.error("case %s is still waiting for a technician (reminder %d)", work.payload["case"], work.tries)
    return at + NEXT_PASS


def fetch_message(house: House, work: Work, at: datetime) -> datetime | None:
    """Fetch a message's recording and keep it, so that it can be listened to here."""
    folder = state_folder(house.configuration) / "messages"
    try:
        file = fetch_recording(house.configuration.twilio, work.key, folder)
    except RecordingNotReady as why:
        if work.tries >= FETCH_TRIES:
            log.error("message %s could not be fetched within a day: %s", work.key, why)
            return None
        return at + min(FETCH_AGAIN * (1 << min(work.tries - 1, 12)), FETCH_AGAIN_AT_MOST)
    except RecordingGone as why:
        log.error("message %s cannot be fetched: %s", work.key, why)
        return None
    with house.database.write() as connection:
        journal.message_fetched(connection, at, work.key, file.name)
    return None


HANDLERS: Mapping[str, Handler] = {cases.PURSUE: pursue, journal.FETCH: fetch_message}


def tick(house: House, at: datetime, handlers: Mapping[str, Handler] = HANDLERS) -> int:
    """Do what is due at `at`; returns how much. Work whose kind nobody handles yet stays pending.

    One piece that fails is left to its lease and tried again; it does not hold up the others.
    """
    with house.database.write() as connection:
        claimed = due.claim(connection, at, tuple(handlers), lease=LEASE)
    for work in claimed:
        try:
            again = handlers[work.kind](house, work, at)
        except Exception:
            log.exception("%s %s failed; it is tried again after its lease", work.kind, work.key)
            continue
        with house.database.write() as connection:
            if again is None:
                due.finish(connection, at, work)
            else:
                due.postpone(connection, work, again)
    return len(claimed)


def run(house: House, clock: Clock) -> None:
    """Tick until TERM or INT."""
    scheduler = BlockingScheduler(timezone="UTC")
    scheduler.add_job(
        partial(_tick_once, house, clock),
        "interval",
        seconds=TICK_SECONDS,
        # By default a tick more than a second late is dropped.
        misfire_grace_time=None,
        coalesce=True,
        max_instances=1,
    )
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: scheduler.shutdown(wait=False))
    log.info("worker started")
    scheduler.start()


def _tick_once(house: House, clock: Clock) -> None:
    tick(house, clock())

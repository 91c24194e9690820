"""The worker: claims due work and does it. APScheduler only ticks; what is due stands in a table."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import partial

from apscheduler.schedulers.background import BackgroundScheduler

from console.house import Clock, House
from console.outside import keep_anchor
from console.work import APART, AT_ONCE, HANDLERS, Handler, calendars, mail, rota
from ivr import toll
from storage import due

log = logging.getLogger("ivr.worker")

TICK_SECONDS = 2
# Seconds that work under way may take after TERM.
STOPS_WITHIN = 5
# Longer than the slowest piece of work: a recording that trickles in.
LEASE = timedelta(minutes=2)
CLAIMED_AT_ONCE = 20
SWEEP_HOURS = 1
CAPS_SECONDS = 60


def tick(
    house: House,
    at: datetime,
    handlers: Mapping[str, Handler] = HANDLERS,
    limit: int = CLAIMED_AT_ONCE,
) -> int:
    """Do what is due at `at`, at most `limit` pieces; returns how many. Work whose kind nobody handles
    yet stays pending.

    One piece that fails is left to its lease and tried again; it does not hold up the others.
    """
    with house.database.read() as connection:
        if not due.waiting(connection, at, tuple(handlers)):
            return 0  # and no caller's turn had to wait for us
    with house.database.write() as connection:
        claimed = due.claim(connection, at, tuple(handlers), limit=limit, lease=LEASE)
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
    # Blocked in every thread and waited for here: a handler that stopped the scheduler would run in the
    # middle of whatever its thread holds, and could wait for itself for ever.
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    scheduler = BackgroundScheduler(timezone="UTC")
    # By default a tick more than a second late is dropped.
    add = partial(scheduler.add_job, misfire_grace_time=None, coalesce=True, max_instances=1)
    add(partial(_tick_once, house, clock), "interval", seconds=TICK_SECONDS)
    for kinds in APART.values():
        add(partial(_tick_apart, house, clock, kinds), "interval", seconds=TICK_SECONDS)
    add(partial(_look_at_the_caps, house, clock), "interval", seconds=CAPS_SECONDS)
    add(partial(_sweep, house, clock), "interval", hours=SWEEP_HOURS, next_run_time=clock())
    # It warns whenever a tick finds the one before still at work: that is what `max_instances` is for.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler.start()
    log.info("worker started")
    signal.sigwait(ends)
    # What is being done now is finished if that is soon; else it is left to its lease, as after a crash.
    # The scheduler itself may be busy: after a leap of the clock it counts every tick it missed.
    ending = threading.Thread(target=scheduler.shutdown, daemon=True)
    ending.start()
    ending.join(STOPS_WITHIN)
    logging.shutdown()
    os._exit(0)


def _tick_once(house: House, clock: Clock) -> None:
    at = clock()
    apart = {kind for kinds in APART.values() for kind in kinds}
    tick(house, at, {kind: do for kind, do in HANDLERS.items() if kind not in apart})
    keep_anchor(house, at)


def _tick_apart(house: House, clock: Clock, kinds: Collection[str]) -> None:
    tick(house, clock(), {kind: HANDLERS[kind] for kind in kinds}, AT_ONCE)


def _look_at_the_caps(house: House, clock: Clock) -> None:
    with house.database.write() as connection:
        toll.watch(connection, clock(), house.configuration.toll)


def _sweep(house: House, clock: Clock) -> None:
    mail.sweep(house, clock())
    rota.seed(house, clock())
    calendars.plan(house, clock())

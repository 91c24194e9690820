"""The worker: claims due work and does it. APScheduler only ticks; what is due stands in a table."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import partial

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError

from console import certificate
from console.backups.daily import Daily
from console.doctor import nightly
from console.house import Clock, House, open_house
from console.outside import keep_anchor
from console.own_voice import VoiceKeeper
from console.reloading import Terminal, read_again
from console.standing_by import Keeper, spares
from console.work import (
    APART,
    AT_ONCE,
    HANDLERS,
    WITHOUT_DATABASE,
    Handler,
    calendars,
    clocks,
    mail,
    reconcile,
    rota,
    stand_in,
)
from ivr import toll
from ivr.outgoing_desk import WATCH
from storage import due
from storage.engine import is_gone

log = logging.getLogger("ivr.worker")

Do = Callable[[Keeper, datetime], object]

TICK_SECONDS = 2
# Seconds that work under way may take after TERM.
STOPS_WITHIN = 5
# Longer than the slowest piece of work: a recording that trickles in.
LEASE = timedelta(minutes=2)
CLAIMED_AT_ONCE = 20
SWEEP_HOURS = 1
# Seconds between two looks at the database's clock.
CLOCKS_EVERY = 60
BACKUP_LOOK_MINUTES = 1
CAPS_SECONDS = 60
CERTIFICATE_HOURS = 12
DOCTOR_LOOK_MINUTES = 1


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
    """Tick until TERM or INT, which end the process. Returns on HUP, if the configuration can be read again:
    everything is then to begin anew with it.
    """
    # Blocked in every thread and waited for here: a handler that stopped the scheduler would run in the
    # middle of whatever its thread holds, and could wait for itself for ever.
    ends = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    terminal = Terminal()
    scheduler = BackgroundScheduler(timezone="UTC")
    # By default a tick more than a second late is dropped.
    add = partial(scheduler.add_job, misfire_grace_time=None, coalesce=True, max_instances=1)
    hurried = open_house(house.configuration, hurried=True).database
    keeper = Keeper(house, hurried, spares(house.configuration))
    every: list[Do] = [_tick_once, _keep_snapshot, *(partial(_tick_apart, kinds) for kinds in APART.values())]
    for do in every:
        again = partial(_unless_away, do, keeper, clock)
        add(again, "interval", seconds=TICK_SECONDS, next_run_time=clock())
    voice = VoiceKeeper(house)
    again = partial(_unless_away, lambda _, at: voice.keep(at), keeper, clock)
    add(again, "interval", seconds=TICK_SECONDS, next_run_time=clock())
    add(partial(_stand_by, keeper, clock), "interval", seconds=TICK_SECONDS)
    again = partial(_unless_away, _sweep, keeper, clock)
    add(again, "interval", hours=SWEEP_HOURS, next_run_time=clock())
    again = partial(_unless_away, partial(_compare_clocks, clock), keeper, clock)
    add(again, "interval", seconds=CLOCKS_EVERY, next_run_time=clock())
    add(partial(_unless_away, _look_at_the_caps, keeper, clock), "interval", seconds=CAPS_SECONDS)
    # Not at the start: it asks the network for our own name.
    again = partial(_unless_away, lambda keeper, at: certificate.look(keeper.house, at), keeper, clock)
    add(again, "interval", hours=CERTIFICATE_HOURS)
    daily = Daily(house)
    again = partial(_unless_away, lambda _, at: daily.write(at), keeper, clock)
    add(again, "interval", minutes=BACKUP_LOOK_MINUTES, next_run_time=clock())
    add(partial(_unless_away, lambda _, at: daily.look(at), keeper, clock), "interval", hours=SWEEP_HOURS)
    # Not at the start: it asks the network.
    again = partial(_unless_away, lambda keeper, at: nightly.look(keeper.house, at), keeper, clock)
    add(again, "interval", minutes=DOCTOR_LOOK_MINUTES)
    # It warns whenever a tick finds the one before still at work: that is what `max_instances` is for.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler.start()
    log.info("worker started")
    anew = False
    while not anew:
        if signal.sigwait(ends) != signal.SIGHUP or terminal.gone:
            break
        anew = read_again(house.configuration, clock()) is not None
    # What is being done now is finished if that is soon; else it is left to its lease, as after a crash.
    # The scheduler itself may be busy: after a leap of the clock it counts every tick it missed.
    ending = threading.Thread(target=scheduler.shutdown, daemon=True)
    ending.start()
    ending.join(STOPS_WITHIN)
    if anew:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)
        return
    logging.shutdown()
    os._exit(0)


def _unless_away(do: Do, keeper: Keeper, clock: Clock) -> None:
    """What needs the database waits while it is away; `_stand_by` has said so."""
    if keeper.away_since is not None:
        return
    try:
        do(keeper, clock())
    except (SQLAlchemyError, OSError) as error:
        if not is_gone(error):
            log.exception("a tick failed; the next one tries again")
        elif keeper.away_since is None:  # not yet: the next look at it will say so
            log.error("no database for a tick (%s); the next one tries again", type(error).__name__)


def _tick_once(keeper: Keeper, at: datetime) -> None:
    apart = {kind for kinds in APART.values() for kind in kinds}
    tick(keeper.house, at, {kind: do for kind, do in HANDLERS.items() if kind not in apart})
    keep_anchor(keeper.house, at)


def _tick_apart(kinds: Collection[str], keeper: Keeper, at: datetime) -> None:
    tick(keeper.house, at, {kind: HANDLERS[kind] for kind in kinds}, AT_ONCE)


def _keep_snapshot(keeper: Keeper, at: datetime) -> None:
    keeper.keep(at)


def _stand_by(keeper: Keeper, clock: Clock) -> None:
    """While the database is away, do the work that waits in the spare; once it is back, bring all home."""
    at = clock()
    answers = keeper.look(at)
    # Calls that were placed from the spare are watched until they are over, wherever they end.
    kinds = (WATCH,) if answers else WITHOUT_DATABASE
    for house in keeper.houses():
        tick(house, at, {kind: HANDLERS[kind] for kind in kinds}, AT_ONCE)


def _look_at_the_caps(keeper: Keeper, at: datetime) -> None:
    with keeper.house.database.write() as connection:
        toll.watch(connection, at, keeper.house.configuration.toll)


def _compare_clocks(clock: Clock, keeper: Keeper, at: datetime) -> None:
    clocks.compare(keeper.house, clock)


def _sweep(keeper: Keeper, at: datetime) -> None:
    mail.sweep(keeper.house, at)
    rota.seed(keeper.house, at)
    calendars.plan(keeper.house, at)
    stand_in.plan(keeper.house, at)
    reconcile.plan(keeper.house, at)

"""The worker: claims due work and does it. APScheduler only ticks; what is due stands in a table."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler
from sqlalchemy.exc import SQLAlchemyError

from console import certificate
from console.backups.daily import Daily
from console.doctor import nightly
from console.house import Clock, House, open_house
from console.outside import keep_anchor
from console.processes.reloading import Terminal, read_again
from console.processes.standing_by import Keeper, spares
from console.voice.keeping import VoiceKeeper
from console.watching import heartbeat, tracing
from console.watching.keeping import Keeper as Counts
from console.watching.keeping import start_anew
from console.watching.reading import TICK
from console.work import (
    APART,
    AT_ONCE,
    HANDLERS,
    WITHOUT_DATABASE,
    Handler,
    calendars,
    clocks,
    mail,
    purge,
    reconcile,
    rota,
    stand_in,
    tickets,
)
from ivr import toll
from ivr.outgoing_desk import WATCH
from ivr.tally import TALLY
from storage import due
from storage.engine import is_contended, is_gone
from storage.spare import Retired

log = logging.getLogger("ivr.worker")

Result = TypeVar("Result")
Tick = Callable[[Keeper, datetime], int]

TICK_SECONDS = 2
# At least as many as there are jobs: one that waits for somebody outside must not hold up another.
THREADS = len(APART) + 14
# Seconds that work under way may take after TERM.
STOPS_WITHIN = 5
# Longer than the slowest piece of work: a recording that trickles in.
LEASE = timedelta(minutes=2)
CLAIMED_AT_ONCE = 20
SWEEP_HOURS = 1
# Seconds between two looks at what a helpdesk is to be told.
TICKETS_SECONDS = 5
# Seconds between two looks at the database's clock.
CLOCKS_EVERY = 60
BACKUP_LOOK_MINUTES = 1
CAPS_SECONDS = 60
CERTIFICATE_HOURS = 12
# Seconds between two looks whether our own clock was put back; by less than this nobody is kept waiting.
CLOCK_LOOK_SECONDS = 1
CLOCK_SLACK = timedelta(seconds=1)
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
            again = tracing.done(handlers[work.kind], house, work, at)
        except Exception as error:
            if not is_contended(error):
                log.exception("%s %s failed; it is tried again after its lease", work.kind, work.key)
                continue
            log.warning("%s %s: another transaction was in its way; it is tried again", work.kind, work.key)
            again = at
        with house.database.write() as connection:
            if again is None:
                due.finish(connection, at, work)
            else:
                due.postpone(connection, work, again)
    return len(claimed)


def drain(
    tick_again: Callable[[], int | None], most: int, stopwatch: Callable[[], float] = time.monotonic
) -> None:
    """Tick as long as each tick finds as much as it may take at once, `most`: what many callers caused in one
    moment is done before the next tick. After the length of a tick it is that one's turn; whatever else
    is due at each tick is then not held up.
    """
    ends = stopwatch() + TICK_SECONDS
    while (tick_again() or 0) >= most and stopwatch() < ends:
        pass


def run(house: House, clock: Clock) -> None:
    """Tick until TERM or INT, which end the process. Returns on HUP, if the configuration can be read again:
    everything is then to begin anew with it.
    """
    # Blocked in every thread and waited for here: a handler that stopped the scheduler would run in the
    # middle of whatever its thread holds, and could wait for itself for ever.
    ends = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    terminal = Terminal()
    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": ThreadPoolExecutor(THREADS)})
    # By default a tick more than a second late is dropped.
    add = partial(scheduler.add_job, misfire_grace_time=None, coalesce=True, max_instances=1)
    hurried = open_house(house.configuration, hurried=True).database
    keeper = Keeper(house, hurried, spares(house.configuration))
    ticks: list[tuple[Tick, int]] = [(_tick_once, CLAIMED_AT_ONCE)]
    ticks += [(partial(_tick_apart, kinds), AT_ONCE) for kinds in APART.values()]
    every: list[Callable[[], object]] = [partial(_unless_away, _keep_snapshot, keeper, clock)]
    every += [partial(drain, partial(_unless_away, do, keeper, clock), most) for do, most in ticks]
    for again in every:
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
    again = partial(_unless_away, lambda keeper, at: tickets.look(keeper.house, at), keeper, clock)
    add(again, "interval", seconds=TICKETS_SECONDS)
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
    beat = partial(_unless_away, lambda keeper, at: heartbeat.beat(keeper.house, at), keeper, clock)
    add(beat, "interval", seconds=house.configuration.watching.heartbeat_every)
    start_anew(house.configuration, "work")
    Counts(house.configuration, "work").begin()
    tracing.begin(house.configuration, "work")
    # It warns whenever a tick finds the one before still at work: that is what `max_instances` is for.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler.start()
    log.info("worker started")
    anew = False
    while not anew:
        told = signal.sigtimedwait(ends, CLOCK_LOOK_SECONDS)
        if told is None:
            keep_ticking(scheduler, clock())
        elif told.si_signo != signal.SIGHUP or terminal.gone:
            break
        else:
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


def keep_ticking(scheduler: BaseScheduler, at: datetime) -> None:
    """Nothing ticks later than it would have anyway: when the clock is put back, the scheduler waits until it
    has come again to where it was, and nobody who was promised a technician would be phoned meanwhile.
    """
    for job in scheduler.get_jobs():
        if job.next_run_time - at > job.trigger.interval + CLOCK_SLACK:
            job.modify(next_run_time=at)


def _unless_away(do: Callable[[Keeper, datetime], Result], keeper: Keeper, clock: Clock) -> Result | None:
    """What needs the database waits while it is away; `_stand_by` has said so. None if it was not done, or
    failed; else what `do` returns.
    """
    if keeper.away_since is not None:
        return None
    try:
        return do(keeper, clock())
    except (SQLAlchemyError, OSError) as error:
        if not is_gone(error):
            log.exception("a tick failed; the next one tries again")
        elif keeper.away_since is None:  # not yet: the next look at it will say so
            log.error("no database for a tick (%s); the next one tries again", type(error).__name__)
    return None


def _tick_once(keeper: Keeper, at: datetime) -> int:
    apart = {kind for kinds in APART.values() for kind in kinds}
    done = tick(keeper.house, at, {kind: do for kind, do in HANDLERS.items() if kind not in apart})
    keep_anchor(keeper.house, at)
    TALLY.mark(TICK, at.timestamp())
    return done


def _tick_apart(kinds: Collection[str], keeper: Keeper, at: datetime) -> int:
    return tick(keeper.house, at, {kind: HANDLERS[kind] for kind in kinds}, AT_ONCE)


def _keep_snapshot(keeper: Keeper, at: datetime) -> None:
    keeper.keep(at)


def _stand_by(keeper: Keeper, clock: Clock) -> None:
    """While the database is away, do the work that waits in the spare; once it is back, bring all home."""
    at = clock()
    answers = keeper.look(at)
    if not answers:  # else it is said after the work that is done with it
        TALLY.mark(TICK, at.timestamp())
    # Calls that were placed from the spare are watched until they are over, wherever they end.
    kinds = (WATCH,) if answers else WITHOUT_DATABASE
    for house in keeper.houses():
        try:
            tick(house, at, {kind: HANDLERS[kind] for kind in kinds}, AT_ONCE)
        except (SQLAlchemyError, OSError, Retired) as error:
            log.error("standby %s: no work for a tick (%s)", house.database.home, type(error).__name__)


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
    purge.plan(keeper.house, at)

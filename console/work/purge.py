"""Each day, in the small hours, what is too old is purged: one row of work that goes on for ever."""

from __future__ import annotations

import logging
from datetime import datetime, time, timedelta

from console.house import House
from console.privacy import keys, purging
from console.processes.patient import PURGE
from console.processes.standing_by import spares
from ivr import ageing
from oncall.rota.wallclock import instant_of
from storage import due
from storage.due import Work

log = logging.getLogger("ivr.worker")

KEY = "purge"
BY = "worker"
# By the wall clock: few call then, and the backup of the day has been written.
CLOCK = time(4, 20)
# So much at a time: it ends well within its lease. The rest follows soon.
MOST = 2000
AGAIN = timedelta(minutes=1)
# A file that no row knows may be of a recording that is being fetched, or whose row is still to come home
# from a machine that was switched off for a week.
ORPHAN = timedelta(days=8)


def plan(house: House, at: datetime) -> None:
    """See to it that the purge is due, and remove files on this machine whose rows are gone."""
    with house.database.write() as connection:
        if not due.pending(connection, PURGE, KEY):
            due.add(connection, at, PURGE, KEY, _next(house, at), {})
    sweep(house, at)


def purge(house: House, work: Work, at: datetime) -> datetime | None:
    """Purge what is too old; due again tomorrow, or soon if there is more of it."""
    done = purging.purge(house, BY, at, MOST)
    if done.counts:
        log.info("purged: %s", ", ".join(f"{name} {count}" for name, count in done.counts.items()))
    return at + AGAIN if done.more else _next(house, at)


def sweep(house: House, at: datetime) -> int:
    """Remove recordings that no row knows any more: where two machines serve, the purge ran on one of them.
    Returns how many.
    """
    folder = keys.kept_sounds(house.configuration).folder
    if not folder.is_dir() or spares(house.configuration).any():
        return 0
    old = {
        file.name.partition(".")[0]: file
        for file in folder.glob("RE*")
        if file.stat().st_mtime < (at - ORPHAN).timestamp()
    }
    names = sorted(old)
    orphans: set[str] = set()
    for start in range(0, len(names), 500):
        some = names[start : start + 500]
        with house.database.read() as connection:
            orphans |= set(some) - ageing.known_recordings(connection, some)
    for name in orphans:
        old[name].unlink(missing_ok=True)
    return len(orphans)


def _next(house: House, at: datetime) -> datetime:
    zone = house.configuration.zone
    day = at.astimezone(zone).date()
    today = instant_of(day, CLOCK, zone)
    return today if today > at else instant_of(day + timedelta(days=1), CLOCK, zone)

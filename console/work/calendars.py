"""Calendars that absences are read from, fetched every hour.

A row of work lives from one success to the next: when it was written is when the calendar
was last read. Whatever fails, the absences stay as they are.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy import Connection

from console.house import House
from console.outbound.calendar_fetch import FetchFailed, Outside, fetch
from oncall.calendars import calendar_absences, calendar_import
from oncall.calendars.calendar_absences import Brought
from oncall.calendars.calendar_import import CalendarRefused
from oncall.rota.roster import RosterRefusal
from storage import due
from storage.alarms import raise_alarm
from storage.due import Work

log = logging.getLogger("ivr.worker")

FETCH = "calendar.fetch"
# What the absences of a configured calendar are known by: its address may change.
CALENDAR = "calendar"
ACTOR = "service:calendars"
EVERY = timedelta(hours=1)
AGAIN = timedelta(minutes=15)
# So long without success, and the admins are told.
STALE_AFTER = timedelta(hours=24)
STALE = "calendar-stale"


def plan(house: House, at: datetime) -> int:
    """See to it that every configured calendar is fetched; returns how many were not planned yet."""
    added = 0
    with house.database.write() as connection:
        for technician in house.configuration.calendars.absences:
            if not due.pending(connection, FETCH, technician):
                _again(connection, at, technician, at)
                added += 1
    return added


def fetch_absences(house: House, work: Work, at: datetime, world: Outside | None = None) -> datetime | None:
    """Fetch one technician's calendar and make his absences follow it."""
    technician = work.key
    calendars = house.configuration.calendars
    if technician not in calendars.absences:
        return None  # no longer configured
    try:
        content = fetch(calendars.absences[technician].get_secret_value(), calendars.hosts, world)
        entries = calendar_import.read(content, house.configuration.zone, at)
        with house.database.write() as connection:
            done = calendar_absences.bring(connection, ACTOR, at, technician, CALENDAR, entries)
            # Unless the lease has passed to another worker: then that one goes on.
            if due.finish(connection, at, work):
                _again(connection, at, technician, at + EVERY)
    except (FetchFailed, CalendarRefused, RosterRefusal) as error:
        _failed(house, work, at, str(error))
        return at + AGAIN
    if done != Brought(0, 0, 0, done.unchanged):
        log.info("absences of %s: %d new, %d changed, %d gone", technician, *_counts(done))
    return None


def _counts(done: Brought) -> tuple[int, int, int]:
    return done.added, done.changed, done.withdrawn


def _again(connection: Connection, at: datetime, technician: str, due_at: datetime) -> None:
    due.add(connection, at, FETCH, technician, due_at, {"technician": technician})


def _failed(house: House, work: Work, at: datetime, why: str) -> None:
    log.warning("the calendar of %s was not read, his absences stay as they are: %s", work.key, why)
    if at - work.created_at < STALE_AFTER:
        return
    since = work.created_at.astimezone(house.configuration.zone)
    details = {"technician": work.key, "since": f"{since:%Y-%m-%d %H:%M}", "why": why}
    with house.database.write() as connection:
        raise_alarm(connection, at, STALE, f"technician:{work.key}", details)

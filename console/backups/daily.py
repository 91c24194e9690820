"""A backup each day, where one is wanted: the worker writes it, removes the oldest, and tells if it fails.

What there is stands in the folder itself: a backup's name is its instant. Each node writes into its own.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.exc import SQLAlchemyError

from console.backups import upgrade
from console.backups.making import BackupRefused, make
from console.house import House
from oncall.rota.wallclock import instant_of
from storage.alarms import raise_alarm

log = logging.getLogger("ivr.backup")

ACTOR = "service:backup"
FAILED, STALE = "backup-failed", "backup-stale"
# One that could not be written is tried again after this long.
AGAIN = timedelta(minutes=15)
STALE_AFTER = timedelta(hours=26)
# What an interrupted one has left is removed after this long.
UNFINISHED = timedelta(days=1)
_FORM = "ivr-%Y-%m-%dT%H%M%SZ.backup"
_NAME = re.compile(r"ivr-\d{4}-\d\d-\d\dT\d{6}Z\.backup")


class Daily:
    """The backups of one worker."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._settings = house.configuration.backup
        self._folder = house.configuration.folder / self._settings.folder
        self._not_before: datetime | None = None

    def write(self, at: datetime) -> Path | None:
        """Write today's backup if it is due and not there; the file, if it was written. Fails for nothing."""
        if not self._settings.folder or (self._not_before and at < self._not_before):
            return None
        newest = self._newest()
        if newest and newest >= self._due(at):
            return None
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = make(self._house, self._folder / at.astimezone(UTC).strftime(_FORM), at, ACTOR)
            self._prune(at)
        except Exception as error:
            self._not_before = at + AGAIN
            why = str(error) if isinstance(error, BackupRefused) else type(error).__name__
            log.error("no backup could be written: %s", why, exc_info=not isinstance(error, OSError))
            self._alarm(at, FAILED, {"why": why, "folder": str(self._folder)})
            return None
        self._not_before = None
        log.info("backup %s: %d rows, %d bytes", made.file.name, made.rows, made.size)
        return made.file

    def look(self, at: datetime) -> None:
        """Tell the admins if the newest backup is too old, whatever the reason. What was written before an
        upgrade is removed in its time.
        """
        upgrade.remove_outdated(self._house.configuration, at)
        newest = self._newest() if self._settings.folder else None
        if newest and at - newest > STALE_AFTER:
            self._alarm(at, STALE, {"since": f"{newest.astimezone(self._zone):%Y-%m-%d %H:%M}"})

    @property
    def _zone(self) -> ZoneInfo:
        return self._house.configuration.zone

    def _due(self, at: datetime) -> datetime:
        """When the last one was due."""
        today = at.astimezone(self._zone).date()
        clock = time.fromisoformat(self._settings.at)
        due_today = instant_of(today, clock, self._zone)
        return due_today if due_today <= at else instant_of(today - timedelta(days=1), clock, self._zone)

    def _newest(self) -> datetime | None:
        return newest(self._folder)

    def _prune(self, at: datetime) -> None:
        for file in _backups(self._folder)[: -self._settings.keep]:
            file.unlink(missing_ok=True)
        for file in self._folder.glob(".ivr-*.part"):
            if file.stat().st_mtime < (at - UNFINISHED).timestamp():
                file.unlink(missing_ok=True)

    def _alarm(self, at: datetime, what: str, details: dict[str, str]) -> None:
        try:
            with self._house.database.write() as connection:
                raise_alarm(connection, at, what, details=details)
        except SQLAlchemyError as error:
            log.error("%s: %s; nobody could be told: %s", what, details, type(error).__name__)


def newest(folder: Path) -> datetime | None:
    """When the newest daily backup in a folder was written; None if there is none."""
    names = [file.name for file in _backups(folder)]
    return datetime.strptime(names[-1], _FORM).replace(tzinfo=UTC) if names else None


def _backups(folder: Path) -> list[Path]:
    """The oldest first."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(file for file in found if _NAME.fullmatch(file.name))

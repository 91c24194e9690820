"""Keeps the node ready to serve without the database, and brings home what was served so.

The worker writes the snapshot; whoever serves a call makes a spare of it when the database is gone; the
worker then does the work that waits in the spare, and when the database is back brings everything home.
"""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from console.house import House, not_ready, open_house
from console.settings import Configuration
from ivr.standby import merging, standby
from ivr.standby.merging import Brought
from storage import audit, snapshot
from storage.alarms import raise_alarm
from storage.engine import Database, is_gone, sqlite_file
from storage.snapshot import Snapshot, SnapshotRefused
from storage.spare import Retired, Spare, Spares
from webhooks.app import Readiness

log = logging.getLogger("ivr.standby")

# The snapshot is written anew at least so often, however little changes.
EVERY = timedelta(seconds=60)
# After this long without one that could be written the admins are told.
OVERDUE = timedelta(minutes=10)
# A folder that lives in memory and is shared by the processes of a machine: for when every disk is full.
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own in it, which nobody else may enter


def snapshot_file(configuration: Configuration) -> Path:
    return configuration.folder / configuration.service.state / snapshot.FILE


def _key(configuration: Configuration) -> bytes:
    return bytes.fromhex(configuration.service.signing_key.get_secret_value())


def last_snapshot(configuration: Configuration) -> Snapshot:
    """The node's snapshot, if it is ours and whole. Raises SnapshotRefused."""
    key = _key(configuration)
    if not key:
        raise SnapshotRefused("unsigned")
    found = snapshot.read(snapshot_file(configuration), key)
    if not standby.readable(found.content):
        raise SnapshotRefused("damaged")
    return found


def newer_snapshot(configuration: Configuration, known: datetime | None) -> bytes | None:
    """The content of a snapshot that was written after `known`, if there is one that can be believed."""
    written = snapshot.written_at(snapshot_file(configuration))
    if written is None or (known is not None and written <= known):
        return None
    try:
        found = last_snapshot(configuration)
    except SnapshotRefused:
        return None
    return found.content if known is None or found.at > known else None


def spares(configuration: Configuration) -> Spares:
    """The spares of this node, in its state folder, or in memory if nothing can be written there."""
    state = configuration.folder / configuration.service.state
    folders = [state / "standby"]
    if SHARED_MEMORY.is_dir():
        name = hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:16]
        folders.append(SHARED_MEMORY / f"ivr-{os.getuid()}-{name}")

    def fill(at: datetime) -> bytes:
        try:
            return standby.unpack(last_snapshot(configuration).content, at)
        except SnapshotRefused as refused:
            log.error("%s: callers are heard by a person", refused)
            return standby.unpack(None, at)

    return Spares(folders, fill)


# -- in which state this node is ------------------------------------------------------------------


def readiness(house: House, at: datetime) -> Readiness:
    """What serves a call that comes now."""
    wrong = not_ready(house)
    if not wrong:
        return Readiness("ready", {})
    configuration = house.configuration
    try:
        known = last_snapshot(configuration)
    except SnapshotRefused as refused:
        details = {**wrong, "snapshot": str(refused)}
        return Readiness("screening" if configuration.ringing.duty_phone else "not ready", details)
    age = at - known.at
    details = {**wrong, "snapshot": f"{int(age.total_seconds())} s old"}
    trusted = standby.trusted(known.at, at)
    return Readiness("standby" if trusted else "screening", details)


def never_served(configuration: Configuration) -> bool:
    """Whether the database is a file that has never been made, so far as this machine can tell."""
    file = sqlite_file(configuration.database.url, configuration.folder)
    return file is not None and not file.exists() and not snapshot_file(configuration).exists()


def first_snapshot(configuration: Configuration, at: datetime) -> None:
    """Have one before the first call comes, though the worker has only just started. Fails for nothing."""
    # A server that has stopped must not keep us from starting.
    house = open_house(configuration, hurried=True)
    try:
        Keeper(house, house.database, spares(configuration)).keep(at)
    except (SQLAlchemyError, OSError) as error:
        log.warning("no snapshot yet: %s", type(error).__name__)
    finally:
        house.close()


# -- the worker's part ----------------------------------------------------------------------------


@dataclass
class Keeper:
    """What the worker remembers from tick to tick. `hurried` is the house's database, opened so that a server
    that has stopped keeps nobody waiting; `away_since` is set while it does not answer.
    """

    house: House
    hurried: Database
    spares: Spares
    away_since: datetime | None = None
    written: datetime | None = None
    stamp: tuple[object, ...] = ()
    brought: dict[str, Brought] = field(default_factory=dict)

    def keep(self, at: datetime) -> bool:
        """Write the snapshot if anything changed, or it is time. True if it was written."""
        configuration = self.house.configuration
        key = _key(configuration)
        if not key:
            _say_once("service.signing_key is missing: without it no snapshot is kept")
            return False
        with self.house.database.read() as connection:
            # Whatever people change of customers, PINs and the rota is audited.
            stamp = (audit.head(connection).id, *standby.stamp(connection))
            recent = self.written is not None and timedelta(0) <= at - self.written < EVERY
            if recent and stamp == self.stamp:
                return False
            content = standby.pack(connection, at)
        try:
            snapshot_file(configuration).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            snapshot.write(snapshot_file(configuration), key, at, content)
        except OSError as error:
            log.error("the snapshot cannot be written: %s", type(error).__name__)
            self._tell_if_overdue(at, error)
            return False
        self.written, self.stamp = at, stamp
        return True

    def _tell_if_overdue(self, at: datetime, error: OSError) -> None:
        written = snapshot.written_at(snapshot_file(self.house.configuration))
        if written is None or at - written > OVERDUE:
            with self.house.database.write() as connection:
                raise_alarm(connection, at, "snapshot-overdue", details={"why": type(error).__name__})

    def look(self, at: datetime) -> bool:
        """Whether the database can be used; what was served without it is then home. Said in the log when it
        changes. One that can be read and not written is away too: what stands in the spares goes on there.
        """
        answers = not not_ready(replace(self.house, database=self.hurried))
        if answers:
            try:
                self.bring_home(at)
            except Exception as error:
                answers = not is_gone(error)
                if answers:
                    log.exception("not everything can be brought home yet")
                elif self.away_since is None:
                    log.error("the database cannot be written (%s)", type(error).__name__)
        if answers and self.away_since is not None:
            log.warning("the database is back; it was away since %s", self.away_since.isoformat())
            self.away_since = None
        elif not answers and self.away_since is None:
            log.error("the database is away: work goes on from the standby")
            self.away_since = at
        return answers

    def bring_home(self, at: datetime) -> None:
        """Bring home what was served without the database. Raises what that raises if it is still gone."""
        for spare in self.spares.standing():
            brought = self.brought.setdefault(spare.home, Brought())
            try:
                if merging.bring_home(self.hurried, spare, at, brought):
                    log.warning("%d calls of standby %s are home", len(brought.calls), spare.home)
                    del self.brought[spare.home]
            except Retired:
                self.brought.pop(spare.home, None)
            except (SQLAlchemyError, OSError) as error:
                if _can_be_read(spare):
                    raise
                # It is not the house's own that fails: that one is not given up for a damaged file.
                log.error("standby %s cannot be read: %s", spare.home, type(error).__name__)

    def houses(self) -> list[House]:
        """The spares as houses of their own, with their due work."""
        return [replace(self.house, database=spare) for spare in self.spares.standing()]


def _can_be_read(spare: Spare) -> bool:
    try:
        with spare.read() as connection:
            standby.standing(connection)
    except (SQLAlchemyError, OSError, Retired):
        return False
    return True


@cache
def _say_once(what: str) -> None:
    log.warning(what)

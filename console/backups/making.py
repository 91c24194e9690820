"""A backup is written: one instant of the database, beside the running service.

SQLite's reader sees the state of its first statement and keeps no writer waiting; PostgreSQL's reads under
REPEATABLE READ. What is written goes through a few hundred rows at a time.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Connection, select

from console.backups import FORMAT, MARK, RECORDINGS
from console.house import House, state_folder
from console.outside import follow, ledger_file, signing_key
from console.settings import Configuration
from ivr.tables import messages
from storage import audit, dump, ledger, schema
from storage.ledger import Entry
from storage.sealed_file import Sealing
from storage.signed_log import LogBusy
from storage.tables import metadata
from storage.whole_file import whole_file

ACT, SUBJECT = "database.backup", "database"
# A recording goes into the stream in parts of so many bytes.
_PART = 48 * 1024
# While somebody else writes the ledger we wait, so often and so long.
_BUSY_TRIES, _BUSY_SECONDS = 40, 0.05


class BackupRefused(Exception):
    """No backup was written; the text says why."""


@dataclass(frozen=True)
class Made:
    """A backup that is on the disk. `noted`: this machine's ledger knows of it."""

    file: Path
    identity: str
    at: datetime
    tables: int
    rows: int
    recordings: int
    size: int
    noted: bool


def keys(configuration: Configuration) -> list[bytes]:
    """What backups are sealed with: the current key first. Raises BackupRefused if there is none."""
    found = [bytes.fromhex(key.get_secret_value()) for key in configuration.backup.sealing_keys]
    if not found:
        raise BackupRefused("backup.sealing_keys is empty: a backup is written and read with a key")
    return found


def make(house: House, target: Path, at: datetime, actor: str) -> Made:
    """Write a backup into the new file `target`, and that it was written into the audit log. Raises
    BackupRefused, OSError or SQLAlchemyError.
    """
    made = write(house, target, at)
    with house.database.write() as connection:
        tell(connection, made, actor, at)
    follow(house, at)
    return made


def tell(connection: Connection, made: Made, actor: str, at: datetime) -> None:
    """Have the audit log say that a backup was written."""
    told = {"backup": made.identity, "rows": made.rows, "recordings": made.recordings}
    audit.record(connection, actor, at, ACT, SUBJECT, details=told)


def write(house: House, target: Path, at: datetime, *, of_before: bool = False) -> Made:
    """Write a backup into the new file `target`, readable by its owner alone: whole on the disk under that
    name, or not there. `of_before`: the tables are those of a release before this one, and the backup is as
    that release would have written it. Nothing is written into the database.

    Raises BackupRefused, OSError or SQLAlchemyError.
    """
    key = keys(house.configuration)[0]
    identity = secrets.token_hex(8)
    try:
        with _new_file(target) as file:
            sealing = Sealing(file, key)
            rows, recordings = 0, 0
            tables: set[str] = set()
            for line in _lines(house, at, identity, of_before):
                match line:
                    case {"end": name, "rows": count}:
                        tables.add(name)
                        rows += count
                    case {"recording": _}:
                        recordings += 1
                    case _:
                        pass
                sealing.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
            sealing.end()
            noted = _note(house.configuration, identity, at)
            size = file.tell()
    except dump.Undumpable as why:
        raise BackupRefused(str(why)) from None
    return Made(target, identity, at, len(tables), rows, recordings, size, noted)


# -- what is in it -----------------------------------------------------------------------------


def _lines(house: House, at: datetime, identity: str, of_before: bool) -> Iterator[Any]:
    with house.database.read() as connection:
        only = dump.there(connection, metadata) if of_before else None
        newest = audit.head(connection)
        yield {
            "format": FORMAT,
            "backup": identity,
            "at": at.isoformat(),
            "revision": schema.revision(connection),
            "audit": {"id": newest.id, "chain": newest.chain.hex()},
        }
        yield from dump.lines(connection, metadata, only)
        files = _recordings(connection)
    # Outside the transaction: of the rows that name them nothing changes here.
    folder = state_folder(house.configuration) / RECORDINGS
    for name in files:
        yield from _recording(folder / name)
    yield {"whole": True}


def _recordings(connection: Connection) -> list[str]:
    known = select(messages.c.file).where(messages.c.file.is_not(None)).order_by(messages.c.file)
    return list(connection.execute(known).scalars())


def _recording(file: Path) -> Iterator[Any]:
    """Nothing if it is not here: another node has it, or it has been erased meanwhile."""
    try:
        content = file.read_bytes()  # some 1 MB at most
    except FileNotFoundError:
        return
    yield {"recording": file.name, "size": len(content)}
    for start in range(0, len(content), _PART):
        yield {"part": base64.b64encode(content[start : start + _PART]).decode("ascii")}


# -- the file, the ledger ----------------------------------------------------------------------


@contextmanager
def _new_file(target: Path) -> Iterator[BinaryIO]:
    """Where the backup goes. Raises BackupRefused if the name is taken."""
    if target.exists():
        raise BackupRefused(f"{target} exists already and is left as it is")
    with whole_file(target) as file:
        yield file


def _note(configuration: Configuration, identity: str, at: datetime) -> bool:
    """Have this machine's ledger know of the backup, after the instant of the backup."""
    key = signing_key(configuration)
    if key is None:
        return False
    entry = Entry(f"{MARK}:{identity}", MARK, 0, at)
    for _ in range(_BUSY_TRIES):
        try:
            ledger.append(ledger_file(configuration), key, [entry])
        except LogBusy:
            time.sleep(_BUSY_SECONDS)
        except OSError:
            return False
        else:
            return True
    return False

"""A backup before a migration: everything as the former release left it, which that release can restore.

It holds the tables as they stood, by their own names of then, so that it is what the former program's own
`ivr backup` would have written. It is sealed as every backup is.
"""

from __future__ import annotations

import logging
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

from console.backups.making import Made, write
from console.house import House, state_folder
from console.settings import Configuration
from storage import schema
from storage.engine import Database

log = logging.getLogger("ivr.backup")

# In the state folder, where `[backup] folder` names none.
FOLDER = "backups"
_INSTANT = "%Y-%m-%dT%H%M%SZ"
_NAME = re.compile(r"ivr-tables-[0-9A-Za-z]+-(\d{4}-\d\d-\d\dT\d{6}Z)\.backup")


def needed(database: Database) -> str | None:
    """The revision of tables that a migration would change. None for a database that is still empty, and for
    tables of this release or of a newer one. Raises SQLAlchemyError.
    """
    with database.read() as connection:
        found = schema.revision(connection)
    return found if found is not None and found < schema.NEWEST else None


def make(house: House, found: str, at: datetime) -> Made:
    """Back up tables that stand at revision `found`, into a file whose name has it and the instant. Raises
    BackupRefused, OSError or SQLAlchemyError.
    """
    folder = folder_of(house.configuration)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"ivr-tables-{found}-{at.astimezone(UTC).strftime(_INSTANT)}.backup"
    return write(house, file.resolve(), at, of_before=True)


def folder_of(configuration: Configuration) -> Path:
    """Where such a backup goes: among the others, or into the state folder if no folder is configured."""
    if configuration.backup.folder:
        return configuration.folder / configuration.backup.folder
    return state_folder(configuration) / FOLDER


def way_back(made: Made, found: str, config: Path) -> list[str]:
    """What whoever has migrated from revision `found` must know to be able to go back; a line each."""
    restore = f"ivr --config {shlex.quote(str(config.resolve()))} restore {shlex.quote(str(made.file))}"
    if found[:2] == schema.NEWEST[:2]:
        first = [
            "To go back to the release before this one, start its program again: it serves on these tables,",
            "and nothing is lost. Only if the data themselves have suffered: stop the service,",
        ]
    else:
        first = ["No release before this one can use these tables. To go back: stop the service,"]
    return [
        *first,
        "put the database aside, and give an empty one what the backup holds, with the former program:",
        f"  {restore}",
        "What came after the backup is lost by that. See docs/backup.md.",
    ]


def remove_outdated(configuration: Configuration, at: datetime) -> None:
    """Remove such backups after as many days as there are daily ones: whoever is erased is to be gone from
    all of them by then. Fails for nothing.
    """
    oldest = at - timedelta(days=configuration.backup.keep)
    try:
        folder = folder_of(configuration)
        for file in folder.iterdir() if folder.is_dir() else ():
            name = _NAME.fullmatch(file.name)
            if name and datetime.strptime(name[1], _INSTANT).replace(tzinfo=UTC) < oldest:
                file.unlink(missing_ok=True)
                log.info(
                    "backup %s is removed: it is older than %d days", file.name, configuration.backup.keep
                )
    except (OSError, ValueError) as error:
        log.error("old backups cannot be removed: %s", type(error).__name__)

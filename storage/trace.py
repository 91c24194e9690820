"""What deleted rows leave behind on the disk, and how it is removed.

SQLite overwrites what it deletes (`secure_delete`), with two exceptions: the write-ahead log holds older
versions of pages until it is emptied, and where a page was once split, the copy that stayed behind in its
free space is not known to be one. So the file is written anew, and then the log is emptied.

PostgreSQL gives no such promise: rows are gone for whoever asks the server, and their bytes at its next
vacuum; its write-ahead log and its backups are the administrator's.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from storage.engine import SQLITE_BUSY_MS, Database

# Work that removes files of the state folder, and then what deleted rows leave behind.
TRACES = "erasure.traces"
# How the key begins of that which a purge leaves, night after night.
OF_PURGE = "purge:"
# Writing a larger file anew would keep a call waiting for longer than it may: `remove_traces` leaves it.
LARGEST = 128 * 1024 * 1024


def remove_traces(database: Database, *, busy_ms: int = SQLITE_BUSY_MS) -> bool:
    """Remove what rows deleted before leave behind. Needs to be outside any transaction.

    False if it could not be done, because somebody has been reading or writing for longer than `busy_ms`:
    try again later. A file above LARGEST is not written anew, only its log emptied.
    """
    if database.engine.dialect.name != "sqlite":
        return True
    pooled = database.engine.raw_connection()
    cursor = pooled.cursor()

    def asked(pragma: str) -> int:
        """The first figure of its answer."""
        cursor.execute(pragma)
        row: Any = cursor.fetchone()
        return int(row[0])

    try:
        cursor.execute(f"PRAGMA busy_timeout={int(busy_ms)}")
        if asked("PRAGMA page_count") * asked("PRAGMA page_size") <= LARGEST:
            cursor.execute("VACUUM")
        return asked("PRAGMA wal_checkpoint(TRUNCATE)") == 0
    except sqlite3.OperationalError:
        return False
    finally:
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MS}")
        pooled.close()


def remove_files(folder: Path, names: list[str]) -> None:
    """Remove these files of `folder`, those that are there."""
    for name in names:
        (folder / name).unlink(missing_ok=True)

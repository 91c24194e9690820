"""A backup is read: first all of it, so that nothing is believed of a file that is not whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from console.backups import FORMAT
from storage import refill
from storage.audit import Head
from storage.sealed_file import NotSealed, opened


class BackupUnusable(Exception):
    """The backup cannot be restored; nothing was changed. The text says why."""


@dataclass(frozen=True)
class Backup:
    """A backup whose every byte is as it was written. `newest` is the last row of its audit log."""

    file: Path
    identity: str
    at: datetime
    revision: str
    newest: Head


def examine(file: Path, keys: Sequence[bytes]) -> Backup:
    """Read a backup to its end and say what it is. Raises BackupUnusable or OSError."""
    lines = read(file, keys)
    first = next(lines, None)
    whole = False
    for line in lines:
        whole = line == {"whole": True}
    match first:
        case {"format": int(number)} if number != FORMAT:
            raise BackupUnusable(f"it has format {number}, and this program reads {FORMAT}")
        case {
            "backup": str(identity),
            "at": str(at),
            "revision": str(revision),
            "audit": {"id": int(last), "chain": str(chain)},
        } if whole:
            found = Backup(
                file, identity, datetime.fromisoformat(at), revision, Head(last, bytes.fromhex(chain))
            )
        case _:
            raise BackupUnusable("it is no backup of this service")
    if not refill.known(found.revision):
        raise BackupUnusable(f"its tables stand at {found.revision}: a newer version of the program wrote it")
    return found


def read(file: Path, keys: Sequence[bytes]) -> Iterator[Any]:
    """Its lines, the first of which says what it is. Raises BackupUnusable or OSError."""
    rest = b""
    try:
        with file.open("rb") as sealed:
            for part in opened(sealed, keys):
                *whole, rest = (rest + part).split(b"\n")
                yield from map(json.loads, whole)
    except NotSealed as why:
        raise BackupUnusable(str(why)) from None
    except json.JSONDecodeError:
        raise BackupUnusable("it holds something else than a backup") from None
    if rest:
        raise BackupUnusable("it ends in the middle of a line")

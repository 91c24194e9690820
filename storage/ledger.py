"""The ledger: what a restored backup must not bring back, in a signed file outside the database.

A revocation or an erasure is noted as due work in its own transaction; the worker, or the command right
after its commit, appends it to the file. So the database never holds one that the file is not going to
have, and a restore repeats them: what was revoked stays revoked, what was erased stays erased.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from storage import due
from storage.due import Work
from storage.signed_log import Contents, SignedLog

KIND = "ledger.append"
FILE = "ledger.jsonl"
_LABEL = "ledger of revocations and erasures"


@dataclass(frozen=True)
class Entry:
    """One act: "pin.revoke" or "customer.erase", and the id of what it was done to."""

    key: str
    act: str
    id: int
    at: datetime


class LedgerDamaged(Exception):
    """Lines of the ledger were edited, removed or moved; `entries` are those that hold."""

    def __init__(self, lines: list[int], entries: list[Entry]) -> None:
        super().__init__(f"the ledger was tampered with, at line {', '.join(map(str, lines))}")
        self.entries = entries


def note(connection: Connection, at: datetime, act: str, number: int) -> None:
    """Have `act` ("pin.revoke") on `number` appended to the ledger once this transaction commits."""
    due.add(connection, at, KIND, f"{act}:{number}", at, {"act": act, "id": number})


def entry_of(work: Work) -> Entry:
    """What claimed work asks for; its instant is that of the act, however late it is done."""
    return Entry(work.key, work.payload["act"], int(work.payload["id"]), work.created_at)


def append(path: Path, key: bytes, wanted: Iterable[Entry]) -> int:
    """Append what is not there yet, each by its key; returns how much was. Raises LogBusy or OSError."""
    log = log_at(path, key)
    with log.appending() as file:
        known = {entry["key"] for entry in log.read().entries}
        new = {entry.key: entry for entry in wanted if entry.key not in known}
        if new:
            file.append(
                *(
                    {"key": each.key, "act": each.act, "id": each.id, "at": each.at.isoformat()}
                    for each in new.values()
                )
            )
    return len(new)


def entries(path: Path, key: bytes) -> list[Entry]:
    """Everything in the ledger at `path`, oldest first, each key once; none if there is no such file.

    Raises LedgerDamaged if a line is not what was signed with `key`.
    """
    contents = read(path, key)
    found = {
        entry["key"]: Entry(entry["key"], entry["act"], entry["id"], datetime.fromisoformat(entry["at"]))
        for entry in contents.entries
    }
    if contents.faults:
        raise LedgerDamaged([fault.line for fault in contents.faults], list(found.values()))
    return list(found.values())


def read(path: Path, key: bytes) -> Contents:
    """The file as it is, its signatures checked."""
    return log_at(path, key).read()


def log_at(path: Path, key: bytes) -> SignedLog:
    """The ledger at `path`, signed with `key`."""
    return SignedLog(path, key, _LABEL)

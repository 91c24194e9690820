"""The audit log held against itself, its anchors and the ledger, as the command and the console ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from console.house import state_folder
from console.outside import ledger_file, signing_key, waiting_for_ledger
from console.settings import Configuration
from storage import anchors, audit, audit_beginning, ledger
from storage.anchors import Anchors, Lost
from storage.audit import BEGINNING, Fault, Head
from storage.signed_log import Contents


@dataclass(frozen=True)
class FileFault:
    """What is wrong with a line of a file, counted from 1."""

    file: str
    line: int
    what: str


@dataclass(frozen=True)
class Outside:
    """What the two files beside the database hold. Without a key they vouch for nothing."""

    key: bytes | None = field(repr=False)
    anchors: Anchors
    ledger: Contents

    @property
    def keyed(self) -> bool:
        return self.key is not None

    @property
    def faults(self) -> list[FileFault]:
        found = [FileFault(anchors.FILE, each.line, each.what) for each in self.anchors.faults]
        return found + [FileFault(ledger.FILE, each.line, each.what) for each in self.ledger.faults]


@dataclass(frozen=True)
class Verdict:
    """What was found. `remembers_nothing`: there are rows and no anchor, so that missing ones cannot be seen;
    `torn` lines are what a crash left, and no fault; nor is it that restored backups took rows away: `lost`.
    """

    rows: int
    anchors: int
    ledger: int
    waiting: int
    torn: int
    faults: list[Fault]
    file_faults: list[FileFault]
    keyed: bool
    remembers_nothing: bool
    lost: list[Lost]

    @property
    def holds(self) -> bool:
        return not self.faults and not self.file_faults and self.keyed and not self.remembers_nothing


def outside(configuration: Configuration) -> Outside:
    """Read the two files. Do this before the rows are read: what is written meanwhile is then no fault.
    Raises OSError.
    """
    key = signing_key(configuration)
    if key is None:
        return Outside(None, Anchors([], Head(0, BEGINNING), [], 0), Contents([], []))
    remembered = anchors.read(anchors.anchors_in(state_folder(configuration), key))
    return Outside(key, remembered, ledger.read(ledger_file(configuration), key))


def verify(
    connection: Connection, known: Outside, progress: Callable[[int], None] = lambda rows: None
) -> Verdict:
    """The verdict on the whole log. `progress` hears now and then how many rows have been read."""
    begins = audit_beginning.beginning(connection, known.key, known.anchors.beginning)
    rows, faults = audit.verify(connection, known.anchors.heads, begins, progress)
    return Verdict(
        rows=rows,
        anchors=len(known.anchors.heads),
        ledger=len(known.ledger.entries),
        waiting=waiting_for_ledger(connection),
        torn=known.anchors.torn + known.ledger.torn,
        faults=faults,
        file_faults=known.faults,
        keyed=known.keyed,
        remembers_nothing=known.keyed and bool(rows) and not known.anchors.heads,
        lost=known.anchors.lost,
    )

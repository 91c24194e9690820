"""A backup is restored, into an empty database of either kind: all of it or nothing.

In one transaction the rows come back, the tables are brought up to date, what was under way is seen to
(`console.backups.aftermath`), and what the ledger knows is done again: revoked stays revoked, erased stays
erased. Then the audit says so, and the anchors vouch that the rows after the backup are gone by a restore.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from console import erasure
from console.access import tokens, users
from console.backups import MARK, RECORDINGS, aftermath, reading
from console.backups.aftermath import IDS_LEFT_OUT, Aftermath
from console.backups.making import keys
from console.backups.reading import Backup, BackupUnusable
from console.house import House, state_folder
from console.outside import follow, ledger_file, signing_key
from console.processes.worker import tick
from console.work.erasure import TRACES, remove
from oncall.calendars import feeds
from pins import keyring, registry
from pins.tables import customers, key_holders, key_marks
from storage import anchors, audit, audit_beginning, dump, ledger, refill
from storage.alarms import raise_alarm
from storage.audit import BEGINNING, Fault, Head
from storage.engine import sqlite_file
from storage.ledger import Entry
from storage.signed_log import LogBusy
from storage.tables import audit as audit_table
from storage.tables import metadata

log = logging.getLogger("ivr.backup")

ACT, SUBJECT = "database.restore", "database"
RESTORED = "backup-restored"
# What a new database may hold, since it says only which keys were there when it was made.
_OF_NEW = (key_marks.name, key_holders.name)
# PostgreSQL's advisory lock of whoever migrates; see storage/schema.py.
_MIGRATING = 4_771_001
_REVOKED_PIN, _ERASED = "pin.revoke", erasure.ACT


class LedgerNeeded(Exception):
    """No ledger is there that is surely newer than the backup, or it is damaged; the text says which. A
    person has to decide whether to go on without.
    """


@dataclass(frozen=True)
class Ledgers:
    """What the ledgers know, this machine's and those given: each act once. `knows`: one of them knows of
    the backup, so it is not older. `faults`: what is wrong with them. `files`: how many there are.
    """

    entries: list[Entry]
    knows: bool
    faults: list[str]
    files: int = 0

    @property
    def doubt(self) -> str | None:
        """Why they may not tell everything; None if they do."""
        if self.faults:
            return "; ".join(self.faults)
        return None if self.knows else "no ledger is there that knows of this backup"


@dataclass
class Restored:
    """What a restore did. `pins`, `customers`, `users`, `feeds`, `tokens`: how many were revoked, erased,
    removed, ended, revoked again by the ledger. `faults` of the audit log that came with the backup;
    `warnings` about keys.
    """

    backup: Backup
    rows: int = 0
    recordings: int = 0
    pins: int = 0
    customers: int = 0
    users: int = 0
    feeds: int = 0
    tokens: int = 0
    aftermath: Aftermath | None = None
    doubt: str | None = None
    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


# -- before ------------------------------------------------------------------------------------


def examine(house: House, file: Path) -> Backup:
    """The backup, read to its end. Raises BackupUnusable, BackupRefused or OSError."""
    return reading.examine(file, keys(house.configuration))


def ledgers(house: House, backup: Backup, others: Sequence[Path] = ()) -> Ledgers:
    """What this machine's ledger and the `others` know. Raises OSError if one of these cannot be read."""
    key = signing_key(house.configuration)
    if key is None:
        return Ledgers([], False, ["service.signing_key is missing: no ledger can be believed"])
    found: dict[str, Entry] = {}
    faults: list[str] = []
    count = 0
    for file in (ledger_file(house.configuration), *others):
        if file in others:
            file.stat()
        try:
            entries = ledger.entries(file, key)
        except ledger.LedgerDamaged as damaged:
            faults.append(f"{file}: {damaged}")
            entries = damaged.entries
        count += bool(entries)
        for entry in entries:
            found.setdefault(entry.key, entry)
    return Ledgers(list(found.values()), f"{MARK}:{backup.identity}" in found, faults, count)


# -- restoring ---------------------------------------------------------------------------------


def restore(
    house: House,
    backup: Backup,
    known: Ledgers,
    at: datetime,
    actor: str,
    *,
    without_ledger: bool = False,
    moved: bool = False,
) -> Restored:
    """Restore an examined backup at `at`. `moved`: the service was stopped before the backup was written and
    has not run since, so nothing was done that it does not know; all work goes on as it stood.

    Raises LedgerNeeded unless `without_ledger`, BackupUnusable if the database is not empty or the file is no
    longer what was examined, SQLAlchemyError or OSError: then nothing was changed.
    """
    done = Restored(backup, doubt=None if moved and not known.faults else known.doubt)
    if done.doubt and not without_ledger:
        raise LedgerNeeded(done.doubt)
    _make_sqlite_file(house)
    lines = reading.read(backup.file, keys(house.configuration))
    placed: list[Path] = []
    try:
        with house.database.rebuild() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
            _fill(connection, backup, lines, done, 0 if moved else IDS_LEFT_OUT)
            _recordings(house, connection, lines, done, placed)
            done.faults = _verify(house, connection, backup)
            if not moved:
                done.aftermath = aftermath.settle(connection, at)
            _replay(house, connection, actor, at, known.entries, done)
            done.warnings += [
                *keyring.faults(connection, house.configuration.pins),
                *_of_nodes(connection, known),
            ]
            _tell(connection, actor, at, done)
            _vouch(house, connection, at, backup)
    except BaseException:
        for file in placed:
            file.unlink(missing_ok=True)
        raise
    try:
        _make_ledger_whole(house)
        tick(house, at, {TRACES: remove})
    except SQLAlchemyError as error:  # it is restored all the same
        log.warning(
            "what of erased customers lies on the disk is left to the worker: %s", type(error).__name__
        )
    follow(house, at)
    return done


def _make_sqlite_file(house: House) -> None:
    """Readable by its owner alone: whoever connects first would make it readable by others."""
    file = sqlite_file(house.configuration.database.url, house.configuration.folder)
    if file is not None and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)


def _fill(connection: Connection, backup: Backup, lines: Iterator[Any], done: Restored, skip: int) -> None:
    if name := refill.occupied(connection, metadata, _OF_NEW):
        raise BackupUnusable(
            f"the database is not empty, {name} has rows: a backup is restored into a new one, and this one "
            "is left as it is"
        )
    refill.prepare(connection, metadata, backup.revision)
    next(lines)
    try:
        filled = refill.fill(connection, lines)
    except refill.Unreadable as why:
        raise BackupUnusable(str(why)) from None
    refill.bring_up_to_date(connection)
    # Of a table that was empty, too, rows of the lost hours had numbers.
    every = {table.name: 0 for table in dump.numbered(metadata)} if skip else {}
    refill.number_from(connection, every | filled.given, skip)
    done.rows = sum(filled.rows.values())


def _recordings(
    house: House, connection: Connection, lines: Iterator[Any], done: Restored, put: list[Path]
) -> None:
    """Put the recordings of messages into their folder, those that are not there, and into the list."""
    folder = state_folder(house.configuration) / RECORDINGS
    name, content = "", bytearray()

    def end() -> None:
        if name:
            folder.mkdir(mode=0o700, exist_ok=True)
            if _put(folder / name, bytes(content)):
                put.append(folder / name)
            done.recordings += 1
            connection.execute(select(1))  # a server ends a transaction that says nothing for long

    for line in lines:
        match line:
            case {"recording": str(called)} if called == Path(called).name:
                end()
                name, content = called, bytearray()
            case {"part": str(part)}:
                content += base64.b64decode(part)
            case {"whole": True}:
                end()
                return
            case _:
                raise BackupUnusable("it holds a line that nobody expects")
    raise BackupUnusable("it ends too early")


def _put(file: Path, content: bytes) -> bool:
    """Write a file of ours alone, whole under its name; False if it is there already."""
    if file.exists():
        return False
    unfinished = file.with_name(f".{file.name}.part")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    unfinished.rename(file)
    return True


def _verify(house: House, connection: Connection, backup: Backup) -> list[Fault]:
    """What is wrong with the audit log as it came, by itself and by what this machine's anchors remember of
    its rows. It does not keep anybody from restoring: calls come first.
    """
    key = signing_key(house.configuration)
    remembered, beginning = [backup.newest] if backup.newest.id else [], Head(0, BEGINNING)
    if key is not None:
        known = anchors.read(anchors.anchors_in(state_folder(house.configuration), key))
        remembered += [head for head in known.heads if head.id <= backup.newest.id]
        first = connection.execute(select(func.min(audit_table.c.id))).scalar()
        if first == known.beginning.id + 1:
            beginning = known.beginning
    beginning = audit_beginning.beginning(connection, key, beginning)
    _, faults = audit.verify(connection, remembered, beginning)
    return faults


# -- the ledger --------------------------------------------------------------------------------


def _replay(
    house: House, connection: Connection, actor: str, at: datetime, entries: Sequence[Entry], done: Restored
) -> None:
    """Do again what the backup does not know; what it knows is passed over. No id that the ledger names is
    given to anything new.
    """
    highest: dict[str, int] = {}
    for entry in entries:
        if table := _TABLES.get(entry.act):
            highest[table] = max(highest.get(table, 0), entry.id)
        match entry.act:
            case "pin.revoke":
                done.pins += _revoke(connection, actor, at, entry)
            case "customer.erase":
                done.customers += _erase(house, connection, actor, at, entry.id)
            case users.REMOVED:
                done.users += users.remove_again(connection, actor, at, entry.id)
            case feeds.REVOKED:
                done.feeds += feeds.revoke_again(connection, actor, at, entry.id)
            case tokens.REVOKED:
                done.tokens += tokens.revoke_again(connection, actor, at, entry.id)
    _give_later_ids(connection, highest)


_TABLES = {
    _REVOKED_PIN: "pins",
    _ERASED: "customers",
    users.REMOVED: "console_users",
    feeds.REVOKED: "feeds",
    tokens.REVOKED: "api_tokens",
}


def _revoke(connection: Connection, actor: str, at: datetime, entry: Entry) -> bool:
    reason = f"revoked on {entry.at:%Y-%m-%d}, after the backup that was restored"
    try:
        registry.revoke(connection, actor, at, entry.id, reason)
    except (registry.UnknownPin, registry.PinRevokedAlready):
        return False
    return True


def _erase(house: House, connection: Connection, actor: str, at: datetime, customer_id: int) -> bool:
    code = connection.execute(select(customers.c.code).where(customers.c.id == customer_id)).scalar()
    if code is None:
        return False
    erasure.take_out(house, connection, actor, at, code)
    return True


def _give_later_ids(connection: Connection, highest: dict[str, int]) -> None:
    given = dump.given(connection, [metadata.tables[name] for name in sorted(highest)])
    refill.number_from(connection, {n: last for n, last in highest.items() if last > given.get(n, 0)})


def _make_ledger_whole(house: House) -> None:
    """What the database knows to be revoked and erased is in this machine's ledger, too: it may be a new one.
    Failing that the worker's alarm tells of a ledger that cannot be written.
    """
    key = signing_key(house.configuration)
    if key is None:
        return
    with house.database.read() as connection:
        acts = connection.execute(
            select(audit_table.c.act, audit_table.c.subject, audit_table.c.at)
            .where(audit_table.c.act.in_((_REVOKED_PIN, _ERASED, users.REMOVED, tokens.REVOKED)))
            .order_by(audit_table.c.id)
        ).all()
    told = [(row.act, row.subject.rpartition(":")[2], row.at) for row in acts]
    wanted = [Entry(f"{act}:{number}", act, int(number), at) for act, number, at in told if number.isdigit()]
    with contextlib.suppress(LogBusy, OSError):
        ledger.append(ledger_file(house.configuration), key, wanted)


def _of_nodes(connection: Connection, known: Ledgers) -> list[str]:
    """Each machine has a ledger of its own: whether there were more machines than ledgers are here."""
    nodes = [holder.node for holder in keyring.holders(connection)]
    if len(nodes) <= max(known.files, 1):
        return []
    return [
        f"calls were served by {', '.join(nodes)}: what was revoked or erased on another machine than this "
        "is in its ledger; if it was not given with --ledger, revoke and erase it again"
    ]


# -- what is said of it ------------------------------------------------------------------------


def _tell(connection: Connection, actor: str, at: datetime, done: Restored) -> None:
    """In the audit, and to the admins."""
    backup, after = done.backup, done.aftermath
    told = {
        "backup": backup.identity,
        "written": backup.at.isoformat(),
        "revoked": done.pins,
        "erased": done.customers,
        "ledger": "doubtful" if done.doubt else "replayed",
        "moved": after is None,
    }
    audit.record(connection, actor, at, ACT, SUBJECT, details=told)
    details: dict[str, object] = {"written": f"{backup.at:%Y-%m-%d %H:%M} UTC"}
    if after is not None and after.pursued:
        details["cases"] = ", ".join(after.pursued)
    if done.doubt:
        details["unsure"] = "yes"
    if done.faults:
        details["row"] = done.faults[0].id
    raise_alarm(connection, at, RESTORED, backup.identity, details)


def _vouch(house: House, connection: Connection, at: datetime, backup: Backup) -> None:
    """The last thing before the commit: from here on the rows that come have the numbers of those lost."""
    key = signing_key(house.configuration)
    if key is not None:
        log = anchors.anchors_in(state_folder(house.configuration), key)
        if log.last() is not None:
            first = connection.execute(select(func.min(audit_table.c.id))).scalar_one()
            anchors.begin_again(log, at, backup.newest, first)

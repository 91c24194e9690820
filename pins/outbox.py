"""Letters that wait to be sent by e-mail, kept so that no one place gives a PIN away.

A message is encrypted with a key of its own and stands in a file; the key stands in the row of due work
that will send it. Neither the database (nor a backup of it) nor the folder alone reveals anything. When
the letter is delivered, or after a day, the row forgets the key in the commit that ends it, and the file
is removed. A crash between the two leaves a file that nobody can open any more: `sweep` removes it.

A letter is delivered once, with one exception: if the worker dies, or the server's last answer is lost,
after the server has taken it and before that is committed, it is sent again. It carries the same
Message-ID both times.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Connection, select, update

from storage import due
from storage.due import Work
from storage.tables import due_work

LETTER = "letter.mail"
# A PIN that has not arrived by then has failed its purpose, and waits nowhere any longer.
KEPT = timedelta(days=1)


class LetterElsewhere(Exception):
    """The file of a waiting letter is not on this machine: another node wrote it."""


class LetterDamaged(Exception):
    """The file of a waiting letter cannot be opened with its key."""


@dataclass(frozen=True)
class Waiting:
    """A letter on its way. `until` is when it is given up."""

    pin_id: int
    since: datetime
    until: datetime
    tries: int


@dataclass(frozen=True)
class Sealed:
    """A message that stands encrypted in the outbox. Until its row is committed nobody has the key."""

    file: str
    key: str = field(repr=False)


def seal(folder: Path, message: bytes) -> Sealed:
    """Encrypt `message`, a whole e-mail, into a file of the outbox `folder`; on the disk when it returns.

    Done before the transaction that queues it, which should not wait for a disk.
    """
    key = Fernet.generate_key()
    name = secrets.token_hex(16)
    _write(folder, name, Fernet(key).encrypt(message))
    return Sealed(name, key.decode("ascii"))


def queue(connection: Connection, at: datetime, sealed: Sealed, *, pin_id: int, to: str) -> None:
    """Have a sealed message, which brings PIN `pin_id`, sent to the address `to` from `at` on."""
    payload = {
        "pin": pin_id,
        "to": to,
        "file": sealed.file,
        "key": sealed.key,
        "until": (at + KEPT).isoformat(),
    }
    due.add(connection, at, LETTER, f"pin:{pin_id}", at, payload)


def waiting(connection: Connection) -> list[Waiting]:
    """The letters that wait to be sent, oldest first."""
    rows = connection.execute(
        select(due_work)
        .where(due_work.c.kind == LETTER, due_work.c.state == due.PENDING)
        .order_by(due_work.c.created_at, due_work.c.id)
    )
    return [
        Waiting(row.payload["pin"], row.created_at, datetime.fromisoformat(row.payload["until"]), row.tries)
        for row in rows
    ]


def given_up_at(work: Work) -> datetime:
    """When a claimed letter has waited for too long."""
    return datetime.fromisoformat(work.payload["until"])


def message_of(work: Work, folder: Path) -> bytes:
    """The message of a claimed row. Raises LetterElsewhere, LetterDamaged."""
    try:
        sealed = (folder / work.payload["file"]).read_bytes()
    except FileNotFoundError:
        raise LetterElsewhere from None
    try:
        return Fernet(work.payload["key"]).decrypt(sealed)
    except (InvalidToken, ValueError):
        raise LetterDamaged from None


def end(connection: Connection, at: datetime, work: Work, by: str = "worker") -> bool:
    """End a claimed letter, delivered or given up, and forget its key and address. Remove its file, with
    `remove`, after the commit. False if it had ended before.
    """
    return _end(connection, at, [work.id], due.DONE, by) == 1


def cancel(connection: Connection, at: datetime, pin_id: int, by: str) -> int:
    """Forget the letters of a PIN that still wait: it was revoked, or its customer erased.

    Returns how many. Nobody can open their files any more; the sweep removes them.
    """
    ids = connection.execute(
        select(due_work.c.id).where(
            due_work.c.kind == LETTER,
            due_work.c.key == f"pin:{pin_id}",
            due_work.c.state == due.PENDING,
        )
    ).scalars()
    return _end(connection, at, list(ids), due.CANCELLED, by)


def remove(work: Work, folder: Path) -> None:
    """Remove the file of a letter that has ended, if it is on this machine."""
    (folder / work.payload["file"]).unlink(missing_ok=True)


def sweep(folder: Path, at: datetime) -> int:
    """Remove files that are older than any letter may wait: left by a crash, or by a cancelled letter.

    Returns how many.
    """
    count = 0
    for file in folder.iterdir() if folder.is_dir() else ():
        if file.is_file() and file.stat().st_mtime < (at - KEPT).timestamp():
            file.unlink(missing_ok=True)
            count += 1
    return count


# -- small parts -------------------------------------------------------------------------------


def _end(connection: Connection, at: datetime, ids: list[int], state: str, by: str) -> int:
    count = 0
    for row in connection.execute(select(due_work).where(due_work.c.id.in_(ids))).all():
        count += connection.execute(
            update(due_work)
            .where(due_work.c.id == row.id, due_work.c.state == due.PENDING)
            .values(
                state=state,
                ended_at=at,
                ended_by=by,
                leased_until=None,
                lease=None,
                payload={**row.payload, "key": "", "to": ""},
            )
        ).rowcount
    return count


def _write(folder: Path, name: str, content: bytes) -> None:
    """A file of ours alone, whole on the disk or not there under its name."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    unfinished = folder / f"{name}.part"
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(folder / name)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

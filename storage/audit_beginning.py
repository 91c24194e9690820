"""Where the audit log begins, once its oldest acts have had their time: a signed note in the database.

The acts go in order, never one from between. The note names the last of them that went, with its chain, and
is written in the transaction that removes them; so it is in a backup with the rows that it speaks of, and
every machine on the database finds it. Whoever can write to the database, but has not the key, can neither
make one nor change it: `storage.audit.verify`, told of it, finds that rows are missing.
"""

from __future__ import annotations

import hmac
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from storage import audit as log
from storage import notebook
from storage.audit import Head
from storage.tables import audit, audit_details

NOTE = "audit-begins"
_LABEL = b"beginning of the audit"


def acts_before(connection: Connection, before: datetime) -> list[int]:
    """The oldest acts up to the first that is not from before `before`, in order; never the newest one, from
    which the next is counted.
    """
    young = select(func.min(audit.c.id)).where(audit.c.at >= before).scalar_subquery()
    newest = select(func.max(audit.c.id)).scalar_subquery()
    gone = select(audit.c.id).where(audit.c.id < func.coalesce(young, newest), audit.c.id < newest)
    return list(connection.execute(gone.order_by(audit.c.id)).scalars())


def forget(connection: Connection, at: datetime, key: bytes, upto: int) -> int:
    """Remove the acts up to `upto`, with their details; returns how many went. Without a key (b"") nothing
    vouches for what is gone. None of them is needed by one
    that stays: what emptied an act's details came after it.
    """
    log.alone(connection)
    chain = log.chain_at(connection, upto)
    if chain is None or upto <= _noted(connection).id:
        return 0
    content = {"id": upto, "chain": chain.hex(), "mac": _mac(key, Head(upto, chain))}
    notebook.write(connection, at, NOTE, content)
    connection.execute(delete(audit_details).where(audit_details.c.audit_id <= upto))
    return connection.execute(delete(audit).where(audit.c.id <= upto)).rowcount


def beginning(connection: Connection, key: bytes | None, otherwise: Head) -> Head:
    """The last act that went: as the note says, if it is signed with this key, or `otherwise` if that one is
    a later one. Without a key nothing can vouch for it, and it is taken at its word.
    """
    note, noted = notebook.read(connection, NOTE), _noted(connection)
    if note is None or noted.id <= otherwise.id:
        return otherwise
    mac = str(note.content.get("mac")).encode()
    return noted if key is None or hmac.compare_digest(mac, _mac(key, noted).encode()) else otherwise


def _noted(connection: Connection) -> Head:
    """What the note says, whoever wrote it; the beginning of all if there is none that can be read."""
    note = notebook.read(connection, NOTE)
    try:
        return Head(int(note.content["id"]), bytes.fromhex(note.content["chain"])) if note else _NOTHING
    except (KeyError, TypeError, ValueError):
        return _NOTHING


_NOTHING = Head(0, log.BEGINNING)


def _mac(key: bytes, head: Head) -> str:
    own = hmac.digest(key, _LABEL, "sha256")
    return hmac.digest(own, f"{head.id} {head.chain.hex()}".encode(), "sha256").hex()

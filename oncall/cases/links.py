"""Links by which a technician sees and changes one case from his phone, without a login.

The address itself is the proof, so it is as hard to guess as a key, dies after a day and with its case,
and only its hash is kept. It is not drawn but derived: whoever asks again gets the same live address, and
a text message that is tried again says the same.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert, or_, select

from oncall.cases.cases import UnknownCase
from oncall.tables import case_links, cases, technicians

LIVES = timedelta(hours=24)
# One that is about to die is not given out again: whoever gets it needs some time to use it.
WORTH_GIVING = timedelta(hours=1)
TOKEN_BYTES = 16
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True)
class Link:
    """What a live link opens. `technician` acts by it; None: it was made for somebody who only looks.

    `closed`: its case is, and nothing of it may be shown any more.
    """

    id: int
    case_id: int
    technician: str | None
    closed: bool


def address(
    connection: Connection,
    at: datetime,
    public_url: str,
    secret: bytes,
    case_number: str,
    technician: str | None,
) -> str:
    """The address of the case's page for this technician, or for somebody who only looks.

    The same as before while that one has an hour to live, and `secret` is the one it was derived with.
    Needs a writing transaction. Raises UnknownCase.
    """
    case_id = connection.execute(select(cases.c.id).where(cases.c.number == case_number)).scalar()
    if case_id is None:
        raise UnknownCase(case_number)
    live = connection.execute(
        select(case_links.c.token_hash, case_links.c.created_at)
        .where(
            case_links.c.case_id == case_id,
            case_links.c.technician.is_(None)
            if technician is None
            else case_links.c.technician == technician,
            case_links.c.expires_at > at + WORTH_GIVING,
        )
        .order_by(case_links.c.id.desc())
    )
    for row in live:
        token = _token(secret, case_id, technician, row.created_at)
        if hmac.compare_digest(_hash(token), row.token_hash):
            return _below(public_url, token)
    token = _token(secret, case_id, technician, at)
    connection.execute(
        insert(case_links).values(
            token_hash=_hash(token),
            case_id=case_id,
            technician=technician,
            created_at=at,
            expires_at=at + LIVES,
        )
    )
    return _below(public_url, token)


def find(connection: Connection, at: datetime, token: str) -> Link | None:
    """What `token` opens at `at`. None if it was never given out, has expired, or is that of a
    technician who has left: nobody can tell which.
    """
    if not _TOKEN.fullmatch(token):
        return None
    row = connection.execute(
        select(case_links, cases.c.closed_at, technicians.c.key, technicians.c.retired_at)
        .join(cases, cases.c.id == case_links.c.case_id)
        .outerjoin(technicians, technicians.c.key == case_links.c.technician)
        .where(case_links.c.token_hash == _hash(token), case_links.c.created_at > at - LIVES)
        # Whoever closes a case ends its links; for the rest of their day they still tell that it is closed.
        .where(or_(case_links.c.expires_at > at, cases.c.closed_at.is_not(None)))
    ).first()
    if row is None:
        return None
    gone = row.key is None or (row.retired_at is not None and row.retired_at <= at)
    if row.technician is not None and gone:
        return None
    return Link(row.id, row.case_id, row.technician, row.closed_at is not None)


# -- small parts -------------------------------------------------------------------------------


def _token(secret: bytes, case_id: int, technician: str | None, made: datetime) -> str:
    """22 characters that nobody without `secret` can work out."""
    row = json.dumps([case_id, technician, made.astimezone(UTC).isoformat(timespec="microseconds")])
    derived = hmac.digest(secret, b"case-link\0" + row.encode(), "sha256")[:TOKEN_BYTES]
    return urlsafe_b64encode(derived).decode().rstrip("=")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()


def _below(public_url: str, token: str) -> str:
    return f"{public_url.rstrip('/')}/c/{token}"

"""Tokens of other programs: made by an admin, shown once, kept as a keyed hash, revoked for good.

A token is 256 random bits, so a fast hash is enough: nobody can try them out. It is keyed with service.keys,
so that whoever can write into the database alone cannot make one. A token that is used while a key is about
to go is put under the first key. Verbs take a Connection, the actor and `at`, and never commit.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from console.access.keys import token_digests
from console.access.scopes import Scope, in_order
from console.settings import Configuration
from console.tables import api_tokens
from storage import audit, ledger

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
# Programs that look for secrets in files know ours by how they begin.
BEGINS = "ivr_"
TOKEN = re.compile(BEGINS + r"[A-Za-z0-9_-]{43}")
# In the audit and in the ledger: a restored backup does not bring it back.
REVOKED = "token.revoke"


class TokenRefused(Exception):
    """`why` names the reason: name, exists, scopes, expires, unknown, revoked."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


@dataclass(frozen=True)
class Token:
    """A token without itself. `expires` is the last day on which it is good, by the service's clocks."""

    id: int
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    created_by: str
    expires: date | None
    last_used: date | None
    revoked_at: datetime | None

    @property
    def actor(self) -> str:
        """As whom the program acts."""
        return f"api:{self.name}"

    def state(self, today: date) -> str:
        """`live`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires < today else "live"


# -- verbs -------------------------------------------------------------------------------------


def add(
    connection: Connection,
    actor: str,
    at: datetime,
    configuration: Configuration,
    name: str,
    scopes: Iterable[str],
    expires: date | None = None,
) -> str:
    """Write a token; returns the token itself, which is nowhere kept. TokenRefused."""
    name = name.strip().lower()
    if not NAME.fullmatch(name):
        raise TokenRefused("name", "a token's name has a–z, 0–9, dot, hyphen and _, up to 60 of them")
    if connection.execute(select(api_tokens.c.id).where(api_tokens.c.name == name)).first():
        raise TokenRefused("exists", f"the name {name!r} is taken, or was: names are not given twice")
    allowed = _scopes(scopes)
    if expires is not None and expires < at.astimezone(configuration.zone).date():
        raise TokenRefused("expires", f"{expires} is over: the token would open nothing")
    token = BEGINS + secrets.token_urlsafe(32)
    made = connection.execute(
        insert(api_tokens).values(
            name=name,
            digest=token_digests(configuration, token)[0],
            scopes=in_order(allowed),
            created_at=at,
            created_by=actor,
            expires_on=expires,
        )
    ).inserted_primary_key
    assert made is not None
    told = {"name": name, "scopes": in_order(allowed), "expires": expires}
    audit.record(connection, actor, at, "token.add", f"token:{made[0]}", details=told)
    return token


def revoke(connection: Connection, actor: str, at: datetime, name: str) -> None:
    """It opens nothing any more, at once and for ever. TokenRefused."""
    found = by_name(connection, name)
    if found.revoked_at is not None:
        raise TokenRefused("revoked", f"the token {found.name!r} was revoked before")
    _revoke(connection, at, found.id)
    audit.record(connection, actor, at, REVOKED, f"token:{found.id}", details={"name": found.name})
    ledger.note(connection, at, REVOKED, found.id)


def revoke_again(connection: Connection, actor: str, at: datetime, token_id: int) -> bool:
    """Revoke one that a restored backup brought back; False if it did not."""
    back = select(api_tokens.c.id).where(api_tokens.c.id == token_id, api_tokens.c.revoked_at.is_(None))
    if connection.execute(back).first() is None:
        return False
    _revoke(connection, at, token_id)
    audit.record(connection, actor, at, REVOKED, f"token:{token_id}")
    return True


def seen(
    connection: Connection, at: datetime, configuration: Configuration, token: Token, given: str
) -> None:
    """It was used today; from now on it is kept under the first of service.keys."""
    connection.execute(
        update(api_tokens)
        .where(api_tokens.c.id == token.id)
        .values(
            last_used_on=at.astimezone(configuration.zone).date(),
            digest=token_digests(configuration, given)[0],
        )
    )


# -- reading -----------------------------------------------------------------------------------


def find(connection: Connection, configuration: Configuration, given: str) -> Token | None:
    """The token that was given, whatever its state; None: it is none of ours."""
    if not TOKEN.fullmatch(given):
        return None
    kept = api_tokens.c.digest.in_(token_digests(configuration, given))
    row = connection.execute(select(api_tokens).where(kept)).first()
    return None if row is None else _token(row)


def by_name(connection: Connection, name: str) -> Token:
    """Raises TokenRefused: unknown."""
    known = select(api_tokens).where(api_tokens.c.name == name.strip().lower())
    row = connection.execute(known).first()
    if row is None:
        raise TokenRefused("unknown", f"there is no token {name!r}")
    return _token(row)


def by_id(connection: Connection, token_id: int) -> Token:
    """Raises TokenRefused: unknown."""
    row = connection.execute(select(api_tokens).where(api_tokens.c.id == token_id)).first()
    if row is None:
        raise TokenRefused("unknown", f"there is no token {token_id}")
    return _token(row)


def everything(connection: Connection) -> list[Token]:
    """All there ever were, by name."""
    return [_token(row) for row in connection.execute(select(api_tokens).order_by(api_tokens.c.name))]


# -- small parts -------------------------------------------------------------------------------


def _scopes(given: Iterable[str]) -> frozenset[Scope]:
    try:
        found = frozenset(Scope(each) for each in given)
    except ValueError:
        raise TokenRefused("scopes", f"a scope is one of {', '.join(Scope)}") from None
    if not found:
        raise TokenRefused(
            "scopes", f"a token without a scope opens nothing: give some of {', '.join(Scope)}"
        )
    return found


def _revoke(connection: Connection, at: datetime, token_id: int) -> None:
    connection.execute(update(api_tokens).where(api_tokens.c.id == token_id).values(revoked_at=at))


def _token(row: Row[Any]) -> Token:
    return Token(
        row.id,
        row.name,
        # A release that knows fewer scopes allows fewer.
        frozenset(Scope(each) for each in row.scopes if each in list(Scope)),
        row.created_at,
        row.created_by,
        row.expires_on,
        row.last_used_on,
        row.revoked_at,
    )

"""Sessions: a random token in a cookie, its digest in the database. They end by themselves."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, or_, select, update

from console.access.keys import digest
from console.access.users import User, user_of
from console.tables import console_links, console_sessions, console_users

# Since the last request that a person made, and since the login.
IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=12)
# Sessions that are over, with where they came from, and links that are good no more.
KEPT = timedelta(days=7)
# So exactly is it known when somebody was seen: a page need not wait for a writer each time.
SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Session:
    id: int
    user: User
    began_at: datetime
    seen_at: datetime


@dataclass(frozen=True)
class OpenSession:
    """One of a user's sessions, as he may look at it."""

    id: int
    began_at: datetime
    seen_at: datetime
    address: str
    agent: str


def begin(connection: Connection, at: datetime, user: User, address: str, agent: str) -> str:
    """Begin a session; returns what stands in the cookie."""
    token = secrets.token_urlsafe(32)
    connection.execute(
        insert(console_sessions).values(
            digest=digest(token),
            user_id=user.id,
            began_at=at,
            seen_at=at,
            address=address[:60],
            agent="".join(c for c in agent if c.isprintable())[:200],
        )
    )
    connection.execute(update(console_users).where(console_users.c.id == user.id).values(last_login_at=at))
    return token


def find(connection: Connection, at: datetime, token: str) -> Session | None:
    """The session of this cookie, if it has not ended."""
    row = connection.execute(
        select(
            console_users,
            console_sessions.c.id.label("session_id"),
            console_sessions.c.began_at,
            console_sessions.c.seen_at,
        )
        .join(console_sessions, console_sessions.c.user_id == console_users.c.id)
        .where(
            console_sessions.c.digest == digest(token),
            console_sessions.c.ended_at.is_(None),
            console_users.c.removed_at.is_(None),
        )
    ).first()
    if row is None or at - row.seen_at > IDLE or at - row.began_at > LONGEST:
        return None
    return Session(row.session_id, user_of(row), row.began_at, row.seen_at)


def seen(connection: Connection, at: datetime, session: Session) -> None:
    """A person has just asked for a page."""
    connection.execute(update(console_sessions).where(console_sessions.c.id == session.id).values(seen_at=at))


def end(connection: Connection, at: datetime, user: User, session_id: int) -> bool:
    """End one of the user's sessions. False if it is not his, or has ended."""
    ended = connection.execute(
        update(console_sessions)
        .where(
            console_sessions.c.id == session_id,
            console_sessions.c.user_id == user.id,
            console_sessions.c.ended_at.is_(None),
        )
        .values(ended_at=at)
    )
    return ended.rowcount == 1


def open_sessions(connection: Connection, at: datetime, user: User) -> list[OpenSession]:
    """The user's sessions that have not ended, the newest first."""
    rows = connection.execute(
        select(console_sessions)
        .where(
            console_sessions.c.user_id == user.id,
            console_sessions.c.ended_at.is_(None),
            console_sessions.c.seen_at >= at - IDLE,
            console_sessions.c.began_at >= at - LONGEST,
        )
        .order_by(console_sessions.c.began_at.desc())
    )
    return [OpenSession(row.id, row.began_at, row.seen_at, row.address, row.agent) for row in rows]


def forget(connection: Connection, at: datetime) -> None:
    """Remove sessions and links that have been over for a week."""
    over = at - KEPT
    connection.execute(
        delete(console_sessions).where(
            or_(
                console_sessions.c.ended_at < over,
                console_sessions.c.seen_at < over - IDLE,
                console_sessions.c.began_at < over - LONGEST,
            )
        )
    )
    connection.execute(
        delete(console_links).where(or_(console_links.c.expires_at < over, console_links.c.used_at < over))
    )

"""Console users: made by an admin, set up by themselves through a link that is good once.

Verbs take a Connection, the actor and `at`, and never commit.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, delete, insert, select, update

from console.access.keys import digest
from console.access.roles import May, Role, allows
from console.tables import console_links, console_recovery_codes, console_sessions, console_users
from oncall.tables import technicians
from storage import audit, ledger

NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
LANGUAGES = ("it", "en", "de")
# How long the link of a new user, or of one who was reset, is good.
WELCOME_LASTS = timedelta(hours=24)
# In the audit and in the ledger: a restored backup does not bring him back.
REMOVED = "user.remove"


class UserRefused(Exception):
    """`why` names the reason: exists, unknown, name, full-name, role, technician, technician-missing,
    language, last-admin, oneself.
    """

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


@dataclass(frozen=True)
class User:
    """`technician` is the key of the person on the rota."""

    id: int
    name: str
    full_name: str
    role: Role
    technician: str | None
    language: str | None
    # Password and second factor are set, or the identity provider knows him.
    ready: bool
    # He comes in by the identity provider, and has no password here.
    by_provider: bool
    locked_until: datetime | None
    last_login_at: datetime | None
    created_at: datetime

    def may(self, what: May | str) -> bool:
        """Whether his role has the right. One's own duties need somebody who is on the rota."""
        wanted = May(what)
        if wanted is May.DUTY and self.technician is None:
            return False
        return allows(self.role, wanted)

    @property
    def actor(self) -> str:
        """As whom he acts. A technician acts as himself, as by his link."""
        if self.role is Role.TECHNICIAN and self.technician:
            return f"technician:{self.technician} via console"
        return f"user:{self.name}"


# -- reading -----------------------------------------------------------------------------------


def everybody(connection: Connection) -> list[User]:
    """All who were not removed, by name."""
    rows = connection.execute(
        select(console_users).where(console_users.c.removed_at.is_(None)).order_by(console_users.c.name)
    )
    return [user_of(row) for row in rows]


def some(connection: Connection, after: str = "", limit: int = 50) -> list[User]:
    """The next ones by name, those who were removed left out."""
    rows = connection.execute(
        select(console_users)
        .where(console_users.c.removed_at.is_(None), console_users.c.name > after)
        .order_by(console_users.c.name)
        .limit(limit)
    )
    return [user_of(row) for row in rows]


def by_id(connection: Connection, user_id: int) -> User:
    """Raises UserRefused: unknown."""
    row = connection.execute(
        select(console_users).where(console_users.c.id == user_id, console_users.c.removed_at.is_(None))
    ).first()
    if row is None:
        raise UserRefused("unknown", f"there is no user {user_id}")
    return user_of(row)


def find(connection: Connection, name: str) -> User:
    """Raises UserRefused: unknown."""
    row = connection.execute(
        select(console_users).where(
            console_users.c.name == name.strip().lower(), console_users.c.removed_at.is_(None)
        )
    ).first()
    if row is None:
        raise UserRefused("unknown", f"there is no user {name!r}")
    return user_of(row)


def user_of(row: Row[tuple[object, ...]]) -> User:
    """A row of console_users."""
    return User(
        row.id,
        row.name,
        row.full_name,
        Role(row.role),
        row.technician,
        row.language,
        bool((row.password and row.totp) or row.oidc_subject),
        bool(row.oidc_subject),
        row.locked_until,
        row.last_login_at,
        row.created_at,
    )


# -- changing ----------------------------------------------------------------------------------


def add(
    connection: Connection,
    actor: str,
    at: datetime,
    name: str,
    role: str,
    *,
    full_name: str = "",
    technician: str | None = None,
    language: str | None = None,
) -> User:
    """Write a user who cannot log in yet: his link sets his password and second factor. UserRefused."""
    name = name.strip().lower()
    if not NAME.fullmatch(name):
        raise UserRefused("name", "a user's name has letters, digits, dot, hyphen, @, up to 64 of them")
    if connection.execute(select(console_users.c.id).where(console_users.c.name == name)).first():
        raise UserRefused("exists", f"the name {name!r} is taken, or was: names are not given twice")
    values = _checked(connection, role, full_name or name, technician, language)
    user_id = connection.execute(
        insert(console_users).values(name=name, created_at=at, **values)
    ).inserted_primary_key
    assert user_id is not None
    audit.record(connection, actor, at, "user.add", f"user:{user_id[0]}", details={"name": name, **values})
    return find(connection, name)


def change(
    connection: Connection,
    actor: str,
    at: datetime,
    name: str,
    *,
    role: str,
    full_name: str,
    technician: str | None,
    language: str | None,
) -> User:
    """Set what an admin may set. The last admin stays one, and nobody gives up his own role. UserRefused."""
    user = find(connection, name)
    values = _checked(connection, role, full_name, technician, language)
    if values["role"] != user.role:
        _not_oneself(actor, user)
        _keep_an_admin(connection, user)
    connection.execute(update(console_users).where(console_users.c.id == user.id).values(**values))
    if values["role"] != user.role:
        end_sessions(connection, at, user.id)
    audit.record(connection, actor, at, "user.change", f"user:{user.id}", details=values)
    return find(connection, name)


def speak(connection: Connection, user: User, language: str | None) -> None:
    """Set in which language the user sees the console. UserRefused."""
    if language not in (None, *LANGUAGES):
        raise UserRefused("language", f"expected one of {', '.join(LANGUAGES)}")
    connection.execute(update(console_users).where(console_users.c.id == user.id).values(language=language))


def remove(connection: Connection, actor: str, at: datetime, name: str) -> None:
    """He can log in no more; what he did stays on record under his name. Nobody removes himself.

    UserRefused.
    """
    user = find(connection, name)
    _not_oneself(actor, user)
    _keep_an_admin(connection, user)
    _remove(connection, at, user.id)
    audit.record(connection, actor, at, REMOVED, f"user:{user.id}", details={"name": user.name})
    ledger.note(connection, at, REMOVED, user.id)


def remove_again(connection: Connection, actor: str, at: datetime, user_id: int) -> bool:
    """Remove a user whom a restored backup brought back; False if it did not."""
    back = select(console_users.c.id).where(
        console_users.c.id == user_id, console_users.c.removed_at.is_(None)
    )
    if connection.execute(back).first() is None:
        return False
    _remove(connection, at, user_id)
    audit.record(connection, actor, at, REMOVED, f"user:{user_id}")
    return True


def reset(connection: Connection, actor: str, at: datetime, name: str) -> str:
    """Take password, second factor, recovery codes, the tie to the identity provider, lock and sessions from
    the user; returns the token of a new welcome link. Nobody resets himself. UserRefused.
    """
    user = find(connection, name)
    _not_oneself(actor, user)
    connection.execute(
        update(console_users)
        .where(console_users.c.id == user.id)
        .values(password=None, totp=None, totp_step=0, oidc_subject=None, failures=0, locked_until=None)
    )
    _drop_keys(connection, user.id)
    end_sessions(connection, at, user.id)
    audit.record(connection, actor, at, "user.reset", f"user:{user.id}", details={"name": user.name})
    return welcome(connection, at, user)


def unlock(connection: Connection, actor: str, at: datetime, name: str) -> None:
    """Let him try again now. UserRefused."""
    user = find(connection, name)
    connection.execute(
        update(console_users).where(console_users.c.id == user.id).values(failures=0, locked_until=None)
    )
    audit.record(connection, actor, at, "user.unlock", f"user:{user.id}", details={"name": user.name})


def send_out(connection: Connection, actor: str, at: datetime, name: str) -> int:
    """End all sessions of the user; returns how many rows there were. UserRefused."""
    user = find(connection, name)
    ended = end_sessions(connection, at, user.id)
    audit.record(connection, actor, at, "user.sessions-end", f"user:{user.id}", details={"name": user.name})
    return ended


def welcome(connection: Connection, at: datetime, user: User) -> str:
    """The token of a link by which the user sets password and second factor; earlier ones end."""
    connection.execute(
        delete(console_links).where(console_links.c.user_id == user.id, console_links.c.used_at.is_(None))
    )
    return _link(connection, user, "welcome", at + WELCOME_LASTS)


def enter(connection: Connection, at: datetime, user: User, lasts: timedelta) -> str:
    """The token of a link by which the user comes in once without anything else: for a demonstration."""
    return _link(connection, user, "enter", at + lasts)


def link_user(connection: Connection, at: datetime, token: str, purpose: str) -> User | None:
    """Whose link it is, if it is good."""
    row = connection.execute(
        select(console_users)
        .join(console_links, console_links.c.user_id == console_users.c.id)
        .where(
            console_links.c.digest == digest(token),
            console_links.c.purpose == purpose,
            console_links.c.expires_at > at,
            console_links.c.used_at.is_(None),
            console_users.c.removed_at.is_(None),
        )
    ).first()
    return user_of(row) if row else None


def use_link(connection: Connection, at: datetime, token: str) -> bool:
    """Use it up. False if somebody was quicker."""
    used = connection.execute(
        update(console_links)
        .where(console_links.c.digest == digest(token), console_links.c.used_at.is_(None))
        .values(used_at=at)
    )
    return used.rowcount == 1


def end_sessions(connection: Connection, at: datetime, user_id: int, but: int | None = None) -> int:
    """End the user's sessions, save the one with id `but`; returns how many there were."""
    ends = update(console_sessions).where(
        console_sessions.c.user_id == user_id, console_sessions.c.ended_at.is_(None)
    )
    if but is not None:
        ends = ends.where(console_sessions.c.id != but)
    return connection.execute(ends.values(ended_at=at)).rowcount


# -- small parts -------------------------------------------------------------------------------


def _checked(
    connection: Connection, role: str, full_name: str, technician: str | None, language: str | None
) -> dict[str, str | None]:
    if role not in list(Role):
        raise UserRefused("role", f"expected one of {', '.join(Role)}")
    full_name = " ".join("".join(c if c.isprintable() else " " for c in full_name).split())
    if not 1 <= len(full_name) <= 120:
        raise UserRefused("full-name", "a full name has 1 to 120 characters")
    technician = technician or None
    if role == Role.TECHNICIAN and technician is None:
        raise UserRefused("technician-missing", "a technician's login needs the technician's key")
    if technician is not None:
        known = select(technicians.c.key).where(technicians.c.key == technician)
        if connection.execute(known).first() is None:
            raise UserRefused("technician", f"there is no technician {technician!r}")
    if language not in (None, *LANGUAGES):
        raise UserRefused("language", f"expected one of {', '.join(LANGUAGES)}")
    return {"role": role, "full_name": full_name, "technician": technician, "language": language}


def _not_oneself(actor: str, user: User) -> None:
    if actor == user.actor:
        raise UserRefused(
            "oneself", f"{user.name} is whoever asks: another admin, or the command line, does it"
        )


def _keep_an_admin(connection: Connection, user: User) -> None:
    """Locks the admins: two who remove each other at the same instant must not both succeed."""
    if user.role is not Role.ADMIN:
        return
    admins = connection.scalars(
        select(console_users.c.id)
        .where(console_users.c.role == Role.ADMIN, console_users.c.removed_at.is_(None))
        .order_by(console_users.c.id)
        .with_for_update()
    ).all()
    if set(admins) <= {user.id}:
        raise UserRefused("last-admin", f"{user.name} is the last admin")


def _remove(connection: Connection, at: datetime, user_id: int) -> None:
    connection.execute(
        update(console_users)
        .where(console_users.c.id == user_id)
        .values(removed_at=at, password=None, totp=None, oidc_subject=None)
    )
    _drop_keys(connection, user_id)
    end_sessions(connection, at, user_id)


def _drop_keys(connection: Connection, user_id: int) -> None:
    connection.execute(delete(console_recovery_codes).where(console_recovery_codes.c.user_id == user_id))
    connection.execute(delete(console_links).where(console_links.c.user_id == user_id))


def _link(connection: Connection, user: User, purpose: str, expires_at: datetime) -> str:
    token = secrets.token_urlsafe(24)
    connection.execute(
        insert(console_links).values(
            digest=digest(token), user_id=user.id, purpose=purpose, expires_at=expires_at
        )
    )
    return token

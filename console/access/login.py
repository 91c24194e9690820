"""Logging in: name, password and a code of the second factor, asked together, so that nothing tells which
of them was wrong. Ten failures close the account for half an hour; the command line opens it.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime, timedelta

import pyotp
from sqlalchemy import Connection, delete, func, insert, select, update

from console.access import keys, passwords, users
from console.access.users import User, UserRefused
from console.house import House
from console.tables import console_recovery_codes, console_users
from storage import audit
from storage.alarms import raise_alarm

MOST_FAILURES = 10
LOCKED_FOR = timedelta(minutes=30)
ALARM = "console-locked"
# A code is good for its half minute and the one before and after: clocks differ.
STEP, WINDOW = 30, 1
RECOVERY_CODES = 10
# The form by which another authenticator is set up is good for so long.
FACTOR, FACTOR_LASTS = "factor", timedelta(minutes=10)
# No letter that is taken for another, nor for a digit.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class LoginRefused(Exception):
    """Name, password or code is wrong, or the account is closed for a while. Nothing tells which."""


class CodeWrong(Exception):
    """The code is not one that the authenticator shows now."""


def log_in(house: House, at: datetime, name: str, password: str, code: str) -> User:
    """Who he is. Raises LoginRefused; passwords.Busy if too many ask at once.

    Opens its own transactions: the slow hash runs between them, with no connection checked out.
    """
    with house.database.read() as connection:
        row = connection.execute(
            select(console_users).where(
                console_users.c.name == name.strip().lower()[:64], console_users.c.removed_at.is_(None)
            )
        ).first()
    right = passwords.right(password, row.password if row else None)
    if row is None:
        raise LoginRefused
    with house.database.write() as connection:
        user = _proved(connection, house, at, row.id, row.password if right else None, code)
        if user is not None:
            audit.record(connection, user.actor, at, "user.login", f"user:{user.id}")
    if user is None:
        raise LoginRefused
    return user


def confirm(house: House, at: datetime, user: User, password: str, code: str) -> None:
    """Have somebody who is logged in prove again who he is. Raises LoginRefused; passwords.Busy.

    Failures count as those of a login do. The one that closes the account ends its sessions, too: whoever
    guesses from within may have come upon somebody else's.
    """
    with house.database.read() as connection:
        kept = connection.execute(
            select(console_users.c.password).where(console_users.c.id == user.id)
        ).scalar_one()
    right = passwords.right(password, kept)
    with house.database.write() as connection:
        closed = _locked(connection, at, user.id)
        proved = _proved(connection, house, at, user.id, kept if right else None, code)
        if proved is None and not closed and _locked(connection, at, user.id):
            users.end_sessions(connection, at, user.id)
    if proved is None:
        raise LoginRefused


def _proved(
    connection: Connection, house: House, at: datetime, user_id: int, password: str | None, code: str
) -> User | None:
    """The user, if the code is right and `password`, as it is kept, is still his. None: a failure more."""
    row = connection.execute(
        select(console_users)
        .where(console_users.c.id == user_id, console_users.c.removed_at.is_(None))
        .with_for_update()
    ).first()
    if row is None or (row.locked_until is not None and at < row.locked_until):
        return None
    if row.password is None:
        return None  # there is nothing to guess: he is not set up, or comes in by the identity provider
    right = password is not None and row.password == password and row.totp and code
    if right and _second_factor(connection, house, at, user_id, row.totp, row.totp_step, code):
        connection.execute(
            update(console_users).where(console_users.c.id == user_id).values(failures=0, locked_until=None)
        )
        return users.user_of(row)
    failures = row.failures + 1
    locked = failures >= MOST_FAILURES
    connection.execute(
        update(console_users)
        .where(console_users.c.id == user_id)
        .values(failures=0 if locked else failures, locked_until=at + LOCKED_FOR if locked else None)
    )
    if locked:
        raise_alarm(connection, at, ALARM, f"user:{user_id}", {"user": row.name})
        audit.record(connection, "console", at, "user.locked", f"user:{user_id}")
    return None


def _locked(connection: Connection, at: datetime, user_id: int) -> bool:
    until = connection.execute(
        select(console_users.c.locked_until).where(console_users.c.id == user_id)
    ).scalar_one()
    return until is not None and at < until


def _second_factor(
    connection: Connection, house: House, at: datetime, user_id: int, sealed: str, last: int, code: str
) -> bool:
    code = _plain(code)
    if len(code) == 6 and code.isdigit():
        secret = keys.unseal(house.configuration, sealed)
        step = _step_of(secret, code, at, last) if secret else None
        if secret is None or step is None:
            return False
        # Sealed anew each time: after a change of service.keys the old key may go once everybody was here.
        values = {"totp_step": step, "totp": keys.seal(house.configuration, secret)}
        connection.execute(update(console_users).where(console_users.c.id == user_id).values(**values))
        return True
    digests = keys.recovery_digests(house.configuration, user_id, code)
    used = connection.execute(
        update(console_recovery_codes)
        .where(console_recovery_codes.c.digest.in_(digests), console_recovery_codes.c.used_at.is_(None))
        .values(used_at=at)
    ).rowcount
    if used:
        audit.record(connection, "console", at, "user.recovery-code", f"user:{user_id}")
    return used == 1


def _plain(code: str) -> str:
    """A code without the spaces and hyphens that make it readable."""
    return "".join(c for c in code if c.isascii() and c.isalnum()).lower()


def _step_of(secret: str, code: str, at: datetime, last: int) -> int | None:
    """The half minute that the code belongs to, if it is a good one and later than `last`."""
    now = int(at.timestamp()) // STEP
    factor = pyotp.TOTP(secret)
    for step in range(now - WINDOW, now + WINDOW + 1):
        if step > last and hmac.compare_digest(factor.at(step * STEP), code):
            return step
    return None


# -- setting up --------------------------------------------------------------------------------


def set_up(house: House, at: datetime, link: str, password: str, code: str) -> tuple[User, list[str]]:
    """Set password and second factor by a welcome link; returns the user and his recovery codes, which
    are shown once. Raises UserRefused (unknown: the link is not good), PasswordRefused, CodeWrong, Busy.

    Opens its own transactions, as `log_in` does.
    """
    with house.database.read() as connection:
        user = users.link_user(connection, at, link, "welcome")
    if user is None:
        raise UserRefused("unknown", "this link is not good, or has been used")
    passwords.check_new(password, user.name, house.configuration.service.name)
    secret = keys.new_factor(house.configuration, link)
    step = _step_of(secret, _plain(code), at, 0)
    if step is None:
        raise CodeWrong
    kept = passwords.hashed(password)
    with house.database.write() as connection:
        if not users.use_link(connection, at, link):
            raise UserRefused("unknown", "this link has just been used")
        connection.execute(
            update(console_users)
            .where(console_users.c.id == user.id)
            .values(
                password=kept,
                totp=keys.seal(house.configuration, secret),
                totp_step=step,
                failures=0,
                locked_until=None,
            )
        )
        codes = new_recovery_codes(connection, house, user)
        audit.record(connection, user.actor, at, "user.set-up", f"user:{user.id}")
        return users.find(connection, user.name), codes


def change_password(house: House, at: datetime, user: User, session_id: int, new: str) -> None:
    """Raises PasswordRefused, Busy. Whoever asks has proved who he is. His other sessions end."""
    passwords.check_new(new, user.name, house.configuration.service.name)
    kept = passwords.hashed(new)
    with house.database.write() as connection:
        connection.execute(update(console_users).where(console_users.c.id == user.id).values(password=kept))
        users.end_sessions(connection, at, user.id, but=session_id)
        audit.record(connection, user.actor, at, "user.password", f"user:{user.id}")


def factor_ticket(house: House, at: datetime, user: User, session_id: int) -> str:
    """What the form carries by which somebody who has just proved who he is sets up another authenticator."""
    return keys.ticket(
        house.configuration,
        FACTOR,
        at + FACTOR_LASTS,
        user=str(user.id),
        session=str(session_id),
        token=secrets.token_urlsafe(24),
    )


def factor_of(house: House, at: datetime, user: User, session_id: int, ticket: str) -> str | None:
    """The secret of the new authenticator; None if the ticket is not his, or too old."""
    holds = keys.read_ticket(house.configuration, FACTOR, at, ticket)
    if (holds.get("user"), holds.get("session")) != (str(user.id), str(session_id)):
        return None
    return keys.new_factor(house.configuration, holds["token"])


def change_factor(house: House, at: datetime, user: User, session_id: int, secret: str, code: str) -> None:
    """Another authenticator, proved by its code. Raises CodeWrong. His other sessions end."""
    step = _step_of(secret, _plain(code), at, 0)
    if step is None:
        raise CodeWrong
    with house.database.write() as connection:
        connection.execute(
            update(console_users)
            .where(console_users.c.id == user.id)
            .values(totp=keys.seal(house.configuration, secret), totp_step=step)
        )
        users.end_sessions(connection, at, user.id, but=session_id)
        audit.record(connection, user.actor, at, "user.factor", f"user:{user.id}")


def new_recovery_codes(connection: Connection, house: House, user: User) -> list[str]:
    """Ten codes, shown once, each good once; earlier ones end."""
    connection.execute(delete(console_recovery_codes).where(console_recovery_codes.c.user_id == user.id))
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(10)) for _ in range(RECOVERY_CODES)]
    connection.execute(
        insert(console_recovery_codes),
        [
            {"digest": keys.recovery_digests(house.configuration, user.id, code)[0], "user_id": user.id}
            for code in codes
        ],
    )
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def renew_recovery_codes(connection: Connection, house: House, at: datetime, user: User) -> list[str]:
    """Another ten, for whoever has proved who he is."""
    codes = new_recovery_codes(connection, house, user)
    audit.record(connection, user.actor, at, "user.recovery-codes", f"user:{user.id}")
    return codes


def recovery_codes_left(connection: Connection, user: User) -> int:
    return connection.execute(
        select(func.count()).where(
            console_recovery_codes.c.user_id == user.id, console_recovery_codes.c.used_at.is_(None)
        )
    ).scalar_one()


def address_of_factor(house: House, user: User, secret: str) -> str:
    """What an authenticator reads from the QR code (otpauth:)."""
    return pyotp.TOTP(secret).provisioning_uri(name=user.name, issuer_name=house.configuration.service.name)

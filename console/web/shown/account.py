"""What the page of one's own account shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from sqlalchemy import Connection

from console.access import login, sessions
from console.access.roles import RIGHTS, May
from console.access.sessions import OpenSession, Session
from console.access.users import User

# What a browser calls itself, the more particular first: each also claims to be those after it.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
FEW_CODES = 3


@dataclass(frozen=True)
class ShownSession:
    """`browser` and `system` are names, empty if they are not known; `here`: this machine or its proxy."""

    id: int
    began_at: datetime
    seen_at: datetime
    address: str
    here: bool
    browser: str
    system: str
    own: bool


@dataclass(frozen=True)
class Account:
    """`rights` in the order of the table; `codes_left` are recovery codes not used yet."""

    rights: list[May]
    codes_left: int
    sessions: list[ShownSession]

    @property
    def few_codes(self) -> bool:
        return self.codes_left <= FEW_CODES

    @property
    def others(self) -> bool:
        return len(self.sessions) > 1


def gather(connection: Connection, at: datetime, session: Session) -> Account:
    """The account of whoever has this session."""
    found = sessions.open_sessions(connection, at, session.user)
    return Account(
        rights_of(session.user),
        login.recovery_codes_left(connection, session.user),
        [_shown(each, session) for each in found],
    )


def rights_of(user: User) -> list[May]:
    """What the user may do, in the order of the table."""
    return [may for may in May if may in RIGHTS[user.role] and user.may(may)]


def device(agent: str) -> tuple[str, str]:
    """Browser and system of a User-Agent, as people call them; empty for what is not known."""
    browser = next((name for sign, name in _BROWSERS if sign in agent), "")
    system = next((name for sign, name in _SYSTEMS if sign in agent), "")
    return browser, system


def _shown(found: OpenSession, session: Session) -> ShownSession:
    browser, system = device(found.agent)
    return ShownSession(
        found.id,
        found.began_at,
        found.seen_at,
        found.address,
        _is_here(found.address),
        browser,
        system,
        found.id == session.id,
    )


def _is_here(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return True

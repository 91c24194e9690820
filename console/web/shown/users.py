"""What the pages of the console's users show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from console.access import sessions, users
from console.access.roles import RIGHTS, May, Role
from console.access.users import User
from oncall.people import Technician, all_technicians

PAGE = 50


class State(StrEnum):
    """In which state a login is. LOCKED for a while, by failures."""

    READY = "ready"
    NEW = "new"
    LOCKED = "locked"


@dataclass(frozen=True)
class Line:
    """One user. `technician` is who he is on the rota, None: nobody; `left`: he is not employed any more."""

    user: User
    state: State
    technician: str | None
    left: bool


@dataclass(frozen=True)
class Page:
    """`after` is the name with which the next page begins, empty if there is none."""

    lines: list[Line]
    after: str


@dataclass(frozen=True)
class Card:
    """One user with what can be done about him. `own`: he is whoever looks."""

    line: Line
    sessions: int
    own: bool


@dataclass(frozen=True)
class Right:
    """A line of the table of rights: who has it."""

    may: May
    roles: dict[Role, bool]


def index(connection: Connection, at: datetime, after: str) -> Page:
    """The next page of users by name."""
    found = users.some(connection, after, PAGE + 1)
    people = {each.key: each for each in all_technicians(connection)}
    more = found[PAGE - 1].name if len(found) > PAGE else ""
    return Page([_line(each, people, at) for each in found[:PAGE]], more)


def card(connection: Connection, at: datetime, user_id: int, who_looks: User) -> Card:
    """Raises UserRefused: unknown."""
    found = users.by_id(connection, user_id)
    people = {each.key: each for each in all_technicians(connection)}
    open_now = sessions.open_sessions(connection, at, found)
    return Card(_line(found, people, at), len(open_now), found.id == who_looks.id)


def employed(connection: Connection, at: datetime, besides: str | None = None) -> list[Technician]:
    """Who can be chosen as the person on the rota; `besides` stays, though he may have left."""
    return [each for each in all_technicians(connection) if not _left(each, at) or each.key == besides]


def rights() -> list[Right]:
    """The whole table, as it holds."""
    return [Right(may, {role: may in RIGHTS[role] for role in Role}) for may in May]


def _line(user: User, people: dict[str, Technician], at: datetime) -> Line:
    person = people.get(user.technician or "")
    locked = user.locked_until is not None and at < user.locked_until
    state = State.LOCKED if locked else State.READY if user.ready else State.NEW
    return Line(user, state, person.name if person else None, person is not None and _left(person, at))


def _left(person: Technician, at: datetime) -> bool:
    return person.retired_at is not None and person.retired_at <= at

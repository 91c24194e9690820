"""What a page is given: the house, the instant, who asks, his words, and transactions.

The clock is read once a request, by the guard, and passed down as `at()`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import cast

from flask import current_app, g, request
from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError
from werkzeug.exceptions import BadRequest

from console.access.sessions import Session
from console.access.users import User
from console.house import House
from console.outside import follow
from console.tables import console_forms
from console.web.words import Words

KEY = "ivr"


class SentBefore(Exception):
    """This form was sent before: its act is done, and is not done again."""


def house() -> House:
    return cast(House, current_app.extensions[KEY])


def at() -> datetime:
    """The instant of this request, in UTC."""
    return cast(datetime, g.at)


def session() -> Session:
    """The session of this request. Only for pages that need a right."""
    return cast(Session, g.session)


def user() -> User:
    """Who asks. Only for pages that need a right."""
    return session().user


def words() -> Words:
    return cast(Words, g.words)


@contextmanager
def reading() -> Iterator[Connection]:
    """A reading transaction."""
    with house().database.read() as connection:
        yield connection


@contextmanager
def writing(*, once: bool = False) -> Iterator[Connection]:
    """A writing transaction; the files that vouch for the database follow its commit.

    With `once`, the form of this request is good for one use: raises SentBefore if it was sent before.
    The form carries `{{ once() }}`.
    """
    with house().database.write() as connection:
        if once:
            _use_form(connection)
        yield connection
    follow(house(), at())


def _use_form(connection: Connection) -> None:
    token = request.form.get("once", "")
    if not 20 <= len(token) <= 40 or not token.isascii():
        raise BadRequest
    try:
        with connection.begin_nested():
            connection.execute(insert(console_forms).values(token=token, used_at=at()))
    except IntegrityError:
        raise SentBefore from None

"""Who visits the console in tests: a user of each role, logged in, with the clock in our hands."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from making import NIGHT
from sqlalchemy import event
from werkzeug.test import TestResponse

from console.access import sessions, users
from console.access.users import User
from console.app import create_app
from console.demonstration import cast
from console.house import House
from console.web import jobs
from console.web.words import Words

# What a page has no words for is a fault of ours.
Words.strict = True

ROLES = ("admin", "dispatcher", "technician", "reader")
# Who logs in as what: the technician is Anna of the rota.
PEOPLE = {
    "admin": ("giulia", "Giulia Moser", None),
    "dispatcher": ("paolo", "Paolo Degasperi", None),
    "technician": ("anna", "Anna Rossi", "anna"),
    "reader": ("elena", "Elena Zanon", None),
}


@dataclass
class Clock:
    at: datetime = NIGHT

    def now(self) -> datetime:
        return self.at

    def forward(self, **length: float) -> None:
        self.at += timedelta(**length)


@dataclass(repr=False)
class Console:
    """The console with the cast in its house, and a user of each role."""

    house: House
    app: Flask
    clock: Clock
    users: dict[str, User] = field(default_factory=dict)

    def visitor(self, role: str | None = "admin", language: str | None = None) -> Visitor:
        """Somebody of this role, logged in; None: a stranger."""
        client = self.app.test_client()
        if role is not None:
            user = self.users[role]
            with self.house.database.write() as connection:
                users.speak(connection, user, language)
                token = sessions.begin(connection, self.clock.now(), user, "127.0.0.1", "test")
            client.set_cookie("ivr-session", token)
        return Visitor(self, client)

    def work(self) -> None:
        """Do all long work that was asked for."""
        while jobs.run_next(self.house, self.clock.now):
            pass

    def statements(self) -> Statements:
        """`with console.statements() as found: …` counts what the database is asked."""
        return Statements(self.house)


class Statements:
    def __init__(self, house: House) -> None:
        self._engine = house.database.engine
        self.asked: list[str] = []

    def _note(self, connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        self.asked.append(statement)

    def __enter__(self) -> Statements:
        event.listen(self._engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *rest: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._note)

    def __len__(self) -> int:
        return len(self.asked)


@dataclass(repr=False)
class Visitor:
    """A browser without its screen: it follows links and sends the forms that a page shows."""

    console: Console
    client: FlaskClient

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, base_url="http://localhost:8081", buffered=True, **more)

    def page(self, path: str, status: int = 200) -> str:
        """What the page says, with entities undone."""
        answer = self.get(path)
        assert answer.status_code == status, (path, answer.status_code, answer.headers.get("Location"))
        return html.unescape(answer.get_data(as_text=True))

    def token(self, path: str = "/login") -> str:
        """The form token of this visitor."""
        found = re.search(r'name="form-token" value="([0-9a-f]+)"', self.get(path).get_data(as_text=True))
        assert found, f"{path} has no form"
        return found[1]

    def fields(self, path: str, action: str | None = None) -> dict[str, str]:
        """Hidden fields of the first form of the page, or of the one with this action."""
        page = self.get(path).get_data(as_text=True)
        for form in re.findall(r"<form.*?</form>", page, re.DOTALL):
            where = re.search(r'action="([^"]*)"', form)
            if "log-out" in form or (where and where[1] == "/logout" and action != "/logout"):
                continue
            if action is None or (where and html.unescape(where[1]) == action):
                return {
                    name: html.unescape(value)
                    for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form)
                }
        raise AssertionError(f"{path} has no form for {action}")

    def post(self, path: str, shown_at: str | None = None, **fields: Any) -> TestResponse:
        """Send a form. Its hidden fields are those of the page `shown_at`, if that is given; else it has
        its token alone.
        """
        known = self.fields(shown_at, path) if shown_at else {"form-token": self.token("/nothing")}
        data = {**known, **{name.replace("_", "-"): value for name, value in fields.items()}}
        return self.client.post(path, data=data, base_url="http://localhost:8081", buffered=True)

    def done(self, path: str, shown_at: str | None = None, **fields: Any) -> str:
        """Send a form that must be taken; what the page says where it leads."""
        answer = self.post(path, shown_at, **fields)
        assert answer.status_code == 303, (answer.status_code, answer.get_data(as_text=True)[:4000])
        return self.page(answer.headers["Location"])


def console_in(folder: Path, house: House, clock: Clock) -> Console:
    """The console of `house`, which has tables and nothing in them."""
    cast.enter(house, "test", clock.now())
    made = Console(house, create_app(house, clock.now), clock)
    with house.database.write() as connection:
        for role, (name, full_name, technician) in PEOPLE.items():
            made.users[role] = users.add(
                connection, "test", clock.now(), name, role, full_name=full_name, technician=technician
            )
    return made

"""Goes through every page and every act of the console, as whoever it is told to be. Pages are found by
themselves: whatever the application routes is met.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from examples import NO_PAGES, path_of
from nights import night
from visitors import PEOPLE, Console, Visitor
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from console.access.roles import RIGHTS, May, Role
from console.web.area import right_of

HERE = "http://localhost:8081"
# What Flask makes by itself, and what machines ask: that the process lives, how all stands.
NOT_OURS = {"static", "healthz", "metrics"}
# Pages that ask for a second right by themselves.
ALSO = {"audit.export": {May.AUDIT}}
# Stands for whatever there is nothing of.
NOTHING = "999999999"


@dataclass(frozen=True)
class Door:
    """One rule of the application with the method by which it is met."""

    endpoint: str
    rule: str
    post: bool

    @property
    def area(self) -> str:
        return self.endpoint.partition(".")[0]

    @property
    def nowhere(self) -> str:
        """Its address with places that lead to nothing."""
        return re.sub(r"<(?:[^:<>]+:)?[^<>]+>", NOTHING, self.rule)


def doors(console: Console, *, post: bool | None = None) -> list[Door]:
    """Every rule of the console's own, with GET or POST."""
    found = [
        Door(rule.endpoint, rule.rule, "POST" in methods(rule))
        for rule in console.app.url_map.iter_rules()
        if rule.endpoint not in NOT_OURS
    ]
    return sorted(
        (each for each in found if post is None or each.post == post), key=lambda d: (d.rule, d.post)
    )


def methods(rule: Rule) -> set[str]:
    return set(rule.methods or ()) - {"HEAD", "OPTIONS"}


def may(endpoint: str, role: str | None) -> bool:
    """Whether somebody of this role (None: a stranger) is let in, by the table of rights alone."""
    rights = {right_of(endpoint)} | ALSO.get(endpoint, set())
    if rights == {None}:
        return True
    if role is None or not rights <= RIGHTS[Role(role)]:
        return False
    return May.DUTY not in rights or PEOPLE[role][2] is not None


def ask(console: Console, door: Door, role: str | None, path: str) -> TestResponse:
    """Ask for it as somebody of this role, who has just come in; a form brings its token and nothing else."""
    visitor = console.visitor(role)
    if not door.post:
        return visitor.get(path)
    data = {"form-token": token(visitor)}
    return visitor.client.post(path, data=data, base_url=HERE, buffered=True)


def token(visitor: Visitor) -> str:
    """The token of this visitor's forms, whoever he is."""
    return visitor.token("/nothing" if visitor.client.get_cookie("ivr-session") else "/login")


def is_login(answer: TestResponse) -> bool:
    """Whether the answer sends to the login."""
    return answer.status_code == 303 and answer.headers["Location"].startswith("/login")


def furnish(console: Console) -> dict[str, str]:
    """Put a night into the house and what the pages' examples need; every page by endpoint, with a path.

    A page that should have an example and has none is left out: test_rights.py names it.
    """
    night(console)
    found: dict[str, str] = {}
    for door in doors(console, post=False):
        if door.endpoint not in NO_PAGES:
            with suppress(KeyError):
                found[door.endpoint] = path_of(console, door.endpoint)
    return found


def looked_at(console: Console, pages: dict[str, str]) -> dict[str, str]:
    """Those of the pages that are whole pages: no files, no pieces that a page asks for."""
    visitors = {role: console.visitor(role) for role in ("admin", "technician")}
    whole: dict[str, str] = {}
    for name, path in pages.items():
        for role, visitor in visitors.items():
            if may(name, role):
                answer = visitor.get(path)
                if answer.mimetype == "text/html" and "<main" in answer.get_data(as_text=True):
                    whole[name] = path
                break
    return whole


@lru_cache(maxsize=1)
def areas() -> tuple[str, ...]:
    """The areas there are, by the files in which they are written."""
    from pkgutil import iter_modules

    from console.web import pages

    return tuple(sorted(each.name for each in iter_modules(pages.__path__)))

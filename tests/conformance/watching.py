"""Every TwiML document that is made while the tests run is held against the lint; a wrong one fails the test
in which it was made.

Three places are watched: what webhooks/twiml.py renders, whoever asked for it; what the public door of an
application in this process answers, where it is known who gets it, whether he accepted, and which numbers are
ours; and what a door in another process answers to the telephone. tests/conftest.py names this as a plugin.
The telephone of tests/acceptance, which tests/faults uses too, asks the lint itself.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask, Response, g, request, request_finished

from conformance.lint import Role, findings, role_of
from console.phone.door import HttpDoor, Reply
from webhooks import twiml

ACCEPTS = "1"  # the key by which a technician takes a call


class Watch:
    """What was found wrong since it was last asked; each distinct document is looked at once a role."""

    def __init__(self) -> None:
        self.seen: dict[object, list[str]] = {}
        self.wrong: list[str] = []
        self.on_purpose = False
        self.documents: dict[Role, int] = {}
        self._accepted: set[tuple[str, str]] = set()

    def look(self, body: bytes, role: Role, **known: Any) -> None:
        key = (body, role, *sorted(known.items(), key=lambda each: each[0]))
        if key not in self.seen:
            self.seen[key] = findings(body, role, **known)
            self.documents[role] = self.documents.get(role, 0) + 1
        self.wrong += [f"{each}\n    {body.decode(errors='replace')[:2000]}" for each in self.seen[key]]

    def answered(self, path: str, form: list[tuple[str, str]], body: bytes, kind: str, **known: Any) -> None:
        """A door answered a signed request with a document."""
        role = role_of(path)
        if role is None or not body:
            return
        if role == "whisper":
            fields = dict(form)
            turn = (fields.get("CallSid", ""), path)
            # Asked again, a turn is answered as it was, whatever was keyed the second time.
            if fields.get("Digits") == ACCEPTS:
                self._accepted.add(turn)
            known["accepted"] = turn in self._accepted
        self.look(body, role, kind=kind, **known)

    def taken(self) -> list[str]:
        wrong, self.wrong = self.wrong, []
        return wrong


WATCH = Watch()


def of_this_process(application: Flask, response: Response, **_: object) -> None:
    if application.name != "webhooks" or response.status_code != 200 or response.is_streamed:
        return
    door = g.get("door")
    # A form that was refused, or a body that was none, is no request whose document anybody follows.
    with suppress(Exception):
        form = list(request.form.items())
        numbers = door.numbers if door is not None else frozenset()
        WATCH.answered(request.path, form, response.get_data(), response.content_type, numbers=numbers)


def pytest_configure() -> None:
    request_finished.connect(of_this_process, weak=False)
    rendered, posted = twiml._render, HttpDoor.post

    def render(answer: Any, *, leg: bool) -> str:
        document = rendered(answer, leg=leg)
        WATCH.look(document.encode("utf-8", "surrogatepass"), "leg" if leg else "caller")
        return document

    def post(self: HttpDoor, url: str, form: list[tuple[str, str]], headers: dict[str, str]) -> Reply:
        reply = posted(self, url, form, headers)
        if reply.status == 200:
            WATCH.answered(urlsplit(url).path, form, reply.body, reply.content_type)
        return reply

    twiml._render = render  # type: ignore[assignment]
    HttpDoor.post = post  # type: ignore[method-assign]


@pytest.fixture
def wrong_on_purpose() -> Iterator[None]:
    """For a test whose documents are a toy's, or those of a program that was broken so that others notice."""
    WATCH.on_purpose = True
    yield
    WATCH.on_purpose = False


def _fail(when: str) -> None:
    wrong = WATCH.taken()
    if wrong and not WATCH.on_purpose:
        pytest.fail(f"{len(wrong)} wrong in TwiML made {when}:\n  " + "\n  ".join(wrong[:5]), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    result = yield
    _fail("before or while this test was set up")
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    try:
        result = yield
    except BaseException:
        WATCH.taken()  # one failure at a time
        raise
    _fail("in this test")
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    result = yield
    _fail("while this test was torn down")
    return result

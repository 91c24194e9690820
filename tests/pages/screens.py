"""The console in tests: over WSGI, and in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from making import configuration, fresh_database, opened_at
from playwright.sync_api import Browser, BrowserContext, Page
from visitors import Clock, Console, console_in
from werkzeug.serving import WSGIRequestHandler, make_server

from console.access import sessions, users
from console.house import House

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """The console at ten in the evening of 10 March 2026, with the cast and a user of each role."""
    with opened_console(tmp_path) as made:
        yield made


@contextmanager
def opened_console(folder: Path) -> Iterator[Console]:
    """Such a console in a folder of its own."""
    with fresh_database(folder) as database:
        url = str(database.engine.url)
    with opened_at(url) as database:
        yield console_in(folder, House(configuration(folder), database), Clock())


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        pass


@dataclass
class Screen:
    """A real browser before the console. `wrong` is what it complained of, `asked` every address."""

    console: Console
    browser: Browser
    address: str
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def elsewhere(self) -> list[str]:
        """What was asked of any other host."""
        own = (self.address, "blob:", "data:")
        return [url for url in self.asked if not url.startswith(own)]

    def open(
        self,
        path: str = "/",
        role: str | None = "admin",
        *,
        language: str | None = None,
        phone: bool = False,
        dark: bool = False,
        script: bool = True,
    ) -> Page:
        """The page at `path`, as somebody of this role sees it."""
        context = self.browser.new_context(
            viewport=PHONE if phone else DESK,  # type: ignore[arg-type]
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            locale="it-IT",
        )
        self.contexts.append(context)
        if role is not None:
            user = self.console.users[role]
            with self.console.house.database.write() as connection:
                users.speak(connection, user, language)
                token = sessions.begin(connection, self.console.clock.now(), user, "127.0.0.1", "test")
            context.add_cookies(
                [{"name": "ivr-session", "value": token, "url": self.address, "sameSite": "Strict"}]
            )
        page = context.new_page()
        page.on("console", lambda m: self.wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(self.address + path)
        return page


@contextmanager
def shown(console: Console, chrome: Browser) -> Iterator[Screen]:
    """A browser before this console, which is served meanwhile."""
    server = make_server("127.0.0.1", 0, console.app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    before = Screen(console, chrome, f"http://127.0.0.1:{server.server_port}")
    try:
        yield before
    finally:
        for context in before.contexts:
            context.close()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def screen(console: Console, chrome: Browser) -> Iterator[Screen]:
    """A browser before the console; afterwards it must have asked no other host and complained of nothing."""
    with shown(console, chrome) as before:
        yield before
        assert before.elsewhere() == []
        assert before.wrong == []


@dataclass
class Tour:
    """A browser before a house in which a night has passed, and every whole page of it: endpoint and path."""

    screen: Screen
    pages: dict[str, str]

    def of(self, area: str) -> dict[str, str]:
        return {name: path for name, path in self.pages.items() if name.partition(".")[0] == area}


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory, chrome: Browser) -> Iterator[Tour]:
    """One house and one browser for all tests of a module: they only look."""
    from crawling import furnish, looked_at

    folder = tmp_path_factory.mktemp("tour")
    with fresh_database(folder) as database:
        url = str(database.engine.url)
    with opened_at(url) as database:
        console = console_in(folder, House(configuration(folder), database), Clock())
        pages = looked_at(console, furnish(console))
        with shown(console, chrome) as before:
            yield Tour(before, pages)

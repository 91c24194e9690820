"""HUP: the service takes its configuration as it is now, or says why not and goes on as it was.

That no request is refused meanwhile is shown by test_token_change.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException

import pytest
from terminals import opened, seated

from acceptance.installation import TOKEN, Installation, command
from acceptance.reading_again import IN_FORCE, PATIENCE, STAYS, Service

MISTAKES = {
    "not TOML": ("auth_tokens", "["),
    "a token that is none": ("auth_tokens", '["aaaa-not-one"]'),
    "nothing to believe": ("auth_tokens", "[]"),
    "no key for what is to be checked": ("signatures", '"sha256"'),
    "a hash that is cheap": ("cost", "{ memory_kib = 64, passes = 1, version = 1 }"),
    "a database that was never made": ("url", '"sqlite:///elsewhere.db"'),
}


def answers(service: Service) -> None:
    assert service.installation.line().ring("+390461825060").asks_for_pin


def test_a_mistake_changes_nothing_and_is_said_in_a_line(service: Service) -> None:
    service.installation.start()
    sound = service.file.read_text()
    parts = service.parts()
    for count, (key, value) in enumerate(MISTAKES.values(), start=1):
        service.write(**{key: value})
        service.hang_up()
        service.says(STAYS, times=count)
        service.file.write_text(sound)
    answers(service)
    said = [line for line in service.printed.splitlines() if STAYS in line]
    assert len(said) == len(MISTAKES)
    for (key, _), line in zip(MISTAKES.values(), said, strict=True):
        assert "config.toml" in line
        assert key in line or "TOML" in line or "database: does not exist" in line or "shared_keys" in line
        assert "aaaa-not-one" not in line
    # Not a process was exchanged for it.
    assert {part: service.children(part) for part in service.children()} == parts


def test_every_part_takes_what_is_new(service: Service) -> None:
    service.installation.start()
    before = service.parts()
    service.write(signatures='"both"', shared_keys=f'["{TOKEN[::-1]}"]', workers="2")
    service.hang_up()
    service.says(IN_FORCE)
    service.says("console: the configuration as it is now is in force")
    service.says("worker started", times=2)
    answers(service)
    after = {part: service.children(part) for part in service.children()}
    # The same three parts; those with processes of their own have others now, and as many as they are told.
    assert set(after) == set(before)
    assert sorted(len(each) for each in after.values()) == [0, 1, 2]
    assert not set().union(*after.values()) & set().union(*before.values())
    assert "ended with" not in service.printed


@pytest.mark.parametrize("part", ["webhooks", "work"])
def test_a_part_alone_does_too(service: Service, part: str) -> None:
    started = IN_FORCE if part == "webhooks" else "worker started"
    if part == "webhooks":
        service.installation.start("--only", part)
    else:
        service.installation.begin("--only", part)
        service.says(started)
    sound = service.file.read_text()
    service.write(auth_tokens="[]")
    service.hang_up()
    service.says(STAYS)
    service.file.write_text(sound)
    service.hang_up()
    service.says(started, times=1 if part == "webhooks" else 2)
    assert service.installation.service is not None
    assert service.installation.service.poll() is None


# A door that says how many threads it has, and whose processes cannot start while a file lies there.
DOOR = """
import logging, sys
from pathlib import Path
from console.processes.serving import Gunicorn, Size
from console.settings import load

folder = Path(sys.argv[1])

def make(configuration):
    if (folder / "broken").exists():
        raise RuntimeError("cannot start")
    threads = str(configuration.service.threads).encode()
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [threads]
    return app

logging.basicConfig(level=logging.INFO)
Gunicorn("a door", load(folder / "config.toml"), make, lambda known: known.service.listen,
         lambda _: Size(1, 2)).run()
"""


def test_processes_that_cannot_start_with_it_replace_none(service: Service) -> None:
    installation = service.installation

    def says() -> bytes:
        with closing(HTTPConnection(installation.listener, timeout=60)) as connection:
            connection.request("GET", "/")
            return connection.getresponse().read()

    def until(wanted: bytes) -> None:
        limit = time.monotonic() + PATIENCE
        while said() != wanted:
            assert time.monotonic() < limit, service.printed
            time.sleep(0.02)

    def said() -> bytes:
        with suppress(OSError, HTTPException):  # not listening yet
            return says()
        return b""

    with installation.printed.open("ab") as printed:
        installation.service = subprocess.Popen(
            [sys.executable, "-c", DOOR, str(installation.folder)],
            env=installation.environment,
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
    until(b"8")
    processes = service.children()
    (installation.folder / "broken").touch()
    service.write(threads="9")
    service.hang_up()
    service.says("no process could be started")
    assert says() == b"8"
    assert service.children() == processes
    (installation.folder / "broken").unlink()
    service.hang_up()
    service.says("in force")
    assert says() == b"9"
    assert not service.children() & processes
    installation.kill()
    installation.printed.write_text("")  # the trace of what could not start


def test_a_terminal_that_is_closed_ends_it_and_hup_with_a_terminal_does_not(
    installed: Callable[..., Installation],
) -> None:
    installation = installed("in-a-terminal")
    installation.ivr("init")
    installation.configure()
    terminal, its = opened()
    with installation.printed.open("ab") as printed:
        # In a shell's place: leader of the terminal's session.
        service = seated(
            its,
            [*command(), "serve"],
            cwd=installation.folder,
            environment=installation.environment,
            printed=printed,
        )
    os.close(its)

    def until(so: Callable[[], bool]) -> None:
        limit = time.monotonic() + PATIENCE
        while not so():
            assert time.monotonic() < limit, installation.printed.read_text()
            time.sleep(0.03)

    try:
        until(installation.ready)
        service.send_signal(signal.SIGHUP)
        until(lambda: IN_FORCE in installation.printed.read_text())
        os.close(terminal)
        until(lambda: service.poll() is not None)
        assert not installation.ready()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(service.pid, signal.SIGKILL)
        service.wait()

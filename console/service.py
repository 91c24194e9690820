"""`ivr serve`: a supervisor of three parts, each a process of its own that can also run alone.

A dead part is started again with back-off. TERM is passed on, and the webhook part then finishes the
turns it is serving. The parts stay in the supervisor's process group and die with it, however it dies.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from gunicorn.app.base import BaseApplication

from console import app as console_app
from console import worker
from console.doors import webhook_app
from console.house import open_house, system_clock
from console.keyholder import note_keys
from console.settings import Configuration
from console.standing_by import first_snapshot
from console.waiting_room import ROOM, OnFile, Wsgi, waiting_room
from pins import customers

log = logging.getLogger("ivr.service")

PARTS = ("webhooks", "console", "work")
# Seconds a part may take to stop after TERM: longer than any turn.
GRACE = 20
LONGEST_BACK_OFF = 30.0
# A part that ran this long has started well: its next failure waits as briefly as the first.
STARTED_WELL = 60.0
PR_SET_PDEATHSIG = 1  # Linux, prctl(2)


class Gunicorn(BaseApplication):  # type: ignore[misc]
    """One listener. The application is made in each worker, so that no connection crosses a fork."""

    def __init__(self, make: Callable[[], Wsgi], listen: str, workers: int, threads: int) -> None:
        self._make = make
        self._options: dict[str, Any] = {
            "bind": listen,
            "worker_class": "gthread",
            "workers": workers,
            "threads": threads,
            "graceful_timeout": GRACE - 5,
            "timeout": 30,
            "keepalive": 5,
            # No access log: an address carries a call's luggage, and a body may hold a PIN.
            "accesslog": None,
            "errorlog": "-",
            "loglevel": "warning",
            "control_socket_disable": True,
            "proc_name": "ivr",
        }
        super().__init__()

    def load_config(self) -> None:
        for key, value in self._options.items():
            self.cfg.set(key, value)

    def load(self) -> Wsgi:
        return self._make()


def run_part(part: str, configuration: Configuration) -> None:
    """Run one part until it is told to stop."""
    if part == "work":
        worker.run(open_house(configuration), system_clock)
        return
    service = configuration.service
    if part == "webhooks":
        note_keys(configuration, system_clock())
        first_snapshot(configuration, system_clock())
        server = Gunicorn(
            lambda: _webhooks(configuration), service.listen, service.workers, service.threads + ROOM
        )
    else:
        # One process: rehearsals that are under way stand in its memory.
        server = Gunicorn(
            lambda: console_app.serving_app(open_house(configuration)), configuration.console.listen, 1, 8
        )
    server.run()


def _webhooks(configuration: Configuration) -> Wsgi:
    """The webhook application, with `service.threads` requests worked on at once and others in a queue."""
    house = open_house(configuration, hurried=True)

    def on_file() -> Collection[str]:
        with house.database.read() as connection:
            return customers.all_phones(connection)

    numbers = OnFile(on_file)
    numbers.refresh()
    return waiting_room(webhook_app(house), configuration.service.threads, numbers)


@dataclass
class _Part:
    name: str
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    start_at: float = 0.0


def supervise(config_path: Path, on_started: Callable[[], None] = lambda: None) -> int:
    """Run all parts until TERM or INT; returns 0 when every part stopped in time, else 1."""
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)
    parts = [_Part(name) for name in PARTS]
    for part in parts:
        _start(part, config_path)
    on_started()
    while not stopping:
        for part in parts:
            _keep_alive(part, config_path)
        time.sleep(0.2)
    return _stop(parts)


def _start(part: _Part, config_path: Path) -> None:
    command = [sys.executable, "-m", "console.commands", "--config", str(config_path)]
    part.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [*command, "serve", "--only", part.name], preexec_fn=_die_with_parent
    )
    part.started = time.monotonic()


def _keep_alive(part: _Part, config_path: Path) -> None:
    now = time.monotonic()
    if part.process is not None and part.process.poll() is not None:
        part.failures = 1 if now - part.started > STARTED_WELL else part.failures + 1
        wait = min(0.5 * 2 ** (part.failures - 1), LONGEST_BACK_OFF)
        log.error("%s ended with %s; started again in %.1f s", part.name, part.process.returncode, wait)
        part.process, part.start_at = None, now + wait
    if part.process is None and now >= part.start_at:
        _start(part, config_path)


def _stop(parts: list[_Part]) -> int:
    running = [part.process for part in parts if part.process is not None]
    for process in running:
        if process.poll() is None:
            process.terminate()
    late = False
    limit = time.monotonic() + GRACE
    for process in running:
        try:
            process.wait(max(0.1, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            late = True
            process.kill()
            process.wait()
    return 1 if late else 0


def _die_with_parent() -> None:
    """In the child, before it runs: be told to end when the supervisor dies, even by SIGKILL."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died just now
            os._exit(1)

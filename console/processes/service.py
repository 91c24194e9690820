"""`ivr serve`: a supervisor of three parts, each a process of its own that can also run alone.

A dead part is started again with back-off. TERM is passed on, and the webhook part then finishes the
turns it is serving. The parts stay in the supervisor's process group and die with it, however it dies. HUP is
passed on too: each part then takes the configuration as it is now, without refusing a request.
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

from console import app as console_app
from console.house import open_house, system_clock
from console.processes import worker
from console.processes.doors import webhook_app
from console.processes.keyholder import node_name, note_keys
from console.processes.reloading import Terminal, read_again
from console.processes.serving import GRACE, Gunicorn, Size
from console.processes.standing_by import first_snapshot
from console.processes.waiting_room import ROOM, OnFile, Wsgi, waiting_room
from console.settings import Configuration, load
from console.watching import logs, tracing
from console.watching.keeping import Keeper, gather_the_gone, start_anew
from pins import customers

log = logging.getLogger("ivr.service")

PARTS = ("webhooks", "console", "work")
LONGEST_BACK_OFF = 30.0
# A part that ran this long has started well: its next failure waits as briefly as the first.
STARTED_WELL = 60.0
PR_SET_PDEATHSIG = 1  # Linux, prctl(2)


def run_part(part: str, configuration: Configuration) -> None:
    """Run one part until it is told to stop. On HUP it reads the configuration again, if that is sound."""
    logs.begin(configuration, node_name(configuration))
    if part == "work":
        worker.run(open_house(configuration), system_clock)
        os.execv(sys.executable, _command(configuration.file, part))  # noqa: S606 - HUP: as from the start
    if part == "webhooks":
        start_anew(configuration, part)
        server = Gunicorn(
            part,
            configuration,
            make=webhooks,
            listen=lambda known: known.service.listen,
            size=lambda known: Size(known.service.workers, known.service.threads + ROOM),
            prepare=_before_calls,
        )
    else:
        server = Gunicorn(
            part,
            configuration,
            make=lambda known: console_app.serving_app(open_house(known)),
            listen=lambda known: known.console.listen,
            # One process: rehearsals that are under way stand in its memory.
            size=lambda _: Size(1, 8),
            prepare=lambda known: logs.begin(known, node_name(known)),
        )
    server.run()


def _before_calls(configuration: Configuration) -> None:
    logs.begin(configuration, node_name(configuration))
    gather_the_gone(configuration, "webhooks")
    note_keys(configuration, system_clock())
    first_snapshot(configuration, system_clock())


def webhooks(configuration: Configuration) -> Wsgi:
    """The webhook application, with `service.threads` requests worked on at once and others in a queue."""
    house = open_house(configuration, hurried=True)
    Keeper(configuration, "webhooks").begin()
    tracing.begin(configuration, "webhooks")

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
    """Run all parts until TERM or INT; returns 0 when every part stopped in time, else 1.

    HUP has each part read the configuration again; a bad one is refused here, and no part hears of it.
    """
    stopping = hung_up = False
    terminal = Terminal()

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    def hang_up(number: int, frame: FrameType | None) -> None:
        nonlocal hung_up
        hung_up = True

    signal.signal(signal.SIGHUP, hang_up)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)
    configuration = load(config_path)
    logs.begin(configuration, node_name(configuration))
    parts = [_Part(name) for name in PARTS]
    for part in parts:
        _start(part, config_path)
    on_started()
    while not stopping:
        if hung_up:
            hung_up = False
            if terminal.gone:
                break
            if found := read_again(configuration, system_clock()):
                configuration = found
                logs.begin(configuration, node_name(configuration))
                _exchange(parts)
        for part in parts:
            _keep_alive(part, config_path)
        time.sleep(0.2)
    return _stop(parts)


def _command(config_path: Path, part: str) -> list[str]:
    return [sys.executable, "-m", "console.commands", "--config", str(config_path), "serve", "--only", part]


def _start(part: _Part, config_path: Path) -> None:
    part.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        _command(config_path, part.name), preexec_fn=_die_with_parent
    )
    part.started = time.monotonic()


def _exchange(parts: list[_Part]) -> None:
    """Have the parts that run take the configuration as it is now; one that starts anyway reads it then."""
    for part in parts:
        if part.process is not None and part.process.poll() is None:
            part.process.send_signal(signal.SIGHUP)


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

"""A door: gunicorn with our application, whose configuration can be exchanged while it serves.

On HUP the configuration is read again and new processes are made with it. Only when each of them can serve
are the old ones told to finish. The door itself stays open throughout: no request is refused, none waits for
a process to start. If the new configuration is bad, or a process does not start with it, all stays as it was.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import struct
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from console.house import system_clock
from console.processes.reloading import Terminal, read_again
from console.processes.waiting_room import Wsgi
from console.settings import Configuration

log = logging.getLogger("ivr.service")

# Seconds a part may take to stop after TERM: longer than any turn.
GRACE = 20
# Seconds in which every new process must be able to serve. Stopping waits for them too: together with a
# process's own time to finish that is less than GRACE.
STARTS_WITHIN = 10.0
_PID = struct.Struct("=i")


@dataclass(frozen=True)
class Size:
    """How many processes serve a door, and how many threads in each."""

    workers: int
    threads: int


class _ToOurs(Logger):  # type: ignore[misc]
    """What gunicorn logs goes where all else is logged, and through the same redaction."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Gunicorn(BaseApplication):  # type: ignore[misc]
    """One listener. The application is made in each worker, so that no connection crosses a fork.

    `listen`, `size` and `make` read the configuration that is in force; `prepare` is told of each one before
    processes are made with it. Where a door listens changes at a restart only.
    """

    def __init__(
        self,
        name: str,
        configuration: Configuration,
        make: Callable[[Configuration], Wsgi],
        listen: Callable[[Configuration], str],
        size: Callable[[Configuration], Size],
        prepare: Callable[[Configuration], None] = lambda _: None,
    ) -> None:
        self.name, self.configuration = name, configuration
        self._make, self._size, self._prepare, self._listen = make, size, prepare, listen
        self._bind = listen(configuration)
        self.prepare(configuration)
        self._ready, self._tell_ready = os.pipe()
        for end in (self._ready, self._tell_ready):
            os.set_blocking(end, False)
        super().__init__()

    def load_config(self) -> None:
        size = self._size(self.configuration)
        options: dict[str, Any] = {
            "bind": self._bind,
            "worker_class": "gthread",
            "workers": size.workers,
            "threads": size.threads,
            "graceful_timeout": GRACE - 5,
            "timeout": 30,
            "keepalive": 5,
            # No access log: an address carries a call's luggage, and a body may hold a PIN.
            "accesslog": None,
            "loglevel": "warning",
            "logger_class": _ToOurs,
            "control_socket_disable": True,
            "proc_name": "ivr",
            "post_worker_init": self._can_serve,
        }
        for key, value in options.items():
            self.cfg.set(key, value)

    def load(self) -> Wsgi:
        return self._make(self.configuration)

    def run(self) -> None:
        _Master(self).run()

    def prepare(self, configuration: Configuration) -> None:
        if self._listen(configuration) != self._bind:
            log.warning("still listening at %s: that changes at a restart only", self._bind)
        self._prepare(configuration)

    def take(self, configuration: Configuration) -> None:
        """From here on processes are made with it."""
        self.configuration = configuration
        self.reload()

    def _can_serve(self, worker: Any) -> None:
        """In a worker that has made its application."""
        with suppress(BlockingIOError):  # nobody has asked for a long time
            os.write(self._tell_ready, _PID.pack(worker.pid))

    def can_serve(self, within: float) -> set[int]:
        """The workers that have told so since this was last asked; waits so many seconds for one."""
        if not select.select([self._ready], [], [], within)[0]:
            return set()
        return {pid for (pid,) in _PID.iter_unpack(os.read(self._ready, 1024 * _PID.size))}


class _Master(Arbiter):  # type: ignore[misc]
    """Gunicorn's own master stops the old workers while the new ones still start, and ends if one cannot."""

    def __init__(self, app: Gunicorn) -> None:
        self._terminal = Terminal()
        # Workers that finish what they are serving, by a configuration that is no longer in force.
        self._leaving: set[int] = set()
        super().__init__(app)

    def handle_hup(self) -> None:
        if self._terminal.gone:
            self.handle_term()
        known = self.app.configuration
        found = read_again(known, system_clock())
        if found is None:
            return
        try:
            exchanged = self._exchanged(found)
        except Exception as error:  # what serves goes on serving
            log.error("the configuration cannot be exchanged: %s", type(error).__name__)
            exchanged = False
        if exchanged:
            return
        self.app.take(known)
        self.setup(self.app)
        log.error("the configuration stays as it was: no process could be started with %s", found.file)

    def _exchanged(self, configuration: Configuration) -> bool:
        self.app.prepare(configuration)
        self.app.take(configuration)
        self.setup(self.app)
        old = list(self.WORKERS)
        new = [self.spawn_worker() for _ in range(self.num_workers)]
        if not self._all_serve(new):
            for pid in new:
                self._away_with(pid)
            return False
        self._leaving.update(old)
        for pid in old:
            self.kill_worker(pid, signal.SIGTERM)
        return True

    def manage_workers(self) -> None:
        super().manage_workers()
        if self._leaving and not self._leaving & set(self.WORKERS):
            self._leaving.clear()
            log.info("%s: the configuration as it is now is in force", self.app.name)

    def _all_serve(self, pids: Collection[int]) -> bool:
        """Wait until all of these new workers can serve. False as soon as one has ended, or time is up."""
        waiting, limit = set(pids), time.monotonic() + STARTS_WITHIN
        while waiting:
            waiting -= self.app.can_serve(within=0.1)
            if time.monotonic() > limit or any(self._ended(pid) for pid in waiting):
                return False
        return True

    def _ended(self, pid: int) -> bool:
        """Whether this worker is no more; the master then forgets it, instead of ending because of it."""
        if os.waitpid(pid, os.WNOHANG)[0] == 0:
            return False
        self._forget(pid)
        return True

    def _away_with(self, pid: int) -> None:
        if pid in self.WORKERS:
            self.kill_worker(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            self._forget(pid)

    def _forget(self, pid: int) -> None:
        self.WORKERS.pop(pid).tmp.close()

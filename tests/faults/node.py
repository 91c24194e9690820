"""One part of one node, as `ivr serve --only PART` runs it, that can be told at which commit to die.

    python tests/faults/node.py webhooks FOLDER
    python tests/faults/node.py work FOLDER

FOLDER holds config.toml. A request's header X-Fault, "before 1" or "after 2", ends the process by SIGKILL
just before or just after that commit of that request. The worker reads the same from FOLDER/die, counted
from the moment at which it is put there, and leaves the name of what it was doing in FOLDER/died. It is
begun again at once, as a supervisor would, by a fork: what a start costs is not what is tried here.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

HEADER = "HTTP_X_FAULT"
AT_ONCE = 40
_now = threading.local()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()  # until it arrives


# -- the webhooks: the order comes with the request -------------------------------------------------


def ordered(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """`app`, whose every request begins with its order, if it has one."""

    def serve(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        _now.order, _now.commits = environ.get(HEADER, ""), 0
        try:
            return app(environ, start)
        finally:
            _now.order = ""

    return serve


def in_request(when: str) -> None:
    order = getattr(_now, "order", "")
    if not order:
        return
    if when == "before":
        _now.commits += 1
    if order == f"{when} {_now.commits}":
        die()


# -- the worker: the order lies in its folder ----------------------------------------------------------


class Sentence:
    """What FOLDER/die says: "before 3" is just before the third commit from now on."""

    def __init__(self, folder: Path) -> None:
        self._order, self._died = folder / "die", folder / "died"
        self._lock = threading.Lock()
        self._seen = 0

    def __call__(self, when: str) -> None:
        with self._lock:
            try:
                order = self._order.read_text()
            except FileNotFoundError:
                self._seen = 0
                return
            if when == "before":
                self._seen += 1
            if order == f"{when} {self._seen}":
                # Once: whoever begins again finds none.
                self._order.unlink()
                self._died.write_text(f"{getattr(_now, 'doing', 'claim')} {when}")
                die()


def named(kind: str, handler: Callable[..., Any]) -> Callable[..., Any]:
    """`handler`, during which the thread is known to do `kind`; and afterwards, to finish it."""

    def do(*arguments: Any) -> Any:
        _now.doing = kind
        try:
            return handler(*arguments)
        finally:
            _now.doing = "finish"

    return do


# -- both --------------------------------------------------------------------------------------------------


def mortal(database: type[Any], moment: Callable[[str], None]) -> None:
    """Let every writing transaction pass through `moment`, before its commit and after it."""
    write = database.write

    @contextmanager
    def watched(self: Any) -> Iterator[Any]:
        transaction: AbstractContextManager[Any] = write(self)
        with transaction as connection:
            yield connection
            moment("before")
        moment("after")

    database.write = watched


def webhooks(folder: Path) -> None:
    # Loaded before it is forked: as below, what a start costs is not what is tried here.
    from console.commands import ivr
    from console.processes import doors, service  # noqa: F401
    from storage.engine import Database

    mortal(Database, in_request)
    load = service.Gunicorn.load

    def loaded(self: Any) -> Any:
        return ordered(load(self))

    setattr(service.Gunicorn, "load", loaded)  # noqa: B010  (it is a method to mypy)
    ivr(["--config", str(folder / "config.toml"), "serve", "--only", "webhooks"])


def work(folder: Path, tick: float) -> None:
    from console import work as kinds
    from console.commands import ivr
    from console.processes import worker
    from storage.engine import Database

    mortal(Database, Sentence(folder))
    setattr(worker, "TICK_SECONDS", tick)  # noqa: B010
    # The product does few at once lest a slow provider outlast their lease. This one is quick.
    setattr(worker, "AT_ONCE", AT_ONCE)  # noqa: B010
    setattr(worker, "HANDLERS", {kind: named(kind, do) for kind, do in kinds.HANDLERS.items()})  # noqa: B010
    arguments = ["--config", str(folder / "config.toml"), "serve", "--only", "work"]
    child = 0

    def stop(number: int, frame: object) -> None:
        if child:
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)
        os._exit(0)

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)
    while True:
        child = os.fork()
        if not child:
            for name in (signal.SIGTERM, signal.SIGINT):
                signal.signal(name, signal.SIG_DFL)
            ivr(arguments)
            os._exit(0)
        _, how = os.waitpid(child, 0)
        child = 0
        if not os.WIFSIGNALED(how):
            time.sleep(0.5)  # it could not begin: not again at once


if __name__ == "__main__":
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("alembic", "apscheduler"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    if sys.argv[1] == "webhooks":
        webhooks(Path(sys.argv[2]))
    else:
        work(Path(sys.argv[2]), float(os.environ.get("FAULTS_TICK", "0.5")))

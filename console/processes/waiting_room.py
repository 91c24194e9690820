"""Who is served next when more requests come at once than can be: not merely whoever came first.

Each request of the webhook door has a thread, but only so many are worked on at once. Of those that wait,
what belongs to a call from a number on a customer's file, to a technician's phone or to a text message comes
before the turns of callers whom nobody knows: two hundred junk calls then hold up one another, and no
customer. Who is on file is read beside the calls, once in a while: nothing here waits for the database.
"""

from __future__ import annotations

import heapq
import io
import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import unquote_plus

from webhooks.watching import BEGAN

log = logging.getLogger("ivr")

# Requests that may wait in a process beside those that are worked on.
ROOM = 120
# Seconds for which what is on file is taken as it was read.
KEPT = 60.0
# A body that is longer is none of the network's; the door refuses it.
LONGEST_BODY = 64 * 1024
# A caller's turns. Whatever else comes is a technician's, or of a call that we know.
_CALLERS = re.compile(r"/voice(/turn/[0-9]+)?")
_FROM = re.compile(rb"(?:^|&)From=([^&]*)")

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Places:
    """`many` at once; of those who wait, whoever may go first, and then whoever came first."""

    def __init__(self, many: int) -> None:
        self._guard = threading.Lock()
        self._free = many
        self._waiting: list[tuple[bool, int, threading.Event]] = []
        self._came = count()

    @contextmanager
    def one(self, *, first: bool) -> Iterator[None]:
        called: threading.Event | None = None
        with self._guard:
            if self._free > 0:
                self._free -= 1
            else:
                called = threading.Event()
                heapq.heappush(self._waiting, (not first, next(self._came), called))
        if called is not None:
            called.wait()
        try:
            yield
        finally:
            with self._guard:
                if self._waiting:
                    heapq.heappop(self._waiting)[2].set()
                else:
                    self._free += 1


class OnFile:
    """The numbers on customers' files, read by `read` in a thread of its own, every KEPT seconds at most."""

    def __init__(self, read: Callable[[], Collection[str]]) -> None:
        self._read = read
        self._guard = threading.Lock()
        self._numbers: Collection[str] = frozenset()
        self._again_at = 0.0

    def __contains__(self, number: str) -> bool:
        with self._guard:
            old = time.monotonic() >= self._again_at
            if old:
                self._again_at = time.monotonic() + KEPT
        if old:
            threading.Thread(target=self.refresh, daemon=True).start()
        return number in self._numbers

    def refresh(self) -> None:
        try:
            self._numbers = frozenset(self._read())
        except Exception as error:  # whatever it is: those known before stay known
            log.warning("who is on file cannot be read: %s", type(error).__name__)


def waiting_room(app: Wsgi, places: int, on_file: Collection[str] | OnFile) -> Wsgi:
    """`app`, of whose requests `places` are worked on at once."""
    room = Places(places)

    def served(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ[BEGAN] = time.perf_counter()
        with room.one(first=_goes_first(environ, on_file)):
            # Whole, here: what it still has to do is done in its place.
            answer = app(environ, start_response)
            try:
                return list(answer)
            finally:
                if hasattr(answer, "close"):
                    answer.close()

    return served


def _goes_first(environ: dict[str, Any], on_file: Collection[str] | OnFile) -> bool:
    """Nothing is believed yet: whoever forges a signature gets his refusal sooner, and nothing else."""
    if environ.get("REQUEST_METHOD") != "POST" or not _CALLERS.fullmatch(environ.get("PATH_INFO", "")):
        return True
    length = str(environ.get("CONTENT_LENGTH") or "")
    if not re.fullmatch(r"[0-9]{1,6}", length) or int(length) > LONGEST_BODY:
        return False
    # Of a sender that stops in the middle less has come: the door says so.
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    # The door reads the form as a whole; here only this field, at a tenth of the cost.
    callers = _FROM.findall(body)
    return len(callers) == 1 and unquote_plus(callers[0].decode("latin-1")) in on_file

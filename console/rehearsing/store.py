"""The rehearsals that are under way in this process: a few at once, each in the hands of whoever began it."""

from __future__ import annotations

import secrets
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from console.rehearsing.scene import Scene

SetUp = Callable[[], Scene]
MOST = 6
MOST_EACH = 2
IDLE = timedelta(minutes=20)
# Seconds that a move waits for the one before, in another window.
PATIENCE = 10
SWEEPS_EVERY = 60.0


class TooMany(Exception):
    """No more can be begun now: `yours` are all in use, or everybody's are."""

    def __init__(self, whose: Literal["yours", "all"]) -> None:
        super().__init__(f"{whose} are in use")
        self.whose = whose


class Busy(Exception):
    """Another move is being made in this rehearsal, and takes long."""


@dataclass(eq=False)
class Underway:
    """A rehearsal with its key. `told` is what its page says of how it came about: see who began it."""

    key: str
    user_id: int
    scene: Scene
    used_at: datetime
    # The same by a clock that nobody sets, for when no request comes any more.
    used: float = field(default_factory=time.monotonic)
    told: object = None
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    closed: bool = False

    @contextmanager
    def held(self) -> Iterator[Scene]:
        """The scene for one move. Raises Busy, or LookupError if it was ended meanwhile."""
        if not self.lock.acquire(timeout=PATIENCE):
            raise Busy
        try:
            if self.closed:
                raise LookupError(self.key)
            yield self.scene
        finally:
            self.lock.release()

    def close(self) -> None:
        """End it, after the move that is being made if that ends soon."""
        held = self.lock.acquire(timeout=PATIENCE)
        try:
            if not self.closed:
                self.closed = True
                self.scene.close()
        finally:
            if held:
                self.lock.release()


class Store:
    """At most MOST rehearsals, MOST_EACH for a user; each ends after IDLE, and all with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, Underway] = {}
        # Users whose rehearsal is being set up.
        self._coming: list[int] = []
        self._sweeper: threading.Thread | None = None
        weakref.finalize(self, _close_all, self._found)

    def begin(self, user_id: int, at: datetime, set_up: SetUp) -> Underway:
        """A new one, made by `set_up`. If the user has his full number, the one he has not used for longest
        is ended in its favour, unless a call goes on in each of them. Raises TooMany, and what `set_up`
        raises.
        """
        self.sweep(at)
        with self._lock:
            given_up = self._make_room(user_id)
            self._coming.append(user_id)
        try:
            if given_up is not None:
                given_up.close()
            made = Underway(secrets.token_urlsafe(9), user_id, set_up(), at)
            with self._lock:
                self._found[made.key] = made
        finally:
            with self._lock:
                self._coming.remove(user_id)
        self._keep_sweeping()
        return made

    def find(self, key: str, user_id: int, at: datetime, *, used: bool = True) -> Underway | None:
        """The user's own; None if there is none of this key, if it has ended or if it is somebody else's."""
        self.sweep(at)
        with self._lock:
            found = self._found.get(key)
            if found is None or found.user_id != user_id:
                return None
            if used:
                found.used_at, found.used = at, time.monotonic()
            return found

    def of_user(self, user_id: int) -> list[Underway]:
        """His, the latest first."""
        with self._lock:
            return [each for each in reversed(self._found.values()) if each.user_id == user_id]

    def end(self, underway: Underway) -> None:
        """End it and free its folder."""
        with self._lock:
            self._found.pop(underway.key, None)
        underway.close()

    def sweep(self, at: datetime | None = None) -> None:
        """End those that nobody has used for IDLE, counted to `at` if there is a request that says so."""
        limit = time.monotonic() - IDLE.total_seconds()
        with self._lock:
            old = [
                each
                for each in self._found.values()
                if each.used <= limit or (at is not None and at - each.used_at >= IDLE)
            ]
            for each in old:
                del self._found[each.key]
        for each in old:
            each.close()

    def close(self) -> None:
        """End all."""
        with self._lock:
            _close_all(self._found)

    def __len__(self) -> int:
        return len(self._found)

    # -- inside ---------------------------------------------------------------------------------

    def _make_room(self, user_id: int) -> Underway | None:
        """Whoever has to go so that the user may begin. With the lock held; raises TooMany."""
        his = [each for each in self._found.values() if each.user_id == user_id]
        given_up = None
        if len(his) + self._coming.count(user_id) >= MOST_EACH:
            at_rest = [each for each in his if not each.scene.goes_on]
            if not at_rest:
                raise TooMany("yours")
            given_up = min(at_rest, key=lambda each: each.used_at)
            del self._found[given_up.key]
        elif len(self._found) + len(self._coming) >= MOST:
            raise TooMany("all")
        return given_up

    def _keep_sweeping(self) -> None:
        """Nobody may come back: a thread ends what is left, as long as there is anything."""
        with self._lock:
            if self._sweeper is None:
                self._sweeper = threading.Thread(
                    target=_sweep_on, args=(weakref.ref(self),), name="rehearsals", daemon=True
                )
                self._sweeper.start()


def _sweep_on(store: weakref.ref[Store]) -> None:
    waits = threading.Event()
    while not waits.wait(SWEEPS_EVERY):
        kept = store()
        if kept is None:
            return
        kept.sweep()
        with kept._lock:
            if not kept._found:
                kept._sweeper = None
                return
        del kept


def _close_all(found: dict[str, Underway]) -> None:
    while found:
        _, underway = found.popitem()
        underway.close()

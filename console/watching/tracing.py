"""Traces for whoever collects them: one of each call, with a span for each turn, and a span for each piece of
the worker's work.

On the path of a call a few words are put into a queue, and no more. A thread of its own makes spans of them
and sends them (`console.watching.otlp`, which alone knows the libraries). A collector that is away, or takes
the request and never answers, costs spans: the queue is full, what comes then is dropped, and counted. Nobody
waits for the thread when the process ends.

Every node makes the same trace of the same call, without asking another: its id is a keyed hash of the call's
sid. What is told is of a few words of our own. No text with a digit in it is, whatever it says.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter
from typing import TypeVar

from sqlalchemy import Connection

from console.house import House
from console.processes.keyholder import node_name
from console.settings import Configuration
from console.watching.redaction import GONE
from ivr import noting
from ivr.noting import Note
from ivr.tally import TALLY
from storage.due import Work
from storage.engine import Database
from webhooks.watching import Traced

log = logging.getLogger("ivr.tracing")

DROPPED = "spans-dropped"
# Spans that wait at most, spans that are sent at once, seconds between two sendings.
MOST, AT_ONCE, EVERY = 2048, 256, 2.0
_LABEL = b"the trace of a call\n"
_NANO = 1_000_000_000

Value = str | int | float | bool
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Told:
    """One span. `of` is what its trace is of; the `first` of a trace is the one that the others hang from.
    `ended` is a Unix time in nanoseconds.
    """

    of: str
    first: bool
    name: str
    ended: int
    seconds: float
    attributes: Mapping[str, Value | None]
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """What is sent of it. `trace` and `parent` are ids, `parent` 0 for none; `span` is 0 where any id does.
    Times are Unix times in nanoseconds.
    """

    trace: int
    span: int
    parent: int
    name: str
    began: int
    ended: int
    attributes: Mapping[str, Value]
    failed: bool


# Sends spans; whether the collector took them.
Send = Callable[[Sequence[Span]], bool]


class Tracing:
    """The traces of one process. `key` makes the ids, the same at every node."""

    def __init__(self, key: bytes, send: Send, most: int = MOST) -> None:
        self._key = hmac.digest(key, _LABEL, "sha256")
        self._send = send
        self._most = most
        self._waiting: deque[Told] = deque()
        self._refused = False

    def tell(self, told: Told) -> None:
        """Put it into the queue, if there is room. Waits for nothing."""
        if len(self._waiting) >= self._most:
            TALLY.count(DROPPED)
        else:
            self._waiting.append(told)

    def begin(self) -> threading.Thread:
        """Send in a thread of its own from now on. Only in a process that does not fork any more."""
        thread = threading.Thread(target=self._again_and_again, name="tracing", daemon=True)
        thread.start()
        return thread

    def send_waiting(self) -> None:
        """Send what waits now. Fails for nothing; that nobody takes it is said once."""
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            try:
                taken = self._send([self._span(told) for told in some])
            except Exception as error:  # a library's fault costs spans too, and nothing else
                log.debug("spans were not sent: %s", type(error).__name__)
                taken = False
            if not taken:
                for _ in some:
                    TALLY.count(DROPPED)
            if not taken and not self._refused:
                log.warning("the collector takes no spans: they are dropped, and counted")
            if taken and self._refused:
                log.warning("the collector takes spans again")
            self._refused = not taken

    def ids(self, of: str) -> tuple[int, int]:
        """The id of the trace of this, and that of the span the others hang from. Neither is 0."""
        digest = hmac.digest(self._key, of.encode("utf-8", "replace"), "sha256")
        return int.from_bytes(digest[:16], "big") or 1, int.from_bytes(digest[16:24], "big") or 1

    def _again_and_again(self) -> None:
        while True:
            self.send_waiting()
            time.sleep(EVERY)

    def _span(self, told: Told) -> Span:
        trace, first = self.ids(told.of)
        began = told.ended - round(told.seconds * _NANO)
        known = {name: _harmless(value) for name, value in told.attributes.items() if value not in (None, "")}
        return Span(
            trace,
            first if told.first else 0,
            0 if told.first else first,
            told.name,
            began,
            told.ended,
            known,
            told.failed,
        )


def _harmless(value: Value | None) -> Value:
    """The value; of a text nothing is told if there is a digit in it."""
    assert value is not None
    return GONE if isinstance(value, str) and any(c.isdigit() for c in value) else value


# -- of this process -------------------------------------------------------------------------------

_running: Tracing | None = None


def begin(configuration: Configuration, part: str) -> Tracing | None:
    """Trace what this process does, if a collector is configured; else nothing of it is loaded. That it
    cannot be done keeps nobody from serving.
    """
    global _running
    _running = None
    address = configuration.watching.otlp
    if not address:
        return None
    try:
        from console.watching import otlp  # slow to load, and wanted by few

        send = otlp.sender(address, part, node_name(configuration))
    except Exception as error:
        log.error("no traces are made: %s", type(error).__name__)
        return None
    signing = bytes.fromhex(configuration.service.signing_key.get_secret_value())
    _running = Tracing(signing or secrets.token_bytes(32), send)
    _running.begin()
    return _running


def end() -> None:
    """Trace nothing any more."""
    global _running
    _running = None


def of_turns() -> Traced | None:
    """What the webhook door tells of each turn; None if no traces are made."""
    tracing = _running
    if tracing is None:
        return None

    def traced(note: Note, door: str, seconds: float, waited: float, status: int) -> None:
        # The first turn of a call, when it is served for the first time.
        first = door == "caller" and note.turn == 0 and not note.again
        tracing.tell(
            Told(
                note.part_of or note.call,
                first,
                f"{door}: {note.before or note.after}" if note.said else f"{door}: callback",
                time.time_ns(),
                seconds,
                {
                    "ivr.door": door,
                    "ivr.turn": note.turn,
                    "ivr.from": note.before,
                    "ivr.to": note.after,
                    "ivr.said": note.said,
                    "ivr.by": note.by,
                    "ivr.again": note.again,
                    "ivr.pin": note.checks[-1][1] if note.checks else None,
                    "ivr.waited_ms": round(waited * 1000, 1),
                    "ivr.database_ms": round(note.database * 1000, 1),
                    "http.response.status_code": status,
                },
                failed=status >= 500,
            )
        )

    return traced


def done(
    do: Callable[[House, Work, datetime], datetime | None], house: House, work: Work, at: datetime
) -> datetime | None:
    """What `do` returns of a piece of work, or raises; the piece is traced. One that came of a call is in
    that call's trace, any other has one for each try.
    """
    tracing = _running
    if tracing is None:
        return do(house, work, at)
    began, outcome = perf_counter(), "failed"
    try:
        again = do(house, work, at)
        outcome = "done" if again is None else "again"
        return again
    finally:
        call = work.payload.get("call")
        tracing.tell(
            Told(
                call if isinstance(call, str) else f"work {work.id} {work.tries}",
                not isinstance(call, str),
                f"work: {work.kind}",
                time.time_ns(),
                perf_counter() - began,
                {
                    "ivr.kind": work.kind,
                    "ivr.try": work.tries,
                    "ivr.late_ms": round((at - work.due_at).total_seconds() * 1000, 1),
                    "ivr.outcome": outcome,
                },
                failed=outcome == "failed",
            )
        )


# -- the database's time ---------------------------------------------------------------------------


def timed(house: House) -> House:
    """The same house; if traces are made, each request's note tells for how long transactions were open."""
    return house if _running is None else replace(house, database=_Timed(house.database))


class _Timed(Database):
    """A database whose transactions are timed."""

    def __init__(self, real: Database) -> None:
        super().__init__(real.engine, turns=real.turns)
        self._real = real

    def read(self) -> AbstractContextManager[Connection]:
        return _timing(self._real.read())

    def write(self) -> AbstractContextManager[Connection]:
        return _timing(self._real.write())


@contextmanager
def _timing(transaction: AbstractContextManager[Connection]) -> Iterator[Connection]:
    began = perf_counter()
    try:
        with transaction as connection:
            yield connection
    finally:
        noting.here().database += perf_counter() - began

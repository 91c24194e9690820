"""The callers of a benchmark: a whole call, turn by turn, and its requests again for whoever answers."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
if str(ROOT / "tests") not in sys.path:
    sys.path.insert(0, str(ROOT / "tests"))

from acceptance.caller import Answer, CallError, Fields, Line  # noqa: E402 - they stand beside the tests
from call_house import NUMBER, PUBLIC_URL, Customer  # noqa: E402
from making import ACCOUNT, TOKEN  # noqa: E402

__all__ = ["CallError", "Request", "TimedLine", "again", "whole_call"]


@dataclass(frozen=True)
class Request:
    """One request as it went out, and what came back: seconds by the clock on the wall, status, bytes."""

    url: str
    fields: Sequence[tuple[str, str]]
    seconds: float
    status: int
    length: int


class TimedLine(Line):
    """A line that remembers its requests, and does not check again what tests check of the documents."""

    lints = False

    def __init__(self, port: int) -> None:
        super().__init__(f"127.0.0.1:{port}", PUBLIC_URL, ACCOUNT, TOKEN)
        self.requests: list[Request] = []

    def send(self, url: str, fields: Fields = (), **more: object) -> Answer:
        pairs = tuple(fields.items()) if isinstance(fields, Mapping) else tuple(fields)
        began = time.perf_counter()
        answer = super().send(url, pairs, **more)  # type: ignore[arg-type]
        took = time.perf_counter() - began
        self.log.clear()
        self.requests.append(Request(url, pairs, took, answer.status, len(answer.body)))
        return answer


WRONG_PIN = "00000000"


def whole_call(line: Line, customer: Customer) -> None:
    """Arrival, a wrong PIN, the right one, the urgency, the first phone is not answered, the second accepts
    and talks, the end. Each request is answered before the next; nothing waits.
    """
    call = line.ring(NUMBER, customer.phone)
    try:
        call.press(WRONG_PIN)
        call.press(customer.pin)
        call.press("1")
        call.waits_for_ring()
        call.no_answer()
        call.waits_for_ring()
        technician = call.answers()
        technician.press("1")
        call.talks(seconds=95)
    finally:
        # By the server's clock the talk was over at once, and it asks whether that was all.
        if not call.over:
            call.hangs_up()


def again(port: int, requests: Sequence[Request]) -> None:
    """The same requests, byte for byte, to another server, which answers what it likes."""
    line = Line(f"127.0.0.1:{port}", PUBLIC_URL, ACCOUNT, TOKEN)
    for each in requests:
        answer = line.send(each.url, each.fields)
        assert answer.status in (200, 204), answer

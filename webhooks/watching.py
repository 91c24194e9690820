"""What each request leaves behind for whoever watches: one line in the log, and its counts.

The line has the call's sid, the turn, from which step to which, with what kind of document, how long it took
and whether the database served it. A caller's number stands in it as a pseudonym alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter

from flask import Flask, Response, g, request

from ivr import noting
from ivr.noting import Note
from ivr.tally import TALLY

log = logging.getLogger("ivr.turns")

# Where a server says in a request's environment when it came, by `time.perf_counter`.
BEGAN = "ivr.began"
TURNS, REFUSED, FAILED, CHECKS = "turn", "refused", "failed", "pin-check"
# Whose requests they are, by the blueprint that serves them.
DOORS = {
    "signed.voice": "caller",
    "signed.technician": "technician",
    "signed.outgoing": "placed",
    "sms": "text",
}
# Why a request was refused, by the status that says so.
REASONS = {
    400: "malformed",
    403: "not-believed",
    404: "no-such-address",
    405: "no-such-method",
    413: "too-large",
    415: "wrong-form",
    429: "too-many",
}


# Told of each turn: its note, the door, the seconds until it was answered, those of them that it waited for
# its place, and the status. It raises nothing and waits for nothing.
Traced = Callable[[Note, str, float, float, int], None]


def watched(app: Flask, pseudonym: Callable[[str], str], traced: Traced | None = None) -> None:
    """Watch each request of the app. `pseudonym` of a caller's number is told in its place. `traced` is told
    of turns, if somebody collects traces.
    """

    @app.before_request
    def begin() -> None:
        # Where it had to wait for its place, it began before.
        now = perf_counter()
        g.began = request.environ.get(BEGAN) or now
        g.waited = now - g.began
        noting.begin()

    @app.after_request
    def tell(response: Response) -> Response:
        if "began" in g:  # else it was refused before it began
            seconds = perf_counter() - g.began
            door = _tell(noting.here(), response.status_code, seconds, pseudonym)
            if traced is not None and door is not None:
                traced(noting.here(), door, seconds, g.waited, response.status_code)
        return response

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        noting.end()


def _tell(note: Note, status: int, seconds: float, pseudonym: Callable[[str], str]) -> str | None:
    """Whose turn it was, if it was one."""
    if status >= 500:
        # /readyz says 503 of itself when it cannot serve: that is an answer.
        if request.endpoint != "readyz":
            TALLY.count(FAILED)
    elif status >= 400:
        TALLY.count(REFUSED, REASONS.get(status, "other"))
    door = DOORS.get(request.blueprint or "")
    if door is None or not note.by:
        return None
    TALLY.took(TURNS, seconds, door, note.by)
    for lane, result in note.checks:
        TALLY.count(CHECKS, lane, result.replace(" ", "-"))
    if not log.isEnabledFor(logging.INFO):
        return door
    fields = {
        "door": door,
        "turn": note.turn,
        "from": note.before,
        "to": note.after,
        "said": note.said,
        "again": note.again or None,
        "ms": round(seconds * 1000, 1),
        "by": note.by,
        "caller": pseudonym(note.caller) if note.caller else "",
        "status": status if status != 200 else None,
    }
    log.info(
        "turn" if note.said else "callback",
        extra={"fields": {name: value for name, value in fields.items() if value not in ("", None)}},
    )
    return door

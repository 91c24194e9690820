"""What must hold of every answer of the webhook door, whatever it was asked."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from whole import Whole

from console.phone.document import NotTwiml, read_messages, read_twiml
from fuzzing.asking import Answered, Asked

# `/readyz` says so when a call cannot be served: that is no failure of the door.
MAY_BE_503 = "/readyz"


class Traces(logging.Handler):
    """Remembers what was logged as an error or with a traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or record.exc_info:
            why = f": {record.exc_info[1]!r}" if record.exc_info else ""
            self.found.append(f"{record.levelname} {record.getMessage()}{why}")

    def taken(self) -> list[str]:
        """What was found since this was last asked."""
        found, self.found = self.found, []
        return found


@contextmanager
def traces() -> Iterator[Traces]:
    """Everything that any logger says meanwhile, whatever it was set to keep to itself."""
    handler, root = Traces(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def of_any(asked: Asked, answered: Answered, before: Whole, after: Whole) -> Iterator[str]:
    """No failure, no traceback; and whatever is refused has changed nothing."""
    if answered.status >= 500 and asked.target != MAY_BE_503:
        yield f"answered {answered.status}"
    if b"Traceback" in answered.body or b'File "' in answered.body:
        yield "a traceback in the answer"
    for name, value in answered.headers.items():
        if "\n" in value or "\r" in value:
            yield f"a line end in the header {name}"
    if answered.status >= 400 and (changed := after.unlike(before)):
        yield f"refused with {answered.status}, and yet {_rows(changed)}"


def of_stranger(asked: Asked, answered: Answered, before: Whole, after: Whole) -> Iterator[str]:
    """Without a signature nothing changes, and nothing is said to a caller or a technician."""
    yield from of_any(asked, answered, before, after)
    if answered.status < 400 and (changed := after.unlike(before)):
        yield f"unsigned, and yet {_rows(changed)}"
    if b"<Response" in answered.body:
        yield "unsigned, and yet TwiML was answered"


def of_believed(
    asked: Asked, answered: Answered, before: Whole, after: Whole, dialable: Collection[str]
) -> Iterator[str]:
    """What is answered can be followed, and dials nobody but those who may be dialled."""
    yield from of_any(asked, answered, before, after)
    if answered.status != 200 or asked.method != "POST":
        return
    kind = answered.headers.get("Content-Type", "")
    try:
        if asked.target.startswith("/sms"):
            read_messages(answered.body, kind)
            return
        document = read_twiml(answered.body, kind)
    except NotTwiml as wrong:
        yield f"no TwiML: {wrong}"
        return
    played = re.findall(rb"<Play[^>]*>([^<]*)", answered.body)
    if any(not each.startswith(b"https://rehearsal.invalid/voice/sound?l=") for each in played):
        yield f"plays {played!r}"
    for verb in document.verbs:
        for each in verb.children if verb.name == "Dial" else ():
            if each.text not in dialable:
                yield f"dials {each.text}"
    if not document.verbs:
        yield "a document of nothing"


def _rows(changed: dict[str, list[tuple[object, ...]]]) -> str:
    return "; ".join(f"{name} changed: {rows[:2]!r}"[:400] for name, rows in changed.items())

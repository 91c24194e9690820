"""How the log is written: lines for people or JSON for machines, without what must not stand in either.

Every record of every logger is made here, so that whatever a library logs, and however its lines are
formatted and by whose handler, the message and the traceback have gone through the redaction.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr
from sqlalchemy import make_url

from console.watching.redaction import Redaction
from ivr import noting

if TYPE_CHECKING:
    from console.settings import Configuration

_plain = logging.Formatter()
_redact = Redaction()
_ours: logging.Handler | None = None
# Said by libraries about themselves, and by nobody read.
CHATTY = ("alembic", "apscheduler")


class Record(logging.LogRecord):
    """A record whose text is redacted, whoever formats it."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        if self.exc_info and self.exc_info[0] is not None:
            # What a formatter finds here it takes as it is.
            self.exc_text = _redact(_plain.formatException(self.exc_info))
        if self.stack_info:
            self.stack_info = _redact(self.stack_info)

    def getMessage(self) -> str:  # noqa: N802 - logging's own name
        return _redact(super().getMessage())


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What was said beside the message; the call is that of the request that is being served."""
    call = noting.here().call
    return ({"call": call} if call else {}) | dict(getattr(record, "fields", {}))


class Lines(logging.Formatter):
    """`2026-03-10 22:00:00,123 INFO ivr.turns turn call=CA… turn=3 from=pin to=urgency …`"""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s%(beside)s")

    def format(self, record: logging.LogRecord) -> str:
        told = ((name, str(value).replace(" ", "-")) for name, value in _fields(record).items())
        record.beside = "".join(f" {name}={value}" for name, value in told)
        return super().format(record)


class Json(logging.Formatter):
    """An object a line: time, level, logger, message, node; call and what else is known of it; traceback."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "node": self._node,
            **_fields(record),
        }
        if record.exc_text:
            told["traceback"] = record.exc_text
        return json.dumps(told, ensure_ascii=False, default=str)


def guard() -> None:
    """From here on no record is made that is not redacted."""
    logging.setLogRecordFactory(Record)
    # What no line of ours tells is not looked up for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def begin(configuration: Configuration | None = None, node: str = "") -> None:
    """Write the log of this process to standard error, as configured; before there is a configuration, in
    lines. Begun again it is written as it is configured now. `node` is this machine's name in it.
    """
    global _ours, _redact
    guard()
    _redact = Redaction([*secrets_of(configuration)] if configuration else ())
    handler = logging.StreamHandler(sys.stderr)
    as_json = configuration is not None and configuration.service.log == "json"
    handler.setFormatter(Json(node) if as_json else Lines())
    root = logging.getLogger()
    if _ours is not None:
        root.removeHandler(_ours)
    root.addHandler(handler)
    _ours = handler
    root.setLevel(logging.INFO)
    # A command that plays calls shows them itself.
    logging.getLogger("ivr.turns").setLevel(logging.INFO if configuration else logging.WARNING)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def secrets_of(configuration: Configuration) -> Iterator[str]:
    """Every secret in a configuration, the password of the database included."""
    yield from _secrets(configuration)
    yield make_url(configuration.database.url).password or ""


def _secrets(value: Any) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case BaseModel():
            for name in type(value).model_fields:
                yield from _secrets(getattr(value, name))
        case dict():
            for each in value.values():
                yield from _secrets(each)
        case list() | tuple():
            for each in value:
                yield from _secrets(each)

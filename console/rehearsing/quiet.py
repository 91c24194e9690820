"""What the log says while somebody rehearses: its wrong PINs must not look like tonight's."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_REHEARSING: ContextVar[bool] = ContextVar("rehearsing", default=False)
# Those by which the packages that serve a call, and the worker, speak.
LOGGERS = ("ivr", "ivr.turns", "ivr.security", "ivr.worker", "ivr.outside", "ivr.services")


@contextmanager
def rehearsing() -> Iterator[None]:
    """Within, in this thread, warnings are left out and errors say where they happened: they are faults of
    the program.
    """
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_only_errors)  # the same one is added once
    before = _REHEARSING.set(True)
    try:
        yield
    finally:
        _REHEARSING.reset(before)


def _only_errors(record: logging.LogRecord) -> bool:
    if not _REHEARSING.get():
        return True
    if record.levelno < logging.ERROR:
        return False
    record.msg = f"in a rehearsal: {record.msg}"
    return True

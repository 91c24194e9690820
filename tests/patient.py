"""The limits within which a call's transactions end in service, made long.

A test machine is busy with other tests and its disk may be slow: there a transaction may take longer than a
caller would wait, and a test that is about something else would find a call answered without the database.
Whoever tests the limits themselves asks for the fixture `limits_as_in_service`.

    python -P tests/patient.py …    # `ivr …` with long limits, for tests that start the service
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

# Before the limits are changed: it remembers how long it waits for readers who will not end.
import storage.trace  # noqa: F401
from storage import engine

_LONG = {
    "SQLITE_BUSY_MS": 30_000,
    "READ_SECONDS": 30.0,
    "WRITE_SECONDS": 40.0,
    "POOL_SECONDS": 20.0,
    "PING_SECONDS": 10.0,
    "HURRIED": {name: value * 15 for name, value in engine.HURRIED.items()},
}
SHIPPED = {name: getattr(engine, name) for name in _LONG}


def patiently() -> None:
    """From here on the limits of this process are long."""
    for name, value in _LONG.items():
        setattr(engine, name, value)


@contextmanager
def as_in_service() -> Iterator[None]:
    """Meanwhile they are as they are shipped."""
    for name, value in SHIPPED.items():
        setattr(engine, name, value)
    try:
        yield
    finally:
        patiently()


if __name__ == "__main__":
    from console.commands import main

    patiently()
    main()

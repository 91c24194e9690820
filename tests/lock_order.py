"""In which order transactions take what they hold on PostgreSQL: `ivr.journal.lock` says it, this looks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from oncall.cases.cases import _DECIDING

# What is held, by what is said to get it; the rank of whoever decides about cases lies between.
_HELD = (
    (re.compile(r"(?s)FROM (calls|legs)\b.*FOR (NO KEY )?UPDATE"), 1),
    (re.compile(r"(?s)FROM attempts\b.*FOR (NO KEY )?UPDATE|^UPDATE attempts\b"), 3),
    (re.compile(r"(?s)FROM cases\b.*FOR (NO KEY )?UPDATE|^UPDATE cases\b"), 3),
)
_DECIDES = 2


@contextmanager
def watched(engine: Engine) -> Iterator[list[str]]:
    """What was out of order, a line each."""
    held: dict[int, list[tuple[int, str]]] = {}
    found: list[str] = []

    def begins(connection: Any) -> None:
        held[id(connection.connection.dbapi_connection)] = []

    def said(_: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        rank = _rank(statement, parameters)
        before = held.setdefault(id(cursor.connection), [])
        if rank is None:
            return
        later = [what for other, what in before if other > rank]
        # What is held already is not waited for again.
        if later and not any(other == rank for other, _ in before):
            found.append(f"{later[0]} — and then: {statement}")
        before.append((rank, statement))

    event.listen(engine, "begin", begins)
    event.listen(engine, "before_cursor_execute", said)
    try:
        yield found
    finally:
        event.remove(engine, "begin", begins)
        event.remove(engine, "before_cursor_execute", said)


def _rank(statement: str, parameters: Any) -> int | None:
    if "pg_advisory_xact_lock" in statement:
        values = parameters.values() if isinstance(parameters, dict) else parameters
        return _DECIDES if _DECIDING in tuple(values) else None
    return next((rank for pattern, rank in _HELD if pattern.search(statement)), None)

"""How far the clocks of the machines that share a database are apart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

# Machines may differ by this much: each is held against the database's clock.
AGREED = timedelta(seconds=2)


def ahead(connection: Connection, clock: Callable[[], datetime]) -> timedelta:
    """How far this machine's clock is ahead of the database's; negative if it is behind. What the question
    itself took counts as no difference. Nothing on SQLite, which has no clock of its own.
    """
    if connection.dialect.name != "postgresql":
        return timedelta()
    connection.execute(select(1))  # what connecting takes is not ours to measure
    before = clock()
    theirs: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return max(before - theirs, timedelta()) + min(clock() - theirs, timedelta())

"""Looks for what is too old and purges it, kind by kind, in transactions so small that no call waits."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from console.house import House
from console.privacy.kinds import ACT, KINDS, Kind, Purging
from storage import audit, due
from storage.trace import OF_PURGE, TRACES


@dataclass(frozen=True)
class Due:
    """Of how much of a kind more is kept than may be, as of now: all from before `before`."""

    kind: Kind
    days: int
    before: datetime
    count: int


def looked(house: House, at: datetime, kinds: Iterable[Kind] = KINDS) -> list[Due]:
    """What would go now, kind by kind. Nothing is changed."""
    purging = Purging(house, "", at)
    found = []
    for kind in kinds:
        before = kind.before(purging)
        with house.database.read() as connection:
            count = len(kind.find(connection, before))
        found.append(Due(kind, kind.days(purging.settings), before, count))
    return found


@dataclass(frozen=True)
class Purged:
    """How much of each kind went, those of which anything did. `more`: not all of it yet."""

    counts: dict[str, int]
    more: bool


def purge(house: House, actor: str, at: datetime, most: int | None = None) -> Purged:
    """Purge what is too old as of `at`, about `most` rows at the most. May be interrupted anywhere and done
    again; what went is told to the audit log, in figures.
    """
    purging = Purging(house, actor, at)
    counts: dict[str, int] = {}
    left = most
    for kind in KINDS:
        with house.database.read() as connection:
            found = list(kind.find(connection, kind.before(purging)))
        if left is not None and len(found) > left:
            found = found[:left]
        for start in range(0, len(found), kind.at_once):
            with house.database.write() as connection:
                done = kind.purge(purging, connection, found[start : start + kind.at_once])
            counts[kind.name] = counts.get(kind.name, 0) + done
        if left is not None:
            left -= len(found)
    counts = {name: count for name, count in counts.items() if count}
    if counts:
        with house.database.write() as connection:
            audit.record(connection, actor, at, ACT, "database", details=counts)
            # SQLite overwrites what it deletes, but its log still holds it.
            due.add(connection, at, TRACES, f"{OF_PURGE}{secrets.token_hex(8)}", at, {"files": []})
    return Purged(counts, left is not None and left <= 0)

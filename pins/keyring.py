"""Which keys and costs the PINs in the database need, and which the configuration has.

A pepper, the salt or a cost that was changed instead of added to makes every PIN unknown, and nobody
would notice before the next emergency. So the database remembers a mark of each: of a pepper, with the
salt, the first 8 bytes of an HMAC under it, which say nothing of a key of 32 random bytes; of a cost its
figures. And each node that serves calls notes how many peppers it has, so that no row is put under one
that some node would not find it by.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, delete, exists, func, insert, select

from pins.customers import RegistryRefusal
from pins.settings import HashCost, PinSettings
from pins.tables import key_holders, key_marks, pins, spent_pins
from storage import audit

PEPPER, COST = "pepper", "cost"


class UnknownNode(RegistryRefusal):
    def __init__(self, node: str) -> None:
        super().__init__(f"no node {node!r} has noted its keys")


@dataclass(frozen=True)
class Holder:
    """A node that serves calls, and the number of peppers it started with."""

    node: str
    peppers: int
    since: datetime


@dataclass(frozen=True)
class VersionsInUse:
    """How many PINs that are not revoked stand under each key and were hashed under each cost."""

    keys: dict[int, int]
    costs: dict[int, int]


# -- the nodes -----------------------------------------------------------------------------------


def note_holder(connection: Connection, at: datetime, node: str, peppers: int) -> None:
    """The part of `node` that serves calls starts at `at` with this many peppers."""
    connection.execute(delete(key_holders).where(key_holders.c.node == node))
    connection.execute(insert(key_holders).values(node=node, peppers=peppers, since=at))


def holders(connection: Connection) -> list[Holder]:
    """Every node that has served calls, by name."""
    rows = connection.execute(select(key_holders).order_by(key_holders.c.node))
    return [Holder(row.node, row.peppers, row.since) for row in rows]


def lagging(connection: Connection, peppers: int) -> list[Holder]:
    """The nodes that know fewer peppers than this."""
    return [holder for holder in holders(connection) if holder.peppers < peppers]


def forget_holder(connection: Connection, actor: str, at: datetime, node: str) -> None:
    """The node is no more: nothing waits for it. Raises UnknownNode."""
    if not connection.execute(delete(key_holders).where(key_holders.c.node == node)).rowcount:
        raise UnknownNode(node)
    audit.record(connection, actor, at, "pin.rekey.forget", "pins", details={"node": node})


# -- keys and costs ------------------------------------------------------------------------------


def versions_in_use(connection: Connection) -> VersionsInUse:
    """What live PINs need. A former cost that is not among `costs` may be dropped from the settings; a
    pepper never may: it stays inside those that came after it. Reads all rows.
    """
    live = pins.c.revoked_at.is_(None)
    found = VersionsInUse({}, {})
    for column, counts in ((pins.c.key_version, found.keys), (pins.c.params_version, found.costs)):
        rows = connection.execute(select(column, func.count()).where(live).group_by(column).order_by(column))
        counts.update({row[0]: row[1] for row in rows})
    return found


def remember(connection: Connection, at: datetime, settings: PinSettings) -> None:
    """Remember the marks of keys and costs that no PIN needs yet, or that were not known yet.

    A mark that a PIN depends on is never overwritten: `faults` tells of it instead. Without peppers and
    salt there is nothing to remember.
    """
    if not settings.peppers or not settings.salt.get_secret_value():
        return
    known = _known(connection)
    newest = _newest_key(connection)
    for (kind, version), mark in _marks(settings).items():
        if known.get((kind, version)) == mark:
            continue
        if (kind, version) in known:
            needed = version <= newest if kind == PEPPER else _any_hashed(connection, version)
            if needed:
                continue
            connection.execute(
                delete(key_marks).where(key_marks.c.kind == kind, key_marks.c.version == version)
            )
        connection.execute(insert(key_marks).values(kind=kind, version=version, mark=mark, since=at))


def faults(connection: Connection, settings: PinSettings) -> list[str]:
    """Why PINs in the database would not be found with these settings, a sentence each; empty when all
    would. Names settings and versions, never a secret.
    """
    newest = _newest_key(connection)
    marks, known = _marks(settings), _known(connection)
    wrong: list[str] = []
    if newest > len(settings.peppers):
        have = len(settings.peppers)
        wrong.append(f"pins.peppers: PINs stand under pepper {newest}, and the configuration has {have}")
    for kind, version in sorted(known, key=lambda each: (each[0] == COST, each[1])):
        was, is_ = known[kind, version], marks.get((kind, version))
        if is_ == was:
            continue
        if kind == PEPPER:
            if is_ is not None and version <= newest:
                wrong.append(f"pins: pepper {version} or the salt is not the one PINs were issued under")
        elif is_ is None:
            if _any_hashed(connection, version, live_only=True):
                wrong.append(
                    f"pins.former_costs: PINs that live were hashed at version {version} ({was}), "
                    "which no cost has"
                )
        elif _any_hashed(connection, version):
            wrong.append(
                f"pins.cost: version {version} was {was} and is {is_} now: give the new figures a version "
                "of their own and put the former into pins.former_costs"
            )
    return wrong


# -- small parts ---------------------------------------------------------------------------------


def _marks(settings: PinSettings) -> dict[tuple[str, int], str]:
    salt = settings.salt.get_secret_value().encode("ascii")
    marks: dict[tuple[str, int], str] = {}
    for version, pepper in enumerate(settings.peppers, start=1):
        key = bytes.fromhex(pepper.get_secret_value())
        marks[PEPPER, version] = hmac.new(key, b"mark of this pepper, salt " + salt, "sha256").hexdigest()[
            :16
        ]
    for cost in (settings.cost, *settings.former_costs):
        marks[COST, cost.version] = _figures(cost)
    return marks


def _figures(cost: HashCost) -> str:
    return f"{cost.memory_kib} KiB, {cost.passes} passes"


def _known(connection: Connection) -> dict[tuple[str, int], str]:
    return {(row.kind, row.version): row.mark for row in connection.execute(select(key_marks))}


def _newest_key(connection: Connection) -> int:
    """The highest version of the key that any row stands under; 0 without rows."""

    def of(table: Table) -> int:
        return connection.execute(select(func.max(table.c.key_version))).scalar() or 0

    return max(of(pins), of(spent_pins))


def _any_hashed(connection: Connection, version: int, *, live_only: bool = False) -> bool:
    """Whether a PIN was hashed under this version of the cost."""
    hashed = select(pins.c.id).where(pins.c.params_version == version)
    if live_only:
        return bool(connection.execute(select(exists(hashed.where(pins.c.revoked_at.is_(None))))).scalar())
    spent = select(spent_pins.c.digest).where(spent_pins.c.params_version == version)
    return any(connection.execute(select(exists(query))).scalar() for query in (hashed, spent))

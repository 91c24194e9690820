"""What a node needs to serve calls without the database: packed into the snapshot, and how far it is trusted.

The snapshot's content is a whole SQLite database with the tables of the house and the rows that a call needs:
customers with their numbers, PINs, the rota, cases that are still open with their pursuit, and what the
throttle counts. The spare that a node then serves from (`storage.spare`) begins as a copy of it, so that the
same desks serve from it as from the house's own.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    Row,
    Select,
    String,
    Table,
    Text,
    create_engine,
    delete,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from ivr.tables import caller_rules, calls, turns, wake_ups
from oncall.cases import cases as casebook
from oncall.reaching import reminders
from oncall.tables import (
    absences,
    attempts,
    case_calls,
    case_log,
    cases,
    rota_overrides,
    rota_versions,
    technicians,
)
from pins import throttle
from pins.tables import customer_phones, customers, key_holders, pin_tries, pins
from storage import due
from storage.alarms import raise_alarm
from storage.tables import due_work, metadata

# A PIN that was revoked elsewhere since must not open calls for ever.
TRUSTED_FOR = timedelta(hours=24)
# A snapshot from the future: a clock was moved. So far is believed.
CLOCKS_DIFFER = timedelta(minutes=10)
# Before the standby pursues a case that was open already: another node may be at it, with the database.
GRACE = timedelta(minutes=5)
# What customers' files hold that no call needs.
_LEFT_OUT = {"customers": {"address": "", "email": "", "notes": "", "found_by": ""}}

# What the spare says of itself, beside the tables of the house.
own = MetaData()
facts = Table("standby_facts", own, Column("name", String(20), primary_key=True), Column("value", Text))


@dataclass(frozen=True)
class Standing:
    """What the spare was made from: the snapshot of `at`, None if there was none that could be believed.

    `nodes` serve calls in all. `newest` holds the highest id of each table that was copied, and `calls` the
    calls, each with how it stood: what lies beyond was written by the node itself.
    """

    at: datetime | None
    nodes: int
    newest: dict[str, int]
    calls: Mapping[str, str]

    def trusted(self, now: datetime) -> bool:
        """Whether its PINs may be believed."""
        return self.at is not None and trusted(self.at, now)


def trusted(written: datetime, now: datetime) -> bool:
    """Whether the PINs of a snapshot of the instant `written` may be believed."""
    return -CLOCKS_DIFFER <= now - written <= TRUSTED_FOR


def stamp(connection: Connection) -> tuple[object, ...]:
    """Changes whenever open cases do: they come, are taken, connected, and go."""
    counted = select(
        func.max(cases.c.id),
        func.count(cases.c.id),
        func.count(cases.c.taken_at),
        func.count(cases.c.connected_at),
    ).where(cases.c.closed_at.is_(None))
    return tuple(connection.execute(counted).one())


def pack(connection: Connection, at: datetime) -> bytes:
    """The content of a snapshot of this database. Takes some 25 µs a customer."""
    engine = _empty()
    newest: dict[str, int] = {}
    with engine.begin() as packed:
        for table, wanted in _rows(at):
            rows = [dict(row) for row in connection.execute(wanted).mappings()]
            for row in rows:
                row.update(_LEFT_OUT.get(table.name, {}))
            if rows:
                packed.execute(insert(table), rows)
            if "id" in table.c:
                newest[table.name] = max((row["id"] for row in rows), default=0)
        known = {row.sid: how_it_stands(row) for row in packed.execute(select(calls))}
        nodes = connection.execute(select(func.count()).select_from(key_holders)).scalar_one()
        said = {"at": at.isoformat(), "nodes": max(1, nodes), "newest": newest, "calls": known}
        packed.execute(insert(facts), {"name": "snapshot", "value": json.dumps(said)})
    return _bytes_of(engine)


def unpack(content: bytes | None, at: datetime) -> bytes:
    """What a spare that is made at `at` begins with: the content of a snapshot that was believed, or nothing.

    What was open then is pursued only after a while.
    """
    engine = _empty() if content is None else _from(content)
    with engine.begin() as packed:
        known = standing(packed)
        blind = not known.trusted(at)
        told = {"snapshot": known.at.isoformat(timespec="minutes")} if known.at else {}
        raise_alarm(packed, at, "database-away-blind" if blind else "database-away", details=told)
        packed.execute(
            due_work.update().where(due_work.c.due_at < at + GRACE).values(due_at=at + GRACE, tries=0)
        )
    return _bytes_of(engine)


def standing(connection: Connection) -> Standing:
    """What this spare was made from."""
    value = connection.execute(select(facts.c.value).where(facts.c.name == "snapshot")).scalar()
    if value is None:
        return Standing(None, 1, {}, {})
    said: dict[str, Any] = json.loads(value)
    return Standing(datetime.fromisoformat(said["at"]), said["nodes"], said["newest"], said["calls"])


def how_it_stands(row: Row[Any]) -> str:
    """A row of `calls`, told apart from a later one of the same call."""
    return f"{row.turn} {row.ended_at}"


# Of these the spare changes nothing that counts: a newer snapshot replaces them as a whole.
_REFRESHED = (
    *(customers, customer_phones, pins, caller_rules),
    *(technicians, rota_versions, rota_overrides, absences),
)


def refresh(connection: Connection, content: bytes) -> None:
    """Put what a newer snapshot says into a spare that is in use: a PIN that was revoked between two outages
    opens no call in the second.
    """
    engine = _from(content)
    with engine.connect() as packed:
        for table in _REFRESHED:
            rows = [dict(row) for row in packed.execute(select(table)).mappings()]
            connection.execute(delete(table))
            if rows:
                connection.execute(insert(table), rows)
        said = json.loads(packed.execute(select(facts.c.value)).scalar_one())
    engine.dispose()
    value = connection.execute(select(facts.c.value).where(facts.c.name == "snapshot")).scalar()
    first = json.loads(value) if value is not None else {**said, "newest": {}, "calls": {}}
    first |= {"at": said["at"], "nodes": said["nodes"]}
    connection.execute(delete(facts).where(facts.c.name == "snapshot"))
    connection.execute(insert(facts), {"name": "snapshot", "value": json.dumps(first)})


def _rows(at: datetime) -> list[tuple[Table, Select[Any]]]:
    """The tables that are copied, with the rows that are."""
    still_open = cases.c.closed_at.is_(None)
    their = select(cases.c.id).where(still_open)
    numbers = select(cases.c.number).where(still_open)
    about_them = select(case_calls.c.call_sid).where(case_calls.c.case_id.in_(their))
    lately = at - timedelta(days=1)
    return [
        (customers, select(customers)),
        (customer_phones, select(customer_phones)),
        (pins, select(pins)),
        (pin_tries, select(pin_tries).where(pin_tries.c.at > at - throttle.KEPT)),
        (caller_rules, select(caller_rules)),
        (technicians, select(technicians)),
        (rota_versions, select(rota_versions)),
        (rota_overrides, select(rota_overrides).where(rota_overrides.c.ends_at > lately)),
        (absences, select(absences).where(absences.c.ends_at > lately)),
        # A code that was told lately names no other case.
        (cases, select(cases).where(or_(still_open, cases.c.closed_at > at - casebook.CODE_REST))),
        (case_calls, select(case_calls).where(case_calls.c.case_id.in_(their))),
        (case_log, select(case_log).where(case_log.c.case_id.in_(their), case_log.c.act == "passed")),
        (calls, select(calls).where(calls.c.sid.in_(about_them))),
        # What they were answered last: the network may ask again.
        (
            turns,
            select(turns)
            .join(calls, (calls.c.sid == turns.c.sid) & (calls.c.turn == turns.c.turn + 1))
            .where(calls.c.sid.in_(about_them), calls.c.ended_at.is_(None)),
        ),
        (attempts, select(attempts).where(attempts.c.case_id.in_(their))),
        (wake_ups, select(wake_ups).where(wake_ups.c.at > at - timedelta(hours=1))),
        (
            due_work,
            select(due_work).where(
                due_work.c.kind.in_([casebook.PURSUE, reminders.REMIND]),
                due_work.c.state == due.PENDING,
                due_work.c.key.in_(numbers),
            ),
        ),
    ]


# -- an SQLite database in memory --------------------------------------------------------------------


@cache
def _schema() -> bytes:
    engine = _engine(None)
    metadata.create_all(engine)
    own.create_all(engine)
    return _bytes_of(engine)


def _empty() -> Engine:
    return _engine(_schema())


def _from(content: bytes) -> Engine:
    return _engine(content)


def _engine(content: bytes | None) -> Engine:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    if content is not None:
        connection.deserialize(content)
    return create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool, hide_parameters=True)


def _bytes_of(engine: Engine) -> bytes:
    raw = engine.raw_connection()
    driver = raw.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    content = driver.serialize()
    raw.close()
    engine.dispose()
    return content


def readable(content: bytes) -> bool:
    """Whether this is a content that `unpack` understands: it may be of another version."""
    engine = _from(content)
    try:
        with engine.connect() as packed:
            standing(packed)
            packed.execute(select(customers.c.id).limit(1))
            packed.execute(select(attempts).limit(1))
    except (SQLAlchemyError, ValueError, KeyError):
        return False
    finally:
        engine.dispose()
    return True

"""What a helpdesk is told of: each case is a ticket, and each call without a case that left a message.

Nobody who causes something writes to a ticket: no call and no verb knows of them. The worker derives what
happened from the rows that are there anyway, a few seconds later, each row once (`source`), whoever looks and
however often. So it also finds what was noted without the database and came home later.

Verbs take a Connection and `at`, and never commit. Whoever writes here, or decides that nothing waits any
more, takes `lock` first.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, exists, func, insert, select, update

from ivr.tables import calls, ticket_deliveries, ticket_events, tickets
from oncall.cases.cases import Case, by_number
from storage import due

Channel = Literal["mail", "webhook"]
Outcome = Literal["delivered", "given-up", "dropped"]
# The work that tells a ticket's events by a way, one after the other; the key is the ticket's id. One row for
# both a ticket and a way: so their order is kept.
KINDS: dict[Channel, str] = {"mail": "ticket.mail", "webhook": "ticket.webhook"}

# PostgreSQL's advisory lock behind `lock`: any number that nobody else in the database uses.
_WRITING = 4_771_003
_LOCK = select(func.pg_advisory_xact_lock(_WRITING))


@dataclass(frozen=True)
class Found:
    """Something that happened and is not told yet; `source` is the row that says so."""

    subject: str
    kind: str
    source: str
    at: datetime


@dataclass(frozen=True)
class Event:
    """Something that is told. `name` is the same each time; `thread` is that of the ticket's first one."""

    id: int
    ticket_id: int
    subject: str
    sequence: int
    source: str
    kind: str
    name: str
    thread: str
    occurred_at: datetime
    created_at: datetime
    failures: int

    @property
    def about(self) -> str:
        """The number of the case, or the sid of the call."""
        return self.subject.partition(":")[2]


@dataclass(frozen=True)
class Waiting:
    """What waits to be told: the oldest of it, since when, why it failed last, and how much there is."""

    channel: Channel
    since: datetime
    why: str | None
    many: int


def lock(connection: Connection) -> None:
    """Be the only one, until our transaction ends, who writes to tickets. SQLite's writer is alone anyway."""
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK)


def of_case(number: str) -> str:
    """How a case's ticket is called."""
    return f"case:{number}"


# -- written -----------------------------------------------------------------------------------


def write(
    connection: Connection,
    at: datetime,
    found: Collection[Found],
    channels_of: Callable[[str | None], Collection[Channel]],
) -> int:
    """Write what was found to its tickets, in the order in which it happened, and have it told. Returns how
    many events were written.

    `channels_of` says by which ways a ticket goes, given the number of ours that was called (None: not known
    any more). The first event of a case's ticket is that it was opened, whatever was found of it.
    """
    written = 0
    for each in sorted(found, key=lambda one: (one.at, one.kind != "opened")):
        ticket_id, fresh = _ticket(connection, at, each.subject)
        channels = channels_of(_number(connection, each.subject))
        if fresh and each.subject.startswith("case:") and each.kind != "opened":
            written += _add(connection, at, ticket_id, _opening(connection, each), channels)
        written += _add(connection, at, ticket_id, each, channels)
    return written


def _ticket(connection: Connection, at: datetime, subject: str) -> tuple[int, bool]:
    known = connection.execute(select(tickets.c.id).where(tickets.c.subject == subject)).scalar()
    if known is not None:
        return known, False
    made = connection.execute(insert(tickets), {"subject": subject, "created_at": at}).inserted_primary_key
    assert made is not None
    return int(made[0]), True


def _opening(connection: Connection, found: Found) -> Found:
    case = by_number(connection, found.subject.partition(":")[2])
    return Found(found.subject, "opened", found.subject, case.opened_at if case else found.at)


def _add(
    connection: Connection, at: datetime, ticket_id: int, found: Found, channels: Collection[Channel]
) -> int:
    if connection.execute(select(ticket_events.c.id).where(ticket_events.c.source == found.source)).first():
        return 0
    last = select(func.coalesce(func.max(ticket_events.c.sequence), 0))
    sequence = connection.execute(last.where(ticket_events.c.ticket_id == ticket_id)).scalar_one() + 1
    made = connection.execute(
        insert(ticket_events),
        {
            "ticket_id": ticket_id,
            "sequence": sequence,
            "source": found.source,
            "kind": found.kind,
            # At random: what comes after a backup was restored is never taken for what came before.
            "name": f"msg_{secrets.token_hex(16)}",
            "occurred_at": found.at,
            "created_at": at,
        },
    ).inserted_primary_key
    assert made is not None
    for channel in channels:
        connection.execute(insert(ticket_deliveries), {"event_id": made[0], "channel": channel})
        if not due.pending(connection, KINDS[channel], str(ticket_id)):
            due.add(connection, at, KINDS[channel], str(ticket_id), at, {})
    return 1


def _number(connection: Connection, subject: str) -> str | None:
    kind, _, about = subject.partition(":")
    if kind == "case":
        case = by_number(connection, about)
        about = case.call_sid if case else ""
    return connection.execute(select(calls.c.number).where(calls.c.sid == about)).scalar()


# -- told --------------------------------------------------------------------------------------


def next_of(connection: Connection, ticket_id: int, channel: Channel) -> Event | None:
    """What of this ticket is to be told next by this way."""
    row = connection.execute(
        _events(channel)
        .where(ticket_events.c.ticket_id == ticket_id, ticket_deliveries.c.settled_at.is_(None))
        .order_by(ticket_events.c.sequence)
        .limit(1)
    ).first()
    return None if row is None else _event(row)


def settle(connection: Connection, at: datetime, event: Event, channel: Channel, outcome: Outcome) -> bool:
    """It was told by this way, or never will be. False if that was known."""
    told = _of(event, channel).where(ticket_deliveries.c.settled_at.is_(None))
    return connection.execute(told.values(settled_at=at, outcome=outcome)).rowcount == 1


def failed(connection: Connection, event: Event, channel: Channel, why: str) -> None:
    """It could not be told this time."""
    many = ticket_deliveries.c.failures + 1
    connection.execute(_of(event, channel).values(failures=many, why=why[:80]))


def mend(connection: Connection, at: datetime) -> int:
    """See to it that there is work for all that waits; returns for how much there was none."""
    added = 0
    rows = connection.execute(
        select(ticket_events.c.ticket_id, ticket_deliveries.c.channel)
        .join(ticket_deliveries, ticket_deliveries.c.event_id == ticket_events.c.id)
        .where(ticket_deliveries.c.settled_at.is_(None))
        .distinct()
    ).all()
    for ticket_id, channel in rows:
        if not due.pending(connection, KINDS[channel], str(ticket_id)):
            due.add(connection, at, KINDS[channel], str(ticket_id), at, {})
            added += 1
    return added


def waiting(connection: Connection, channel: Channel, before: datetime) -> Waiting | None:
    """What has waited to be told since `before` or longer; None if nothing has."""
    rows = connection.execute(
        _events(channel)
        .add_columns(ticket_deliveries.c.why)
        .where(ticket_deliveries.c.settled_at.is_(None), ticket_events.c.created_at <= before)
        .order_by(ticket_events.c.created_at, ticket_events.c.id)
    ).all()
    return Waiting(channel, rows[0].created_at, rows[0].why, len(rows)) if rows else None


def forget(connection: Connection, before: datetime) -> int:
    """Remove tickets to which nothing was added since `before`, unless something of them waits or their case
    is open. Returns how many.
    """
    own = ticket_events.c.ticket_id == tickets.c.id
    late = exists().where(own, ticket_events.c.created_at > before)
    waits = exists().where(
        own, ticket_deliveries.c.event_id == ticket_events.c.id, ticket_deliveries.c.settled_at.is_(None)
    )
    old = select(tickets.c.id, tickets.c.subject).where(tickets.c.created_at <= before, ~late, ~waits)
    gone = [row.id for row in connection.execute(old).all() if not _open(connection, row.subject)]
    for ticket_id in gone:
        events = select(ticket_events.c.id).where(ticket_events.c.ticket_id == ticket_id)
        connection.execute(ticket_deliveries.delete().where(ticket_deliveries.c.event_id.in_(events)))
        connection.execute(ticket_events.delete().where(ticket_events.c.ticket_id == ticket_id))
        connection.execute(tickets.delete().where(tickets.c.id == ticket_id))
    return len(gone)


# -- small parts -------------------------------------------------------------------------------

_FIRST = ticket_events.alias("first")


def _events(channel: Channel) -> Select[Any]:
    thread = select(_FIRST.c.name).where(_FIRST.c.ticket_id == ticket_events.c.ticket_id)
    thread = thread.order_by(_FIRST.c.sequence).limit(1)
    return (
        select(
            ticket_events,
            tickets.c.subject,
            ticket_deliveries.c.failures,
            thread.scalar_subquery().label("thread"),
        )
        .join(tickets, tickets.c.id == ticket_events.c.ticket_id)
        .join(ticket_deliveries, ticket_deliveries.c.event_id == ticket_events.c.id)
        .where(ticket_deliveries.c.channel == channel)
    )


def _event(row: Row[Any]) -> Event:
    return Event(**{name: getattr(row, name) for name in Event.__annotations__})


def _of(event: Event, channel: Channel) -> Any:
    return update(ticket_deliveries).where(
        ticket_deliveries.c.event_id == event.id, ticket_deliveries.c.channel == channel
    )


def _open(connection: Connection, subject: str) -> bool:
    case: Case | None = by_number(connection, subject.partition(":")[2])
    return case is not None and case.closed_at is None

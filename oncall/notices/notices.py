"""Notices: what somebody must know, told once, and how each try to tell him stands.

A notice is written in the transaction of its cause, with the work that brings it; the same is never written
twice. Whoever brings it writes each try down before he asks a provider, so that after a crash he can ask
what became of it. Verbs take a Connection and `at`, and never commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, or_, select, update

from oncall.cases.cases import PURSUE
from oncall.notices.channels import ChannelName
from oncall.reaching.reached import NOTICE
from oncall.tables import cases, notice_sends, notices
from storage import due
from storage.conflicts import insert_in
from storage.due import Work
from storage.prepared import Prepared
from storage.tables import due_work

__all__ = ["NOTICE"]

# What a caller's message leaves to do; its key is the call's sid.
MESSAGE = "message.deliver"
# trying: written before the provider is asked. failed: may be tried again. refused: never for this address.
SendState = Literal["trying", "sent", "delivered", "failed", "refused"]
# delivered, sent (no receipt to be had), failed, needless
Outcome = Literal["delivered", "sent", "failed", "needless"]
PEOPLE = ("technician", "manager", "admin")
# What the network says of a text message (MessageStatus) that settles it; it says these once, and last.
ARRIVED = frozenset({"delivered", "read"})
LOST = frozenset({"undelivered", "failed", "canceled"})
LONGEST_WHY = 60
# Pointless once somebody has the case; and, with these, once it is closed.
WAITS_FOR_SOMEBODY = frozenset({"nobody-answered", "case-reminder", "hung-up-ringing"})
ENDS_WITH_ITS_CASE = WAITS_FOR_SOMEBODY | {
    "call-back-wanted",
    "case-passed",
    "case-taken",
    "case-yours",
    "case-taken-by-text-resumed",
    "talk-long",
}
# For somebody who has just pressed a key: he is awake, and on the telephone.
AT_ONCE = frozenset({"case-yours"})
# Longer parts of a key are hashed: its column has 200 characters.
LONGEST_PART = 90


class LeaseLost(Exception):
    """The work has passed to another worker, or was cancelled: nothing more may be sent for it."""


# Somebody's latest notices, among which one is looked for.
_LATEST = 1_000


@dataclass(frozen=True)
class Notice:
    """`recipient` is "technician:KEY", "manager:ADDRESS" or "admin:ADDRESS"."""

    id: int
    key: str
    kind: str
    recipient: str
    about: str
    facts: dict[str, Any]
    loud: bool
    created_at: datetime
    settled_at: datetime | None
    outcome: Outcome | None


@dataclass(frozen=True)
class Send:
    """A try to bring a notice by one channel to one address."""

    id: int
    channel: ChannelName
    address: str
    state: SendState
    sid: str | None
    why: str | None
    tried_at: datetime
    settled_at: datetime | None


# -- writing -----------------------------------------------------------------------------------


@cache
def _telling(dialect: str) -> Prepared:
    new = insert_in(dialect, notices).on_conflict_do_nothing(index_elements=["key"])
    return Prepared(new.returning(notices.c.id))


def tell(
    connection: Connection,
    at: datetime,
    kind: str,
    recipient: str,
    about: str,
    facts: Mapping[str, Any],
    *,
    loud: bool,
    again: str = "",
) -> bool:
    """Have `recipient` told. False if he was told before: the same kind, about the same, and `again`.

    A loud one goes at any hour and by every channel; another waits for the quiet hours to end and goes by
    the first that works. `facts` hold what cannot be looked up when it is sent: see docs/notices.md.
    """
    if recipient.partition(":")[0] not in PEOPLE:
        raise ValueError("a notice goes to a technician, a manager or an admin")
    made = _telling(connection.dialect.name).scalar(
        connection,
        {
            "key": _key(kind, about, again, recipient),
            "kind": kind,
            "recipient": recipient,
            "about": about,
            "facts": {name: _as_json(value) for name, value in facts.items()},
            "loud": loud,
            "created_at": at,
        },
    )
    if made is None:
        return False
    due.add(connection, at, NOTICE, str(made), at, {"notice": made})
    return True


def tell_everybody(
    connection: Connection,
    at: datetime,
    kind: str,
    recipients: Iterable[str],
    about: str,
    facts: Mapping[str, Any],
    *,
    loud: bool,
    again: str = "",
) -> None:
    """The same to each of them, once each."""
    # In one order, so that two who tell the same people never wait for each other.
    for recipient in sorted(set(recipients)):
        tell(connection, at, kind, recipient, about, facts, loud=loud, again=again)


def last_loud(connection: Connection, kind: str, recipient: str, since: datetime) -> datetime | None:
    """When `recipient` was last told this aloud, if that was after `since`. Looks at his latest alone."""
    his = (
        select(notices.c.kind, notices.c.loud, notices.c.created_at)
        .where(notices.c.recipient == recipient)
        .order_by(notices.c.id.desc())
        .limit(_LATEST)
    )
    told = (row.created_at for row in connection.execute(his) if row.kind == kind and row.loud)
    return next((at for at in told if at > since), None)


def settle_needless(connection: Connection, at: datetime, about: str, kinds: Collection[str]) -> None:
    """Notices of these kinds that are still on their way have become pointless: no more is sent of them."""
    wanted = select(notices.c.id).where(
        notices.c.about == about, notices.c.kind.in_(kinds), notices.c.settled_at.is_(None)
    )
    for found in list(connection.execute(wanted.order_by(notices.c.id)).scalars()):
        due.cancel(connection, at, NOTICE, str(found), by="needless")
        settle(connection, at, found, needless(sends_of(connection, found)))


def pointless(connection: Connection, notice: Notice) -> bool:
    """Whether he need not be told any more: its case is closed, or somebody has it already. A taking by text
    message does not count, since its sender can be forged; nor does whoever had it before it was pursued
    anew, for a customer who has called again and reached nobody.
    """
    if notice.kind not in ENDS_WITH_ITS_CASE:
        return False
    number = notice.about.removeprefix("case:")
    row = connection.execute(select(cases).where(cases.c.number == number)).first()
    if row is None:
        return False
    if row.closed_at is not None:
        return True
    taken_at = row.taken_at if row.taken_via != "text" else None
    had = [moment for moment in (row.connected_at, taken_at) if moment is not None]
    if notice.kind not in WAITS_FOR_SOMEBODY or not had:
        return False
    return not due.pending(connection, PURSUE, number, begun_after=max(had))


def message_opened(connection: Connection, at: datetime, call_sid: str) -> None:
    """Somebody has listened to the message of this call: nobody else need be told of it."""
    due.cancel(connection, at, MESSAGE, call_sid, by="opened")
    settle_needless(connection, at, f"call:{call_sid}", ("message-left",))


def forget(connection: Connection, abouts: Collection[str]) -> int:
    """Empty what notices about these ("case:2026-00412", "call:CA…") say, for an erasure. How many it was."""
    emptied = update(notices).where(notices.c.about.in_(abouts)).values(facts={})
    return connection.execute(emptied).rowcount


# -- bringing ----------------------------------------------------------------------------------


def find(connection: Connection, notice_id: int) -> Notice | None:
    row = connection.execute(select(notices).where(notices.c.id == notice_id)).first()
    return _notice(row) if row else None


def about_of(connection: Connection, about: str) -> list[Notice]:
    """Every notice about this, in the order in which they were written."""
    rows = connection.execute(select(notices).where(notices.c.about == about).order_by(notices.c.id))
    return [_notice(row) for row in rows]


def sends_of(connection: Connection, notice_id: int) -> list[Send]:
    """In the order in which they were tried."""
    rows = connection.execute(
        select(notice_sends).where(notice_sends.c.notice_id == notice_id).order_by(notice_sends.c.id)
    )
    return [_send(row) for row in rows]


def begin(
    connection: Connection, at: datetime, work: Work, notice: Notice, channel: ChannelName, address: str
) -> int | None:
    """Write down that the notice is brought now to this address, before the provider is asked.

    Returns the try's id. None if the same goes, or went, to this address for another recipient: two people
    who share a telephone hear it once; their tries stand alike. Raises LeaseLost.
    """
    ours = select(due_work.c.id).where(
        due_work.c.id == work.id, due_work.c.lease == work.lease, due_work.c.state == due.PENDING
    )
    if connection.execute(ours.with_for_update()).first() is None:
        raise LeaseLost
    head = notice.key.rpartition(">")[0]
    alike = select(notices.c.id, notices.c.key).where(
        notices.c.about == notice.about, notices.c.kind == notice.kind
    )
    # Locked, so that two workers do not both find nothing.
    rows = connection.execute(alike.order_by(notices.c.id).with_for_update(key_share=True))
    others = [row.id for row in rows if row.id != notice.id and row.key.rpartition(">")[0] == head]
    shared = connection.execute(
        select(notice_sends)
        .where(
            notice_sends.c.notice_id.in_(others),
            notice_sends.c.channel == channel,
            notice_sends.c.address == address,
            notice_sends.c.state != "failed",
        )
        .order_by(notice_sends.c.id.desc())
        .limit(1)
    ).first()
    if shared is not None and shared.state == "trying":
        return None
    same = {} if shared is None else {"state": shared.state, "sid": shared.sid, "why": shared.why}
    identity = connection.execute(
        insert(notice_sends).values(
            notice_id=notice.id,
            channel=channel,
            address=address,
            tried_at=at,
            settled_at=None if shared is None else shared.settled_at,
            **({"state": "trying"} | same),
        )
    ).inserted_primary_key
    assert identity is not None
    return int(identity[0]) if shared is None else None


def sent(connection: Connection, at: datetime, send_id: int, sid: str | None = None) -> None:
    """The provider took it. What its receipt said meanwhile stands."""
    _move(connection, send_id, ("trying",), state="sent")
    if sid is not None:
        _adopt(connection, send_id, sid)


def delivered(connection: Connection, at: datetime, send_id: int) -> None:
    """It has arrived."""
    _move(connection, send_id, ("trying", "sent", "failed"), state="delivered", settled_at=at)


def failed(connection: Connection, at: datetime, send_id: int, why: str, *, for_good: bool = False) -> None:
    """It was not brought; `for_good`: it never will be, to this address by this channel."""
    state = "refused" if for_good else "failed"
    _move(connection, send_id, ("trying", "sent"), state=state, settled_at=at, why=why[:LONGEST_WHY])


def is_anothers(connection: Connection, send_id: int, sid: str) -> bool:
    """Whether the network's message `sid` is that of another try: two notices may read the same."""
    found = select(notice_sends.c.id).where(notice_sends.c.sid == sid, notice_sends.c.id != send_id)
    return connection.execute(found.limit(1)).first() is not None


def receipt(connection: Connection, at: datetime, send_id: int, sid: str, status: str, why: str = "") -> None:
    """What the network says of a text message, in whatever order and however often it says it.

    Arrived and lost are its last words, and stand. `why` is its code, if it was lost.
    """
    _adopt(connection, send_id, sid)
    mine = or_(notice_sends.c.id == send_id, notice_sends.c.sid == sid)
    rows = connection.execute(
        select(notice_sends).where(mine).order_by(notice_sends.c.id).with_for_update(key_share=True)
    ).all()
    if not any(row.id == send_id and row.sid == sid for row in rows):
        return  # another message than the one we know of
    for row in rows:
        if status in ARRIVED:
            delivered(connection, at, row.id)
        elif status in LOST:
            failed(connection, at, row.id, why or status, for_good=True)
        else:
            sent(connection, at, row.id)
            continue
        # At once, unless a worker is at it: then it sees for itself.
        connection.execute(
            update(due_work)
            .where(
                due_work.c.kind == NOTICE,
                due_work.c.key == str(row.notice_id),
                due_work.c.state == due.PENDING,
                due_work.c.leased_until.is_(None),
                due_work.c.due_at > at,
            )
            .values(due_at=at)
        )


def settle(connection: Connection, at: datetime, notice_id: int, outcome: Outcome) -> bool:
    """No more is done about it. False if that was so before."""
    open_ = update(notices).where(notices.c.id == notice_id, notices.c.settled_at.is_(None))
    return connection.execute(open_.values(settled_at=at, outcome=outcome)).rowcount == 1


# -- small parts -------------------------------------------------------------------------------


def needless(sends: Collection[Send]) -> Outcome:
    """What became of a notice that nobody need hear any more."""
    states = {send.state for send in sends}
    return "delivered" if "delivered" in states else "sent" if "sent" in states else "needless"


def _move(connection: Connection, send_id: int, before: tuple[SendState, ...], **values: Any) -> None:
    row = update(notice_sends).where(notice_sends.c.id == send_id, notice_sends.c.state.in_(before))
    connection.execute(row.values(**values))


def _adopt(connection: Connection, send_id: int, sid: str) -> None:
    unnamed = update(notice_sends).where(notice_sends.c.id == send_id, notice_sends.c.sid.is_(None))
    connection.execute(unnamed.values(sid=sid))


def _key(kind: str, about: str, again: str, recipient: str) -> str:
    """Up to its last ">" the same for everybody who is told the same."""
    return f"{_part(f'{kind} {about} {again}'.rstrip())}>{_part(recipient)}"


def _part(text: str) -> str:
    if len(text) <= LONGEST_PART and ">" not in text:
        return text
    return hashlib.sha256(text.encode()).hexdigest()


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value


def _notice(row: Row[Any]) -> Notice:
    return Notice(
        row.id,
        row.key,
        row.kind,
        row.recipient,
        row.about,
        dict(row.facts),
        row.loud,
        row.created_at,
        row.settled_at,
        row.outcome,
    )


def _send(row: Row[Any]) -> Send:
    return Send(row.id, row.channel, row.address, row.state, row.sid, row.why, row.tried_at, row.settled_at)

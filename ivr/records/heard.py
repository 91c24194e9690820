"""Messages that callers left: which nobody has listened to yet, and that somebody has now.

A message about a case that is closed waits for nobody. Verbs take a Connection, the actor and `at`, and never
commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, exists, func, select, update

from ivr.tables import messages
from oncall.notices import notices
from oncall.tables import case_calls, cases
from storage import audit

# A message older than this waits for nobody any more.
WAITS = timedelta(days=30)


class UnknownMessage(Exception):
    def __init__(self, recording: str) -> None:
        super().__init__(f"there is no message {recording!r}")


@dataclass(frozen=True)
class Left:
    """A message that a caller left; `seconds` long. `file` is its name in the folder of messages, None until
    it was fetched. `heard_by`: see `storage.audit` for actors; "" for one older than this record.
    """

    recording: str
    call_sid: str
    seconds: int
    recorded_at: datetime
    file: str | None
    heard_at: datetime | None
    heard_by: str | None


def find(connection: Connection, recording: str) -> Left:
    """Raises UnknownMessage."""
    found = connection.execute(_LEFT.where(messages.c.recording_sid == recording)).first()
    if found is None:
        raise UnknownMessage(recording)
    return Left(*found)


def of_calls(connection: Connection, sids: list[str]) -> dict[str, list[Left]]:
    """The messages left in each of these calls, in the order in which they were recorded."""
    found: dict[str, list[Left]] = {sid: [] for sid in sids}
    rows = connection.execute(_LEFT.where(messages.c.call_sid.in_(sids)).order_by(messages.c.recorded_at))
    for row in rows:
        found[row.call_sid].append(Left(*row))
    return found


def listened(connection: Connection, actor: str, at: datetime, recording: str) -> bool:
    """Somebody has listened to a message. Once a call has no other, nobody is told of it any more.

    False if somebody had before. Raises UnknownMessage.
    """
    message = find(connection, recording)
    this = update(messages).where(messages.c.recording_sid == recording, messages.c.heard_at.is_(None))
    if connection.execute(this.values(heard_at=at, heard_by=actor)).rowcount != 1:
        return False
    if all(each.heard_at is not None for each in of_calls(connection, [message.call_sid])[message.call_sid]):
        notices.message_opened(connection, at, message.call_sid)
    audit.record(connection, actor, at, "message.heard", f"call:{message.call_sid}")
    return True


def unheard(connection: Connection, at: datetime, *, most: int) -> list[Left]:
    """The messages that nobody has listened to, the oldest first."""
    rows = connection.execute(_LEFT.where(waits(at)).order_by(messages.c.recorded_at).limit(most))
    return [Left(*row) for row in rows]


def waits(at: datetime) -> ColumnElement[bool]:
    """A condition on `messages`: nobody has listened, and no closed case has settled what it was about."""
    closed = exists(
        select(1)
        .select_from(case_calls.join(cases, cases.c.id == case_calls.c.case_id))
        .where(case_calls.c.call_sid == messages.c.call_sid, cases.c.closed_at.is_not(None))
    )
    lately = messages.c.recorded_at > at - WAITS
    return messages.c.heard_at.is_(None) & lately & (messages.c.kind == "message") & ~closed


def recorded_since(connection: Connection, since: datetime) -> int:
    """How many messages were left since then."""
    wanted = select(func.count()).where(messages.c.recorded_at >= since, messages.c.kind == "message")
    return connection.execute(wanted).scalar_one()


_LEFT = select(
    messages.c.recording_sid,
    messages.c.call_sid,
    messages.c.seconds,
    messages.c.recorded_at,
    messages.c.file,
    messages.c.heard_at,
    messages.c.heard_by,
).where(messages.c.kind == "message")

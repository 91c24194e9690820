"""Recordings as they are kept in the database, so that every node has them and a backup holds them.

Verbs take a Connection, the actor and `at`, and never commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, insert, select, update

from ivr.tables import own_prompts
from storage import audit

if TYPE_CHECKING:  # the door needs none of what measures sounds
    from ivr.own_voice.checking import Prepared

# A recording that was replaced or taken away can still be played for so long: its address stands in answers
# that may be given again, and another node may not have heard of it yet. Longer than an index is believed.
STAYS = timedelta(days=3)


class UnknownRecording(Exception):
    """There is no such recording."""


@dataclass(frozen=True)
class Recording:
    """What was recorded of the sentence `line`, as `text`: to be played on `number`, "" for every one."""

    id: int
    number: str
    language: str
    line: str
    text: str
    digest: str
    seconds: float
    recorded_at: datetime
    recorded_by: str


# All but the sound itself.
_ABOUT = [column for column in own_prompts.c if column.name != "content"]
_STANDING: Select[tuple[object, ...]] = (
    select(*_ABOUT)
    .where(own_prompts.c.removed_at.is_(None))
    .order_by(own_prompts.c.language, own_prompts.c.line, own_prompts.c.number)
)


def standing(connection: Connection) -> list[Recording]:
    """Every recording that is to be played."""
    return [_recording(row) for row in connection.execute(_STANDING)]


def find(connection: Connection, recording_id: int) -> Recording:
    """The recording, if it is to be played. Raises UnknownRecording."""
    row = connection.execute(_STANDING.where(own_prompts.c.id == recording_id)).first()
    if row is None:
        raise UnknownRecording
    return _recording(row)


def digests(connection: Connection) -> set[str]:
    """The sounds that a node must be able to play: of those that stand, and of those that lately did."""
    return set(connection.execute(select(own_prompts.c.digest)).scalars())


def stamp(connection: Connection) -> tuple[object, ...]:
    """Changes whenever a recording is put or taken away."""
    found = select(func.count(), func.max(own_prompts.c.id), func.max(own_prompts.c.removed_at))
    return tuple(connection.execute(found).one())


def content(connection: Connection, digest: str) -> bytes | None:
    """The sound itself; None if there is none by that name."""
    found = select(own_prompts.c.content).where(own_prompts.c.digest == digest).limit(1)
    kept = connection.execute(found).scalar()
    return None if kept is None else bytes(kept)


def put(
    connection: Connection,
    actor: str,
    at: datetime,
    *,
    number: str,
    language: str,
    line: str,
    text: str,
    prepared: Prepared,
) -> Recording:
    """Play this from now on where the sentence was spoken, or another recording of it played. One that is
    the same already is left as it is.
    """
    here = (
        (own_prompts.c.number == number)
        & (own_prompts.c.language == language)
        & (own_prompts.c.line == line)
        & own_prompts.c.removed_at.is_(None)
    )
    before = connection.execute(select(*_ABOUT).where(here)).first()
    if before is not None and (before.digest, before.text) == (prepared.digest, text):
        return _recording(before)
    connection.execute(update(own_prompts).where(here).values(removed_at=at))
    values = {
        "number": number,
        "language": language,
        "line": line,
        "text": text,
        "digest": prepared.digest,
        "milliseconds": round(prepared.seconds * 1000),
        "recorded_at": at,
        "recorded_by": actor,
    }
    made = connection.execute(
        insert(own_prompts), {**values, "content": prepared.content}
    ).inserted_primary_key
    assert made is not None
    told = {
        "line": line,
        "language": language,
        "digest": prepared.digest,
        **({"number": number} if number else {}),
        **({"instead": before.digest} if before is not None else {}),
    }
    audit.record(connection, actor, at, "prompt.put", subject(made[0]), details=told)
    return find(connection, made[0])


def remove(connection: Connection, actor: str, at: datetime, recording_id: int) -> Recording:
    """From now on the sentence is spoken again. Raises UnknownRecording."""
    gone = find(connection, recording_id)
    connection.execute(update(own_prompts).where(own_prompts.c.id == gone.id).values(removed_at=at))
    told = {"line": gone.line, "language": gone.language, "digest": gone.digest}
    told |= {"number": gone.number} if gone.number else {}
    audit.record(connection, actor, at, "prompt.remove", subject(gone.id), details=told)
    return gone


def named(connection: Connection, number: str, language: str, line: str) -> Recording:
    """The recording of exactly this. Raises UnknownRecording."""
    wanted = (number, language, line)
    for each in standing(connection):
        if (each.number, each.language, each.line) == wanted:
            return each
    raise UnknownRecording


def outlived(connection: Connection, at: datetime) -> bool:
    """Whether `sweep` has anything to remove."""
    return connection.execute(select(own_prompts.c.id).where(_outlived(at)).limit(1)).first() is not None


def sweep(connection: Connection, at: datetime) -> int:
    """Remove what was taken away long ago; returns how many."""
    return connection.execute(delete(own_prompts).where(_outlived(at))).rowcount


def subject(recording_id: int) -> str:
    """How the audit names it."""
    return f"prompt:{recording_id}"


def _outlived(at: datetime) -> ColumnElement[bool]:
    return own_prompts.c.removed_at < at - STAYS


def _recording(row: Row[tuple[object, ...]]) -> Recording:
    return Recording(
        row.id,
        row.number,
        row.language,
        row.line,
        row.text,
        row.digest,
        row.milliseconds / 1000,
        row.recorded_at,
        row.recorded_by,
    )

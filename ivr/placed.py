"""Calls that we placed: their rows and turns, as the journal keeps a caller's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, or_, select, union, update

from ivr import answer as answers
from ivr.journal import TurnRecord
from ivr.outgoing_flow import CarriedOutgoing, Outgoing
from ivr.stored import OUTGOING
from ivr.tables import outgoing, outgoing_turns
from oncall.reaching.attempts import LONGEST_TALK
from oncall.tables import attempts
from storage.prepared import Prepared
from storage.types import Instant


@dataclass(frozen=True)
class Placed:
    """A call that we place. `number` is the one of ours that is shown; `turn` is expected next."""

    id: int
    call: Outgoing
    phone: str
    number: str
    case_id: int | None
    attempt_id: int | None
    notice_send_id: int | None
    shift_check_id: int | None
    sid: str | None
    asked_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    turn: int


_ONE = select(outgoing).where(outgoing.c.id == bindparam("one"))
_LOCKED = select(outgoing.c.id).where(outgoing.c.id == bindparam("one")).with_for_update(key_share=True)
_ANSWER = select(outgoing_turns.c.answer).where(
    outgoing_turns.c.outgoing_id == bindparam("one"), outgoing_turns.c.turn == bindparam("asked")
)
_TURN = insert(outgoing_turns)
_MOVE_ON = (
    update(outgoing)
    .where(outgoing.c.id == bindparam("one"))
    .values(turn=bindparam("next_turn"), state=bindparam("new_state"))
)


def begin(
    connection: Connection,
    at: datetime,
    call: Outgoing,
    *,
    phone: str,
    number: str,
    case_id: int | None = None,
    attempt_id: int | None = None,
    notice_send_id: int | None = None,
    shift_check_id: int | None = None,
) -> int:
    """Write down that a call is to be placed now, before the network is asked; returns its id."""
    identity = connection.execute(
        insert(outgoing),
        {
            "purpose": call.purpose,
            "technician": call.technician,
            "phone": phone,
            "number": number,
            "case_id": case_id,
            "attempt_id": attempt_id,
            "notice_send_id": notice_send_id,
            "shift_check_id": shift_check_id,
            "asked_at": at,
            "turn": 0,
            "state": OUTGOING.dump_json(call).decode(),
        },
    ).inserted_primary_key
    assert identity is not None
    return int(identity[0])


def lock(connection: Connection, outgoing_id: int) -> None:
    """Be the only one who serves this call until our transaction ends."""
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCKED, {"one": outgoing_id})


def find(connection: Connection, outgoing_id: int) -> Placed | None:
    row = connection.execute(_ONE, {"one": outgoing_id}).first()
    return _placed(row) if row else None


def of_attempt(connection: Connection, attempt_id: int) -> Placed | None:
    """The call that was placed for this attempt."""
    row = connection.execute(select(outgoing).where(outgoing.c.attempt_id == attempt_id)).first()
    return _placed(row) if row else None


# A ring and a whisper are over by then: an attempt without a result, and without the key that leads to a
# talk, has lost its end.
LONGEST_WHISPER = timedelta(minutes=5)
_ENGAGED = Prepared(
    union(
        select(attempts.c.phone).where(
            attempts.c.result.is_(None),
            attempts.c.asked_at > bindparam("since", type_=Instant),
            or_(attempts.c.pressed == "accepted", attempts.c.asked_at > bindparam("lately", type_=Instant)),
            or_(attempts.c.call_sid != bindparam("call"), attempts.c.pass_id.is_not(None)),
        ),
        select(outgoing.c.phone).where(
            outgoing.c.ended_at.is_(None), outgoing.c.asked_at > bindparam("since", type_=Instant)
        ),
    )
)


def engaged(connection: Connection, at: datetime, call_sid: str) -> frozenset[str]:
    """Phones that are ringing or talking now, for any call but the caller's call `call_sid`.

    Whoever goes on to ring one takes `cases.lock` first.
    """
    since = {"since": at - LONGEST_TALK, "lately": at - LONGEST_WHISPER}
    return frozenset(phone for (phone,) in _ENGAGED.all(connection, {**since, "call": call_sid}))


def answer_of(connection: Connection, outgoing_id: int, turn: int) -> str | None:
    """What this turn was answered, if it was."""
    return connection.execute(_ANSWER, {"one": outgoing_id, "asked": turn}).scalar()


def named(connection: Connection, outgoing_id: int, sid: str) -> bool:
    """Remember the network's name for the call. False if it has another one already."""
    connection.execute(
        update(outgoing).where(outgoing.c.id == outgoing_id, outgoing.c.sid.is_(None)).values(sid=sid)
    )
    return connection.execute(select(outgoing.c.sid).where(outgoing.c.id == outgoing_id)).scalar() == sid


def picked_up(connection: Connection, at: datetime, outgoing_id: int) -> None:
    connection.execute(
        update(outgoing)
        .where(outgoing.c.id == outgoing_id, outgoing.c.answered_at.is_(None))
        .values(answered_at=at)
    )


def ended(connection: Connection, at: datetime, outgoing_id: int, status: str) -> bool:
    """The network says how it ended. False if that was known."""
    found = update(outgoing).where(outgoing.c.id == outgoing_id, outgoing.c.ended_at.is_(None))
    return connection.execute(found.values(ended_at=at, status=status[:12])).rowcount == 1


def write_turn(
    connection: Connection, at: datetime, outgoing_id: int, call: Outgoing, turn: int, heard: str, answer: str
) -> None:
    """Store what was heard and answered at turn `turn`, and the call as it stands after it."""
    connection.execute(
        _TURN, {"outgoing_id": outgoing_id, "turn": turn, "at": at, "heard": heard, "answer": answer}
    )
    move_on(connection, outgoing_id, call, turn + 1)


def move_on(connection: Connection, outgoing_id: int, call: Outgoing, next_turn: int) -> None:
    """The call stands like this now, and `next_turn` is expected."""
    connection.execute(
        _MOVE_ON, {"one": outgoing_id, "next_turn": next_turn, "new_state": OUTGOING.dump_json(call).decode()}
    )


def take_over(
    connection: Connection,
    at: datetime,
    outgoing_id: int,
    carried: CarriedOutgoing,
    case_id: int | None,
    turn: int,
) -> None:
    """Write down a call that another database placed, under a number of ours for it, expecting `turn`."""
    values = {
        "id": outgoing_id,
        "purpose": carried.call.purpose,
        "technician": carried.call.technician,
        "phone": carried.phone,
        "number": carried.number,
        "case_id": case_id,
        "asked_at": at,
        "turn": turn,
        "state": OUTGOING.dump_json(carried.call).decode(),
    }
    connection.execute(insert(outgoing), values)


def of_case(connection: Connection, case_id: int) -> list[Placed]:
    """The calls that were placed for a case, in order."""
    rows = connection.execute(select(outgoing).where(outgoing.c.case_id == case_id).order_by(outgoing.c.id))
    return [_placed(row) for row in rows]


def under_way(connection: Connection, at: datetime) -> list[Placed]:
    """The calls of ours that ring or talk now, the oldest first."""
    rows = connection.execute(
        select(outgoing)
        .where(outgoing.c.ended_at.is_(None), outgoing.c.asked_at > at - LONGEST_TALK)
        .order_by(outgoing.c.id)
    )
    return [_placed(row) for row in rows]


def turns_of(connection: Connection, outgoing_id: int) -> list[TurnRecord]:
    """What was heard and said in one of them."""
    rows = connection.execute(
        select(outgoing_turns)
        .where(outgoing_turns.c.outgoing_id == outgoing_id)
        .order_by(outgoing_turns.c.turn)
    )
    return [
        TurnRecord(row.at, "technician", "outgoing", row.heard, answers.from_json(row.answer).texts())
        for row in rows
    ]


def _placed(row: Row[Any]) -> Placed:
    return Placed(
        row.id,
        OUTGOING.validate_json(row.state),
        row.phone,
        row.number,
        row.case_id,
        row.attempt_id,
        row.notice_send_id,
        row.shift_check_id,
        row.sid,
        row.asked_at,
        row.answered_at,
        row.ended_at,
        row.turn,
    )

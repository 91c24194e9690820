"""What is remembered of calls: the rows a turn reads and writes, and what people ask afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal

from sqlalchemy import Connection, Row, Table, bindparam, func, insert, select, update

from ivr import answer as answers
from ivr.stored import CALL, LEG
from ivr.tables import calls, leg_turns, legs, messages, turns, wake_ups
from ivr.technician_flow import Leg
from ivr.vocabulary import Call, Recording
from storage import due
from storage.conflicts import insert_in, inserting
from storage.prepared import Prepared
from storage.types import Instant

# -- a caller's turns --------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """Where a call stands: `answer` is what this turn was answered, if it was."""

    call: Call
    turn: int
    ended: bool
    answer: str | None


_GLANCE = Prepared(
    select(calls.c.state, calls.c.turn, calls.c.ended_at, turns.c.answer)
    .outerjoin(turns, (turns.c.sid == calls.c.sid) & (turns.c.turn == bindparam("asked")))
    .where(calls.c.sid == bindparam("call"))
)
# key_share: rows that point to the call may be written meanwhile; a technician's leg is not held up.
_LOCKED = Prepared(
    select(calls.c.sid).where(calls.c.sid == bindparam("call")).with_for_update(key_share=True)
)
_LAST = Prepared(
    select(turns.c.answer).where(turns.c.sid == bindparam("call")).order_by(turns.c.turn.desc()).limit(1)
)
_WRITE_TURN = Prepared(insert(turns))
_MOVE_ON = Prepared(
    update(calls)
    .where(calls.c.sid == bindparam("call"))
    .values(
        turn=bindparam("next_turn"),
        step=bindparam("new_step"),
        state=bindparam("new_state"),
        outcome=bindparam("new_outcome"),
        customer_id=bindparam("customer"),
        urgency=bindparam("stated"),
    )
)
_END = Prepared(
    update(calls)
    .where(calls.c.sid == bindparam("call"), calls.c.ended_at.is_(None))
    .values(
        ended_at=bindparam("ended"), outcome=func.coalesce(calls.c.outcome, bindparam("fallback_outcome"))
    )
)


def glance(connection: Connection, sid: str, turn: int) -> Standing | None:
    """Where the call stands and what turn `turn` was answered; None if we do not know the call."""
    row = _GLANCE.first(connection, {"call": sid, "asked": turn})
    if row is None:
        return None
    return Standing(CALL.validate_json(row.state), row.turn, row.ended_at is not None, row.answer)


def lock(connection: Connection, sid: str) -> None:
    """Keep other transactions from this call until ours ends; read it only afterwards.

    On PostgreSQL every transaction takes what it needs in this order, so that no two wait for each
    other: the call or the leg, `cases.lock`, an attempt, a case, its work; of several calls the one with the
    lower sid. SQLite's writer is alone.
    """
    if connection.dialect.name != "sqlite":
        _LOCKED.first(connection, {"call": sid})


@cache
def _beginning(dialect: str, table: Table) -> Prepared:
    # RETURNING, for a driver need not count the rows of an INSERT.
    new = insert_in(dialect, table).on_conflict_do_nothing(index_elements=["sid"])
    return Prepared(new.returning(table.c.sid))


def begin(connection: Connection, at: datetime, call: Call, turn: int) -> bool:
    """Write a new call's row, expecting `turn`. False if another request was quicker."""
    new = {
        "sid": call.sid,
        "caller": call.caller,
        "number": call.number,
        "started_at": at,
        "turn": turn,
        "step": call.step.value,
        "state": CALL.dump_json(call).decode(),
    }
    return _beginning(connection.dialect.name, calls).first(connection, new) is not None


def write_turn(
    connection: Connection, at: datetime, asked_at: str, call: Call, turn: int, heard: str, answer: str
) -> None:
    """Store what was heard and answered at turn `turn`, and the call as it stands after it."""
    _WRITE_TURN.count(
        connection,
        {"sid": call.sid, "turn": turn, "at": at, "step": asked_at, "heard": heard, "answer": answer},
    )
    move_on(connection, call, turn + 1)


def move_on(connection: Connection, call: Call, next_turn: int) -> None:
    """The call stands like this now, and `next_turn` is expected."""
    _MOVE_ON.count(
        connection,
        {
            "call": call.sid,
            "next_turn": next_turn,
            "new_step": call.step.value,
            "new_state": CALL.dump_json(call).decode(),
            "new_outcome": call.outcome.value if call.outcome else None,
            "customer": call.customer.id if call.customer else None,
            "stated": call.urgency,
        },
    )


def caller_of(connection: Connection, sid: str) -> str:
    """The number that a call we know came from; "" if it was withheld, or nobody has told us."""
    return connection.execute(select(calls.c.caller).where(calls.c.sid == sid)).scalar() or ""


def last_answer(connection: Connection, sid: str) -> str | None:
    """The latest answer that was given in this call."""
    last: str | None = _LAST.scalar(connection, {"call": sid})
    return last


def end(connection: Connection, at: datetime, sid: str, outcome: str) -> bool:
    """The network says the call is over. `outcome` is kept only if it had none. False if unknown,
    or if the end was noted before.
    """
    return _END.count(connection, {"call": sid, "ended": at, "fallback_outcome": outcome}) == 1


# -- a technician's turns ------------------------------------------------------------------------


@dataclass(frozen=True)
class LegStanding:
    leg: Leg
    turn: int
    answer: str | None


_LEG_GLANCE = Prepared(
    select(legs.c.state, legs.c.turn, leg_turns.c.answer)
    .outerjoin(leg_turns, (leg_turns.c.sid == legs.c.sid) & (leg_turns.c.turn == bindparam("asked")))
    .where(legs.c.sid == bindparam("leg"))
)
_LEG_LOCKED = Prepared(
    select(legs.c.sid).where(legs.c.sid == bindparam("leg")).with_for_update(key_share=True)
)
_LEG_TURN = Prepared(insert(leg_turns))
_LEG_MOVE_ON = Prepared(
    update(legs)
    .where(legs.c.sid == bindparam("leg"))
    .values(turn=bindparam("next_turn"), state=bindparam("new_state"))
)
_LEG_END = Prepared(
    update(legs)
    .where(legs.c.sid == bindparam("leg"), legs.c.ended_at.is_(None))
    .values(ended_at=bindparam("ended"))
)


def glance_leg(connection: Connection, sid: str, turn: int) -> LegStanding | None:
    row = _LEG_GLANCE.first(connection, {"leg": sid, "asked": turn})
    if row is None:
        return None
    return LegStanding(LEG.validate_json(row.state), row.turn, row.answer)


def lock_leg(connection: Connection, sid: str) -> None:
    """The same for a technician's leg."""
    if connection.dialect.name != "sqlite":
        _LEG_LOCKED.first(connection, {"leg": sid})


def begin_leg(connection: Connection, at: datetime, leg: Leg, turn: int = 0) -> bool:
    """Write a new leg's row, expecting `turn`. False if another request was quicker."""
    new = {
        "sid": leg.sid,
        "call_sid": leg.parent_sid,
        "attempt_id": leg.attempt_id,
        "started_at": at,
        "turn": turn,
        "state": LEG.dump_json(leg).decode(),
    }
    return _beginning(connection.dialect.name, legs).first(connection, new) is not None


def write_leg_turn(
    connection: Connection, at: datetime, leg: Leg, turn: int, heard: str, answer: str
) -> None:
    _LEG_TURN.count(connection, {"sid": leg.sid, "turn": turn, "at": at, "heard": heard, "answer": answer})
    _LEG_MOVE_ON.count(
        connection, {"leg": leg.sid, "next_turn": turn + 1, "new_state": LEG.dump_json(leg).decode()}
    )


_LEG_OF_ATTEMPT = select(legs.c.state).where(legs.c.attempt_id == bindparam("attempt"))


def leg_goes_on(connection: Connection, attempt_id: int) -> bool:
    """Whether nobody has ended the technician's leg of this attempt here, if there was one."""
    states = connection.execute(_LEG_OF_ATTEMPT, {"attempt": attempt_id}).scalars()
    return not any(LEG.validate_json(state).ended for state in states)


def leg_ended(connection: Connection, attempt_id: int) -> bool:
    """Whether we ended the technician's leg of this attempt: after his key, or for lack of one.

    Also if there was no leg: something picked up and never asked what to say.
    """
    states = [
        LEG.validate_json(s) for s in connection.execute(_LEG_OF_ATTEMPT, {"attempt": attempt_id}).scalars()
    ]
    return all(leg.ended for leg in states)


def end_leg(connection: Connection, at: datetime, sid: str) -> None:
    _LEG_END.count(connection, {"leg": sid, "ended": at})


# -- messages ------------------------------------------------------------------------------------


# What a caller left for others, or what one who is to be screened said of himself.
MessageKind = Literal["message", "name"]
# Fetch a message's recording and keep it here; the key is the recording's sid.
FETCH = "message.fetch"
# Have the network forget a recording that is kept here; the key is its sid.
FORGET = "recording.forget"


@dataclass(frozen=True)
class Message:
    """A message a caller left; `file` is its name in the folder of messages once it was fetched."""

    recording: str
    seconds: int
    recorded_at: datetime
    file: str | None


def keep_message(
    connection: Connection,
    at: datetime,
    call_sid: str,
    recording: Recording,
    status: str,
    kind: MessageKind = "message",
) -> None:
    """Remember a recording once, however often and in whatever order it is announced, and have it fetched.

    "announced" comes with the caller's turn and says what `kind` it is; what the network says of the
    recording itself is newer, and makes the fetching due at once.
    """
    values = {
        "recording_sid": recording.sid,
        "call_sid": call_sid,
        "url": recording.url,
        "seconds": recording.seconds,
        "recorded_at": at,
        "status": status,
        "kind": kind,
    }
    new = inserting(connection, messages).on_conflict_do_nothing(index_elements=["recording_sid"])
    if connection.execute(new, values).rowcount == 1:
        due.add(connection, at, FETCH, recording.sid, at, {"call": call_sid})
    elif status != "announced":
        connection.execute(
            update(messages)
            .where(messages.c.recording_sid == recording.sid, messages.c.call_sid == call_sid)
            .values(status=status, seconds=recording.seconds)
        )
        due.move(connection, FETCH, recording.sid, at)
    else:
        # The network was quicker than the caller's turn.
        connection.execute(
            update(messages)
            .where(messages.c.recording_sid == recording.sid, messages.c.call_sid == call_sid)
            .values(kind=kind)
        )


_MESSAGE_FILE = select(messages.c.file).where(messages.c.recording_sid == bindparam("recording"))


def message_file(connection: Connection, recording_sid: str) -> str | None:
    """The recording's name in the folder of messages, once it was fetched."""
    return connection.execute(_MESSAGE_FILE, {"recording": recording_sid}).scalar()


def message_fetched(connection: Connection, at: datetime, recording_sid: str, file: str) -> bool:
    """The recording is kept as `file` in the folder of messages. False if it was erased meanwhile: then
    nothing may be kept.
    """
    kept = update(messages).where(messages.c.recording_sid == recording_sid)
    return connection.execute(kept.values(file=file, fetched_at=at)).rowcount == 1


# -- technicians woken for callers without a verified PIN ------------------------------------------

WAKE_UPS_AN_HOUR = 4
_WOKEN = select(func.count()).where(wake_ups.c.at > bindparam("since", type_=Instant))


def may_wake(connection: Connection, at: datetime, *, share: int = 1) -> bool:
    """Whether one more may be woken. Holds if our transaction has taken `cases.lock`. `share`: of how many
    who cannot tell each other this is one.
    """
    woken = connection.execute(_WOKEN, {"since": at - timedelta(hours=1)}).scalar_one()
    return woken < max(1, WAKE_UPS_AN_HOUR // share)


def wake_up(connection: Connection, at: datetime, sid: str) -> None:
    """Count one."""
    connection.execute(insert(wake_ups), {"call_sid": sid, "at": at})


# -- reading afterwards --------------------------------------------------------------------------


class UnknownCall(Exception):
    def __init__(self, sid: str) -> None:
        super().__init__(f"there is no call {sid!r}")


@dataclass(frozen=True)
class CallRecord:
    sid: str
    caller: str
    number: str
    started: datetime
    ended: datetime | None
    outcome: str | None
    customer_id: int | None
    urgency: str | None


@dataclass(frozen=True)
class TurnRecord:
    """`party` is "caller" or the leg's own sid."""

    at: datetime
    party: str
    step: str
    heard: str
    said: list[str]


def recent(connection: Connection, *, limit: int = 50) -> list[CallRecord]:
    """The latest calls, newest first."""
    return [
        record_of(row)
        for row in connection.execute(select(calls).order_by(calls.c.started_at.desc()).limit(limit))
    ]


def call(connection: Connection, sid: str) -> CallRecord:
    """Raises UnknownCall."""
    row = connection.execute(select(calls).where(calls.c.sid == sid)).first()
    if row is None:
        raise UnknownCall(sid)
    return record_of(row)


def turns_of(connection: Connection, sid: str) -> list[TurnRecord]:
    """Everything heard and said in the call, the technicians' legs included, in order of time."""
    found = [
        TurnRecord(row.at, "caller", row.step, row.heard, answers.from_json(row.answer).texts())
        for row in connection.execute(select(turns).where(turns.c.sid == sid).order_by(turns.c.turn))
    ]
    for row in connection.execute(
        select(leg_turns)
        .join(legs, legs.c.sid == leg_turns.c.sid)
        .where(legs.c.call_sid == sid)
        .order_by(leg_turns.c.sid, leg_turns.c.turn)
    ):
        said = answers.from_json(row.answer).texts()
        found.append(TurnRecord(row.at, row.sid, "technician", row.heard, said))
    return sorted(found, key=lambda turn: turn.at)


def messages_of(connection: Connection, sid: str) -> list[Message]:
    """The messages left in a call, in the order in which they were recorded."""
    rows = connection.execute(
        select(messages)
        .where(messages.c.call_sid == sid, messages.c.kind == "message")
        .order_by(messages.c.recorded_at)
    )
    return [Message(row.recording_sid, row.seconds, row.recorded_at, row.file) for row in rows]


def record_of(row: Row[Any]) -> CallRecord:
    """The record in a row of `calls`."""
    return CallRecord(
        row.sid,
        row.caller,
        row.number,
        row.started_at,
        row.ended_at,
        row.outcome,
        row.customer_id,
        row.urgency,
    )

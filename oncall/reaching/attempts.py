"""Attempts to reach a technician: his phone is rung, somebody picks up, he presses a key, it ends.

Only his recorded key makes an attempt accepted; what the telephone network reports never does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, func, insert, select, union_all, update

from oncall.cases import cases
from oncall.tables import attempts, case_calls, case_log
from oncall.tables import cases as case_rows
from storage import due
from storage.prepared import Prepared
from storage.types import Instant

Result = Literal["accepted", "connected", "declined", "no-answer", "busy", "failed", "unconfirmed"]
RESULT_OF_STATUS: Mapping[str, Result] = {
    "busy": "busy",
    "failed": "failed",
    "no-answer": "no-answer",
    "canceled": "no-answer",
    # "completed" and "answered" say that something picked up; without his key it confirms nothing.
    "completed": "unconfirmed",
    "answered": "unconfirmed",
}


@dataclass(frozen=True)
class Attempt:
    id: int
    technician: str
    phone: str
    rung: int
    at: datetime
    result: Result | None


_ATTEMPT = Prepared(insert(attempts).returning(attempts.c.id))
_PICKED_UP = Prepared(
    update(attempts)
    .where(attempts.c.id == bindparam("attempt"), attempts.c.result.is_(None))
    .values(picked_up_at=func.coalesce(attempts.c.picked_up_at, bindparam("picked", type_=Instant)))
)
_PRESSED = Prepared(
    update(attempts)
    .where(attempts.c.id == bindparam("attempt"), attempts.c.result.is_(None), attempts.c.pressed.is_(None))
    .values(pressed=bindparam("key"), pressed_at=bindparam("key_at"))
)
_RESULT = Prepared(
    update(attempts)
    .where(attempts.c.id == bindparam("attempt"))
    .values(result=bindparam("outcome"), result_at=bindparam("ended"), bridged=bindparam("joined"))
)
# Locked: a key that is pressed meanwhile is either seen here or comes too late.
_ONE_ATTEMPT = Prepared(
    select(attempts).where(attempts.c.id == bindparam("attempt")).with_for_update(key_share=True)
)
_CONNECTED = Prepared(
    update(case_rows)
    .where(case_rows.c.id == bindparam("case"), case_rows.c.connected_at.is_(None))
    .values(connected_at=bindparam("connected"))
)
# Not FOR NO KEY UPDATE: it waits for whoever has written that his call is about this case, and he for us.
_CASE_LOCKED = Prepared(
    select(case_rows.c.number).where(case_rows.c.id == bindparam("case")).with_for_update()
)
# What has set a technician on the case anew since his key: another call about it, or that it was passed on.
_WANTED_SINCE = Prepared(
    union_all(
        select(case_calls.c.case_id).where(
            case_calls.c.case_id == bindparam("case"),
            case_calls.c.call_sid != bindparam("call"),
            case_calls.c.joined_at > bindparam("pressed", type_=Instant),
        ),
        select(case_log.c.case_id).where(
            case_log.c.case_id == bindparam("case"),
            case_log.c.act == "passed",
            case_log.c.at > bindparam("pressed", type_=Instant),
        ),
    ).limit(1)
)


def begin_attempt(
    connection: Connection,
    at: datetime,
    case_id: int,
    call_sid: str,
    technician: str,
    phone: str,
    rung: int,
    pass_id: int | None = None,
    turn: int | None = None,
) -> int:
    """Note that a technician's phone is rung now for the case; returns the attempt's id.

    `pass_id` is given for a call that we place ourselves; `call_sid` is then the one that opened the case.
    Else `turn` is the caller's turn at which it rings.
    """
    new: int = _ATTEMPT.scalar(
        connection,
        {
            "case_id": case_id,
            "call_sid": call_sid,
            "technician": technician,
            "phone": phone,
            "rung": rung,
            "pass_id": pass_id,
            "turn": turn,
            "asked_at": at,
        },
    )
    return new


_AT_TURN = select(attempts.c.id).where(
    attempts.c.call_sid == bindparam("call"),
    attempts.c.turn == bindparam("rung_at"),
    attempts.c.phone == bindparam("of"),
)


def at_turn(connection: Connection, call_sid: str, turn: int, phone: str) -> int | None:
    """The attempt that rang this phone at this turn of this call, by its id.

    Of a turn that was written in two places, since nobody knew whether the first had arrived, each may have
    chosen a phone of its own.
    """
    return connection.execute(_AT_TURN, {"call": call_sid, "rung_at": turn, "of": phone}).scalar()


def picked_up(connection: Connection, at: datetime, attempt_id: int) -> bool:
    """Somebody, or something, picked up. False if the attempt has ended: say goodbye."""
    return _PICKED_UP.count(connection, {"attempt": attempt_id, "picked": at}) == 1


def press(
    connection: Connection, at: datetime, attempt_id: int, key: Literal["accepted", "declined"]
) -> bool:
    """Record the technician's key. Only this makes an attempt accepted.

    False if the attempt has ended or a key was recorded before: nothing changed, and he must not be
    connected on the strength of this key.
    """
    return _PRESSED.count(connection, {"attempt": attempt_id, "key": key, "key_at": at}) == 1


def settle(
    connection: Connection, at: datetime, attempt_id: int, status: str | None, *, bridged: bool
) -> Result | None:
    """End an attempt with its result; None if it does not exist. Settled before: that result stands.

    `status` is what the telephone network reported, None if it reported nothing. `connected` needs
    his recorded key and the bridge; then the case is connected and its pursuit cancelled, unless somebody
    else has called about it since, or it was passed on: that talk was not with him.
    """
    row = _ONE_ATTEMPT.first(connection, {"attempt": attempt_id})
    if row is None:
        return None
    # An end-of-call callback that came first could not know of the bridge: that may still be learnt.
    late_bridge = row.result == "accepted" and bridged
    if row.result is not None and not late_bridge:
        known: Result = row.result
        return known
    result = result_of(row.pressed, picked_up=row.picked_up_at is not None, status=status, bridged=bridged)
    _RESULT.count(connection, {"attempt": attempt_id, "outcome": result, "ended": at, "joined": bridged})
    if result == "connected":
        _stop_the_clock(connection, row)
    return result


def connected(connection: Connection, attempt_id: int) -> None:
    """An attempt turns out to have ended connected, from what several nodes saw of it."""
    _stop_the_clock(connection, _ONE_ATTEMPT.one(connection, {"attempt": attempt_id}))


def wanted_since(connection: Connection, case_id: int, moment: datetime, call_sid: str = "") -> bool:
    """Whether something has set a technician on the case anew since that moment: another call about it than
    `call_sid`, or that it was passed on.
    """
    since = {"case": case_id, "call": call_sid, "pressed": moment}
    return _WANTED_SINCE.first(connection, since) is not None


def _stop_the_clock(connection: Connection, row: Any) -> None:
    """Whatever his talk ends, it ended when he took the call and not when the talk was over: another node may
    have promised somebody a technician meanwhile.
    """
    _CONNECTED.count(connection, {"case": row.case_id, "connected": row.pressed_at})
    # Another call may be joining the case at this very moment: its pursuit must not be cancelled unseen.
    number: str = _CASE_LOCKED.one(connection, {"case": row.case_id}).number
    if not wanted_since(connection, row.case_id, row.pressed_at, row.call_sid):
        by, pressed = f"connected to {row.technician}", row.pressed_at
        due.cancel(connection, pressed, cases.PURSUE, number, by, begun_by=pressed)


def reached(connection: Connection, at: datetime, case_id: int) -> None:
    """A technician talked to the customer in a call that was no attempt of the pursuit."""
    _CONNECTED.count(connection, {"case": case_id, "connected": at})


_WHOSE = Prepared(
    select(case_rows.c.number, attempts.c.technician)
    .join(case_rows, case_rows.c.id == attempts.c.case_id)
    .where(attempts.c.id == bindparam("attempt"))
)


def whose(connection: Connection, attempt_id: int) -> tuple[str, str]:
    """The number of the case an attempt is about, and the technician's key."""
    row = _WHOSE.one(connection, {"attempt": attempt_id})
    return row.number, row.technician


_PRESSED_AT = Prepared(select(attempts.c.pressed_at).where(attempts.c.id == bindparam("attempt")))


def pressed_at(connection: Connection, attempt_id: int) -> datetime | None:
    """When the technician pressed his key."""
    pressed: datetime | None = _PRESSED_AT.scalar(connection, {"attempt": attempt_id})
    return pressed


def result_of(pressed: str | None, *, picked_up: bool, status: str | None, bridged: bool) -> Result:
    """What became of an attempt. The network's word counts only where no key of his could be.

    A voicemail picks up and "completes" without any key: that is `unconfirmed`.
    """
    if pressed == "accepted":
        return "connected" if bridged else "accepted"
    if pressed == "declined":
        return "declined"
    if picked_up:
        return "unconfirmed"
    return RESULT_OF_STATUS.get(status or "no-answer", "failed")


_UNSETTLED = Prepared(
    select(attempts.c.id).where(
        attempts.c.call_sid == bindparam("call"), attempts.c.result.is_(None), attempts.c.pass_id.is_(None)
    )
)


def unsettled(connection: Connection, call_sid: str) -> list[int]:
    """Attempts that rang during this call and have no result yet."""
    return [one for (one,) in _UNSETTLED.all(connection, {"call": call_sid})]


# Twilio ends any call after four hours: an attempt older than that is only a lost callback.
LONGEST_TALK = timedelta(hours=4)


def attempts_of(connection: Connection, case_id: int) -> list[Attempt]:
    """In the order in which they were rung."""
    return attempts_of_cases(connection, [case_id]).get(case_id, [])


def attempts_of_cases(connection: Connection, case_ids: Collection[int]) -> dict[int, list[Attempt]]:
    """Those of each of these cases that has any, in the order in which they were rung. One statement."""
    these = select(attempts).where(attempts.c.case_id.in_(list(case_ids))).order_by(attempts.c.id)
    found: dict[int, list[Attempt]] = {}
    for r in connection.execute(these):
        attempt = Attempt(r.id, r.technician, r.phone, r.rung, r.asked_at, r.result)
        found.setdefault(r.case_id, []).append(attempt)
    return found


def under_way(connection: Connection, call_sids: Collection[str]) -> dict[str, tuple[str, bool]]:
    """In each of these calls in which a technician is rung or talks: his key, and whether he has accepted."""
    found = (
        select(attempts.c.call_sid, attempts.c.technician, attempts.c.pressed)
        .where(
            attempts.c.call_sid.in_(list(call_sids)),
            attempts.c.result.is_(None),
            attempts.c.pass_id.is_(None),
        )
        .order_by(attempts.c.id)
    )
    return {row.call_sid: (row.technician, row.pressed == "accepted") for row in connection.execute(found)}

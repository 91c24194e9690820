"""Cases and the attempts to reach a technician. Verbs take a Connection, the actor and `at`.

An accepted emergency is never dropped: the work that pursues a case is written with the case, and
only two things cancel it: a technician connected to the caller, or a person who takes or closes the
case by hand.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, bindparam, func, insert, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from oncall.tables import attempts, case_calls, case_numbers, cases
from storage import audit, due
from storage.types import Instant

PURSUE = "case.pursue"
# Phone the technician who accepted while the caller was hanging up.
RECALL = "technician.recall"
# A spoken code names one case among those open, or closed less than this long ago.
CODE_REST = timedelta(days=30)

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


class CaseRefusal(Exception):
    """What was asked of a case cannot be; nothing was changed. The text says why."""


class UnknownCase(CaseRefusal):
    def __init__(self, name: str) -> None:
        super().__init__(f"there is no case {name!r}")


class CaseClosed(CaseRefusal):
    def __init__(self, number: str) -> None:
        super().__init__(f"case {number} is closed")


class NoFreeCode(CaseRefusal):
    def __init__(self) -> None:
        super().__init__("every spoken code is in use")


@dataclass(frozen=True)
class Attempt:
    id: int
    technician: str
    phone: str
    rung: int
    at: datetime
    result: Result | None


@dataclass(frozen=True)
class Case:
    """`code` is spoken and reused after a while, `number` is permanent."""

    id: int
    number: str
    code: str
    call_sid: str
    customer_id: int | None
    rota: str
    urgency: str | None
    final_urgency: str | None
    opened_at: datetime
    due_at: datetime | None
    connected_at: datetime | None
    taken_at: datetime | None
    taken_by: str | None
    closed_at: datetime | None
    # The caller had no verified PIN; a technician heard him and decided.
    screened: bool = False


# PostgreSQL's advisory lock behind `lock`: any number that nobody else in the database uses.
_DECIDING = 4_771_002
_LOCK = select(func.pg_advisory_xact_lock(_DECIDING))


def lock(connection: Connection) -> None:
    """Be the only one, until our transaction ends, who draws a code or chooses whom to ring: two calls
    at one instant would draw the same code or ring the same telephone. SQLite's writer is alone anyway.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK)


# -- opening -----------------------------------------------------------------------------------


def next_number(connection: Connection, year: int) -> str:
    """The next permanent number of `year`, such as 2026-00412. No gap unless rolled back."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = dialect.insert(case_numbers).values(year=year, last=1)
    last = connection.execute(
        row.on_conflict_do_update(index_elements=["year"], set_={"last": case_numbers.c.last + 1}).returning(
            case_numbers.c.last
        )
    ).scalar_one()
    return f"{year}-{last:05d}"


_CODES_IN_USE = select(cases.c.code).where(
    or_(cases.c.closed_at.is_(None), cases.c.closed_at > bindparam("rested"))
)


def free_code(connection: Connection, at: datetime, source: random.Random) -> str:
    """Four digits that name no other case now, drawn at random so that nobody guesses the next.

    Holds if our transaction has taken `lock`. Raises NoFreeCode if all ten thousand are in use.
    """
    in_use = set(connection.execute(_CODES_IN_USE, {"rested": at - CODE_REST}).scalars())
    for _ in range(50):
        code = f"{source.randrange(10_000):04d}"
        if code not in in_use:
            return code
    free = [f"{n:04d}" for n in range(10_000) if f"{n:04d}" not in in_use]
    if not free:
        raise NoFreeCode
    return source.choice(free)


_OPEN = insert(cases)
_CALLED = insert(case_calls)


def open_case(
    connection: Connection,
    at: datetime,
    *,
    number: str,
    code: str,
    call_sid: str,
    customer_id: int | None,
    rota: str,
    urgency: str | None,
    due_at: datetime | None,
    pursue_at: datetime | None,
    billable: bool,
) -> int:
    """Open a case and, in the same transaction, write the work that pursues it. Returns its id.

    Without customer, urgency, deadline and pursuit it is one of a caller without a verified PIN, whom
    a technician hears: nothing was accepted, so nothing is pursued.
    """
    identity = connection.execute(
        _OPEN,
        {
            "number": number,
            "code": code,
            "call_sid": call_sid,
            "customer_id": customer_id,
            "rota": rota,
            "urgency": urgency,
            "opened_at": at,
            "due_at": due_at,
            "billable": billable,
            "screened": customer_id is None,
        },
    ).inserted_primary_key
    assert identity is not None
    if pursue_at is not None:
        due.add(connection, at, PURSUE, number, pursue_at, {"case": number})
    case_id = int(identity[0])
    connection.execute(_CALLED, {"case_id": case_id, "call_sid": call_sid, "joined_at": at})
    return case_id


def join(
    connection: Connection,
    at: datetime,
    case_id: int,
    *,
    call_sid: str,
    urgency: str,
    due_at: datetime,
    pursue_at: datetime,
) -> None:
    """Another call about an open case. No second case opens; its pursuit waits until `pursue_at`.

    An earlier deadline than the case's own means that it is more urgent now: then the deadline moves
    and `urgency` becomes its final one; the first stays on record.
    """
    connection.execute(_CALLED, {"case_id": case_id, "call_sid": call_sid, "joined_at": at})
    connection.execute(
        update(cases)
        .where(cases.c.id == case_id, cases.c.due_at > due_at)
        .values(due_at=due_at, final_urgency=urgency)
    )
    pursue(connection, at, case_id, pursue_at)


def pursue(connection: Connection, at: datetime, case_id: int, pursue_at: datetime) -> None:
    """See to it that the case is pursued from `pursue_at` on, also if it was connected or taken before."""
    number = _number(connection, case_id)
    if not due.move(connection, PURSUE, number, pursue_at):
        due.add(connection, at, PURSUE, number, pursue_at, {"case": number})


def pursue_now(connection: Connection, at: datetime, case_id: int, call_back: str | None = None) -> None:
    """The caller is no longer on the line: pursuit, if it is still pending, is due at once.

    `call_back` is where he wants to be called: that is pursued whatever came before. A technician who
    accepted and was not connected before the caller hung up is phoned first: work of its own.
    """
    if call_back is not None:
        connection.execute(update(cases).where(cases.c.id == case_id).values(call_back_to=call_back))
        pursue(connection, at, case_id, at)
        return
    number = _number(connection, case_id)
    if not due.move(connection, PURSUE, number, at):
        return
    last = connection.execute(
        select(attempts.c.id, attempts.c.technician, attempts.c.result)
        .where(attempts.c.case_id == case_id)
        .order_by(attempts.c.id.desc())
        .limit(1)
    ).first()
    if last is not None and last.result == "accepted" and not due.pending(connection, RECALL, str(last.id)):
        due.add(connection, at, RECALL, str(last.id), at, {"case": number, "technician": last.technician})


def _number(connection: Connection, case_id: int) -> str:
    number: str = connection.execute(select(cases.c.number).where(cases.c.id == case_id)).scalar_one()
    return number


# -- ringing -----------------------------------------------------------------------------------

_ATTEMPT = insert(attempts)
_PICKED_UP = (
    update(attempts)
    .where(attempts.c.id == bindparam("attempt"), attempts.c.result.is_(None))
    .values(picked_up_at=func.coalesce(attempts.c.picked_up_at, bindparam("picked", type_=Instant)))
)
_PRESSED = (
    update(attempts)
    .where(attempts.c.id == bindparam("attempt"), attempts.c.result.is_(None), attempts.c.pressed.is_(None))
    .values(pressed=bindparam("key"), pressed_at=bindparam("key_at"))
)
_RESULT = (
    update(attempts)
    .where(attempts.c.id == bindparam("attempt"))
    .values(result=bindparam("outcome"), result_at=bindparam("ended"))
)
# Locked: a key that is pressed meanwhile is either seen here or comes too late.
_ONE_ATTEMPT = select(attempts).where(attempts.c.id == bindparam("attempt")).with_for_update(key_share=True)
_CONNECTED = (
    update(cases)
    .where(cases.c.id == bindparam("case"), cases.c.connected_at.is_(None))
    .values(connected_at=bindparam("connected"))
)


def begin_attempt(
    connection: Connection,
    at: datetime,
    case_id: int,
    call_sid: str,
    technician: str,
    phone: str,
    rung: int,
) -> int:
    """Note that a technician's phone is rung now for the case; returns the attempt's id."""
    identity = connection.execute(
        _ATTEMPT,
        {
            "case_id": case_id,
            "call_sid": call_sid,
            "technician": technician,
            "phone": phone,
            "rung": rung,
            "asked_at": at,
        },
    ).inserted_primary_key
    assert identity is not None
    return int(identity[0])


def picked_up(connection: Connection, at: datetime, attempt_id: int) -> bool:
    """Somebody, or something, picked up. False if the attempt has ended: say goodbye."""
    return connection.execute(_PICKED_UP, {"attempt": attempt_id, "picked": at}).rowcount == 1


def press(
    connection: Connection, at: datetime, attempt_id: int, key: Literal["accepted", "declined"]
) -> bool:
    """Record the technician's key. Only this makes an attempt accepted.

    False if the attempt has ended or a key was recorded before: nothing changed, and he must not be
    connected on the strength of this key.
    """
    return connection.execute(_PRESSED, {"attempt": attempt_id, "key": key, "key_at": at}).rowcount == 1


def settle(
    connection: Connection, at: datetime, attempt_id: int, status: str | None, *, bridged: bool
) -> Result | None:
    """End an attempt with its result; None if it does not exist. Settled before: that result stands.

    `status` is what the telephone network reported, None if it reported nothing. `connected` needs
    his recorded key and the bridge; then the case is connected and its pursuit cancelled.
    """
    row = connection.execute(_ONE_ATTEMPT, {"attempt": attempt_id}).first()
    if row is None:
        return None
    # An end-of-call callback that came first could not know of the bridge: that may still be learnt.
    late_bridge = row.result == "accepted" and bridged
    if row.result is not None and not late_bridge:
        known: Result = row.result
        return known
    result = result_of(row.pressed, picked_up=row.picked_up_at is not None, status=status, bridged=bridged)
    connection.execute(_RESULT, {"attempt": attempt_id, "outcome": result, "ended": at})
    if result == "connected":
        # The clock of the SLA stops when he took the call, not when the talk was over.
        connection.execute(_CONNECTED, {"case": row.case_id, "connected": row.pressed_at})
        due.cancel(
            connection, at, PURSUE, _number(connection, row.case_id), by=f"connected to {row.technician}"
        )
    return result


_PRESSED_AT = select(attempts.c.pressed_at).where(attempts.c.id == bindparam("attempt"))


def pressed_at(connection: Connection, attempt_id: int) -> datetime | None:
    """When the technician pressed his key."""
    return connection.execute(_PRESSED_AT, {"attempt": attempt_id}).scalar()


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


def unsettled(connection: Connection, call_sid: str) -> list[int]:
    """Attempts of the call's cases that have no result yet."""
    return list(
        connection.execute(
            select(attempts.c.id).where(attempts.c.call_sid == call_sid, attempts.c.result.is_(None))
        ).scalars()
    )


# Twilio ends any call after four hours: an attempt older than that is only a lost callback.
LONGEST_TALK = timedelta(hours=4)
_ENGAGED = select(attempts.c.phone).where(
    attempts.c.result.is_(None),
    attempts.c.asked_at > bindparam("since"),
    attempts.c.call_sid != bindparam("call"),
)


def engaged(connection: Connection, at: datetime, call_sid: str) -> frozenset[str]:
    """Phones that are ringing or talking now for a call other than `call_sid`.

    Whoever goes on to ring one takes `lock` first.
    """
    found = connection.execute(_ENGAGED, {"since": at - LONGEST_TALK, "call": call_sid})
    return frozenset(found.scalars())


# -- by hand -----------------------------------------------------------------------------------


def take(connection: Connection, actor: str, at: datetime, case: Case, technician: str) -> None:
    """A technician takes the case by hand: the SLA clock stops, pursuit is cancelled.

    Raises CaseClosed. Taking it again, or from a colleague, is allowed and recorded.
    """
    _change(
        connection, case, taken_at=func.coalesce(cases.c.taken_at, literal(at, Instant)), taken_by=technician
    )
    due.cancel(connection, at, PURSUE, case.number, by=f"taken by {technician}")
    audit.record(
        connection, actor, at, "case.take", f"case:{case.number}", details={"technician": technician}
    )


def close(
    connection: Connection,
    actor: str,
    at: datetime,
    case: Case,
    *,
    outcome: str = "",
    minutes: int | None = None,
) -> None:
    """Close the case; `minutes` were worked. Raises CaseClosed, or CaseRefusal for bad minutes."""
    if minutes is not None and not 0 <= minutes <= 100_000:
        raise CaseRefusal("minutes worked are counted from 0 up")
    _change(
        connection,
        case,
        closed_at=at,
        closed_by=actor,
        outcome=outcome,
        minutes=minutes,
        final_urgency=case.final_urgency or case.urgency,
    )
    due.cancel(connection, at, PURSUE, case.number, by=f"closed by {actor}")
    audit.record(
        connection,
        actor,
        at,
        "case.close",
        f"case:{case.number}",
        reason=outcome,
        details={"minutes": minutes},
    )


def _change(connection: Connection, case: Case, **values: Any) -> None:
    """Change an open case. Raises CaseClosed, also when somebody closed it since `case` was read."""
    still_open = update(cases).where(cases.c.id == case.id, cases.c.closed_at.is_(None))
    if connection.execute(still_open.values(**values)).rowcount != 1:
        raise CaseClosed(case.number)


# -- reading -----------------------------------------------------------------------------------


def find(connection: Connection, name: str) -> Case:
    """The case with this number (2026-00412) or spoken code; of several codes the latest.

    Raises UnknownCase.
    """
    row = connection.execute(
        select(cases)
        .where(or_(cases.c.number == name, cases.c.code == name))
        .order_by(cases.c.id.desc())
        .limit(1)
    ).first()
    if row is None:
        raise UnknownCase(name)
    return _case(row)


def of_call(connection: Connection, call_sid: str) -> Case | None:
    """The latest case that this call opened or joined."""
    row = connection.execute(
        select(cases)
        .join(case_calls, case_calls.c.case_id == cases.c.id)
        .where(case_calls.c.call_sid == call_sid)
        .order_by(cases.c.id.desc())
        .limit(1)
    ).first()
    return _case(row) if row else None


_OPEN_OF_CUSTOMER = (
    select(cases)
    .where(cases.c.customer_id == bindparam("customer"), cases.c.closed_at.is_(None))
    .order_by(cases.c.id.desc())
)


def open_of_customer(connection: Connection, customer_id: int, code: str | None = None) -> Case | None:
    """The customer's latest open case, or his open one with this spoken code."""
    rows = connection.execute(_OPEN_OF_CUSTOMER, {"customer": customer_id})
    return next((_case(row) for row in rows if code is None or row.code == code), None)


def connected_technician(connection: Connection, case_id: int) -> str | None:
    """The key of the technician who was last connected to a caller about this case."""
    return connection.execute(
        select(attempts.c.technician)
        .where(attempts.c.case_id == case_id, attempts.c.result == "connected")
        .order_by(attempts.c.id.desc())
        .limit(1)
    ).scalar()


def recent(connection: Connection, *, limit: int = 200) -> list[Case]:
    """The latest cases, newest first."""
    return [_case(row) for row in connection.execute(select(cases).order_by(cases.c.id.desc()).limit(limit))]


def attempts_of(connection: Connection, case_id: int) -> list[Attempt]:
    """In the order in which they were rung."""
    rows = connection.execute(select(attempts).where(attempts.c.case_id == case_id).order_by(attempts.c.id))
    return [Attempt(r.id, r.technician, r.phone, r.rung, r.asked_at, r.result) for r in rows]


def _case(row: Row[Any]) -> Case:
    return Case(
        id=row.id,
        number=row.number,
        code=row.code,
        call_sid=row.call_sid,
        customer_id=row.customer_id,
        rota=row.rota,
        urgency=row.urgency,
        final_urgency=row.final_urgency,
        opened_at=row.opened_at,
        due_at=row.due_at,
        connected_at=row.connected_at,
        taken_at=row.taken_at,
        taken_by=row.taken_by,
        closed_at=row.closed_at,
        screened=row.screened,
    )

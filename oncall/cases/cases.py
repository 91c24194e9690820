"""Cases: opened, joined, found. Verbs take a Connection, the actor and `at`, and never commit.

An accepted emergency is never dropped: the work that pursues a case is written with the case, and
only two things cancel it: a technician connected to the caller, or a person who takes or closes the
case by hand.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, or_, select, update

from oncall.reaching import reminders
from oncall.tables import case_calls, case_numbers, cases
from storage import due
from storage.conflicts import insert_in, inserting
from storage.prepared import Prepared

PURSUE = "case.pursue"
# A spoken code names one case among those open, or closed less than this long ago.
CODE_REST = timedelta(days=30)


class CaseRefusal(Exception):
    """What was asked of a case cannot be; nothing was changed. The text says why; `why` is the reason's
    name, for whoever says it in other words.
    """

    def __init__(self, text: str, why: str = "other") -> None:
        super().__init__(text)
        self.why = why


class UnknownCase(CaseRefusal):
    def __init__(self, name: str) -> None:
        super().__init__(f"there is no case {name!r}", "unknown")


class CaseClosed(CaseRefusal):
    def __init__(self, number: str) -> None:
        super().__init__(f"case {number} is closed", "closed")


class NoFreeCode(CaseRefusal):
    def __init__(self) -> None:
        super().__init__("every spoken code is in use")


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
    # Where the caller asked to be called back; None: the number he called from.
    call_back_to: str | None = None
    # phone, link, text, hand; a taking by text message holds for a while only.
    taken_via: str | None = None
    # How often the customer was dialled for a technician.
    customer_calls: int = 0
    # The time to take in charge passed before anybody did.
    breached_at: datetime | None = None
    # The number of the case that goes on in its stead.
    merged_into: str | None = None
    billable: bool = False
    closed_by: str | None = None
    outcome: str | None = None
    # Minutes worked.
    minutes: int | None = None

    @property
    def level(self) -> str | None:
        """Its urgency as it stands: the final one, else the first; None if the caller was never asked."""
        return self.final_urgency or self.urgency


# PostgreSQL's advisory lock behind `lock`: any number that nobody else in the database uses.
_DECIDING = 4_771_002
_LOCK = Prepared(select(func.pg_advisory_xact_lock(_DECIDING)))


def lock(connection: Connection) -> None:
    """Be the only one, until our transaction ends, who draws a code or chooses whom to ring: two calls
    at one instant would draw the same code or ring the same telephone. SQLite's writer is alone anyway.
    """
    if connection.dialect.name != "sqlite":
        _LOCK.first(connection, {})


# -- opening -----------------------------------------------------------------------------------


@cache
def _counting_on(dialect: str) -> Prepared:
    on = insert_in(dialect, case_numbers).on_conflict_do_update(
        index_elements=["year"], set_={"last": case_numbers.c.last + 1}
    )
    return Prepared(on.returning(case_numbers.c.last))


def next_number(connection: Connection, year: int) -> str:
    """The next permanent number of `year`, such as 2026-00412. No gap unless rolled back."""
    last = _counting_on(connection.dialect.name).scalar(connection, {"year": year, "last": 1})
    return f"{year}-{last:05d}"


_CODES_IN_USE = select(cases.c.code).where(
    or_(cases.c.closed_at.is_(None), cases.c.closed_at > bindparam("rested"))
)
_IN_USE = Prepared(_CODES_IN_USE)


def free_code(connection: Connection, at: datetime, source: random.Random) -> str:
    """Four digits that name no other case now, drawn at random so that nobody guesses the next.

    Holds if our transaction has taken `lock`. Raises NoFreeCode if all ten thousand are in use.
    """
    in_use = {code for (code,) in _IN_USE.all(connection, {"rested": at - CODE_REST})}
    for _ in range(50):
        code = f"{source.randrange(10_000):04d}"
        if code not in in_use:
            return code
    free = [f"{n:04d}" for n in range(10_000) if f"{n:04d}" not in in_use]
    if not free:
        raise NoFreeCode
    return source.choice(free)


_OPEN = Prepared(insert(cases).returning(cases.c.id))
_CALLED = Prepared(insert(case_calls))


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
    case_id: int = _OPEN.scalar(
        connection,
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
            "customer_calls": 0,
        },
    )
    if pursue_at is not None and due_at is not None:
        about = {"case": number}
        first = reminders.instant_of(50, at, due_at)
        due.add_all(
            connection, at, [(PURSUE, number, pursue_at, about), (reminders.REMIND, number, first, about)]
        )
    _CALLED.count(connection, {"case_id": case_id, "call_sid": call_sid, "joined_at": at})
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
    and `urgency` becomes its final one; the first stays on record. So it does where there was none.
    """
    # That it is may be known already: the turn was written elsewhere, and its answer never arrived.
    note_call(connection, at, case_id, call_sid)
    connection.execute(
        update(cases)
        .where(cases.c.id == case_id, or_(cases.c.due_at.is_(None), cases.c.due_at > due_at))
        .values(due_at=due_at, urgency=func.coalesce(cases.c.urgency, urgency), final_urgency=urgency)
    )
    pursue(connection, at, case_id, pursue_at)
    row = _TIMES.one(connection, {"case": case_id})
    reminders.plan(connection, at, row.number, row.opened_at, row.due_at)


def note_call(connection: Connection, at: datetime, case_id: int, call_sid: str) -> bool:
    """Note that this call is about this case; False if that was known."""
    new = inserting(connection, case_calls).on_conflict_do_nothing(index_elements=["case_id", "call_sid"])
    values = {"case_id": case_id, "call_sid": call_sid, "joined_at": at}
    return connection.execute(new, values).rowcount == 1


_TIMES = Prepared(
    select(cases.c.number, cases.c.opened_at, cases.c.due_at).where(cases.c.id == bindparam("case"))
)


def pursue(connection: Connection, at: datetime, case_id: int, pursue_at: datetime) -> None:
    """See to it that the case is pursued from `pursue_at` on, also if it was connected or taken before.

    The work is begun anew, so that it tells since when: whatever turns out to have ended an earlier pursuit,
    at a node that could not know of this one, has not ended it.
    """
    number = number_of(connection, case_id)
    due.cancel(connection, at, PURSUE, number, by="wanted anew")
    due.add(connection, at, PURSUE, number, pursue_at, {"case": number})


def pursue_now(connection: Connection, at: datetime, case_id: int, call_back: str | None = None) -> None:
    """The caller is no longer on the line: pursuit, if it is still pending, is due at once.

    `call_back` is where he wants to be called: that is pursued whatever came before.
    """
    if call_back is not None:
        connection.execute(update(cases).where(cases.c.id == case_id).values(call_back_to=call_back))
        pursue(connection, at, case_id, at)
        return
    pursue_case_now(connection, at, number_of(connection, case_id))


def pursue_case_now(connection: Connection, at: datetime, number: str) -> None:
    """The same without another wish, of a case whose permanent number is known."""
    due.move(connection, PURSUE, number, at)


_NUMBER = Prepared(select(cases.c.number).where(cases.c.id == bindparam("case")))


def number_of(connection: Connection, case_id: int) -> str:
    """The permanent number of the case with this id."""
    number: str = _NUMBER.one(connection, {"case": case_id}).number
    return number


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


def by_number(connection: Connection, number: str) -> Case | None:
    """The case with this permanent number."""
    row = connection.execute(select(cases).where(cases.c.number == number)).first()
    return _case(row) if row else None


def opened_by(connection: Connection, call_sid: str) -> Case | None:
    """The latest case that this call opened itself."""
    own = select(cases).where(cases.c.call_sid == call_sid).order_by(cases.c.id.desc()).limit(1)
    row = connection.execute(own).first()
    return _case(row) if row else None


def tell_as(connection: Connection, at: datetime, case_id: int, code: str) -> None:
    """The code that the caller was told for this case counts, unless it names another one by now."""
    others = _CODES_IN_USE.where(cases.c.id != case_id)
    if code not in set(connection.execute(others, {"rested": at - CODE_REST}).scalars()):
        connection.execute(update(cases).where(cases.c.id == case_id).values(code=code))


_OF_CALL = Prepared(
    select(cases)
    .join(case_calls, case_calls.c.case_id == cases.c.id)
    .where(case_calls.c.call_sid == bindparam("call"))
    .order_by(cases.c.id.desc())
    .limit(1)
)


def of_call(connection: Connection, call_sid: str) -> Case | None:
    """The latest case that this call opened or joined."""
    row = _OF_CALL.first(connection, {"call": call_sid})
    return _case(row) if row else None


_OPEN_OF_CUSTOMER = Prepared(
    select(cases)
    .where(cases.c.customer_id == bindparam("customer"), cases.c.closed_at.is_(None))
    .order_by(cases.c.id.desc())
)


def open_of_customer(connection: Connection, customer_id: int, code: str | None = None) -> Case | None:
    """The customer's latest open case, or his open one with this spoken code."""
    rows = _OPEN_OF_CUSTOMER.all(connection, {"customer": customer_id})
    return next((_case(row) for row in rows if code is None or row.code == code), None)


def recent(
    connection: Connection, *, limit: int = 200, still_open: bool = False, customer_id: int | None = None
) -> list[Case]:
    """The latest cases, newest first; only those still open, or a customer's, if so asked."""
    query = select(cases).order_by(cases.c.id.desc()).limit(limit)
    if still_open:
        query = query.where(cases.c.closed_at.is_(None))
    if customer_id is not None:
        query = query.where(cases.c.customer_id == customer_id)
    return [_case(row) for row in connection.execute(query)]


def some(connection: Connection, case_ids: Iterable[int]) -> list[Case]:
    """The cases with these ids, oldest first."""
    query = select(cases).where(cases.c.id.in_(list(case_ids))).order_by(cases.c.id)
    return [_case(row) for row in connection.execute(query)]


_LOCKED = (
    select(cases)
    .where(cases.c.id.in_(bindparam("some", expanding=True)))
    .order_by(cases.c.id)
    .with_for_update(key_share=True)
)


def locked(connection: Connection, *case_ids: int) -> list[Case]:
    """These cases as they stand now, oldest first; nobody else changes them until our transaction ends."""
    return [_case(row) for row in connection.execute(_LOCKED, {"some": case_ids})]


_CALLS = (
    select(case_calls.c.call_sid)
    .where(case_calls.c.case_id == bindparam("case"))
    .order_by(case_calls.c.joined_at, case_calls.c.call_sid)
)


def calls_of(connection: Connection, case_id: int) -> list[str]:
    """The calls about a case, by their sids: the one that opened it, then those that joined it."""
    return list(connection.execute(_CALLS, {"case": case_id}).scalars())


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
        call_back_to=row.call_back_to,
        taken_via=row.taken_via,
        customer_calls=row.customer_calls,
        breached_at=row.breached_at,
        merged_into=row.merged_into,
        billable=row.billable,
        closed_by=row.closed_by,
        outcome=row.outcome,
        minutes=row.minutes,
    )

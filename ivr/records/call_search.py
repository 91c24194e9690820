"""Calls looked for by people: the newest first, a page at a time, found by where the last page ended.

What a page costs depends on what it shows, not on how many calls there are: an index leads to the newest of
whatever is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, false, func, or_, select

from ivr.records import heard
from ivr.tables import TOLD, calls, messages
from oncall.tables import case_calls, cases
from pins import customer_list
from pins.tables import customers

PAGE = 30
# Rows that an export fetches at a time.
PORTION = 1000
# Customers, and calls of a caller's number, that a text may stand for.
MOST_CUSTOMERS = 100
MOST_OF_NUMBER = 1000
# A call that lasts longer has lost its end.
LONGEST = timedelta(hours=4)
UNDER_WAY = "under-way"
_SID = re.compile(r"CA[0-9a-f]{32}")
_CASE = re.compile(r"[0-9]{4}-[0-9]{1,9}")
_CODE = re.compile(r"[0-9]{4}")


@dataclass(frozen=True)
class Wanted:
    """What is looked for; what is empty does not matter.

    `text`: a caller's number or its beginning, a customer's code or a part of his name, a case's number or
    code, a call's sid. `numbers` are how the text may begin as a caller's number, in E.164. `outcome` is one
    of `ivr.vocabulary.Outcome`, or UNDER_WAY. Calls began from `start` up to, not including, `end`.
    `unheard`: only calls with a message that nobody has listened to.
    """

    text: str = ""
    numbers: tuple[str, ...] = ()
    number: str = ""
    outcome: str = ""
    urgency: str = ""
    start: datetime | None = None
    end: datetime | None = None
    unheard: bool = False


@dataclass(frozen=True, order=True)
class Place:
    """Where a page begins or ends: a call's beginning, and its sid."""

    at: datetime
    sid: str


@dataclass(frozen=True)
class Found:
    """A call as a list shows it. `ended`: None while it goes on, or if its end was lost. `case` is the number
    of the latest case that it opened or joined, `messages` how many were left in it. `step` is where its
    caller stands (`ivr.vocabulary.Step`).
    """

    sid: str
    caller: str
    number: str
    started: datetime
    ended: datetime | None
    outcome: str | None
    urgency: str | None
    customer: str | None
    customer_name: str | None
    step: str
    case: str | None = None
    messages: int = 0

    @property
    def place(self) -> Place:
        return Place(self.started, self.sid)

    @property
    def length(self) -> timedelta | None:
        return self.ended - self.started if self.ended else None


@dataclass(frozen=True)
class Page:
    """The newest first. `newer` and `older`: whether there are calls beyond its first and its last."""

    calls: tuple[Found, ...]
    newer: bool = False
    older: bool = False


def page(
    connection: Connection,
    at: datetime,
    wanted: Wanted,
    *,
    older_than: Place | None = None,
    newer_than: Place | None = None,
    limit: int = PAGE,
) -> Page:
    """A page of the calls that are wanted: those next to the place that is given, else the newest."""
    conditions = _conditions(connection, at, wanted)
    query = _CALLS.where(*conditions)
    if newer_than is not None:
        query = query.where(_newer(newer_than)).order_by(calls.c.started_at, calls.c.sid)
    else:
        query = query.order_by(calls.c.started_at.desc(), calls.c.sid.desc())
        if older_than is not None:
            query = query.where(_older(older_than))
    rows: list[Row[Any]] = list(connection.execute(query.limit(limit + 1)))
    more, rows = len(rows) > limit, rows[:limit]
    if newer_than is not None:
        rows.reverse()
        return Page(_with_cases(connection, rows), newer=more, older=True)
    return Page(_with_cases(connection, rows), newer=older_than is not None, older=more)


def every(connection: Connection, at: datetime, wanted: Wanted, *, most: int) -> Iterator[Found]:
    """The calls that are wanted, the newest first, at most so many; fetched a portion at a time."""
    last: Place | None = None
    while most > 0:
        some = page(connection, at, wanted, older_than=last, limit=min(PORTION, most))
        yield from some.calls
        most -= len(some.calls)
        if not some.older or not some.calls:
            return
        last = some.calls[-1].place


def under_way(connection: Connection, at: datetime) -> list[Found]:
    """The calls that go on now, the oldest first."""
    query = _CALLS.where(*_going_on(at)).order_by(calls.c.started_at, calls.c.sid)
    return list(_with_cases(connection, list(connection.execute(query.limit(PAGE)))))


_CALLS = select(
    calls.c.sid,
    calls.c.caller,
    calls.c.number,
    calls.c.started_at,
    calls.c.ended_at,
    calls.c.outcome,
    calls.c.urgency,
    customers.c.code,
    customers.c.name,
    calls.c.step,
).select_from(calls.outerjoin(customers, customers.c.id == calls.c.customer_id))


def _conditions(connection: Connection, at: datetime, wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.start is not None:
        found.append(calls.c.started_at >= wanted.start)
    if wanted.end is not None:
        found.append(calls.c.started_at < wanted.end)
    if wanted.number:
        found.append(calls.c.number == wanted.number)
    if wanted.urgency:
        found.append(calls.c.urgency == wanted.urgency)
    if wanted.outcome == UNDER_WAY:
        found += _going_on(at)
    elif wanted.outcome:
        found.append(calls.c.outcome == wanted.outcome)
    if wanted.unheard:
        found.append(calls.c.sid.in_(select(messages.c.call_sid).where(heard.waits(at))))
    if wanted.text:
        found.append(_text(connection, wanted))
    return found


def _going_on(at: datetime) -> list[ColumnElement[bool]]:
    return [calls.c.ended_at.is_(None), calls.c.started_at > at - LONGEST]


def _text(connection: Connection, wanted: Wanted) -> ColumnElement[bool]:
    text = wanted.text
    if _SID.fullmatch(text):
        return calls.c.sid == text
    ways: list[ColumnElement[bool]] = []
    if _CASE.fullmatch(text) or _CODE.fullmatch(text):
        about = select(case_calls.c.call_sid).join(cases, cases.c.id == case_calls.c.case_id)
        ways.append(calls.c.sid.in_(about.where(or_(cases.c.number == text, cases.c.code == text))))
    ways += [_from(connection, number) for number in wanted.numbers]
    if any(c.isalpha() for c in text) or not ways:
        ids = _customers(connection, text)
        ways.append(calls.c.customer_id.in_(ids) if ids else false())
    return or_(*ways)


def _from(connection: Connection, number: str) -> ColumnElement[bool]:
    """Calls from numbers that begin so. Of few the index knows them all; of many the newest are soon met."""
    beyond = number[:-1] + chr(ord(number[-1]) + 1)
    begins = and_(TOLD, calls.c.caller >= number, calls.c.caller < beyond)
    sids = list(connection.execute(select(calls.c.sid).where(begins).limit(MOST_OF_NUMBER)).scalars())
    if len(sids) < MOST_OF_NUMBER:
        return calls.c.sid.in_(sids)
    # No index has the result of a function: the calls are walked from the newest, as they are to be shown.
    caller = func.coalesce(calls.c.caller, "")
    return and_(caller >= number, caller < beyond)


def _customers(connection: Connection, text: str) -> list[int]:
    """The customer with this code, else the first of those whom the text finds."""
    exact = connection.execute(select(customers.c.id).where(customers.c.code == text.upper())).scalar()
    if exact is not None:
        return [exact]
    named = select(customers.c.id).where(customer_list.matches(text)).order_by(customers.c.found_by)
    return list(connection.execute(named.limit(MOST_CUSTOMERS)).scalars())


def _older(place: Place) -> ColumnElement[bool]:
    began = calls.c.started_at
    return and_(began <= place.at, or_(began < place.at, calls.c.sid < place.sid))


def _newer(place: Place) -> ColumnElement[bool]:
    began = calls.c.started_at
    return and_(began >= place.at, or_(began > place.at, calls.c.sid > place.sid))


def _with_cases(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[Found, ...]:
    sids = [row.sid for row in rows]
    about = (
        select(case_calls.c.call_sid, cases.c.number)
        .join(cases, cases.c.id == case_calls.c.case_id)
        .where(case_calls.c.call_sid.in_(sids))
        .order_by(cases.c.id)
    )
    numbers = {row.call_sid: row.number for row in connection.execute(about)}
    left = (
        select(messages.c.call_sid, func.count().label("many"))
        .where(messages.c.call_sid.in_(sids), messages.c.kind == "message")
        .group_by(messages.c.call_sid)
    )
    counts = {row.call_sid: row.many for row in connection.execute(left)}
    return tuple(
        Found(
            row.sid,
            row.caller,
            row.number,
            row.started_at,
            row.ended_at,
            row.outcome,
            row.urgency,
            row.code,
            row.name,
            row.step,
            numbers.get(row.sid),
            counts.get(row.sid, 0),
        )
        for row in rows
    )

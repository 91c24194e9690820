"""What after-hours support comes to for each customer: his calls, ours to him, the minutes worked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, select

from ivr.tables import calls, outgoing, outgoing_turns
from oncall.reports import AttemptRow, CaseRow, Period
from oncall.tables import case_calls
from oncall.tables import cases as case_table

# What is heard in a call that we placed: his key, after which the customer is dialled; how that ended.
_TAKEN = "taken"
_TALKED = ("connected", "cut short")


@dataclass(frozen=True)
class CallRow:
    """A call that came in; `customer` is the code, if one was recognised; `case` the number of its case."""

    sid: str
    number: str
    rota: str | None
    started: datetime
    ended: datetime | None
    outcome: str | None
    customer: str | None
    urgency: str | None
    case: str | None


@dataclass(frozen=True)
class Talk:
    """A technician talked to the customer in a call that we placed, from his key to the end."""

    case: str
    technician: str
    start: datetime
    end: datetime
    rota: str = ""


@dataclass(frozen=True)
class Line:
    """One line of a customer's account: his call, ours to him, or the work on a case that was closed.

    `seconds` is how long a call lasted, `talk` how long of it a technician was on the line, from his key.
    Of `minutes` worked, `prepaid` were in his package and `billed` are to be billed.
    """

    customer: str
    kind: Literal["call", "call-back", "work"]
    at: datetime
    rota: str
    number: str = ""
    outcome: str = ""
    urgency: str = ""
    case: str = ""
    billable: bool = False
    seconds: int = 0
    talk: int = 0
    minutes: int = 0
    prepaid: int = 0
    billed: int = 0


@dataclass(frozen=True)
class Account:
    """What one customer's lines come to. Seconds, and minutes of work."""

    customer: str
    calls: int
    seconds: int
    talk: int
    billable_talk: int
    minutes: int
    prepaid: int
    billed: int


def account(customer: str, lines: Sequence[Line]) -> Account:
    """The sums of a customer's lines."""
    return Account(
        customer,
        calls=sum(line.kind == "call" for line in lines),
        seconds=sum(line.seconds for line in lines),
        talk=sum(line.talk for line in lines),
        billable_talk=sum(line.talk for line in lines if line.billable),
        minutes=sum(line.minutes for line in lines),
        prepaid=sum(line.prepaid for line in lines),
        billed=sum(line.billed for line in lines),
    )


def lines_of(
    period: Period,
    came: Sequence[CallRow],
    cases: Sequence[CaseRow],
    rang: Sequence[AttemptRow],
    talks: Sequence[Talk],
) -> list[Line]:
    """Every line of the period that belongs to a customer, in order of time.

    A call counts where it began, a talk with its call, work where its case was closed.
    """
    by_number = {case.number: case for case in cases}
    talked: defaultdict[str, int] = defaultdict(int)
    for attempt in rang:
        if attempt.call is not None and attempt.talk is not None:
            talked[attempt.call] += _whole(attempt.talk.total_seconds())
    lines = [_of_call(call, by_number.get(call.case or ""), talked[call.sid]) for call in came]
    lines += [_of_talk(talk, by_number[talk.case]) for talk in talks if talk.case in by_number]
    lines += [
        _of_work(case, case.closed_at)
        for case in cases
        if case.closed_at is not None and period.start <= case.closed_at < period.end and case.minutes
    ]
    return sorted((line for line in lines if line.customer), key=lambda line: (line.at, line.kind, line.case))


def _of_call(call: CallRow, case: CaseRow | None, talk: int) -> Line:
    return Line(
        # Of a caller who was screened, the case may know by now who he was.
        call.customer or (case.customer if case else None) or "",
        "call",
        call.started,
        call.rota or (case.rota if case else ""),
        number=call.number,
        outcome=call.outcome or "",
        urgency=call.urgency or "",
        case=call.case or "",
        billable=case.billable if case else False,
        seconds=_whole((call.ended - call.started).total_seconds()) if call.ended else 0,
        talk=talk,
    )


def _of_talk(talk: Talk, case: CaseRow) -> Line:
    seconds = _whole((talk.end - talk.start).total_seconds())
    return Line(
        case.customer or "",
        "call-back",
        talk.start,
        case.rota,
        urgency=case.level or "",
        case=case.number,
        billable=case.billable,
        seconds=seconds,
        talk=seconds,
    )


def _of_work(case: CaseRow, closed_at: datetime) -> Line:
    return Line(
        case.customer or "",
        "work",
        closed_at,
        case.rota,
        urgency=case.level or "",
        case=case.number,
        billable=case.billable,
        minutes=case.minutes or 0,
        prepaid=case.prepaid,
        billed=case.billed,
    )


# -- rows --------------------------------------------------------------------------------------


def calls_in(
    connection: Connection, period: Period, codes: Mapping[int, str], rotas: Mapping[str, str]
) -> list[CallRow]:
    """The calls that came in within the period. `codes`: customers by id; `rotas`: by our number."""
    within = calls.c.started_at >= period.start, calls.c.started_at < period.end
    of_case = {
        row.call_sid: row.number
        for row in connection.execute(
            select(case_calls.c.call_sid, case_table.c.number)
            .join(case_table, case_table.c.id == case_calls.c.case_id)
            .join(calls, calls.c.sid == case_calls.c.call_sid)
            # A merged case's calls are another's too, the one that goes on.
            .where(*within, case_table.c.merged_into.is_(None))
            .order_by(case_table.c.id)
        )
    }
    rows = connection.execute(select(calls).where(*within).order_by(calls.c.started_at, calls.c.sid))
    return [
        CallRow(
            row.sid,
            row.number,
            rotas.get(row.number),
            row.started_at,
            row.ended_at,
            row.outcome,
            codes.get(row.customer_id or 0),
            row.urgency,
            of_case.get(row.sid),
        )
        for row in rows
    ]


def talks_in(connection: Connection, period: Period) -> list[Talk]:
    """Talks of calls that we placed within the period."""
    rows = connection.execute(
        select(
            outgoing.c.id,
            outgoing.c.technician,
            case_table.c.number,
            case_table.c.merged_into,
            case_table.c.rota,
            outgoing_turns.c.at,
            outgoing_turns.c.heard,
        )
        .join(outgoing_turns, outgoing_turns.c.outgoing_id == outgoing.c.id)
        .join(case_table, case_table.c.id == outgoing.c.case_id)
        .where(outgoing.c.asked_at >= period.start, outgoing.c.asked_at < period.end)
        .order_by(outgoing.c.id, outgoing_turns.c.turn)
    )
    found: list[Talk] = []
    since: dict[int, datetime] = {}
    for row in rows:
        if row.heard == _TAKEN:
            since[row.id] = row.at
        elif row.heard in _TALKED and row.id in since:
            number = row.merged_into or row.number
            found.append(Talk(number, row.technician, since.pop(row.id), row.at, row.rota))
    return found


def _whole(seconds: float) -> int:
    return max(0, round(seconds))

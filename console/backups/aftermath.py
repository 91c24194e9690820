"""What was under way when a backup was written, and must not simply go on when it is restored.

The service went on after the backup, so most of what waits in it has been done, and nobody knows which. So
nothing that tells somebody of a moment that is past is sent again; what looks ahead, or does no harm twice,
goes on; and no case is lost: one that nobody had is pursued again, a while after the restore, in which
whoever restores closes those that were dealt with. No session and no link is good any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from console.processes.patient import PURGE
from console.tables import console_jobs, console_links, console_sessions
from console.work import calendars, handed_on, reconcile, stand_in
from console.work.erasure import TRACES
from ivr import ageing, journal, outgoing_desk, placed
from ivr.tables import outgoing
from ivr.tickets import tickets
from oncall.cases import cases
from oncall.cases.cases import PURSUE
from oncall.notices import notices
from oncall.reaching import reminders, shift_checks, watch
from oncall.reaching.reached import CHECK, NOTICE
from oncall.tables import case_links, case_numbers, passes, rota_watch
from oncall.tables import cases as case_rows
from oncall.tables import notices as notice_rows
from oncall.tables import shift_checks as check_rows
from pins import outbox, registry
from storage import due, ledger
from storage.alarms import ALARM
from storage.tables import due_work

# So long after the restore an open case that nobody has is pursued again, at the earliest.
GRACE = timedelta(minutes=15)
# So many numbers of cases are left out, and so many ids: those given after the backup stand in letters, in
# mails and in the ledger, and must not name something else now.
CASES_LEFT_OUT, IDS_LEFT_OUT = 100, 1000
BY = "restore"

# What becomes of work that was pending, by its kind.
PURSUED_LATER = frozenset({PURSUE, reminders.REMIND})
# Told, or placed, soon after the backup, as far as anybody knows.
ENDS = frozenset(
    {
        NOTICE,
        outgoing_desk.PLACE,
        outgoing_desk.WATCH,
        handed_on.NOBODY_ANSWERED,
        handed_on.NO_URGENCY,
        handed_on.SCREENED_IN_VAIN,
        handed_on.MESSAGE,
    }
)
# A question that was asked is asked no more; one that is still to be asked is.
ENDS_IF_BEGUN = frozenset({CHECK})
# An alarm carries its date, and the Message-ID of the first time, as does a letter, whose file is gone once
# it was delivered. What a ticket is told has an id, by which whoever has it already knows it. The others look
# at what is there when they are done.
GOES_ON = frozenset(
    {
        ALARM,
        outbox.LETTER,
        registry.ENDS,
        watch.WATCH,
        calendars.FETCH,
        journal.FETCH,
        journal.FORGET,
        ageing.FORGET,
        PURGE,
        ledger.KIND,
        TRACES,
        stand_in.KEEP,
        reconcile.COMPARE,
        reconcile.FOUND,
        *tickets.KINDS.values(),
    }
)


@dataclass(frozen=True)
class Aftermath:
    """The numbers of the cases that will be pursued again, and how much work was ended, by its kind."""

    pursued: list[str]
    ended: dict[str, int]


def settle(connection: Connection, at: datetime) -> Aftermath:
    """See to everything that was under way, as of a restore at `at`."""
    connection.execute(
        update(due_work).where(due_work.c.state == due.PENDING).values(lease=None, leased_until=None)
    )
    waiting = select(due_work.c.kind, func.count()).where(
        due_work.c.state == due.PENDING, due_work.c.kind.in_(ENDS)
    )
    ended = {row[0]: row[1] for row in connection.execute(waiting.group_by(due_work.c.kind))}
    _end_calls_of_ours(connection, at)
    _end_notices(connection, at)
    if questions := _end_questions(connection, at):
        ended[CHECK] = questions
    _end(connection, at, ENDS)
    _shut_doors(connection, at)
    # Everybody has been told of the turns that began meanwhile.
    connection.execute(update(rota_watch).values(told_until=at))
    _leave_case_numbers_out(connection, at)
    return Aftermath(_pursue_later(connection, at), ended)


def _end_calls_of_ours(connection: Connection, at: datetime) -> None:
    """Calls that we had placed are over; what ends with them is settled as if the network had said so. Of
    calls that came in the network is asked, as ever when it has not told their end.
    """
    open_ = select(outgoing.c.id).where(outgoing.c.ended_at.is_(None)).order_by(outgoing.c.id)
    for outgoing_id in list(connection.execute(open_).scalars()):
        placed.lock(connection, outgoing_id)
        known = placed.find(connection, outgoing_id)
        assert known is not None
        outgoing_desk.over(connection, at, known, "canceled")
    connection.execute(update(passes).where(passes.c.ended_at.is_(None)).values(ended_at=at))


def _end_notices(connection: Connection, at: datetime) -> None:
    unsettled = select(notice_rows.c.id).where(notice_rows.c.settled_at.is_(None)).order_by(notice_rows.c.id)
    for notice_id in list(connection.execute(unsettled).scalars()):
        notices.settle(connection, at, notice_id, notices.needless(notices.sends_of(connection, notice_id)))


def _end_questions(connection: Connection, at: datetime) -> int:
    """Whoever was asked whether he can be reached has answered since, or somebody else was told; but of a
    turn that is still to begin he is asked once more.
    """
    asked = select(check_rows.c.id).where(check_rows.c.asked_at.is_not(None)).order_by(check_rows.c.id)
    count = 0
    for check_id in list(connection.execute(asked).scalars()):
        found = shift_checks.lock(connection, check_id)
        if found is None or not due.pending(connection, CHECK, str(check_id)):
            continue
        if found.shift_at > at and found.confirmed_at is None:
            shift_checks.drop(connection, at, found)
        else:
            count += due.cancel(connection, at, CHECK, str(check_id), BY)
    return count


def _end(connection: Connection, at: datetime, kinds: Iterable[str]) -> None:
    connection.execute(
        update(due_work)
        .where(due_work.c.state == due.PENDING, due_work.c.kind.in_(kinds))
        .values(state=due.CANCELLED, ended_at=at, ended_by=BY)
    )


def _shut_doors(connection: Connection, at: datetime) -> None:
    """Nobody is logged in, no link opens anything, and no long work is begun a second time."""
    connection.execute(
        update(console_sessions).where(console_sessions.c.ended_at.is_(None)).values(ended_at=at)
    )
    connection.execute(update(console_links).where(console_links.c.used_at.is_(None)).values(used_at=at))
    connection.execute(update(case_links).where(case_links.c.expires_at > at).values(expires_at=at))
    connection.execute(
        update(console_jobs)
        .where(console_jobs.c.state.in_(("waiting", "running")))
        .values(state="failed", result={"why": "died"}, ended_at=at, runner=None)
    )


def _leave_case_numbers_out(connection: Connection, at: datetime) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = dialect.insert(case_numbers).values(year=at.year, last=CASES_LEFT_OUT)
    more = {"last": case_numbers.c.last + CASES_LEFT_OUT}
    connection.execute(row.on_conflict_do_update(index_elements=["year"], set_=more))


def _pursue_later(connection: Connection, at: datetime) -> list[str]:
    """Nobody is phoned, and reminded of a case, before the grace is over."""
    connection.execute(
        update(due_work)
        .where(
            due_work.c.state == due.PENDING,
            due_work.c.kind.in_(PURSUED_LATER),
            due_work.c.due_at < at + GRACE,
        )
        .values(due_at=at + GRACE)
    )
    open_ = select(case_rows.c.number).where(case_rows.c.closed_at.is_(None)).order_by(case_rows.c.id)
    return [
        number
        for number in connection.execute(open_).scalars()
        if due.pending(connection, cases.PURSUE, number)
    ]

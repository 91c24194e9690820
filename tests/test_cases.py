"""Cases and attempts: one number for ever, one code at a time, and a pursuit that only people end."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise, product
from typing import Literal

import pytest
from making import ACTOR, NIGHT, Opened, a_case, a_sid, case, opened_at, staff
from sqlalchemy import Connection, select, update

from ivr import casework, placed
from oncall.cases import cases
from oncall.cases.cases import PURSUE, CaseClosed, CaseRefusal, NoFreeCode, UnknownCase
from oncall.reaching import attempts
from oncall.reaching.attempts import result_of
from oncall.tables import attempts as attempt_rows
from oncall.tables import cases as case_table
from storage import audit, due
from storage.engine import Database
from storage.tables import due_work

LATER = NIGHT + timedelta(minutes=1)
END = NIGHT + timedelta(minutes=20)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened_at(database_url) as database:
        yield database


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        staff(connection)
        yield connection


@pytest.fixture
def opened(connection: Connection) -> Opened:
    return a_case(connection)


def pursued(connection: Connection, opened: Opened) -> bool:
    return due.pending(connection, PURSUE, opened.number)


def ring(connection: Connection, opened: Opened, technician: str = "anna", at: datetime = NIGHT) -> int:
    return attempts.begin_attempt(
        connection, at, opened.id, opened.sid, technician, f"+39333{len(technician)}234501", 1
    )


# -- numbers and codes ---------------------------------------------------------------------------


def test_numbers_count_up_within_a_year(connection: Connection) -> None:
    given = [cases.next_number(connection, year) for year in (2026, 2026, 2027, 2026, 2027)]
    assert given == ["2026-00001", "2026-00002", "2027-00001", "2026-00003", "2027-00002"]


def test_a_number_that_was_rolled_back_is_given_again(database: Database) -> None:
    with database.write() as connection:
        cases.next_number(connection, 2026)
        connection.rollback()
    with database.write() as connection:
        assert cases.next_number(connection, 2026) == "2026-00001"


def test_a_code_is_four_digits_and_names_one_open_case(connection: Connection) -> None:
    source = random.Random(4)
    codes = [a_case(connection, sid=a_sid(n), source=source).code for n in range(1, 300)]
    assert all(re.fullmatch("[0-9]{4}", code) for code in codes)
    assert len(set(codes)) == len(codes)
    # Not in sequence: knowing one tells nothing of the next.
    steps = {int(b) - int(a) for a, b in pairwise(codes)}
    assert len(steps) > 250


class Always(random.Random):
    """Draws one number again and again."""

    def __init__(self, number: int) -> None:
        super().__init__(0)
        self.number = number

    def randrange(self, *args: int, **more: int) -> int:  # type: ignore[override]
        return self.number


def test_a_code_rests_thirty_days_after_its_case_is_closed(connection: Connection) -> None:
    opened = a_case(connection, source=Always(4712))
    assert opened.code == "4712"
    casework.close(connection, ACTOR, END, case(connection, opened))
    rested = END + timedelta(days=30)
    assert cases.free_code(connection, rested - timedelta(seconds=1), Always(4712)) != "4712"
    assert cases.free_code(connection, rested, Always(4712)) == "4712"


def test_when_codes_run_out_the_last_free_one_is_found(connection: Connection) -> None:
    opened = a_case(connection, source=Always(0))
    row = dict(connection.execute(select(case_table).where(case_table.c.id == opened.id)).mappings().one())
    del row["id"]
    everything = [
        {**row, "number": f"2025-{n:05d}", "code": f"{n:04d}"} for n in range(1, 10_000) if n != 4712
    ]
    connection.execute(case_table.insert(), everything)
    assert cases.free_code(connection, END, random.Random(1)) == "4712"
    connection.execute(case_table.insert(), [{**row, "number": "2025-04712", "code": "4712"}])
    with pytest.raises(NoFreeCode):
        cases.free_code(connection, END, random.Random(1))


def test_a_case_is_found_by_number_or_by_its_latest_code(connection: Connection) -> None:
    old = a_case(connection, source=Always(4712))
    casework.close(connection, ACTOR, END, case(connection, old))
    month = NIGHT + timedelta(days=40)
    new = a_case(connection, month, sid=a_sid(2), source=Always(4712))
    assert (old.code, new.code) == ("4712", "4712")
    assert cases.find(connection, "4712").number == new.number
    assert cases.find(connection, old.number).id == old.id
    assert [each.number for each in cases.recent(connection)] == [new.number, old.number]
    for nobody in ("4713", "2026-99999", "", "%"):
        with pytest.raises(UnknownCase):
            cases.find(connection, nobody)


# -- what became of an attempt -------------------------------------------------------------------

STATUSES = ["completed", "answered", "no-answer", "busy", "failed", "canceled", "something-new", None]


@pytest.mark.parametrize(
    ("pressed", "picked_up", "status", "bridged"),
    list(product(["accepted", "declined", None], [True, False], STATUSES, [True, False])),
)
def test_only_a_key_accepts_and_only_a_bridge_connects(
    pressed: str | None, picked_up: bool, status: str | None, bridged: bool
) -> None:
    result = result_of(pressed, picked_up=picked_up, status=status, bridged=bridged)
    assert (result == "connected") == (pressed == "accepted" and bridged)
    assert (result in ("accepted", "connected")) == (pressed == "accepted")
    assert (result == "declined") == (pressed == "declined")
    if pressed is None and picked_up:
        assert result == "unconfirmed"  # whatever the network calls it
    if pressed is None and not picked_up:
        expected = {
            "completed": "unconfirmed",
            "answered": "unconfirmed",
            "no-answer": "no-answer",
            "canceled": "no-answer",
            "busy": "busy",
            "failed": "failed",
            "something-new": "failed",
            None: "no-answer",
        }
        assert result == expected[status]


@pytest.mark.parametrize("status", ["completed", "no-answer", "answered", None])
def test_a_voicemail_never_accepts(connection: Connection, opened: Opened, status: str | None) -> None:
    attempt = ring(connection, opened)
    assert attempts.picked_up(connection, LATER, attempt)
    assert attempts.settle(connection, END, attempt, status, bridged=True) == "unconfirmed"
    assert case(connection, opened).connected_at is None
    assert pursued(connection, opened)


def test_connected_stops_the_clock_when_the_key_was_pressed(connection: Connection, opened: Opened) -> None:
    attempt = ring(connection, opened)
    attempts.picked_up(connection, LATER, attempt)
    assert attempts.press(connection, LATER + timedelta(seconds=9), attempt, "accepted")
    assert attempts.settle(connection, END, attempt, "completed", bridged=True) == "connected"
    assert case(connection, opened).connected_at == LATER + timedelta(seconds=9)
    assert not pursued(connection, opened)
    work = connection.execute(select(due_work).where(due_work.c.kind == PURSUE)).one()
    assert (work.state, work.ended_by) == ("cancelled", "connected to anna")


def test_accepted_without_a_bridge_is_pursued(connection: Connection, opened: Opened) -> None:
    attempt = ring(connection, opened)
    attempts.press(connection, LATER, attempt, "accepted")
    assert attempts.settle(connection, END, attempt, "completed", bridged=False) == "accepted"
    assert pursued(connection, opened)
    assert case(connection, opened).connected_at is None


def test_a_bridge_that_is_learnt_late_still_counts(connection: Connection, opened: Opened) -> None:
    attempt = ring(connection, opened)
    attempts.press(connection, LATER, attempt, "accepted")
    assert attempts.settle(connection, END, attempt, None, bridged=False) == "accepted"
    assert attempts.settle(connection, END, attempt, "completed", bridged=True) == "connected"
    assert not pursued(connection, opened)
    # And it stands, whatever comes after it.
    assert attempts.settle(connection, END, attempt, "failed", bridged=False) == "connected"


@pytest.mark.parametrize("first", ["no-answer", "busy", "failed", "completed"])
def test_what_is_settled_stays(connection: Connection, opened: Opened, first: str) -> None:
    attempt = ring(connection, opened)
    settled = attempts.settle(connection, LATER, attempt, first, bridged=False)
    assert attempts.settle(connection, END, attempt, "completed", bridged=True) == settled
    assert not attempts.press(connection, END, attempt, "accepted")
    assert not attempts.picked_up(connection, END, attempt)
    assert [each.result for each in attempts.attempts_of(connection, opened.id)] == [settled]
    assert pursued(connection, opened)


def test_only_the_first_key_counts(connection: Connection, opened: Opened) -> None:
    attempt = ring(connection, opened)
    assert attempts.press(connection, LATER, attempt, "declined")
    assert not attempts.press(connection, LATER, attempt, "accepted")
    assert attempts.settle(connection, END, attempt, "completed", bridged=True) == "declined"
    assert pursued(connection, opened)


def test_an_attempt_that_does_not_exist(connection: Connection) -> None:
    assert attempts.settle(connection, END, 99, "completed", bridged=True) is None
    assert not attempts.press(connection, END, 99, "accepted")
    assert not attempts.picked_up(connection, END, 99)


def test_attempts_without_a_result_are_known_by_their_call(connection: Connection, opened: Opened) -> None:
    one, two = ring(connection, opened), ring(connection, opened, "bruno")
    other = a_case(connection, sid=a_sid(2))
    ring(connection, other)
    attempts.settle(connection, END, one, "busy", bridged=False)
    assert attempts.unsettled(connection, a_sid(1)) == [two]
    assert attempts.unsettled(connection, a_sid(3)) == []


def test_a_phone_is_engaged_while_another_call_rings_it(connection: Connection, opened: Opened) -> None:
    attempt = ring(connection, opened)
    (phone,) = [each.phone for each in attempts.attempts_of(connection, opened.id)]
    assert placed.engaged(connection, LATER, a_sid(2)) == {phone}
    assert placed.engaged(connection, LATER, a_sid(1)) == frozenset()  # its own call
    # A talk of more than four hours is a callback that got lost.
    assert placed.engaged(connection, NIGHT + timedelta(hours=4), a_sid(2)) == frozenset()
    attempts.settle(connection, END, attempt, "busy", bridged=False)
    assert placed.engaged(connection, LATER, a_sid(2)) == frozenset()


# -- pursuit -------------------------------------------------------------------------------------


def test_the_pursuit_is_written_with_the_case(connection: Connection, opened: Opened) -> None:
    work = connection.execute(select(due_work).where(due_work.c.kind == PURSUE)).one()
    assert (work.kind, work.key, work.payload) == (PURSUE, opened.number, {"case": opened.number})
    assert work.due_at == NIGHT + timedelta(seconds=270)
    assert pursued(connection, opened)


def test_no_case_without_its_pursuit_and_the_reverse(database: Database) -> None:
    with database.write() as connection:
        a_case(connection)
        connection.rollback()
    with database.read() as connection:
        assert connection.execute(select(case_table)).all() == []
        assert connection.execute(select(due_work)).all() == []


Act = Callable[[Connection, Opened], object]


def settled(status: str | None, key: Literal["accepted", "declined"] | None, bridged: bool) -> Act:
    def act(connection: Connection, opened: Opened) -> None:
        attempt = ring(connection, opened)
        attempts.picked_up(connection, LATER, attempt)
        if key:
            attempts.press(connection, LATER, attempt, key)
        attempts.settle(connection, END, attempt, status, bridged=bridged)

    return act


def close_badly(connection: Connection, opened: Opened) -> None:
    with pytest.raises(CaseRefusal):
        casework.close(connection, ACTOR, END, case(connection, opened), minutes=-1)


# Everything that can be done to a case but the three that end its pursuit.
NO_END: dict[str, Act] = {
    "nothing": lambda connection, opened: None,
    "ringing": ring,
    "picked up": lambda c, o: attempts.picked_up(c, LATER, ring(c, o)),
    "accepted, still ringing": lambda c, o: attempts.press(c, LATER, ring(c, o), "accepted"),
    "declined": settled("completed", "declined", False),
    "declined, though bridged": settled("completed", "declined", True),
    "accepted, not connected": settled("completed", "accepted", False),
    "accepted, status answered": settled("answered", "accepted", False),
    "voicemail": settled("completed", None, True),
    **{f"reported {status}": settled(status, None, False) for status in STATUSES},
    "another case connected": lambda c, o: settled("completed", "accepted", True)(c, a_case(c, sid=a_sid(9))),
    "another case taken": lambda c, o: casework.take(c, ACTOR, END, case(c, a_case(c, sid=a_sid(9))), "anna"),
    "another case closed": lambda c, o: casework.close(c, ACTOR, END, case(c, a_case(c, sid=a_sid(9)))),
    "close refused": close_badly,
    "read": lambda c, o: (cases.recent(c), cases.of_call(c, a_sid(1)), attempts.attempts_of(c, o.id)),
    "codes drawn": lambda c, o: cases.free_code(c, END, random.Random(1)),
    "other work of the same name cancelled": lambda c, o: due.cancel(c, END, "notice.sms", o.number, "x"),
    "claimed and given back": lambda c, o: [
        due.postpone(c, work, END + timedelta(minutes=3))
        for work in due.claim(c, END, [PURSUE], lease=timedelta(minutes=2))
    ],
}


@pytest.mark.parametrize("act", NO_END.values(), ids=NO_END.keys())
def test_nothing_else_ends_a_pursuit(connection: Connection, opened: Opened, act: Act) -> None:
    act(connection, opened)
    assert pursued(connection, opened)


ENDS: dict[str, Act] = {
    "connected": settled("completed", "accepted", True),
    "taken": lambda c, o: casework.take(c, ACTOR, END, case(c, o), "anna"),
    "closed": lambda c, o: casework.close(c, ACTOR, END, case(c, o), outcome="a cable", minutes=30),
}


@pytest.mark.parametrize("act", ENDS.values(), ids=ENDS.keys())
def test_three_things_end_it(connection: Connection, opened: Opened, act: Act) -> None:
    act(connection, opened)
    assert not pursued(connection, opened)


# -- by hand -------------------------------------------------------------------------------------


def test_a_case_taken_from_a_colleague_keeps_its_first_instant(
    connection: Connection, opened: Opened
) -> None:
    casework.take(connection, ACTOR, LATER, case(connection, opened), "anna")
    casework.take(connection, ACTOR, END, case(connection, opened), "bruno")
    taken = case(connection, opened)
    assert (taken.taken_at, taken.taken_by) == (LATER, "bruno")
    acts = [(act.act, act.details) for act in audit.acts(connection, [f"case:{opened.number}"])]
    assert acts == [
        ("case.take", {"technician": "bruno", "via": "hand", "from": "anna"}),
        ("case.take", {"technician": "anna", "via": "hand"}),
    ]


def test_a_closed_case_keeps_its_urgency_and_stays_closed(connection: Connection, opened: Opened) -> None:
    casework.close(connection, ACTOR, END, case(connection, opened), outcome="a cable", minutes=30)
    closed = case(connection, opened)
    assert (closed.closed_at, closed.final_urgency) == (END, "P1+")
    with pytest.raises(CaseClosed, match=opened.number):
        casework.close(connection, ACTOR, END, closed)
    with pytest.raises(CaseClosed):
        casework.take(connection, ACTOR, END, closed, "anna")
    row = connection.execute(select(case_table)).one()
    assert (row.outcome, row.minutes, row.closed_by, row.taken_at) == ("a cable", 30, ACTOR, None)


def test_a_reclassified_case_keeps_both_codes(connection: Connection, opened: Opened) -> None:
    connection.execute(update(case_table).values(final_urgency="P2"))
    casework.close(connection, ACTOR, END, case(connection, opened))
    closed = case(connection, opened)
    assert (closed.urgency, closed.final_urgency) == ("P1+", "P2")


@pytest.mark.parametrize("minutes", [-1, 100_001])
def test_minutes_that_cannot_be(connection: Connection, opened: Opened, minutes: int) -> None:
    with pytest.raises(CaseRefusal, match="minutes"):
        casework.close(connection, ACTOR, END, case(connection, opened), minutes=minutes)
    assert case(connection, opened).closed_at is None


def test_attempts_come_in_the_order_of_ringing(connection: Connection, opened: Opened) -> None:
    for name in ("anna", "dario", "anna"):
        ring(connection, opened, name)
    assert [each.technician for each in attempts.attempts_of(connection, opened.id)] == [
        "anna",
        "dario",
        "anna",
    ]
    assert all(row.result is None for row in connection.execute(select(attempt_rows)))

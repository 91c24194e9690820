"""What people do to a case after it was opened: every act leaves the right things pending and told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import (
    ACTOR,
    NIGHT,
    RINGING,
    Opened,
    a_call,
    a_case,
    a_sid,
    case,
    fresh_database,
    opened_at,
    staff,
)
from sqlalchemy import Connection, select, update

from console.commands.phone import shipped
from ivr import casework
from ivr.casework import AlreadyTaken, NobodyHasIt
from ivr.settings import UrgencySettings
from oncall import people
from oncall.cases import cases, closing
from oncall.cases.cases import PURSUE, Case, CaseClosed, CaseRefusal
from oncall.notices import notices
from oncall.people import RosterRefusal, UnknownTechnician
from oncall.reaching import attempts, reminders
from oncall.rota import roster
from oncall.tables import case_links
from oncall.tables import cases as case_rows
from oncall.tables import notices as notice_rows
from pins import customers
from pins.customers import Contract, UnknownCustomer
from storage import audit, due
from storage.tables import due_work

LATER = NIGHT + timedelta(minutes=5)
END = NIGHT + timedelta(minutes=40)
HELD = timedelta(seconds=RINGING.text_take_holds)


@pytest.fixture(scope="module")
def urgency() -> UrgencySettings:
    return shipped().urgency


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with opened_at(database_url) as database, database.write() as connection:
        staff(connection)
        yield connection


@pytest.fixture
def opened(connection: Connection) -> Opened:
    return a_case(connection)


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[Connection]:
    """The same on SQLite alone, for tables of rules."""
    with fresh_database(tmp_path) as database, database.write() as connection:
        staff(connection)
        yield connection


def pursued_at(connection: Connection, number: str, kind: str = PURSUE) -> datetime | None:
    """When the pending work of the case is due."""
    found = select(due_work.c.due_at).where(
        due_work.c.kind == kind, due_work.c.key == number, due_work.c.state == due.PENDING
    )
    at: datetime | None = connection.execute(found).scalar()
    return at


def told(connection: Connection, number: str) -> set[tuple[str, str, bool]]:
    rows = connection.execute(select(notice_rows).where(notice_rows.c.about == f"case:{number}"))
    return {(row.kind, row.recipient.partition(":")[2], row.loud) for row in rows}


def log(connection: Connection, case_id: int) -> list[tuple[str, str]]:
    return [(entry.act, entry.text) for entry in casework.log_of(connection, case_id)]


def details(connection: Connection, case_id: int) -> dict[str, Any]:
    return casework.log_of(connection, case_id)[-1].details


def acts(connection: Connection, number: str) -> list[str]:
    return [act.act for act in audit.acts(connection, [f"case:{number}"])]


def screened(connection: Connection, sid: str, at: datetime = NIGHT) -> Opened:
    """A case of a caller without a PIN."""
    a_call(connection, sid, at)
    number = cases.next_number(connection, at.year)
    case_id = cases.open_case(
        connection,
        at,
        number=number,
        code=number[-4:],
        call_sid=sid,
        customer_id=None,
        rota="duty",
        urgency=None,
        due_at=None,
        pursue_at=None,
        billable=False,
    )
    return Opened(case_id, number, number[-4:], sid)


def connected(connection: Connection, opened: Opened, technician: str, at: datetime = NIGHT) -> None:
    attempt = attempts.begin_attempt(connection, at, opened.id, opened.sid, technician, "+39333", 1)
    attempts.press(connection, at + timedelta(seconds=9), attempt, "accepted")
    attempts.settle(connection, at + timedelta(minutes=3), attempt, "completed", bridged=True)


def package(connection: Connection, minutes: int | None, **more: Any) -> None:
    """ACME's contract becomes a prepaid package."""
    customers.change(connection, ACTOR, NIGHT, "ACME", coverage="prepaid", minutes=minutes, **more)


def minutes_left(connection: Connection) -> int | None:
    return customers.customer(connection, "ACME").contract.minutes_left


# -- taking ------------------------------------------------------------------------------------


@pytest.mark.parametrize("via", ["hand", "link", "phone"])
def test_taking_stops_the_clock_and_everything_that_asks_for_it(
    connection: Connection, opened: Opened, via: Any
) -> None:
    about = f"case:{opened.number}"
    notices.tell_everybody(
        connection,
        NIGHT,
        "nobody-answered",
        ["technician:anna", "technician:dario", "manager:m@example.net"],
        about,
        {},
        loud=True,
    )
    reminders.plan(connection, NIGHT, opened.number, NIGHT, NIGHT + timedelta(hours=1))
    casework.take(connection, "technician:anna", LATER, case(connection, opened), "anna", via)
    taken = case(connection, opened)
    assert (taken.taken_at, taken.taken_by, taken.taken_via) == (LATER, "anna", via)
    assert pursued_at(connection, opened.number) is None
    assert pursued_at(connection, opened.number, reminders.REMIND) is None
    # The rest of those who heard of it hear that it is taken care of, without being woken; the manager not.
    assert {each for each in told(connection, opened.number) if each[0] == "case-taken"} == {
        ("case-taken", "dario", False)
    }
    for notice in notices.about_of(connection, about):
        assert (notice.outcome == "needless") == (notice.kind == "nobody-answered")
    assert log(connection, opened.id) == [("taken", "")]
    assert details(connection, opened.id) == {"technician": "anna", "via": via, "from": None}
    assert acts(connection, opened.number) == ["case.take"]


def test_a_notice_of_a_taking_names_the_customer_and_who_took_it(
    connection: Connection, opened: Opened
) -> None:
    notices.tell(
        connection, NIGHT, "case-reminder", "technician:dario", f"case:{opened.number}", {}, loud=True
    )
    casework.take(connection, ACTOR, LATER, case(connection, opened), "anna")
    facts = notices.about_of(connection, f"case:{opened.number}")[-1].facts
    assert facts["customer"] == "Acme"
    assert (facts["by"], facts["code"], facts["urgency"]) == ("Anna Rossi", opened.code, "P1+")
    assert datetime.fromisoformat(facts["due"]) == NIGHT + timedelta(hours=1)


def test_whom_a_case_cannot_be_given(connection: Connection, opened: Opened) -> None:
    with pytest.raises(UnknownTechnician, match="zoe"):
        casework.take(connection, ACTOR, LATER, case(connection, opened), "zoe")
    known = people.technician(connection, "dario")
    assert known.serves(LATER)
    connection.execute(update(people.technicians).values(retired_at=NIGHT))
    with pytest.raises(RosterRefusal, match="no longer in service"):
        casework.take(connection, ACTOR, LATER, case(connection, opened), "dario")
    assert case(connection, opened).taken_by is None
    assert pursued_at(connection, opened.number) is not None


def test_the_second_of_two_is_told_who_has_it(connection: Connection, opened: Opened) -> None:
    """Both looked at the case while nobody had it."""
    seen = case(connection, opened)
    casework.take(connection, ACTOR, LATER, seen, "anna")
    for act in (
        lambda: casework.take(connection, ACTOR, END, seen, "bruno"),
        lambda: casework.pass_on(connection, ACTOR, END, seen),
        lambda: casework.close(connection, ACTOR, END, seen),
    ):
        with pytest.raises(AlreadyTaken, match="taken by anna") as refused:
            act()
        assert refused.value.by == "anna"
    # Who looks again sees that she has it, and may take it from her.
    casework.take(connection, ACTOR, END, case(connection, opened), "bruno")
    taken = case(connection, opened)
    assert (taken.taken_by, taken.taken_at) == ("bruno", LATER)
    assert details(connection, opened.id)["from"] == "anna"
    # To take what one has already is no quarrel.
    casework.take(connection, ACTOR, END, seen, "bruno", "link")
    assert case(connection, opened).taken_via == "link"


# -- by text message ---------------------------------------------------------------------------


def test_a_text_takes_for_a_while_and_wakes_the_ladder(connection: Connection, opened: Opened) -> None:
    reminders.plan(connection, NIGHT, opened.number, NIGHT, NIGHT + timedelta(hours=1))
    casework.take(connection, "technician:anna", LATER, case(connection, opened), "anna", "text", RINGING)
    assert pursued_at(connection, opened.number) == LATER + HELD
    assert pursued_at(connection, opened.number, reminders.REMIND) is not None
    # Everybody on the ladder, and she whose text it was.
    assert told(connection, opened.number) == {
        ("case-taken", key, True) for key in ("anna", "bruno", "dario")
    }
    facts = notices.about_of(connection, f"case:{opened.number}")[0].facts
    assert facts["via"] == "text"
    # The same text again holds it no longer.
    casework.take(connection, "technician:anna", END, case(connection, opened), "anna", "text", RINGING)
    assert pursued_at(connection, opened.number) == LATER + HELD
    assert log(connection, opened.id) == [("taken", "")]


def test_a_text_takes_nothing_from_anybody(connection: Connection, opened: Opened) -> None:
    casework.take(connection, ACTOR, LATER, case(connection, opened), "anna", "link")
    with pytest.raises(AlreadyTaken):
        casework.take(connection, ACTOR, END, case(connection, opened), "bruno", "text", RINGING)
    other = a_case(connection, sid=a_sid(2))
    connected(connection, other, "dario")
    with pytest.raises(AlreadyTaken, match="dario"):
        casework.take(connection, ACTOR, END, case(connection, other), "bruno", "text", RINGING)
    # What he has by another way a text of his does not weaken.
    casework.take(connection, ACTOR, END, case(connection, opened), "anna", "text", RINGING)
    assert case(connection, opened).taken_via == "link"


def test_a_text_that_is_followed_by_a_call_holds(connection: Connection, opened: Opened) -> None:
    casework.take(connection, ACTOR, LATER, case(connection, opened), "anna", "text", RINGING)
    casework.take(connection, ACTOR, END, case(connection, opened), "anna", "phone")
    taken = case(connection, opened)
    assert (taken.taken_at, taken.taken_via) == (LATER, "phone")
    assert pursued_at(connection, opened.number) is None
    assert not casework.let_go(connection, END, taken)


def test_somebody_else_takes_it_after_a_text(connection: Connection, opened: Opened) -> None:
    """Whether the text was genuine nobody knows: the clock stops with him."""
    casework.take(connection, ACTOR, LATER, case(connection, opened), "anna", "text", RINGING)
    casework.take(connection, ACTOR, END, case(connection, opened), "bruno")
    assert case(connection, opened).taken_at == END


def test_a_text_lets_go(connection: Connection, opened: Opened) -> None:
    casework.take(connection, ACTOR, LATER, case(connection, opened), "anna", "text", RINGING)
    assert casework.let_go(connection, LATER + HELD, case(connection, opened))
    free = case(connection, opened)
    assert (free.taken_at, free.taken_by, free.taken_via) == (None, None, None)
    assert log(connection, opened.id)[-1] == ("resumed", "")
    assert details(connection, opened.id) == {"technician": "anna"}
    assert pursued_at(connection, opened.number) is not None
    assert not casework.let_go(connection, END, free)


def test_a_text_holds_no_longer_once_something_is_promised(
    connection: Connection, opened: Opened, urgency: UrgencySettings
) -> None:
    """Whoever took it by text when nobody was sought for it is not believed for ever."""
    casework.reclassify(connection, ACTOR, LATER, case(connection, opened), "P3", "can wait", urgency)
    casework.take(connection, ACTOR, LATER, case(connection, opened), "anna", "text", RINGING)
    assert pursued_at(connection, opened.number) is None
    casework.reclassify(connection, ACTOR, END, case(connection, opened), "P2", "cannot", urgency)
    assert pursued_at(connection, opened.number) == END


def test_nor_once_a_case_is_opened_again(connection: Connection, opened: Opened) -> None:
    casework.take(connection, ACTOR, LATER, case(connection, opened), "anna", "text", RINGING)
    casework.close(connection, ACTOR, LATER, case(connection, opened))
    casework.reopen(connection, ACTOR, END, case(connection, opened))
    assert pursued_at(connection, opened.number) == END


def test_nor_once_it_is_merged_with_one_that_was_promised(
    connection: Connection, opened: Opened, urgency: UrgencySettings
) -> None:
    """The older waits for nobody and was taken by text; the younger is somebody's for good."""
    casework.reclassify(connection, ACTOR, LATER, case(connection, opened), "P3", "can wait", urgency)
    casework.take(connection, ACTOR, LATER, case(connection, opened), "anna", "text", RINGING)
    younger = a_case(connection, LATER, sid=a_sid(9))
    casework.take(connection, ACTOR, LATER, case(connection, younger), "bruno")
    casework.merge(connection, ACTOR, END, case(connection, opened), case(connection, younger))
    assert case(connection, opened).taken_via == "text"
    assert pursued_at(connection, opened.number) == END


def test_a_text_that_was_followed_by_a_talk_holds(
    connection: Connection, opened: Opened, urgency: UrgencySettings
) -> None:
    casework.take(connection, ACTOR, NIGHT, case(connection, opened), "anna", "text", RINGING)
    connected(connection, opened, "anna", LATER)
    casework.reclassify(connection, ACTOR, END, case(connection, opened), "P2", "x", urgency)
    assert pursued_at(connection, opened.number) is None


def test_how_long_a_text_holds_must_be_known(connection: Connection, opened: Opened) -> None:
    with pytest.raises(ValueError, match="how long"):
        casework.take(connection, ACTOR, LATER, case(connection, opened), "anna", "text")


# -- passing on --------------------------------------------------------------------------------


def test_a_case_that_is_passed_on_is_pursued_at_once(connection: Connection, opened: Opened) -> None:
    with pytest.raises(NobodyHasIt):
        casework.pass_on(connection, ACTOR, LATER, case(connection, opened))
    casework.take(connection, ACTOR, LATER, case(connection, opened), "bruno")
    casework.pass_on(connection, "technician:bruno", END, case(connection, opened), "I am ill")
    passed = case(connection, opened)
    assert (passed.taken_at, passed.taken_by, passed.taken_via) == (None, None, None)
    assert pursued_at(connection, opened.number) == END
    assert pursued_at(connection, opened.number, reminders.REMIND) == NIGHT + timedelta(minutes=48)
    assert log(connection, opened.id)[-1] == ("passed", "I am ill")
    assert details(connection, opened.id) == {"technician": "bruno"}
    # Bruno stands first on the ladder: the one after him is told.
    assert ("case-passed", "dario", True) in told(connection, opened.number)
    assert acts(connection, opened.number) == ["case.pass", "case.take"]


def test_whoever_talked_to_the_caller_has_it_until_he_passes_it_on(
    connection: Connection, opened: Opened
) -> None:
    connected(connection, opened, "dario")
    assert casework.holder(connection, case(connection, opened)) == "dario"
    assert pursued_at(connection, opened.number) is None
    casework.pass_on(connection, ACTOR, END, case(connection, opened))
    assert casework.holder(connection, case(connection, opened)) is None
    assert pursued_at(connection, opened.number) == END
    assert ("case-passed", "bruno", True) in told(connection, opened.number)
    with pytest.raises(NobodyHasIt):
        casework.pass_on(connection, ACTOR, END, case(connection, opened))
    connected(connection, opened, "dario", END)
    assert casework.holder(connection, case(connection, opened)) == "dario"


# -- reclassifying -----------------------------------------------------------------------------


def test_both_codes_stay_and_the_deadline_moves(
    connection: Connection, opened: Opened, urgency: UrgencySettings
) -> None:
    before = pursued_at(connection, opened.number)
    casework.reclassify(connection, ACTOR, LATER, case(connection, opened), "P2", "one PC only", urgency)
    now = case(connection, opened)
    assert (now.urgency, now.final_urgency, now.level) == ("P1+", "P2", "P2")
    assert now.due_at == NIGHT + timedelta(hours=4)
    assert pursued_at(connection, opened.number) == before
    assert pursued_at(connection, opened.number, reminders.REMIND) == NIGHT + timedelta(hours=2)
    assert log(connection, opened.id) == [("reclassified", "one PC only")]
    assert details(connection, opened.id)["pursuit_ends"] is False
    (act,) = audit.acts(connection, [f"case:{opened.number}"])
    assert act.details == {"from": "P1+", "to": "P2", "reason": "one PC only"}


def test_what_is_not_accepted_after_hours_is_not_pursued(
    connection: Connection, opened: Opened, urgency: UrgencySettings
) -> None:
    casework.reclassify(connection, ACTOR, LATER, case(connection, opened), "P3", "can wait", urgency)
    now = case(connection, opened)
    assert (now.final_urgency, now.due_at) == ("P3", None)
    assert pursued_at(connection, opened.number) is None
    assert details(connection, opened.id)["pursuit_ends"] is True
    # Up again: nobody has it.
    casework.reclassify(connection, ACTOR, END, case(connection, opened), "P1", "all of it", urgency)
    now = case(connection, opened)
    assert (now.urgency, now.final_urgency, now.due_at) == ("P1+", "P1", NIGHT + timedelta(hours=2))
    assert pursued_at(connection, opened.number) == END


def test_a_case_that_somebody_has_is_not_pursued_for_being_more_urgent(
    connection: Connection, opened: Opened, urgency: UrgencySettings
) -> None:
    casework.take(connection, ACTOR, LATER, case(connection, opened), "anna")
    casework.reclassify(connection, ACTOR, LATER, case(connection, opened), "P2", "x", urgency)
    casework.reclassify(connection, ACTOR, END, case(connection, opened), "P1+", "y", urgency)
    assert pursued_at(connection, opened.number) is None
    assert pursued_at(connection, opened.number, reminders.REMIND) is None


def test_a_breach_is_one_of_the_deadline_as_it_is(
    connection: Connection, opened: Opened, urgency: UrgencySettings
) -> None:
    late = NIGHT + timedelta(minutes=61)
    reminders.breach(connection, late, opened.id)
    casework.reclassify(connection, ACTOR, late, case(connection, opened), "P2", "x", urgency)
    assert case(connection, opened).breached_at is None
    assert ("breached", "") in log(connection, opened.id)
    reminders.breach(connection, late, opened.id)
    casework.reclassify(connection, ACTOR, late, case(connection, opened), "P1+", "y", urgency)
    assert case(connection, opened).breached_at == late


@pytest.mark.parametrize(
    ("code", "reason", "why"),
    [("P9", "x", "P9"), ("p2", "x", "p2"), ("P1+", "x", "already"), ("P2", " \n", "reason")],
)
def test_what_is_no_reclassification(
    lone: Connection, urgency: UrgencySettings, code: str, reason: str, why: str
) -> None:
    connection, opened = lone, a_case(lone)
    with pytest.raises(CaseRefusal, match=why):
        casework.reclassify(connection, ACTOR, LATER, case(connection, opened), code, reason, urgency)
    assert log(connection, opened.id) == []


# -- a screened caller -------------------------------------------------------------------------


def test_whoever_was_promised_nothing_is_not_pursued(
    connection: Connection, urgency: UrgencySettings
) -> None:
    opened = screened(connection, a_sid(7))
    casework.reclassify(connection, ACTOR, LATER, case(connection, opened), "P1", "a server", urgency)
    now = case(connection, opened)
    assert (now.urgency, now.final_urgency, now.due_at) == ("P1", "P1", None)
    assert pursued_at(connection, opened.number) is None
    casework.take(connection, ACTOR, LATER, case(connection, opened), "bruno")
    casework.pass_on(connection, ACTOR, END, case(connection, opened))
    assert pursued_at(connection, opened.number) is None
    assert ("case-passed", "dario", True) in told(connection, opened.number)


@pytest.mark.parametrize(
    ("contract", "billable"),
    [
        (Contract(), False),
        (Contract(until=date(2026, 3, 10)), False),
        (Contract(until=date(2026, 3, 9)), True),
        (Contract("none"), True),
        (Contract("prepaid", minutes_left=60), True),
    ],
)
def test_a_screened_case_gets_its_customer(
    lone: Connection, urgency: UrgencySettings, contract: Contract, billable: bool
) -> None:
    """His contract counts on the day of the call, by the wall clock: it is 23:30 in UTC still."""
    connection = lone
    customers.add_customer(connection, ACTOR, NIGHT, "Malga", code="MALGA", contract=contract)
    opened = screened(connection, a_sid(7), NIGHT + timedelta(minutes=90))
    morning = NIGHT + timedelta(hours=9)
    casework.name_customer(connection, ACTOR, morning, case(connection, opened), "malga", urgency)
    now = case(connection, opened)
    owner = customers.customer(connection, "MALGA")
    assert (now.customer_id, now.billable, now.screened) == (owner.id, billable, True)
    with pytest.raises(CaseRefusal, match="already"):
        casework.name_customer(connection, ACTOR, morning, now, "MALGA", urgency)
    with pytest.raises(UnknownCustomer):
        casework.name_customer(connection, ACTOR, morning, now, "NOBODY", urgency)
    assert [entry.act for entry in casework.log_of(connection, opened.id)] == ["named"]


def test_a_call_with_a_pin_about_a_screened_case_is_a_promise(
    connection: Connection, urgency: UrgencySettings
) -> None:
    opened = screened(connection, a_sid(7))
    a_call(connection, a_sid(8))
    cases.join(
        connection,
        END,
        opened.id,
        call_sid=a_sid(8),
        urgency="P2",
        due_at=END + timedelta(hours=4),
        pursue_at=END,
    )
    now = case(connection, opened)
    assert (now.urgency, now.final_urgency, now.due_at) == ("P2", "P2", END + timedelta(hours=4))
    casework.reclassify(connection, ACTOR, END, now, "P1", "x", urgency)
    assert case(connection, opened).due_at == NIGHT + timedelta(hours=2)


# -- merging -----------------------------------------------------------------------------------


def two(connection: Connection) -> tuple[Opened, Opened]:
    return a_case(connection), a_case(connection, LATER, sid=a_sid(2))


@pytest.mark.parametrize("backwards", [False, True])
def test_the_younger_of_two_goes_on_as_the_older(connection: Connection, backwards: bool) -> None:
    older, younger = two(connection)
    pair = [case(connection, older), case(connection, younger)]
    first, second = reversed(pair) if backwards else pair
    kept = casework.merge(connection, ACTOR, END, first, second)
    assert kept.number == older.number
    gone = case(connection, younger)
    assert (gone.merged_into, gone.closed_at, gone.closed_by) == (older.number, END, ACTOR)
    assert kept.closed_at is None
    assert cases.calls_of(connection, older.id) == [older.sid, younger.sid]
    assert cases.calls_of(connection, younger.id) == [younger.sid]
    assert pursued_at(connection, younger.number) is None
    assert pursued_at(connection, older.number) is not None
    assert kept.due_at == NIGHT + timedelta(hours=1)
    assert log(connection, older.id) == log(connection, younger.id) == [("merged", "")]
    assert acts(connection, younger.number) == ["case.merge"]
    with pytest.raises(CaseClosed):
        casework.merge(connection, ACTOR, END, kept, gone)
    with pytest.raises(CaseRefusal, match="itself"):
        casework.merge(connection, ACTOR, END, kept, kept)


def test_what_both_had_counts_for_the_older(connection: Connection) -> None:
    older, younger = two(connection)
    for opened, values in (
        (older, {"customer_calls": 2, "call_back_to": "+390461000001"}),
        (younger, {"customer_calls": 1, "call_back_to": "+390461000002", "breached_at": END}),
    ):
        connection.execute(update(case_rows).where(case_rows.c.id == opened.id).values(**values))
    kept = casework.merge(connection, ACTOR, END, case(connection, older), case(connection, younger))
    assert (kept.customer_calls, kept.call_back_to, kept.breached_at) == (3, "+390461000002", END)


def test_the_earlier_deadline_counts_with_its_urgency(
    connection: Connection, urgency: UrgencySettings
) -> None:
    older, younger = two(connection)
    casework.reclassify(connection, ACTOR, END, case(connection, older), "P2", "x", urgency)
    kept = casework.merge(connection, ACTOR, END, case(connection, older), case(connection, younger))
    assert (kept.urgency, kept.final_urgency) == ("P1+", "P1+")
    assert kept.due_at == LATER + timedelta(hours=1)


def test_whoever_has_either_has_it(connection: Connection) -> None:
    older, younger = two(connection)
    connected(connection, younger, "dario", LATER)
    kept = casework.merge(connection, ACTOR, END, case(connection, older), case(connection, younger))
    assert casework.holder(connection, kept) == "dario"
    assert kept.taken_at == kept.connected_at == LATER + timedelta(seconds=9)
    assert pursued_at(connection, older.number) is None


def test_a_text_holds_no_longer_for_being_merged(connection: Connection) -> None:
    older, younger = two(connection)
    casework.take(connection, ACTOR, LATER, case(connection, younger), "anna", "text", RINGING)
    due.cancel(connection, LATER, PURSUE, older.number, by="test")
    kept = casework.merge(connection, ACTOR, LATER, case(connection, older), case(connection, younger))
    assert (kept.taken_by, kept.taken_via) == ("anna", "text")
    assert pursued_at(connection, older.number) is not None


def test_different_customers_are_not_merged_but_a_screened_one_is(connection: Connection) -> None:
    older, younger = two(connection)
    other = customers.add_customer(connection, ACTOR, NIGHT, "Malga", code="MALGA")
    connection.execute(
        update(case_rows).where(case_rows.c.id == younger.id).values(customer_id=other.id, billable=True)
    )
    with pytest.raises(CaseRefusal, match="different customers"):
        casework.merge(connection, ACTOR, END, case(connection, older), case(connection, younger))
    stranger = screened(connection, a_sid(7), END)
    kept = casework.merge(connection, ACTOR, END, case(connection, stranger), case(connection, younger))
    assert (kept.number, kept.customer_id, kept.screened) == (younger.number, other.id, False)
    assert case(connection, stranger).customer_id == other.id


def test_a_screened_case_goes_on_with_what_was_promised_to_the_younger(connection: Connection) -> None:
    stranger = screened(connection, a_sid(7), NIGHT - timedelta(hours=1))
    younger = a_case(connection)
    connection.execute(update(case_rows).where(case_rows.c.id == younger.id).values(billable=True))
    kept = casework.merge(connection, ACTOR, LATER, case(connection, stranger), case(connection, younger))
    assert (kept.number, kept.screened, kept.billable) == (stranger.number, False, True)
    assert (kept.urgency, kept.due_at) == ("P1+", NIGHT + timedelta(hours=1))
    assert pursued_at(connection, stranger.number) == LATER


# -- closing -----------------------------------------------------------------------------------


def test_a_closed_case_is_done_with(connection: Connection, opened: Opened, urgency: UrgencySettings) -> None:
    connection.execute(
        case_links.insert().values(
            token_hash=b"x" * 32, case_id=opened.id, created_at=NIGHT, expires_at=NIGHT + timedelta(days=1)
        )
    )
    reminders.plan(connection, NIGHT, opened.number, NIGHT, NIGHT + timedelta(hours=1))
    seen = case(connection, opened)
    casework.close(connection, ACTOR, END, seen, "a cable\x00", 30)
    closed = case(connection, opened)
    assert (closed.outcome, closed.minutes, closed.closed_by) == ("a cable", 30, ACTOR)
    assert (closed.final_urgency, closed.level) == ("P1+", "P1+")
    for kind in (PURSUE, reminders.REMIND):
        assert pursued_at(connection, opened.number, kind) is None
    assert connection.execute(select(case_links.c.expires_at)).scalar_one() == END
    assert log(connection, opened.id) == [("closed", "a cable")]
    another = case(connection, a_case(connection, sid=a_sid(2)))
    refused: list[Callable[[], object]] = [
        lambda: casework.take(connection, ACTOR, END, seen, "anna"),
        lambda: casework.pass_on(connection, ACTOR, END, seen),
        lambda: casework.reclassify(connection, ACTOR, END, seen, "P2", "x", urgency),
        lambda: casework.note(connection, ACTOR, END, seen, "x"),
        lambda: casework.name_customer(connection, ACTOR, END, seen, "ACME", urgency),
        lambda: casework.close(connection, ACTOR, END, seen),
        lambda: casework.merge(connection, ACTOR, END, seen, another),
    ]
    for act in refused:
        with pytest.raises(CaseClosed):
            act()
    assert not casework.let_go(connection, END, seen)
    assert log(connection, opened.id) == [("closed", "a cable")]


@pytest.mark.parametrize(
    ("left", "worked", "then_left", "prepaid", "billed", "billable"),
    [
        (60, 25, 35, 25, 0, False),
        (60, 60, 0, 60, 0, False),
        (20, 50, 0, 20, 30, True),
        (0, 50, 0, 0, 50, True),
        (None, 50, None, 0, 50, True),
        (0, None, 0, 0, 0, True),
        (60, None, 60, 0, 0, False),
        (60, 0, 60, 0, 0, False),
    ],
)
def test_minutes_come_out_of_the_package_first(
    lone: Connection,
    left: int | None,
    worked: int | None,
    then_left: int | None,
    prepaid: int,
    billed: int,
    billable: bool,
) -> None:
    connection, opened = lone, a_case(lone)
    package(connection, left)
    # The flow said "subject to billing": a package is no contract.
    connection.execute(update(case_rows).values(billable=True))
    casework.close(connection, ACTOR, END, case(connection, opened), minutes=worked)
    assert minutes_left(connection) == then_left
    found = {key: details(connection, opened.id)[key] for key in ("minutes", "prepaid", "billed")}
    assert found == {"minutes": worked, "prepaid": prepaid, "billed": billed}
    closed = case(connection, opened)
    assert (closed.minutes, closed.billable) == (worked, billable)
    spent = [act for act in audit.acts(connection) if act.act == "customer.minutes"]
    assert [act.details for act in spent] == (
        [{"minutes": [left, then_left], "case": opened.number}] if prepaid else []
    )


@pytest.mark.parametrize("more", [{"contract_until": date(2026, 3, 9)}, {"contract_from": date(2026, 3, 11)}])
def test_a_package_that_does_not_hold_on_the_day_pays_nothing(lone: Connection, more: Any) -> None:
    connection, opened = lone, a_case(lone)
    package(connection, 60, **more)
    connection.execute(update(case_rows).values(billable=True))
    casework.close(connection, ACTOR, END, case(connection, opened), minutes=10)
    assert minutes_left(connection) == 60
    assert details(connection, opened.id)["billed"] == 10


def test_work_under_a_contract_is_not_billed(connection: Connection, opened: Opened) -> None:
    casework.close(connection, ACTOR, END, case(connection, opened), minutes=45)
    found = details(connection, opened.id)
    assert (found["minutes"], found["prepaid"], found["billed"]) == (45, 0, 0)


@pytest.mark.parametrize("minutes", [-1, 100_001])
def test_minutes_that_cannot_be_take_nothing(lone: Connection, minutes: int) -> None:
    connection, opened = lone, a_case(lone)
    package(connection, 60)
    with pytest.raises(CaseRefusal, match="minutes"):
        casework.close(connection, ACTOR, END, case(connection, opened), minutes=minutes)
    assert minutes_left(connection) == 60


# -- reopening ---------------------------------------------------------------------------------


def test_a_case_closed_by_mistake_is_as_it_was(connection: Connection, opened: Opened) -> None:
    package(connection, 20)
    connection.execute(update(case_rows).values(billable=True))
    before = case(connection, opened)
    with pytest.raises(CaseRefusal, match="is open"):
        casework.reopen(connection, ACTOR, END, before)
    casework.close(connection, ACTOR, END, before, "oops", 20)
    assert not case(connection, opened).billable
    tomorrow = END + timedelta(hours=24)
    casework.reopen(connection, ACTOR, tomorrow, case(connection, opened), "wrong case")
    assert case(connection, opened) == before
    assert minutes_left(connection) == 20
    assert pursued_at(connection, opened.number) == tomorrow
    assert log(connection, opened.id) == [("closed", "oops"), ("reopened", "wrong case")]
    assert details(connection, opened.id) == {"given_back": 20}
    spent = [act.details for act in audit.acts(connection) if act.act == "customer.minutes"]
    assert [each["minutes"] for each in spent if each] == [[0, 20], [20, 0]]
    # Closed again, it takes what it takes once.
    casework.close(connection, ACTOR, tomorrow, case(connection, opened), "done", 5)
    assert minutes_left(connection) == 15
    casework.reopen(connection, ACTOR, tomorrow, case(connection, opened))
    assert minutes_left(connection) == 20


def test_a_case_that_somebody_has_is_his_again(connection: Connection, opened: Opened) -> None:
    casework.take(connection, ACTOR, LATER, case(connection, opened), "anna")
    casework.close(connection, ACTOR, END, case(connection, opened))
    casework.reopen(connection, ACTOR, END, case(connection, opened))
    assert case(connection, opened).taken_by == "anna"
    assert pursued_at(connection, opened.number) is None


def test_what_is_not_reopened(connection: Connection) -> None:
    older, younger = two(connection)
    casework.merge(connection, ACTOR, END, case(connection, older), case(connection, younger))
    with pytest.raises(CaseRefusal, match=older.number):
        casework.reopen(connection, ACTOR, END, case(connection, younger))
    casework.close(connection, ACTOR, END, case(connection, older))
    late = END + closing.REOPENS_WITHIN + timedelta(seconds=1)
    with pytest.raises(CaseRefusal, match="24 hours"):
        casework.reopen(connection, ACTOR, late, case(connection, older))
    connection.execute(update(case_rows).values(customer_id=None))
    with pytest.raises(CaseRefusal, match="erased"):
        casework.reopen(connection, ACTOR, END, case(connection, older))


# -- the story ---------------------------------------------------------------------------------


def test_a_note_and_the_story_in_order(connection: Connection, opened: Opened) -> None:
    for nothing in ("", " \n", "x" * 2001):
        with pytest.raises(CaseRefusal, match="note"):
            casework.note(connection, ACTOR, LATER, case(connection, opened), nothing)
    connected(connection, opened, "dario")
    casework.note(connection, "technician:dario", END, case(connection, opened), " the\nswitch\x07\u202e ")
    a_call(connection, a_sid(5), LATER)
    cases.join(
        connection,
        LATER,
        opened.id,
        call_sid=a_sid(5),
        urgency="P2",
        due_at=NIGHT + timedelta(hours=9),
        pursue_at=END,
    )
    story = casework.timeline(connection, case(connection, opened))
    assert [(event.kind, event.who, event.what, event.text) for event in story] == [
        ("call", "", None, ""),
        ("attempt", "dario", "connected", ""),
        ("call", "", None, ""),
        ("log", "technician:dario", "note", "the\nswitch"),
    ]
    assert [event.at for event in story] == [NIGHT, NIGHT, LATER, END]


# -- whatever is done in whatever order ----------------------------------------------------------

DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["take", "text", "let go", "pass", "P1", "P2", "P3", "note", "close", "reopen"]),
        st.sampled_from(["anna", "bruno", "dario"]),
        st.integers(0, 30),
    ),
    max_size=9,
)


@given(deeds=DEEDS)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
def test_no_case_is_left_without_anybody_seeing_to_it(
    tmp_path_factory: pytest.TempPathFactory, urgency: UrgencySettings, deeds: list[tuple[str, str, int]]
) -> None:
    """An open case with a deadline is held by somebody or pursued; a closed one is neither rung nor paid
    for twice; the log tells of each deed that was done.
    """
    with fresh_database(tmp_path_factory.mktemp("case")) as database, database.write() as connection:
        staff(connection)
        opened = a_case(connection)
        package(connection, 100)
        at = NIGHT
        for deed, who, minutes in deeds:
            at += timedelta(minutes=minutes)
            before = len(casework.log_of(connection, opened.id)), case(connection, opened)
            try:
                do(connection, at, deed, who, minutes, before[1], urgency)
                done = True
            except CaseRefusal:
                done = False
            now = case(connection, opened)
            entries = len(casework.log_of(connection, opened.id))
            if not done:
                assert (entries, now) == before
            pursued = pursued_at(connection, opened.number) is not None
            held = casework.holder(connection, now) is not None
            if now.closed_at is not None:
                assert not pursued
            elif now.due_at is not None:
                assert held or pursued, deed
                assert pursued == (not held or now.taken_via == "text"), deed
            else:
                assert not pursued, deed
            assert (now.taken_by is None) == (now.taken_at is None) == (now.taken_via is None)
            worked = now.minutes or 0
            assert minutes_left(connection) == 100 - worked


def do(
    connection: Connection,
    at: datetime,
    deed: str,
    who: str,
    minutes: int,
    seen: Case,
    urgency: UrgencySettings,
) -> None:
    match deed:
        case "take":
            casework.take(connection, ACTOR, at, seen, who)
        case "text":
            casework.take(connection, ACTOR, at, seen, who, "text", RINGING)
        case "let go":
            casework.let_go(connection, at, seen)
        case "pass":
            casework.pass_on(connection, ACTOR, at, seen)
        case "note":
            casework.note(connection, ACTOR, at, seen, "x")
        case "close":
            casework.close(connection, ACTOR, at, seen, "x", minutes)
        case "reopen":
            casework.reopen(connection, ACTOR, at, seen)
        case code:
            casework.reclassify(connection, ACTOR, at, seen, code, "x", urgency)


def test_a_stale_look_at_the_case_does_not_matter_where_nobody_took_it(
    connection: Connection, opened: Opened
) -> None:
    seen = replace(case(connection, opened), due_at=None)
    casework.take(connection, ACTOR, LATER, seen, "anna")
    assert case(connection, opened).due_at == NIGHT + timedelta(hours=1)
    assert roster.rota_keys(connection) == ["duty"]

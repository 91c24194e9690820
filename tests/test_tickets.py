"""What happened becomes tickets, once and in order, whoever looks and whatever fails meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from helpdesk import Helpdesk, helpdesk
from making import ACTOR, NIGHT, Opened, a_call, a_case, a_sid, case, configuration, opened_at, staff
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import OperationalError

from console.house import House
from console.processes.worker import LEASE, tick
from console.settings import Configuration
from console.tickets.settings import TicketSettings
from console.work import APART, AT_ONCE, HANDLERS, tickets
from ivr import journal
from ivr.tables import messages, ticket_deliveries
from ivr.tables import ticket_events as event_rows
from ivr.tables import tickets as ticket_rows
from ivr.tickets import ticket_events
from ivr.tickets.tickets import KINDS
from ivr.vocabulary import Recording
from oncall import erasure
from oncall.cases import casework, closing
from oncall.notices.channels import Channels
from oncall.reaching import attempts
from oncall.tables import case_log, cases
from storage import alarms, due
from storage.engine import Database
from storage.tables import due_work

LANES = {kind: HANDLERS[kind] for kind in KINDS.values()}
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RECORDING = "RE" + "1" * 32


@pytest.fixture(autouse=True)
def rested() -> None:
    tickets._resting.clear()


@pytest.fixture
def desk() -> Iterator[Helpdesk]:
    with helpdesk() as running:
        yield running


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened_at(database_url) as database:
        with database.write() as connection:
            staff(connection, NIGHT - DAY)
        yield database


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    return configuration(tmp_path_factory.mktemp("configuration"))


@pytest.fixture
def house(plain: Configuration, database: Database, desk: Helpdesk) -> House:
    """Tickets are switched on, a minute before NIGHT."""
    house = House(plain.model_copy(update={"tickets": desk.settings}), database)
    assert tickets.look(house, NIGHT - MINUTE) == 0
    return house


def act(house: House, do: Callable[..., Any], at: datetime, opened: Opened, *given: Any) -> None:
    with house.database.write() as connection:
        do(connection, "technician:anna via link", at, case(connection, opened), *given)


def opened(house: House, at: datetime = NIGHT, number: int = 1) -> Opened:
    with house.database.write() as connection:
        return a_case(connection, at, sid=a_sid(number))


def tell(house: House, at: datetime) -> int:
    """Do all that is due at `at`; returns how many pieces of work that was."""
    done = 0
    while some := tick(house, at, LANES, AT_ONCE):
        done += some
    return done


def a_message(connection: Connection, at: datetime, sid: str, *, kind: Any = "message") -> None:
    journal.keep_message(connection, at, sid, Recording(RECORDING, "", 34), "announced", kind)


def counted(connection: Connection, table: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


# -- what is found -----------------------------------------------------------------------------


def test_a_case_is_told_from_its_beginning_to_its_end(house: House, desk: Helpdesk) -> None:
    one = opened(house)
    with house.database.write() as connection:
        attempt = attempts.begin_attempt(connection, NIGHT, one.id, one.sid, "anna", "+393331234501", 1)
        attempts.press(connection, NIGHT + 1 * SECOND, attempt, "accepted")
        attempts.settle(connection, NIGHT + 9 * MINUTE, attempt, "completed", bridged=True)
        a_message(connection, NIGHT + 2 * SECOND, one.sid)
        journal.message_fetched(connection, NIGHT + 3 * SECOND, RECORDING, f"{RECORDING}.mp3")
    act(house, casework.take, NIGHT + 1 * MINUTE, one, "anna")
    act(house, casework.reclassify, NIGHT + 2 * MINUTE, one, "P1", "on site", 2 * HOUR)
    act(house, casework.note, NIGHT + 3 * MINUTE, one, "the router\nis dead")
    act(house, closing.close, NIGHT + 4 * MINUTE, one)
    assert tickets.look(house, NIGHT + 5 * MINUTE) == 7
    assert tickets.look(house, NIGHT + 5 * MINUTE) == 0
    tell(house, NIGHT + 5 * MINUTE)
    kinds = ["opened", "connected", "left", "taken", "reclassified", "note", "closed"]
    assert [kind.partition(".")[2] for _, _, kind in desk.told] == kinds
    assert [place for _, place, _ in desk.told] == [1, 2, 3, 4, 5, 6, 7]
    assert {ticket for ticket, _, _ in desk.told} == {f"case:{one.number}"}
    assert len({each["id"] for each in desk.got}) == 7
    first, connected, message, taken, reclassified, note, _ = desk.got
    assert first["customer"] == {"code": "ACME", "name": "Acme"}
    assert first["case"]["code"] == one.code
    assert connected["happened"]["technician"] == {"key": "anna", "name": "Anna Rossi"}
    assert (message["message"]["recording"], message["message"]["seconds"]) == (RECORDING, 34)
    assert taken["happened"]["by"] == "Anna Rossi"
    assert taken["occurred_at"] == (NIGHT + 1 * MINUTE).isoformat().replace("+00:00", "Z")
    assert reclassified["happened"]["urgency_before"] == "P1+"
    assert reclassified["happened"]["urgency_after"] == "P1"
    assert note["happened"]["text"] == "the router\nis dead"
    assert {each["case"]["state"] for each in desk.got} == {"closed"}  # as it stands when it is told
    with house.database.read() as connection:
        pending = select(due_work.c.id).where(due_work.c.kind.in_(LANES), due_work.c.state == due.PENDING)
        assert connection.execute(pending).first() is None


def test_both_cases_hear_of_a_merging(house: House, desk: Helpdesk) -> None:
    older, younger = opened(house), opened(house, NIGHT + SECOND, 2)
    with house.database.write() as connection:
        closing.merge(connection, ACTOR, NIGHT + MINUTE, case(connection, older), case(connection, younger))
    tickets.look(house, NIGHT + 2 * MINUTE)
    tell(house, NIGHT + 2 * MINUTE)
    merged = {each["case"]["number"]: each for each in desk.got if each["type"] == "case.merged"}
    assert merged[younger.number]["case"]["merged_into"] == older.number
    assert "goes on there" in merged[younger.number]["text"]
    assert merged[older.number]["happened"]["other_case"] == younger.number
    assert f"Case {younger.number} is the same as this one" in merged[older.number]["text"]


def test_a_message_without_a_case_is_a_ticket_of_its_own(house: House, desk: Helpdesk) -> None:
    with house.database.write() as connection:
        a_call(connection)
        a_message(connection, NIGHT, a_sid(1))
    assert tickets.look(house, NIGHT + MINUTE) == 0  # its recording may still be fetched
    assert tickets.look(house, NIGHT + 3 * MINUTE) == 1
    tell(house, NIGHT + 3 * MINUTE)
    assert desk.told == [(f"call:{a_sid(1)}", 1, "message.left")]
    assert desk.got[0]["case"] is None
    assert desk.got[0]["number"]["number"] == "+390461825060"


def test_what_a_caller_said_of_himself_is_no_message(house: House) -> None:
    with house.database.write() as connection:
        a_call(connection)
        a_message(connection, NIGHT, a_sid(1), kind="name")
    assert tickets.look(house, NIGHT + HOUR) == 0


def test_somebody_who_was_called_back_was_talked_to(house: House, desk: Helpdesk) -> None:
    one = opened(house)
    with house.database.write() as connection:
        attempts.reached(connection, NIGHT + MINUTE, one.id)
    assert tickets.look(house, NIGHT + 2 * MINUTE) == 2
    tell(house, NIGHT + 2 * MINUTE)
    assert desk.got[1]["type"] == "case.connected"
    assert "A technician has talked to the customer." in desk.got[1]["text"]


def test_notes_can_be_kept_to_ourselves(house: House) -> None:
    own = house.configuration.tickets.model_copy(update={"notes": False})
    quiet = replace(house, configuration=house.configuration.model_copy(update={"tickets": own}))
    one = opened(quiet)
    act(quiet, casework.note, NIGHT + MINUTE, one, "between us")
    assert tickets.look(quiet, NIGHT + 2 * MINUTE) == 1
    assert tickets.look(house, NIGHT + 2 * MINUTE) == 1


def test_what_came_before_they_were_switched_on_is_not_told(
    plain: Configuration, database: Database, desk: Helpdesk
) -> None:
    """But whatever happens later in such a case is, and first of all what case it is."""
    house = House(plain.model_copy(update={"tickets": desk.settings}), database)
    one, _ = opened(house, NIGHT), opened(house, NIGHT, 2)
    assert tickets.look(house, NIGHT + 5 * MINUTE) == 0
    assert tickets.look(house, NIGHT + 6 * MINUTE) == 0
    act(house, casework.take, NIGHT + 7 * MINUTE, one, "anna")
    assert tickets.look(house, NIGHT + 8 * MINUTE) == 2
    tell(house, NIGHT + 8 * MINUTE)
    assert [kind for _, _, kind in desk.told] == ["case.opened", "case.taken"]
    assert desk.got[0]["occurred_at"] == NIGHT.isoformat().replace("+00:00", "Z")


def test_nothing_is_written_where_nothing_is_configured(house: House) -> None:
    """Nor in a rehearsal; and what comes until they are on again is never told."""
    opened(house)
    assert tickets.look(replace(house, outward=Channels()), NIGHT + SECOND) == 0
    off = house.configuration.model_copy(update={"tickets": TicketSettings()})
    assert tickets.look(replace(house, configuration=off), NIGHT + 2 * SECOND) == 0
    with house.database.read() as connection:
        assert ticket_events.mark(connection) is None
        assert counted(connection, ticket_rows) == 0
    assert tickets.look(house, NIGHT + HOUR) == 0
    assert tickets.look(house, NIGHT + HOUR + SECOND) == 0


def test_a_look_that_finds_nothing_writes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(house)
    tickets.look(house, NIGHT + SECOND)
    monkeypatch.setattr(Database, "write", None)
    assert tickets.look(house, NIGHT + 2 * SECOND) == 0


# -- late, and out of order ----------------------------------------------------------------------


def test_what_comes_home_after_an_outage_is_told_in_its_order(house: House, desk: Helpdesk) -> None:
    """A case of two days ago is noted now, its log under ids that say nothing of time."""
    for hours in range(0, 49, 4):
        tickets.look(house, NIGHT + hours * HOUR)
    one = opened(house, NIGHT)
    with house.database.write() as connection:
        for at, what in ((NIGHT + 2 * HOUR, "closed"), (NIGHT + HOUR, "taken")):
            row = {"case_id": one.id, "at": at, "actor": "technician:anna", "act": what}
            connection.execute(insert(case_log), {**row, "text": "", "details": {}})
    late = NIGHT + 2 * DAY + MINUTE
    assert tickets.look(house, late) == 3
    tell(house, late)
    assert [kind for _, _, kind in desk.told] == ["case.opened", "case.taken", "case.closed"]


def test_an_entry_whose_transaction_ended_later_than_the_next_is_not_lost(house: House) -> None:
    one = opened(house)
    with house.database.write() as connection:
        row = {"case_id": one.id, "actor": "ivr", "act": "breached", "text": "", "details": {}}
        connection.execute(insert(case_log), {**row, "id": 100, "at": NIGHT + MINUTE})
    tickets.look(house, NIGHT + 10 * MINUTE)  # the mark moves: 100 is the newest
    with house.database.write() as connection:
        connection.execute(insert(case_log), {**row, "id": 99, "at": NIGHT + MINUTE, "act": "resumed"})
    assert tickets.look(house, NIGHT + 19 * MINUTE) == 1
    assert tickets.look(house, NIGHT + 20 * MINUTE) == 0
    with house.database.read() as connection:
        mark = ticket_events.mark(connection)
    assert mark is not None
    assert mark.log == 100  # it does move on


def test_two_workers_tell_everything_once_and_in_order(house: House, desk: Helpdesk) -> None:
    """Each looks and tells at the same instant as the other, again and again."""
    many = [opened(house, NIGHT, number) for number in range(1, 5)]
    both = threading.Barrier(2)

    def work() -> None:
        for step in range(1, 4):
            both.wait(300)
            # On a machine that is too busy a lock is not had in time: as in the worker, the next tick does.
            with suppress(OperationalError):
                tickets.look(house, NIGHT + step * MINUTE)
                tell(house, NIGHT + step * MINUTE)
            if both.wait(300) == 0 and step < 3:
                for each in many:
                    act(house, casework.note, NIGHT + step * MINUTE, each, f"step {step}")

    workers = [threading.Thread(target=work) for _ in range(2)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    tickets.look(house, NIGHT + 4 * MINUTE)
    tell(house, NIGHT + 4 * MINUTE + LEASE)
    assert len({each["id"] for each in desk.got}) == 12
    for one in many:
        places = [place for ticket, place, _ in desk.told if ticket == f"case:{one.number}"]
        assert list(dict.fromkeys(places)) == [1, 2, 3]


def test_what_is_written_while_the_last_is_being_told_is_told(house: House, desk: Helpdesk) -> None:
    one = opened(house)
    tickets.look(house, NIGHT + SECOND)

    def meanwhile() -> None:
        desk.while_asked = lambda: None
        act(house, casework.note, NIGHT + SECOND, one, "meanwhile")
        assert tickets.look(house, NIGHT + SECOND) == 1

    desk.while_asked = meanwhile
    tell(house, NIGHT + SECOND)
    assert [kind for _, _, kind in desk.told] == ["case.opened", "case.note"]


# -- failures ----------------------------------------------------------------------------------


def test_a_crash_between_sending_and_booking_sends_the_same_again(
    house: House, desk: Helpdesk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened(house)
    tickets.look(house, NIGHT + SECOND)
    with monkeypatch.context() as broken:
        broken.setattr(tickets, "_booked", None)
        assert tick(house, NIGHT + SECOND, LANES) == 1
    assert "failed; it is tried again after its lease" in caplog.text
    assert tell(house, NIGHT + SECOND + LEASE / 2) == 0
    tell(house, NIGHT + SECOND + LEASE)
    first, second = desk.got
    assert first == second


def test_a_receiver_that_is_down_is_asked_ever_less_often_and_given_up_after_three_days(
    house: House, desk: Helpdesk
) -> None:
    one = opened(house)
    act(house, casework.take, NIGHT + SECOND, one, "anna")
    began = NIGHT + 2 * SECOND
    tickets.look(house, began)
    desk.status = 500
    asked = [began]
    pauses = []
    while True:
        before = desk.asked
        tell(house, asked[-1])
        if desk.asked > before + 1 or (
            desk.asked > before and len(asked) > 1 and asked[-1] >= began + 3 * DAY
        ):
            break
        with house.database.read() as connection:
            waits = select(due_work.c.due_at).where(due_work.c.kind.in_(LANES))
            again = connection.execute(waits.where(due_work.c.state == due.PENDING)).scalar_one()
        pauses.append(again - asked[-1])
        asked.append(again)
    assert desk.got == []
    assert asked[-1] == began + 3 * DAY
    assert pauses[0] == 10 * SECOND
    assert max(pauses) == 6 * HOUR
    assert desk.asked < 40
    with house.database.read() as connection:
        (alarm,) = alarms.raised_since(connection, NIGHT)
        rows = connection.execute(select(ticket_deliveries).order_by(ticket_deliveries.c.event_id)).all()
    assert alarm.raised["what"] == tickets.UNDELIVERED
    assert alarm.raised["ticket"] == one.number
    assert rows[0].outcome == "given-up"
    assert rows[0].why == "answered 500"
    desk.status = 200
    tell(house, began + 3 * DAY + HOUR)
    assert desk.told == [(f"case:{one.number}", 2, "case.taken")]


def test_a_receiver_that_is_down_costs_one_try_in_a_while_however_much_waits(
    house: House, desk: Helpdesk
) -> None:
    for number in range(1, 9):
        opened(house, NIGHT, number)
    tickets.look(house, NIGHT + SECOND)
    desk.status = 503
    tell(house, NIGHT + SECOND)
    assert desk.asked == 1
    desk.status, desk.asked = 200, 0
    tell(house, NIGHT + 2 * SECOND)
    assert desk.asked == 0
    tell(house, NIGHT + SECOND + tickets.REST)
    assert len(desk.got) == 8


def test_a_receiver_may_say_when_to_come_again(house: House, desk: Helpdesk) -> None:
    opened(house)
    tickets.look(house, NIGHT)
    desk.status, desk.headers = 429, {"Retry-After": "600"}
    tell(house, NIGHT)
    desk.status = 200
    tell(house, NIGHT + 599 * SECOND)
    assert desk.got == []
    tell(house, NIGHT + 600 * SECOND)
    assert len(desk.got) == 1


def test_what_cannot_be_said_holds_up_no_other_ticket_and_is_given_up(house: House, desk: Helpdesk) -> None:
    """Whatever stands in the log: somebody else's program may have written it."""
    one, other = opened(house), opened(house, NIGHT, 2)
    with house.database.write() as connection:
        row = {"case_id": one.id, "at": NIGHT, "actor": "ivr", "act": "passed", "text": ""}
        connection.execute(insert(case_log), {**row, "details": {"technician": 5}})
    act(house, casework.note, NIGHT + SECOND, one, "after it")
    tickets.look(house, NIGHT + SECOND)
    for later in (SECOND, MINUTE, 3 * DAY + SECOND, 3 * DAY + HOUR):
        tell(house, NIGHT + later)
    assert {(ticket, kind) for ticket, _, kind in desk.told} == {
        (f"case:{one.number}", "case.opened"),
        (f"case:{one.number}", "case.note"),
        (f"case:{other.number}", "case.opened"),
    }
    with house.database.read() as connection:
        assert [each.raised["ticket"] for each in alarms.raised_since(connection, NIGHT)] == [one.number]


def test_tickets_have_lanes_of_their_own() -> None:
    """Whatever they wait for, nobody who is to be phoned or told waits with them."""
    assert [kinds for kinds in APART.values() if set(kinds) & set(LANES)] == [(kind,) for kind in LANES]


def test_work_that_got_lost_is_begun_anew(house: House, desk: Helpdesk) -> None:
    opened(house)
    tickets.look(house, NIGHT)
    with house.database.write() as connection:
        connection.execute(update(due_work).where(due_work.c.kind.in_(LANES)).values(state=due.CANCELLED))
    tickets.look(house, NIGHT + ticket_events.MOVES_EVERY)
    tell(house, NIGHT + ticket_events.MOVES_EVERY)
    assert len(desk.got) == 1


# -- what is not kept ---------------------------------------------------------------------------


def test_of_an_erased_customer_nothing_more_is_told(house: House, desk: Helpdesk) -> None:
    one = opened(house)
    act(house, casework.note, NIGHT + SECOND, one, "a secret of Acme")
    tickets.look(house, NIGHT + SECOND)
    with house.database.write() as connection:
        customer = case(connection, one).customer_id
        assert customer is not None
        erasure.erase(connection, ACTOR, NIGHT + 2 * SECOND, customer)
    tickets.look(house, NIGHT + 3 * SECOND)
    tell(house, NIGHT + 3 * SECOND)
    assert [kind for _, _, kind in desk.told] == ["case.opened", "case.note", "case.closed"]
    assert "acme" not in str(desk.got).lower()


def test_what_is_gone_is_not_told(house: House, desk: Helpdesk) -> None:
    with house.database.write() as connection:
        a_call(connection)
        a_message(connection, NIGHT, a_sid(1))
    tickets.look(house, NIGHT + HOUR)
    with house.database.write() as connection:
        connection.execute(messages.delete())
    tell(house, NIGHT + HOUR)
    assert desk.got == []
    with house.database.read() as connection:
        assert connection.execute(select(ticket_deliveries.c.outcome)).scalars().all() == ["dropped"]


def test_tickets_are_forgotten_with_their_calls(house: House) -> None:
    """Unless the case is open, or somebody is still to be told."""
    ended, still_open, untold = (opened(house, NIGHT, number) for number in (1, 2, 3))
    for each in (ended, untold):
        act(house, closing.close, NIGHT + SECOND, each)
    tickets.look(house, NIGHT + SECOND)
    with house.database.write() as connection:
        events = select(event_rows.c.id).join(ticket_rows, ticket_rows.c.id == event_rows.c.ticket_id)
        told = events.where(ticket_rows.c.subject != f"case:{untold.number}")
        done = update(ticket_deliveries).where(ticket_deliveries.c.event_id.in_(told))
        connection.execute(done.values(settled_at=NIGHT, outcome="delivered"))
    late = NIGHT + house.configuration.privacy.calls * DAY
    tickets.look(house, late)
    tickets.look(house, late + HOUR)
    with house.database.read() as connection:
        kept = set(connection.execute(select(ticket_rows.c.subject)).scalars())
        assert connection.execute(select(func.count()).select_from(cases)).scalar() == 3
    assert kept == {f"case:{still_open.number}", f"case:{untold.number}"}

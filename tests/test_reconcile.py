"""Calls that the stand-in served while nothing of ours answered: found, written down, told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from making import ACCOUNT, NIGHT, SECRETS, TOKEN, a_sid, configuration, fresh_database, rome, staff
from sqlalchemy import func, select
from stand_in.walking import running, telephone
from twilio_rest.past_calls import SOUND, PastCalls, routes
from twilio_rest.server import StandIn, serving

from console.house import House, open_house, rules
from console.privacy.keys import kept_sounds
from console.processes.standing_by import spares
from console.processes.worker import tick
from console.settings import load
from console.stand_in.content import make_document
from console.work import HANDLERS, reconcile
from ivr import journal
from ivr.standby.found_calls import FOUND
from ivr.vocabulary import Call, Outcome, Step
from oncall.cases import cases
from oncall.reaching import attempts
from oncall.tables import cases as case_rows
from oncall.tables import notices
from storage import notebook
from storage.due import Work

TRENTO, OFFICE = "+390461825060", "+390461000001"
BRUNO, DARIO = "+393331234502", "+393331234504"
CUSTOMER, OTHER = "+393471112201", "+393471112202"
WORK = Work(1, reconcile.COMPARE, reconcile.KEY, {}, NIGHT, 1, "lease", NIGHT)
MINUTES = timedelta(minutes=1)
DAY = rome("2026-03-10 10:00")


@pytest.fixture
def past() -> PastCalls:
    return PastCalls(ACCOUNT)


@pytest.fixture
def twilio(past: PastCalls) -> Iterator[StandIn]:
    with serving(ACCOUNT, TOKEN, routes(past)) as stand_in:
        yield stand_in


@pytest.fixture
def house(tmp_path: Path, twilio: StandIn) -> Iterator[House]:
    configuration(tmp_path)
    file = tmp_path / "config.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[twilio]", f'[twilio]\napi_base = "{twilio.base}"', 1), encoding="utf-8")
    with fresh_database(tmp_path) as database, database.write() as connection:
        staff(connection, rome("2026-01-01 00:00"))
    house = open_house(load(file, SECRETS))
    compared(house, NIGHT - timedelta(days=1))
    yield house
    house.close()


def compared(house: House, until: datetime) -> None:
    with house.database.write() as connection:
        notebook.write(connection, until, reconcile.STAND_IN, {"fallback_address": "https://x.twil.io/y"})
        notebook.write(connection, until, reconcile.COMPARED, {"until": until.isoformat()})


def compare(house: House, at: datetime) -> datetime | None:
    return reconcile.compare(house, WORK, at)


def until(house: House) -> datetime:
    with house.database.read() as connection:
        note = notebook.read(connection, reconcile.COMPARED)
    assert note is not None
    return datetime.fromisoformat(note.content["until"])


def case_of(house: House, sid: str) -> cases.Case | None:
    with house.database.read() as connection:
        return cases.of_call(connection, sid)


def counts(house: House) -> dict[str, int]:
    with house.database.read() as connection:
        count: dict[str, int] = {
            "calls": connection.execute(select(func.count()).select_from(journal.calls)).scalar_one(),
            "messages": connection.execute(select(func.count()).select_from(journal.messages)).scalar_one(),
            "cases": connection.execute(select(func.count()).select_from(case_rows)).scalar_one(),
            "notices": connection.execute(select(func.count()).select_from(notices)).scalar_one(),
        }
    return count


def told(house: House) -> list[tuple[str, str, bool, dict[str, Any]]]:
    with house.database.read() as connection:
        rows = connection.execute(select(notices).order_by(notices.c.id))
        return [(row.kind, row.recipient, row.loud, dict(row.facts)) for row in rows]


# -- the acceptance ----------------------------------------------------------------------------


def test_the_program_dead_and_back(house: House, past: PastCalls, tmp_path: Path) -> None:
    """The stand-in reaches today's technician; back alive, the call is in the journal with its case."""
    with house.database.read() as connection:
        document = make_document(house.configuration, connection, NIGHT)
    with running(document.text, tmp_path) as local:
        exchange, _ = telephone(local, NIGHT)
        call = exchange.ring(CUSTOMER, TRENTO)
        key = call.heard()[-1].rstrip(".")[-1]
        call.press(key)
        assert [leg.phone for leg in call.ringing] == [BRUNO]
        call.ringing[0].answer()
        assert call.leg is not None
        call.leg.press("2")
        call.ringing[0].answer()
        call.leg.press("1")
        call.leg.talk(120)
        past.remember(call)
        silent = exchange.ring(OTHER, TRENTO)
        silent.wait()
        silent.wait()
        silent.speak(12, then="#")
        past.remember(silent)
        curious = exchange.ring(OTHER, TRENTO)
        curious.hang_up()
        past.remember(curious)
    back = exchange.clock.now() + 30 * MINUTES
    assert compare(house, back) == back + reconcile.EVERY
    with house.database.read() as connection:
        for each, outcome in ((call, "stand-in"), (silent, "stand-in"), (curious, "stand-in")):
            record = journal.call(connection, each.sid)
            assert (record.caller, record.number, record.outcome) == (each.from_, TRENTO, outcome)
            assert abs(record.started - each.began) < timedelta(seconds=1)
            assert record.ended is not None
        (message,) = journal.messages_of(connection, silent.sid)
        assert message.seconds == 12
    case = case_of(house, call.sid)
    assert case is not None
    assert (case.screened, case.rota, case.customer_id, case.due_at) == (True, "duty", None, None)
    assert case_of(house, silent.sid) is not None
    assert case_of(house, curious.sid) is None
    with house.database.read() as connection:
        tried = [(each.technician, each.result) for each in attempts.attempts_of(connection, case.id)]
    # Only a recorded key counts, and nobody has told us of one.
    assert tried == [("bruno", "unconfirmed"), ("dario", "unconfirmed")]
    tick(house, back, HANDLERS_OF_CALLS)
    kinds = [(kind, recipient, loud) for kind, recipient, loud, _ in told(house)]
    assert ("stand-in-call", "technician:bruno", True) in kinds
    with house.database.read() as connection:
        (message,) = journal.messages_of(connection, silent.sid)
    assert message.file is not None
    assert kept_sounds(house.configuration).read(message.file) == SOUND


HANDLERS_OF_CALLS = {kind: HANDLERS[kind] for kind in (FOUND, journal.FETCH, "message.deliver")}


# -- once --------------------------------------------------------------------------------------


def a_past_call(
    past: PastCalls, number: int, began: datetime, *, rung: str = "", spoke: int = 0, lasts: int = 60
) -> str:
    sid = a_sid(number)
    past.add(sid, CUSTOMER, TRENTO, began, began + timedelta(seconds=lasts))
    if rung:
        leg = began + timedelta(seconds=10)
        past.add(
            a_sid(number + 1000),
            TRENTO,
            rung,
            leg,
            leg + timedelta(seconds=25),
            status="no-answer",
            parent=sid,
        )
    if spoke:
        past.record(sid, spoke, began + timedelta(seconds=lasts))
    return sid


def test_nothing_is_doubled(house: House, past: PastCalls) -> None:
    a_past_call(past, 1, NIGHT, rung=BRUNO, spoke=9)
    a_past_call(past, 2, NIGHT + MINUTES, spoke=9)
    at = NIGHT + 30 * MINUTES
    compare(house, at)
    tick(house, at, HANDLERS_OF_CALLS)
    before = counts(house)
    assert before["calls"] == before["cases"] == before["messages"] == 2
    for hour in (1, 2):
        compared(house, NIGHT - timedelta(days=1))  # as a second worker that has not looked yet
        compare(house, at + timedelta(minutes=hour))
        tick(house, at + timedelta(minutes=hour), HANDLERS_OF_CALLS)
    assert counts(house) == before


def test_calls_that_may_still_be_arriving_are_left_for_the_next_look(house: House, past: PastCalls) -> None:
    fresh = a_past_call(past, 1, NIGHT, rung=BRUNO)
    compare(house, NIGHT + 2 * MINUTES)
    assert counts(house)["calls"] == 0
    assert until(house) <= NIGHT
    goes_on = a_sid(5)
    past.add(goes_on, OTHER, TRENTO, NIGHT + MINUTES, None)
    compare(house, NIGHT + 60 * MINUTES)
    assert case_of(house, fresh) is not None
    assert until(house) == NIGHT + MINUTES  # it waits for the talk that goes on
    compare(house, NIGHT + timedelta(hours=7))
    assert until(house) > NIGHT + timedelta(hours=6)  # but not for ever


def test_what_the_journal_has_is_left_alone(house: House, past: PastCalls) -> None:
    sid = a_sid(1)
    begun_with_us(house, sid)
    with house.database.write() as connection:
        journal.end(connection, NIGHT + MINUTES, sid, "no-pin")
    a_past_call(past, 1, NIGHT)
    before = counts(house)
    compare(house, NIGHT + 30 * MINUTES)
    assert counts(house) == before
    with house.database.read() as connection:
        assert journal.call(connection, sid).outcome == "no-pin"


def begun_with_us(house: House, sid: str) -> None:
    """A caller was keying his PIN when we died."""
    known = rules(house.configuration)
    languages = known.languages_of(TRENTO)
    with house.database.write() as connection:
        call = Call(sid, CUSTOMER, TRENTO, languages[0], languages, step=Step.PIN)
        assert journal.begin(connection, NIGHT, call, 1)


def test_a_call_that_began_with_us_and_went_on_with_the_stand_in(house: House, past: PastCalls) -> None:
    sid = a_past_call(past, 1, NIGHT, rung=BRUNO, spoke=15)
    begun_with_us(house, sid)
    compare(house, NIGHT + 30 * MINUTES)
    with house.database.read() as connection:
        record = journal.call(connection, sid)
        assert record.ended is not None
        assert len(journal.messages_of(connection, sid)) == 1
    assert case_of(house, sid) is not None
    before = counts(house)
    compared(house, NIGHT - MINUTES)
    compare(house, NIGHT + 40 * MINUTES)
    assert counts(house) == before


# -- which -------------------------------------------------------------------------------------


def test_by_day_the_office_s_phone_is_no_emergency(house: House, past: PastCalls) -> None:
    missed = a_past_call(past, 1, DAY, rung=OFFICE, spoke=20)
    wanted = a_past_call(past, 2, DAY, rung=BRUNO)
    compare(house, DAY + 30 * MINUTES)
    assert case_of(house, missed) is None
    assert case_of(house, wanted) is not None
    with house.database.read() as connection:
        assert len(journal.messages_of(connection, missed)) == 1


def test_other_numbers_and_directions_are_not_ours(house: House, past: PastCalls) -> None:
    past.add(a_sid(1), CUSTOMER, "+390461999999", NIGHT, NIGHT + MINUTES)
    past.add(a_sid(2), TRENTO, BRUNO, NIGHT, NIGHT + MINUTES, parent=a_sid(9))
    compare(house, NIGHT + 30 * MINUTES)
    assert counts(house)["calls"] == 0


def test_many_at_once_are_told_in_one_notice(house: House, past: PastCalls) -> None:
    for number in range(1, 6):
        a_past_call(past, number, NIGHT + number * MINUTES, rung=BRUNO)
    at = NIGHT + 30 * MINUTES
    compare(house, at)
    for _ in range(3):
        tick(house, at, HANDLERS_OF_CALLS)
    loud = [each for each in told(house) if each[2]]
    (only,) = loud
    assert only[:2] == ("stand-in-call", "technician:bruno")
    assert only[3]["more"] == 4
    assert counts(house)["cases"] == 5


def test_before_anything_is_set_up_nobody_is_asked(house: House, twilio: StandIn) -> None:
    with house.database.write() as connection:
        notebook.remove(connection, reconcile.STAND_IN)
    compare(house, NIGHT)
    assert twilio.asked == []


def test_what_came_before_the_first_look_is_not_ours(house: House, past: PastCalls) -> None:
    a_past_call(past, 1, NIGHT, rung=BRUNO)
    with house.database.write() as connection:
        notebook.remove(connection, reconcile.COMPARED)
    compare(house, NIGHT + 30 * MINUTES)
    compare(house, NIGHT + 40 * MINUTES)
    assert counts(house)["calls"] == 0


def test_while_calls_come_home_from_a_spare_it_waits(house: House, past: PastCalls, twilio: StandIn) -> None:
    a_past_call(past, 1, NIGHT, rung=BRUNO)
    at = NIGHT + 30 * MINUTES
    held = spares(house.configuration)
    held.current(at)
    assert compare(house, at) == at + reconcile.WAITS
    assert twilio.asked == []


def test_twilio_fails_and_is_asked_again(house: House, past: PastCalls, twilio: StandIn) -> None:
    sid = a_past_call(past, 1, NIGHT, rung=BRUNO)
    twilio.fail("GET", "Recordings.json", 500, 20500)
    compare(house, NIGHT + 30 * MINUTES)
    assert until(house) < NIGHT
    assert counts(house)["calls"] == 0
    compare(house, NIGHT + 40 * MINUTES)
    assert case_of(house, sid) is not None


def test_pages(house: House, past: PastCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhooks.rest.past_calls.PAGE", 2)
    for number in range(1, 8):
        a_past_call(past, number, NIGHT + number * MINUTES, spoke=3)
    compare(house, NIGHT + 60 * MINUTES)
    assert counts(house)["cases"] == 7


def test_the_outcome_is_one_of_ours() -> None:
    assert Outcome("stand-in") is Outcome.STAND_IN
    assert len(Outcome.STAND_IN) <= 20

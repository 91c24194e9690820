"""Twilio is asked to forget: a recording once it is kept here, a call when its story is over here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from making import ACCOUNT, NIGHT, SECRETS, TOKEN, a_sid, configuration, fresh_database
from sqlalchemy import select
from twilio_rest.past_calls import SOUND, PastCalls, routes
from twilio_rest.server import Fault, Refusal, StandIn, serving

from console.house import House, open_house
from console.privacy import purging
from console.privacy.keys import kept_sounds
from console.processes.worker import tick
from console.settings import load
from console.work import HANDLERS, reconcile
from ivr import ageing, journal
from ivr.vocabulary import Call, Recording
from storage import notebook
from storage.tables import due_work

CALLER, LINE, ANNA = "+393471112201", "+390461825060", "+393331234501"
LONG_AFTER = NIGHT + timedelta(days=91)
FORGETS = (journal.FETCH, journal.FORGET, ageing.FORGET)
DO = {kind: HANDLERS[kind] for kind in FORGETS}


@pytest.fixture
def past() -> PastCalls:
    return PastCalls(ACCOUNT)


@pytest.fixture
def twilio(past: PastCalls) -> Iterator[StandIn]:
    with serving(ACCOUNT, TOKEN, routes(past)) as stand_in:
        yield stand_in


@pytest.fixture
def house(tmp_path: Path, twilio: StandIn, past: PastCalls) -> Iterator[House]:
    """A house with one call that is over, here and at Twilio, and a leg and a recording of it there."""
    configuration(tmp_path)
    file = tmp_path / "config.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[twilio]", f'[twilio]\napi_base = "{twilio.base}"', 1), encoding="utf-8")
    with fresh_database(tmp_path):
        pass
    house = open_house(load(file, SECRETS))
    ended = NIGHT + timedelta(minutes=3)
    past.add(a_sid(1), CALLER, LINE, NIGHT, ended)
    past.add(a_sid(2), LINE, ANNA, NIGHT, ended, parent=a_sid(1))
    past.add(a_sid(9), CALLER, "+390000000001", NIGHT, ended)  # of another service in the same account
    sid = past.record(a_sid(1), 12, ended)
    with house.database.write() as connection:
        journal.begin(connection, NIGHT, Call(a_sid(1), CALLER, LINE, "it", ("it",)), 0)
        journal.keep_message(connection, ended, a_sid(1), Recording(sid, "", 12), "completed")
        journal.end(connection, ended, a_sid(1), "message")
    yield house
    house.close()


def pending(house: House) -> list[tuple[str, datetime]]:
    with house.database.read() as connection:
        wanted = select(due_work).where(due_work.c.state == "pending", due_work.c.kind.in_(FORGETS))
        return [(row.kind, row.due_at) for row in connection.execute(wanted)]


def kept_there(past: PastCalls) -> list[str]:
    return sorted(each["sid"] for each in past.calls)


def test_a_recording_goes_there_a_day_after_it_is_here(house: House, past: PastCalls) -> None:
    (sid,) = [each["sid"] for each in past.recordings]
    fetched = NIGHT + timedelta(minutes=4)
    tick(house, fetched, DO)
    assert kept_sounds(house.configuration).read(f"{sid}.mp3") == SOUND
    tick(house, fetched + timedelta(hours=24), DO)
    assert len(past.recordings) == 1
    tick(house, fetched + timedelta(hours=26), DO)
    assert past.recordings == []
    assert pending(house) == []
    assert kept_sounds(house.configuration).read(f"{sid}.mp3") == SOUND


@pytest.mark.parametrize("lost", [True, False])
def test_one_that_cannot_be_read_here_is_fetched_again_and_not_deleted(
    house: House, past: PastCalls, lost: bool
) -> None:
    """Its file is damaged, or the folder it stood in is gone."""
    (sid,) = [each["sid"] for each in past.recordings]
    fetched = NIGHT + timedelta(minutes=4)
    tick(house, fetched, DO)
    file = kept_sounds(house.configuration).folder / f"{sid}.mp3"
    whole = file.read_bytes()
    file.unlink()
    if not lost:
        file.write_bytes(whole[:-1])
    assert kept_sounds(house.configuration).read(f"{sid}.mp3") is None
    tick(house, fetched + timedelta(hours=26), DO)
    assert len(past.recordings) == 1
    tick(house, fetched + timedelta(hours=27), DO)
    assert kept_sounds(house.configuration).read(f"{sid}.mp3") == SOUND


@pytest.mark.parametrize("refusal", [Refusal(503, 20503, "busy"), Refusal(429, 20429, "slower")])
def test_what_twilio_will_not_do_now_is_asked_again(
    house: House, past: PastCalls, twilio: StandIn, refusal: Refusal
) -> None:
    tick(house, NIGHT + timedelta(minutes=4), DO)
    twilio.faults.append(Fault("DELETE", "/Recordings/", refusal))
    at = NIGHT + timedelta(hours=27)
    tick(house, at, DO)
    assert len(past.recordings) == 1
    assert pending(house) == [(journal.FORGET, at + timedelta(minutes=5))]
    tick(house, at + timedelta(minutes=5), DO)
    assert past.recordings == []


def test_a_call_goes_there_with_its_legs_when_its_story_is_over_here(house: House, past: PastCalls) -> None:
    purging.purge(house, "test", LONG_AFTER - timedelta(days=2))
    tick(house, LONG_AFTER - timedelta(days=2), DO)
    assert kept_there(past) == [a_sid(1), a_sid(2), a_sid(9)]
    purging.purge(house, "test", LONG_AFTER)
    tick(house, LONG_AFTER, DO)
    # Of the others in the account nothing is known here, and nothing is deleted.
    assert kept_there(past) == [a_sid(9)]
    assert pending(house) == []


def test_not_before_it_was_compared(house: House, past: PastCalls) -> None:
    with house.database.write() as connection:
        notebook.write(connection, NIGHT, reconcile.COMPARED, {"until": NIGHT.isoformat()})
    purging.purge(house, "test", LONG_AFTER)
    tick(house, LONG_AFTER, DO)
    assert len(past.calls) == 3
    with house.database.write() as connection:
        until = LONG_AFTER - timedelta(minutes=3)
        notebook.write(connection, NIGHT, reconcile.COMPARED, {"until": until.isoformat()})
    tick(house, LONG_AFTER + timedelta(hours=1), DO)
    assert kept_there(past) == [a_sid(9)]


def test_what_is_gone_there_already_is_done(house: House, past: PastCalls) -> None:
    past.calls.clear()
    purging.purge(house, "test", LONG_AFTER)
    tick(house, LONG_AFTER, DO)
    assert pending(house) == []


def test_where_it_is_switched_off_nothing_is_deleted(house: House, past: PastCalls) -> None:
    off = house.configuration.privacy.model_copy(update={"delete_at_twilio": False})
    other = House(house.configuration.model_copy(update={"privacy": off}), house.database)
    purging.purge(other, "test", LONG_AFTER)
    tick(other, LONG_AFTER, DO)
    assert len(past.calls) == 3

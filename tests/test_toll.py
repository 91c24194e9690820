"""What may be dialled, and how much in a day: one gate for whatever leaves the house, and caps that stop
everything but an accepted case.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from making import (
    ACTOR,
    NIGHT,
    ROTA,
    SID,
    a_case,
    a_sid,
    case,
    configuration,
    fresh_database,
    opened_at,
    staff,
)
from sqlalchemy import Connection, insert, select
from test_phones import REFUSED

from console.house import House, rules
from console.outbound import calling, gate
from console.processes.doors import desks
from console.processes.worker import tick
from console.work import notices as notice_work
from ivr import outgoing_desk, placed, toll
from ivr.answer import Dial, Gather
from ivr.outgoing_flow import CarriedOutgoing, DialCustomer, Outgoing, OutgoingTurn
from ivr.tables import outgoing
from ivr.vocabulary import Call, LadderPlace, RingOffice, RingTechnician, Step, Turn
from ivr.wording import Wording
from oncall import people
from oncall.notices import notices
from oncall.notices.channels import CallOut, ChannelFailed, Channels, TextOut
from oncall.phones import NumberRefused
from oncall.reaching.attempts import begin_attempt
from oncall.rota import roster, rota_file
from oncall.rota.roster import RosterRefusal
from oncall.rota.rota_file import TechnicianEntry
from oncall.settings import RingingSettings, TollSettings
from oncall.tables import notice_sends
from storage.engine import Database
from storage.tables import due_work

OURS = ["+390461825060", "+390461402406", "+390465324963"]
RINGING = RingingSettings(sip_domains=["pbx.example.net"]).beside(OURS)
ALLOWED = {
    "a mobile": "+393331234501",
    "another mobile": "+393471112201",
    "a fixed number": "+390236696600",
    "a fixed number of the province": "+390461000001",
    "a mobile with one digit less": "+39333123450",
}
SIP = {"sip, our domain": "sip:anna@pbx.example.net"}
NEVER = {
    **REFUSED,
    "one of our own numbers": OURS[0],
    "another of our own": OURS[2],
    "sip, a foreign domain": "sip:anna@evil.example",
    "sip, a subdomain": "sip:anna@sub.pbx.example.net",
}


class Network:
    """Whatever is asked of it is done, and noted."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.texted: list[str] = []

    def place(self, call: CallOut) -> str:
        self.called.append(call.to)
        return "CA" + "f" * 32

    def send(self, text: TextOut) -> str:
        self.texted.append(text.to)
        return "SM" + "f" * 32

    def find(self, out: object, since: datetime) -> str | None:
        return None

    def status(self, sid: str) -> str | None:
        return "queued"

    def hang_up(self, sid: str) -> None:
        raise AssertionError(sid)


def call_out(to: str) -> CallOut:
    return CallOut(to, OURS[0], 25, "https://ivr.example.net/a", "https://ivr.example.net/e")


def text_out(to: str) -> TextOut:
    return TextOut(to, OURS[0], "prova", "https://ivr.example.net/t")


# -- what may be dialled -----------------------------------------------------------------------


def test_there_are_forty_of_them() -> None:
    assert len(ALLOWED) + len(SIP) + len(NEVER) >= 40


@pytest.mark.parametrize("number", [*ALLOWED.values(), *SIP.values()])
def test_what_may_be_dialled_passes_everywhere(number: str, wording: Wording) -> None:
    network = Network()
    channels = gate.guarded(Channels(network, network), RINGING)
    assert channels.telephone is not None
    channels.telephone.place(call_out(number))
    assert network.called == [number]
    assert dialled_to(wording, RingTechnician(place(number))) == [number]
    entry = TechnicianEntry(key="elena", name="Elena Blu", phone=number)
    with pytest.raises(AttributeError):  # no database is reached, but the number has passed
        people.put_technician(None, ACTOR, NIGHT, RINGING, entry)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", ALLOWED.values(), ids=ALLOWED)
def test_a_customer_s_phone_and_a_text(number: str) -> None:
    network = Network()
    channels = gate.guarded(Channels(network, network), RINGING)
    assert channels.texts is not None
    channels.texts.send(text_out(number))
    assert network.texted == [number]
    assert RINGING.check_customer(number) == number


@pytest.mark.parametrize("number", NEVER.values(), ids=NEVER)
def test_whatever_else_is_refused_when_it_is_saved(number: str, connection: Connection) -> None:
    entry = TechnicianEntry(key="elena", name="Elena Blu", phone=number)
    with pytest.raises(NumberRefused):
        people.put_technician(connection, ACTOR, NIGHT, RINGING, entry)
    second = TechnicianEntry(key="elena", name="Elena Blu", phone="+393331234505", other_phones=[number])
    with pytest.raises(NumberRefused):
        people.put_technician(connection, ACTOR, NIGHT, RINGING, second)
    in_a_file = ROTA.replace('"+393331234504"', repr(number)) if "'" not in number else ""
    assert people.all_technicians(connection) == []
    with pytest.raises((ValueError, RosterRefusal)):  # the file may not even be TOML
        roster.apply(connection, ACTOR, NIGHT, RINGING, rota_file.read(in_a_file))


@pytest.mark.parametrize("number", [*NEVER.values(), *SIP.values()])
def test_and_when_it_is_dialled(number: str, wording: Wording, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever asked for it, and wherever it was forgotten: no address leaves the house."""
    network = Network()
    channels = gate.guarded(Channels(network, network), RINGING)
    assert channels.telephone is not None
    assert channels.texts is not None
    with pytest.raises(ChannelFailed) as refused:
        channels.texts.send(text_out(number))
    assert refused.value.for_good
    assert not refused.value.maybe_done
    with pytest.raises(NumberRefused):
        RINGING.check_customer(number)
    if number in SIP.values():
        return
    with pytest.raises(ChannelFailed):
        channels.telephone.place(call_out(number))
    assert (network.called, network.texted) == ([], [])
    assert dialled_to(wording, RingTechnician(place(number))) == []
    assert dialled_to(wording, RingOffice((number,))) == []
    assert dialled_to(wording, RingOffice((number, "+390461000001"))) == ["+390461000001"]
    assert any(record.levelname == "ERROR" for record in caplog.records)


def test_the_customer_s_dial_is_looked_at_too(wording: Wording) -> None:
    turn = OutgoingTurn(Outgoing("pursue", "anna", "it"), (), DialCustomer())

    def parts(customer: str) -> Any:
        placed = CarriedOutgoing(turn.call, "+393331234501", OURS[0])
        return wording.for_outgoing(turn, 1, "", 1, NIGHT, placed, customer).parts[-1]

    assert isinstance(parts("+393471112201"), Dial)
    # With nobody to ring the call goes on as after a Dial that nobody answered.
    assert isinstance(parts("+39899123456"), Gather)


def test_the_guard_passes_on_what_is_asked_about_a_call() -> None:
    network = Network()
    channels = gate.guarded(Channels(network, network), RINGING)
    assert channels.telephone is not None
    assert channels.telephone.status("CA1") == "queued"
    assert channels.telephone.find(call_out("+39112"), NIGHT) is None
    assert gate.guarded(Channels(), RINGING) == Channels()


def test_a_house_s_channels_are_guarded_and_know_its_numbers(tmp_path: Path, database: Database) -> None:
    network = Network()
    house = House(configuration(tmp_path), database, Channels(network, network))
    assert house.channels.telephone is not None
    with pytest.raises(ChannelFailed):
        house.channels.telephone.place(call_out(house.configuration.our_numbers[1]))
    with pytest.raises(NumberRefused) as refused:
        rules(house.configuration).ringing.from_keys("0461825060")
    assert refused.value.why == "ours"


# -- how much ----------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with fresh_database(tmp_path) as database:
        yield database


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        yield connection


@pytest.fixture
def wording(tmp_path: Path, database: Database) -> Wording:
    shipped = configuration(tmp_path)
    house = House(shipped.model_copy(update={"ringing": RINGING}), database)
    made: Wording = desks(house).caller._wording
    return made


def place(phone: str) -> LadderPlace:
    return LadderPlace(1, "anna", "Anna Rossi", "Anna Rossi", phone, 25)


def dialled_to(wording: Wording, then: RingTechnician | RingOffice) -> list[str]:
    call = Call(SID, "", OURS[0], "it", step=Step.RINGING, attempt_id=1)
    part = wording.for_caller(Turn(call, (), then), 1, NIGHT, longest_pin=8).parts[-1]
    if isinstance(part, Gather):
        assert part.timeout == 1
        return []
    assert isinstance(part, Dial)
    return [target.address for target in part.targets]


def alarms(connection: Connection) -> list[tuple[str, str]]:
    told = select(due_work.c.key, due_work.c.payload).where(due_work.c.kind == "alarm")
    rows = connection.execute(told.order_by(due_work.c.id)).all()
    return [(row.payload["what"], row.payload["cap"]) for row in rows]


def place_one(connection: Connection, at: datetime, *, case_id: int | None = None, customers: int = 0) -> int:
    call = Outgoing("pursue" if case_id else "test", "anna", "it")
    made = placed.begin(connection, at, call, phone="+393331234501", number=OURS[0], case_id=case_id)
    for _ in range(customers):
        toll.customer_called(connection, made)
    return made


def a_text(connection: Connection, at: datetime, about: str = "rota:duty") -> None:
    number = connection.execute(select(notice_sends.c.id)).all()
    notices.tell(connection, at, "test", "technician:anna", about, {}, loud=False, again=str(len(number)))
    newest = max(connection.execute(select(notices.notices.c.id)).scalars())
    row = {"notice_id": newest, "channel": "text", "address": "+393331234501", "state": "sent"}
    connection.execute(insert(notice_sends).values(tried_at=at, **row))


def test_a_day_is_counted_from_what_is_there_anyway(database_url: str) -> None:
    with opened_at(database_url) as database, database.write() as connection:
        staff(connection)
        opened = a_case(connection)
        for hours in (0, 23, 25):
            at = NIGHT - timedelta(hours=hours)
            begin_attempt(connection, at, opened.id, SID, "anna", "+393331234501", 1)
            place_one(connection, at, case_id=opened.id, customers=2)
            place_one(connection, at)
            a_text(connection, at)
        counts = toll.dialled(connection, NIGHT)
        assert counts == toll.Dialled(technicians=4, customers=4, others=2, texts=2)
        assert counts.calls == 10
        # An attempt of the pursuit is one call, not two: it has a row in both tables.
        row = connection.execute(select(outgoing.c.asked_at)).first()
        assert row is not None


def test_customers_are_dialled_up_to_a_cap(connection: Connection) -> None:
    staff(connection)
    few = TollSettings(customers=3, one_customer=2)
    opened = a_case(connection)
    his = case(connection, opened)
    assert toll.may_call_customer(connection, NIGHT, few, his)
    place_one(connection, NIGHT, case_id=opened.id, customers=2)
    assert not toll.may_call_customer(connection, NIGHT, few, his)
    assert alarms(connection) == [("toll-refused", "toll.one_customer")]
    # Another customer may be dialled once more, then nobody; a day later all is well.
    nobodys = case(connection, a_case(connection, sid=a_sid(2)))
    other = type(nobodys)(**{**nobodys.__dict__, "customer_id": None})
    assert toll.may_call_customer(connection, NIGHT, few, other)
    place_one(connection, NIGHT, case_id=nobodys.id, customers=1)
    assert not toll.may_call_customer(connection, NIGHT, few, other)
    assert alarms(connection)[-1] == ("toll-refused", "toll.customers")
    tomorrow = NIGHT + toll.DAY
    assert toll.may_call_customer(connection, tomorrow, few, his)


def test_all_calls_together_stop_customers_and_others_but_no_accepted_case(connection: Connection) -> None:
    staff(connection)
    few = TollSettings(calls=3)
    opened = a_case(connection)
    for _ in range(3):
        begin_attempt(connection, NIGHT, opened.id, SID, "anna", "+393331234501", 1)
    assert not toll.may_call_customer(connection, NIGHT, few, case(connection, opened))
    place_one(connection, NIGHT)
    assert not toll.may_place(connection, NIGHT, few, about_case=False)
    assert toll.may_place(connection, NIGHT, few, about_case=True)
    assert alarms(connection) == [("toll-refused", "toll.calls")]


def test_the_admins_hear_of_what_goes_on_beyond_a_cap(connection: Connection) -> None:
    staff(connection)
    few = TollSettings(technicians=3, one_phone=2, calls=4)
    opened = a_case(connection)
    for number in range(5):
        toll.watch(connection, NIGHT, few)
        assert alarms(connection) == [
            *([("toll-passed", "toll.one_phone")] if number > 2 else []),
            *([("toll-passed", "toll.technicians")] if number > 3 else []),
        ]
        begin_attempt(connection, NIGHT, opened.id, SID, "anna", "+393331234501", 1)
    toll.watch(connection, NIGHT, few)
    assert alarms(connection)[-1] == ("toll-passed", "toll.calls")
    assert len(alarms(connection)) == 3


def test_texts_about_a_case_are_sent_beyond_the_cap_and_no_others(connection: Connection) -> None:
    staff(connection)
    few = TollSettings(texts=2)
    for _ in range(2):
        a_text(connection, NIGHT)
        assert toll.may_text(connection, NIGHT, few, about_case=False)
    a_text(connection, NIGHT)
    assert not toll.may_text(connection, NIGHT, few, about_case=False)
    assert toll.may_text(connection, NIGHT, few, about_case=True)
    assert alarms(connection) == [("toll-refused", "toll.texts"), ("toll-passed", "toll.texts")]


# -- where it is asked -------------------------------------------------------------------------


def a_house(folder: Path, database: Database, **caps: int) -> tuple[House, Network]:
    network = Network()
    shipped = configuration(folder)
    capped = shipped.model_copy(update={"toll": TollSettings(**caps)})
    return House(capped, database, Channels(network, network)), network


def test_a_call_about_a_case_is_placed_beyond_every_cap(tmp_path: Path, database: Database) -> None:
    house, network = a_house(tmp_path, database, calls=1, others=1, technicians=1, customers=1)
    with database.write() as connection:
        staff(connection)
        opened = a_case(connection)
        about_it = [place_one(connection, NIGHT, case_id=opened.id) for _ in range(4)]
        tests = [place_one(connection, NIGHT) for _ in range(2)]
    for each in about_it:
        assert calling.ring_out(house, NIGHT, each, 25)
    assert len(network.called) == 4
    for each in tests:
        assert not calling.ring_out(house, NIGHT, each, 25)
    assert len(network.called) == 4
    with database.read() as connection:
        ended = [placed.find(connection, each) for each in tests]
        assert all(each is not None and each.ended_at == NIGHT for each in ended)
        assert alarms(connection) == [("toll-refused", "toll.others")]


def test_a_number_that_may_not_be_dialled_ends_the_call_at_once(tmp_path: Path, database: Database) -> None:
    house, network = a_house(tmp_path, database)
    with database.write() as connection:
        staff(connection)
        opened = a_case(connection)
        made = outgoing_desk.begin(
            connection,
            NIGHT,
            rules(house.configuration),
            purpose="call-back",
            technician="anna",
            phone="+39899123456",
            case=case(connection, opened),
        )
    assert not calling.ring_out(house, NIGHT, made, 25)
    assert network.called == []
    with database.read() as connection:
        known = placed.find(connection, made)
        assert known is not None
        assert known.ended_at == NIGHT


@pytest.mark.parametrize(("about", "texts"), [("rota:duty", 1), ("case", 2)])
def test_a_notice_takes_another_way_where_texts_are_capped(
    about: str, texts: int, tmp_path: Path, database: Database
) -> None:
    house, network = a_house(tmp_path, database, texts=1)
    with database.write() as connection:
        staff(connection)
        opened = a_case(connection, source=random.Random(1))
        about = f"case:{opened.number}" if about == "case" else about
        for again in ("1", "2"):
            kind = "nobody-answered" if texts == 2 else "test"
            notices.tell(connection, NIGHT, kind, "technician:anna", about, {}, loud=True, again=again)
        pending = select(due_work).where(due_work.c.kind == notices.NOTICE).order_by(due_work.c.id)
        keys = [row.key for row in connection.execute(pending)]
    for _ in keys:
        tick(house, NIGHT, {notices.NOTICE: notice_work.bring})
    assert len(network.texted) == texts
    with database.read() as connection:
        sends = connection.execute(select(notice_sends.c.channel, notice_sends.c.state, notice_sends.c.why))
        capped = [row for row in sends if row.why == notice_work.CAPPED]
    assert [(row.channel, row.state) for row in capped] == ([("text", "refused")] if texts == 1 else [])

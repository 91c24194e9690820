"""Everybody who must know learns it once, by a channel that reaches him, whatever crashes or hangs."""

from __future__ import annotations

import itertools
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import (
    ACTOR,
    NIGHT,
    ROME,
    SID,
    a_call,
    a_case,
    a_sid,
    configuration,
    fresh_database,
    opened_at,
    rome,
    staff,
)
from sqlalchemy import Connection, insert, select, update

from console.house import House
from console.processes.worker import LEASE, tick
from console.work import APART, AT_ONCE, HANDLERS, handed_on
from console.work import notices as work
from ivr.tables import calls, messages, outgoing
from oncall.cases import cases, casework, closing
from oncall.cases.cases import find as find_case
from oncall.notices import delivery, notices
from oncall.notices.channels import CallOut, ChannelFailed, ChannelName, Channels, TextOut
from oncall.notices.delivery import ALARM_AFTER, ASKED_FOR, GIVE_UP_AFTER, VOICE_TRIES, Plan, Route
from oncall.notices.notices import NOTICE, Notice, Send, SendState
from oncall.reaching import reached
from oncall.tables import cases as case_rows
from oncall.tables import notice_sends, technicians
from oncall.tables import notices as rows
from storage import due
from storage.alarms import ALARM
from storage.engine import Database
from storage.tables import due_work

ANNA, BRUNO, DARIO = "+393331234501", "+393331234502", "+393331234504"
MAILS = {key: f"{key}@example.net" for key in ("anna", "bruno", "dario")}
DAY_TIME = rome("2026-03-10 15:00")
WITHIN = timedelta(seconds=120)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LOUD = {NOTICE: HANDLERS[NOTICE]}


class Killed(BaseException):
    """The process dies here."""


@dataclass
class Network:
    """Telephones, text messages and mail as a provider does them. `trouble` says what goes wrong next."""

    trouble: Callable[[str], str] = lambda what: ""
    step: Callable[[], None] = lambda: None
    wait: float = 20
    texts: dict[str, TextOut] = field(default_factory=dict)
    status_of: dict[str, str] = field(default_factory=dict)
    mails: list[tuple[str, str, str]] = field(default_factory=list)
    calls: list[CallOut] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def _do(self, what: str, act: Callable[[], str]) -> str:
        with self.lock:
            self.asked[what] += 1
            trouble = self.trouble(what)
        self.step()
        if trouble == "lost":  # it never came to the provider, and nobody knows
            raise ChannelFailed("no answer", maybe_done=True)
        if trouble == "429":
            raise ChannelFailed("20429", wait_seconds=self.wait)
        if trouble == "500":
            raise ChannelFailed("HTTP 500")
        if trouble == "refused":
            raise ChannelFailed("21211", for_good=True)
        with self.lock:
            done = act()
        self.step()
        if trouble == "done":
            raise ChannelFailed("no answer", maybe_done=True)
        return done

    def sent_to(self, number: str) -> list[str]:
        return [text.text for text in self.texts.values() if text.to == number]

    # -- oncall.notices.channels.Texts

    def send(self, text: TextOut) -> str:
        def act() -> str:
            sid = f"SM{len(self.texts):032x}"
            self.texts[sid] = text
            return sid

        return self._do("text", act)

    def find(self, text: TextOut, since: datetime) -> str | None:
        def act() -> str:
            alike = [
                sid
                for sid, sent in self.texts.items()
                if (sent.to, sent.sender, sent.text) == (text.to, text.sender, text.text)
            ]
            return alike[0] if alike else ""

        return self._do("find", act) or None

    def status(self, sid: str) -> str | None:
        return self._do("status", lambda: self.status_of.get(sid, "")) or None


@dataclass
class Letters:
    network: Network

    def send(self, to: str, subject: str, text: str, identity: str, at: datetime) -> None:
        def act() -> str:
            self.network.mails.append((to, subject, identity))
            return "done"

        self.network._do("mail", act)


@dataclass
class Services:
    network: Network

    def send(self, service: str, subject: str, text: str) -> None:
        def act() -> str:
            self.network.said.append((service, text))
            return "done"

        self.network._do("service", act)


@dataclass
class Phones:
    network: Network
    status_of: dict[str, str] = field(default_factory=dict)

    def place(self, call: CallOut) -> str:
        def act() -> str:
            self.network.calls.append(call)
            return f"CA{len(self.network.calls):032x}"

        return self.network._do("voice", act)

    def find(self, call: CallOut, since: datetime) -> str | None:
        return None

    def status(self, sid: str) -> str | None:
        return self.status_of.get(sid)

    def hang_up(self, sid: str) -> None:
        pass


@pytest.fixture(autouse=True)
def no_provider_rests() -> Iterator[None]:
    work._resting.clear()
    yield
    work._resting.clear()


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def house(tmp_path: Path, network: Network) -> Iterator[House]:
    with fresh_database(tmp_path) as database:
        yield furnished(tmp_path, database, network)


def furnished(folder: Path, database: Database, network: Network) -> House:
    """A house with technicians who have mobile phones and mail, and everything to reach them by."""
    with database.write() as connection:
        staff(connection)
        for key, address in MAILS.items():
            change(connection, key, email=address)
    outward = Channels(Phones(network), network, Letters(network), Services(network))
    return House(configuration(folder), database, outward)


def change(connection: Connection, key: str, **values: Any) -> None:
    connection.execute(update(technicians).where(technicians.c.key == key).values(**values))


def tell(house: House, kind: str = "test", to: str = "anna", at: datetime = NIGHT, **more: Any) -> bool:
    about = more.pop("about", "rota:duty")
    facts = more.pop("facts", {})
    recipient = to if ":" in to else f"technician:{to}"
    with house.database.write() as connection:
        return notices.tell(connection, at, kind, recipient, about, facts, **({"loud": True} | more))


def work_at(house: House, at: datetime) -> int:
    return tick(house, at, LOUD)


def next_due(house: House) -> datetime | None:
    """When something can be done next: due, and not under a lease."""
    waiting = select(due_work.c.leased_until, due_work.c.due_at).where(
        due_work.c.kind == NOTICE, due_work.c.state == due.PENDING
    )
    with house.database.read() as connection:
        return min((max(filter(None, each)) for each in connection.execute(waiting)), default=None)


def live(house: House, at: datetime, until: datetime) -> datetime:
    """Let the worker work whenever something is due; returns when there was nothing more."""
    for _ in range(2000):
        again = next_due(house)
        if again is None or again > until:
            return at
        at = max(at, again)
        work_at(house, at)
    raise AssertionError("it never ends")


def the_notice(house: House, kind: str = "test") -> tuple[Notice, list[Send]]:
    with house.database.read() as connection:
        found = connection.execute(select(rows.c.id).where(rows.c.kind == kind)).scalars().first()
        assert found is not None
        notice = notices.find(connection, found)
        assert notice is not None
        return notice, notices.sends_of(connection, found)


def outcome(house: House, kind: str = "test") -> str | None:
    return the_notice(house, kind)[0].outcome


def alarms(house: House) -> list[dict[str, Any]]:
    with house.database.read() as connection:
        found = connection.execute(select(due_work.c.payload).where(due_work.c.kind == ALARM)).scalars()
        return [each for each in found if each["what"] == work.UNDELIVERED]


def receipt(house: House, sid: str, status: str, at: datetime, why: str = "") -> None:
    with house.database.write() as connection:
        found = (
            connection.execute(select(notice_sends.c.id).where(notice_sends.c.sid == sid)).scalars().first()
        )
        assert found is not None
        notices.receipt(connection, at, found, sid, status, why)


# -- written once ------------------------------------------------------------------------------


def test_the_same_is_told_once(house: House) -> None:
    assert tell(house)
    assert not tell(house, at=NIGHT + HOUR)
    assert tell(house, again="2")
    assert tell(house, about="rota:other")
    assert tell(house, to="bruno")
    assert tell(house, kind="other")


def test_long_names_are_told_apart(house: House) -> None:
    for recipient in ("manager:" + "a" * 250 + "@example.net", "manager:" + "a" * 250 + "@example.com"):
        assert tell(house, to=recipient, about="case:" + "x" * 100)
        assert not tell(house, to=recipient, about="case:" + "x" * 100)


def test_a_recipient_is_somebody(house: House) -> None:
    with pytest.raises(ValueError, match="technician"):
        tell(house, to="customer:acme")


# -- which way ---------------------------------------------------------------------------------


def test_a_loud_notice_goes_by_every_channel_at_any_hour(house: House, network: Network) -> None:
    with house.database.write() as connection:
        change(connection, "anna", services=["chat"])
    tell(house, at=rome("2026-03-11 03:00"))
    work_at(house, rome("2026-03-11 03:00"))
    assert len(network.sent_to(ANNA)) == 1
    assert [to for to, _, _ in network.mails] == [MAILS["anna"]]
    assert [name for name, _ in network.said] == ["chat"]
    assert network.calls == []


def test_a_quiet_notice_goes_by_the_first_that_works(house: House, network: Network) -> None:
    tell(house, at=DAY_TIME, loud=False)
    work_at(house, DAY_TIME)
    receipt(house, *network.texts, "delivered", DAY_TIME + MINUTE)
    live(house, DAY_TIME, DAY_TIME + HOUR)
    assert (len(network.sent_to(ANNA)), network.mails, network.calls) == (1, [], [])
    assert outcome(house) == "delivered"


def test_a_quiet_notice_takes_the_next_channel_when_one_is_no_use(house: House, network: Network) -> None:
    network.trouble = lambda what: "refused" if what == "text" else ""
    tell(house, at=DAY_TIME, loud=False)
    work_at(house, DAY_TIME)
    assert [to for to, _, _ in network.mails] == [MAILS["anna"]]
    assert outcome(house) == "sent"


def test_a_quiet_text_that_is_lost_on_its_way_goes_by_mail(house: House, network: Network) -> None:
    tell(house, at=DAY_TIME, loud=False)
    work_at(house, DAY_TIME)
    (sid,) = network.texts
    receipt(house, sid, "undelivered", DAY_TIME + MINUTE, "30003")
    assert next_due(house) == DAY_TIME + MINUTE
    live(house, DAY_TIME, DAY_TIME + HOUR)
    assert len(network.mails) == 1
    assert (len(network.texts), outcome(house)) == (1, "sent")


@pytest.mark.parametrize(
    "at", ["2026-03-10 21:00", "2026-03-10 23:59", "2026-03-11 02:00", "2026-03-11 07:59"]
)
def test_what_is_quiet_waits_for_the_morning(house: House, network: Network, at: str) -> None:
    tell(house, at=rome(at), loud=False)
    work_at(house, rome(at))
    assert network.asked == {}
    assert next_due(house) == rome("2026-03-11 08:00")
    live(house, rome(at), rome("2026-03-11 08:00"))
    assert len(network.sent_to(ANNA)) == 1


@pytest.mark.parametrize(
    ("at", "hours", "until"),
    [
        ("2026-03-10 20:59", "21:00-08:00", None),
        ("2026-03-11 08:00", "21:00-08:00", None),
        ("2026-03-10 22:00", "", None),
        ("2026-03-10 13:30", "13:00-14:00", "2026-03-10 14:00"),
        ("2026-03-10 14:00", "13:00-14:00", None),
        # The night that loses an hour, and the one that has one twice.
        ("2026-03-28 23:00", "21:00-08:00", "2026-03-29 08:00"),
        ("2026-10-24 23:00", "21:00-08:00", "2026-10-25 08:00"),
        ("2026-03-29 01:59", "21:00-02:30", "2026-03-29 03:00"),
    ],
)
def test_quiet_hours_by_the_wall_clock(at: str, hours: str, until: str | None) -> None:
    found = delivery.quiet_until(rome(at), hours, ROME)
    assert found == (rome(until) if until else None)


def test_a_landline_is_called(house: House, network: Network) -> None:
    with house.database.write() as connection:
        change(connection, "anna", phone="+390461123456", email=None)
    tell(house)
    work_at(house, NIGHT)
    assert [call.to for call in network.calls] == ["+390461123456"]
    assert network.texts == {}
    with house.database.read() as connection:
        call = connection.execute(select(outgoing)).one()
    assert (call.purpose, call.technician) == ("notice", "anna")
    with house.database.write() as connection:
        reached.heard(connection, NIGHT + MINUTE, call.notice_send_id)
    live(house, NIGHT, NIGHT + HOUR)
    assert outcome(house) == "delivered"


def test_of_several_phones_the_first_mobile_gets_the_text(house: House, network: Network) -> None:
    with house.database.write() as connection:
        change(connection, "anna", phone="+390461123456", other_phones=["sip:a@example.net", ANNA])
    tell(house)
    work_at(house, NIGHT)
    assert len(network.sent_to(ANNA)) == 1


def test_managers_and_admins_get_mail_alone(house: House, network: Network) -> None:
    tell(house, to="manager:m@example.net")
    tell(house, to="admin:a@example.net")
    work_at(house, NIGHT)
    assert sorted(to for to, _, _ in network.mails) == ["a@example.net", "m@example.net"]
    assert (network.texts, network.calls) == ({}, [])


def test_two_who_share_a_telephone_hear_it_once(house: House, network: Network) -> None:
    with house.database.write() as connection:
        change(connection, "bruno", phone=ANNA)
    tell(house)
    tell(house, to="bruno")
    tell(house, to="bruno", again="2")
    work_at(house, NIGHT)
    assert len(network.sent_to(ANNA)) == 2
    for sid in network.texts:
        receipt(house, sid, "delivered", NIGHT + SECOND)
    live(house, NIGHT, NIGHT + HOUR)
    with house.database.read() as connection:
        assert set(connection.execute(select(rows.c.outcome)).scalars()) == {"delivered"}
    assert len(network.sent_to(ANNA)) == 2


# -- receipts ----------------------------------------------------------------------------------


def test_a_loud_text_without_a_receipt_is_followed_by_a_call(house: House, network: Network) -> None:
    tell(house)
    work_at(house, NIGHT)
    live(house, NIGHT, NIGHT + WITHIN - SECOND)
    assert network.calls == []
    live(house, NIGHT, NIGHT + WITHIN)
    assert [call.to for call in network.calls] == [ANNA]
    assert network.asked["status"] == 1


def test_a_receipt_that_comes_spares_the_call(house: House, network: Network) -> None:
    tell(house)
    work_at(house, NIGHT)
    (sid,) = network.texts
    receipt(house, sid, "sent", NIGHT + SECOND)
    receipt(house, sid, "delivered", NIGHT + 2 * SECOND)
    live(house, NIGHT, NIGHT + HOUR)
    assert network.calls == []
    assert outcome(house) == "delivered"


def test_without_receipts_the_network_is_asked(house: House, network: Network) -> None:
    tell(house)
    work_at(house, NIGHT)
    (sid,) = network.texts
    network.status_of[sid] = "delivered"
    live(house, NIGHT, NIGHT + WITHIN)
    assert network.calls == []
    assert outcome(house) == "delivered"


def test_an_undelivered_text_is_followed_by_a_call_at_once(house: House, network: Network) -> None:
    tell(house)
    work_at(house, NIGHT)
    receipt(house, *network.texts, "undelivered", NIGHT + SECOND, "30003")
    live(house, NIGHT, NIGHT + SECOND)
    assert len(network.calls) == 1
    assert len(network.texts) == 1


STATES = ("queued", "sent", "delivered", "undelivered", "failed", "read", "nonsense")


def test_the_last_word_stands_in_whatever_order_receipts_come(house: House) -> None:
    tell(house)
    with house.database.write() as connection:
        for number, told in enumerate(
            sequence for length in range(4) for sequence in itertools.product(STATES, repeat=length)
        ):
            sid = f"SM{number:032x}"
            send = connection.execute(
                insert(notice_sends).values(
                    notice_id=1, channel="text", address=ANNA, state="sent", sid=sid, tried_at=NIGHT
                )
            ).inserted_primary_key
            assert send is not None
            for status in told:
                notices.receipt(connection, NIGHT, send[0], sid, status)
            first = next((each for each in told if each in notices.ARRIVED | notices.LOST), None)
            wanted = "sent" if first is None else "delivered" if first in notices.ARRIVED else "refused"
            state = select(notice_sends.c.state).where(notice_sends.c.id == send[0])
            assert connection.execute(state).scalar() == wanted, told


def test_a_receipt_brings_the_name_that_a_crash_lost(house: House, network: Network) -> None:
    network.trouble = lambda what: "done" if what == "text" else ""
    tell(house)
    work_at(house, NIGHT)
    (sid,) = network.texts
    send = the_notice(house)[1][0]
    assert (send.state, send.sid) == ("trying", None)
    with house.database.write() as connection:
        notices.receipt(connection, NIGHT + SECOND, send.id, sid, "delivered")
    live(house, NIGHT, NIGHT + HOUR)
    assert (len(network.texts), network.asked["find"], outcome(house)) == (1, 0, "delivered")


def test_a_receipt_for_another_message_is_passed_over(house: House, network: Network) -> None:
    tell(house)
    work_at(house, NIGHT)
    send = the_notice(house)[1][0]
    with house.database.write() as connection:
        notices.receipt(connection, NIGHT, send.id, "SM" + "f" * 32, "undelivered")
        notices.receipt(connection, NIGHT, send.id + 1000, "SM" + "e" * 32, "undelivered")
    assert the_notice(house)[1][0].state == "sent"


# -- trouble -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("trouble", "sent"), [("done", 1), ("lost", 2)])
def test_an_answer_that_was_lost_is_asked_for_before_anything_is_sent_again(
    house: House, network: Network, trouble: str, sent: int
) -> None:
    once = iter([trouble])
    network.trouble = lambda what: next(once, "") if what == "text" else ""
    tell(house)
    live(house, NIGHT, NIGHT + MINUTE)
    assert network.asked["find"] == 1
    assert network.asked["text"] == sent
    assert len(network.sent_to(ANNA)) == 1


def test_a_message_of_another_notice_is_not_taken_for_the_lost_one(house: House, network: Network) -> None:
    once = iter(["", "lost"])
    network.trouble = lambda what: next(once, "") if what == "text" else ""
    tell(house)
    tell(house, again="2")
    live(house, NIGHT, NIGHT + MINUTE)
    assert len(network.sent_to(ANNA)) == 2


def test_while_the_provider_cannot_say_it_is_not_sent_again_too_soon(house: House, network: Network) -> None:
    network.trouble = lambda what: {"text": "done", "find": "500"}.get(what, "")
    tell(house)
    live(house, NIGHT, NIGHT + ASKED_FOR - SECOND)
    assert network.asked["text"] == 1
    assert len(network.mails) == 1
    network.trouble = lambda what: "500" if what == "find" else ""
    live(house, NIGHT + ASKED_FOR, NIGHT + ASKED_FOR + MINUTE)
    assert network.asked["text"] == 2  # loud is better heard twice than never


def test_a_failure_is_tried_again_and_the_others_do_not_wait(house: House, network: Network) -> None:
    network.trouble = lambda what: "500" if what == "text" else ""
    tell(house)
    work_at(house, NIGHT)
    assert len(network.mails) == 1
    live(house, NIGHT, NIGHT + MINUTE)
    assert 2 <= network.asked["text"] <= 4
    network.trouble = lambda what: ""
    live(house, NIGHT + MINUTE, NIGHT + 3 * MINUTE)
    assert len(network.sent_to(ANNA)) == 1


def test_a_provider_that_asks_to_be_left_alone_is(house: House, network: Network) -> None:
    network.trouble = lambda what: "429" if what == "text" else ""
    for key in MAILS:
        tell(house, to=key)
    work_at(house, NIGHT)
    assert network.asked["text"] == 1
    live(house, NIGHT, NIGHT + 19 * SECOND)
    assert network.asked["text"] == 1
    assert len(network.mails) == 3
    network.trouble = lambda what: ""
    live(house, NIGHT, NIGHT + MINUTE)
    assert all(len(network.sent_to(number)) == 1 for number in (ANNA, BRUNO, DARIO))


def test_a_loud_notice_that_nothing_brings_is_an_alarm_and_never_ends_silently(
    house: House, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    network.trouble = lambda what: "500"
    tell(house)
    live(house, NIGHT, NIGHT + ALARM_AFTER - SECOND)
    assert alarms(house) == []
    live(house, NIGHT, NIGHT + ALARM_AFTER)
    (alarm,) = alarms(house)
    assert (alarm["recipient"], alarm["kind"]) == ("anna", "test")
    assert "text: HTTP 500" in alarm["why"]
    live(house, NIGHT + ALARM_AFTER, NIGHT + HOUR)
    assert outcome(house) is None
    assert network.asked["text"] < 20
    assert network.asked["voice"] == VOICE_TRIES
    work_at(house, NIGHT + GIVE_UP_AFTER)
    assert outcome(house) == "failed"
    assert "was not delivered" in caplog.text
    assert len(alarms(house)) == 1


def test_without_any_channel_the_admins_know_at_once(house: House) -> None:
    nothing = House(house.configuration, house.database, Channels())
    tell(nothing)
    work_at(nothing, NIGHT)
    assert len(alarms(nothing)) == 1
    assert outcome(nothing) == "failed"


def test_mail_that_was_taken_is_no_alarm(house: House, network: Network) -> None:
    network.trouble = lambda what: "" if what == "mail" else "refused"
    tell(house)
    live(house, NIGHT, NIGHT + HOUR)
    assert alarms(house) == []
    assert outcome(house) == "sent"


def test_a_quiet_notice_is_given_up_after_a_day_with_an_error(
    house: House, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    network.trouble = lambda what: "500"
    tell(house, at=DAY_TIME, loud=False)
    live(house, DAY_TIME, DAY_TIME + 2 * GIVE_UP_AFTER)
    assert outcome(house) == "failed"
    assert any(each.levelname == "ERROR" and "was not delivered" in each.message for each in caplog.records)
    assert alarms(house) == []


def test_a_call_that_nobody_heard_is_repeated_a_few_times(house: House, network: Network) -> None:
    with house.database.write() as connection:
        change(connection, "anna", phone="+390461123456", email=None)
    tell(house)
    at = NIGHT
    for _ in range(40):
        work_at(house, at)
        with house.database.write() as connection:
            for call in connection.execute(select(outgoing).where(outgoing.c.ended_at.is_(None))):
                connection.execute(update(outgoing).where(outgoing.c.id == call.id).values(ended_at=at))
                reached.unheard(connection, at, call.notice_send_id, "no-answer")
        at += MINUTE
    assert len(network.calls) == VOICE_TRIES
    assert outcome(house) == "failed"
    assert len(alarms(house)) == 1


def test_a_phone_that_is_ringing_is_left_alone(house: House, network: Network) -> None:
    with house.database.write() as connection:
        change(connection, "anna", phone="+390461123456", email=None)
    tell(house)
    tell(house, again="2")
    work_at(house, NIGHT)
    assert len(network.calls) == 1


def test_somebody_who_has_left_is_not_told(house: House, network: Network) -> None:
    with house.database.write() as connection:
        change(connection, "anna", retired_at=NIGHT - HOUR)
    tell(house)
    tell(house, to="nobody", again="2")
    work_at(house, NIGHT)
    assert (network.asked, outcome(house)) == ({}, "needless")


# -- pointless ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "changes", "needless"),
    [
        ("nobody-answered", {"taken_at": NIGHT, "taken_by": "bruno", "taken_via": "link"}, True),
        ("case-reminder", {"connected_at": NIGHT}, True),
        ("hung-up-ringing", {"closed_at": NIGHT}, True),
        ("case-passed", {"closed_at": NIGHT}, True),
        # He may be the one who took it.
        ("call-back-wanted", {"taken_at": NIGHT, "taken_by": "anna", "taken_via": "phone"}, False),
        # The sender of a text message can be forged: nobody is spared a call by it.
        ("nobody-answered", {"taken_at": NIGHT, "taken_by": "bruno", "taken_via": "text"}, False),
        ("case-closed-by-text", {"closed_at": NIGHT}, False),
        ("message-left", {"closed_at": NIGHT}, False),
    ],
)
def test_what_has_become_pointless_is_not_sent(
    house: House, network: Network, kind: str, changes: dict[str, Any], needless: bool
) -> None:
    with house.database.write() as connection:
        opened = a_case(connection)
        notices.tell(connection, NIGHT, kind, "technician:anna", f"case:{opened.number}", {}, loud=True)
        connection.execute(update(case_rows).values(**changes))
    work_at(house, NIGHT)
    assert len(network.sent_to(ANNA)) == (0 if needless else 1)
    assert outcome(house, kind) == ("needless" if needless else None)


@pytest.mark.parametrize("act", ["taken", "closed"])
def test_who_takes_or_closes_a_case_spares_the_others(house: House, network: Network, act: str) -> None:
    with house.database.write() as connection:
        opened = a_case(connection)
        about = f"case:{opened.number}"
        notices.tell(connection, NIGHT, "nobody-answered", "technician:anna", about, {}, loud=True)
        case = find_case(connection, opened.number)
        if act == "closed":
            closing.close(connection, ACTOR, NIGHT, case)
        else:
            casework.take(connection, ACTOR, NIGHT, case, "bruno")
    work_at(house, NIGHT)
    assert network.sent_to(ANNA) == []
    assert outcome(house, "nobody-answered") == "needless"


@pytest.mark.parametrize("had", ["taken", "connected"])
def test_whoever_calls_again_about_a_case_that_somebody_had_is_told_of(
    house: House, network: Network, had: str
) -> None:
    """He reached nobody: that somebody had the case before spares nobody. Whoever then has it does."""
    again = NIGHT + HOUR
    values = {"taken_at": NIGHT, "taken_by": "bruno", "taken_via": "phone"} if had == "taken" else {}
    with house.database.write() as connection:
        opened = a_case(connection)
        connection.execute(update(case_rows).values(**(values or {"connected_at": NIGHT})))
        due.cancel(connection, NIGHT, cases.PURSUE, opened.number, by=had)
        cases.pursue(connection, again, opened.id, again + HOUR)
        about = f"case:{opened.number}"
        for person in ("anna", "bruno"):
            notices.tell(connection, again, "nobody-answered", f"technician:{person}", about, {}, loud=True)
    work_at(house, again)
    assert len(network.sent_to(ANNA)) == 1
    with house.database.write() as connection:
        notices.tell(connection, again, "case-reminder", "technician:anna", about, {}, loud=True)
        due.cancel(connection, again, cases.PURSUE, opened.number, by="connected")
    work_at(house, again)
    assert len(network.sent_to(ANNA)) == 1
    assert outcome(house, "case-reminder") == "needless"


def test_what_has_become_pointless_stops_before_the_next_channel(house: House, network: Network) -> None:
    with house.database.write() as connection:
        opened = a_case(connection)
        about = f"case:{opened.number}"
        notices.tell(connection, NIGHT, "nobody-answered", "technician:anna", about, {}, loud=True)
    work_at(house, NIGHT)
    with house.database.write() as connection:
        notices.settle_needless(connection, NIGHT + SECOND, about, ["nobody-answered"])
    live(house, NIGHT, NIGHT + HOUR)
    assert network.calls == []
    assert outcome(house, "nobody-answered") == "sent"


def test_a_message_that_was_opened_need_not_be_told(house: House, network: Network) -> None:
    with house.database.write() as connection:
        due.add(connection, NIGHT, notices.MESSAGE, SID, NIGHT, {"call": SID})
        notices.tell(connection, NIGHT, "message-left", "technician:anna", f"call:{SID}", {}, loud=False)
        notices.message_opened(connection, NIGHT, SID)
        assert not due.pending(connection, notices.MESSAGE, SID)
    assert outcome(house, "message-left") == "needless"


def test_what_notices_say_can_be_erased(house: House) -> None:
    tell(house, about="case:1", facts={"customer": "Acme", "at": NIGHT})
    tell(house, about="case:2", facts={"customer": "Other"})
    with house.database.write() as connection:
        assert notices.forget(connection, ["case:1"]) == 1
        assert [each.facts for each in notices.about_of(connection, "case:1")] == [{}]
        assert notices.about_of(connection, "case:2")[0].facts == {"customer": "Other"}


# -- exactly once ------------------------------------------------------------------------------


@dataclass
class Mortal:
    """A database whose process dies at the n-th point: before or after a commit, or a provider's answer."""

    home = ""

    real: Database
    left: int = 10**9

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def read(self) -> AbstractContextManager[Connection]:
        return self.real.read()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self.step()
        with self.real.write() as connection:
            yield connection
        self.step()


@pytest.mark.parametrize("loud", [True, False])
def test_whenever_the_process_dies_nothing_is_lost_and_nothing_is_doubled(tmp_path: Path, loud: bool) -> None:
    at = NIGHT if loud else DAY_TIME
    number, count = 0, 99
    while number < count:
        folder = tmp_path / str(number)
        folder.mkdir()
        network = Network()
        with fresh_database(folder) as database:
            house = furnished(folder, database, network)
            tell(house, at=at, loud=loud)
            mortal = Mortal(database, number)
            network.step = mortal.step
            if number == 0:
                mortal.left = 10**9
                tick(replace(house, database=mortal), at, LOUD)  # type: ignore[arg-type]
                count = 10**9 - mortal.left
                assert count > (14 if loud else 8)
            else:
                with pytest.raises(Killed):
                    tick(replace(house, database=mortal), at, LOUD)  # type: ignore[arg-type]
            mortal.left = 10**9
            again = at + LEASE
            for step in range(4):
                live(house, again, again + step * MINUTE)
            for sid in list(network.texts):
                receipt(house, sid, "delivered", again + 5 * MINUTE)
            live(house, again + 5 * MINUTE, again + HOUR)
            assert len(network.sent_to(ANNA)) == 1, number
            assert len({identity for _, _, identity in network.mails}) == (1 if loud else 0), number
            assert outcome(house) == "delivered", number
        number += 1
    assert number == count


NOTICES = 200
TROUBLES = [*[""] * 40, "429", "500", "500", "500", "lost", "done", "done"]


@dataclass
class HardToAsk(Network):
    """A provider that cannot say twice in a row what became of a message, and says it the third time: of each
    message by itself, so that none is ever given up, however two workers take turns.
    """

    broken: Counter[str] = field(default_factory=Counter)

    def find(self, text: TextOut, since: datetime) -> str | None:
        self._cannot_say(f"{text.to} {text.text}")
        return super().find(text, since)

    def status(self, sid: str) -> str | None:
        self._cannot_say(sid)
        return super().status(sid)

    def _cannot_say(self, of: str) -> None:
        with self.lock:
            self.broken[of] += 1
            if self.broken[of] % 3:
                raise ChannelFailed("HTTP 500")


def test_two_workers_with_a_bad_provider_tell_everybody_once(postgresql_url: str, tmp_path: Path) -> None:
    dice = random.Random(1)
    network = HardToAsk(wait=5)
    network.trouble = lambda what: "" if what in ("find", "status") else dice.choice(TROUBLES)
    with opened_at(postgresql_url) as database:
        house = furnished(tmp_path, database, network)
        house = replace(house, outward=replace(house.channels, telephone=None))
        with database.write() as connection:
            for key in ("bruno", "dario"):
                change(connection, key, email=None)
            for number in range(NOTICES):
                key = list(MAILS)[number % 3]
                again = str(number)
                notices.tell(
                    connection, NIGHT, f"n{number}", f"technician:{key}", "x", {}, loud=True, again=again
                )
        _two_workers(house, network, dice)
        with database.read() as connection:
            outcomes = Counter(connection.execute(select(rows.c.outcome)).scalars())
            sids = list(
                connection.execute(
                    select(notice_sends.c.sid).where(notice_sends.c.sid.is_not(None))
                ).scalars()
            )
        # Of a message or two no receipt came and nobody could be asked.
        assert outcomes.keys() <= {"delivered", "sent"}
        assert outcomes["delivered"] > NOTICES * 0.9
        texts = Counter((text.to, text.text) for text in network.texts.values())
        assert len(texts) == NOTICES
        assert set(texts.values()) == {1}
        assert sorted(sids) == sorted(network.texts)
        assert len({identity for _, _, identity in network.mails}) == (NOTICES + 2) // 3


def _two_workers(house: House, network: Network, dice: random.Random) -> None:
    """Two threads that claim and work; time goes on when neither has anything to do."""
    turn = threading.Condition()
    clock = [NIGHT]
    idle: list[datetime] = []
    over: list[bool] = []
    failures: list[BaseException] = []

    def receipts(at: datetime) -> None:
        with network.lock:
            waiting = [sid for sid in network.texts if network.status_of.get(sid) != "delivered"]
            chosen = [sid for sid in waiting if dice.random() < 0.8]
            network.status_of |= dict.fromkeys(chosen, "delivered")
        for sid in chosen:
            with house.database.write() as connection:
                found = connection.execute(
                    select(notice_sends.c.id).where(notice_sends.c.sid == sid)
                ).scalar()
                if found is not None and dice.random() < 0.9:
                    notices.receipt(connection, at, found, sid, "delivered")

    def worker() -> None:
        try:
            while not over:
                at = clock[0]
                if tick(house, at, LOUD, AT_ONCE):
                    continue
                with turn:
                    idle.append(at)
                    if idle.count(clock[0]) == 2:
                        receipts(clock[0])
                        again = next_due(house)
                        if again is None or again > NIGHT + 2 * HOUR:
                            over.append(True)
                        else:
                            clock[0] = max(again, clock[0] + SECOND)
                        turn.notify_all()
                    elif at == clock[0]:
                        turn.wait(timeout=30)
        except BaseException as error:
            failures.append(error)
            over.append(True)
            with turn:
                turn.notify_all()

    threads = [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_worker_that_lost_its_lease_sends_nothing_more(house: House, network: Network) -> None:
    tell(house)
    with house.database.write() as connection:
        (mine,) = due.claim(connection, NIGHT, [NOTICE], lease=LEASE)
    with house.database.write() as connection:
        due.claim(connection, NIGHT + 2 * LEASE, [NOTICE], lease=LEASE)
    work.bring(house, mine, NIGHT + 2 * LEASE)
    assert network.asked == {}


def test_notices_are_done_apart_and_end_before_their_lease() -> None:
    assert NOTICE in {kind for kinds in APART.values() for kind in kinds}
    slowest = timedelta(seconds=work.BUDGET + 35)
    assert AT_ONCE * slowest < LEASE


# -- what is to be done, as a rule ----------------------------------------------------------------

AT = DAY_TIME
TEXT, MAIL, VOICE = Route("text", ANNA), Route("mail", "a@example.net"), Route("voice", ANNA)
ALL = [TEXT, MAIL, VOICE]


def a_notice(*, loud: bool = True, created: datetime = AT) -> Notice:
    return Notice(1, "k>r", "test", "technician:anna", "x", {}, loud, created, None, None)


def a_send(number: int, route: Route, state: SendState, tried: datetime = AT) -> Send:
    return Send(number, route.channel, route.address, state, None, None, tried, tried)


def a_plan(loud: bool, at: datetime, *sends: Send, routes: list[Route] | None = None) -> Plan:
    return delivery.plan(a_notice(loud=loud), ALL if routes is None else routes, sends, at, WITHIN)


CHANNELS: list[ChannelName] = ["text", "mail", "service", "voice"]
STATE = st.sampled_from(["trying", "sent", "delivered", "failed", "refused"])
ROUTES = st.lists(st.sampled_from(CHANNELS), unique=True, max_size=4).map(
    lambda names: [Route(name, "x") for name in sorted(names, key=CHANNELS.index)]
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Route], list[Send], datetime]:
    """Routes, tries by them in order of time, and an instant after the last."""
    routes = draw(ROUTES)
    sends: list[Send] = []
    at = AT
    for number in range(draw(st.integers(0, 6)) if routes else 0):
        at += timedelta(seconds=draw(st.integers(0, 900)))
        route = draw(st.sampled_from(routes))
        before = [send for send in sends if send.channel == route.channel]
        if before and before[-1].state != "failed":
            continue
        sends.append(a_send(number, route, draw(STATE), at))
    return routes, sends, at + timedelta(seconds=draw(st.integers(0, 100_000)))


@settings(max_examples=400, deadline=None)
@given(histories(), st.booleans(), st.booleans())
def test_whatever_happened_there_is_a_next_step_or_an_end(
    history: tuple[list[Route], list[Send], datetime], loud: bool, night: bool
) -> None:
    routes, sends, at = history
    quiet = at + 5 * HOUR if night else None
    found = delivery.plan(a_notice(loud=loud), routes, sends, at, WITHIN, quiet)
    assert (found.outcome is None) == (found.due is not None)
    if found.due is not None:
        assert found.due > at
        assert found.due <= AT + GIVE_UP_AFTER or (night and found.due <= at + 5 * HOUR)
    for route in found.begin:
        last = [send for send in sends if send.channel == route.channel][-1:]
        assert all(send.state == "failed" for send in last), "never again what was sent or is refused"
        assert loud or not night
    if found.outcome == "failed":
        assert all(send.state in ("trying", "failed", "refused") for send in sends)
        assert found.undelivered == loud
    if not loud:
        assert len(found.begin) <= len(routes)
        assert not found.undelivered
    brought = any(
        s.state == "delivered" or (s.state == "sent" and s.channel in ("mail", "service")) for s in sends
    )
    if loud and at >= AT + ALARM_AFTER and not brought and found.outcome is None:
        assert found.undelivered
    if at >= AT + GIVE_UP_AFTER:
        assert found.outcome is not None


def test_the_rule_step_by_step() -> None:
    assert a_plan(True, AT).begin == (TEXT, MAIL)
    assert a_plan(False, AT).begin == (TEXT,)
    assert a_plan(True, AT, routes=[VOICE, MAIL]).begin == (VOICE, MAIL)
    sent = a_send(1, TEXT, "sent"), a_send(2, MAIL, "sent")
    assert a_plan(True, AT + WITHIN - SECOND, *sent).begin == ()
    late = a_plan(True, AT + WITHIN, *sent)
    assert (late.begin, late.ask) == ((VOICE,), (sent[0],))
    refused = a_send(1, TEXT, "refused")
    assert a_plan(True, AT, refused).begin == (MAIL, VOICE)
    assert a_plan(False, AT, refused).begin == (MAIL,)
    assert a_plan(True, AT, a_send(1, TEXT, "delivered"), sent[1]).outcome == "delivered"
    assert a_plan(False, AT, a_send(1, TEXT, "failed")).begin == (MAIL,)
    unsure = a_plan(False, AT + MINUTE, a_send(1, TEXT, "trying"))
    assert (unsure.begin, unsure.ask) == ((), (a_send(1, TEXT, "trying"),))
    assert a_plan(False, AT + HOUR, sent[0]).outcome == "sent"
    assert a_plan(
        True, AT + ALARM_AFTER, a_send(1, TEXT, "delivered"), a_send(2, MAIL, "failed")
    ).outcome == ("delivered")


# -- what calls leave to be told -----------------------------------------------------------------


def handed(house: House, kind: str, at: datetime, sid: str = SID) -> datetime | None:
    handler = HANDLERS[kind]
    piece = due.Work(1, kind, sid, {"call": sid}, at, 1, "lease", at)
    return handler(house, piece, at)


def told(house: House) -> list[tuple[str, str, str, bool]]:
    with house.database.read() as connection:
        found = connection.execute(select(rows).order_by(rows.c.id))
        return [(row.kind, row.recipient, row.about, row.loud) for row in found]


def with_people(house: House, **people: list[str]) -> House:
    was = house.configuration
    changed = was.model_copy(update={"notices": was.notices.model_copy(update=people)})
    return replace(house, configuration=changed)


def test_nobody_answered_tells_the_ladder_and_the_managers(house: House) -> None:
    house = with_people(house, managers=["m@example.net"], admins=["a@example.net"])
    with house.database.write() as connection:
        opened = a_case(connection)
    for _ in range(2):
        assert handed(house, handed_on.NOBODY_ANSWERED, NIGHT) is None
    about = f"case:{opened.number}"
    people = ["manager:m@example.net", "technician:bruno", "technician:dario"]
    assert told(house) == [("nobody-answered", each, about, True) for each in people]


@pytest.mark.parametrize("kind", ["no-urgency", "screened-in-vain"])
def test_the_first_on_duty_is_told_of_a_call_without_a_case(house: House, kind: str) -> None:
    with house.database.write() as connection:
        a_call(connection)
    handed(house, f"notice.{kind}", NIGHT)
    assert told(house) == [(kind, "technician:bruno", f"call:{SID}", True)]


def test_of_callers_whom_nobody_heard_he_is_told_aloud_four_times_an_hour(house: House) -> None:
    """Each is told of, and after each there is a loud word within a quarter of an hour."""
    calls_at = [NIGHT + timedelta(seconds=40 * each) for each in range(90)]
    with house.database.write() as connection:
        for each, at in enumerate(calls_at):
            a_call(connection, a_sid(each), at)
            due.add(connection, at, handed_on.SCREENED_IN_VAIN, a_sid(each), at, {"call": a_sid(each)})
    for minute in range(0, 90):
        at = NIGHT + timedelta(minutes=minute)
        tick(house, at, {handed_on.SCREENED_IN_VAIN: handed_on.screened_in_vain}, 1_000)
    with house.database.read() as connection:
        kept = connection.execute(select(rows).order_by(rows.c.id)).all()
    assert {row.about for row in kept} == {f"call:{a_sid(each)}" for each in range(90)}
    loud = [row.created_at for row in kept if row.loud]
    assert all(sum(first <= each < first + timedelta(hours=1) for each in loud) <= 4 for first in loud)
    for at in calls_at:
        assert any(at <= each <= at + timedelta(minutes=16) for each in loud)
    assert [row.facts.get("more") for row in kept if row.loud][1] > 10


def test_with_nobody_on_duty_the_admins_are_told(house: House) -> None:
    house = with_people(house, admins=["a@example.net"])
    before = rome("2026-01-01 03:00")
    with house.database.write() as connection:
        a_call(connection, at=before)
        change(connection, "dario", retired_at=before)
    handed(house, handed_on.NO_URGENCY, before)
    assert [recipient for _, recipient, _, _ in told(house)] == ["admin:a@example.net"]


def test_with_nobody_at_all_it_is_an_alarm(house: House) -> None:
    before = rome("2026-01-01 03:00")
    with house.database.write() as connection:
        a_call(connection, at=before)
        change(connection, "dario", retired_at=before)
    handed(house, handed_on.NO_URGENCY, before)
    assert told(house) == []
    assert len(alarms(house)) == 1


def test_a_call_that_was_purged_leaves_nothing_to_tell(house: House) -> None:
    for kind in (
        handed_on.NOBODY_ANSWERED,
        handed_on.NO_URGENCY,
        handed_on.SCREENED_IN_VAIN,
        handed_on.MESSAGE,
    ):
        assert handed(house, kind, NIGHT) is None
    assert told(house) == []


def a_message(connection: Connection, sid: str = SID, seconds: int = 42) -> None:
    connection.execute(
        insert(messages).values(
            recording_sid="RE" + sid[2:],
            call_sid=sid,
            url="",
            seconds=seconds,
            recorded_at=NIGHT,
            status="completed",
            kind="message",
        )
    )


@pytest.mark.parametrize("has_it", [None, "anna"])
def test_a_message_in_a_case_goes_to_whoever_has_it(
    house: House, network: Network, has_it: str | None
) -> None:
    with house.database.write() as connection:
        opened = a_case(connection)
        a_message(connection)
        if has_it:
            casework.take(connection, ACTOR, NIGHT, find_case(connection, opened.number), has_it)
    handed(house, handed_on.MESSAGE, NIGHT)
    people = [has_it] if has_it else ["bruno", "dario"]
    got = [each for each in told(house) if each[0] == "message-left"]
    assert got == [("message-left", f"technician:{key}", f"case:{opened.number}", True) for key in people]
    live(house, NIGHT, NIGHT)
    said = [text for text in network.sent_to(ANNA if has_it else BRUNO) if "Messaggio vocale" in text]
    assert len(said) == 1
    assert "Acme, 42 s" in said[0]
    assert "https://ivr.example.net/c/" in said[0]


def test_a_message_by_day_goes_to_the_admins_and_by_night_to_whoever_is_on_duty(house: House) -> None:
    house = with_people(house, admins=["a@example.net"])
    with house.database.write() as connection:
        a_call(connection, at=DAY_TIME)
        a_message(connection)
    admin = ("message-left", "admin:a@example.net", f"call:{SID}", False)
    evening = handed(house, handed_on.MESSAGE, DAY_TIME)
    assert told(house) == [admin]
    assert evening == rome("2026-03-10 18:30")
    assert handed(house, handed_on.MESSAGE, evening) is None
    assert told(house) == [admin, ("message-left", "technician:bruno", f"call:{SID}", False)]


def test_a_case_notice_says_who_how_urgent_by_when_and_how_to_take_it(house: House, network: Network) -> None:
    with house.database.write() as connection:
        opened = a_case(connection)
        connection.execute(update(calls).values(caller="+393471112201", number="+390465324963"))
        about = f"case:{opened.number}"
        notices.tell(connection, NIGHT, "nobody-answered", "technician:anna", about, {}, loud=True)
        notices.tell(connection, NIGHT, "nobody-answered", "manager:m@example.net", about, {}, loud=True)
    work_at(house, NIGHT)
    (text,) = network.texts.values()
    assert text.sender == "+390465324963"
    for part in ("Acme", "+393471112201", "P1+", opened.code, "le 23:00", f"OK {opened.code}", "/c/"):
        assert part in text.text, part
    assert len(network.mails) == 2


def test_an_alphanumeric_sender_cannot_be_answered(house: House, network: Network) -> None:
    house = with_people(house, text_sender="Cloudfabric")  # type: ignore[arg-type]
    with house.database.write() as connection:
        opened = a_case(connection)
        notices.tell(
            connection, NIGHT, "nobody-answered", "technician:anna", f"case:{opened.number}", {}, loud=True
        )
    work_at(house, NIGHT)
    (text,) = network.texts.values()
    assert text.sender == "Cloudfabric"
    assert "OK " not in text.text
    assert re.search(r"Per prenderlo apra: https://\S+/c/\S+$", text.text)


def test_nobody_else_reads_a_technicians_link(house: House, network: Network) -> None:
    with house.database.write() as connection:
        opened = a_case(connection)
        for key in ("anna", "bruno"):
            about = f"case:{opened.number}"
            notices.tell(connection, NIGHT, "nobody-answered", f"technician:{key}", about, {}, loud=True)
    work_at(house, NIGHT)
    links = {text.text.split("/c/")[1] for text in network.texts.values()}
    assert len(links) == 2


def test_withheld_numbers_are_not_shown_as_such(house: House, network: Network) -> None:
    with house.database.write() as connection:
        a_call(connection)
        connection.execute(update(calls).values(caller="anonymous"))
        notices.tell(connection, NIGHT, "screened-in-vain", "technician:anna", f"call:{SID}", {}, loud=True)
    work_at(house, NIGHT)
    (text,) = network.texts.values()
    assert "anonymous" not in text.text

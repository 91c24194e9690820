"""The worker of a rehearsal: it works on the rehearsal's own network, and nothing leaves the house."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from pydantic import SecretStr

import console.work
from console.house import House
from console.phone import Mismatch
from console.phone.events import Worked
from console.phone.exchange import NeverSettles
from console.rehearsing.playhouse import MailKept
from console.rehearsing.rehearsal import Rehearsal
from console.settings import Configuration, MailSettings
from ivr import journal
from oncall.notices.channels import CallOut, ChannelFailed, TextOut
from oncall.settings import CalendarSettings
from storage import due
from storage.alarms import raise_alarm
from storage.due import Work

OURS, ANNA = "+390461825060", "+393331234501"
AT = "@ 2026-03-10 22:00\n"


@pytest.fixture
def rehearsal(stage: Callable[..., Rehearsal]) -> Rehearsal:
    return stage()


def add(rehearsal: Rehearsal, kind: str, key: str = "x") -> None:
    at = rehearsal.clock.now()
    with rehearsal.house.database.write() as connection:
        due.add(connection, at, kind, key, at, {})


def test_nothing_of_a_rehearsal_leaves_it(shipped_configuration: Configuration) -> None:
    calendars = CalendarSettings.model_construct(
        hosts=["calendar.example.net"], absences={"anna": SecretStr("https://calendar.example.net/a.ics")}
    )
    notices = shipped_configuration.notices.model_copy(
        update={"services": {"chat": SecretStr("slack://token")}, "managers": ["m@example.net"]}
    )
    twilio = shipped_configuration.twilio.model_copy(update={"api_base": "http://127.0.0.1:9"})
    mail = MailSettings(host="mail.example.net", sender="ivr@example.net")
    real = shipped_configuration.model_copy(
        update={"mail": mail, "notices": notices, "calendars": calendars, "twilio": twilio}
    )
    with Rehearsal(real, datetime.fromisoformat("2026-03-10T22:00+01:00")) as rehearsal:
        own = rehearsal.configuration
        assert own.mail == MailSettings()
        assert (own.notices.services, own.notices.managers) == ({}, ["m@example.net"])
        assert own.calendars.absences == {}
        assert (own.twilio.api_base, own.twilio.auth_tokens) != (twilio.api_base, twilio.auth_tokens)
        channels = rehearsal.house.channels
        assert channels.services is None
        assert channels.mail is rehearsal.mails


def test_calls_and_texts_go_to_the_rehearsals_own_network(rehearsal: Rehearsal) -> None:
    channels = rehearsal.house.channels
    assert channels.telephone is not None
    assert channels.texts is not None
    sid = channels.telephone.place(CallOut(ANNA, OURS, 25, "https://a.example", "https://b.example"))
    channels.texts.send(TextOut(ANNA, OURS, "ciao", ""))
    assert [call.sid for call in rehearsal.exchange.placed] == [sid]
    assert [text.body for text in rehearsal.exchange.texts.sent] == ["ciao"]


def test_the_worker_does_what_is_due_and_what_that_makes_due(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def first(_: House, work: Work, __: datetime) -> None:
        done.append(work.kind)
        add(rehearsal, "second")

    def second(_: House, work: Work, at: datetime) -> datetime | None:
        done.append(work.kind)
        return at + timedelta(minutes=3) if done.count("second") == 1 else None

    monkeypatch.setattr(console.work, "HANDLERS", {"first": first, "second": second})
    add(rehearsal, "first")
    rehearsal.work()
    assert done == ["first", "second"]
    rehearsal.work()
    assert done == ["first", "second"]
    rehearsal.clock.forward(minutes=3)
    rehearsal.work()
    assert done == ["first", "second", "second"]
    assert len([event for event in rehearsal.exchange.events if isinstance(event, Worked)]) == 3


def test_a_worker_without_an_end_is_found(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.work, "HANDLERS", {"again": lambda house, work, at: at})
    add(rehearsal, "again")
    with pytest.raises(NeverSettles):
        rehearsal.work()


def test_a_recording_has_arrived(rehearsal: Rehearsal) -> None:
    """Twilio is not asked for it: nobody spoke."""
    rehearsal.play(AT + "* an unknown number calls trento\n> 0#\n> 1\n> speaks 12 s\n")
    with rehearsal.house.database.read() as connection:
        sid = journal.recent(connection)[0].sid
        assert [message.file for message in journal.messages_of(connection, sid)] == [None]
    rehearsal.work()
    with rehearsal.house.database.read() as connection:
        (message,) = journal.messages_of(connection, sid)
    assert message.file is not None
    assert (rehearsal.folder / "state" / "messages" / message.file).exists()


def test_alarms_are_kept(rehearsal: Rehearsal) -> None:
    with rehearsal.house.database.write() as connection:
        raise_alarm(connection, rehearsal.clock.now(), "nobody-on-duty", "rota:duty")
    with pytest.raises(Mismatch, match="alarmed of"):
        rehearsal.play("* the admins are alarmed of nobody-on-duty\n")
    rehearsal.play("* the worker works\n* the admins are alarmed of nobody-on-duty\n")


def test_mail_is_kept_once() -> None:
    mails = MailKept()
    at = datetime.fromisoformat("2026-03-10T22:00+01:00")
    for identity in ("a", "a", "b"):
        mails.send("m@example.net", "Subject", "Text", identity, at)
    assert len(mails) == 2


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ('managers get an e-mail "nessuno … P1+"', True),
        ('managers get an e-mail "Nessuno ha risposto"', True),
        ('managers get an e-mail "P1+ … nessuno"', False),
        ('admins get an e-mail "nessuno"', False),
        ('anna gets an e-mail "nessuno"', False),
    ],
)
def test_who_was_sent_what(
    line: str, holds: bool, stage: Callable[..., Rehearsal], shipped_configuration: Configuration
) -> None:
    notices = shipped_configuration.notices.model_copy(update={"managers": ["m@example.net"]})
    rehearsal = stage(shipped_configuration.model_copy(update={"notices": notices}))
    rehearsal.mails.send("m@example.net", "Nessuno ha\nrisposto", "Urgenza P1+", "a", rehearsal.clock.now())
    assert (rehearsal.fact(line) is None) is holds


def test_the_network_meets_a_fault(rehearsal: Rehearsal) -> None:
    telephone = rehearsal.house.channels.telephone
    assert telephone is not None
    assert rehearsal.fact("the network meets hang after") is None
    order = CallOut(ANNA, OURS, 25, "https://a.example", "https://b.example")
    with pytest.raises(ChannelFailed, match="no answer"):
        telephone.place(order)
    assert len(rehearsal.exchange.placed) == 1
    assert telephone.find(order, rehearsal.clock.now()) == rehearsal.exchange.placed[0].sid
    assert rehearsal.fact("the network meets the devil") is not None


def test_letters_wait(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    from pins import outbox

    asked: list[Work] = []
    monkeypatch.setattr(console.work, "HANDLERS", {outbox.LETTER: lambda _, work, __: asked.append(work)})
    add(rehearsal, outbox.LETTER)
    rehearsal.work()
    assert asked == []
    with rehearsal.house.database.read() as connection:
        assert due.pending(connection, outbox.LETTER, "x")

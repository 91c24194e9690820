"""Alarms reach the admins: in their language, once each, and never into silence."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mail_server import Server, mail_server
from making import ACTOR, NIGHT, ROME, ROOT, configuration, fresh_database, pin_settings
from sqlalchemy import select

from console.backups import daily, restoring
from console.house import House
from console.outbound import alarm_texts
from console.processes.worker import LEASE, tick
from console.work import APART, AT_ONCE, HANDLERS, calendars, mail
from console.work import notices as notice_work
from console.work import rota as rota_work
from console.work import tickets as ticket_work
from ivr.settings import LANGUAGES
from oncall.reaching import shift_checks
from oncall.rota import coverage
from pins import customers, registry
from pins.index import PinIndex
from storage import due
from storage.alarms import ALARM, raise_alarm
from storage.tables import due_work

ADMINS = ["admin@example.net", "boss@example.net"]
DAY = timedelta(days=1)
KNOWN = {
    "pin-budget": {"hour": 20, "day": 61, "numbers": 7},
    "pin-known-lane": {"day": 2000},
    "pin-revoked-used": {"pin": 17, "customer": "ACME"},
    "pin-ends": {"pin": 17, "customer": "ACME", "expires": "2026-04-01", "days": 30, "pins": 40},
    "letter-expired": {"pin": 17, "customer": "ACME", "why": "no server"},
    "letter-refused": {"pin": 17, "customer": "ACME", "why": "refused"},
    "ticket-undelivered": {"ticket": "2026-00412", "channel": "mail", "why": "no mail server"},
    "screening-used-up": {},
    "call-flood": {"calls": 60, "seconds": 60},
    "toll-refused": {"cap": "toll.one_customer", "most": 20, "whom": "ACME"},
    "toll-passed": {"cap": "toll.one_phone", "most": 150, "whom": "anna"},
    "rota-hole": {
        "rota": "duty",
        "from": "2026-08-14 18:30",
        "to": "2026-08-15 08:00",
        "lasts": "13h",
        "more": 2,
    },
    "nobody-on-duty": {"rota": "duty", "from": "2026-08-14 18:30", "case": "2026-00412"},
    "shift-unconfirmed": {"technician": "anna", "rota": "duty"},
    "notice-not-delivered": {
        "kind": "case-reminder",
        "recipient": "anna",
        "concerns": "case:2026-00412",
        "why": "text: 30003",
    },
    "console-locked": {"user": "giulia"},
    "calendar-stale": {"technician": "anna", "since": "2026-08-14 18:30", "why": "time-out"},
    "audit-broken": {"row": 12},
    "audit-unanchored": {"why": "OSError"},
    "ledger-failed": {"why": "OSError"},
    "certificate-ends": {"host": "ivr.example.net", "days": 13, "until": "2026-08-14 03:30"},
    "certificate-refused": {"host": "ivr.example.net", "why": "certificate has expired"},
    "database-away": {"snapshot": "2026-03-10T21:00+00:00"},
    "database-away-blind": {},
    "database-back": {"calls": 3},
    "snapshot-overdue": {"why": "OSError"},
    "clock-apart": {"about": "node-1", "seconds": "-7.5"},
    "backup-failed": {"why": "OSError", "folder": "/mnt/backups"},
    "backup-stale": {"since": "2026-08-14 03:30"},
    "backup-restored": {"written": "2026-08-14 01:30 UTC", "cases": "2026-00412", "unsure": "yes", "row": 12},
    "doctor": {"red": 1, "new_many": 1, "again_many": 1, "gone_many": 1},
    "pin-keys": {"about": "node-1", "faults": "pepper 2 is missing"},
}


@pytest.fixture(autouse=True)
def no_server_rests() -> Iterator[None]:
    mail._resting.clear()
    yield
    mail._resting.clear()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    with mail_server(folder) as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, server: Server) -> Iterator[House]:
    with fresh_database(tmp_path) as database:
        yield of(House(configuration(tmp_path), database), server)


def of(house: House, server: Server, admins: list[str] = ADMINS, language: str = "it") -> House:
    """The house with a mail server and admins who read `language`."""
    was = house.configuration
    changed = {
        "mail": server.settings.model_copy(update={"ca_file": str(server.ca_file)}),
        "notices": was.notices.model_copy(update={"admins": admins}),
        "service": was.service.model_copy(update={"languages": [language]}),
    }
    return House(was.model_copy(update=changed), house.database)


def raise_one(house: House, what: str = "pin-budget", about: str = "", **details: Any) -> None:
    with house.database.write() as connection:
        assert raise_alarm(connection, NIGHT, what, about, details)


def work(house: House, after: timedelta = timedelta(0)) -> int:
    return tick(house, NIGHT + after, {kind: HANDLERS[kind] for kind in APART["mail"]})


def state(house: House) -> Any:
    with house.database.read() as connection:
        return connection.execute(select(due_work).where(due_work.c.kind == ALARM)).one()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_admin_is_told_in_their_language(house: House, server: Server, language: str) -> None:
    house = of(house, server, language=language)
    raise_one(house, hour=20, day=61)
    assert work(house) == 1
    assert server.post.recipients == [ADMINS]
    (got,) = server.post.received
    texts = alarm_texts.catalogue(language)["pin-budget"]
    assert got["Subject"] == f"[Cloudfabric] {texts['subject']}"
    assert "61" in got.get_content()
    assert "22:00" in got.get_content()
    assert state(house).state == "done"
    assert work(house, DAY) == 0


def test_an_alarm_about_a_pin_says_whose_it_is(house: House, server: Server) -> None:
    index = PinIndex(pin_settings())
    with house.database.write() as connection:
        customers.add_customer(connection, ACTOR, NIGHT, "Acme", code="ACME")
        pin_id = registry.issue(connection, ACTOR, NIGHT, "ACME", registry.draw(index, 8), label="Sede")
    raise_one(house, "pin-revoked-used", f"pin:{pin_id}")
    work(house)
    said = server.post.received[0].get_content()
    assert f"il PIN {pin_id}, che è revocato" in " ".join(said.split())
    assert "ACME" in said


@pytest.mark.parametrize("away", ["host", "admins"])
def test_without_a_server_or_admins_it_stands_in_the_log(
    house: House, server: Server, caplog: pytest.LogCaptureFixture, away: str
) -> None:
    house = of(house, server, admins=[] if away == "admins" else ADMINS)
    if away == "host":
        none = house.configuration.mail.model_copy(update={"host": ""})
        house = House(house.configuration.model_copy(update={"mail": none}), house.database)
    raise_one(house, hour=20)
    assert work(house) == 1
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert "pin-budget" in record.getMessage()
    assert "hour=20" in record.getMessage()
    assert work(house, DAY) == 0
    assert server.post.received == []


def test_a_server_that_is_away_is_tried_again_and_the_log_knows(
    house: House, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    raise_one(house)
    server.post.recipient = "451 4.3.0 not now"
    work(house)
    assert any("pin-budget" in each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR)
    assert state(house).due_at == NIGHT + mail.AGAIN
    server.post.recipient = "250 OK"
    work(house, mail.AGAIN)
    (got,) = server.post.received
    assert "22:00" in got.get_content()  # when it was noticed, not when it was sent
    assert state(house).state == "done"


def test_an_alarm_is_given_up_after_a_week_and_aloud(
    house: House, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    raise_one(house, hour=20)
    server.post.data = "550 5.7.1 never"
    work(house)
    assert state(house).state == "pending"
    caplog.clear()
    work(house, mail.ALARM_KEPT + DAY)
    assert any("never mailed" in each.getMessage() for each in caplog.records)
    assert state(house).state == "done"


def test_one_admin_whose_address_is_gone_does_not_cost_the_others_the_alarm(
    house: House, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    raise_one(house)
    server.post.refuses = ADMINS[0]
    work(house)
    assert server.post.recipients == [[ADMINS[1]]]
    assert ADMINS[0] in caplog.text
    assert state(house).state == "done"


def test_mail_is_done_apart_and_ends_before_its_lease() -> None:
    assert {kind for kinds in APART.values() for kind in kinds} <= set(HANDLERS)
    assert AT_ONCE * timedelta(seconds=mail.mail.AT_MOST + mail.mail.SILENCE) < LEASE


def test_a_tick_takes_no_more_than_its_share(house: House, server: Server) -> None:
    for number in range(5):
        raise_one(house, "pin-budget", f"x:{number}")
    assert tick(house, NIGHT, {ALARM: HANDLERS[ALARM]}, 3) == 3
    assert len(server.post.received) == 3


# -- texts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("what", KNOWN)
def test_each_known_alarm_has_a_text_of_its_own(language: str, what: str) -> None:
    texts = alarm_texts.catalogue(language)
    assert what in texts
    raised = {"what": what, "about": "", **KNOWN[what]}
    subject, text = alarm_texts.written(raised, NIGHT, ROME, language, "Cloudfabric")
    wanted = texts[what]["subject"].format_map({name: str(value) for name, value in KNOWN[what].items()})
    assert wanted in subject
    said = " ".join(text.split())
    for sentence in texts[what]["text"]:
        assert re.split(r"\{", sentence)[0].strip()[:40] in said, sentence
    assert "{" not in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_languages_say_the_same_things() -> None:
    shapes = []
    for language in LANGUAGES:
        texts = alarm_texts.catalogue(language)
        shapes.append(
            {
                what: [
                    sorted(re.findall(r"\{(\w+)\}", sentence))
                    for sentence in [about.get("subject", ""), *about.get("text", [])]
                ]
                for what, about in texts.items()
            }
        )
    assert shapes[0] == shapes[1] == shapes[2]


def test_every_alarm_the_house_raises_has_a_text() -> None:
    raised: set[str] = set()
    for package in ("console", "ivr", "pins", "oncall"):
        for file in (ROOT / package).rglob("*.py"):
            raised |= set(
                re.findall(
                    r'raise_alarm\(\s*[\w.]+,\s*[\w.]+,\s*"([a-z-]+)"', file.read_text(encoding="utf-8")
                )
            )
    assert len(raised) > 3
    named = (coverage.HOLE, rota_work.NOBODY, shift_checks.UNCONFIRMED, notice_work.UNDELIVERED)
    raised |= {*named, ticket_work.UNDELIVERED, calendars.STALE, daily.FAILED, daily.STALE}
    raised.add(restoring.RESTORED)
    known = alarm_texts.catalogue("it").keys() | alarm_texts.SAME_AS.keys()
    assert raised <= known


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_alarm_is_told_with_all_that_is_known_of_it(language: str) -> None:
    raised = {"what": "moon-fell", "about": "roof:1", "how": "down\r\nBcc: thief@example.net"}
    subject, text = alarm_texts.written(raised, NIGHT, ROME, language, "Cloudfabric\nBcc: x@example.net")
    assert "moon-fell" in subject
    assert "\n" not in subject
    assert "roof:1" in text
    assert "how: down Bcc" in text


def test_a_sentence_whose_value_is_missing_is_left_out() -> None:
    _, text = alarm_texts.written({"what": "pin-budget", "about": ""}, NIGHT, ROME, "en", "Cloudfabric")
    assert "Wrong PINs have used up" not in text
    assert "What to do" in text


def test_claimed_work_knows_when_it_was_written(house: House) -> None:
    raise_one(house)
    with house.database.write() as connection:
        (first,) = due.claim(connection, NIGHT, [ALARM], lease=LEASE)
        due.postpone(connection, first, NIGHT + DAY)
        (second,) = due.claim(connection, NIGHT + DAY, [ALARM], lease=LEASE)
    assert first.created_at == second.created_at == NIGHT

"""The worker looks once a day and tells the admins what has changed, and nothing if nothing has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mail_server import Server, mail_server
from making import ROME, configuration, fresh_database, rome
from sqlalchemy import select

from console.doctor import nightly
from console.doctor.examination import Examination
from console.doctor.finding import Finding
from console.house import House
from console.outbound import alarm_texts
from console.processes.worker import tick
from console.work import APART, HANDLERS, mail
from ivr.settings import LANGUAGES
from storage import notebook
from storage.alarms import ALARM
from storage.tables import due_work

MONDAY = rome("2026-03-09 16:00")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
FULL = Finding("red", "full.state", "The disk is full.", "Make room.", "disk")
MUTE = Finding("yellow", "mute", "No text can leave.", "Set a sender.", "text messages")
ROOM = Finding("green", "room.state", "There is room.", "", "disk")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "server").mkdir()
    mail._resting.clear()
    with mail_server(tmp_path / "server") as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, server: Server) -> Iterator[House]:
    was = configuration(tmp_path)
    changed = {
        "mail": server.settings.model_copy(update={"ca_file": str(server.ca_file)}),
        "notices": was.notices.model_copy(update={"admins": ["admin@example.net"]}),
        "service": was.service.model_copy(update={"languages": ["en"]}),
    }
    with fresh_database(tmp_path) as database:
        yield House(was.model_copy(update=changed), database)


class Days:
    """A worker's days; `finds` is what an examination then finds."""

    def __init__(self, house: House, patch: pytest.MonkeyPatch) -> None:
        self.house = house
        self.finds: list[Finding] = []
        self.unseen: list[str] = []
        self.looks = 0
        patch.setattr(nightly, "examine", self._examine)
        nightly.look(house, MONDAY - DAY)  # the first look waits for its time

    def _examine(self, house: House, at: datetime, **more: Any) -> Examination:
        self.looks += 1
        return Examination(list(self.finds), list(self.unseen))

    def at(self, at: datetime, *finds: Finding) -> list[dict[str, Any]]:
        """The alarms that a look raises."""
        self.finds = list(finds)
        before = len(self._alarms())
        nightly.look(self.house, at)
        return self._alarms()[before:]

    def _alarms(self) -> list[dict[str, Any]]:
        with self.house.database.read() as connection:
            rows = connection.execute(
                select(due_work.c.payload).where(due_work.c.kind == ALARM).order_by(due_work.c.id)
            )
            return [row.payload for row in rows]


@pytest.fixture
def days(house: House, monkeypatch: pytest.MonkeyPatch) -> Days:
    return Days(house, monkeypatch)


def test_it_looks_once_a_day_at_its_time(days: Days) -> None:
    assert days.looks == 0
    days.at(MONDAY - MINUTE)
    assert days.looks == 0
    days.at(MONDAY)
    days.at(MONDAY + MINUTE)
    days.at(MONDAY + timedelta(hours=23))
    assert days.looks == 1
    # The clocks have changed meanwhile: it is still four in the afternoon.
    days.at(rome("2026-03-30 15:59"))
    days.at(rome("2026-03-30 16:00"))
    assert days.looks == 3  # that of the day before was missed, and was made up for


def test_it_never_looks_where_that_is_not_wanted(house: House, days: Days) -> None:
    off = house.configuration.doctor.model_copy(update={"at": ""})
    days.house = House(house.configuration.model_copy(update={"doctor": off}), house.database)
    days.at(MONDAY)
    assert days.looks == 0


def test_the_admins_hear_what_is_new_and_what_is_gone(days: Days) -> None:
    (told,) = days.at(MONDAY, FULL, MUTE, ROOM)
    assert told["what"] == "doctor"
    assert told["red"] == 1
    assert told["new"] == [
        "[RED] disk: The disk is full. Make room.",
        "[YELLOW] text messages: No text can leave. Set a sender.",
    ]
    assert "gone" not in told
    assert days.at(MONDAY + DAY, FULL, MUTE, ROOM) == []
    (told,) = days.at(MONDAY + 2 * DAY, MUTE, ROOM)
    assert told["gone"] == ["[RED] disk: The disk is full."]
    assert "new" not in told
    assert days.at(MONDAY + 3 * DAY, MUTE) == []


def test_what_gets_worse_is_new(days: Days) -> None:
    days.at(MONDAY, MUTE)
    worse = Finding("red", MUTE.key, MUTE.what, MUTE.remedy, MUTE.subject)
    (told,) = days.at(MONDAY + DAY, worse)
    assert told["new"][0].startswith("[RED]")
    assert "gone" not in told


def test_what_stays_red_is_told_again_each_week_and_yellow_is_not(days: Days) -> None:
    days.at(MONDAY, FULL, MUTE)
    again = [day for day in range(1, 22) if days.at(MONDAY + day * DAY, FULL, MUTE)]
    assert again == [7, 14, 21]


def test_what_could_not_be_looked_at_has_not_gone_away(days: Days) -> None:
    days.at(MONDAY, MUTE)
    days.unseen = ["text messages"]
    assert days.at(MONDAY + DAY) == []
    days.unseen = []
    assert days.at(MONDAY + 2 * DAY, MUTE) == []
    (told,) = days.at(MONDAY + 3 * DAY)
    assert told["gone_many"] == 1


def test_a_look_that_died_is_begun_again(days: Days, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object, **__: object) -> Examination:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(nightly, "examine", dies)
        with pytest.raises(KeyboardInterrupt):
            nightly.look(house, MONDAY)
    assert days.at(MONDAY + MINUTE, FULL) == []
    (told,) = days.at(MONDAY + nightly.BEGUN, FULL)
    assert told["new_many"] == 1


def test_each_machine_has_a_note_of_its_own(days: Days, house: House) -> None:
    days.at(MONDAY, FULL)
    service = house.configuration.service.model_copy(update={"listen": "127.0.0.1:9999"})
    other = House(house.configuration.model_copy(update={"service": service}), house.database)
    assert nightly.note_name(other) != nightly.note_name(house)
    with house.database.read() as connection:
        note = notebook.read(connection, nightly.note_name(house))
        assert notebook.read(connection, nightly.note_name(other)) is None
    assert note is not None
    (entry,) = note.content["findings"].values()
    assert entry["what"] == "The disk is full."


def test_it_is_one_e_mail(days: Days, house: House, server: Server) -> None:
    days.at(MONDAY, FULL, MUTE)
    tick(house, MONDAY + MINUTE, {kind: HANDLERS[kind] for kind in APART["mail"]})
    (got,) = server.post.received
    text = got.get_content()
    assert got["Subject"] == "[Cloudfabric] Before tonight: 1 to put right"
    assert "New (2):\n\n- [RED] disk: The disk is full. Make room.\n- [YELLOW] text messages" in text.replace(
        "\r\n", "\n"
    )
    assert "No longer so" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_finding_cannot_add_a_line_to_the_e_mail(language: str) -> None:
    raised = {"what": "doctor", "about": "", "red": 1, "new_many": 1, "new": ["a\r\nBcc: thief@example.net"]}
    _, text = alarm_texts.written(raised, MONDAY, ROME, language, "Cloudfabric")
    assert "- a Bcc: thief@example.net" in text


def test_a_real_look_is_remembered(house: House) -> None:
    """Of a house with much amiss; nothing is reached, nothing hides."""
    settings = house.configuration.model_copy(
        update={
            "twilio": house.configuration.twilio.model_copy(update={"api_base": "http://127.0.0.1:1"}),
            "service": house.configuration.service.model_copy(update={"public_url": "https://127.0.0.1:1"}),
        }
    )
    house = House(settings, house.database)
    nightly.look(house, MONDAY - DAY)
    made = nightly.look(house, MONDAY)
    assert made is not None
    assert {"no-rota.duty", "unreachable", "not-reached"} <= {each.key for each in made.findings}
    assert not [each for each in made.findings if each.key.startswith("check-")]
    with house.database.read() as connection:
        note = notebook.read(connection, nightly.note_name(house))
    assert note is not None
    assert "public address: unreachable" in note.content["findings"]

"""The card with our numbers for a technician's phone, and the test call that must ring through."""

from __future__ import annotations

import json
import random
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from making import ACTOR, NIGHT, SECRETS, configuration, fresh_database, staff
from sqlalchemy import select, update
from telephones import Telephones

from console.commands import ivr
from console.house import House, open_house
from console.outbound import contact_card
from console.processes.doors import desks
from console.processes.worker import tick
from console.settings import Configuration, load
from console.work import HANDLERS
from ivr.outgoing_flow import OutgoingReceived
from ivr.tables import outgoing
from oncall import people
from oncall.notices.channels import Channels
from oncall.settings import NoticeSettings
from oncall.tables import technicians

OURS = ["+390461825060", "+390461402406", "+390465324963"]


def read(card: str) -> dict[str, list[str]]:
    """A card as a telephone reads it: unfolded, and each value as it was meant."""
    assert card.endswith("\r\n")
    lines = card.replace("\r\n ", "").split("\r\n")[:-1]
    found: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        assert colon, line
        meant = re.sub(r"\\(.)", lambda each: "\n" if each[1] == "n" else each[1], value)
        found.setdefault(name, []).append(meant)
    return found


def named(made: Configuration, name: str, sender: str = "called") -> Configuration:
    return made.model_copy(
        update={
            "service": made.service.model_copy(update={"name": name}),
            "notices": NoticeSettings(text_sender=sender),
        }
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    return configuration(tmp_path_factory.mktemp("card"))


def test_all_our_numbers_stand_on_it(made: Configuration) -> None:
    card = read(contact_card.vcard(named(made, "Cloudfabric", "+390461999001"), "it"))
    assert card["BEGIN"] == card["END"] == ["VCARD"]
    assert card["VERSION"] == ["3.0"]
    assert card["FN"] == ["Cloudfabric, emergenze"]
    assert card["TEL;TYPE=WORK,VOICE"] == [*OURS, "+390461999001"]
    # A name that is no number is none that could call.
    without = read(contact_card.vcard(named(made, "X", "CLOUDFABRIC"), "de"))
    assert without["TEL;TYPE=WORK,VOICE"] == OURS
    assert without["FN"] == ["X, Notfälle"]


def test_a_name_cannot_put_lines_of_its_own_on_it(made: Configuration) -> None:
    nasty = (
        "A;B,C\\D\r\nTEL:+39900\u2028NOTE:x\x00 ünd ein sehr langer Name, der gefaltet werden muß und mehr"
    )
    text = contact_card.vcard(named(made, nasty[:100]), "en")
    card = read(text)
    assert card["TEL;TYPE=WORK,VOICE"] == OURS
    assert "TEL" not in card
    assert len(card["NOTE"]) == 1
    assert card["ORG"][0].startswith("A;B,C\\D\nTEL:+39900\nNOTE:x ünd")


@given(st.text(min_size=1, max_size=100))
def test_whatever_the_company_is_called(made: Configuration, name: str) -> None:
    text = contact_card.vcard(named(made, name), "it")
    for line in text.split("\r\n"):
        assert len(line.encode()) <= 75
        assert not re.search(r"[\r\n\x00]", line)
    kept = "".join(
        c for c in re.sub(r"\r\n|[\r\n\u2028\u2029\x85\v\f]", "\n", name) if c == "\n" or c.isprintable()
    )
    assert read(text)["ORG"] == [kept]


def test_how_to_use_it_is_said_in_each_language() -> None:
    said = {contact_card.how_to_use(language, "anna") for language in ("it", "en", "de")}
    assert len(said) == 3
    for each in said:
        assert "iPhone" in each
        assert "Android" in each
        assert "ivr technician test anna" in each
    assert contact_card.how_to_use("fr", "anna") == contact_card.how_to_use("it", "anna")


# -- the commands ------------------------------------------------------------------------------------


class Commands:
    """The command `ivr` at NIGHT, in a folder of its own with people in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, at: datetime = NIGHT) -> Result:
        with time_machine.travel(at, tick=False):
            config = str(self.folder / "config.toml")
            return CliRunner(env=SECRETS).invoke(ivr, ["--config", config, "technician", *arguments])

    def done(self, *arguments: str, at: datetime = NIGHT) -> str:
        result = self(*arguments, at=at)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return result.stdout

    def refused(self, *arguments: str) -> str:
        result = self(*arguments)
        assert result.exit_code == 1, result.output
        return result.stderr


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    configuration(tmp_path)
    with fresh_database(tmp_path) as database, database.write() as connection:
        staff(connection)
    return Commands(tmp_path)


def test_the_card_is_printed_or_written(commands: Commands) -> None:
    printed = commands("card", "anna").stdout_bytes
    assert printed.startswith(b"BEGIN:VCARD\r\nVERSION:3.0\r\n")
    file = commands.folder / "card.vcf"
    said = commands.done("card", "anna", "--to", str(file))
    assert file.read_bytes() == printed
    assert "apra il contatto" in said
    with Opened(commands.folder) as house, house.database.write() as connection:
        connection.execute(update(technicians).where(technicians.c.key == "anna").values(language="de"))
    assert "öffnen Sie" in commands.done("card", "anna", "--to", str(file))
    assert "Notfälle" in file.read_text(encoding="utf-8")
    assert "no technician 'zoe'" in commands.refused("card", "zoe")
    assert "cannot be written" in commands.refused("card", "anna", "--to", str(file / "x"))


class Opened:
    """The house in `folder`, with telephones that write down what is asked of them."""

    def __init__(self, folder: Path) -> None:
        opened = open_house(load(folder / "config.toml", SECRETS))
        self.network = Telephones()
        self.house = House(opened.configuration, opened.database, outward=Channels(telephone=self.network))

    def __enter__(self) -> House:
        return self.house

    def __exit__(self, *_: object) -> None:
        self.house.close()


def test_a_test_call_and_what_came_of_it(commands: Commands) -> None:
    assert "+393331234501 is called" in commands.done("test", "anna")
    opened = Opened(commands.folder)
    with opened as house:
        assert json.loads(commands.done("tests", "--json"))["tests"][0]["result"] == "ringing"
        assert tick(house, NIGHT, {"call.place": HANDLERS["call.place"]}) == 1
        assert opened.network.phones == ["+393331234501"]
        # It rings now: not twice at a time.
        assert "ringing or talking" in commands.refused("test", "anna")
        with house.database.read() as connection:
            call = connection.execute(select(outgoing.c.id)).scalar_one()
        desk = desks(house, random.Random(1)).outgoing
        sid = opened.network.sids[-1]
        said = desk.answer(OutgoingReceived(sid, call, 0, None), NIGHT)
        assert "prova" in said.texts()[0]
        desk.answer(OutgoingReceived(sid, call, 1, "1"), NIGHT)
        desk.ended(call, sid, "completed", NIGHT)
        (test,) = json.loads(commands.done("tests", "--json"))["tests"]
        assert test == {
            "technician": "anna",
            "phone": "+393331234501",
            "at": "2026-03-10T22:00:00+01:00",
            "result": "heard",
            "status": "completed",
        }
        # A later one that nobody hears counts more than the one before.
        later = NIGHT + timedelta(minutes=5)
        commands.done("test", "anna", at=later)
        tick(house, later, {"call.place": HANDLERS["call.place"]})
        desk.answer(OutgoingReceived(opened.network.sids[-1], call + 1, 0, None), later)
        desk.ended(call + 1, opened.network.sids[-1], "completed", later)
        assert "perhaps a voicemail" in commands.done("tests")
        latest = later + timedelta(minutes=5)
        commands.done("test", "anna", at=latest)
        tick(house, latest, {"call.place": HANDLERS["call.place"]})
        desk.ended(call + 2, opened.network.sids[-1], "no-answer", latest)
        assert "not picked up" in commands.done("tests")


def test_whom_no_test_call_goes_to(commands: Commands) -> None:
    assert "no technician 'zoe'" in commands.refused("test", "zoe")
    assert "is no phone of anna" in commands.refused("test", "anna", "--phone", "+393331234502")
    with Opened(commands.folder) as house, house.database.write() as connection:
        people.retire(connection, ACTOR, NIGHT - timedelta(hours=1), "bruno")
    assert "no longer in service" in commands.refused("test", "bruno")
    path = commands.folder / "config.toml"
    path.write_text(re.sub(r'(?m)^account_sid = ".*"$', 'account_sid = ""', path.read_text()))
    assert "twilio.account_sid missing" in commands.refused("test", "anna")

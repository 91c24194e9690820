"""`ivr pin`: what it issues, what it shows, and that only a letter, or one line once, holds a PIN."""

from __future__ import annotations

import io
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from making import ACTOR, NIGHT, SECRETS, everything_written, rome, with_lines
from pypdf import PdfReader
from sqlalchemy import select
from test_commands import Ivr, command  # noqa: F401 (a fixture)
from time_machine import travel

from console.commands.hidden import REFUSAL
from console.house import pin_index
from console.settings import load
from pins import customers, outbox, registry
from pins.letter_folder import LetterFolder
from pins.tables import customers as customer_rows
from pins.tables import pins
from storage import audit
from storage.engine import Database, open_database
from storage.tables import due_work


@pytest.fixture
def ivr(command: Ivr) -> Ivr:  # noqa: F811
    """The command with three customers: ACME, BAITA (in German, letters also by e-mail) and MALGA."""
    database = database_of(command)
    with database.write() as connection:
        customers.add_customer(connection, ACTOR, NIGHT, "Acme S.r.l.", code="ACME")
        customers.add_customer(connection, ACTOR, NIGHT, "Baita", code="BAITA", language="de")
        customers.add_customer(connection, ACTOR, NIGHT, "Malga", code="MALGA")
        connection.execute(
            customer_rows.update()
            .where(customer_rows.c.code == "BAITA")
            .values(email="baita@example.net", letters_by_email=True)
        )
    database.close()
    return command


def database_of(command: Ivr) -> Database:  # noqa: F811
    return open_database("sqlite:///ivr.db", folder=command.folder)


def set_lines(command: Ivr, **lines: str) -> None:  # noqa: F811
    file = command.folder / "config.toml"
    file.write_text(with_lines(file.read_text(encoding="utf-8"), **lines), encoding="utf-8")


def pins_of(ivr: Ivr) -> dict[int, dict[str, Any]]:
    return {each["id"]: each for each in ivr.json("pin", "list")["pins"]}


def text_of(file: Path) -> list[str]:
    """The pages of a letter file, as text without spaces."""
    return ["".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(file.read_bytes())).pages]


def find(ivr: Ivr, pin: str) -> int | None:
    """The id of the PIN with these digits."""
    database = database_of(ivr)
    index = pin_index(load(ivr.folder / "config.toml", SECRETS))
    with database.read() as connection:
        found = registry.find_pin(connection, index.digests(pin))
    database.close()
    return found.pin_id if found else None


def pin_in(ivr: Ivr, page: str, pin_id: int) -> str:
    """The PIN with this id, found among the digits of a page of a letter."""
    for start in range(len(page) - 7):
        if (eight := page[start : start + 8]).isdigit() and find(ivr, eight) == pin_id:
            return eight
    raise AssertionError("the page has no such PIN")


# -- one, shown once -----------------------------------------------------------------------------


def test_a_rotated_pin_is_shown_once_and_the_old_one_is_in_its_overlap(ivr: Ivr) -> None:
    old = ivr.json("pin", "issue", "acme", "--label", "reception")
    new = ivr.json("pin", "rotate", str(old["id"]), "--reason", "somebody left")
    assert (new["id"], new["customer"], set(new)) == (2, "ACME", {"id", "customer", "pin"})
    assert new["pin"] != old["pin"]
    listed = pins_of(ivr)
    assert (listed[1]["status"], listed[1]["expires"], listed[1]["replaced_by"]) == (
        "overlap",
        "2026-03-17",
        2,
    )
    assert (listed[2]["status"], listed[2]["label"], listed[2]["reason"]) == (
        "active",
        "reception",
        "somebody left",
    )
    assert "replaced before by PIN 2" in ivr.refused("pin", "rotate", "1")
    ivr.done("pin", "rotate", "2", "--overlap", "0")
    assert {key: each["status"] for key, each in pins_of(ivr).items()} == {
        1: "overlap",
        2: "revoked",
        3: "active",
    }
    with travel(rome("2026-03-18 08:00"), tick=False):
        assert pins_of(ivr)[1]["status"] == "expired"


def test_nothing_is_issued_under_keys_that_are_not_those_of_the_service(
    ivr: Ivr,
) -> None:
    """Whoever runs the command with another salt would hand over a PIN that no call finds."""
    ivr.json("pin", "issue", "ACME")
    ivr.runner.env = {**SECRETS, "IVR_PINS_SALT": bytes(range(70, 86)).hex()}
    for arguments in (["pin", "issue", "ACME"], ["pin", "issue", "MALGA", "--letters", "letters"]):
        told = ivr.refused(*arguments)
        assert "pepper 1 or the salt is not the one PINs were issued under" in told
    assert list(pins_of(ivr)) == [1]


def test_a_pin_ends_by_its_age_unless_it_is_given_a_day(ivr: Ivr) -> None:
    set_lines(ivr, max_age_months="12")
    ivr.done("pin", "issue", "ACME")
    ivr.done("pin", "issue", "ACME", "--expires", "2026-04-01")
    ivr.done("pin", "rotate", "2")
    assert [each["expires"] for each in pins_of(ivr).values()] == ["2027-03-10", "2026-03-17", "2027-03-10"]


def test_the_record_says_who_and_why_and_nothing_of_the_digits(ivr: Ivr) -> None:
    issued = ivr.json("pin", "issue", "ACME", "--reason", "new site")
    ivr.done("pin", "revoke", "1", "--reason", "lost")
    shown = ivr.json("pin", "show", "1")
    assert (shown["issued_by"][:4], shown["reason"], shown["digits"]) == ("cli:", "new site", 8)
    assert (shown["status"], shown["revoke_reason"]) == ("revoked", "lost")
    assert "new site" in ivr.done("pin", "show", "1")
    assert "new site" in ivr.done("pin", "list")
    assert issued["pin"].encode() not in everything_written(ivr.folder)
    assert "no PIN with id 9" in ivr.refused("pin", "show", "9")


# -- lengths -------------------------------------------------------------------------------------


def many(ivr: Ivr, count: int) -> None:
    """Live PINs of eight digits that nobody knows."""
    database = database_of(ivr)
    with database.write() as connection:
        owner = customers.customer(connection, "ACME").id
        connection.execute(
            pins.insert(),
            [
                {"customer_id": owner, "digest": number.to_bytes(32, "big"), "key_version": 1, "length": 8}
                | {"params_version": 1, "issued_at": NIGHT, "issued_by": ACTOR}
                for number in range(count)
            ],
        )
    database.close()


def test_the_list_says_what_a_guesser_may_hope_for(ivr: Ivr) -> None:
    ivr.done("pin", "issue", "ACME", "--expires", "2026-03-06")
    ivr.done("pin", "issue", "ACME")
    ivr.done("pin", "issue", "ACME", "--digits", "10")
    assert ivr.json("pin", "list")["arithmetic"] == {
        "live": 2,
        "by_length": [
            {"digits": 8, "live": 1, "chance": 1e-6},
            {"digits": 10, "live": 1, "chance": 1e-8},
        ],
        "chance": 1e-6,
        "limit": 0.001,
        "next_digits": 10,
    }
    said = ivr.done("pin", "list", "BAITA")
    assert "Live PINs: 2 (1 of 8 digits, 1 of 10 digits)." in said
    assert "1e-06 (at most 0.001)" in said


def test_beyond_the_limit_a_length_is_refused_and_the_next_one_named(ivr: Ivr) -> None:
    many(ivr, 1000)
    assert "switch to 9 digits" in ivr.refused("pin", "issue", "ACME", "--digits", "8")
    assert len(ivr.json("pin", "issue", "ACME")["pin"]) == 9
    assert len(ivr.json("pin", "rotate", "1")["pin"]) == 9
    ivr.refused("pin", "issue", "ACME", "--digits", "7", code=2)


def test_lengthen_plans_and_changes_nothing(ivr: Ivr) -> None:
    assert "nothing to change" in ivr.done("pin", "lengthen")
    many(ivr, 501)
    before = pins_of(ivr)
    plan = ivr.json("pin", "lengthen")
    assert (plan["digits"], plan["rotated"]) == (9, 501)
    assert plan["commands"] == ["ivr pin rotate --all --shorter-than 9 --letters FOLDER"]
    assert plan["now"]["by_length"] == [{"digits": 8, "live": 501, "chance": 501e-6}]
    assert (plan["overlap"]["live"], plan["overlap"]["chance"]) == (1002, 501e-6)
    assert plan["after"]["by_length"] == [{"digits": 9, "live": 501, "chance": 501e-7}]
    assert ivr.json("pin", "lengthen", "--digits", "11")["after"]["chance"] == 501e-9
    said = ivr.done("pin", "lengthen")
    assert "To be rotated to 9 digits: 501." in said
    assert "ivr pin rotate --all --shorter-than 9 --letters FOLDER" in said
    assert pins_of(ivr) == before


# -- letters -------------------------------------------------------------------------------------


def test_a_letter_holds_the_pin_and_nothing_else_does(ivr: Ivr) -> None:
    file = ivr.folder / "acme.pdf"
    told = ivr.json("pin", "issue", "ACME", "--letter", str(file))
    assert told == {"id": 1, "customer": "ACME", "letter": str(file), "emails": 0}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (page,) = text_of(file)
    pin = pin_in(ivr, page, 1)
    assert "exists already" in ivr.refused("pin", "issue", "ACME", "--letter", str(file))
    new = ivr.folder / "new.pdf"
    said = ivr.done("pin", "rotate", "1", "--letter", str(new))
    assert said == f"PIN 2 of ACME: its letter is {new}.\n"
    (page,) = text_of(new)
    assert "17marzo2026" in page  # until when the old one works
    rotated = pin_in(ivr, page, 2)
    file.unlink()
    new.unlink()
    written = everything_written(ivr.folder)
    assert pin.encode() not in written
    assert rotated.encode() not in written
    assert [each.name for each in ivr.folder.iterdir() if each.name.startswith(".")] == []


def test_everybody_who_lacks_a_pin_gets_one_with_a_letter(ivr: Ivr) -> None:
    ivr.done("pin", "issue", "ACME")
    place = ivr.folder / "letters"
    told = ivr.json("pin", "issue", "--missing", "--letters", str(place), "--reason", "first letters")
    assert told["issued"] == [{"id": 2, "customer": "BAITA"}, {"id": 3, "customer": "MALGA"}]
    (file,) = map(Path, told["letters"])
    assert (file.parent, told["recovered"], told["emails"]) == (place, [], 0)
    baita, malga = text_of(file)
    assert "BAITA/2" in baita
    assert pin_in(ivr, baita, 2) != pin_in(ivr, malga, 3)
    assert pins_of(ivr)[2]["reason"] == "first letters"
    assert ivr.done("pin", "issue", "--missing", "--letters", str(place)) == "There was nothing left to do.\n"
    named = ivr.json("pin", "issue", "acme", "ACME", "malga", "--letters", str(place))
    assert [each["customer"] for each in named["issued"]] == ["ACME", "MALGA"]
    assert "letters-002-" in named["letters"][0]


def test_all_pins_are_rotated_with_letters(ivr: Ivr) -> None:
    first = [ivr.json("pin", "issue", code) for code in ("ACME", "BAITA")]
    place = ivr.folder / "letters"
    said = ivr.done("pin", "rotate", "--all", "--overlap", "10", "--letters", str(place))
    assert re.fullmatch(rf"{place}/letters-001-[a-p]{{16}}\.pdf: 2 letters\.\n", said)
    assert [each["status"] for each in pins_of(ivr).values()] == ["overlap", "overlap", "active", "active"]
    assert {each["expires"] for each in pins_of(ivr).values()} == {"2026-03-20", None}
    assert {find(ivr, each["pin"]) for each in first} == {1, 2}
    nothing = ivr.done("pin", "rotate", "--all", "--shorter-than", "8", "--letters", str(place))
    assert nothing == "There was nothing left to do.\n"


def test_an_interrupted_run_is_told_of(ivr: Ivr, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    place = ivr.folder / "letters"
    with monkeypatch.context() as patched:
        patched.setattr(LetterFolder, "name", die)
        for arguments in (
            ["issue", "ACME", "--letter", str(ivr.folder / "acme.pdf")],
            ["issue", "ACME", "BAITA", "--letters", str(place)],
        ):
            with pytest.raises(Killed):
                ivr("pin", *arguments)
    refused = ivr.refused("pin", "issue", "ACME", "--letter", str(ivr.folder / "acme.pdf"))
    assert re.search(r"an interrupted run had issued what is in .*/letters-001-[a-p]{16}\.pdf;", refused)
    told = ivr.json("pin", "issue", "ACME", "BAITA", "--letters", str(place))
    assert (told["issued"], told["letters"], len(told["recovered"])) == ([], [], 1)
    assert len(pins_of(ivr)) == 3
    assert {len(text_of(Path(file))) for file in told["recovered"]} == {2}


def test_a_letter_is_written_again_for_whoever_has_the_pin(ivr: Ivr) -> None:
    issued = ivr.json("pin", "issue", "ACME")
    other = ivr.json("pin", "issue", "BAITA")
    file = ivr.folder / "again.pdf"
    again = ["pin", "letter", "1", "--to", str(file)]
    for keyed in (other["pin"], "3820591", "", "x" * 8, "38205917\n1"):
        result = ivr(*again, typed=keyed)
        assert result.exit_code == 1
        assert keyed[:7] not in result.output or not keyed
    assert not file.exists()
    said = ivr.done(*again, typed=f" {issued['pin'][:4]} {issued['pin'][4:]}\n")
    assert said == f"{file}: the letter of PIN 1.\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert pin_in(ivr, text_of(file)[0], 1) == issued["pin"]
    assert ivr(*again, typed=issued["pin"]).exit_code == 1  # it exists
    file.unlink()
    ivr.done("pin", "revoke", "1")
    assert "is revoked" in ivr(*again, typed=issued["pin"]).stderr
    database = database_of(ivr)
    with database.read() as connection:
        acts = [act.act for act in audit.acts(connection, ["pin:1"])]
    database.close()
    assert acts == ["pin.revoke", "pin.letter", "pin.issue"]


def test_by_e_mail_only_to_customers_who_agreed(ivr: Ivr) -> None:
    place = ivr.folder / "letters"
    arguments = ["pin", "issue", "--missing", "--letters", str(place), "--email"]
    assert "mail.host" in ivr.refused(*arguments)
    assert pins_of(ivr) == {}
    set_lines(ivr, host='"mail.example.net"', sender='"ivr@example.net"')
    assert ivr.json(*arguments)["emails"] == 1
    database = database_of(ivr)
    with database.read() as connection:
        (waiting,) = outbox.waiting(connection)
        (payload,) = connection.execute(
            select(due_work.c.payload).where(due_work.c.kind == outbox.LETTER)
        ).scalars()
    database.close()
    assert (waiting.pin_id, payload["to"]) == (2, "baita@example.net")
    pin = pin_in(ivr, text_of(next(place.glob("*.pdf")))[1], 2)
    ivr.done("pin", "revoke", "2")
    database = database_of(ivr)
    with database.read() as connection:
        assert outbox.waiting(connection) == []  # what would open nothing is not sent
    database.close()
    for file in place.glob("*.pdf"):
        file.unlink()
    assert pin.encode() not in everything_written(ivr.folder)


@pytest.mark.parametrize(
    ("arguments", "why", "code"),
    [
        (["issue"], "CODE", 2),
        (["issue", "ACME", "--missing", "--letters", "x"], "not both", 2),
        (["issue", "--missing"], "--letters FOLDER only", 2),
        (["issue", "ACME", "BAITA"], "--letters FOLDER only", 2),
        (["issue", "ACME", "--letter", "x.pdf", "--letters", "x"], "not both", 2),
        (["issue", "ACME", "--email"], "--email goes with", 2),
        (["issue", "ACME", "NOBODY", "--letters", "x"], "NOBODY", 1),
        (["issue", "ACME", "--expires", "2026-03-09", "--letter", "x.pdf"], "is over", 1),
        (["issue", "ACME", "--letter", "no-such-folder/../file/x.pdf"], "", 1),
        (["rotate"], "--all", 2),
        (["rotate", "1", "--all", "--letters", "x"], "--all", 2),
        (["rotate", "--all"], "--letters FOLDER only", 2),
        (["rotate", "1", "--shorter-than", "9"], "--all", 2),
        (["rotate", "1", "--letters", "x"], "--letter", 2),
        (["rotate", "7"], "no PIN with id 7", 1),
        (["rotate", "7", "--letter", "x.pdf"], "no PIN with id 7", 1),
        (["letter", "1"], "--to", 2),
        (["revoke", "0"], "never a PIN", 2),
        (["revoke", "-1"], "", 2),
    ],
)
def test_what_is_refused_and_what_is_wrong_usage(
    ivr: Ivr, arguments: list[str], why: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ivr.folder)
    (ivr.folder / "file").touch()
    assert why in ivr.refused("pin", *arguments, code=code)
    assert pins_of(ivr) == {}


# -- never as an argument, never in an error -------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["revoke", "38205917"],
        ["revoke", "x38205917"],
        ["revoke", "3820591x"],
        ["revoke", "3820 5917"],
        ["revoke", "3820-5917"],
        ["revoke", "３８２０５９１７"],
        ["revoke", "--38205917"],
        ["revoke", "-38205917"],
        ["revoke", "1", "-x38205917"],
        ["revoke", "1", "--pin=38205917"],
        ["revoke", "1", "--pin38205917"],
        ["revoke", "1", "PIN:38205917"],
        ["revoke", "1", "--reason", "38205917"],
        ["rotate", "38205917"],
        ["rotate", "1", "--overlap", "38205917"],
        ["rotate", "1", "--overlap", "x38205917"],
        ["show", "38.20.59.17"],
        ["letter", "1", "--to", "38205917"],
        ["letter", "1", "38205917"],
        ["issue", "38205917"],
        ["issue", "PIN38205917"],
        ["issue", "ACME", "--expires", "38205917"],
        ["issue", "ACME", "--expires", "x38205917"],
        ["issue", "ACME", "--digits", "38205917"],
        ["list", "no:38205917"],
        ["38205917"],
        ["x38205917"],
        ["--38205917"],
        ["--x=38205917"],
    ],
)
def test_a_pin_among_the_arguments_is_refused_and_not_repeated(ivr: Ivr, arguments: list[str]) -> None:
    result = ivr("pin", *arguments)
    assert result.exit_code in (1, 2)
    assert result.stdout == ""
    for part in ("38205917", "3820591", "3820-5917", "3820 5917", "38.20", "３８"):
        assert part not in result.stderr
    assert result.stderr.strip()
    assert b"38205917" not in everything_written(ivr.folder)


@pytest.mark.parametrize(
    "option", [["--reason", "38205917"], ["--reason=3820 5917"], ["--reason", "3820-5917"]]
)
def test_a_pin_as_a_reason_is_not_kept(ivr: Ivr, option: list[str]) -> None:
    ivr.done("pin", "issue", "ACME")
    assert REFUSAL in ivr.refused("pin", "revoke", "1", *option)
    assert pins_of(ivr)[1]["status"] == "active"


def test_a_customer_whose_code_is_his_vat_number_can_be_named(ivr: Ivr) -> None:
    database = database_of(ivr)
    with database.write() as connection:
        customers.add_customer(connection, ACTOR, NIGHT, "VAT", code="IT01234567890")
    database.close()
    assert ivr.json("pin", "issue", "IT01234567890", "--expires", "2026-12-31")["customer"] == "IT01234567890"


def test_a_date_in_an_error_is_repeated(ivr: Ivr) -> None:
    assert "2026-13-45" in ivr.refused("pin", "issue", "ACME", "--expires", "2026-13-45", code=2)

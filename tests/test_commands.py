"""The command `ivr`: exit codes, the JSON that other programs read, and how instants are typed."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from click.testing import CliRunner, Result
from making import (
    EXAMPLE,
    NIGHT,
    ROOT,
    ROTA,
    SECRETS,
    a_case,
    a_sid,
    configuration,
    everything_written,
    fresh_database,
    rome,
)
from sqlalchemy import select

from console.commands import ivr, main
from console.house import open_house
from console.processes.doors import reception
from console.settings import load
from ivr.vocabulary import Received
from oncall.reaching import attempts
from storage.engine import open_database
from storage.tables import audit, due_work


class Ivr:
    """The command in a folder of its own: configured, migrated, empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runner = CliRunner(env=SECRETS)

    def __call__(self, *arguments: str, typed: str | None = None) -> Result:
        return self.runner.invoke(
            ivr, ["--config", str(self.folder / "config.toml"), *arguments], input=typed
        )

    def done(self, *arguments: str, typed: str | None = None) -> str:
        result = self(*arguments, typed=typed)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return result.stdout

    def json(self, *arguments: str, typed: str | None = None) -> Any:
        """Its one JSON document; nothing else may stand on standard output."""
        return json.loads(self.done(*arguments, "--json", typed=typed))

    def refused(self, *arguments: str, code: int = 1) -> str:
        result = self(*arguments)
        assert result.exit_code == code, result.output
        assert result.stdout == ""
        if code == 1:
            assert len(result.stderr.splitlines()) == 1
            assert result.stderr.startswith("ivr: ")
        return result.stderr


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Ivr]:
    configuration(tmp_path)
    (tmp_path / "rota.toml").write_text(ROTA, encoding="utf-8")
    with fresh_database(tmp_path), time_machine.travel(NIGHT, tick=False):
        yield Ivr(tmp_path)


@pytest.fixture
def staffed(command: Ivr) -> Ivr:
    command.done("rota", "apply", str(command.folder / "rota.toml"))
    return command


# -- customers and PINs ------------------------------------------------------------------------------


def test_customer_add(command: Ivr) -> None:
    assert command.json("customer", "add", "Acme S.r.l.", "--code", "acme") == {
        "id": 1,
        "code": "ACME",
        "name": "Acme S.r.l.",
    }
    second = command.json(
        *("customer", "add", "Malga Fosca", "--contract-until", "2020-12-31", "--coverage", "prepaid"),
        *("--minutes", "300", "--phone", "+393471112203", "--phone", "+390461000009", "--language", "de"),
        *("--spoken-name", "la malga"),
    )
    assert second == {"id": 2, "code": "MALGAFOSCA", "name": "Malga Fosca"}
    shown = command.json("customer", "show", "malgafosca")
    assert shown["contract_until"] == "2020-12-31"
    assert (shown["coverage"], shown["minutes"], shown["language"]) == ("prepaid", 300, "de")
    assert (shown["spoken_name"], shown["phones"]) == ("la malga", ["+390461000009", "+393471112203"])
    assert [each["code"] for each in command.json("customer", "list")["customers"]] == ["ACME", "MALGAFOSCA"]
    forever = command.json("customer", "add", "Ewig", "--contract-until", "none")
    assert command.json("customer", "show", forever["code"])["contract_until"] is None


def test_customer_change_and_end(command: Ivr) -> None:
    command.done(
        *("customer", "add", "Acme", "--code", "ACME", "--phone", "+393471112201", "--notes", "old"),
        *("--site", "Sede: Via Roma 1", "--site", "Deposito", "--contract-until", "2027-12-31"),
        *("--email", "acme@example.net", "--letters-by-email", "--address", "Via Roma 1"),
    )
    shown = command.json("customer", "show", "ACME")
    assert shown["sites"] == [{"name": "Deposito", "address": ""}, {"name": "Sede", "address": "Via Roma 1"}]
    assert (shown["email"], shown["letters_by_email"], shown["address"]) == (
        "acme@example.net",
        True,
        "Via Roma 1",
    )
    changed = command.json(
        *("customer", "change", "acme", "--name", "Acme S.r.l.", "--contract-until", "none", "--phone", ""),
        *("--site", "Sede: Via Trento 2", "--no-letters-by-email", "--email", "", "--minutes", "30"),
    )
    assert changed == {"id": 1, "code": "ACME", "name": "Acme S.r.l."}
    shown = command.json("customer", "show", "ACME")
    assert (shown["phones"], shown["email"], shown["contract_until"]) == ([], "", None)
    assert (shown["sites"], shown["notes"]) == ([{"name": "Sede", "address": "Via Trento 2"}], "old")
    command.done("customer", "change", "ACME")
    command.done("customer", "end", "ACME", "--reason", "left us")
    shown = command.json("customer", "show", "ACME")
    assert shown["contract_until"] == "2026-03-10"
    assert [act["act"] for act in shown["history"]] == ["customer.end", "customer.change", "customer.add"]
    assert shown["history"][1]["details"]["minutes"] == [None, 30]
    text = command.done("customer", "show", "ACME")
    assert "customer.end  contract_until: – → 2026-03-10, reason: left us" in text
    command.done("customer", "end", "ACME", "--on", "2026-12-31")
    assert command.json("customer", "show", "ACME")["contract_until"] == "2026-12-31"


def test_customer_import_and_export(command: Ivr) -> None:
    file = command.folder / "clienti.csv"
    text = "codice;nome;telefoni;note\r\nacme;Acme S.r.l.;0461 825060;'=1\r\nmalga;Malga Fosca;;\r\n"
    file.write_text(text, encoding="utf-8-sig", newline="")
    dry = command.done("customer", "import", str(file), "--dry-run")
    assert dry.splitlines() == [
        "add     ACME  Acme S.r.l.",
        "add     MALGA  Malga Fosca",
        "would be: 2 added, 0 changed, 0 unchanged",
    ]
    assert command.json("customer", "list") == {"customers": []}
    assert command.done("customer", "import", str(file)) == "2 added, 0 changed, 0 unchanged\n"
    assert command.json("customer", "show", "ACME")["phones"] == ["+390461825060"]

    exported = command.done("customer", "export")
    assert exported.startswith("code,name,")
    assert "ACME,Acme S.r.l.," in exported
    assert command.json("customer", "import", "-", typed=exported) == {
        "written": True,
        "added": [],
        "changed": [],
        "unchanged": 2,
        "errors": [],
    }
    assert command.done("customer", "export", "--spreadsheet").startswith("\ufeffcode;name;")
    file.write_text(exported.replace("Malga Fosca", "Malga Rossa"), encoding="utf-8", newline="")
    dry = command.done("customer", "import", str(file), "--dry-run")
    assert "change  MALGA  name: Malga Fosca → Malga Rossa" in dry
    one = json.loads(command.done("customer", "export", "acme"))
    assert (one["customer"]["code"], one["pins"], one["calls"]) == ("ACME", [], [])
    assert "NOBODY" in command.refused("customer", "export", "NOBODY")


def test_customer_import_refuses_every_mistake_with_its_row(command: Ivr) -> None:
    file = command.folder / "clienti.csv"
    file.write_text("code,name,minutes\nA,Good,1\nB,Bad,x\n", encoding="utf-8")
    said = command.refused("customer", "import", str(file))
    assert "clienti.csv: nothing was written: row 3, minutes: 'x': expected whole minutes" in said
    file.write_text("code,name,minutes\nA,=Bad,1\nB,Bad,x\n", encoding="utf-8")
    result = command("customer", "import", str(file))
    assert result.exit_code == 1
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == ["row 2, name", "row 3, minutes"]
    assert len(result.stderr.splitlines()) == 1
    assert "2 mistakes, the first in row 2, name" in result.stderr
    result = command("customer", "import", str(file), "--dry-run", "--json")
    assert result.exit_code == 1
    errors = json.loads(result.stdout)["errors"]
    assert [(error["row"], error["column"]) for error in errors] == [(2, "name"), (3, "minutes")]
    assert command.json("customer", "list") == {"customers": []}
    assert "no-such-file" in command.refused("customer", "import", "no-such-file.csv", code=2)


def test_customer_erase(command: Ivr) -> None:
    command.done("customer", "add", "Zanzibar Pellicce", "--code", "ZNZ", "--phone", "+393479990001")
    command.done("customer", "add", "Acme", "--code", "ACME")
    command.done("pin", "issue", "ZNZ", "--label", "portineria")
    assert "--yes" in command.refused("customer", "erase", "znz")
    assert command.json("customer", "show", "ZNZ")["pins"]
    assert "NOBODY" in command.refused("customer", "erase", "NOBODY", "--yes")
    assert command.json("customer", "erase", "znz", "--yes") == {
        "id": 1,
        "pins": 1,
        "cases": 0,
        "calls": 0,
        "files": 0,
        "log_truncated": True,
    }
    written = everything_written(command.folder)
    for gone in (b"Zanzibar", b"ZNZ", b"3479990001", b"portineria"):
        assert gone not in written
    assert [each["code"] for each in command.json("customer", "list")["customers"]] == ["ACME"]
    assert "ZNZ" in command.refused("customer", "erase", "ZNZ", "--yes")


@pytest.mark.parametrize(
    ("arguments", "why", "code"),
    [
        (["customer", "add", "Other", "--code", "ACME"], "ACME", 1),
        (["customer", "add", "Other", "--phone", "0461"], "telephone number", 1),
        (["customer", "add", ""], "name", 1),
        (["customer", "show", "NOBODY"], "NOBODY", 1),
        (["customer", "change", "NOBODY", "--notes", "x"], "NOBODY", 1),
        (["customer", "change", "ACME", "--email", "nowhere"], "e-mail", 1),
        (["customer", "change", "ACME", "--site", ": Via Roma"], "site", 1),
        (["customer", "change", "ACME", "--letters-by-email"], "e-mail", 1),
        (["customer", "end", "NOBODY"], "NOBODY", 1),
        (["customer", "end", "ACME", "--on", "tomorrow"], "tomorrow", 2),
        (["customer", "add"], "Missing argument", 2),
        (["customer", "add", "Other", "--coverage", "gold"], "gold", 2),
        (["customer", "add", "Other", "--contract-until", "31.12.2026"], "31.12.2026", 2),
        (["customer", "add", "Other", "--minutes", "-1"], "-1", 2),
        (["customer", "add", "Other", "--language", "fr"], "fr", 2),
        (["pin", "issue", "NOBODY"], "NOBODY", 1),
        (["pin", "revoke", "99"], "99", 1),
        (["pin", "revoke", "x"], "'x'", 2),
        (["pin", "list", "NOBODY"], "NOBODY", 1),
        (["call", "show", "CA1"], "CA1", 1),
        (["call", "list", "--limit", "0"], "0", 2),
        (["case", "show", "4712"], "4712", 1),
        (["case", "take", "4712", "--technician", "zoe"], "4712", 1),
        (["case", "close", "2026-00001"], "2026-00001", 1),
        (["technician", "retire", "zoe"], "zoe", 1),
        (["technician", "change", "zoe", "--name", "Z"], "zoe", 1),
        (["technician", "add", "zoe", "--name", "Z", "--phone", "+39899123456"], "+39899123456", 1),
        (["technician", "add", "Zoe", "--name", "Z", "--phone", "+393331234509"], "key", 1),
        (["rota", "show"], "duty", 1),
        (["rota", "apply", "no-such-file"], "no-such-file", 2),
        (["explain", "--at", "yesterday"], "yesterday", 1),
        (["explain", "--at", "2026-03-10T22:00", "--number", "+390461000001"], "+390461000001", 1),
        (["explain"], "--at", 2),
        (["nonsense"], "nonsense", 2),
        (["serve", "--only", "everything"], "everything", 2),
    ],
)
def test_what_is_refused_and_what_is_wrong_usage(
    command: Ivr, arguments: list[str], why: str, code: int
) -> None:
    command.done("customer", "add", "Acme", "--code", "ACME")
    assert why in command.refused(*arguments, code=code)


def test_pins(command: Ivr) -> None:
    command.done("customer", "add", "Acme", "--code", "ACME")
    issued = command.json("pin", "issue", "acme", "--label", "reception", "--expires", "2026-12-31")
    assert set(issued) == {"id", "customer", "pin"}
    assert (issued["id"], issued["customer"]) == (1, "ACME")
    assert re.fullmatch("[0-9]{8}", issued["pin"])
    command.done("pin", "issue", "ACME", "--expires", "2026-03-06")
    command.done("pin", "revoke", "1", "--reason", "lost")
    fields = ("id", "customer", "label", "status", "expires", "last_used")
    assert [tuple(each[field] for field in fields) for each in command.json("pin", "list")["pins"]] == [
        (1, "ACME", "reception", "revoked", "2026-12-31", None),
        (2, "ACME", "", "expired", "2026-03-06", None),
    ]
    assert "revoked before" in command.refused("pin", "revoke", "1")
    assert command.json("pin", "list", "ACME") == command.json("pin", "list")
    assert issued["pin"].encode() not in everything_written(command.folder)


def test_a_pin_whose_last_day_is_over_works_until_the_office_opens(command: Ivr) -> None:
    command.done("customer", "add", "Acme", "--code", "ACME")
    command.done("pin", "issue", "ACME", "--expires", "2026-03-10")
    for instant, status in (("2026-03-11 07:59", "active"), ("2026-03-11 08:00", "expired")):
        with time_machine.travel(rome(instant), tick=False):
            assert command.json("pin", "list")["pins"][0]["status"] == status


def in_a_process(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "console.commands", "--config", str(folder / "config.toml"), *arguments],
        cwd=ROOT,
        env={**os.environ, **SECRETS},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["pin", "revoke", "38205917"],
        ["pin", "issue", "ACME", "38205917"],
        ["pin", "issue", "ACME", "--label", "382059171"],
        ["pin", "issue", "ACME", "--label=38205917"],
        ["38205917"],
    ],
)
def test_a_pin_in_the_arguments_is_refused_and_not_repeated(
    tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ivr", "--config", str(tmp_path / "config.toml"), *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.err == "ivr: an argument looks like a PIN: a PIN is never given as an argument\n"
    assert said.out == ""
    assert [file.name for file in tmp_path.iterdir()] == ["config.toml"]


def test_an_ordinary_argument_is_not_taken_for_a_pin(command: Ivr) -> None:
    command.done("customer", "add", "Acme", "--code", "ACME", "--phone", "+393471112201")
    done = in_a_process("customer", "show", "ACME", "--json", folder=command.folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["code"] == "ACME"
    done = in_a_process(
        "explain", "--at", "2026-03-10T22:00", "--number", "+390461825060", "--json", folder=command.folder
    )
    assert json.loads(done.stdout)["pin"] is True


# -- technicians and the rota ------------------------------------------------------------------------


def test_technicians(command: Ivr) -> None:
    command.done("technician", "add", "elena", "--name", "Elena Blu", "--phone", "+393331234505")
    assert "already" in command.refused(
        "technician", "add", "elena", "--name", "E", "--phone", "+393331234505"
    )
    command.done("technician", "change", "elena", "--email", "elena@example.net")
    expected = {
        "key": "elena",
        "name": "Elena Blu",
        "spoken_name": "Elena Blu",
        "phone": "+393331234505",
        "other_phones": [],
        "email": "elena@example.net",
        "language": None,
        "rings": None,
        "services": [],
        "from": None,
        "retired": None,
    }
    assert command.json("technician", "list") == {"technicians": [expected]}
    command.done("technician", "retire", "elena")
    (retired,) = command.json("technician", "list")["technicians"]
    assert datetime.fromisoformat(retired["retired"]) == NIGHT


def test_the_rota(staffed: Ivr) -> None:
    assert staffed.json("rota", "who", "--at", "2026-03-10T22:00") == {
        "at": "2026-03-10T22:00:00+01:00",
        "rota": "duty",
        "ladder": [
            {"rung": 1, "technician": "bruno", "phone": "+393331234502", "because": "turn"},
            {"rung": 2, "technician": "dario", "phone": "+393331234504", "because": "turn"},
        ],
    }
    assert staffed.json("rota", "who") == staffed.json("rota", "who", "--at", "2026-03-10T22:00+01:00")
    shown = staffed.json("rota", "show", "--rules")
    assert (shown["rota"], shown["time_zone"]) == ("duty", "Europe/Rome")
    assert [rung["people"] for rung in shown["rung"]] == [["anna", "bruno"], ["dario"]]
    staffed.done(
        *("rota", "override", "--rota", "duty", "--rung", "1", "--technician", "anna"),
        *("--from", "2026-03-11T00:00", "--to", "2026-03-11T08:00"),
    )
    for at, person, because in (
        ("2026-03-10T23:59", "bruno", "turn"),
        ("2026-03-11T00:00", "anna", "override"),
        ("2026-03-11T07:59:59", "anna", "override"),
        ("2026-03-11T08:00", "bruno", "turn"),
    ):
        first = staffed.json("rota", "who", "--at", at)["ladder"][0]
        assert (first["technician"], first["because"]) == (person, because)


def test_a_rota_before_it_exists_has_an_empty_ladder(command: Ivr) -> None:
    assert command.json("rota", "who", "--at", "2026-03-10T22:00") == {
        "at": "2026-03-10T22:00:00+01:00",
        "rota": "duty",
        "ladder": [],
    }


def test_a_bad_rota_file_is_refused_with_every_mistake_and_changes_nothing(staffed: Ivr) -> None:
    bad = staffed.folder / "bad.toml"
    bad.write_text(ROTA.replace("18:30", "25:00").replace("1 week", "soon"), encoding="utf-8")
    said = staffed.refused("rota", "apply", str(bad))
    assert "rota.0.rung.0.handover" in said
    assert "rota.0.rung.0.every" in said
    bad.write_text(ROTA.replace("+393331234502", "+39899123456"), encoding="utf-8")
    assert "'+39899123456' is neither" in staffed.refused("rota", "apply", str(bad))
    bad.write_bytes(b"\xff")
    assert "UTF-8" in staffed.refused("rota", "apply", str(bad))
    assert staffed.json("technician", "list")["technicians"][1]["phone"] == "+393331234502"


def test_the_past_of_a_rota_stays(staffed: Ivr) -> None:
    other = staffed.folder / "other.toml"
    other.write_text('[[rota]]\nkey = "duty"\n[[rota.rung]]\npeople = ["dario"]\n', encoding="utf-8")
    assert "past" in staffed.refused("rota", "apply", str(other), "--from", "2026-03-10T21:59")
    staffed.done("rota", "apply", str(other), "--from", "2026-03-12T00:00")
    ladders = [
        [each["technician"] for each in staffed.json("rota", "who", "--at", at)["ladder"]]
        for at in ("2026-01-06T00:00", "2026-03-11T23:59:59", "2026-03-12T00:00")
    ]
    assert ladders == [["anna", "dario"], ["bruno", "dario"], ["dario"]]


# -- instants ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("2026-03-10T22:00", "2026-03-10T22:00:00+01:00"),
        ("2026-03-10 22:00:30", "2026-03-10T22:00:30+01:00"),
        ("2026-03-10T21:00Z", "2026-03-10T22:00:00+01:00"),
        ("2026-03-10T16:00-05:00", "2026-03-10T22:00:00+01:00"),
        ("2026-10-25T02:30+02:00", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:30+01:00", "2026-10-25T02:30:00+01:00"),
        ("2026-03-29T03:00", "2026-03-29T03:00:00+02:00"),
        ("2026-03-10", "2026-03-10T00:00:00+01:00"),
    ],
)
def test_an_instant_is_typed_with_its_offset_or_in_local_time(
    command: Ivr, typed: str, understood: str
) -> None:
    assert command.json("explain", "--at", typed)["at"] == understood


@pytest.mark.parametrize(
    "arguments", [["explain", "--at"], ["rota", "who", "--at"], ["rota", "show", "--at"]]
)
@pytest.mark.parametrize(
    ("typed", "why", "candidates"),
    [
        ("2026-10-25T02:30", "twice", ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]),
        ("2026-03-29T02:30", "does not exist", ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"]),
    ],
)
def test_a_local_time_of_two_or_no_instants_is_refused_with_both_candidates(
    staffed: Ivr, arguments: list[str], typed: str, why: str, candidates: list[str]
) -> None:
    said = staffed.refused(*arguments, typed)
    assert why in said
    assert all(candidate in said for candidate in candidates)
    for candidate in candidates:
        staffed.done(*arguments, candidate)


@pytest.mark.parametrize(
    "typed", ["", "now", "22:00", "2026-13-01T00:00", "1700000000", "0001-01-01T00:00Z", "9999-12-31T23:59"]
)
def test_what_is_no_instant(command: Ivr, typed: str) -> None:
    command.refused("explain", "--at", typed)


# -- explain -----------------------------------------------------------------------------------------


def test_explain(staffed: Ivr) -> None:
    assert staffed.json("explain", "--at", "2026-03-10T22:00") == {
        "at": "2026-03-10T22:00:00+01:00",
        "number": "+390461825060",
        "pin": True,
        "reason": "night",
        "name": None,
        "until": "2026-03-11T08:00:00+01:00",
        "ladder": [
            {"rung": 1, "technician": "bruno", "phone": "+393331234502"},
            {"rung": 2, "technician": "dario", "phone": "+393331234504"},
        ],
    }
    christmas = staffed.json("explain", "--at", "2025-12-25T03:00", "--number", "+390465324963")
    assert (christmas["number"], christmas["reason"], christmas["name"]) == (
        "+390465324963",
        "holiday",
        "Natale",
    )
    assert christmas["ladder"] == []  # before the rota starts
    assert christmas["until"] == "2025-12-29T08:00:00+01:00"


def test_explain_reads_instants_from_standard_input(staffed: Ivr) -> None:
    typed = "2026-03-10T10:00\n\n2026-03-29T03:30\n2026-10-25T02:30+02:00\n2026-10-25T02:30+01:00"
    answers = [json.loads(each) for each in staffed.done("explain", "--at", "-", typed=typed).splitlines()]
    assert [each["at"] for each in answers] == [
        "2026-03-10T10:00:00+01:00",
        "2026-03-29T03:30:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
    ]
    assert [each["pin"] for each in answers] == [False, True, True, True]
    assert answers[0] == staffed.json("explain", "--at", "2026-03-10T10:00")
    assert staffed.done("explain", "--at", "-", typed="") == ""


def test_explain_answers_what_came_before_a_bad_line(command: Ivr) -> None:
    result = command("explain", "--at", "-", typed="2026-03-10T10:00\nnonsense\n2026-03-10T11:00\n")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1
    assert "nonsense" in result.stderr


def test_explain_is_quick(staffed: Ivr) -> None:
    """Every instant is computed from rules that are read once: thousands of them cost one look-up each."""
    first = rome("2026-01-01 00:00")
    typed = "\n".join((first + timedelta(minutes=37 * n)).isoformat() for n in range(5000))
    assert len(staffed.done("explain", "--at", "-", typed=typed).splitlines()) == 5000


# -- calls and cases ---------------------------------------------------------------------------------


def test_cases(staffed: Ivr) -> None:
    database = open_database("sqlite:///ivr.db", folder=staffed.folder)
    with database.write() as connection:
        opened = a_case(connection)
        attempt = attempts.begin_attempt(
            connection, NIGHT, opened.id, opened.sid, "bruno", "+393331234502", 1
        )
        attempts.settle(connection, NIGHT + timedelta(seconds=30), attempt, "busy", bridged=False)
        attempts.begin_attempt(
            connection, NIGHT + timedelta(seconds=31), opened.id, opened.sid, "dario", "+393331234504", 2
        )
    expected = {
        "number": opened.number,
        "code": opened.code,
        "customer": "ACME",
        "verified": True,
        "urgency": "P1+",
        "opened": "2026-03-10T22:00:00+01:00",
        "due": "2026-03-10T23:00:00+01:00",
        "taken_by": None,
        "taken_at": None,
        "connected_at": None,
        "closed_at": None,
        "final_urgency": None,
        "attempts": [
            {"at": "2026-03-10T22:00:00+01:00", "technician": "bruno", "result": "busy"},
            {"at": "2026-03-10T22:00:31+01:00", "technician": "dario", "result": None},
        ],
    }
    shown = staffed.json("case", "show", opened.code)
    assert {key: shown[key] for key in expected} == expected
    assert staffed.json("case", "show", opened.number) == shown
    (listed,) = staffed.json("case", "list")["cases"]
    assert listed == {key: shown[key] for key in shown if key not in ("calls", "log")}
    staffed.done("case", "take", opened.code, "--technician", "dario")
    taken = staffed.json("case", "show", opened.number)
    assert (taken["taken_by"], taken["taken_at"]) == ("dario", "2026-03-10T22:00:00+01:00")
    with database.read() as connection:
        about_it = select(due_work).where(due_work.c.key == opened.number)
        assert {row.state for row in connection.execute(about_it)} == {"cancelled"}
    database.close()
    staffed.done("case", "close", opened.number, "--outcome", "a cable", "--minutes", "30")
    closed = staffed.json("case", "show", opened.number)
    assert (closed["closed_at"], closed["final_urgency"]) == ("2026-03-10T22:00:00+01:00", "P1+")
    assert "is closed" in staffed.refused("case", "close", opened.code)
    assert "is closed" in staffed.refused("case", "take", opened.code, "--technician", "anna")


def serve_a_call(folder: Path, *keyed: str | None) -> None:
    """A call, its turns keyed one after the other, served by the desk as the webhooks would."""
    with time_machine.travel(NIGHT, tick=False):
        house = open_house(load(folder / "config.toml", SECRETS))
        desks = reception(house)
        for turn, digits in enumerate(keyed):
            desks.answer(Received(a_sid(1), "+393471112201", "+390461825060", turn, digits=digits), NIGHT)
        house.close()


def test_calls(staffed: Ivr) -> None:
    staffed.done("customer", "add", "Acme", "--code", "ACME")
    pin = staffed.json("pin", "issue", "ACME")["pin"]
    serve_a_call(staffed.folder, None, "12 34", "38205917", pin, "1")
    shown = staffed.json("call", "show", a_sid(1))
    assert {key: shown[key] for key in list(shown) if key not in ("turns", "messages", "case")} == {
        "sid": a_sid(1),
        "from": "+393471112201",
        "to": "+390461825060",
        "number": "Trento",
        "started": "2026-03-10T22:00:00+01:00",
        "ended": None,
        "outcome": "accepted",
        "customer": "ACME",
        "urgency": "P1+",
    }
    assert shown["case"] == "2026-00001"
    assert all(set(turn) == {"at", "step", "heard", "said"} for turn in shown["turns"])
    assert [(turn["step"], turn["heard"]) for turn in shown["turns"]] == [
        ("arrival", "a call in a PIN window"),
        ("pin", "an incomplete PIN"),
        ("pin", "a wrong PIN (unknown)"),
        ("pin", "the PIN of ACME"),
        ("urgency", "P1+"),
    ]
    assert shown["turns"][4]["said"][-1] == "Lo chiamiamo."
    (listed,) = staffed.json("call", "list")["calls"]
    assert listed.items() <= {**shown, **listed}.items()
    everything = json.dumps(shown) + staffed.done("call", "show", a_sid(1)) + staffed.done("call", "list")
    for secret in (pin, "38205917"):
        assert secret not in everything
        assert secret.encode() not in everything_written(staffed.folder)
    assert staffed.json("pin", "list")["pins"][0]["last_used"] is not None


# -- without a configuration or a database -----------------------------------------------------------


def test_without_a_configuration_every_command_says_so(tmp_path: Path) -> None:
    command = Ivr(tmp_path)
    for arguments in (["customer", "list"], ["rota", "who"], ["serve"], ["migrate"], ["case", "list"]):
        assert "does not exist" in command.refused(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_without_a_database_a_command_refuses_and_makes_none(tmp_path: Path) -> None:
    configuration(tmp_path)
    command = Ivr(tmp_path)
    assert "ivr migrate" in command.refused("customer", "list")
    assert [file.name for file in tmp_path.iterdir()] == ["config.toml"]


def test_migrate_makes_a_database_that_only_its_owner_reads(tmp_path: Path) -> None:
    configuration(tmp_path)
    command = Ivr(tmp_path)
    command.refused("customer", "list")
    assert "stands at" in command.done("migrate")
    assert stat.S_IMODE((tmp_path / "ivr.db").stat().st_mode) == 0o600
    assert command.json("customer", "list") == {"customers": []}


def test_every_mistake_of_the_configuration_stands_in_the_one_line(tmp_path: Path) -> None:
    text = (
        EXAMPLE.read_text(encoding="utf-8")
        .replace("rings = 25", "rings = 1")
        .replace("passes = 2\n", "passes = 9\n")
    )
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    said = Ivr(tmp_path).refused("customer", "list")
    assert "ringing.rings" in said
    assert "ringing.passes" in said


def test_an_instant_is_read_once_for_a_command(staffed: Ivr) -> None:
    """At the door; everything below is given it."""
    staffed.done("customer", "add", "Acme", "--code", "ACME")
    database = open_database("sqlite:///ivr.db", folder=staffed.folder)
    with database.read() as connection:
        assert {row.at for row in connection.execute(select(audit.c.at))} == {NIGHT}
    database.close()

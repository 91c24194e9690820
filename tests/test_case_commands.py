"""`ivr case`: each command is its verb, and what it prints is what other programs read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from making import NIGHT, ROTA, Opened, a_call, a_case, a_sid, configuration, fresh_database
from sqlalchemy import Connection
from test_commands import Ivr

from oncall.cases import cases
from pins import customers
from storage.engine import open_database


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Ivr]:
    configuration(tmp_path)
    (tmp_path / "rota.toml").write_text(ROTA, encoding="utf-8")
    with fresh_database(tmp_path), time_machine.travel(NIGHT, tick=False):
        command = Ivr(tmp_path)
        command.done("rota", "apply", str(tmp_path / "rota.toml"))
        yield command


def written(command: Ivr, *sids: str) -> list[Opened]:
    """ACME's open cases, one for each call."""
    database = open_database("sqlite:///ivr.db", folder=command.folder)
    with database.write() as connection:
        found = [a_case(connection, NIGHT + timedelta(minutes=n), sid=sid) for n, sid in enumerate(sids)]
    database.close()
    return found


def screened(connection: Connection) -> str:
    number = cases.next_number(connection, NIGHT.year)
    cases.open_case(
        connection,
        NIGHT,
        number=number,
        code="0042",
        call_sid=a_call(connection, a_sid(9)),
        customer_id=None,
        rota="duty",
        urgency=None,
        due_at=None,
        pursue_at=None,
        billable=False,
    )
    customers.add_customer(connection, "test", NIGHT, "Malga", code="MALGA")
    return number


def test_the_life_of_a_case(command: Ivr) -> None:
    (opened,) = written(command, a_sid(1))
    said = [
        command.done("case", "take", opened.code, "--technician", "anna"),
        command.done("case", "note", opened.code, "the switch in room 2"),
        command.done("case", "reclassify", opened.code, "P2", "--reason", "one floor only"),
        command.done("case", "pass", opened.code, "--reason", "my shift ends"),
        command.done("case", "take", opened.number, "--technician", "bruno"),
        command.done("case", "close", opened.number, "--outcome", "a new switch", "--minutes", "45"),
        command.done("case", "reopen", opened.code, "--reason", "still down"),
        command.done("case", "close", opened.code, "--outcome", "another one"),
    ]
    assert [line.split()[2:] for line in said if line.startswith("case")] == [
        ["is", "taken", "by", "anna"],
        ["is", "P2"],
        ["is", "passed", "on"],
        ["is", "taken", "by", "bruno"],
        ["is", "closed"],
        ["is", "open", "again"],
        ["is", "closed"],
    ]
    shown = command.json("case", "show", opened.number)
    assert [(entry["act"], entry["text"]) for entry in shown["log"]] == [
        ("taken", ""),
        ("note", "the switch in room 2"),
        ("reclassified", "one floor only"),
        ("passed", "my shift ends"),
        ("taken", ""),
        ("closed", "a new switch"),
        ("reopened", "still down"),
        ("closed", "another one"),
    ]
    assert all(set(entry) == {"at", "actor", "act", "text"} for entry in shown["log"])
    assert (shown["urgency"], shown["final_urgency"], shown["due"]) == (
        "P1+",
        "P2",
        "2026-03-11T02:00:00+01:00",
    )
    assert (shown["outcome"], shown["minutes"], shown["billable"]) == ("another one", None, False)
    assert (shown["taken_by"], shown["taken_via"], shown["rota"]) == ("bruno", "hand", "duty")
    assert shown["calls"] == [
        {"at": "2026-03-10T22:00:00+01:00", "sid": a_sid(1), "from": "", "outcome": None}
    ]
    text = command.done("case", "show", opened.code)
    assert "the switch in room 2" in text
    assert "call from a withheld number" in text


def test_lists(command: Ivr) -> None:
    one, two = written(command, a_sid(1), a_sid(2))
    command.done("customer", "add", "Malga", "--code", "MALGA")
    command.done("case", "close", one.number)
    numbers = {
        options: [each["number"] for each in command.json("case", "list", *options)["cases"]]
        for options in [(), ("--all",), ("--open",), ("--customer", "acme"), ("--customer", "MALGA")]
    }
    assert numbers == {
        (): [two.number, one.number],
        ("--all",): [two.number, one.number],
        ("--open",): [two.number],
        ("--customer", "acme"): [two.number, one.number],
        ("--customer", "MALGA"): [],
    }
    listed = command.done("case", "list").splitlines()
    assert [line.split()[-1] for line in listed[1:]] == ["open", "closed"]
    assert "NOBODY" in command.refused("case", "list", "--customer", "NOBODY")


def test_merge_and_name(command: Ivr) -> None:
    one, two = written(command, a_sid(1), a_sid(2))
    assert command.done("case", "merge", one.number, two.number) == f"case {one.number} goes on\n"
    merged = command.json("case", "show", two.number)
    assert (merged["merged_into"], merged["closed_at"]) == (one.number, "2026-03-10T22:00:00+01:00")
    assert f"merged into {one.number}" in command.done("case", "list")
    assert [call["sid"] for call in command.json("case", "show", one.number)["calls"]] == [a_sid(1), a_sid(2)]
    database = open_database("sqlite:///ivr.db", folder=command.folder)
    with database.write() as connection:
        number = screened(connection)
    database.close()
    assert "different" not in command.done("case", "name", number, "malga")
    named = command.json("case", "show", number)
    assert (named["customer"], named["verified"], named["due"]) == ("MALGA", False, None)
    assert "different customers" in command.refused("case", "merge", one.number, number)


@pytest.mark.parametrize(
    ("arguments", "why", "code"),
    [
        (["take", "CASE", "--technician", "zoe"], "zoe", 1),
        (["take", "9999", "--technician", "anna"], "9999", 1),
        (["take", "CASE"], "--technician", 2),
        (["pass", "CASE"], "nobody has", 1),
        (["reclassify", "CASE", "P9", "--reason", "x"], "P9", 1),
        (["reclassify", "CASE", "P1+", "--reason", "x"], "already", 1),
        (["reclassify", "CASE", "P2"], "--reason", 2),
        (["note", "CASE", " "], "note", 1),
        (["merge", "CASE", "CASE"], "itself", 1),
        (["merge", "CASE", "9999"], "9999", 1),
        (["name", "CASE", "ACME"], "already", 1),
        (["reopen", "CASE"], "is open", 1),
        (["close", "CASE", "--minutes", "100001"], "minutes", 1),
        (["close", "CASE", "--minutes", "-1"], "-1", 2),
    ],
)
def test_what_is_refused(command: Ivr, arguments: list[str], why: str, code: int) -> None:
    (opened,) = written(command, a_sid(1))
    given = [opened.number if each == "CASE" else each for each in arguments]
    assert why in command.refused("case", *given, code=code)
    assert command.json("case", "show", opened.number)["log"] == []


def test_whose_technician_is_retired(command: Ivr) -> None:
    (opened,) = written(command, a_sid(1))
    command.done("technician", "add", "elena", "--name", "Elena Blu", "--phone", "+393331234505")
    command.done("technician", "retire", "elena")
    assert "elena" in command.refused("case", "take", opened.code, "--technician", "elena")

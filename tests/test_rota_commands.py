"""`ivr rota` and `ivr technician`: planning a month, and what is printed of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from click.testing import CliRunner, Result
from making import NIGHT, ROME, ROTA, SECRETS, configuration, fresh_database, rome
from rich.cells import cell_len
from rich.console import Console
from sqlalchemy import select

from console import rota_month
from console.commands import ivr
from console.house import open_house
from console.settings import load
from oncall.rota.rota import Book, Override, Pattern, Rotation, Rules, Rung, Version
from storage.tables import audit, due_work

TEAM = ROTA.replace(
    "[[rota]]",
    '[[technician]]\nkey = "carla"\nname = "Carla Verdi"\nphone = "+393331234503"\n[[rota]]',
).replace('["anna", "bruno"]', '["anna", "bruno", "carla"]')
NIGHTS = """
[[rota]]
key = "duty"
  [[rota.rung]]
    [[rota.rung.pattern]]
    days = ["monday", "tuesday"]
    from = "18:30"
    to = "08:00"
    people = ["anna"]
"""


def words(text: str) -> list[str]:
    return text.split()


class Ivr:
    """The command in a folder of its own: configured, migrated, empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runner = CliRunner(env=SECRETS | {"COLUMNS": "80", "NO_COLOR": "1"})

    def __call__(self, *arguments: str) -> Result:
        return self.runner.invoke(ivr, ["--config", str(self.folder / "config.toml"), *arguments])

    def done(self, *arguments: str) -> str:
        result = self(*arguments)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.done(*arguments, "--json"))

    def refused(self, *arguments: str, code: int = 1) -> Result:
        """Refused with one line that says why."""
        result = self(*arguments)
        assert result.exit_code == code, result.output
        if code == 1:
            assert len(result.stderr.splitlines()) == 1
            assert result.stderr.startswith("ivr: ")
        return result

    def file(self, text: str) -> str:
        path = self.folder / "a.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def first(self, at: str) -> tuple[str, str]:
        duty = self.json("rota", "who", "--at", at)["ladder"][0]
        return duty["technician"], duty["because"]

    def alarms(self) -> list[dict[str, Any]]:
        house = open_house(load(self.folder / "config.toml", SECRETS))
        with house.database.read() as connection:
            query = select(due_work.c.payload).where(due_work.c.kind == "alarm").order_by(due_work.c.id)
            found = [dict(payload) for payload in connection.execute(query).scalars()]
        house.close()
        return found


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Ivr]:
    configuration(tmp_path)
    with fresh_database(tmp_path), time_machine.travel(NIGHT, tick=False):
        yield Ivr(tmp_path)


@pytest.fixture
def command(empty: Ivr) -> Ivr:
    """Anna has the week; then bruno, then carla; dario is always second."""
    empty.done("rota", "apply", empty.file(TEAM))
    return empty


# -- apply -------------------------------------------------------------------------------------------


def test_a_dry_run_shows_everything_and_changes_nothing(empty: Ivr) -> None:
    said = empty.done("rota", "apply", empty.file(TEAM), "--dry-run")
    assert "would be: technician anna added\n" in said
    assert "rung 1  2026-03-10 22:00 CET – 2026-03-16 18:30 CET  nobody → anna\n" in said
    assert "rung 2  from 2026-03-10 22:00 CET on  nobody → dario\n" in said
    assert said.endswith("nothing was changed\n")
    assert empty.json("technician", "list") == {"technicians": []}
    house = open_house(load(empty.folder / "config.toml", SECRETS))
    with house.database.read() as connection:
        assert connection.execute(select(audit.c.id)).all() == []
    house.close()


def test_turn_by_turn_who_had_it_and_who_has_it_then(command: Ivr) -> None:
    file = command.file(
        TEAM[TEAM.index("[[rota]]") :].replace('["anna", "bruno", "carla"]', '["carla", "anna"]')
    )
    done = command.json("rota", "apply", file, "--from", "2026-03-20T09:00")
    assert (done["applied"], done["done"]) == (True, ["rota duty applied"])
    assert done["changes"][0] == {
        "rota": "duty",
        "rung": 1,
        "from": "2026-03-20T09:00:00+01:00",
        "to": "2026-03-23T18:30:00+01:00",
        "had": "bruno",
        "has": "carla",
    }
    assert (done["opened"], done["findings"]) == ([], [])
    assert command.first("2026-03-20T08:59") == ("bruno", "turn")
    assert command.first("2026-03-20T09:00") == ("carla", "turn")


def test_a_hole_is_refused_with_when_and_how_long(command: Ivr) -> None:
    file = command.file(NIGHTS)
    for options in ((), ("--dry-run",)):
        result = command.refused("rota", "apply", file, *options)
        assert (
            "nobody on duty in rota duty from 2026-03-11 08:00 CET for 5 d 10 h, and 16 more" in result.stderr
        )
        assert "--allow-holes" in result.stderr
        assert "! nobody is on duty in rota duty from 2026-03-11 08:00 CET" in result.stdout
        assert "note: the whole ladder of rota duty is one person (anna)" in result.stdout
        assert result.stdout.endswith("nothing was changed\n")
    assert len(command.json("rota", "who")["ladder"]) == 2
    assert command.alarms() == []
    shown = json.loads(command.refused("rota", "apply", file, "--json").stdout)
    assert (shown["applied"], shown["opened"][0]["kind"]) == (False, "hole")
    assert shown["opened"][0]["refused"] is True

    said = command.done("rota", "apply", file, "--allow-holes")
    assert said.startswith("rota duty applied\n")
    (alarm,) = command.alarms()
    assert (alarm["what"], alarm["from"], alarm["more"]) == ("rota-hole", "2026-03-11 08:00 CET", 16)
    assert command.json("rota", "who", "--at", "2026-03-12T12:00")["ladder"] == []


# -- show ---------------------------------------------------------------------------------------------


def test_a_month_in_eighty_columns(command: Ivr) -> None:
    command.done(*words("rota override --from 2026-03-14T08:00 --to 2026-03-15T20:00 --technician carla"))
    command.done(*words("rota absence add anna --from 2026-03-30T20:00 --to 2026-04-03 --kind holiday"))
    command.done(
        *words("rota swap propose --technician bruno --with carla --from 2026-03-17T18:30"),
        *words("--to 2026-03-18T18:30 --back-from 2026-03-24T18:30 --back-to 2026-03-25T18:30"),
    )
    command.done("rota", "swap", "accept", "1", "--reason", "he phoned")
    lines = command.done("rota", "show", "--month", "2026-03").splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "rota duty · March 2026 · Europe/Rome"
    rows = {line[1:7]: line for line in lines if line[1:4] in rota_month.WEEKDAYS}
    assert len(rows) == 31
    assert rows["Mon  9"].split() == ["Mon", "9", "Carla", "18:30", "Anna", "Dario"]
    assert rows["Tue 10"].startswith(">Tue 10 Anna")  # today
    assert rows["Sat 14"].split() == ["Sat", "14", "Anna", "08:00", "Carla*", "Dario"]
    assert rows["Sun 15"].split() == ["Sun", "15", "Carla*", "20:00", "Anna", "Dario"]
    assert rows["Tue 17"].split() == ["Tue", "17", "Bruno", "18:30", "Carla~", "Dario"]
    assert rows["Tue 24"].split() == ["Tue", "24", "Carla", "18:30", "Bruno~", "Dario"]
    mondays = ["Mon", "30", "Carla", "18:30", "Anna", "20:00", "Bruno+", "Dario"]
    assert rows["Mon 30"].split() == mondays
    assert lines[lines.index(rows["Sun 29"]) + 1].strip() == "(23 hours: the clocks change)"
    legend = " ".join(lines[lines.index(rows["Tue 31"]) + 1 :])
    for each in ("Anna = Anna Rossi (anna)", "* an override", "~ a swap", "+ stands in for somebody"):
        assert each in legend
    assert "nobody" not in legend


def test_a_month_with_holes_and_an_hour_that_comes_twice(command: Ivr) -> None:
    file = command.file(
        NIGHTS.replace('["monday", "tuesday"]', '["saturday", "sunday"]').replace("18:30", "02:30")
    )
    command.done("rota", "apply", file, "--from", "2026-10-23T12:00", "--allow-holes")
    lines = command.done("rota", "show", "--month", "2026-10").splitlines()
    at = lines.index("!Sat 24 –  02:30 Anna  08:00 –")
    assert lines[at : at + 5] == [
        "!Sat 24 –  02:30 Anna  08:00 –",
        "        NOBODY 00:00–02:30, 08:00–24:00",
        "!Sun 25 –  02:30 CEST Anna  08:00 –",
        "        NOBODY 00:00–02:30 CEST, 08:00–24:00",
        "        (25 hours: the clocks change)",
    ]
    assert "        NOBODY all day" in lines
    assert lines[-1] == "! nobody on duty at all: 4 times, 7 d 19 h together"
    shown = command.json("rota", "show", "--month", "2026-10")
    assert (shown["rota"], shown["month"]) == ("duty", "2026-10")
    assert shown["holes"] == [
        {"from": "2026-10-23T12:00:00+02:00", "to": "2026-10-24T02:30:00+02:00"},
        {"from": "2026-10-24T08:00:00+02:00", "to": "2026-10-25T02:30:00+02:00"},
        {"from": "2026-10-25T08:00:00+01:00", "to": "2026-10-31T02:30:00+01:00"},
        {"from": "2026-10-31T08:00:00+01:00", "to": "2026-11-01T00:00:00+01:00"},
    ]
    assert shown["turns"][-1] == {
        "rung": 2,
        "technician": "dario",
        "from": "2026-10-01T00:00:00+02:00",
        "to": "2026-10-23T12:00:00+02:00",
        "because": "turn",
    }
    assert [turn["because"] for turn in shown["turns"] if turn["rung"] == 1][-3:] == ["pattern"] * 3


def test_the_rules_as_they_were_applied(command: Ivr) -> None:
    text = command.done("rota", "show", "--rules")
    assert text.splitlines() == [
        "rota duty, Europe/Rome",
        "  rung 1: anna, bruno, carla, every 1 week from 2026-01-05 at 18:30",
        "  rung 2: dario, always",
    ]
    command.done("rota", "apply", command.file(NIGHTS), "--from", "2026-04-01", "--allow-holes")
    later = command.done("rota", "show", "--at", "2026-04-02")
    assert later.splitlines()[1:] == ["  rung 1:", "    mon, tue 18:30-08:00: anna"]
    assert command.json("rota", "show", "--rules")["rung"][1] == {"people": ["dario"]}
    assert command.refused("rota", "show", "--month", "2026-03", "--rules", code=2)
    assert "is not a month" in command.refused("rota", "show", "--month", "03/2026").stderr
    assert "field" in command.refused("rota", "show", "--rota", "field").stderr


def drawn(book: Book, month: str = "2026-03", width: int = 80, **names: str) -> list[str]:
    console = Console(width=width, no_color=True, highlight=False, force_terminal=False)
    with console.capture() as capture:
        rota_month.draw(console, "duty", book, rota_month.month_of(month, ROME), names, NIGHT)
    return capture.get().splitlines()


ALWAYS = rome("2026-01-01 00:00")


def test_no_name_is_told_by_colour_alone() -> None:
    """With colours and without, the letters are the same; who shares a first name is named by his key."""
    rungs = tuple(Rung((key,)) for key in ("mara", "marta", "anna"))
    book = Book([Version(1, ALWAYS, Rules(ROME, rungs))])
    names = {"mara": "Maria Rossi", "marta": "Maria Blu", "anna": "Anna Verdi"}
    plain = drawn(book, **names)
    day = next(line for line in plain if "Mon  2" in line)
    assert day.split() == ["Mon", "2", "mara", "marta", "Anna"]
    console = Console(width=80, force_terminal=True, color_system="truecolor", highlight=False)
    with console.capture() as capture:
        rota_month.draw(console, "duty", book, rota_month.month_of("2026-03", ROME), names, NIGHT)
    coloured = capture.get()
    assert "\x1b[" in coloured
    assert [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", coloured).splitlines()] == [
        line.rstrip() for line in plain
    ]


def test_a_month_fits_whatever_there_is_in_it() -> None:
    """Long names, many hand-overs a day and many rungs: wrapped and drawn beneath, never cut."""
    shifts = tuple(
        Pattern(frozenset(range(7)), time(begins), time((begins + 4) % 24), (key,))
        for begins, key in zip(range(0, 24, 4), ("a1", "a2", "a3", "a1", "a2", "a3"), strict=True)
    )
    rungs = (Rung((), patterns=shifts), *(Rung((f"p{n}",)) for n in range(5)))
    book = Book([Version(1, ALWAYS, Rules(ROME, rungs))])
    names = {"a1": "Massimiliano Rossi", "a2": "Bartholomäus Blu", "a3": "李 明"}
    for width in (80, 40, 100):
        lines = drawn(book, width=width, **names)
        assert max(map(cell_len, lines)) <= width, width
        text = "\n".join(lines)
        for time_of_day in ("00:00", "04:00", "08:00", "12:00", "16:00", "20:00"):
            assert text.count(f"{time_of_day} ") >= 31
        for rung in range(1, 7):
            assert f"rung {rung}" in text


def test_a_turn_that_began_before_the_month_has_no_time(tmp_path: Path) -> None:
    rotation = Rotation(date(2026, 3, 1), time(0), 1)
    days = Book([Version(1, ALWAYS, Rules(ROME, (Rung(("anna", "bruno"), rotation),)))])
    april = drawn(days, "2026-04")
    assert april[4].split() == ["Wed", "1", "00:00", "bruno"]
    week = Rotation(date(2026, 3, 30), time(0), 7)
    weeks = Book([Version(1, ALWAYS, Rules(ROME, (Rung(("anna", "bruno"), week),)))])
    assert drawn(weeks, "2026-04")[4].split() == ["Wed", "1", "anna"]
    # A replacement that begins with the month does have one.
    start = rota_month.month_of("2026-04", ROME).start
    replaced = Book(weeks.versions, [Override(1, 1, start, start + timedelta(hours=9), "carla")])
    assert drawn(replaced, "2026-04")[4].split() == ["Wed", "1", "00:00", "carla*", "09:00", "anna"]


# -- gaps ---------------------------------------------------------------------------------------------


def test_gaps(command: Ivr) -> None:
    assert command.done("rota", "gaps") == "nothing is wrong up to 2026-04-09 23:00 CEST\n"
    for key in ("anna", "bruno", "carla"):
        command.done(*words(f"rota absence add {key} --from 2026-03-12 --to 2026-03-13 --kind other"))
    assert "rung 1 of rota duty has nobody from 2026-03-12 00:00 CET" in command.done("rota", "gaps")
    said = command.done(*words("rota absence add dario --from 2026-03-12 --to 2026-03-13 --kind illness"))
    assert (
        "note: nobody is on duty in rota duty from 2026-03-12 00:00 CET to 2026-03-13 00:00 CET (24 h)"
        in said
    )
    assert "the admins are told of it" in said
    assert len(command.alarms()) == 1
    result = command.refused("rota", "gaps", "--days", "7")
    assert "nobody is on duty in rota duty from 2026-03-12 00:00 CET" in result.stderr
    assert result.stdout.splitlines() == [result.stderr.removeprefix("ivr: ").rstrip()]
    assert command.done("rota", "gaps", "--days", "1").startswith("nothing is wrong")
    found = json.loads(command.refused("rota", "gaps", "--json").stdout)
    assert [(each["kind"], each["from"], each["people"]) for each in found["findings"]] == [
        ("hole", "2026-03-12T00:00:00+01:00", [])
    ]
    assert "field" in command.refused("rota", "gaps", "--rota", "field").stderr


# -- override -----------------------------------------------------------------------------------------


def test_overrides_are_made_listed_and_taken_back(command: Ivr) -> None:
    span = words("--from 2026-03-12T18:30 --to 2026-03-13T18:30")
    said = command.done("rota", "override", *span, "--technician", "dario")
    assert "(override 1)" in said
    assert (
        "note: dario is on rung 1 of rota duty and on rung 2 of rota duty from 2026-03-12 18:30 CET" in said
    )
    made = command.json("rota", "override", *span, "--rung", "2", "--technician", "anna")
    assert (made["id"], made["findings"]) == (2, [])
    listed = command.json("rota", "override", "--list")
    assert [(each["id"], each["rung"], each["technician"]) for each in listed["overrides"]] == [
        (1, 1, "dario"),
        (2, 2, "anna"),
    ]
    assert "dario" in command.done("rota", "override", "--list")
    assert command.done("rota", "override", "--withdraw", "1") == "override 1 is withdrawn\n"
    assert command.first("2026-03-12T20:00") == ("anna", "turn")
    assert [each["id"] for each in command.json("rota", "override", "--list")["overrides"]] == [2]
    assert "withdrawn before" in command.refused("rota", "override", "--withdraw", "1").stderr
    assert "no override 9" in command.refused("rota", "override", "--withdraw", "9").stderr
    for wrong in ([], ["--from", "2026-03-12"], ["--list", "--withdraw", "1"], ["--list", *span]):
        command.refused("rota", "override", *wrong, code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["rota", "override", "--technician", "anna", "--to", "2026-11-01", "--from"],
        ["rota", "absence", "add", "anna", "--kind", "other", "--to"],
        [
            "rota",
            "swap",
            "propose",
            "--technician",
            "anna",
            "--with",
            "bruno",
            "--to",
            "2026-11-01",
            "--from",
        ],
        ["rota", "apply", "FILE", "--from"],
        ["technician", "retire", "anna", "--on"],
    ],
)
def test_an_hour_that_comes_twice_is_refused_with_both_instants(command: Ivr, arguments: list[str]) -> None:
    file = command.file(TEAM)
    given = [file if each == "FILE" else each for each in arguments]
    said = command.refused(*given, "2026-10-25T02:30").stderr
    assert "2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00" in said


# -- swaps --------------------------------------------------------------------------------------------

PROPOSAL = (
    *words("rota swap propose --technician anna --with bruno --from 2026-03-12T18:30"),
    *words("--to 2026-03-13T18:30"),
)
IN_RETURN = words("--back-from 2026-03-19T18:30 --back-to 2026-03-20T18:30")


def test_a_swap_from_the_command_line(command: Ivr) -> None:
    proposed = command.json(*PROPOSAL, *IN_RETURN)
    assert (proposed["id"], proposed["state"]) == (1, "proposed")
    assert proposed["back"] == {
        "rung": 1,
        "from": "2026-03-19T18:30:00+01:00",
        "to": "2026-03-20T18:30:00+01:00",
    }
    assert command.done("rota", "swap", "list").splitlines() == [
        "1  proposed  rota duty",
        "   anna gives bruno rung 1, 2026-03-12 18:30 CET – 2026-03-13 18:30 CET",
        "   in return for rung 1, 2026-03-19 18:30 CET – 2026-03-20 18:30 CET",
    ]
    assert "give a reason" in command.refused("rota", "swap", "accept", "1").stderr
    said = command.done("rota", "swap", "accept", "1", "--reason", "he phoned")
    assert said == "swap 1 is accepted, and holds\n"
    assert command.first("2026-03-12T20:00") == ("bruno", "swap")
    assert command.first("2026-03-19T20:00") == ("anna", "swap")
    assert command.json("rota", "swap", "list") == {"swaps": []}
    (listed,) = command.json("rota", "swap", "list", "--all", "--technician", "bruno")["swaps"]
    assert listed["state"] == "accepted"
    assert command.json("rota", "swap", "list", "--all", "--technician", "dario") == {"swaps": []}
    assert "swap 1" in command.refused("rota", "override", "--withdraw", "1").stderr
    assert command.done("rota", "swap", "withdraw", "1", "--reason", "ill") == "swap 1 is withdrawn\n"
    assert command.first("2026-03-12T20:00") == ("anna", "turn")


def test_declined_approved_and_refused_ones(command: Ivr) -> None:
    rota = TEAM[TEAM.index("[[rota]]") :]
    file = command.file(rota.replace('key = "duty"', 'key = "duty"\nswaps = { approval = true }'))
    command.done("rota", "apply", file)
    for _ in range(3):
        command.done(*PROPOSAL)
    reason = ("--reason", "by phone")
    assert command.done("rota", "swap", "decline", "1", *reason) == "swap 1 is declined\n"
    for swap in ("2", "3"):
        said = command.done("rota", "swap", "accept", swap, *reason)
        assert said == f"swap {swap} is accepted; an admin is still to approve it\n"
    assert command.done("rota", "swap", "refuse", "2") == "swap 2 is refused\n"
    assert command.done("rota", "swap", "approve", "3") == "swap 3 is approved, and holds\n"
    assert command.first("2026-03-12T20:00") == ("bruno", "swap")
    assert "does not have rung 1" in command.refused(*PROPOSAL).stderr
    command.refused(*PROPOSAL, "--back-from", "2026-03-19T18:30", code=2)
    command.refused(*PROPOSAL, "--back-rung", "2", code=2)


# -- absences -----------------------------------------------------------------------------------------


def test_absences_from_the_command_line(command: Ivr) -> None:
    assert command.json(*words("rota absence add anna --to 2026-03-12 --kind illness")) == {
        "id": 1,
        "opened": [],
    }
    assert command.first("2026-03-10T22:00") == ("bruno", "absence")
    (listed,) = command.json("rota", "absence", "list", "--technician", "anna")["absences"]
    assert listed == {
        "id": 1,
        "technician": "anna",
        "from": "2026-03-10T22:00:00+01:00",
        "to": "2026-03-12T00:00:00+01:00",
        "kind": "illness",
        "from_calendar": False,
        "withdrawn": None,
    }
    said = command.refused(*words("rota absence add anna --to 2026-03-12 --kind illness --reason flu"))
    assert "give no reason" in said.stderr
    assert "can be on duty again" in command.done("rota", "absence", "withdraw", "1")
    assert command.first("2026-03-10T22:00") == ("anna", "turn")
    assert command.json("rota", "absence", "list") == {"absences": []}
    assert "withdrawn" in command.done("rota", "absence", "list", "--past")
    assert "no absence 7" in command.refused("rota", "absence", "withdraw", "7").stderr
    command.refused("rota", "absence", "add", "anna", "--to", "2026-03-12", "--kind", "whim", code=2)


# -- technicians --------------------------------------------------------------------------------------


def technician(command: Ivr, key: str) -> dict[str, Any]:
    found = command.json("technician", "list")["technicians"]
    return next(each for each in found if each["key"] == key)


def test_all_there_is_to_say_of_a_technician(empty: Ivr) -> None:
    text = (empty.folder / "config.toml").read_text(encoding="utf-8")
    (empty.folder / "config.toml").write_text(
        f'{text}\n[notices.services]\nchat = "json://127.0.0.1/x"\n', encoding="utf-8"
    )
    empty.done(
        *("technician", "add", "elena", "--name", "Elena Blu", "--phone", "+393331234505"),
        *("--spoken-name", "Elena", "--email", "elena@example.net", "--other-phone", "+390461000001"),
        *("--other-phone", "+393331234506", "--rings", "20", "--language", "de", "--service", "chat"),
        *("--from", "2026-04-01", "--until", "2026-12-31"),
    )
    assert technician(empty, "elena") == {
        "key": "elena",
        "name": "Elena Blu",
        "spoken_name": "Elena",
        "phone": "+393331234505",
        "other_phones": ["+390461000001", "+393331234506"],
        "email": "elena@example.net",
        "language": "de",
        "rings": 20,
        "services": ["chat"],
        "from": "2026-03-31T22:00:00+00:00",
        "retired": "2026-12-31T23:00:00+00:00",
    }
    assert "from 2026-04-01 00:00, until 2027-01-01 00:00" in empty.done("technician", "list")
    empty.done("technician", "change", "elena", "--rings", "30")
    changed = technician(empty, "elena")
    assert (changed["rings"], changed["language"], changed["services"]) == (30, "de", ["chat"])
    assert (changed["from"], changed["retired"]) == ("2026-03-31T22:00:00+00:00", "2026-12-31T23:00:00+00:00")
    empty.done(
        *("technician", "change", "elena", "--rings", "0", "--language", "none", "--service", ""),
        *("--other-phone", "", "--email", "", "--spoken-name", "", "--until", "none"),
    )
    cleared = technician(empty, "elena")
    assert (cleared["rings"], cleared["language"], cleared["services"]) == (None, None, [])
    assert (cleared["other_phones"], cleared["email"], cleared["retired"]) == ([], None, None)
    assert cleared["spoken_name"] == "Elena Blu"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--other-phone", "+39899123456"], "+39899123456"),
        (["--other-phone", "+393331234501"], "stands more than once"),
        (["--service", "pigeon"], "no pigeon in notices.services"),
        (["--rings", "5"], "rings"),
        (["--from", "2026-12-31", "--until", "2026-04-01"], "until"),
    ],
)
def test_what_a_technician_cannot_be(command: Ivr, options: list[str], said: str) -> None:
    assert said in command.refused("technician", "change", "anna", *options).stderr
    assert technician(command, "anna")["other_phones"] == []


def test_somebody_who_leaves(command: Ivr) -> None:
    said = command.refused("technician", "change", "dario", "--until", "2026-04-01").stderr
    assert "dario stands in rota duty, rung 2" in said
    assert command.done("technician", "retire", "carla", "--on", "2026-04-01") == (
        "carla leaves on 2026-04-01T00:00:00+02:00.\n"
    )
    assert command.first("2026-04-13T20:00") == ("anna", "absence")
    # Passed on or not: the rules still name her.
    assert "rung 1 of rota duty names carla, who is not in service" in command.done(
        "rota", "gaps", "--days", "60"
    )

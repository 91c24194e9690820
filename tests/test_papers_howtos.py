"""The steps of how-tos, done in order in a house as the tutorial leaves it: each command does its part."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import time_machine
from click.testing import CliRunner
from making import SECRETS, configuration, fresh_database, rome
from papers import ROOT, blocks

from console.commands import ivr

HOW_TO = ROOT / "docs" / "how-to"
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
KEYS = {
    **SECRETS,
    "IVR_SERVICE_SIGNING_KEY": bytes(range(60, 92)).hex(),
    "IVR_BACKUP_SEALING_KEYS": bytes(range(20, 52)).hex(),
}
ROTA = next("\n".join(block.lines) for block in blocks(TUTORIAL) if block.title == "rota.toml")
ACME = ["customer", "add", "ACME S.r.l.", "--code", "ACME", "--phone", "+393471112201"]
House = Callable[..., str]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """`house("rota", "apply", "rota.toml")`: a command in that house, at the test's instant; its output."""
    monkeypatch.chdir(tmp_path)
    configuration(tmp_path)
    (tmp_path / "rota.toml").write_text(ROTA, encoding="utf-8")
    with fresh_database(tmp_path):
        pass

    def run(*arguments: str, code: int = 0) -> str:
        result = CliRunner(env=KEYS).invoke(ivr, [*arguments])
        assert result.exit_code == code, f"ivr {shlex.join(arguments)}: {result.output}"
        return result.output

    return run


def commands(page: str) -> list[list[str]]:
    """Every `ivr` command of a page's shell blocks, in order, its places and dates filled in."""
    found = []
    for block in blocks((HOW_TO / f"{page}.md").read_text(encoding="utf-8")):
        for line in block.lines if block.language == "sh" else ():
            if line.startswith("ivr "):
                line = line.replace("$(date +%F)", "2026-11-26").replace("/mnt/backups/", "")
                found.append(shlex.split(line)[1:])
    return found


def follow(house: House, page: str) -> list[str]:
    """What each command of the page printed; each must succeed."""
    return [house(*command) for command in commands(page)]


def test_plan_august(house: House, tmp_path: Path) -> None:
    with time_machine.travel(rome("2027-05-10 09:00"), tick=False):
        house("rota", "apply", "rota.toml")
        more = ROTA.replace(
            'people = ["anna"] ',
            'people = ["anna", "bruno", "carla"]\n  starts = 2027-07-26\n'
            '  handover = "18:30"\n  every = "1 week"',
        )
        (tmp_path / "august.toml").write_text(more, encoding="utf-8")
        *_, month, gaps, who = follow(house, "plan-august")
    assert "!" not in month
    assert "August 2027" in month
    assert re.search(r"^1 +carla .*override$", who, re.MULTILINE)
    assert "nobody is on duty" not in gaps


def test_rotate_all_pins(house: House, tmp_path: Path) -> None:
    with time_machine.travel(rome("2026-11-26 09:00"), tick=False):
        house(*ACME)
        house("pin", "issue", "ACME")
        (tmp_path / "letters").mkdir(mode=0o700)
        follow(house, "rotate-all-pins")
        listed = house("pin", "list")
    assert re.search(r"^1 +ACME .* overlap +2026-12-10", listed, re.MULTILINE)
    assert re.search(r"^2 +ACME .* active", listed, re.MULTILINE)
    assert len(list((tmp_path / "letters").glob("*.pdf"))) == 1


def test_change_the_hours(house: House, tmp_path: Path) -> None:
    (special,) = (each for each in blocks((HOW_TO / "change-the-hours.md").read_text()) if each.title)
    text = (tmp_path / "config.toml").read_text(encoding="utf-8")
    (tmp_path / "config.new.toml").write_text(text + "\n".join(["", *special.lines, ""]), encoding="utf-8")
    before, after, christmas = follow(house, "change-the-hours")
    assert "the office is rung (special-day), until 2026-12-24T12:00:00" in before
    assert "a PIN is asked (special-day)" in after
    assert "a PIN is asked (holiday, Natale)" in christmas
    closed = house("--config", "config.new.toml", "explain", "--at", "2027-08-13T10:00")
    assert "a PIN is asked (special-day)" in closed


def test_a_technician_leaves(house: House, tmp_path: Path) -> None:
    with time_machine.travel(rome("2027-01-10 09:00"), tick=False):
        house("rota", "apply", "rota.toml")
        house("user", "add", "bruno", "--role", "technician", "--technician", "bruno")
        text = ROTA.replace('phone = "+393331234502"', 'phone = "+393331234502"\nuntil = 2027-01-31')
        text = text.replace('["bruno", "carla"]    # a week each', '["carla", "anna"]')
        (tmp_path / "rota.toml").write_text(text, encoding="utf-8")
        printed = []
        for command in commands("a-technician-leaves"):
            printed.append(house(*command, code=1 if command[:2] == ["case", "pass"] else 0))
        *_, listed, gaps, who = printed
    assert re.search(r"^bruno .*until 2027-0[12]", listed, re.MULTILINE)
    assert "bruno" not in gaps + who
    assert "bruno" not in house("user", "list").replace("removed", "")


def test_one_who_stands_alone_somewhere_cannot_be_retired_first(house: House) -> None:
    """What the page says of it, word by word."""
    page = (HOW_TO / "a-technician-leaves.md").read_text(encoding="utf-8")
    with time_machine.travel(rome("2027-01-10 09:00"), tick=False):
        house("rota", "apply", "rota.toml")
        house("technician", "retire", "carla")
        said = house("technician", "retire", "bruno", code=1)
    assert "stands in rota duty, rung 2, where nobody else is in service then" in said
    assert "stands in rota duty, rung 2, where nobody else is in service then" in page

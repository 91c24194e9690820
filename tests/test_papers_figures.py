"""What the papers state in figures, names and words is what the program has."""

from __future__ import annotations

import re
import tomllib
from fractions import Fraction
from pathlib import Path

import pytest
import yaml
from papers import ROOT

from ivr.text_messages import WORDS, read
from pins import drawing, throttle

DOCS = ROOT / "docs"
RED = (DOCS / "how-to" / "something-is-red.md").read_text(encoding="utf-8")


def rows(page: Path, heading: str) -> list[list[str]]:
    """The table of a page whose heading begins so, without it."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith(f"| {heading}"))
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def odds(cell: str) -> Fraction:
    """`1 in 3 333`, `3 in 10`."""
    some, of = cell.split(" in ")
    return Fraction(int(some), int(of.replace(" ", "")))


def test_the_table_of_lengths() -> None:
    found = rows(DOCS / "pin-arithmetic.md", "live PINs, all of this length")
    assert len(found) > 5
    for live, digits, guess, day in found:
        count, length = int(live.replace(" ", "")), int(digits)
        assert drawing.length_for(count) == length, live
        assert float(odds(guess)) == pytest.approx(count / 10**length, rel=0.002)
        assert float(odds(day)) == pytest.approx(float(drawing.chance({length: count})), rel=0.002)


def test_the_table_of_patience() -> None:
    found = rows(DOCS / "pin-arithmetic.md", "he guesses for")
    spans = {"a day": 1, "a month (30 days)": 30, "a year": 365}
    assert [row[0] for row in found] == list(spans)
    for count, (_, some, most) in zip(spans.values(), found, strict=True):
        for cell, live in ((some, 300), (most, 1000)):
            chance = 1 - (1 - float(drawing.chance({8: live}))) ** count
            assert float(odds(cell)) == pytest.approx(chance, rel=0.04)


def test_the_budgets_that_are_named() -> None:
    text = (DOCS / "pin-arithmetic.md").read_text(encoding="utf-8")
    assert f"{throttle.BUDGET_HOUR} misses an hour and {throttle.BUDGET_DAY} a day" in text
    assert throttle.KNOWN_HOUR == 5
    assert "after five misses an hour only the first try of a call" in text
    assert f"{throttle.KNOWN_DAY:,}".replace(",", " ") + " misses a day" in text


def alarms() -> list[str]:
    texts = tomllib.loads((ROOT / "console" / "outbound" / "alarms" / "en.toml").read_text(encoding="utf-8"))
    return [name for name, text in texts.items() if "subject" in text and name not in ("frame", "fallback")]


def alerts() -> list[str]:
    file = ROOT / "deploy" / "prometheus" / "alerts.yml"
    groups = yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    return [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]


@pytest.mark.parametrize("name", [*alarms(), *alerts()])
def test_whatever_can_be_red_has_its_paragraph(name: str) -> None:
    assert f"`{name}`" in RED


def test_no_paragraph_is_of_what_cannot_be() -> None:
    known = {*alarms(), *alerts()}
    named = set(re.findall(r"`(Ivr\w+)`", RED))
    headed = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", "\n".join(re.findall(r"(?m)^\*\*.*?\*\*", RED))))
    assert (named | headed) - known == set()


def test_the_words_of_the_technician_s_guide_are_understood() -> None:
    page = DOCS / "guida-tecnico.md"
    asked = [read(row[0].strip("`")) for row in rows(page, "scriva")]
    assert [(each.act, each.code, each.note) for each in asked] == [
        ("take", "4712", ""),
        ("close", "4712", "riavviato il server"),
        ("pass", "4712", ""),
        ("take", "", ""),
        ("list", "", ""),
    ]
    also = re.search(r"Vanno bene anche (.*?), maiuscole", page.read_text(encoding="utf-8"))
    assert also
    words = re.findall(r"`(\w+)`", also[1])
    assert len(words) >= 5
    assert set(words) <= set(WORDS)
    assert read("non chiuso 4712").act == "unclear"

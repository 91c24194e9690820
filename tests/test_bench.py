"""The benchmark's runner, and the paper that shows what it found. Measuring is left to `make bench`."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest
from making import ROOT

BENCH = ROOT / "bench"
if str(BENCH) not in sys.path:
    sys.path.append(str(BENCH))

import page  # noqa: E402 - the path comes first
import results  # noqa: E402
import run  # noqa: E402
from results import Result  # noqa: E402

FOUND = page.read(page.RESULTS)
NAMES = [each["name"] for each in FOUND]


def test_whatever_measures_is_run() -> None:
    measuring = {
        file.stem
        for file in BENCH.glob("*.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name == "measure"
    }
    assert measuring == set(run.there())


def test_the_paper_lists_exactly_what_the_runner_measures() -> None:
    said = {name: page.rows_of(name) for name in run.there()}
    declared = [row for rows in said.values() for row in rows]
    assert len(declared) == len(set(declared))
    paper = page.PAPER.read_text(encoding="utf-8")
    table = paper.partition(page.BEGIN)[2].partition(page.END)[0].strip().splitlines()[2:]
    listed = [line.split("|")[1].strip() for line in table]
    undeclared = [name for name in NAMES if name not in declared]
    assert sorted(listed) == sorted([*declared, *undeclared])
    # Only of a measurement that does not say what it names may a row be left.
    assert not undeclared or [] in said.values(), undeclared


def test_a_row_that_was_not_measured_says_so() -> None:
    assert "| a thing | | | not measured | |" in page.rows([], ["a thing"])


def test_the_paper_is_written_from_the_results() -> None:
    paper = page.PAPER.read_text(encoding="utf-8")
    assert page.written(paper, page.rows(FOUND, page.every_row())) == paper, "python bench/page.py"
    drawn = page.PICTURE.read_text(encoding="utf-8")
    assert page.drawn(page.read(page.CURVES)) == drawn, "python bench/page.py"


def test_results_have_the_shape_that_others_read() -> None:
    for each in FOUND:
        assert set(each) == {"name", "ratio", "goal", "met", "against"}
        assert each["met"] == (each["ratio"] <= each["goal"])


def test_each_missed_goal_is_explained() -> None:
    paper = page.PAPER.read_text(encoding="utf-8").partition(page.END)[2]
    assert [each["name"] for each in FOUND if not each["met"] and each["name"] not in paper] == []


def test_a_part_of_a_run_leaves_the_rest_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    first = [Result(name, 1.0, 2.0, "the other").document() for name in ("a", "b", "c")]
    results.write(file, first)
    results.put(file, [Result("b", 3.0, 2.0, "the other").document(), Result("d", 1.0, 2.0, "x").document()])
    found = json.loads(file.read_text(encoding="utf-8"))
    assert [(each["name"], each["ratio"], each["met"]) for each in found] == [
        ("a", 1.0, True),
        ("b", 3.0, False),
        ("c", 1.0, True),
        ("d", 1.0, True),
    ]


def test_the_median_decides_and_what_measures_itself_is_believed() -> None:
    costs = iter([9.0, 1.0, 50.0, 2.0])  # the first is not counted
    found = results.in_turns({"it": lambda: results.Spent(next(costs), 0.0)}, 3)
    assert found["it"].cpu == 2.0


def test_a_curve_begins_at_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "drawn", [])
    results.draw("a call", "calls", {1000: 0.5, 10: 0.25})
    assert results.drawn[0].points == ((10, 1.0), (1000, 2.0))


def test_a_measurement_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the runner's own exit code; nothing of what was known is lost."""
    monkeypatch.setattr(results, "FILE", tmp_path / "results.json")
    monkeypatch.setattr(results, "CURVES_FILE", tmp_path / "curves.json")
    monkeypatch.setattr(run, "MODULES", ("playing",))  # it measures nothing
    results.write(results.FILE, [Result("a", 1.0, 2.0, "b").document()])
    monkeypatch.setattr(run.subprocess, "run", lambda *_, **__: run.subprocess.CompletedProcess([], 1))
    monkeypatch.setattr(sys, "argv", ["run.py"])
    assert run.main() == 1
    assert [each["name"] for each in page.read(results.FILE)] == ["a"]

"""The page of threats names files and tests: each of them exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from making import ROOT

PAGE = ROOT / "docs" / "threats.md"
TESTS = ROOT / "tests"
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| threat ")
]
NAMED = sorted({name for row in ROWS for name in re.findall(r"`([^`]+)`", row[2])})


@cache
def names_of(file: Path) -> frozenset[str]:
    """What a test file defines at its top: functions, classes, and machines that are given a name."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    defined = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    given = [node.targets[0] for node in body if isinstance(node, ast.Assign)]
    return frozenset(defined | {target.id for target in given if isinstance(target, ast.Name)})


def test_every_row_says_where_and_by_what() -> None:
    assert len(ROWS) > 30
    for row in ROWS:
        assert len(row) == 3, row
        assert "`" in row[1], row
        assert "`" in row[2], row


@pytest.mark.parametrize("file", sorted({name for row in ROWS for name in re.findall(r"`([^`]+)`", row[1])}))
def test_what_meets_it_is_there(file: str) -> None:
    assert (ROOT / file).is_file()


@pytest.mark.parametrize("name", NAMED)
def test_what_shows_it_is_there(name: str) -> None:
    file, _, test = name.partition("::")
    assert (TESTS / file).is_file()
    assert file.endswith(".call") or test in names_of(TESTS / file)


def test_it_fits_on_a_page() -> None:
    """What nobody reads protects nobody."""
    assert len(PAGE.read_text(encoding="utf-8").split()) < 1_700


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-test.lock"])
def test_every_package_has_its_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    packages = re.split(r"(?m)^(?=[A-Za-z0-9])", text)
    packages = [each for each in packages if re.match(r"[A-Za-z0-9._-]+(\[[^]]*\])?==", each)]
    assert len(packages) > 30
    assert all("--hash=sha256:" in each for each in packages)
    made = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert made.count("--require-hashes") == made.count("install --require") > 0

"""What is installed beside the program is what was locked, is known, and may be there; what is built is
the same whoever builds it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from making import ROOT

from supply import advisories, licences, locked, sbom

# -- the lock ----------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", locked.LOCKS, ids=lambda lock: lock.name)
def test_every_package_is_pinned_by_its_hash(lock: Path) -> None:
    packages = locked.read(lock)
    assert len({each.name for each in packages}) == len(packages) > 50
    known = {each.name for each in packages} | {locked.PROJECT}
    assert all(set(each.via) <= known and each.via for each in packages)


def test_the_lock_files_agree() -> None:
    smaller, server, tests = ({p.name: p.version for p in locked.read(lock)} for lock in locked.LOCKS)
    assert smaller.items() <= server.items() <= tests.items()


def test_npm_s_packages_are_pinned_by_their_hash() -> None:
    assert len(locked.read_npm()) > 100


@pytest.mark.parametrize(
    "line",
    [
        "flask>=3",
        "flask==3.1.3",
        "--index-url https://example.net/simple",
        "https://example.net/flask.whl",
        "-e .",
    ],
)
def test_what_is_not_pinned_is_noticed(line: str, tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "six==1.17.0 \\\n    --hash=sha256:" + "0" * 64 + "\n    # via after-hours-ivr\n" + line + "\n"
    )
    with pytest.raises(locked.NotPinned):
        locked.read(lock)


@pytest.mark.parametrize("file", ["Makefile", ".ci/run", "deploy/Containerfile"])
def test_nothing_is_installed_but_by_the_lock(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if re.search(r"\bpip\b.* install |\(PIP\) install ", line):
            assert "--require-hashes" in line or "--no-deps" in line, line
        if re.search(r"\bnpm\b +(ci|i|install)\b", line) and "command" not in line:
            assert "npm ci --ignore-scripts" in line, line


def _wheel(folder: Path, content: str) -> Path:
    """A package of one file."""
    folder.mkdir(exist_ok=True)
    wheel = folder / "harmless-1.0-py3-none-any.whl"
    about = "harmless-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("harmless.py", content)
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: harmless\nVersion: 1.0\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")
    return wheel


def _install(lock: Path, wheels: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """As the Makefile does it, from a folder instead of an index."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install"),
            *("--require-hashes", "--requirement", lock, "--no-index", "--find-links", wheels),
            *("--target", target, "--no-cache-dir"),
        ],
        env={**kept, "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
    )


def test_a_package_that_was_tampered_with_is_not_installed(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path / "index", "SAFE = True\n")
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"harmless==1.0 --hash=sha256:{sha256(wheel.read_bytes()).hexdigest()}\n")
    good = _install(lock, wheel.parent, tmp_path / "good")
    assert good.returncode == 0, good.stderr
    assert (tmp_path / "good" / "harmless.py").exists()
    _wheel(wheel.parent, "SAFE = False\n")
    bad = _install(lock, wheel.parent, tmp_path / "bad")
    assert bad.returncode != 0
    assert "DO NOT MATCH THE HASHES" in bad.stderr
    assert not (tmp_path / "bad" / "harmless.py").exists()


# -- the bill of materials -----------------------------------------------------------------------


def test_the_bill_of_materials_is_of_its_form_and_says_what_is_locked(tmp_path: Path) -> None:
    file = tmp_path / "out" / "sbom.json"
    subprocess.run([sys.executable, ROOT / "supply" / "sbom.py", file], check=True, cwd=tmp_path)
    text = file.read_text(encoding="utf-8")
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"SHA-256"', '"SHA-257"')) is not None
    found: dict[str, Any] = json.loads(text)
    assert found == sbom.bill()
    packages = locked.read(locked.SERVER)
    listed = {each["purl"]: {h["content"] for h in each["hashes"]} for each in found["components"]}
    assert listed == {f"pkg:pypi/{p.name}@{p.version}": set(p.hashes) for p in packages}
    assert all("licenses" in each for each in found["components"])
    graph = {each["ref"]: each["dependsOn"] for each in found["dependencies"]}
    top = found["metadata"]["component"]["bom-ref"]
    assert any(each.startswith("pkg:pypi/flask@") for each in graph[top])
    # Nothing stands there that nobody asks for.
    assert {each for needed in graph.values() for each in needed} | {top} == graph.keys()


def test_another_lock_is_another_bill(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(locked.SERVER.read_text(encoding="utf-8").replace("six==1.17.0", "six==1.17.1"))
    assert sbom.bill(lock)["serialNumber"] != sbom.bill()["serialNumber"]


# -- licences ------------------------------------------------------------------------------------


def test_every_licence_may_be_there() -> None:
    found = {each.name: licences.licence(each.name) for each in locked.read(locked.SERVER)}
    assert {name: what for name, what in found.items() if not licences.allowed(what)} == {}


def test_the_page_of_licences_is_in_step() -> None:
    """If this fails: `make licences`."""
    page = licences.PAPER.read_text(encoding="utf-8")
    assert licences.written(page) == page


@pytest.mark.parametrize(
    ("expression", "may"),
    [
        ("MIT", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("MIT AND (GPL-3.0-only OR ISC)", True),
        ("MIT AND (GPL-3.0-only OR AGPL-3.0-only)", False),
        ("(MIT", False),
        ("MIT ISC", False),
        ("MIT AND", False),
        ("BSD", False),
        ("says nothing", False),
        ("True", False),
        ("", False),
    ],
)
def test_which_licences_may_be_there(expression: str, may: bool) -> None:
    assert licences.allowed(expression) is may


def test_a_licence_nobody_looked_at_is_not_taken_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    about = metadata.metadata("six")
    for header in ("License", "Classifier", "License-Expression"):
        del about[header]
    monkeypatch.setattr(metadata, "metadata", lambda name: about)
    assert licences.licence("six") == "says nothing"
    about["License"] = "Proprietary"
    assert not licences.allowed(licences.licence("six"))


# -- known vulnerabilities -----------------------------------------------------------------------


def answering(found: dict[str, list[str]]) -> advisories.Ask:
    """A service that knows these, by the package's name."""

    def put(question: bytes) -> bytes:
        queries = json.loads(question)["queries"]
        names = [each["package"]["name"] for each in queries]
        vulns = [[{"id": number} for number in found.get(name, [])] for name in names]
        return json.dumps({"results": [{"vulns": each} if each else {} for each in vulns]}).encode()

    return put


def test_everything_locked_is_asked_about() -> None:
    asked: list[tuple[str, str]] = []

    def put(question: bytes) -> bytes:
        asked.extend(
            (q["package"]["ecosystem"], q["package"]["name"]) for q in json.loads(question)["queries"]
        )
        return answering({})(question)

    assert advisories.main(put) == advisories.CLEAN
    for lock in locked.LOCKS:
        assert {("PyPI", each.name) for each in locked.read(lock)} <= set(asked)
    assert {("npm", each.name) for each in locked.read_npm()} <= set(asked)


def test_a_known_vulnerability_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert advisories.main(answering({"flask": ["GHSA-1", "PYSEC-2"]})) == advisories.VULNERABLE
    assert re.search(r"VULNERABLE: flask 3\S+: GHSA-1, PYSEC-2", capsys.readouterr().err)


def test_one_that_was_looked_at_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    passed = tmp_path / "passed_over.toml"
    passed.write_text('"GHSA-1" = "we do not use it"\n')
    monkeypatch.setattr(advisories, "PASSED_OVER", passed)
    assert advisories.main(answering({"flask": ["GHSA-1"]})) == advisories.CLEAN
    assert advisories.main(answering({"flask": ["GHSA-1", "GHSA-2"]})) == advisories.VULNERABLE


@pytest.mark.parametrize(
    "answer", [OSError("no route"), b"<html>", b"{}", b'{"results": []}', b'{"results": null}', b"[]"]
)
def test_what_could_not_be_asked_is_not_good_news(answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def put(question: bytes) -> bytes:
        if isinstance(answer, OSError):
            raise answer
        return bytes(answer)

    assert advisories.main(put) == advisories.NOT_ASKED
    assert "NOT CHECKED" in capsys.readouterr().err


# -- what is built -------------------------------------------------------------------------------


def _tree(folder: Path) -> Path:
    """The files that belong to the project, without what tests and people leave beside them."""
    left = shutil.ignore_patterns(
        ".*", "__pycache__", "node_modules", "dist", "state", "config.toml", "*.db*", "*.egg-info"
    )
    shutil.copytree(ROOT, folder, ignore=left)
    shutil.copy(ROOT / ".gitignore", folder)
    return folder


def _built(tree: Path, umask: int) -> dict[str, str]:
    """The hashes of what is built of a tree, by name."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", "dist"]
    kept = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    subprocess.run(command, cwd=tree, check=True, capture_output=True, umask=umask, env=kept)
    return {file.name: sha256(file.read_bytes()).hexdigest() for file in (tree / "dist").iterdir()}


def test_whoever_builds_it_gets_the_same_bytes(tmp_path: Path) -> None:
    one = _tree(tmp_path / "one")
    other = Path(shutil.copytree(one, tmp_path / "another" / "place"))
    for count, file in enumerate(sorted(other.rglob("*"), reverse=True)):
        os.utime(file, (count, count))
    found = _built(one, 0o022)
    assert sorted(Path(name).suffix for name in found) == [".gz", ".whl"]
    assert _built(other, 0o077) == found

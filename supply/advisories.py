"""Asks whether anything that is locked is known to be vulnerable: Python's packages and npm's, in one
question to the database of open-source vulnerabilities (osv.dev), which holds the advisories of both.

Ends with 0 when it was asked and knows none, with 1 when it knows some, with 3 when it could not be asked.
pip-audit was tried and rejected: where the index does not serve advisories it passes over every package and
reports "no known vulnerabilities". What was not asked is never good news here.
"""

from __future__ import annotations

import json
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from supply.locked import LOCKS, read, read_npm  # noqa: E402 (the path comes first)

SERVICE = "https://api.osv.dev/v1/querybatch"
SECONDS = 20
# Advisories that were looked at and do not concern us: number → why.
PASSED_OVER = ROOT / "supply" / "passed_over.toml"
CLEAN, VULNERABLE, NOT_ASKED = 0, 1, 3

Ask = Callable[[bytes], bytes]


def ask(question: bytes) -> bytes:
    """Put the question to the service. Raises OSError."""
    request = urllib.request.Request(SERVICE, question, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - a constant https address
        return bytes(answer.read())


def locked() -> list[tuple[str, str, str]]:
    """Kind, name and version of all that any lock file pins."""
    found = {("PyPI", each.name, each.version) for lock in LOCKS for each in read(lock)}
    return sorted(found | {("npm", each.name, each.version) for each in read_npm()})


def known(packages: Sequence[tuple[str, str, str]], answer: bytes) -> list[str]:
    """A line for each vulnerable package. Raises ValueError if that is no answer to the question."""
    results: list[dict[str, Any]] = json.loads(answer)["results"]
    if len(results) != len(packages):
        raise ValueError(f"{len(results)} answers to {len(packages)} questions")
    passed = tomllib.loads(PASSED_OVER.read_text(encoding="utf-8"))
    lines = []
    for (_, name, version), result in zip(packages, results, strict=True):
        found = [str(each["id"]) for each in result.get("vulns", []) if each["id"] not in passed]
        if found or result.get("next_page_token"):
            lines.append(f"{name} {version}: {', '.join(found)}")
    return lines


def main(put: Ask = ask) -> int:
    packages = locked()
    queries = [
        {"package": {"ecosystem": kind, "name": name}, "version": version} for kind, name, version in packages
    ]
    try:
        lines = known(packages, put(json.dumps({"queries": queries}).encode()))
    except (OSError, urllib.error.URLError, ValueError, KeyError, TypeError) as error:
        print("NOT CHECKED for known vulnerabilities: the service could not be asked", file=sys.stderr)
        print(f"  ({len(packages)} packages; {type(error).__name__}: {error})", file=sys.stderr)
        return NOT_ASKED
    for line in lines:
        print(f"VULNERABLE: {line}", file=sys.stderr)
    print(f"{len(packages)} packages were asked about, {len(lines)} are known to be vulnerable")
    return VULNERABLE if lines else CLEAN


if __name__ == "__main__":
    sys.exit(main())

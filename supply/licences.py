"""Writes docs/licences.md: under which licence each package stands that is installed beside the program.

Run by hand: `make licences`. A test says when it is time, and fails at a licence that is not ALLOWED.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from supply.locked import SERVER, Locked, read  # noqa: E402 (the path comes first)

PAPER = ROOT / "docs" / "licences.md"
BEGIN, END = "<!-- written by supply/licences.py -->", "<!-- to here -->"

# What may stand beside a program under the MIT licence that is installed, not changed, and handed on.
# MPL and LGPL ask for the source of their own files, which everybody can have; the LGPL also that they
# can be exchanged, as any Python package can.
ALLOWED = frozenset(
    [
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "LGPL-3.0-only",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
    ]
)
# What packages say that give no expression of SPDX.
_SAYS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}
# Those that say only "BSD" or less: as their licence files have it.
_READ = {
    "itsdangerous": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "passlib": "BSD-3-Clause",
    "python-dateutil": "Apache-2.0 AND BSD-3-Clause",
    "segno": "BSD-3-Clause",
}


def licence(name: str) -> str:
    """The licence of an installed package as an expression of SPDX, or what it says of itself.

    Raises importlib.metadata.PackageNotFoundError.
    """
    about = metadata.metadata(name)
    if expression := about.get("License-Expression"):
        return str(expression)
    if name in _READ:
        return _READ[name]
    said = str(about.get("License") or "").strip()
    classified = [
        each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or [] if each.startswith("License")
    ]
    for each in (said, *classified):
        if (known := _SAYS.get(each, each)) in ALLOWED:
            return known
    return said or ", ".join(classified) or "says nothing"


def allowed(expression: str) -> bool:
    """Whether a package under this licence may be installed: each of several that hold at once, one of
    several to choose from.
    """
    words = re.findall(r"[A-Za-z0-9.+-]+|[()]", expression)
    if not words or "".join(words) != re.sub(r"\s", "", expression):
        return False
    told = [w if w in "()" else w.lower() if w in ("AND", "OR") else str(w in ALLOWED) for w in words]
    return _holds(told)


def _holds(told: list[str]) -> bool:
    """Evaluates words of True, False, and, or, ( and ). Anything malformed is False."""

    def either() -> bool:
        found = both()
        while told and told[0] == "or":
            told.pop(0)
            found = both() or found
        return found

    def both() -> bool:
        found = one()
        while told and told[0] == "and":
            told.pop(0)
            found = one() and found
        return found

    def one() -> bool:
        word = told.pop(0) if told else ""
        if word == "(":
            found = either()
            return bool(told) and told.pop(0) == ")" and found
        return word == "True"

    return either() and not told


def rows(packages: list[Locked]) -> list[str]:
    """As Markdown, a line a package. Packages that are of use on other machines only stand last."""
    lines = ["| package | version | licence |", "|---|---|---|"]
    for each in packages:
        try:
            lines.append(f"| {each.name} | {each.version} | {licence(each.name)} |")
        except metadata.PackageNotFoundError:
            lines.append(f"| {each.name} | {each.version} | not installed here |")
    return lines


def written(paper: str) -> str:
    """The page with its table as the lock file and the installed packages have it."""
    before, _, rest = paper.partition(BEGIN)
    after = rest.partition(END)[2]
    return before + BEGIN + "\n" + "\n".join(rows(read(SERVER))) + "\n" + END + after


if __name__ == "__main__":
    PAPER.write_text(written(PAPER.read_text(encoding="utf-8")), encoding="utf-8")

"""What the lock files pin: each package with its version, its hashes, and who asks for it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What is installed beside the program on a machine that serves calls; a part of it suffices with SQLite.
SERVER = ROOT / "requirements-server.lock"
LOCKS = (ROOT / "requirements.lock", SERVER, ROOT / "requirements-test.lock")
NPM_LOCKS = tuple(ROOT / "tests" / folder / "package-lock.json" for folder in ("openapi", "conformance/node"))
PROJECT = "after-hours-ivr"

_PINNED = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>\S+?)(?: ; (?P<marker>[^\\]+?))? \\")
_HASH = re.compile(r"    --hash=sha256:(?P<hash>[0-9a-f]{64})(?: \\)?")
_VIA = re.compile(r"    #(?: via)?(?: +(?P<name>[a-z0-9][a-z0-9._-]*))?(?: \(.*\))?")


class NotPinned(Exception):
    """A line of a lock file that pins nothing by its hash."""


@dataclass(frozen=True)
class Locked:
    """`hashes` are SHA-256, of each file that may be installed. `marker` says on which machines, if not on
    all. `via` names the packages that ask for it.
    """

    name: str
    version: str
    marker: str | None
    hashes: tuple[str, ...]
    via: tuple[str, ...]


def read(lock: Path) -> list[Locked]:
    """In the order of the file. Raises NotPinned for a line that is none of a pin, a hash, a reason."""
    found: list[tuple[re.Match[str], list[str], list[str]]] = []
    for number, line in enumerate(lock.read_text(encoding="utf-8").splitlines(), start=1):
        if pinned := _PINNED.fullmatch(line):
            found.append((pinned, [], []))
        elif found and (hashed := _HASH.fullmatch(line)):
            found[-1][1].append(hashed["hash"])
        elif found and (via := _VIA.fullmatch(line)):
            found[-1][2].extend([via["name"]] if via["name"] else [])
        else:
            raise NotPinned(f"{lock.name}, line {number}: {line}")
    for pinned, hashes, _ in found:
        if not hashes:
            raise NotPinned(f"{lock.name}: {pinned['name']} has no hash")
    return [
        Locked(each["name"], each["version"], each["marker"], tuple(hashes), tuple(via))
        for each, hashes, via in found
    ]


def read_npm(locks: Sequence[Path] = NPM_LOCKS) -> list[Locked]:
    """The packages of npm's lock files. Raises NotPinned for one without an integrity."""
    found = []
    for lock in locks:
        for place, each in json.loads(lock.read_text(encoding="utf-8"))["packages"].items():
            if not place:
                continue  # the folder itself
            name = place.rpartition("node_modules/")[2]
            if not each.get("integrity", "").startswith("sha512-"):
                raise NotPinned(f"{lock.name}: {name} has no integrity")
            found.append(Locked(name, each["version"], None, (each["integrity"],), ()))
    return found

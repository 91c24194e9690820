"""A signed file with what a node needs to serve without the database. What stands in it is not known here.

Whoever can write the file could let himself in, so nothing in it is used before its signature has been
checked; how old it may be is for the reader to say. It is replaced as a whole: a reader sees the old one or
the new one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from storage.whole_file import whole_file

FILE = "snapshot"
_LABEL = b"after-hours ivr: snapshot 1\n"
_LONGEST_HEAD = 200


class SnapshotRefused(Exception):
    """There is none, or it is damaged or not ours; `why` is "missing", "damaged" or "unsigned"."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the snapshot is {why}")
        self.why = why


@dataclass(frozen=True)
class Snapshot:
    """`content` as it stood at the instant `at`."""

    at: datetime
    content: bytes


def write(path: Path, key: bytes, at: datetime, content: bytes) -> None:
    """Replace the snapshot at `path`, readable by its owner alone. Raises OSError; the old one then stays."""
    head = json.dumps({"at": at.isoformat(), "bytes": len(content)}).encode() + b"\n"
    mac = hmac.new(key, _LABEL + head + content, hashlib.sha256).hexdigest().encode() + b"\n"
    with whole_file(path) as file:
        file.write(head + mac + content)


def read(path: Path, key: bytes) -> Snapshot:
    """The snapshot at `path`. Raises SnapshotRefused."""
    try:
        raw = path.read_bytes()
    except OSError:
        raise SnapshotRefused("missing") from None
    head, _, rest = raw[: _LONGEST_HEAD * 2].partition(b"\n")
    mac, _, _ = rest.partition(b"\n")
    content = raw[len(head) + len(mac) + 2 :]
    wanted = hmac.new(key, _LABEL + head + b"\n" + content, hashlib.sha256).hexdigest().encode()
    try:
        said = json.loads(head)
        at, length = datetime.fromisoformat(said["at"]), said["bytes"]
    except (ValueError, KeyError, TypeError):
        raise SnapshotRefused("damaged") from None
    if length != len(content):
        raise SnapshotRefused("damaged")
    if not hmac.compare_digest(mac, wanted):
        raise SnapshotRefused("unsigned")
    return Snapshot(at, content)


def written_at(path: Path) -> datetime | None:
    """When the snapshot at `path` says that it was written; its signature is not checked. None if there is
    none that can be read.
    """
    try:
        with path.open("rb") as file:
            return datetime.fromisoformat(json.loads(file.readline(_LONGEST_HEAD))["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None

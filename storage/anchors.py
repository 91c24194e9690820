"""Anchors of the audit log: signed notes of its newest row, in a file outside the database.

The chain shows that rows were edited, removed or moved; that the newest are gone, or that the whole was
computed anew, only somebody who remembers can show. An anchor is written whenever the newest row is
another one: a line for each change, some 220 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from storage.audit import BEGINNING, Head
from storage.signed_log import Misfit, SignedLog

FILE = "audit-anchors.jsonl"
_LABEL = "anchors of the audit"


@dataclass(frozen=True)
class Anchors:
    """What the file remembers: rows, the row before the oldest that is kept, and what is wrong with it;
    and the rows that restored backups took away.
    """

    heads: list[Head]
    beginning: Head
    faults: list[Misfit]
    torn: int
    lost: list[Lost] = field(default_factory=list)


@dataclass(frozen=True)
class Lost:
    """At `at` a backup was restored that ended with row `after`: what had come after it, up to the anchored
    row `upto` at least, is gone.
    """

    at: datetime
    after: int
    upto: int


def anchors_in(folder: Path, key: bytes) -> SignedLog:
    """The anchors kept in `folder`, signed with `key`."""
    return SignedLog(folder / FILE, key, _LABEL)


def last(log: SignedLog) -> Head | None:
    """The row anchored last; its signature is not checked. None if there is none."""
    entry = log.last()
    return None if entry is None or entry.get("purged") else _head(entry)


def add(log: SignedLog, at: datetime, head: Head) -> bool:
    """Anchor `head`, which is committed; False if a later row has been anchored meanwhile.

    Raises LogBusy or OSError.
    """
    with log.appending() as file:
        known = last(log)
        if known is not None and known.id >= head.id:
            return False
        file.append({"at": at.isoformat(), "id": head.id, "chain": head.chain.hex()})
        return True


def begin_after(log: SignedLog, at: datetime, head: Head) -> None:
    """Vouch that `head` and all before it are purged. Write this before the rows are deleted."""
    with log.appending() as file:
        file.append({"at": at.isoformat(), "id": head.id, "chain": head.chain.hex(), "purged": True})


def begin_again(log: SignedLog, at: datetime, head: Head, first: int) -> None:
    """Vouch that a backup is restored whose rows are `first` to `head`: later ones are gone, and others will
    have their numbers. Write this before the restore is committed.
    """
    known = {"at": at.isoformat(), "id": head.id, "chain": head.chain.hex()}
    with log.appending() as file:
        file.append({**known, "first": first, "restored": True})


def read(log: SignedLog) -> Anchors:
    """Everything the file remembers, its signatures checked."""
    contents = log.read()
    heads: list[Head] = []
    beginning = Head(0, BEGINNING)
    faults = list(contents.faults)
    lost: list[Lost] = []
    beginnings = {0: beginning}
    for entry in contents.entries:
        head = _head(entry)
        if head is not None and entry.get("purged"):
            beginning = beginnings[head.id] = head
        elif head is not None and entry.get("restored"):
            if heads and heads[-1].id > head.id:
                lost.append(Lost(datetime.fromisoformat(entry["at"]), head.id, heads[-1].id))
            # What it remembers of the rows that the backup has still counts.
            heads = [each for each in heads if each.id <= head.id]
            heads += [head] if head.id and head not in heads else []
            # Rows that were purged after the backup are back.
            beginning = beginnings.get(int(entry["first"]) - 1, beginning)
        elif head is not None:
            heads.append(head)
    return Anchors(heads, beginning, faults, contents.torn, lost)


def _head(entry: dict[str, Any]) -> Head | None:
    try:
        return Head(int(entry["id"]), bytes.fromhex(entry["chain"]))
    except (KeyError, TypeError, ValueError):
        return None

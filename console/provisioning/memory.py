"""What stood at Twilio before we changed it, kept in the database until it is put back.

An address that somebody else had set may hold a password or a key of his; it is kept as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from console.provisioning.plan import Change, shown
from storage import notebook
from webhooks.rest.account import HostedNumber

NOTE = "provisioned"
# The note of whoever publishes the stand-in document, and where in it the address stands.
STAND_IN, ADDRESS = "stand-in", "fallback_address"
WHY = "as it was before"


@dataclass(frozen=True)
class Restoring:
    """`changes` puts everything back; `foreign` says what somebody else has set since, a line each; `gone`
    are sids of numbers that the account no longer has.
    """

    changes: list[Change]
    foreign: list[str]
    remembered: list[str]
    gone: list[str]


def fallback_address(connection: Connection) -> str | None:
    """Where Twilio serves the stand-in document; None if it is not published."""
    note = notebook.read(connection, STAND_IN)
    address = note.content.get(ADDRESS) if note else None
    return str(address) if address else None


def remember(connection: Connection, at: datetime, account: str, changes: Sequence[Change]) -> None:
    """Before these are made: what stands there now, unless what stood there before our first change is known
    already; and what will.
    """
    numbers = _numbers(connection)
    for change in changes:
        number = numbers.setdefault(
            change.sid, {"account": account, "number": change.number, "addresses": {}}
        )
        kept = number["addresses"].setdefault(change.attribute, {"before": change.before, "ours": []})
        # All that we ever wrote: a change that failed half-way leaves an earlier one.
        kept["ours"] = [*(each for each in kept["ours"] if each != change.after), change.after]
    _write(connection, at, numbers)


def forget(connection: Connection, at: datetime, sids: Sequence[str]) -> None:
    """These numbers are as they were, or gone."""
    _write(connection, at, {k: v for k, v in _numbers(connection).items() if k not in sids})


def restoring(
    connection: Connection, account: str, hosted: Sequence[HostedNumber], only: Sequence[str] = ()
) -> Restoring:
    """What puts the numbers of this account back as they were before our first change. `only` names some."""
    found = {each.sid: each for each in hosted}
    made = Restoring([], [], [], [])
    for sid, entry in _numbers(connection).items():
        if entry["account"] != account or (only and entry["number"] not in only):
            continue
        made.remembered.append(sid)
        if sid not in found:
            made.gone.append(sid)
            continue
        for attribute, kept in entry["addresses"].items():
            now = found[sid].addresses[attribute]
            if now == kept["before"]:
                continue
            if now not in kept["ours"]:
                made.foreign.append(f"{entry['number']}: {attribute} is now {shown(now) or 'empty'}")
            made.changes.append(Change(entry["number"], sid, attribute, now, kept["before"], WHY))
    return made


def _numbers(connection: Connection) -> dict[str, dict[str, Any]]:
    note = notebook.read(connection, NOTE)
    return dict(note.content["numbers"]) if note else {}


def _write(connection: Connection, at: datetime, numbers: dict[str, dict[str, Any]]) -> None:
    if numbers:
        notebook.write(connection, at, NOTE, {"numbers": numbers})
    else:
        notebook.remove(connection, NOTE)

"""What happened to a case beside its calls and attempts: written where it happens, read by people."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, insert, select

from oncall.tables import case_log

Act = Literal[
    "taken",
    "passed",
    "reclassified",
    "note",
    "reminded",
    "breached",
    "resumed",
    "merged",
    "named",
    "closed",
    "reopened",
    "called",
]
LONGEST_TEXT = 2000
LONGEST_ACTOR = 120


@dataclass(frozen=True)
class Entry:
    """One entry; `text` is in the words of whoever acted, `details` are for programs."""

    at: datetime
    actor: str
    act: str
    text: str
    details: dict[str, Any] = field(default_factory=dict)


_WRITE = insert(case_log)
_OF = select(case_log).where(case_log.c.case_id == bindparam("case")).order_by(case_log.c.id)


def write(
    connection: Connection,
    at: datetime,
    case_id: int,
    actor: str,
    act: Act,
    text: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write one entry. `details` is what JSON can hold."""
    connection.execute(
        _WRITE,
        {
            "case_id": case_id,
            "at": at,
            "actor": actor[:LONGEST_ACTOR],
            "act": act,
            "text": text,
            "details": dict(details or {}),
        },
    )


def of(connection: Connection, case_id: int) -> list[Entry]:
    """A case's entries, in the order in which they were written."""
    return [
        Entry(row.at, row.actor, row.act, row.text, row.details)
        for row in connection.execute(_OF, {"case": case_id})
    ]


def tidy(text: str) -> str:
    """What somebody wrote, without blanks at its ends and without what no database or page takes."""
    shown = (c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs", "Cf"))
    return "".join(shown).strip()

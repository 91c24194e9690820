"""Who did what, when and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from storage.tables import audit

_RECORD = insert(audit)


def record(
    connection: Connection,
    actor: str,
    at: datetime,
    act: str,
    subject: str,
    *,
    reason: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write one act beside its effect, in the same transaction.

    `act` is a verb with its object ("pin.issue"), `subject` what it was done to ("customer:ACME").
    Never give it a PIN.
    """
    connection.execute(
        _RECORD,
        {
            "at": at,
            "actor": actor,
            "act": act,
            "subject": subject,
            "reason": reason,
            "details": dict(details or {}),
        },
    )

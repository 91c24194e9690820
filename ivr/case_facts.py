"""What a notice about a case says of it: who called from where, how urgent, by when."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from ivr import journal
from oncall.cases.cases import Case
from pins import customers


def facts(connection: Connection, case: Case) -> dict[str, Any]:
    """As JSON: `customer` (None for a caller without a verified PIN), `caller`, `urgency`, `code`, `due`."""
    try:
        caller = journal.call(connection, case.call_sid).caller
    except journal.UnknownCall:  # purged
        caller = ""
    return {
        "case": case.number,
        "code": case.code,
        "customer": customers.name_of(connection, case.customer_id) if case.customer_id else None,
        "caller": caller,
        "urgency": case.final_urgency or case.urgency,
        "due": case.due_at.isoformat() if case.due_at else None,
    }

"""Everything that is held about one customer, for himself to read: the same that an erasure removes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from console import erasure
from console.erasure import Belongings
from console.house import House
from ivr import caller_list, journal, placed
from ivr.erasure import recordings_of
from oncall import erasure as his_cases
from oncall.notices.notices import Notice
from pins import registry
from pins.customer_card import fields_of
from storage.tables import audit, audit_details

# Keys of a letter under way are as good as the letter.
_WITHHELD = ("key",)


def of_customer(house: House, connection: Connection, code: str) -> dict[str, Any]:
    """What is held about the customer, fit for JSON. PINs stand in it without digits or digests.

    Raises UnknownCustomer.
    """
    his = erasure.belongings(house, connection, code)
    customer = his.customer
    card = fields_of(customer)
    sites = [{"name": site.name, "address": site.address} for site in customer.sites]
    recorded = [_record(row) for row in recordings_of(connection, his.calls)]
    sids = [str(row["recording_sid"]) for row in recorded]
    return {
        "customer": {"id": customer.id, **card, "phones": list(customer.phones), "sites": sites},
        "pins": [_pin(pin) for pin in registry.all_pins(connection, code)],
        "calls": [_call(connection, sid) for sid in his.calls],
        "recordings": recorded,
        "caller_list": [_record(rule.__dict__) for rule in caller_list.of_numbers(connection, his.numbers)],
        "cases": [_record(case.__dict__) for case in his_cases.cases_of(connection, customer.id)],
        "case_log": [
            {"case": number} | _record(entry.__dict__)
            for number, entry in his_cases.log_of(connection, customer.id)
        ],
        "notices": [_notice(notice) for notice in his_cases.notices_about(connection, his.abouts)],
        "calls_placed": [_placed(connection, placed_id) for placed_id in his.placed],
        "due_work": [_work(row) for row in erasure.work_of(connection, his, sids)],
        "audit": _acts(connection, his),
    }


def _pin(pin: registry.PinRecord) -> dict[str, Any]:
    return _record(pin.__dict__)


def _call(connection: Connection, sid: str) -> dict[str, Any]:
    turns = [_record(turn.__dict__) for turn in journal.turns_of(connection, sid)]
    return _record(journal.call(connection, sid).__dict__) | {"turns": turns}


def _notice(notice: Notice) -> dict[str, Any]:
    return _record(
        {
            "kind": notice.kind,
            "about": notice.about,
            "facts": notice.facts,
            "created": notice.created_at,
            "outcome": notice.outcome,
        }
    )


def _placed(connection: Connection, placed_id: int) -> dict[str, Any]:
    """A call that we placed to a technician about him: what was said."""
    call = placed.find(connection, placed_id)
    assert call is not None
    turns = [_record(turn.__dict__) for turn in placed.turns_of(connection, placed_id)]
    return _record(
        {"purpose": call.call.purpose, "text": call.call.text, "at": call.asked_at, "turns": turns}
    )


def _work(row: Row[Any]) -> dict[str, Any]:
    told = {key: value for key, value in row.payload.items() if key not in _WITHHELD}
    return _record(
        {
            "kind": row.kind,
            "about": row.key,
            "details": told,
            "created": row.created_at,
            "due": row.due_at,
            "state": row.state,
        }
    )


def _acts(connection: Connection, his: Belongings) -> list[dict[str, Any]]:
    query = (
        select(audit, audit_details.c.details)
        .join(audit_details, audit_details.c.audit_id == audit.c.id)
        .where(erasure.acts_on(his))
        .order_by(audit.c.id)
    )
    return [
        _record(
            {
                "at": row.at,
                "actor": row.actor,
                "act": row.act,
                "subject": row.subject,
                "details": json.loads(row.details) if row.details else None,
            }
        )
        for row in connection.execute(query)
    ]


def _record(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields.items()
    }

"""A ticket in words: its heading, which stays the same, and what is said of an event."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from importlib import resources
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

from console.tickets.payload import Ticket
from pins.customers import clean

_WIDTH = 76
# The longest heading; what no line of a header can be is never reached.
_LONGEST_SUBJECT = 150


@cache
def catalogue(language: str) -> dict[str, Any]:
    """The texts of a language."""
    file = resources.files("console") / "tickets" / "texts" / f"{language}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def heading(
    language: str,
    zone: ZoneInfo,
    *,
    company: str,
    about: str,
    first_urgency: str | None = None,
    customer: str | None = None,
    caller: str | None = None,
    began: datetime | None = None,
) -> str:
    """The heading of a ticket: of the case `about`, of a message's call that `began` then, else of a test."""
    texts = catalogue(language)["subject"]
    values = {"company": company, "case": about}
    if began is None:
        name = "test"
    elif about:
        name = "case" if customer is not None else "unverified"
        values |= {"urgency": first_urgency or "", "customer": customer or ""}
    else:
        name = "call" if caller else "call-withheld"
        local = began.astimezone(zone)
        values |= {"caller": caller or "", "date": f"{local:%Y-%m-%d}", "time": f"{local:%H:%M}"}
    shown = texts[name].format(**{key: clean(value) for key, value in values.items()})
    return " ".join(shown.split())[:_LONGEST_SUBJECT]


def written(language: str, zone: ZoneInfo, ticket: Ticket, *, attached: bool = False) -> str:
    """What is said of an event: what happened, then who, how urgent, by when. `attached`: it comes with
    the recording.
    """
    texts = catalogue(language)
    case, happened, message = ticket.case, ticket.happened, ticket.message
    values = {
        "case": case.number if case else None,
        "customer": ticket.customer.name if ticket.customer else None,
        "by": happened.by or ticket.service,
        "technician": happened.technician.name if happened.technician else None,
        "before": happened.urgency_before,
        "after": happened.urgency_after,
        "other": happened.other_case,
        "minutes": str(case.minutes) if case and case.minutes is not None else None,
        "seconds": str(message.seconds) if message else None,
        "recording": message.link if message else None,
        "text": happened.text,
    }
    lines = [_filled(each, values) for each in _said(texts["happened"], ticket, attached)]
    parts = ["\n".join(line for line in lines if line)]
    if ticket.type != "test":
        parts.append("\n".join(_facts(texts, zone, ticket)))
    parts.append(texts["frame"]["sent-by"].format(company=clean(ticket.service)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _said(texts: dict[str, list[str]], ticket: Ticket, attached: bool) -> list[str]:
    """Which sentences fit what happened; of some only the first that fits is said."""
    lines, happened = texts[ticket.type.replace(".", "-")], ticket.happened
    match ticket.type:
        case "case.taken":
            by_himself = happened.by is None or (
                happened.technician is not None and happened.by == happened.technician.name
            )
            return [lines[0]] + ([] if by_himself else [lines[1]]) + ([lines[2]] * (happened.via == "text"))
        case "case.connected":
            return [lines[0] if happened.technician else lines[1]]
        case "case.reclassified":
            return [lines[0] if happened.urgency_before else lines[1], lines[2]]
        case "case.merged":
            goes_on = ticket.case is None or ticket.case.merged_into != happened.other_case
            return [lines[1] if goes_on else lines[0]]
        case "message.left":
            return [lines[0], lines[1]] if attached else [lines[0], lines[2]]
        case _:
            return lines


def _filled(line: str, values: dict[str, str | None]) -> str:
    """The line with its values; empty if one is missing. What people wrote keeps its own lines."""
    wanted = [name for _, name, _, _ in Formatter().parse(line) if name]
    if any(values[name] in (None, "") for name in wanted):
        return ""
    if line == "{text}":
        written_by_people = str(values["text"]).splitlines()
        return "\n".join(
            textwrap.fill(clean(each), _WIDTH, initial_indent="  ", subsequent_indent="  ")
            for each in written_by_people
        )
    return line.format(**{name: clean(str(values[name])) for name in wanted})


def _facts(texts: dict[str, Any], zone: ZoneInfo, ticket: Ticket) -> Iterator[str]:
    names, case, customer, number = texts["facts"], ticket.case, ticket.customer, ticket.number
    told: dict[str, str | None] = {
        "customer": f"{customer.name} ({customer.code})" if customer else names["unverified"],
        "caller": ticket.caller or names["withheld"],
        "call-back": ticket.call_back_to,
        "number": f"{number.name}, {number.number}" if number else None,
    }
    if case is not None:
        urgency = case.urgency
        if case.first_urgency and urgency != case.first_urgency:
            urgency = f"{urgency} ({case.first_urgency})"
        values = {"name": case.taken_by.name if case.taken_by else "", "other": case.merged_into or ""}
        told |= {
            "urgency": urgency,
            "code": case.code,
            "opened": _local(case.opened_at, zone),
            "due": _local(case.due_at, zone),
            "state": texts["state"][case.state].format(**values),
            "link": case.link,
        }
    width = max(len(names[name]) for name, value in told.items() if value) + 2
    for name, value in told.items():
        if value:
            yield f"{names[name] + ':':<{width}}{clean(value)}"


def _local(at: datetime | None, zone: ZoneInfo) -> str | None:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else None

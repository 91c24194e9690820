"""A payload in every text that somebody typed or sent: pages show it as text, files as no formula."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from crawling import furnish, may
from screens import Tour
from sqlalchemy import JSON, Connection, String, Table, update
from visitors import Console

from storage.tables import metadata

for package in ("ivr", "oncall", "pins", "console", "storage"):
    import_module(f"{package}.tables")

PAYLOAD = """<script>alert(1)</script><img src=x onerror="document.title='owned'">"'{{7*7}}&amp;</textarea>"""
FORMULA = """=HYPERLINK("https://evil.example";"x")"""
# By table, what people typed or what came from outside.
FREE = {
    "audit": "actor subject",
    "audit_details": "details",
    "absences": "created_by",
    "api_tokens": "created_by",
    "caller_rules": "reason created_by",
    "calls": "caller",
    "case_log": "actor text details",
    "cases": "call_back_to closed_by outcome",
    "console_jobs": "actor",
    "console_sessions": "address agent",
    "console_users": "full_name",
    "customer_sites": "name address",
    "customers": "name spoken_name address email notes",
    "feeds": "created_by",
    "messages": "heard_by",
    "notice_sends": "address why",
    "own_prompts": "recorded_by",
    "pin_batches": "actor",
    "pins": "label issued_by reason revoked_by revoke_reason",
    "rota_overrides": "created_by because",
    "rota_versions": "applied_by",
    "swaps": "decided_by",
    "technicians": "name spoken_name email",
}
# Keys, kinds and states that the program wrote, what is sealed or hashed, numbers that were checked.
OURS = {
    "absences": "technician kind source",
    # Answers are never shown again to people: a program gets its own once more, within a day.
    "api_answers": "key request answer",
    "api_tokens": "name digest scopes",
    "attempts": "call_sid technician phone pressed result",
    "audit": "act",
    "caller_rules": "pattern kind",
    "calls": "sid number outcome urgency step state",
    "case_calls": "call_sid",
    "case_links": "technician",
    "case_log": "act",
    "cases": "number code call_sid rota urgency final_urgency taken_by taken_via merged_into",
    "console_forms": "token",
    "console_jobs": "kind input place state runner result",
    "console_links": "digest purpose",
    "console_recovery_codes": "digest",
    "console_sessions": "digest",
    "console_users": "name role technician language password totp oidc_subject",
    "customer_phones": "phone",
    "customers": "code language coverage found_by",
    "due_work": "kind key payload lease state ended_by",
    "feeds": "rota technician",
    "key_holders": "node",
    "key_marks": "kind mark",
    "leg_turns": "sid heard answer",
    "legs": "sid call_sid state",
    "messages": "recording_sid call_sid url status kind file",
    "notice_sends": "channel state sid",
    "notices": "key kind recipient about facts outcome",
    "notebook": "name content",
    "outgoing": "purpose technician phone number sid status state",
    "outgoing_turns": "heard answer",
    "own_prompts": "number language line text digest",
    "passes": "rota ladder",
    "pin_batches": "id",
    "pin_tries": "number lane",
    "rota_overrides": "rota technician",
    "rota_versions": "rota document",
    "rota_watch": "rota",
    "shift_checks": "rota technician",
    "stranger_calls": "call_sid",
    "swaps": "rota proposer counterpart state",
    "technicians": "key phone other_phones language services",
    "texts_in": "sid technician act answer",
    "ticket_deliveries": "channel why outcome",
    "ticket_events": "source kind name",
    "tickets": "subject",
    "turns": "sid step heard answer",
    "wake_ups": "call_sid",
}


def texts(table: Table) -> set[str]:
    return {column.name for column in table.columns if isinstance(column.type, String | JSON)}


def test_every_column_of_text_is_known() -> None:
    """Whoever adds one says whose words stand in it."""
    unknown = {}
    for table in metadata.sorted_tables:
        known = {*FREE.get(table.name, "").split(), *OURS.get(table.name, "").split()}
        if new := texts(table) ^ known:
            unknown[table.name] = new
    assert unknown == {}, "add them to FREE or OURS in tests/pages/test_payloads.py, or take them out"


def fill(connection: Connection, payload: str) -> None:
    """Put the payload into everything free, as much of it as there is room for."""
    for name, columns in FREE.items():
        table = metadata.tables[name]
        for column in columns.split():
            values: Any = payload[: getattr(table.c[column].type, "length", None) or 500]
            if column == "details":
                _fill_details(connection, table, payload)
                continue
            connection.execute(update(table).where(table.c[column].is_not(None)).values({column: values}))


def _fill_details(connection: Connection, table: Table, payload: str) -> None:
    """Details are JSON: what they hold of names is replaced, their keys are ours."""
    (key,) = table.primary_key.columns
    for row in connection.execute(table.select()).all():
        kept = row.details
        if not kept:
            continue
        read = json.loads(kept) if isinstance(kept, str) else kept
        filled = {name: payload if isinstance(value, str) else value for name, value in read.items()}
        written = json.dumps(filled) if isinstance(kept, str) else filled
        connection.execute(update(table).where(key == row[0]).values(details=written))


@pytest.fixture(scope="module")
def hostile(tour: Tour) -> Tour:
    """The tour's house, whose people have typed the payload everywhere."""
    for role in ("admin", "technician"):
        tour.screen.console.visitor(role)
    with tour.screen.console.house.database.write() as connection:
        fill(connection, PAYLOAD)
    return tour


INJECTED = """() => [
  ...document.querySelectorAll('img[src="x"], [onerror], script:not([src])')].map((each) => each.outerHTML)"""


@pytest.mark.parametrize("role", ["admin", "technician"])
def test_it_is_text_wherever_it_is_shown(hostile: Tour, role: str) -> None:
    screen = hostile.screen
    page = screen.open("/account", role)
    page.on("dialog", lambda dialog: dialogs.append(dialog.message) or dialog.dismiss())  # type: ignore[func-returns-value]
    dialogs: list[str] = []
    wrong, shown = [], 0
    for name, path in hostile.pages.items():
        if not may(name, role):
            continue
        answer = page.goto(screen.address + path)
        if answer is None or answer.status >= 400:
            wrong.append(f"{name} fails")
            continue
        if injected := page.evaluate(INJECTED):
            wrong.append(f"{name}: {injected[:2]}")
        if "owned" in page.title() and "<script>" not in page.title():
            wrong.append(f"{name}: its title was changed")
        if "49" in re.findall(r"\"'(\d+)&", page.content()):
            wrong.append(f"{name}: a template in a template")
        shown += "<script>alert(1)" in page.locator("body").inner_text()
    page.context.close()
    screen.contexts.clear()
    assert wrong == []
    assert dialogs == []
    assert screen.wrong == [], "a refusal of the Content Security Policy is written to the console"
    assert shown >= (8 if role == "admin" else 1), "it is shown hardly anywhere: is it still put everywhere?"


def sheets(console: Console) -> Iterator[tuple[str, str]]:
    """Every file in CSV that a page is or leads to."""
    visitor = console.visitor("admin")
    seen: set[str] = set()
    todo = list(furnish(console).values())
    with console.house.database.write() as connection:
        fill(connection, FORMULA)
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = visitor.get(path)
        if answer.mimetype == "text/csv":
            yield path, answer.get_data().decode("utf-8-sig")
        elif answer.mimetype == "text/html":
            links = map(
                html.unescape, re.findall(r'href="(/[^"]*(?:csv|export)[^"]*)"', answer.get_data(True))
            )
            todo += [link for link in links if link not in seen]


def test_no_file_holds_a_formula(console: Console) -> None:
    """A spreadsheet runs what begins with one of these, unless an apostrophe stands before it."""
    found = []
    for path, text in sheets(console):
        first = text.splitlines()[0] if text else ""
        separator = max(",;\t", key=first.count)
        for row in csv.reader(io.StringIO(text), delimiter=separator):
            for cell in row:
                if (
                    cell[:1] in "=+-@\t\r＝＋－＠"
                    and cell
                    and not re.fullmatch(r"[+-]?[0-9 .,:+()/-]+", cell)
                ):
                    found.append((path, cell))
    assert found == []

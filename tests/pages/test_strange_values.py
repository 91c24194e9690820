"""Strange values in every place of every address and every field that a page knows: an answer, never a fault
of ours. On both databases, which do not take the same.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from crawling import HERE, Door, doors, furnish, may, token
from making import configuration, opened_at
from visitors import Clock, Console, Visitor, console_in

from console.house import House

STRANGE = {
    "NUL": "\0",
    "a number without end": "9" * 30,
    "less than nothing": "-1",
    "digits of other scripts": "²٣",
    "far too long": "x" * 3000,
    "an instant that is none": "2026-02-30T25:61:00+99:99",
    "the last year there is": "9999-12-31T23:59:59+00:00",
    "the first year there is": "0001-01-01",
    "a payload": """'"><script>alert(1)</script>{{7*7}}%s%n\\""",
}


@pytest.fixture
def both(tmp_path: Path, database_url: str) -> Iterator[Console]:
    with opened_at(database_url) as database:
        yield console_in(tmp_path, House(configuration(tmp_path), database), Clock())


def names(page: str) -> set[str]:
    """Of what the page asks for in addresses and forms."""
    return {
        name
        for name in re.findall(r"""[?&]([a-z_-]+)=|name="([a-z_-]+)\"""", html.unescape(page))
        for name in name
        if name and name not in ("form-token", "v", "viewport", "color-scheme", "htmx-config")
    }


def test_no_value_is_a_fault_of_ours(both: Console) -> None:
    pages = furnish(both)
    visitors = {role: both.visitor(role) for role in ("admin", "technician")}
    known: set[str] = set()
    wrong: list[tuple[str, str, int]] = []
    for door in doors(both, post=False):
        role = "admin" if may(door.endpoint, "admin") else "technician"
        path = pages.get(door.endpoint, door.nowhere)
        asked = names(visitors[role].get(path).get_data(as_text=True))
        known |= asked
        for kind, value in STRANGE.items():
            given = dict.fromkeys(asked, value)
            for where in {path.partition("?")[0], _placed(door, value)} - {""}:
                answer = visitors[role].client.get(where, query_string=given, base_url=HERE, buffered=True)
                if answer.status_code >= 500:
                    wrong.append((door.endpoint, kind, answer.status_code))
    for door in doors(both, post=True):
        role = "admin" if may(door.endpoint, "admin") else "technician"
        for kind, value in STRANGE.items():
            wrong += _sent(both.visitor(role), door, known, kind, value)
    assert sorted(set(wrong)) == []


def _sent(
    visitor: Visitor, door: Door, known: set[str], kind: str, value: str
) -> Iterator[tuple[str, str, int]]:
    data = dict.fromkeys(known, value) | {"form-token": token(visitor), "once": "x" * 24}
    for path in (door.nowhere, _placed(door, value)):
        if path:
            answer = visitor.client.post(path, data=data, base_url=HERE, buffered=True)
            if answer.status_code >= 500:
                yield door.endpoint, kind, answer.status_code


def _placed(door: Door, value: str) -> str:
    """The address with the value in its places; empty if it has none, or the value makes another of it."""
    if "<" not in door.rule or not value or "/" in value:
        return ""
    return re.sub(r"<(?:[^:<>]+:)?[^<>]+>", lambda _: value.replace("%", "%25"), door.rule)

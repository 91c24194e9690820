"""Forms that another site sends, or with another's token: refused at every door, and nothing changes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from crawling import HERE, Door, doors, furnish, token
from visitors import Console, Visitor
from werkzeug.test import TestResponse

import console.house  # noqa: F401 (the tables of every package)
from storage.tables import metadata

Forged = Callable[[Console, Visitor, str], TestResponse]


def content(console: Console) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with console.house.database.read() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(table.select())), key=repr)
            for table in metadata.sorted_tables
        }


def send(visitor: Visitor, path: str, given: str | None, **headers: str) -> TestResponse:
    data = {"once": "x" * 24} | ({} if given is None else {"form-token": given})
    return visitor.client.post(
        path, data=data, base_url=HERE, headers={name.replace("_", "-"): v for name, v in headers.items()}
    )


FORGED: dict[str, Forged] = {
    "no token": lambda console, visitor, path: send(visitor, path, None),
    "an empty token": lambda console, visitor, path: send(visitor, path, ""),
    "a token of other letters": lambda console, visitor, path: send(visitor, path, "é²"),
    "a stranger's token": lambda console, visitor, path: send(visitor, path, token(console.visitor(None))),
    "another session's token": lambda console, visitor, path: send(
        visitor, path, token(console.visitor("dispatcher"))
    ),
    "another site": lambda console, visitor, path: send(
        visitor, path, token(visitor), Origin="https://evil.example"
    ),
    "the same host by another scheme": lambda console, visitor, path: send(
        visitor, path, token(visitor), Origin="https://localhost:8081"
    ),
    "another port of this host": lambda console, visitor, path: send(
        visitor, path, token(visitor), Origin="http://localhost:8082"
    ),
    "a page without an origin": lambda console, visitor, path: send(
        visitor, path, token(visitor), Origin="null"
    ),
    "what the browser calls another site": lambda console, visitor, path: send(
        visitor, path, token(visitor), Sec_Fetch_Site="cross-site"
    ),
    "what the browser calls a neighbour": lambda console, visitor, path: send(
        visitor, path, token(visitor), Sec_Fetch_Site="same-site"
    ),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_form_is_refused_at_every_door(console: Console, forge: Forged) -> None:
    visitor = console.visitor("admin")
    forge(console, visitor, "/logout")  # whatever sessions it needs are there from now on
    before = content(console)
    del before["console_sessions"]
    taken = [
        door.rule
        for door in doors(console, post=True)
        if forge(console, visitor, door.nowhere).status_code != 403
    ]
    after = content(console)
    del after["console_sessions"]
    assert taken == []
    assert [name for name in before if before[name] != after[name]] == []
    assert visitor.get("/account").status_code == 200


@pytest.mark.parametrize("forge", ["no token", "another site", "what the browser calls another site"])
def test_a_stranger_s_forged_form_is_refused_too(console: Console, forge: str) -> None:
    visitor = console.visitor(None)
    visitor.get("/login")
    for door in doors(console, post=True):
        assert FORGED[forge](console, visitor, door.nowhere).status_code == 403, door.rule


def test_a_form_in_its_place_is_taken(console: Console) -> None:
    """What the tests above change is all that keeps them out."""
    visitor = console.visitor("admin")
    taken = send(visitor, "/account/language", token(visitor), Origin=HERE, Sec_Fetch_Site="same-origin")
    assert taken.status_code == 303


def test_a_link_changes_nothing(console: Console) -> None:
    """Every page is looked at by somebody who may; not even his being seen is noted within the minute."""
    visitor = console.visitor("admin")
    looked_at = [door.nowhere for door in doors(console, post=False) if door.endpoint != "login.enter"]
    looked_at += furnish(console).values()
    before = content(console)
    for path in looked_at:
        visitor.get(path)
        visitor.client.head(path, base_url=HERE)
    after = content(console)
    assert [name for name in before if before[name] != after[name]] == []


def test_a_page_that_was_shown_to_a_stranger_may_be_sent_by_who_has_come_in_meanwhile(
    console: Console,
) -> None:
    """A link in an e-mail brings no cookie of a session: the login appears, to somebody who is in already."""
    visitor = console.visitor(None)
    stale = token(visitor)
    session = console.visitor("admin").client.get_cookie("ivr-session")
    assert session
    visitor.client.set_cookie("ivr-session", session.value)
    answer = send(visitor, "/login", stale)
    assert answer.status_code == 403
    assert "non sono giusti" in answer.get_data(as_text=True)  # read, and its empty name refused
    assert "non sono giusti" not in send(visitor, "/account/language", stale).get_data(as_text=True)
    assert send(visitor, "/account/language", stale).status_code == 403


def test_another_method_opens_no_door(console: Console) -> None:
    visitor = console.visitor("admin")
    for door in doors(console):
        for method in ("PUT", "PATCH", "DELETE", "TRACE"):
            answer = visitor.client.open(door.nowhere, method=method, base_url=HERE)
            assert answer.status_code == 405, (method, door.rule)


def test_the_script_brings_the_token_in_a_header(console: Console) -> None:
    visitor = console.visitor("admin")
    found = re.search(r'"X-Form-Token": "([0-9a-f]+)"', visitor.page("/account"))
    assert found
    answer = visitor.client.post(
        "/account/language", data={"language": "en"}, base_url=HERE, headers={"X-Form-Token": found[1]}
    )
    assert answer.status_code == 303


def test_door_addresses_lead_to_nothing() -> None:
    assert Door("x.y", "/a/<int:x_id>/b/<string(length=2):y>/<z>", True).nowhere.count("999999999") == 3

"""`ivr token`: shown once, listed without itself, revoked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from making import NIGHT, configuration, everything_written, fresh_database
from test_commands import Ivr

from console.access import tokens


@pytest.fixture
def ivr(tmp_path: Path) -> Iterator[Ivr]:
    with time_machine.travel(NIGHT, tick=False), fresh_database(tmp_path):
        configuration(tmp_path)
        yield Ivr(tmp_path)


def test_a_token_is_shown_once_and_listed_without_itself(ivr: Ivr) -> None:
    made = ivr.json("token", "add", "PSA", "--scope", "cases:write", "--scope", "cases:read")
    assert made["token"].startswith("ivr_")
    assert (made["name"], made["scopes"], made["expires"]) == ("psa", ["cases:read", "cases:write"], None)
    assert made["token"].encode() not in everything_written(ivr.folder)
    again = ivr("token", "add", "erp", "--scope", "pins:issue", "--expires", "2026-12-31")
    assert again.exit_code == 0
    assert tokens.TOKEN.fullmatch(again.stdout.strip())  # it can be put into a file as it is
    listed = ivr.json("token", "list")["tokens"]
    assert [(each["name"], each["state"], each["expires"], each["last_used"]) for each in listed] == [
        ("erp", "live", "2026-12-31", None),
        ("psa", "live", None, None),
    ]
    assert made["token"] not in str(listed)
    ivr.done("token", "revoke", "psa")
    assert "psa    revoked" in ivr.done("token", "list")
    acts = [each["act"] for each in ivr.json("audit", "list")["acts"]]
    assert sorted(acts) == ["token.add", "token.add", "token.revoke"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["add", "psa"], 2, "--scope"),
        (["add", "psa", "--scope", "everything"], 2, "customers:read"),
        (["add", "p s a", "--scope", "cases:read"], 1, "name"),
        (["add", "old", "--scope", "cases:read"], 1, "not given twice"),
        (["add", "psa", "--scope", "cases:read", "--expires", "2026-03-09"], 1, "is over"),
        (["revoke", "psa"], 1, "no token"),
    ],
)
def test_what_is_no_token_is_refused(ivr: Ivr, arguments: list[str], code: int, said: str) -> None:
    assert ivr("token", "add", "old", "--scope", "cases:read").exit_code == 0
    assert said in ivr.refused("token", *arguments, code=code)

"""Callers who are blocked or always let through, and strangers who are too many."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as some
from making import ACTOR, NIGHT, a_sid, configuration, fresh_database, opened_at, staff
from sqlalchemy import Connection, func, select

from console.commands import ivr
from ivr import caller_list, strangers
from ivr.caller_list import ListRefusal
from ivr.settings import FloodSettings
from ivr.tables import stranger_calls
from pins import customers
from storage import audit
from storage.engine import Database
from storage.tables import due_work

ON_FILE = "+393471112201"
STRANGE = "+393479998877"
OURS = "+390461825060"
FEW = FloodSettings(calls=3, within=60)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with fresh_database(tmp_path) as database:
        with database.write() as connection:
            customers.add_customer(connection, ACTOR, NIGHT, "Acme", code="ACME", phones=[ON_FILE])
            staff(connection)
        yield database


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        yield connection


@pytest.fixture
def both(database_url: str) -> Iterator[Database]:
    """A database with nobody in it, on each kind."""
    with opened_at(database_url) as database:
        yield database


def put(connection: Connection, kind: caller_list.Kind, pattern: str, **more: Any) -> None:
    caller_list.put(connection, ACTOR, NIGHT, kind, pattern, **more)


# -- the list ----------------------------------------------------------------------------------

LISTED: dict[str, caller_list.Kind] = {
    "+39347999*": "block",
    "+3934799988*": "allow",
    "+393479998877": "block",
    "+870*": "block",
    "+4*": "block",
    "+49*": "allow",
    "+49151*": "block",
}
LOOK_UPS = {
    "+393479998877": "block",
    "+393479998878": "allow",
    "+393479991234": "block",
    "+393471112299": None,
    "+870773112233": "block",
    "+431234567": "block",
    "+4930123456": "allow",
    "+491511234567": "block",
    "+3934799": None,
    "": None,
    "anonymous": None,
    "+266696687": None,
    "sip:anna@pbx.example.net": None,
    "client:+393479998877": None,
    "+39347 9998877": None,
}


def test_the_whole_number_counts_then_the_longest_beginning(both: Database) -> None:
    with both.write() as connection:
        for pattern, kind in LISTED.items():
            put(connection, kind, pattern)
        assert {caller: caller_list.of_caller(connection, caller) for caller in LOOK_UPS} == LOOK_UPS


@pytest.mark.parametrize(
    "pattern",
    *[["", "*", "+*", "+0*", "347*", "+39347*1", "anonymous", "+266696687", "sip:a@b.example", "+3934\n"]],
)
def test_what_is_no_number_is_refused(connection: Connection, pattern: str) -> None:
    with pytest.raises(ListRefusal) as refused:
        put(connection, "block", pattern)
    assert refused.value.name == "form"
    assert caller_list.listed(connection) == []


@pytest.mark.parametrize(
    ("pattern", "who"),
    [(ON_FILE, "customer ACME"), ("+393331234504", "technician dario"), (OURS, OURS)],
)
def test_a_number_of_ours_or_of_a_customer_s_cannot_be_blocked(
    connection: Connection, pattern: str, who: str
) -> None:
    with pytest.raises(ListRefusal, match=who.replace("+", r"\+")) as refused:
        put(connection, "block", pattern, ours=[OURS], anyway=True)
    assert refused.value.name == "on-file"
    put(connection, "allow", pattern, ours=[OURS])


def test_a_beginning_that_such_numbers_have_is_blocked_only_if_it_is_meant(connection: Connection) -> None:
    for pattern in ("+3934711*", "+39333*", "+390461*", "+39*"):
        with pytest.raises(ListRefusal) as refused:
            put(connection, "block", pattern, ours=[OURS])
        assert refused.value.name == "covers"
        put(connection, "block", pattern, ours=[OURS], anyway=True)
    # And then his number is let through all the same.
    assert strangers.meet(connection, NIGHT, a_sid(1), ON_FILE, FEW) == "let through"
    assert strangers.meet(connection, NIGHT, a_sid(2), "+393471112299", FEW) == "blocked"


def test_each_change_is_in_the_audit_and_the_number_only_in_its_details(connection: Connection) -> None:
    put(connection, "block", "+39 347 999-8877", reason="ride e riaggancia")
    put(connection, "block", STRANGE, reason="ride e riaggancia")  # no act: nothing changes
    put(connection, "allow", STRANGE)
    caller_list.remove(connection, ACTOR, NIGHT, STRANGE)
    acts = [act for act in reversed(audit.acts(connection)) if act.act.startswith("caller.")]
    assert [act.act for act in acts] == ["caller.block", "caller.allow", "caller.remove"]
    assert acts[0].details == {"pattern": STRANGE, "reason": "ride e riaggancia"}
    assert not any(STRANGE in act.subject for act in acts)
    with pytest.raises(ListRefusal, match="not on the list"):
        caller_list.remove(connection, ACTOR, NIGHT, STRANGE)


# -- a flood -----------------------------------------------------------------------------------


def meet(connection: Connection, number: int, caller: str = STRANGE, seconds: float = 0.0) -> str:
    at = NIGHT + timedelta(seconds=seconds)
    return strangers.meet(connection, at, a_sid(number), caller, FEW)


def test_strangers_are_challenged_once_too_many_came(both: Database) -> None:
    with both.write() as connection:
        assert [meet(connection, each) for each in range(5)] == ["let through"] * 3 + ["challenged"] * 2
        assert meet(connection, 5, "") == "challenged"
        # They count for as long as the configuration says.
        assert meet(connection, 6, seconds=59.9) == "challenged"
        assert meet(connection, 7, seconds=120) == "let through"
        told = select(due_work.c.key, due_work.c.payload).where(due_work.c.kind == "alarm")
        ((key, payload),) = connection.execute(told).all()
        assert (key, payload) == (
            "call-flood:",
            {"what": "call-flood", "about": "", "calls": 3, "seconds": 60},
        )


def test_neither_customers_nor_those_who_are_allowed_count_or_are_challenged(connection: Connection) -> None:
    put(connection, "allow", "+3934799988*")
    for each in range(6):
        assert meet(connection, each, ON_FILE) == "let through"
        assert meet(connection, 10 + each) == "let through"
    assert connection.execute(select(func.count()).select_from(stranger_calls)).scalar() == 0
    assert [meet(connection, 20 + each, "") for each in range(4)] == ["let through"] * 3 + ["challenged"]
    assert meet(connection, 30, ON_FILE) == meet(connection, 31) == "let through"


def test_a_blocked_number_counts_and_is_not_asked_for_digits(connection: Connection) -> None:
    put(connection, "block", STRANGE)
    assert [meet(connection, each) for each in range(5)] == ["blocked"] * 5
    assert meet(connection, 6, "") == "challenged"


def test_nothing_is_counted_where_nobody_is_ever_challenged(connection: Connection) -> None:
    never = FloodSettings(calls=0)
    for each in range(200):
        assert strangers.meet(connection, NIGHT, a_sid(each), "", never) == "let through"
    assert connection.execute(select(func.count()).select_from(stranger_calls)).scalar() == 0
    assert not strangers.flooded(connection, NIGHT, never)


def test_what_no_longer_counts_goes_and_no_number_is_kept(connection: Connection) -> None:
    for each in range(40):
        meet(connection, each)
    for each in range(40, 50):
        meet(connection, each, seconds=3_601)
    assert connection.execute(select(func.count()).select_from(stranger_calls)).scalar() == 10
    assert set(stranger_calls.columns.keys()) == {"call_sid", "at"}


@settings(max_examples=30, deadline=None)
@given(
    pauses=some.lists(some.floats(0, 40), min_size=1, max_size=40),
    calls=some.integers(1, 8),
    source=some.randoms(use_true_random=False),
)
def test_of_strangers_who_were_let_through_there_are_never_more_than_may(
    pauses: list[float], calls: int, source: random.Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In any stretch of that length, whoever calls, and nobody whose number is on file ever waits."""
    few, at, through = FloodSettings(calls=calls, within=60), NIGHT, []
    with fresh_database(tmp_path_factory.mktemp("flood")) as database, database.write() as connection:
        customers.add_customer(connection, ACTOR, NIGHT, "Acme", code="ACME", phones=[ON_FILE])
        for number, pause in enumerate(pauses):
            at += timedelta(seconds=pause)
            caller = source.choice([ON_FILE, STRANGE, ""])
            met = strangers.meet(connection, at, a_sid(number), caller, few)
            if caller == ON_FILE:
                assert met == "let through"
            elif met == "let through":
                through.append(at)
    for first in through:
        within = [each for each in through if first <= each < first + timedelta(seconds=60)]
        assert len(within) <= calls


# -- the command -------------------------------------------------------------------------------


@pytest.fixture
def run(database: Database, tmp_path: Path) -> Callable[..., Result]:
    configuration(tmp_path)
    path = tmp_path / "config.toml"
    url = f"sqlite:///{tmp_path / 'ivr.db'}"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('url = "sqlite:///ivr.db"', f'url = "{url}"'), encoding="utf-8")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(ivr, ["--config", str(path), "caller", *arguments])

    return invoke


def test_the_command_blocks_lists_and_removes(run: Callable[..., Result]) -> None:
    blocked = run("block", "+39 347 9998877", "--reason", "ride e riaggancia")
    assert (blocked.exit_code, blocked.output) == (0, f"{STRANGE} is blocked\n")
    assert run("allow", "+39347999*", "--json").exit_code == 0
    told = json.loads(run("list", "--json").output)
    assert told["flooded"] is False
    assert [(each["number"], each["kind"], each["reason"]) for each in told["callers"]] == [
        ("+39347999*", "allow", ""),
        (STRANGE, "block", "ride e riaggancia"),
    ]
    assert STRANGE in run("list").output
    assert run("remove", STRANGE).output == f"{STRANGE} is no longer blocked\n"
    again = run("remove", STRANGE)
    assert (again.exit_code, again.stderr) == (1, f"ivr: {STRANGE} is not on the list\n")


def test_the_command_says_why_it_refuses(run: Callable[..., Result]) -> None:
    refused = run("block", ON_FILE)
    assert refused.exit_code == 1
    assert "customer ACME" in refused.stderr
    refused = run("block", "+39347*")
    assert refused.exit_code == 1
    assert "--anyway" in refused.stderr
    assert run("block", "+39347*", "--anyway").exit_code == 0
    office = run("block", "+390461000001")
    assert (office.exit_code, "+390461000001" in office.stderr) == (1, True)

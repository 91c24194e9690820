"""The life of a PIN: why it was issued, its place taken by another, its end announced, its record purged."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from making import (
    ACTOR,
    NIGHT,
    PEPPER,
    SECOND_PEPPER,
    configuration,
    fresh_database,
    opened_at,
    pin_settings,
    rome,
)
from sqlalchemy import Connection, insert, select, update

from console.house import House
from console.processes.worker import tick
from pins import customers, registry
from pins.index import PinIndex
from pins.registry import (
    NewPin,
    PinHasEnded,
    PinReplacedAlready,
    PinRevokedAlready,
    PinStillLives,
    PinUsedBefore,
    TooManyOfThisLength,
    UnknownPin,
)
from pins.tables import pins, spent_pins
from storage import audit, due
from storage.alarms import ALARM
from storage.engine import Database
from storage.tables import due_work

INDEX = PinIndex(pin_settings())
TODAY = date(2026, 3, 10)
LATER = TODAY + timedelta(days=90)
# Strong PINs of eight digits, each another.
PINS = (f"{number:08d}" for number in itertools.count(38205917, 7919))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened_at(database_url) as database:
        yield database


@pytest.fixture
def acme(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        customers.add_customer(connection, ACTOR, NIGHT, "Acme", code="ACME")
        yield connection


def new(pin: str | None = None, index: PinIndex = INDEX) -> NewPin:
    pin = pin or next(PINS)
    return NewPin(pin, tuple(index.digests(pin)))


def issue(connection: Connection, made: NewPin | None = None, at: datetime = NIGHT, **more: object) -> int:
    return registry.issue(connection, ACTOR, at, "ACME", made or new(), **more)  # type: ignore[arg-type]


def rotate(connection: Connection, pin_id: int, overlap: int = 7, **more: object) -> int:
    return registry.rotate(
        connection,
        ACTOR,
        NIGHT,
        pin_id,
        new(),
        overlap,
        TODAY,
        "yearly",
        **more,  # type: ignore[arg-type]
    )


def reminders(connection: Connection, pin_id: int) -> dict[str, datetime]:
    """The pending ones of a PIN, by key."""
    rows = connection.execute(
        select(due_work.c.key, due_work.c.due_at).where(
            due_work.c.kind == registry.ENDS, due_work.c.state == due.PENDING
        )
    )
    return {key: due_at for key, due_at in rows if key.startswith(f"pin:{pin_id}:")}


# -- issued ------------------------------------------------------------------------------------


def test_who_issued_it_and_why_is_on_record(acme: Connection) -> None:
    pin_id = issue(acme, label="reception", reason="a new site\n")
    record = registry.pin(acme, pin_id)
    assert (record.issued_by, record.issued_at, record.reason) == (ACTOR, NIGHT, "a new site")
    assert record.digits == 8
    act = audit.acts(acme, [f"pin:{pin_id}"])[0]
    assert act.act == "pin.issue"
    assert act.details == {"customer": record.customer_id, "label": "reception", "reason": "a new site"}


def test_a_label_too_long_is_refused_alike_on_both_databases(acme: Connection) -> None:
    with pytest.raises(customers.RegistryRefusal, match="120"):
        issue(acme, label="x" * 121)


@pytest.mark.parametrize(
    ("issued", "months", "last"),
    [
        ("2026-03-10", 12, "2027-03-10"),
        ("2026-01-31", 1, "2026-02-28"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2026-12-31", 2, "2027-02-28"),
        ("2026-11-30", 1, "2026-12-30"),
        ("2026-03-10", 120, "2036-03-10"),
        ("2026-03-10", 0, None),
    ],
)
def test_the_last_day_by_age(issued: str, months: int, last: str | None) -> None:
    found = registry.last_day(date.fromisoformat(issued), months)
    assert found == (date.fromisoformat(last) if last else None)


def test_reserved_ids_are_given_to_nobody_else(acme: Connection) -> None:
    first = registry.reserve(acme, 3)
    assert len(set(first)) == 3
    assert issue(acme) not in first
    assert issue(acme, pin_id=first[2]) == first[2]
    second = registry.reserve(acme, 2)
    assert not set(first) & set(second)
    assert issue(acme) > max(second)


def test_the_first_ids_of_all_can_be_reserved(database: Database) -> None:
    with database.write() as connection:
        assert registry.reserve(connection, 2) == [1, 2]
        customers.add_customer(connection, ACTOR, NIGHT, "Acme", code="ACME")
        assert issue(connection) == 3


# -- rotated -----------------------------------------------------------------------------------


def test_in_the_overlap_both_open_calls_and_the_old_one_says_when_it_ends(acme: Connection) -> None:
    old_pin = new()
    old = issue(acme, old_pin, label="reception")
    fresh = rotate(acme, old)
    found = registry.find_pin(acme, old_pin.digests)
    assert found is not None
    assert (found.replaced, found.revoked, found.expires_on) == (True, False, date(2026, 3, 17))
    record = registry.pin(acme, fresh)
    assert (record.customer, record.label, record.reason) == ("ACME", "reception", "yearly")
    assert record.expires is None
    statuses = {each.id: each.status(TODAY) for each in registry.all_pins(acme)}
    assert statuses == {old: "overlap", fresh: "active"}
    assert registry.pin(acme, old).status(date(2026, 3, 18)) == "expired"
    assert registry.replaced_by(acme, fresh, TODAY) == registry.pin(acme, old)
    assert registry.replaced_by(acme, fresh, date(2026, 3, 18)) is None
    act = audit.acts(acme, [f"pin:{old}"])[0]
    assert (act.act, act.details) == (
        "pin.rotate",
        {"customer": record.customer_id, "new": fresh, "until": "2026-03-17", "reason": "yearly"},
    )


def test_a_rotated_pin_never_lives_longer_than_it_would_have(acme: Connection) -> None:
    old = issue(acme, expires=date(2026, 3, 12))
    fresh = rotate(acme, old)
    assert registry.pin(acme, old).expires == date(2026, 3, 12)
    assert registry.pin(acme, fresh).expires is None  # no old end is inherited
    aged = rotate(acme, fresh, expires=LATER)
    assert registry.pin(acme, aged).expires == LATER


def test_without_an_overlap_the_old_one_is_revoked_at_once(acme: Connection) -> None:
    old = issue(acme)
    fresh = rotate(acme, old, 0)
    record = registry.pin(acme, old)
    assert (record.revoked_at, record.revoke_reason, record.replaced_by) == (NIGHT, "rotated", fresh)
    assert record.status(TODAY) == "revoked"


def test_only_a_live_pin_that_has_no_successor_is_rotated(acme: Connection) -> None:
    replaced, revoked, ended = issue(acme), issue(acme), issue(acme, expires=TODAY - timedelta(days=1))
    rotate(acme, replaced)
    registry.revoke(acme, ACTOR, NIGHT, revoked)
    before = len(registry.all_pins(acme))
    with pytest.raises(PinReplacedAlready, match="replaced before by PIN"):
        rotate(acme, replaced)
    with pytest.raises(PinRevokedAlready):
        rotate(acme, revoked)
    with pytest.raises(PinHasEnded, match="2026-03-09"):
        rotate(acme, ended)
    with pytest.raises(UnknownPin):
        rotate(acme, 999)
    assert len(registry.all_pins(acme)) == before
    assert rotate(acme, issue(acme, expires=TODAY))  # its last day is not over


# -- reminders ---------------------------------------------------------------------------------


def test_each_pin_that_ends_is_announced_twice(acme: Connection) -> None:
    pin_id = issue(acme, expires=LATER)
    assert reminders(acme, pin_id) == {
        f"pin:{pin_id}:{days}": datetime(2026, 6, 8, tzinfo=UTC) - timedelta(days=days) for days in (30, 7)
    }
    assert reminders(acme, issue(acme)) == {}
    soon = issue(acme, expires=TODAY + timedelta(days=20))
    assert list(reminders(acme, soon)) == [f"pin:{soon}:7"]
    assert reminders(acme, issue(acme, expires=TODAY + timedelta(days=5))) == {}


def test_nothing_is_announced_of_a_pin_that_was_revoked_or_replaced(acme: Connection) -> None:
    revoked, replaced = issue(acme, expires=LATER), issue(acme, expires=LATER)
    registry.revoke(acme, ACTOR, NIGHT, revoked)
    fresh = rotate(acme, replaced, expires=LATER)
    assert (reminders(acme, revoked), reminders(acme, replaced)) == ({}, {})
    assert len(reminders(acme, fresh)) == 2


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with fresh_database(tmp_path) as database:
        with database.write() as connection:
            customers.add_customer(connection, ACTOR, NIGHT, "Acme", code="ACME")
        yield House(configuration(tmp_path), database)


def alarms(house: House) -> list[dict[str, object]]:
    with house.database.read() as connection:
        rows = connection.execute(select(due_work.c.payload).where(due_work.c.kind == ALARM))
        return [dict(payload) for payload in rows.scalars()]


def issued_in(house: House, label: str = "") -> int:
    with house.database.write() as connection:
        return issue(connection, label=label, expires=LATER)


def test_the_admins_are_told_at_a_civil_hour(house: House) -> None:
    pin_id = issued_in(house, "reception")
    for early in ("2026-05-09 01:00", "2026-05-09 02:00", "2026-05-09 08:59"):
        tick(house, rome(early))
        assert alarms(house) == []
    tick(house, rome("2026-05-09 09:00"))
    told = {"what": "pin-ends", "customer": "ACME", "pin": pin_id, "label": "reception"}
    first = {**told, "about": f"pin:{pin_id}:30", "days": 30, "expires": "2026-06-08"}
    assert alarms(house) == [first]
    tick(house, rome("2026-05-31 23:00"))
    assert alarms(house) == [first]
    # A worker that was down overnight tells it a day late, and not by night.
    tick(house, rome("2026-06-02 03:00"))
    assert alarms(house) == [first]
    tick(house, rome("2026-06-02 09:00"))
    assert alarms(house) == [first, {**first, "about": f"pin:{pin_id}:7", "days": 7}]
    tick(house, rome("2026-06-03 09:00"))
    assert len(alarms(house)) == 2


@pytest.mark.parametrize(
    "change", [{"revoked_at": NIGHT}, {"replaced_by": 99}, {"expires_on": None}, {"expires_on": TODAY}]
)
def test_what_was_undone_behind_a_reminder_is_not_announced(house: House, change: dict[str, object]) -> None:
    """Such as by a restore: the row says whether there is anything to tell, not the reminder."""
    issued_in(house)
    with house.database.write() as connection:
        connection.execute(update(pins).values(**change))
    tick(house, rome("2026-05-09 09:00"))
    assert alarms(house) == []


def test_many_that_end_on_one_day_are_one_alarm(house: House) -> None:
    for _ in range(5):
        issued_in(house)
    tick(house, rome("2026-05-09 09:00"))
    assert alarms(house) == [
        {"what": "pin-ends", "about": "day:2026-06-08:30", "pins": 5, "expires": "2026-06-08", "days": 30}
    ]


# -- purged ------------------------------------------------------------------------------------


def test_a_purged_pin_is_unknown_and_never_issued_again(acme: Connection) -> None:
    made = new()
    pin_id = issue(acme, made)
    registry.revoke(acme, ACTOR, NIGHT, pin_id)
    registry.purge_record(acme, ACTOR, NIGHT, pin_id)
    assert registry.find_pin(acme, made.digests) is None
    assert registry.all_pins(acme) == []
    with pytest.raises(PinUsedBefore):
        issue(acme, made)
    with pytest.raises(PinUsedBefore):  # nor when the keys have been changed since
        issue(acme, new(made.pin, PinIndex(pin_settings(PEPPER, SECOND_PEPPER))))
    row = acme.execute(select(spent_pins)).one()
    assert (row.digest, row.key_version) == (made.digests[0].value, 1)
    with pytest.raises(UnknownPin):
        registry.purge_record(acme, ACTOR, NIGHT, pin_id)
    assert audit.acts(acme)[0].act == "pin.purge"
    assert audit.verify(acme)[1] == []
    assert issue(acme) > pin_id  # a purged record's number is not given again either


def test_only_a_dead_pin_is_purged(acme: Connection) -> None:
    live, ended = issue(acme), issue(acme, expires=TODAY - timedelta(days=31))
    for pin_id in (live, ended):
        with pytest.raises(PinStillLives):
            registry.purge_record(acme, ACTOR, NIGHT, pin_id)
    registry.purge_record(acme, ACTOR, NIGHT + timedelta(days=1), ended)
    assert [record.id for record in registry.all_pins(acme)] == [live]


# -- arithmetic on rows --------------------------------------------------------------------------


def many(connection: Connection, count: int, length: int = 8, **more: object) -> None:
    """Rows of PINs that nobody knows."""
    owner = customers.customer(connection, "ACME").id
    beside = {"customer_id": owner, "key_version": 1, "params_version": 1, "issued_at": NIGHT}
    rows = [
        {"digest": sha256(f"{length} {more} {number}".encode()).digest(), "length": length, **beside}
        | {"issued_by": ACTOR, **more}
        for number in range(count)
    ]
    connection.execute(insert(pins), rows)


def test_what_has_ended_or_was_revoked_does_not_count(acme: Connection) -> None:
    many(acme, 3)
    many(acme, 2, 9, expires_on=TODAY)
    many(acme, 4, 10, revoked_at=NIGHT)
    assert registry.live_by_length(acme) == {8: 3, 9: 2}
    assert registry.live_by_length(acme, TODAY) == {8: 3, 9: 2}
    tomorrow = TODAY + timedelta(days=1)
    assert registry.live_by_length(acme, tomorrow) == {8: 3}
    assert (registry.length_of_next(acme, TODAY), registry.length_of_next(acme, tomorrow)) == (9, 8)
    assert registry.length_of_next(acme, tomorrow, more=998) == 9


def test_one_pin_too_many_of_a_length_is_refused_with_the_length_to_switch_to(acme: Connection) -> None:
    many(acme, 999)
    assert issue(acme)
    with pytest.raises(TooManyOfThisLength, match="switch to 9 digits") as refused:
        issue(acme)
    assert refused.value.switch_to == 9
    assert registry.live_pins(acme) == 1000
    with pytest.raises(TooManyOfThisLength):
        rotate(acme, registry.all_pins(acme)[0].id)
    assert issue(acme, new("382059171"))


def test_pins_that_have_ended_make_room(acme: Connection) -> None:
    many(acme, 1000, expires_on=TODAY)
    with pytest.raises(TooManyOfThisLength):
        issue(acme, opened=TODAY)
    assert issue(acme, opened=TODAY + timedelta(days=1))

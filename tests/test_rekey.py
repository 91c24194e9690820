"""Putting every PIN under a new pepper: while calls are served, killed at any moment, nothing lost and
nothing done twice; and the notes that keep a key from being changed under the PINs.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from making import (
    ACTOR,
    EXAMPLE,
    NIGHT,
    PEPPER,
    SALT,
    SECOND_PEPPER,
    SECRETS,
    a_sid,
    configuration,
    fresh_database,
    opened_at,
    pin_settings,
    staff,
    with_lines,
)
from pydantic import SecretStr
from sqlalchemy import func, insert, select, update
from test_commands import Ivr

from console.commands import keys
from console.house import House, open_house
from console.processes import keyholder, service
from console.processes.doors import desks
from console.processes.keyholder import node_name, note_keys
from console.settings import load
from ivr import journal
from ivr.vocabulary import Received
from pins import customers, keyring, registry, rekey
from pins.index import PinIndex
from pins.settings import HashCost, PinSettings
from pins.tables import key_holders, key_marks, pins, spent_pins
from storage import audit
from storage.engine import Database, open_database
from storage.tables import due_work

THIRD_PEPPER = bytes(range(200, 232)).hex()
# The acceptance of a whole deployment: REKEY_ROWS=100000. The suite does it with fewer.
ROWS = int(os.environ.get("REKEY_ROWS", "10000"))
SPENT = 700
KILLED_AT = (0.02, 0.3, 0.6)
CALLER = "+393471112201"


def under(value: bytes, *peppers: str) -> bytes:
    """`value` wrapped as the papers say."""
    for pepper in peppers:
        value = hmac.new(bytes.fromhex(pepper), value, hashlib.sha256).digest()
    return value


def made_up(number: int) -> bytes:
    """What stands for the slow hash of the `number`-th synthetic PIN."""
    return hashlib.sha256(f"row {number}".encode()).digest()


def fill(database: Database, rows: int, spent: int = 0, *peppers: str) -> None:
    """Customer ACME with `rows` synthetic PINs, numbered from 1, and `spent` spent ones, numbered below 0."""
    peppers = peppers or (PEPPER,)
    with database.write() as connection:
        owner = customers.add_customer(connection, ACTOR, NIGHT, "Acme", code="ACME", phones=[CALLER]).id
        connection.execute(
            insert(pins),
            [
                {
                    "customer_id": owner,
                    "digest": under(made_up(number), *peppers),
                    "key_version": len(peppers),
                    "params_version": 1,
                    "length": 12,  # so many are never of 8 digits
                    "issued_at": NIGHT,
                    "issued_by": ACTOR,
                }
                for number in range(1, rows + 1)
            ],
        )
        if spent:
            connection.execute(
                insert(spent_pins),
                [
                    {
                        "digest": under(made_up(-number), *peppers),
                        "key_version": len(peppers),
                        "params_version": 1,
                    }
                    for number in range(1, spent + 1)
                ],
            )


def assert_all_stand_under(database: Database, rows: int, spent: int, *peppers: str) -> None:
    """Each synthetic row is there once, wrapped once by each pepper in its order."""
    with database.read() as connection:
        made = connection.execute(select(pins.c.id, pins.c.digest).where(pins.c.id <= rows)).all()
        assert {row.id: row.digest for row in made} == {
            number: under(made_up(number), *peppers) for number in range(1, rows + 1)
        }
        kept = connection.execute(select(spent_pins.c.digest)).scalars()
        assert sorted(kept) == sorted(under(made_up(-number), *peppers) for number in range(1, spent + 1))
        for table in (pins, spent_pins):
            versions = connection.execute(select(table.c.key_version).distinct()).scalars()
            assert set(versions) <= {len(peppers)}


def wrap_once(database: Database, settings: PinSettings, size: int = 100) -> int | None:
    """One batch, read and written as the command does; None when nothing is left."""
    peppers = rekey.peppers_of(settings)
    with database.read() as connection:
        batch = rekey.next_batch(connection, peppers, size)
    if batch is None:
        return None
    with database.write() as connection:
        return rekey.write_batch(connection, batch, len(peppers))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened_at(database_url) as database:
        yield database


# -- rows --------------------------------------------------------------------------------------------


def test_every_row_is_wrapped_and_found_at_every_moment(database: Database) -> None:
    fill(database, 230, 120)
    first, both = PinIndex(pin_settings()), PinIndex(pin_settings(PEPPER, SECOND_PEPPER))
    new = registry.draw(first, 8, random.Random(1))
    with database.write() as connection:
        pin_id = registry.issue(connection, ACTOR, NIGHT, "ACME", new)
    settings = pin_settings(PEPPER, SECOND_PEPPER)
    changed: list[int] = []
    while True:
        with database.read() as connection:
            found = registry.find_pin(connection, both.digests(new.pin))
            assert found is not None
            assert found.pin_id == pin_id
            assert rekey.left(connection, 2) == 351 - sum(changed)
        count = wrap_once(database, settings)
        if count is None:
            break
        changed.append(count)
    assert changed == [100, 100, 31, 100, 20]
    assert_all_stand_under(database, 230, 120, PEPPER, SECOND_PEPPER)


def test_rows_of_several_keys_are_brought_to_the_newest(database: Database) -> None:
    fill(database, 30, 10)
    settings = pin_settings(PEPPER, SECOND_PEPPER)
    assert wrap_once(database, settings, 12) == 12
    settings = pin_settings(PEPPER, SECOND_PEPPER, THIRD_PEPPER)
    while wrap_once(database, settings, 7) is not None:
        pass
    assert_all_stand_under(database, 30, 10, PEPPER, SECOND_PEPPER, THIRD_PEPPER)


def test_what_another_wrapped_or_erased_meanwhile_is_left_alone(database: Database) -> None:
    fill(database, 20, 5)
    settings = pin_settings(PEPPER, SECOND_PEPPER)
    with database.read() as connection:
        batch = rekey.next_batch(connection, rekey.peppers_of(settings), 100)
        assert batch is not None
    assert wrap_once(database, settings, 8) == 8  # another was quicker with eight of them
    with database.write() as connection:
        gone = connection.execute(select(func.min(pins.c.id)).where(pins.c.key_version == 1)).scalar_one()
        connection.execute(pins.delete().where(pins.c.id == gone))
        assert rekey.write_batch(connection, batch, 2) == 20 - 8 - 1
    with database.read() as connection:
        rows = connection.execute(select(pins.c.id, pins.c.digest, pins.c.key_version)).all()
    assert {row.id: (row.digest, row.key_version) for row in rows} == {
        number: (under(made_up(number), PEPPER, SECOND_PEPPER), 2)
        for number in range(1, 21)
        if number != gone
    }


def test_nothing_of_a_row_changes_but_its_digest_and_its_key(database: Database) -> None:
    fill(database, 3)
    with database.write() as connection:
        registry.revoke(connection, ACTOR, NIGHT, 2, "lost")
        registry.used(connection, NIGHT, 3)
        before = connection.execute(select(pins).order_by(pins.c.id)).mappings().all()
    assert wrap_once(database, pin_settings(PEPPER, SECOND_PEPPER)) == 3
    with database.read() as connection:
        after = connection.execute(select(pins).order_by(pins.c.id)).mappings().all()
    for old, new in zip(before, after, strict=True):
        differs = {key for key in old if old[key] != new[key]}
        assert differs == {"digest", "key_version"}


# -- killed at any moment ----------------------------------------------------------------------------


@dataclass
class Service:
    """A house with both peppers that answers calls while its rows are wrapped."""

    house: House
    pin: str
    owner: int
    calls: int = 0

    def __post_init__(self) -> None:
        self.index = PinIndex(self.house.configuration.pins)
        self.desk = desks(self.house, random.Random(1)).caller

    def look_up(self) -> None:
        digests = self.index.digests(self.pin)
        with self.house.database.read() as connection:
            found = registry.find_pin(connection, digests)
        assert found is not None
        assert (found.customer_id, found.revoked) == (self.owner, False)

    def call(self) -> None:
        """A call at night: the PIN is keyed, and the desk knows whose it is."""
        self.calls += 1
        sid, at = a_sid(self.calls), NIGHT + timedelta(seconds=self.calls)
        for turn, digits in enumerate((None, self.pin)):
            self.desk.answer(Received(sid, CALLER, "+390461825060", turn, digits=digits), at)
        with self.house.database.read() as connection:
            assert journal.call(connection, sid).customer_id == self.owner


def wrapped(database: Database) -> int:
    with database.read() as connection:
        return (
            connection.execute(select(func.count()).where(pins.c.key_version == 2)).scalar_one()
            + connection.execute(select(func.count()).where(spent_pins.c.key_version == 2)).scalar_one()
        )


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Service]:
    configuration(tmp_path)
    secrets = {**SECRETS, "IVR_PINS_PEPPERS": f"{PEPPER} {SECOND_PEPPER}"}
    with fresh_database(tmp_path) as database:
        fill(database, ROWS, SPENT)
        new = registry.draw(PinIndex(pin_settings()), 8, random.Random(1))
        with database.write() as connection:
            staff(connection, NIGHT - timedelta(days=90))
            pin_id = registry.issue(connection, ACTOR, NIGHT, "ACME", new)
            owner = connection.execute(select(pins.c.customer_id).where(pins.c.id == pin_id)).scalar_one()
        house = open_house(load(tmp_path / "config.toml", secrets))
        yield Service(house, new.pin, owner)
        house.close()


def test_killed_at_any_moment_and_run_again_while_calls_are_served(serving: Service) -> None:
    folder, database = serving.house.configuration.folder, serving.house.database
    everything = ROWS + SPENT + 1
    command = [sys.executable, "-m", "console.commands", "--config", str(folder / "config.toml")]
    environment = {**os.environ, **SECRETS, "IVR_PINS_PEPPERS": f"{PEPPER} {SECOND_PEPPER}"}

    def run(until: Callable[[], bool]) -> subprocess.Popen[str]:
        """Run the command, look PINs up and take calls meanwhile, and kill it once `until` holds."""
        process = subprocess.Popen(
            [*command, "pin", "rekey"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                serving.look_up()
                if not serving.calls or random.random() < 0.1:
                    serving.call()

        # Apart, so that no call that waits delays the killing until all is done.
        with ThreadPoolExecutor(1) as pool:
            served = pool.submit(serve)
            while process.poll() is None and not served.done() and not until():
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            over.set()
            served.result()
        return process

    stood: list[int] = []
    for share in KILLED_AT:
        killed = run(lambda enough=share * everything: wrapped(database) >= enough)  # type: ignore[misc]
        told = killed.communicate(timeout=60)
        assert killed.returncode == -signal.SIGKILL, told
        stood.append(wrapped(database))
    # It was killed in its midst each time, and went on from there.
    assert stood == sorted(set(stood))
    assert 0 < stood[0] < stood[-1] < everything
    last = run(lambda: False)
    out, err = last.communicate(timeout=60)
    assert (last.returncode, err) == (0, ""), err
    assert "Every PIN stands under pepper 2" in out
    assert_all_stand_under(database, ROWS, SPENT, PEPPER, SECOND_PEPPER)
    serving.look_up()
    serving.call()
    assert serving.calls > len(KILLED_AT)
    with database.read() as connection:
        acts = [(act.act, act.subject) for act in audit.acts(connection, ["pins"])]
    assert acts == [(rekey.ENDED, "pins")] + [(rekey.STARTED, "pins")] * (len(KILLED_AT) + 1)
    # Only with both peppers: the row no longer stands under the first alone.
    with database.read() as connection:
        assert registry.find_pin(connection, PinIndex(pin_settings()).digests(serving.pin)) is None


# -- the command -------------------------------------------------------------------------------------


class Rekey(Ivr):
    """The command `ivr`, with a list of peppers that can grow."""

    def has(self, *peppers: str) -> None:
        self.runner.env = {**SECRETS, "IVR_PINS_PEPPERS": " ".join(peppers)}


@pytest.fixture
def command(tmp_path: Path) -> Iterator[tuple[Rekey, Database]]:
    configuration(tmp_path)
    with fresh_database(tmp_path) as database:
        command = Rekey(tmp_path)
        command.has(PEPPER, SECOND_PEPPER)
        yield command, database


def test_rekey_says_what_it_did(command: tuple[Rekey, Database]) -> None:
    ivr, database = command
    fill(database, 12, 3)
    assert ivr.json("pin", "rekey") == {"pepper": 2, "rows": 15, "former_costs_not_needed": []}
    assert_all_stand_under(database, 12, 3, PEPPER, SECOND_PEPPER)
    # A second run finds nothing to do, and writes nothing of it.
    assert ivr.done("pin", "rekey") == "Every PIN stands under pepper 2; 0 rows were changed.\n"
    with database.read() as connection:
        acts = [(act.act, act.details) for act in audit.acts(connection, ["pins"])]
    assert acts == [
        (rekey.ENDED, {"pepper": 2, "rows": 15}),
        (rekey.STARTED, {"pepper": 2, "rows": 15}),
    ]


def test_a_run_that_was_cut_off_before_its_last_word_gets_it(command: tuple[Rekey, Database]) -> None:
    ivr, database = command
    fill(database, 3, 0, PEPPER, SECOND_PEPPER)
    with database.write() as connection:
        rekey.start(connection, ACTOR, NIGHT, 2, 3)
    assert ivr.json("pin", "rekey")["rows"] == 0
    with database.read() as connection:
        assert [act.act for act in audit.acts(connection, ["pins"])] == [rekey.ENDED, rekey.STARTED]


def test_it_waits_for_every_node(command: tuple[Rekey, Database]) -> None:
    ivr, database = command
    fill(database, 4, 2)
    with database.write() as connection:
        keyring.note_holder(connection, NIGHT, "one/127.0.0.1:8080", 2)
        keyring.note_holder(connection, NIGHT, "ip-10-20-30-40/0.0.0.0:8080", 1)
    told = ivr.refused("pin", "rekey")
    assert "ip-10-20-30-40/0.0.0.0:8080 (1 of 2)" in told
    assert "one/" not in told
    assert_all_stand_under(database, 4, 2, PEPPER)
    with database.read() as connection:
        assert audit.acts(connection, ["pins"]) == []
    # It was started again with the new configuration.
    with database.write() as connection:
        keyring.note_holder(connection, NIGHT, "ip-10-20-30-40/0.0.0.0:8080", 2)
    assert ivr.json("pin", "rekey")["rows"] == 6


def test_a_node_that_is_no_more_is_forgotten(command: tuple[Rekey, Database]) -> None:
    ivr, database = command
    fill(database, 4, 2)
    with database.write() as connection:
        keyring.note_holder(connection, NIGHT, "two/127.0.0.1:8080", 1)
    assert "'three'" in ivr.refused("pin", "rekey", "--forget", "three")
    assert ivr.json("pin", "rekey", "--forget", "two/127.0.0.1:8080")["rows"] == 6
    with database.read() as connection:
        assert keyring.holders(connection) == []
        forgotten = [act for act in audit.acts(connection, ["pins"]) if act.act == "pin.rekey.forget"]
    assert [act.details for act in forgotten] == [{"node": "two/127.0.0.1:8080"}]


def test_a_node_that_starts_with_old_keys_stops_it(
    command: tuple[Rekey, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    ivr, database = command
    fill(database, 10)
    monkeypatch.setattr(keys, "BATCH", 4)

    def meanwhile(seconds: float) -> None:
        with database.write() as connection:
            keyring.note_holder(connection, NIGHT, "two/127.0.0.1:8080", 1)

    monkeypatch.setattr("console.commands.keys.time.sleep", meanwhile)
    assert "two/127.0.0.1:8080 (1 of 2)" in ivr.refused("pin", "rekey")
    assert wrapped(database) == 4


def test_slow_batches_become_smaller() -> None:
    """A call on SQLite waits for the batch that is being written."""
    size, sizes = keys.BATCH, []
    for took in (0.03, 0.2, 0.2, 0.2, 0.2, 0.2, 0.03, 0.01, 0.01, 0.01, 0.01, 0.01):
        size = keys.next_size(size, took)
        sizes.append(size)
    assert sizes == [500, 250, 125, 62, 50, 50, 50, 100, 200, 400, 500, 500]


def test_it_refuses_keys_that_are_not_those_of_the_rows(command: tuple[Rekey, Database]) -> None:
    ivr, database = command
    fill(database, 4, 2)
    with database.write() as connection:
        keyring.remember(connection, NIGHT, pin_settings())
    ivr.has(SECOND_PEPPER, PEPPER)
    told = ivr.refused("pin", "rekey")
    assert "pepper 1 or the salt is not the one" in told
    assert PEPPER not in told
    assert SECOND_PEPPER not in told
    assert_all_stand_under(database, 4, 2, PEPPER)


def test_it_needs_a_pepper(command: tuple[Rekey, Database]) -> None:
    ivr, _ = command
    ivr.runner.env = {**SECRETS, "IVR_PINS_PEPPERS": ""}
    assert "pins.peppers" in ivr.refused("pin", "rekey")


def test_a_former_cost_that_no_live_pin_needs_is_named(tmp_path: Path) -> None:
    lines = with_lines(
        EXAMPLE.read_text(encoding="utf-8"), cost="{ memory_kib = 16, passes = 1, version = 2 }"
    )
    former = "former_costs = [{ memory_kib = 8, passes = 1, version = 1 }]"
    text, found = lines.replace("# former_costs = [", "former_costs = [", 1), "former_costs = ["
    assert found in text
    text = with_lines(text, former_costs=former.partition(" = ")[2])
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    with fresh_database(tmp_path) as database:
        fill(database, 3)
        ivr = Rekey(tmp_path)
        assert ivr.json("pin", "rekey")["former_costs_not_needed"] == []
        with database.write() as connection:
            for pin_id in (1, 2, 3):
                registry.revoke(connection, ACTOR, NIGHT, pin_id)
        assert ivr.json("pin", "rekey")["former_costs_not_needed"] == [1]
        assert "cost version 1" in ivr.done("pin", "rekey")


# -- what nodes note, and keys that were changed -----------------------------------------------------


def test_a_node_notes_its_keys_when_it_starts_to_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[list[keyring.Holder]] = []
    settings = configuration(tmp_path)
    with fresh_database(tmp_path) as database:

        def run(server: object) -> None:
            with database.read() as connection:
                noted.append(keyring.holders(connection))

        monkeypatch.setattr(service.Gunicorn, "run", run)
        monkeypatch.setattr(service, "system_clock", lambda: NIGHT)
        service.run_part("webhooks", settings)
        service.run_part("webhooks", load(tmp_path / "config.toml", two_peppers()))
        with database.read() as connection:
            assert connection.execute(select(func.count()).select_from(key_marks)).scalar_one() == 3
    name = node_name(settings)
    assert name.endswith("/127.0.0.1:8080")
    assert noted == [[keyring.Holder(name, 1, NIGHT)], [keyring.Holder(name, 2, NIGHT)]]


def two_peppers() -> dict[str, str]:
    return {**SECRETS, "IVR_PINS_PEPPERS": f"{PEPPER} {SECOND_PEPPER}"}


def test_whatever_fails_the_service_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = configuration(tmp_path)
    note_keys(settings, NIGHT)  # there is no database
    assert not (tmp_path / "ivr.db").exists()
    (tmp_path / "ivr.db").write_bytes(b"rubbish" * 1000)
    note_keys(settings, NIGHT)
    (tmp_path / "ivr.db").unlink()

    def fail(*_: object) -> None:
        raise RuntimeError(PEPPER)

    with fresh_database(tmp_path):
        monkeypatch.setattr(keyholder.keyring, "note_holder", fail)
        note_keys(settings, NIGHT)
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(told) == 3
    assert all(each.startswith("keys not noted: ") for each in told)
    assert PEPPER not in caplog.text


def test_a_node_with_other_keys_than_the_rows_alarms(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = configuration(tmp_path)
    with fresh_database(tmp_path) as database:
        note_keys(settings, NIGHT)
        fill(database, 2)
        note_keys(settings, NIGHT)
        assert caplog.records == []
        other = load(tmp_path / "config.toml", {**SECRETS, "IVR_PINS_SALT": bytes(range(90, 106)).hex()})
        note_keys(other, NIGHT)
        with database.read() as connection:
            (alarm,) = connection.execute(select(due_work.c.kind, due_work.c.payload)).all()
    assert alarm.kind == "alarm"
    assert alarm.payload["what"] == "pin-keys"
    assert "pepper 1 or the salt" in alarm.payload["faults"]
    assert "pepper 1 or the salt" in caplog.text


def test_the_keys_are_remembered_from_the_first_day(tmp_path: Path) -> None:
    ivr = Ivr(tmp_path)
    ivr.runner.env = {}
    ivr.done("init")
    database = open_database("sqlite:///ivr.db", folder=tmp_path)
    with database.read() as connection:
        kinds = connection.execute(select(key_marks.c.kind, key_marks.c.version)).all()
    database.close()
    assert sorted(map(tuple, kinds)) == [("cost", 1), ("pepper", 1)]


def changed(**values: object) -> PinSettings:
    return pin_settings().model_copy(update=values)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (pin_settings(), None),
        (pin_settings(PEPPER, SECOND_PEPPER), None),
        (pin_settings(SECOND_PEPPER), "pepper 1 or the salt"),
        (pin_settings(SECOND_PEPPER, PEPPER), "pepper 1 or the salt"),
        (changed(peppers=[]), "PINs stand under pepper 1, and the configuration has 0"),
        (changed(salt=SecretStr(bytes(range(90, 106)).hex())), "pepper 1 or the salt"),
        (changed(cost=HashCost(memory_kib=16, passes=1)), "version 1 was 8 KiB, 1 passes and is 16 KiB"),
        (changed(cost=HashCost(memory_kib=16, passes=1, version=2)), "hashed at version 1 (8 KiB, 1 passes)"),
        (
            changed(
                cost=HashCost(memory_kib=16, passes=1, version=2),
                former_costs=[HashCost(memory_kib=8, passes=1)],
            ),
            None,
        ),
    ],
)
def test_a_key_that_was_changed_is_noticed(
    database: Database, settings: PinSettings, told: str | None
) -> None:
    fill(database, 2)
    with database.write() as connection:
        keyring.remember(connection, NIGHT, pin_settings())
        keyring.remember(connection, NIGHT, settings)  # never overwrites what PINs depend on
        found = keyring.faults(connection, settings)
        again = keyring.faults(connection, pin_settings())
    assert len(found) == (told is not None)
    assert all(str(told) in each for each in found)
    assert again == []
    assert not any(secret in str(found) for secret in (PEPPER, SECOND_PEPPER, SALT))


def test_what_no_pin_needs_may_change(database: Database) -> None:
    with database.write() as connection:
        keyring.remember(connection, NIGHT, pin_settings(SECOND_PEPPER, PEPPER))
    fill(database, 2)
    with database.write() as connection:
        # There was no PIN when the first keys were remembered; under the second there is none now.
        connection.execute(update(pins).values(key_version=0))
        keyring.remember(connection, NIGHT, pin_settings(PEPPER, SECOND_PEPPER))
        connection.execute(update(pins).values(key_version=1))
        keyring.remember(connection, NIGHT, pin_settings(PEPPER, THIRD_PEPPER))
        assert keyring.faults(connection, pin_settings(PEPPER, THIRD_PEPPER)) == []
        assert keyring.faults(connection, pin_settings(PEPPER)) == []
        connection.execute(update(pins).values(key_version=2))
        assert keyring.faults(connection, pin_settings(PEPPER, THIRD_PEPPER)) == []
        assert len(keyring.faults(connection, pin_settings(PEPPER, SECOND_PEPPER))) == 1
        assert len(keyring.faults(connection, pin_settings(PEPPER))) == 1


def test_a_former_cost_is_needed_while_one_of_its_pins_lives(database: Database) -> None:
    fill(database, 1)
    without = changed(cost=HashCost(memory_kib=16, passes=1, version=2))
    with database.write() as connection:
        keyring.remember(connection, NIGHT, pin_settings())
        assert len(keyring.faults(connection, without)) == 1
        registry.revoke(connection, ACTOR, NIGHT, 1)
        assert keyring.faults(connection, without) == []


def test_spent_pins_need_their_keys_too(database: Database) -> None:
    fill(database, 1, 2)
    with database.write() as connection:
        keyring.remember(connection, NIGHT, pin_settings())
        connection.execute(pins.delete())
        assert len(keyring.faults(connection, pin_settings(SECOND_PEPPER))) == 1
        assert len(keyring.faults(connection, changed(cost=HashCost(memory_kib=16, passes=1)))) == 1


def test_versions_in_use_are_those_of_live_pins(database: Database) -> None:
    fill(database, 5, 2)
    with database.write() as connection:
        assert keyring.versions_in_use(connection) == keyring.VersionsInUse({1: 5}, {1: 5})
        connection.execute(update(pins).where(pins.c.id > 2).values(key_version=2, params_version=7))
        registry.revoke(connection, ACTOR, NIGHT, 1)
        registry.revoke(connection, ACTOR, NIGHT, 5)
        assert keyring.versions_in_use(connection) == keyring.VersionsInUse({1: 1, 2: 2}, {1: 1, 7: 2})


def test_a_mark_says_nothing_of_its_key(database: Database) -> None:
    with database.write() as connection:
        keyring.remember(connection, NIGHT, pin_settings(PEPPER, SECOND_PEPPER))
        marks = {row.kind: row.mark for row in connection.execute(select(key_marks))}
        keyring.note_holder(connection, NIGHT, "one", 2)
        assert connection.execute(select(key_holders.c.peppers)).scalar_one() == 2
    assert len(marks["pepper"]) == 16
    assert not any(marks["pepper"] in secret for secret in (PEPPER, SECOND_PEPPER, SALT))

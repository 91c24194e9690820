"""What follows a commit outside the database: the audit's anchors, the ledger; and `ivr audit`."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from click.testing import CliRunner, Result
from making import ACTOR, NIGHT, SECRETS, configuration, fresh_database
from sqlalchemy import select, text

from console import outside
from console.commands import ivr
from console.house import House, open_house
from console.processes import worker
from console.processes.standing_by import Keeper, spares
from console.settings import load
from console.work import HANDLERS
from storage import anchors, audit, due, ledger
from storage.alarms import ALARM
from storage.anchors import Anchors
from storage.audit import Head
from storage.ledger import Entry, LedgerDamaged
from storage.tables import due_work

SIGNING_KEY = bytes(range(60, 92))
SIGNED = {**SECRETS, "IVR_SERVICE_SIGNING_KEY": SIGNING_KEY.hex()}
HOUR = timedelta(hours=1)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    configuration(tmp_path, SIGNED)
    with fresh_database(tmp_path), time_machine.travel(NIGHT, tick=False):
        yield tmp_path


@pytest.fixture
def house(folder: Path) -> Iterator[House]:
    opened = open_house(load(folder / "config.toml", SIGNED))
    yield opened
    opened.close()


@pytest.fixture
def keyless(folder: Path) -> Iterator[House]:
    outside._warn_of_no_key.cache_clear()
    opened = open_house(load(folder / "config.toml", SECRETS))
    yield opened
    opened.close()


def act(house: House, times: int = 1) -> None:
    with house.database.write() as connection:
        for _ in range(times):
            audit.record(connection, ACTOR, NIGHT, "pin.issue", "pin:1")


def tampered(house: House, statement: str) -> None:
    with house.database.write() as connection:
        connection.execute(text("PRAGMA defer_foreign_keys=OFF"))
        connection.execute(text(statement))


def anchored(house: House) -> Anchors:
    return anchors.read(anchors.anchors_in(house.configuration.folder / "state", SIGNING_KEY))


def alarms(house: House) -> list[tuple[str, Any]]:
    with house.database.read() as connection:
        rows = connection.execute(select(due_work).where(due_work.c.kind == ALARM))
        return [(row.payload["what"], row.payload) for row in rows]


def newest(house: House) -> Head:
    with house.database.read() as connection:
        return audit.head(connection)


# -- anchors -------------------------------------------------------------------------------------


def keeper(house: House) -> Keeper:
    """What the worker remembers of this house."""
    return Keeper(house, house.database, spares(house.configuration))


def test_the_worker_anchors_what_is_new_and_nothing_else(house: House) -> None:
    file = house.configuration.folder / "state" / anchors.FILE
    worker._tick_once(keeper(house), NIGHT)
    assert not file.exists()  # nothing was done yet
    act(house, 3)
    worker._tick_once(keeper(house), NIGHT)
    assert anchored(house).heads == [newest(house)]
    before = file.read_bytes(), file.stat().st_mtime_ns
    worker._tick_once(keeper(house), NIGHT)
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    act(house)
    worker._tick_once(keeper(house), NIGHT)
    assert [head.id for head in anchored(house).heads] == [3, 4]
    assert json.loads(file.read_text().splitlines()[0])["at"] == NIGHT.isoformat()
    assert alarms(house) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_details WHERE audit_id = 3; DELETE FROM audit WHERE id = 3",
        "UPDATE audit SET chain = zeroblob(32) WHERE id = 3",
    ],
    ids=["removed", "computed anew"],
)
@pytest.mark.parametrize("more", [0, 2])
def test_the_worker_alarms_once_when_the_anchored_row_is_another(
    house: House, statement: str, more: int, caplog: pytest.LogCaptureFixture
) -> None:
    act(house, 3)
    outside.keep_anchor(house, NIGHT)
    for each in statement.split(";"):
        tampered(house, each)
    act(house, more)
    for minutes in range(3):
        outside.keep_anchor(house, NIGHT + timedelta(minutes=minutes))
    assert [what for what, _ in alarms(house)] == [outside.CHANGED]
    assert alarms(house)[0][1]["row"] == 3
    assert [r.levelno for r in caplog.records] == [logging.ERROR]
    with house.database.read() as connection:
        assert audit.verify(connection, anchored(house).heads)[1][0].id == 3


def test_an_anchor_that_cannot_be_written_is_an_alarm(house: House) -> None:
    act(house)
    (house.configuration.folder / "state" / anchors.FILE).mkdir(parents=True)
    outside.keep_anchor(house, NIGHT)
    outside.keep_anchor(house, NIGHT + HOUR)
    assert [(what, payload["why"]) for what, payload in alarms(house)] == [
        (outside.UNANCHORED, "IsADirectoryError")
    ]


def test_a_file_that_somebody_writes_is_left_to_the_next_tick(house: House) -> None:
    act(house)
    outside.keep_anchor(house, NIGHT)
    act(house)
    with anchors.anchors_in(house.configuration.folder / "state", SIGNING_KEY).appending():
        outside.keep_anchor(house, NIGHT)
    assert [head.id for head in anchored(house).heads] == [1]
    outside.keep_anchor(house, NIGHT)
    assert [head.id for head in anchored(house).heads] == [1, 2]


def test_an_older_row_is_not_anchored_after_a_newer(house: House) -> None:
    act(house, 2)
    file = anchors.anchors_in(outside.state_folder(house.configuration), SIGNING_KEY)
    assert anchors.add(file, NIGHT, Head(2, bytes(32)))
    assert not anchors.add(file, NIGHT, Head(1, bytes(32)))
    assert [head.id for head in anchored(house).heads] == [2]


def test_a_purge_is_vouched_for(house: House) -> None:
    act(house, 5)
    outside.keep_anchor(house, NIGHT)
    file = anchors.anchors_in(house.configuration.folder / "state", SIGNING_KEY)
    with house.database.read() as connection:
        chain = audit.chain_at(connection, 3)
    assert chain is not None
    anchors.begin_after(file, NIGHT, Head(3, chain))
    tampered(house, "DELETE FROM audit_details WHERE audit_id <= 3")
    tampered(house, "DELETE FROM audit WHERE id <= 3")
    outside.keep_anchor(house, NIGHT)
    kept = anchored(house)
    with house.database.read() as connection:
        assert audit.verify(connection, kept.heads, kept.beginning) == (2, [])
        assert audit.verify(connection, kept.heads)[1][0].id == 1
    assert alarms(house) == []


# -- the ledger ----------------------------------------------------------------------------------


def noted(house: House) -> list[Entry]:
    return ledger.entries(house.configuration.folder / "state" / ledger.FILE, SIGNING_KEY)


def note(house: House, *numbers: int, act: str = "pin.revoke") -> None:
    with house.database.write() as connection:
        for number in numbers:
            ledger.note(connection, NIGHT, act, number)


def states(house: House) -> set[str]:
    with house.database.read() as connection:
        return set(connection.execute(select(due_work.c.state)).scalars())


def test_the_worker_writes_the_ledger(house: House) -> None:
    assert ledger.KIND in HANDLERS
    assert noted(house) == []
    note(house, 17)
    note(house, 4, act="customer.erase")
    worker.tick(house, NIGHT + HOUR)
    assert noted(house) == [
        Entry("pin.revoke:17", "pin.revoke", 17, NIGHT),
        Entry("customer.erase:4", "customer.erase", 4, NIGHT),
    ]
    assert states(house) == {due.DONE}


def test_one_tick_writes_a_mass_revocation(house: House) -> None:
    """Other work does not wait behind five hundred rows, twenty a tick."""
    note(house, *range(500))
    worker.tick(house, NIGHT)
    assert len(noted(house)) == 500
    assert states(house) == {due.DONE}


def test_what_is_appended_twice_is_there_once(house: House) -> None:
    """A worker that dies after it wrote and before it said so."""
    file = outside.ledger_file(house.configuration)
    entry = Entry("pin.revoke:17", "pin.revoke", 17, NIGHT)
    assert ledger.append(file, SIGNING_KEY, [entry, entry]) == 1
    note(house, 17, 18)
    worker.tick(house, NIGHT)
    assert [each.id for each in noted(house)] == [17, 18]
    assert len(file.read_text().splitlines()) == 2


def test_a_ledger_that_somebody_writes_is_tried_again(house: House) -> None:
    note(house, 1, 2)
    file = outside.ledger_file(house.configuration)
    with ledger.log_at(file, SIGNING_KEY).appending():
        worker.tick(house, NIGHT)
    assert states(house) == {due.PENDING}
    worker.tick(house, NIGHT + HOUR)
    assert {each.at for each in noted(house)} == {NIGHT}
    assert states(house) == {due.DONE}


def test_a_damaged_ledger_says_so_and_gives_what_holds(house: House) -> None:
    note(house, 1, 2, 3)
    worker.tick(house, NIGHT)
    file = outside.ledger_file(house.configuration)
    file.write_text(file.read_text().replace('"id":2', '"id":9'))
    with pytest.raises(LedgerDamaged, match="line 2") as damaged:
        noted(house)
    assert [each.id for each in damaged.value.entries] == [1, 3]


def test_without_a_key_nothing_is_lost_and_it_is_said_once(
    keyless: House, caplog: pytest.LogCaptureFixture
) -> None:
    act(keyless)
    note(keyless, 1)
    for hours in range(3):
        worker._tick_once(keeper(keyless), NIGHT + hours * HOUR)
    assert states(keyless) == {due.PENDING}
    assert [r.message for r in caplog.records] == [
        "service.signing_key is missing: the audit log is not anchored, no ledger is kept"
    ]
    assert not (keyless.configuration.folder / "state").exists()


# -- commands ------------------------------------------------------------------------------------


class Ivr:
    def __init__(self, folder: Path, environment: dict[str, str] = SIGNED) -> None:
        self.folder = folder
        self.runner = CliRunner(env=environment)

    def __call__(self, *arguments: str) -> Result:
        return self.runner.invoke(ivr, ["--config", str(self.folder / "config.toml"), *arguments])

    def done(self, *arguments: str) -> str:
        result = self(*arguments)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return result.stdout

    def verified(self) -> dict[str, Any]:
        result = self("audit", "verify", "--json")
        document: dict[str, Any] = json.loads(result.stdout)
        assert result.exit_code == (1 if document["faults"] else 0)
        return document


@pytest.fixture
def command(folder: Path) -> Ivr:
    return Ivr(folder)


@pytest.fixture
def busy(command: Ivr) -> Ivr:
    """Three acts: a customer, a PIN, and its revocation."""
    command.done("customer", "add", "Acme", "--code", "ACME")
    command.done("pin", "issue", "ACME", "--label", "reception")
    command.done("pin", "revoke", "1", "--reason", "lost")
    return command


def test_a_command_anchors_its_own_act_and_writes_the_ledger(busy: Ivr, house: House) -> None:
    assert [head.id for head in anchored(house).heads] == [1, 2, 3]
    assert anchored(house).heads[-1] == newest(house)
    assert noted(house) == [Entry("pin.revoke:1", "pin.revoke", 1, NIGHT)]
    assert states(house) == {due.DONE}


def test_a_command_that_is_refused_anchors_nothing(busy: Ivr, house: House) -> None:
    assert busy("pin", "revoke", "1").exit_code == 1
    assert [head.id for head in anchored(house).heads] == [1, 2, 3]


def test_a_command_is_done_even_if_nothing_can_follow(
    command: Ivr, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    (command.folder / "state").write_text("in the way")
    command.done("customer", "add", "Acme", "--code", "ACME")
    command.done("pin", "issue", "ACME")
    command.done("pin", "revoke", "1")
    (command.folder / "state").unlink()
    worker._tick_once(keeper(house), NIGHT)
    assert [head.id for head in anchored(house).heads] == [3]
    assert [each.id for each in noted(house)] == [1]


def test_verify_says_that_everything_holds(busy: Ivr) -> None:
    assert busy.done("audit", "verify") == "3 rows, 3 anchors, 1 in the ledger: everything holds\n"
    assert busy.verified() == {
        "rows": 3,
        "anchors": 3,
        "ledger": 1,
        "waiting": 0,
        "torn": 0,
        "lost": [],
        "faults": [],
    }


def test_verify_holds_on_an_empty_house(command: Ivr) -> None:
    assert command.done("audit", "verify") == "0 rows, 0 anchors, 0 in the ledger: everything holds\n"


def test_verify_names_the_row_and_what_is_wrong(busy: Ivr, house: House) -> None:
    tampered(house, "UPDATE audit SET actor = 'cli:nobody' WHERE id = 2")
    result = busy("audit", "verify")
    assert (result.exit_code, result.stderr) == (1, "row 2 was changed, or is not where it was\n")
    assert "everything holds" not in result.stdout
    assert busy.verified()["faults"] == [{"id": 2, "what": "was changed, or is not where it was"}]


def test_verify_finds_the_newest_rows_removed(busy: Ivr, house: House) -> None:
    tampered(house, "DELETE FROM audit_details WHERE audit_id = 3")
    tampered(house, "DELETE FROM audit WHERE id = 3")
    assert [fault["id"] for fault in busy.verified()["faults"]] == [3]
    # With the anchors' end cut off, too, nothing shows it here: only a copy elsewhere.
    file = busy.folder / "state" / anchors.FILE
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:2]))
    assert busy.verified()["faults"] == []
    # But anchors that are gone altogether are missed.
    file.unlink()
    assert "remembers nothing" in busy.verified()["faults"][0]["what"]


def test_verify_finds_an_anchor_edited_and_a_ledger_edited(busy: Ivr) -> None:
    for name in (anchors.FILE, ledger.FILE):
        file = busy.folder / "state" / name
        good = file.read_text()
        file.write_text(good.replace('"id":1', '"id":5', 1))
        faults = busy.verified()["faults"]
        assert [fault["id"] for fault in faults] == [None]
        assert faults[0]["what"] == f"{name}, line 1 is not what was signed, or is not where it was"
        file.write_text(good)
    assert busy.verified()["faults"] == []


def test_verify_says_what_waits_and_what_was_torn(busy: Ivr, house: House) -> None:
    note(house, 99)
    file = busy.folder / "state" / anchors.FILE
    file.write_text(file.read_text() + '{"at":')
    assert busy.done("audit", "verify").splitlines()[1:] == [
        "note: 1 more for the ledger wait for the worker",
        "note: a crash left 1 torn line(s) in the files; no act is lost by it",
    ]


def test_verify_without_a_key_says_what_is_missing(folder: Path) -> None:
    outside._warn_of_no_key.cache_clear()
    command = Ivr(folder, SECRETS)
    command.done("customer", "add", "Acme", "--code", "ACME")
    assert not (folder / "state").exists()
    faults = command.verified()["faults"]
    assert faults == [{"id": None, "what": "service.signing_key is missing: anchors and ledger not checked"}]


def test_many_faults_are_counted(busy: Ivr, house: House) -> None:
    act(house, 80)
    tampered(house, "UPDATE audit SET actor = 'cli:nobody'")
    said = busy("audit", "verify").stderr.splitlines()
    assert len(said) == 51
    assert said[-1] == "and 33 more"
    assert len(busy.verified()["faults"]) == 83


def test_list_shows_the_latest_first(busy: Ivr) -> None:
    listed = json.loads(busy.done("audit", "list", "--json"))["acts"]
    assert [(each["id"], each["act"], each["subject"]) for each in listed] == [
        (3, "pin.revoke", "pin:1"),
        (2, "pin.issue", "pin:1"),
        (1, "customer.add", "customer:1"),
    ]
    assert listed[0]["details"] == {"reason": "lost"}
    assert listed[0]["at"] == "2026-03-10T22:00:00+01:00"
    assert listed[0]["actor"].startswith("cli:")
    only = json.loads(busy.done("audit", "list", "--subject", "pin:1", "--limit", "1", "--json"))["acts"]
    assert [each["id"] for each in only] == [3]
    assert '{"reason": "lost"}' in busy.done("audit", "list").splitlines()[1]


def test_list_says_what_is_erased(busy: Ivr, house: House) -> None:
    with house.database.write() as connection:
        audit.erase_details(connection, [3], audit.record(connection, ACTOR, NIGHT, "customer.erase", "c"))
    assert (
        json.loads(busy.done("audit", "list", "--subject", "pin:1", "--json"))["acts"][0]["details"] is None
    )
    assert "(erased)" in busy.done("audit", "list")


def test_list_refuses_what_nobody_wrote(busy: Ivr, house: House) -> None:
    for statement in (
        "UPDATE audit SET at = 'yesterday' WHERE id = 2",
        "UPDATE audit_details SET details = '{' WHERE audit_id = 2",
    ):
        tampered(house, statement)
        result = busy("audit", "list")
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
        assert "ivr audit verify" in result.stderr
        assert busy.verified()["faults"][0]["id"] == 2


def test_migrating_anchors_what_was_written_before(folder: Path, command: Ivr, house: House) -> None:
    act(house, 2)
    command.done("migrate")
    assert [head.id for head in anchored(house).heads] == [2]

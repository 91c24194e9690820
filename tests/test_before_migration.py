"""Before a migration a backup is written, and the release before can go back to it.

This release is the former one here: the one that comes after it has a migration more and knows more columns.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import random_rows
import time_machine
from click.testing import CliRunner, Result
from making import EXAMPLE, NIGHT, ROTA, SECRETS, configuration, fresh_database, opened_at, with_lines
from pydantic import SecretStr
from sqlalchemy import Column, Integer, MetaData, Table, Text, text
from test_two_releases import MIGRATION, NEXT

from console.backups import making, reading, upgrade
from console.backups.daily import Daily
from console.commands import ivr
from console.house import House
from console.processes.reloading import without_database
from console.processes.standing_by import first_snapshot
from console.settings import BackupSettings, load
from storage import dump, schema
from storage.dump import Undumpable
from storage.engine import Database
from storage.tables import metadata

KINDS = ("sqlite", "postgresql")
THIS = schema.NEWEST
KEYS = {
    **SECRETS,
    "IVR_SERVICE_SIGNING_KEY": bytes(range(60, 92)).hex(),
    "IVR_BACKUP_SEALING_KEYS": bytes(range(20, 52)).hex(),
}
DAY = timedelta(days=1)


def of_the_next_release() -> MetaData:
    """The tables as the next release knows them: a column more in each, a table more."""
    grown = MetaData()
    for each in metadata.sorted_tables:
        each.to_metadata(grown).append_column(Column("of_the_future", Text))
    Table("of_the_future", grown, Column("id", Integer, primary_key=True))
    return grown


@contextmanager
def the_next_release(folder: Path) -> Iterator[None]:
    """The program is the next one: with a migration more, and a column more in each of its tables."""
    migrations = folder / "migrations"
    if not migrations.exists():
        shipped = Path(schema.__file__).parent / "migrations"
        shutil.copytree(shipped, migrations, ignore=shutil.ignore_patterns("__pycache__"))
        (migrations / "versions" / f"m{NEXT}_moods.py").write_text(MIGRATION, encoding="utf-8")
    ours = schema.config

    def config(connection: Any) -> Any:
        made = ours(connection)
        made.set_main_option("script_location", str(migrations))
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "config", config)
        patch.setattr(schema, "NEWEST", NEXT)
        patch.setattr(making, "metadata", of_the_next_release())
        yield


class Machine:
    """A machine with its configuration, its state folder and a database in use."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.runner = CliRunner(env=KEYS)
        lines = with_lines(
            EXAMPLE.read_text(encoding="utf-8"), cost="{ memory_kib = 8, passes = 1 }", url=f'"{url}"'
        )
        head, section, rest = lines.partition("[backup]\n")
        self.config = folder / "config.toml"
        self.config.write_text(head + section + with_lines(rest, folder='"backups"'), encoding="utf-8")
        self.backups = folder / "backups"

    def __call__(self, *arguments: str) -> Result:
        return self.runner.invoke(ivr, ["--config", str(self.config), *arguments])

    def done(self, *arguments: str) -> str:
        result = self(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refused(self, *arguments: str) -> str:
        result = self(*arguments)
        assert result.exit_code == 1, result.output
        assert len(result.stderr.splitlines()) == 1
        return result.stderr

    def change(self, old: str, new: str) -> None:
        was = self.config.read_text(encoding="utf-8")
        assert was.count(old) == 1, old
        self.config.write_text(was.replace(old, new), encoding="utf-8")

    def stands_at(self) -> str | None:
        with opened_at(self.url) as database, database.read() as connection:
            return schema.revision(connection)

    @property
    def url(self) -> str:
        url = load(self.config, KEYS).database.url
        return url.replace("sqlite:///", f"sqlite:///{self.folder}/")

    def told(self) -> list[str]:
        """What the acts are that the audit log knows, the newest first."""
        with opened_at(self.url) as database, database.read() as connection:
            return list(connection.execute(text("SELECT act FROM audit ORDER BY id DESC")).scalars())


@pytest.fixture
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    kind = getattr(request, "param", "sqlite")
    if kind == "postgresql":
        made = Machine(tmp_path, request.getfixturevalue("new_postgresql")())
    else:
        made = Machine(tmp_path, "sqlite:///ivr.db")
        with fresh_database(tmp_path):
            pass
    (tmp_path / "rota.toml").write_text(ROTA, encoding="utf-8")
    with time_machine.travel(NIGHT, tick=False):
        yield made


# -- what is written ---------------------------------------------------------------------------


@pytest.fixture(params=KINDS)
def in_use(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with rows in every table."""
    if request.param == "postgresql":
        url = request.getfixturevalue("new_postgresql")()
    else:
        with fresh_database(tmp_path) as database:
            url = str(database.engine.url)
    with opened_at(url) as database:
        with database.write() as connection:
            random_rows.fill(connection, random.Random(11))
        yield database


def test_it_is_line_for_line_what_the_former_release_writes(in_use: Database) -> None:
    grown = of_the_next_release()
    with in_use.read() as connection:
        written = list(dump.lines(connection, metadata))
        assert list(dump.lines(connection, grown, dump.there(connection, grown))) == written


def test_nothing_that_stands_there_is_left_out_in_silence(in_use: Database) -> None:
    shrunk = MetaData()
    for each in metadata.sorted_tables:
        each.to_metadata(shrunk)
    kept = [column for column in metadata.tables["turns"].columns if column.name != "heard"]
    shrunk.remove(shrunk.tables["turns"])
    Table("turns", shrunk, *(Column(column.name, column.type) for column in kept))
    with in_use.read() as connection, pytest.raises(Undumpable, match=r"turns\.heard is there"):
        dump.there(connection, shrunk)


# -- the command, and back again -----------------------------------------------------------------


@pytest.mark.parametrize("machine", KINDS, indirect=True)
def test_the_former_release_goes_back_to_it(
    machine: Machine, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    machine.done("customer", "add", "Acme S.r.l.", "--code", "ACME", "--phone", "+393471112201")
    machine.done("pin", "issue", "ACME")
    machine.done("rota", "apply", str(tmp_path / "rota.toml"))
    asked = [("customer", "list"), ("pin", "list"), ("rota", "who", "--at", "2026-03-10T22:00")]
    before = [json.loads(machine.done(*each, "--json")) for each in asked]

    with the_next_release(tmp_path):
        said = machine.done("migrate")
        assert machine.stands_at() == NEXT
        assert machine.told()[0] == "database.backup"
    (file,) = machine.backups.iterdir()
    assert file.name == f"ivr-tables-{schema.NEWEST}-2026-03-10T210000Z.backup"
    assert file.stat().st_mode & 0o777 == 0o600
    assert said.splitlines()[0].startswith(f"{file}: everything as it stood at {schema.NEWEST}, ")
    assert f"the database stands at {NEXT}" in said
    # The former program serves on the newer tables; this is for when the data themselves have suffered.
    assert "start its program again: it serves on these tables" in said
    (told,) = re.findall(r"(?m)^  ivr --config (\S+) (restore) (\S+)$", said)
    assert told[0] == str(machine.config)

    if "sqlite" in machine.url:
        (tmp_path / "ivr.db").rename(tmp_path / "ivr.db.newer")
        for left in tmp_path.glob("ivr.db-*"):
            left.unlink()
    else:
        machine.change(machine.url, request.getfixturevalue("new_postgresql")())
    # By the ledger of this machine, which knows of the backup: no question is asked.
    machine.done(*told[1:])
    assert machine.stands_at() == schema.NEWEST
    assert [json.loads(machine.done(*each, "--json")) for each in asked] == before
    machine.done("audit", "verify")


def test_where_no_folder_is_configured_it_goes_into_the_state_folder(machine: Machine) -> None:
    machine.change('folder = "backups"', 'folder = ""')
    with the_next_release(machine.folder):
        machine.done("migrate")
    (file,) = (machine.folder / "state" / "backups").iterdir()
    keys = [bytes.fromhex(KEYS["IVR_BACKUP_SEALING_KEYS"])]
    assert reading.examine(file, keys).revision == schema.NEWEST


def test_without_a_backup_nothing_is_migrated_unless_somebody_says_so(machine: Machine) -> None:
    machine.backups.write_text("in the way")
    with the_next_release(machine.folder):
        why = machine.refused("migrate")
        assert "no backup can be written first" in why
        assert "--without-backup" in why
        assert machine.stands_at() == THIS
        said = machine.done("migrate", "--without-backup")
        assert (said, machine.stands_at()) == (f"the database stands at {NEXT}\n", NEXT)


def test_without_a_key_too(machine: Machine) -> None:
    machine.change('folder = "backups"', 'folder = ""')
    machine.runner = CliRunner(env=SECRETS)
    with the_next_release(machine.folder):
        assert "backup.sealing_keys is empty" in machine.refused("migrate")
        assert machine.stands_at() == THIS


def test_where_nothing_has_to_be_changed_none_is_written(machine: Machine) -> None:
    assert machine.done("migrate") == f"the database stands at {schema.NEWEST}\n"
    (machine.folder / "ivr.db").unlink()
    assert machine.done("migrate") == f"the database stands at {schema.NEWEST}\n"
    assert not machine.backups.exists()


def test_a_migration_that_fails_leaves_the_tables_and_the_backup(machine: Machine) -> None:
    with the_next_release(machine.folder):
        later = machine.folder / "migrations" / "versions" / f"m{NEXT}_moods.py"
        later.write_text(MIGRATION + '    op.drop_table("nowhere")\n', encoding="utf-8")
        result = machine("migrate")
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
        assert machine.stands_at() == THIS
    assert len(list(machine.backups.iterdir())) == 1


def test_they_are_removed_after_as_many_days_as_there_are_daily_ones(tmp_path: Path) -> None:
    """Whoever was erased is then in no backup any more."""
    base = configuration(tmp_path)
    folder = tmp_path / "backups"
    folder.mkdir()
    old, young = (f"ivr-tables-0009-2026-03-{day:02}T210000Z.backup" for day in (6, 8))
    for name in (old, young, "by-hand.backup"):
        (folder / name).write_bytes(b"")
    settings = BackupSettings(
        sealing_keys=[SecretStr(KEYS["IVR_BACKUP_SEALING_KEYS"])], folder="backups", keep=3
    )
    with fresh_database(tmp_path) as database:
        Daily(House(base.model_copy(update={"backup": settings}), database)).look(NIGHT)
    assert sorted(each.name for each in folder.iterdir()) == ["by-hand.backup", young]
    upgrade.remove_outdated(base, NIGHT + 40 * DAY)  # none was ever written into the state folder
    assert young in {each.name for each in folder.iterdir()}


# -- a service on tables of before ---------------------------------------------------------------


def test_a_service_whose_tables_were_forgotten_says_what_to_do(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not begin to serve on them; and where it has served before, callers do not pay for it: they
    are served from the snapshot until somebody migrates.
    """
    machine.change('public_url = ""', 'public_url = "https://ivr.example.net"')
    machine.change('account_sid = ""', f'account_sid = "AC{"0123456789abcdef" * 2}"')
    machine.change("memory_kib = 8, passes = 1", "memory_kib = 19456, passes = 2")
    first = f"stands at {THIS}, {NEXT} is needed: run `ivr migrate`"
    with the_next_release(machine.folder):
        assert first in machine.refused("serve")
    first_snapshot(load(machine.config, KEYS), NIGHT)
    with the_next_release(machine.folder):
        assert without_database(load(machine.config, KEYS), NIGHT) == ""
    assert first in caplog.text


@pytest.mark.parametrize(("found", "serves"), [("0009", True), ("0109", False)])
def test_what_is_said_of_the_way_back(found: str, serves: bool, tmp_path: Path) -> None:
    from console.backups.making import Made

    made = Made(tmp_path / "a b.backup", "x", NIGHT, 1, 1, 0, 1, True)
    said = "\n".join(upgrade.way_back(made, found, tmp_path / "config.toml"))
    assert ("serves on these tables" in said) is serves
    assert f"restore '{tmp_path}/a b.backup'" in said

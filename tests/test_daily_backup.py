"""The worker writes a backup each day, keeps so many, and the admins hear of it if it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from making import ACTOR, NIGHT, SECRETS, configuration, fresh_database, rome
from pydantic import SecretStr
from sqlalchemy import select

from console.backups import restoring
from console.backups.daily import FAILED, STALE, Daily
from console.house import House
from console.settings import BackupSettings, Configuration, ConfigurationRefused, load
from storage import audit, due
from storage.alarms import ALARM
from storage.tables import due_work

KEY = SecretStr(bytes(range(20, 52)).hex())
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """`opened(…)`: a house whose `[backup]` says so."""
    base = configuration(tmp_path)
    with fresh_database(tmp_path) as database:

        def with_settings(**backup: Any) -> House:
            given = {"sealing_keys": [KEY], "folder": "backups", "keep": 3} | backup
            return House(base.model_copy(update={"backup": BackupSettings(**given)}), database)

        yield with_settings


def files(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in (tmp_path / "backups").iterdir())


def alarms(house: House) -> list[str]:
    with house.database.read() as connection:
        rows = connection.execute(select(due_work.c.payload).where(due_work.c.kind == ALARM))
        return [row.payload["what"] for row in rows]


def test_one_is_written_each_day_at_its_time(opened: Callable[..., House], tmp_path: Path) -> None:
    daily = Daily(opened())
    first = rome("2026-03-10 22:00")
    assert daily.write(first) is not None  # there was none: it does not wait for the night
    assert daily.write(first + MINUTE) is None
    assert daily.write(rome("2026-03-11 03:29")) is None
    at = rome("2026-03-11 03:30")
    written = daily.write(at)
    assert written is not None
    assert written.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "backups").stat().st_mode & 0o777 == 0o700
    assert daily.write(at + MINUTE) is None
    # A worker that begins anew finds what is there.
    assert Daily(opened()).write(at + HOUR) is None
    assert files(tmp_path) == ["ivr-2026-03-10T210000Z.backup", "ivr-2026-03-11T023000Z.backup"]


def test_the_time_is_that_of_the_wall_clock(opened: Callable[..., House]) -> None:
    """In the night in which 02:30 does not exist it is written when the clock has leapt; in the one in which
    it comes twice, once.
    """
    daily = Daily(opened(at="02:30", keep=100))
    assert daily.write(rome("2026-03-28 12:00"))
    assert daily.write(rome("2026-03-29 01:59")) is None
    assert daily.write(rome("2026-03-29 03:00"))
    assert daily.write(rome("2026-10-24 12:00"))
    assert daily.write(rome("2026-10-25 02:30"))
    assert daily.write(rome("2026-10-25 02:30", fold=1)) is None
    assert daily.write(rome("2026-10-25 12:00")) is None


def test_as_many_are_kept_and_nothing_else_is_removed(opened: Callable[..., House], tmp_path: Path) -> None:
    daily = Daily(opened())
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "by-hand.backup").write_bytes(b"")
    (folder / ".ivr-2026-01-01T023000Z.backup.00.part").write_bytes(b"")
    for day in range(5):
        assert daily.write(rome("2026-03-10 03:30") + day * DAY)
    # The file of an interrupted one is as old as its last byte.
    assert files(tmp_path)[1:] == [
        "by-hand.backup",
        "ivr-2026-03-12T023000Z.backup",
        "ivr-2026-03-13T023000Z.backup",
        "ivr-2026-03-14T023000Z.backup",
    ]
    assert daily.write(datetime.now().astimezone() + 3 * DAY)
    assert not [name for name in files(tmp_path) if name.endswith(".part")]


def test_it_can_be_restored(opened: Callable[..., House]) -> None:
    house = opened()
    with house.database.write() as connection:
        audit.record(connection, ACTOR, NIGHT, "pin.issue", "pin:1")
    file = Daily(house).write(NIGHT)
    assert file is not None
    assert restoring.examine(house, file).at == NIGHT
    with house.database.read() as connection:
        (act, _) = audit.acts(connection)
    assert (act.actor, act.act) == ("service:backup", "database.backup")


def test_the_admins_hear_of_one_that_cannot_be_written(
    opened: Callable[..., House], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house = opened()
    daily = Daily(house)
    (tmp_path / "backups").write_text("in the way")
    assert daily.write(NIGHT) is None
    assert alarms(house) == [FAILED]
    (tmp_path / "backups").unlink()
    assert daily.write(NIGHT + MINUTE) is None  # it is left alone for a while
    assert daily.write(NIGHT + 15 * MINUTE) is not None
    assert alarms(house) == [FAILED]
    assert "no backup could be written" in caplog.text


def test_the_admins_hear_of_one_that_is_too_old(opened: Callable[..., House]) -> None:
    house = opened()
    daily = Daily(house)
    daily.look(NIGHT)
    assert daily.write(NIGHT)
    daily.look(NIGHT + 26 * HOUR)
    assert alarms(house) == []
    daily.look(NIGHT + 26 * HOUR + MINUTE)
    assert alarms(house) == [STALE]


def test_where_none_is_wanted_none_is_written(opened: Callable[..., House], tmp_path: Path) -> None:
    house = opened(folder="")
    daily = Daily(house)
    assert daily.write(NIGHT) is None
    daily.look(NIGHT + DAY)
    assert alarms(house) == []
    assert not (tmp_path / "backups").exists()
    with house.database.read() as connection:
        assert not due.waiting(connection, NIGHT, [ALARM])


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('at = "24:00"', "backup.at"),
        ("keep = 0", "backup.keep"),
        ('sealing_keys = ["abc"]', "backup.sealing_keys"),
        ('folder = "backups"', "sealing_keys: missing"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, lines: str, told: str) -> None:
    made: Configuration = configuration(tmp_path)
    text = made.file.read_text(encoding="utf-8")
    key = lines.split(" = ")[0]
    head, section, rest = text.partition("[backup]\n")
    rest = "\n".join(lines if line.startswith(f"{key} = ") else line for line in rest.splitlines())
    made.file.write_text(head + section + rest + "\n", encoding="utf-8")
    with pytest.raises(ConfigurationRefused) as refused:
        load(made.file, SECRETS)
    assert any(told in mistake for mistake in refused.value.mistakes), refused.value.mistakes

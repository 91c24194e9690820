"""`ivr doctor` and a database server: one that cannot be written, and one whose clock is another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from making import configuration, opened_at
from sqlalchemy import make_url, text

from console.doctor.examination import Examination, examine
from console.doctor.look import Tools
from console.house import House
from storage.settings import DatabaseSettings


class Served:
    """A house on PostgreSQL, found at `url`."""

    def __init__(self, folder: Path, url: str) -> None:
        was = configuration(folder)
        self._configuration = was.model_copy(update={"database": DatabaseSettings(url=url)})
        self._url = url

    def examined(self, ahead: float = 0) -> Examination:
        tools = Tools(clock=lambda: datetime.now(UTC) + timedelta(seconds=ahead))
        with opened_at(self._url) as database:
            house = House(self._configuration, database)
            return examine(house, datetime.now(UTC), tools=tools, offline=True)


@pytest.fixture
def served(tmp_path: Path, postgresql_url: str) -> Served:
    return Served(tmp_path, postgresql_url)


def levels(made: Examination, subject: str) -> dict[str, str]:
    return {each.key: each.level for each in made.findings if each.subject == subject}


def test_one_that_is_well(served: Served) -> None:
    made = served.examined()
    assert levels(made, "database") == {"database": "green"}
    assert levels(made, "clock") == {"clock": "green"}
    assert not [each for each in made.findings if each.key.startswith("check-")]


def test_one_that_we_may_only_read(tmp_path: Path, postgresql_url: str) -> None:
    reader = f"reader_{tmp_path.name}"[:60]
    with opened_at(postgresql_url) as database, database.write() as connection:
        connection.execute(text(f'CREATE ROLE "{reader}" LOGIN'))
        connection.execute(text(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{reader}"'))
    url = make_url(postgresql_url).set(username=reader).render_as_string(hide_password=False)
    made = Served(tmp_path, url).examined()
    with opened_at(postgresql_url) as database, database.write() as connection:
        connection.execute(text(f'DROP OWNED BY "{reader}"'))
        connection.execute(text(f'DROP ROLE "{reader}"'))
    assert levels(made, "database") == {"read-only": "red"}


@pytest.mark.parametrize(("ahead", "level"), [(5, "yellow"), (-90, "red")])
def test_clocks_that_are_apart(served: Served, ahead: float, level: str) -> None:
    made = served.examined(ahead)
    assert levels(made, "clock") == {"database": level}


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    made = Served(tmp_path, "postgresql://nobody@127.0.0.1:1/none").examined()
    assert levels(made, "database") == {"database": "red"}
    assert {"rota", "customers", "work", "backups", "stand-in"} <= set(made.unseen)
    assert not [each for each in made.findings if each.key.startswith("check-")]

"""No page asks the database more often because there is more to show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from crowd import Crowd, fill
from examples import pages_of
from making import NIGHT, configuration, fresh_database
from visitors import Clock, Console, console_in

from console.access.roles import May
from console.house import House
from console.web.area import right_of

FEW = Crowd(customers=60, calls=400, technicians=6, overrides=20, acts=200, years=0.05)
MANY = Crowd(customers=240, calls=2000, technicians=14, overrides=120, acts=900, years=0.05)
# Whatever is shown: the session, and some for what each kind of thing is.
MOST = 40
# What is asked only if there is such a thing at all: a night with a message, a case with a pass.
NOW_AND_THEN = 3


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Console, Console]]:
    made: list[Console] = []
    folders = [tmp_path_factory.mktemp(name) for name in ("few", "many")]
    with fresh_database(folders[0]) as few, fresh_database(folders[1]) as many:
        for folder, database, crowd in zip(folders, (few, many), (FEW, MANY), strict=True):
            made.append(_filled(folder, House(configuration(folder), database), crowd))
        yield made[0], made[1]


def _filled(folder: Path, house: House, crowd: Crowd) -> Console:
    console = console_in(folder, house, Clock())
    fill(house, NIGHT, crowd)
    return console


def _asked(console: Console) -> dict[str, int]:
    """How many statements each page takes, by endpoint."""
    admin, technician = console.visitor("admin"), console.visitor("technician")
    counted: dict[str, int] = {}
    for endpoint, path in pages_of(console).items():
        visitor = technician if right_of(endpoint) is May.DUTY else admin
        visitor.get(path)  # what is kept from page to page is kept now
        with console.statements() as asked:
            assert visitor.get(path).status_code in (200, 303), (endpoint, path)
        counted[endpoint] = len(asked)
    return counted


def test_no_page_asks_more_often_when_there_is_more(houses: tuple[Console, Console]) -> None:
    few, many = (_asked(console) for console in houses)
    assert {name: (few[name], n) for name, n in many.items() if n > few[name] + NOW_AND_THEN} == {}
    assert {name: n for name, n in many.items() if n > MOST} == {}

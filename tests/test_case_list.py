"""Cases listed page by page, and a technician's own, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from making import NIGHT, a_case, a_sid, case, opened_at, staff
from sqlalchemy import Connection, select, update

from ivr import casework
from oncall.cases import case_list, his_cases
from oncall.cases.case_list import NOBODY, Wanted
from oncall.reaching import attempts
from oncall.tables import cases
from pins.tables import customers

MINUTE = timedelta(minutes=1)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """Bruno and Dario on duty; cases 1 to 7 of the last minutes: 5 has no deadline, Dario has 3 by his key
    and 6 by hand, 7 is closed.
    """
    with opened_at(database_url) as database, database.write() as connection:
        staff(connection, NIGHT - timedelta(days=1))
        for number in range(1, 8):
            opened = a_case(connection, NIGHT - number * MINUTE, sid=a_sid(number))
            this = update(cases).where(cases.c.id == opened.id)
            if number == 3:
                attempt = attempts.begin_attempt(connection, NIGHT, opened.id, opened.sid, "dario", "+39", 2)
                attempts.press(connection, NIGHT, attempt, "accepted")
                attempts.settle(connection, NIGHT, attempt, "completed", bridged=True)
            if number == 5:
                connection.execute(this.values(due_at=None, urgency=None))
            if number == 6:
                casework.take(connection, "technician:dario", NIGHT, case(connection, opened), "dario")
            if number == 7:
                casework.close(connection, "technician:dario", NIGHT, case(connection, opened), "Done", 1)
        yield connection


def pages(connection: Connection, wanted: Wanted, size: int = 2) -> list[list[int]]:
    """The numbers of the cases, page by page."""
    found, after = [], None
    while True:
        page = case_list.page(connection, wanted, after, size=size)
        found.append([int(each.number[5:]) for each in page.cases])
        if page.after is None:
            return found
        after = page.after


def test_open_ones_by_who_has_to_see_to_them_first(connection: Connection) -> None:
    assert pages(connection, Wanted("open")) == [[4, 2], [1, 6], [3, 5]]


def test_others_by_when_they_were_opened(connection: Connection) -> None:
    assert pages(connection, Wanted("closed")) == [[7]]
    assert pages(connection, Wanted("all"), 3) == [[1, 2, 3], [4, 5, 6], [7]]


def test_narrowed(connection: Connection) -> None:
    owner = connection.execute(select(customers.c.id)).scalar_one()
    number = connection.execute(select(cases.c.number).where(cases.c.id == 2)).scalar_one()
    for wanted, found in {
        Wanted("all", who="dario"): [3, 6],
        Wanted("all", who="anna"): [],
        Wanted("open", who=NOBODY): [4, 2, 1, 5],
        Wanted("all", urgency="P1+"): [1, 2, 3, 4, 6, 7],
        Wanted("all", name=number): [2],
        Wanted("all", customers=(owner,)): [1, 2, 3, 4, 5, 6, 7],
        Wanted("all", customers=()): [],
        Wanted("all", start=NIGHT - 3 * MINUTE, end=NIGHT - MINUTE): [2, 3],
    }.items():
        assert pages(connection, wanted, 50) == [found], wanted


def test_one_passed_on_is_sought_for_again_and_comes_first(connection: Connection) -> None:
    third = next(
        each for each in case_list.page(connection, Wanted("all")).cases if each.number.endswith("3")
    )
    casework.pass_on(connection, "technician:dario", NIGHT + MINUTE, third)
    assert pages(connection, Wanted("open"), 50) == [[4, 3, 2, 1, 6, 5]]
    assert pages(connection, Wanted("all", who="dario"), 50) == [[6]]


def test_a_technician_s_own(connection: Connection) -> None:
    def numbers(technician: str) -> list[list[int]]:
        his = his_cases.his_cases(connection, NIGHT + MINUTE, technician)
        return [[int(each.number[5:]) for each in some] for some in (his.his, his.free, his.ended)]

    assert numbers("dario") == [[6, 3], [4, 2, 1, 5], [7]]
    assert numbers("bruno") == [[], [4, 2, 1, 5], []]
    assert numbers("anna") == [[], [], []]
    for each in case_list.page(connection, Wanted("all")).cases:
        seen = his_cases.may_see(connection, NIGHT + MINUTE, "bruno", each)
        assert seen == (int(each.number[5:]) in (1, 2, 4, 5)), each.number

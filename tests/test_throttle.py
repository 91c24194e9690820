"""The throttle: which guesses are looked at, whoever keys them, on however many lines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from making import NIGHT, opened_at
from sqlalchemy import Connection, func, insert, select

from pins import throttle
from pins.tables import pin_tries
from pins.throttle import Lane, Standing, identity, lane, may_be_right
from storage.alarms import ALARM
from storage.engine import Database
from storage.tables import due_work

KNOWN, UNKNOWN = "+390461000100", "+390471000200"
QUIET = Standing(hour=0, day=0, known_day=0, own=0, own_tries=0)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened_at(database_url) as database:
        yield database


# -- the rule --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("standing", "known", "first_try", "expected"),
    [
        pytest.param(QUIET, False, True, Lane.SHARED, id="nothing was missed"),
        pytest.param(Standing(19, 99, 0, 5, 5), False, False, Lane.SHARED, id="the last of the budget"),
        pytest.param(Standing(6, 6, 0, 6, 6), False, True, Lane.UNREAD, id="six of an unknown number"),
        pytest.param(Standing(6, 6, 0, 6, 6), True, False, Lane.SHARED, id="six of a known number"),
        pytest.param(Standing(20, 20, 0, 0, 0), False, True, Lane.UNREAD, id="hour spent, unknown"),
        pytest.param(Standing(20, 20, 0, 0, 0), True, True, Lane.KNOWN, id="hour spent, known"),
        pytest.param(Standing(0, 100, 0, 0, 0), False, True, Lane.UNREAD, id="day spent, unknown"),
        pytest.param(Standing(0, 100, 0, 0, 0), True, False, Lane.KNOWN, id="day spent, known"),
        pytest.param(Standing(20, 20, 5, 5, 5), True, False, Lane.KNOWN, id="five of a known number"),
        pytest.param(Standing(20, 20, 6, 6, 6), True, False, Lane.UNREAD, id="six of it, a later try"),
        pytest.param(Standing(20, 20, 6, 6, 6), True, True, Lane.KNOWN, id="six of it, a call's first try"),
    ],
)
def test_what_a_pin_is_checked_against(
    standing: Standing, known: bool, first_try: bool, expected: Lane
) -> None:
    assert lane(standing, known=known, first_try=first_try) is expected


standings = some.builds(
    Standing,
    hour=some.integers(0, 30),
    day=some.integers(0, 150),
    known_day=some.integers(0, 2500),
    own=some.integers(0, 30),
    own_tries=some.integers(0, 30),
)


@given(standings, some.booleans())
def test_whoever_was_not_evaluated_is_heard_by_a_person(standing: Standing, first_try: bool) -> None:
    """Nobody is refused whose PIN was not looked at: it may have been right."""
    lately = Standing(standing.hour, standing.day, 0, standing.own, max(standing.own, standing.own_tries))
    for known in (True, False):
        if lane(lately, known=known, first_try=first_try) is Lane.UNREAD:
            assert may_be_right(lately)


@given(standings)
def test_a_known_number_always_has_one_try(standing: Standing) -> None:
    assert lane(standing, known=True, first_try=True) is not Lane.UNREAD


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+390461000100", "+390461000100"),
        ("", ""),
        ("anonymous", ""),
        ("Restricted", ""),
        ("sip:mario@example.net", ""),
        ("+266696687", ""),
        ("+7378742833", ""),
        ("+39 0461 1", ""),
        ("+٣٩٠٤٦١", ""),
    ],
)
def test_all_withheld_numbers_are_one(number: str, expected: str) -> None:
    assert identity(number) == expected


# -- counted ---------------------------------------------------------------------------------------


def guess(connection: Connection, at: datetime, number: str, *, known: bool = False) -> Lane:
    """One wrong PIN, as the desk treats it."""
    found = lane(throttle.standing(connection, at, number), known=known, first_try=True)
    throttle.missed(connection, at, number, found)
    return found


def alarms(connection: Connection) -> list[str]:
    rows = connection.execute(select(due_work.c.key).where(due_work.c.kind == ALARM).order_by(due_work.c.id))
    return list(rows.scalars())


def test_an_unknown_number_is_not_evaluated_after_six_misses_an_hour(database: Database) -> None:
    with database.write() as connection:
        lanes = [guess(connection, NIGHT + timedelta(minutes=n), UNKNOWN) for n in range(8)]
        assert lanes == [Lane.SHARED] * 6 + [Lane.UNREAD] * 2
        # Another number still is; and so is this one when the hour has passed.
        assert guess(connection, NIGHT + timedelta(minutes=9), "+390471000201") is Lane.SHARED
        assert guess(connection, NIGHT + timedelta(minutes=61), UNKNOWN) is Lane.SHARED


def test_all_withheld_callers_share_their_six(database: Database) -> None:
    with database.write() as connection:
        lanes = [guess(connection, NIGHT, name) for name in ("", "anonymous", "unknown", "sip:a@b.example")]
        lanes += [guess(connection, NIGHT, "Restricted") for _ in range(3)]
    assert lanes == [Lane.SHARED] * 6 + [Lane.UNREAD]


def test_success_clears_the_number_and_not_the_budget(database: Database) -> None:
    with database.write() as connection:
        for _ in range(6):
            guess(connection, NIGHT, UNKNOWN)
        throttle.succeeded(connection, NIGHT, UNKNOWN)
        assert throttle.standing(connection, NIGHT, UNKNOWN) == Standing(6, 6, 0, 0, 0)


def test_one_alarm_when_the_budget_is_spent_and_none_before(database: Database) -> None:
    with database.write() as connection:
        for n in range(19):
            guess(connection, NIGHT, f"+39047100{n:04d}")
        assert alarms(connection) == []
        for n in range(19, 40):
            guess(connection, NIGHT + timedelta(minutes=3), f"+39047100{n:04d}")
        assert alarms(connection) == ["pin-budget:"]
        (told,) = connection.execute(select(due_work.c.payload).where(due_work.c.kind == ALARM)).scalars()
        assert told == {"what": "pin-budget", "about": "", "hour": 20, "day": 20}


def test_two_thousand_misses_of_known_numbers_are_an_alarm(database: Database) -> None:
    with database.write() as connection:
        row = {"number": KNOWN, "lane": "known", "cleared": False}
        connection.execute(insert(pin_tries), [{**row, "at": NIGHT - timedelta(hours=2)}] * 1_999)
        assert alarms(connection) == []
        throttle.missed(connection, NIGHT, KNOWN, Lane.KNOWN)
        assert alarms(connection) == ["pin-known-lane:"]


def test_rows_are_kept_no_longer_than_they_count(database: Database) -> None:
    with database.write() as connection:
        guess(connection, NIGHT, UNKNOWN)
        guess(connection, NIGHT + timedelta(hours=26), UNKNOWN)
        assert connection.execute(select(func.count()).select_from(pin_tries)).scalar() == 1


@settings(max_examples=30, deadline=None)
@given(some.lists(some.tuples(some.integers(0, 900), some.integers(0, 60)), max_size=400))
def test_no_hour_and_no_day_sees_more_than_its_budget(steps: list[tuple[int, int]]) -> None:
    """Whoever guesses whenever: at most 20 an hour and 100 a day are checked against all PINs.

    The counting is done here on lists, so that it is another hand's than the statements'.
    """
    at, shared, own = 0, [], {}  # type: ignore[var-annotated]
    for wait, number in steps:
        at += wait
        misses = own.setdefault(number, [])
        standing = Standing(
            hour=sum(at - then < 3600 for then in shared),
            day=sum(at - then < 86400 for then in shared),
            known_day=0,
            own=sum(at - then < 3600 for then in misses),
            own_tries=0,
        )
        if lane(standing, known=False, first_try=True) is Lane.SHARED:
            shared.append(at)
            misses.append(at)
    for start in shared:
        assert sum(start <= then < start + 3600 for then in shared) <= 20
        assert sum(start <= then < start + 86400 for then in shared) <= 100


def test_guesses_at_one_instant_do_not_share_the_last_of_the_budget(postgresql_url: str) -> None:
    """Eight lines guess at once, on connections of their own: twenty are evaluated, not one more."""
    with opened_at(postgresql_url) as database:

        def line(number: int) -> None:
            for n in range(6):
                with database.write() as connection:
                    guess(connection, NIGHT, f"+3904710{number:02d}{n:03d}")

        lines = [threading.Thread(target=line, args=(number,)) for number in range(8)]
        for each in lines:
            each.start()
        for each in lines:
            each.join()
        with database.read() as connection:
            lanes = select(pin_tries.c.lane, func.count()).group_by(pin_tries.c.lane)
            assert {row[0]: row[1] for row in connection.execute(lanes)} == {"shared": 20, "unread": 28}
            assert alarms(connection) == ["pin-budget:"]

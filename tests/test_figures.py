"""Figures counted inside the database, held against the report that counts calls and cases one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from crowd import Crowd, fill
from making import NIGHT, ROME, a_call, a_sid, configuration, opened_at, rome, staff
from sqlalchemy import select, update

from console.house import House
from ivr.records import figures, reports
from ivr.records.accounts import calls_in
from ivr.records.figures import GROUPS, Wanted
from ivr.records.reports import Sources
from ivr.tables import calls
from oncall.reports import Period, period
from oncall.tables import cases
from pins import customers
from storage.arithmetic import earliest, minute_of, seconds_between

LAST = date(2026, 3, 10)
SOME = Crowd(customers=40, calls=1500, technicians=6, overrides=10, acts=10, years=0.12)


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    with opened_at(database_url) as database:
        made = House(configuration(tmp_path), database)
        with database.write() as connection:
            staff(connection)
        yield made


def sources(house: House) -> Sources:
    it = house.configuration
    return Sources(it.zone, it.hours, it.number, it.reports)


def test_they_are_what_the_report_counts_one_by_one(house: House) -> None:
    fill(house, NIGHT, SOME)
    span = period(LAST - timedelta(days=29), LAST, ROME)
    with house.database.read() as connection:
        told = reports.gather(connection, NIGHT, sources(house), span)
        (rota,) = [each for each in told.rotas if each.cases]
        everything = Wanted(span)
        hours = figures.slots(connection, everything, ROME)
        came_out = figures.outcomes(connection, everything, span)
        taken = figures.taken(connection, NIGHT, everything)
        worked = figures.worked(connection, everything, 1000)
        rung = figures.rings(connection, everything)
        missed = figures.late(connection, NIGHT, everything, 1000)
    assert sum(each.calls for each in hours) == rota.calls > 100
    by_hour = Counter[int]()
    for each in hours:
        by_hour[each.hour] += each.calls
    assert tuple(by_hour[hour] for hour in range(24)) == rota.by_hour
    assert {name or reports.UNDER_WAY: count for name, count in came_out.items()} == rota.by_outcome
    for place, outcomes in enumerate(GROUPS.values()):
        wanted = sum(came_out.get(outcome, 0) for outcome in outcomes)
        assert sum(each.groups[place] for each in hours) == wanted
    assert {name for names in GROUPS.values() for name in names} >= set(came_out)

    verdicts: dict[str, Counter[str]] = {}
    for each in taken:
        verdicts.setdefault(each.level, Counter())[each.verdict] += each.count
    for level, promise in rota.promises.items():
        counted = verdicts[level]
        assert (counted["kept"], counted["missed"], counted["open"]) == (
            promise.kept,
            promise.missed,
            promise.open,
        )
    assert len(missed) == sum(promise.missed for promise in rota.promises.values()) > 3
    assert missed == sorted(missed, key=lambda each: each.opened_at, reverse=True)
    middle = figures.middle(taken)
    assert middle is not None
    assert rota.accept is not None
    assert (middle.count, middle.p90, middle.worst) == (
        rota.accept.count,
        rota.accept.p90 // 60,
        rota.accept.worst // 60,
    )
    assert abs(middle.median - rota.accept.median / 60) <= 1

    accounts = {each.customer: each for each in told.accounts if each.minutes}
    assert {each.code: (each.minutes, each.prepaid, each.billed) for each in worked} == {
        code: (each.minutes, each.prepaid, each.billed) for code, each in accounts.items()
    }
    assert [each.minutes for each in worked] == sorted((each.minutes for each in worked), reverse=True)
    attempts = Counter[str]()
    for results in rota.attempts.values():
        attempts.update(results)
    assert rung == dict(attempts)


def test_who_could_not_rest_is_what_the_report_says(house: House) -> None:
    fill(house, NIGHT, SOME)
    span = period(LAST - timedelta(days=6), LAST, ROME)
    with house.database.read() as connection:
        told = reports.gather(connection, NIGHT, sources(house), span)
        found = reports.tired(connection, sources(house), span)
        assert reports.tired(connection, sources(house), span, "none") == []
    (rota,) = [each for each in told.rotas if each.cases]
    assert {each.found for each in found} == set(rota.rest)
    assert len(found) == len(rota.rest) > 3
    assert {each.rota for each in found} == {rota.rota}


def test_of_a_number_a_rota_a_customer(house: House) -> None:
    fill(house, NIGHT, SOME)
    span = period(LAST - timedelta(days=29), LAST, ROME)
    number = house.configuration.number[1].number
    with house.database.read() as connection:
        codes = customers.codes(connection)
        came = calls_in(connection, span, codes, {})
        of_number = [each for each in came if each.number == number]
        slots = figures.slots(connection, Wanted(span, numbers=(number,)), ROME)
        assert 0 < sum(each.calls for each in slots) == len(of_number) < len(came)
        code, _ = Counter(each.customer for each in came if each.customer).most_common(1)[0]
        customer = next(key for key, each in codes.items() if each == code)
        his = Wanted(span, customer=customer)
        assert sum(each.calls for each in figures.slots(connection, his, ROME)) == sum(
            each.customer == code for each in came
        )
        opened = span.start <= cases.c.opened_at, cases.c.opened_at < span.end, cases.c.merged_into.is_(None)
        rows = connection.execute(
            select(cases.c.customer_id, cases.c.rota, calls.c.number)
            .join(calls, calls.c.sid == cases.c.call_sid)
            .where(*opened)
        ).all()
        for wanted, fits in (
            (his, [row for row in rows if row.customer_id == customer]),
            (Wanted(span, numbers=(number,)), [row for row in rows if row.number == number]),
            (Wanted(span, rota="duty"), [row for row in rows if row.rota == "duty"]),
            (Wanted(span, rota="none"), []),
        ):
            assert sum(each.count for each in figures.taken(connection, NIGHT, wanted)) == len(fits)
        assert set(figures.worked(connection, his, 10)) <= set(figures.worked(connection, Wanted(span), 1000))
        assert figures.rings(connection, Wanted(span, rota="none")) == {}


def put(house: House, *starts: str, fold: int = 0) -> None:
    with house.database.write() as connection:
        for place, start in enumerate(starts):
            a_call(connection, a_sid(place + 1), rome(start, fold))


def hours_of(house: House, span: Period, zone: ZoneInfo) -> list[tuple[str, int, int]]:
    with house.database.read() as connection:
        return [
            (str(each.day), each.hour, each.calls) for each in figures.slots(connection, Wanted(span), zone)
        ]


def test_hours_are_those_of_the_wall_also_on_the_nights_of_two_clocks(house: House) -> None:
    put(house, "2026-10-25 00:10", "2026-10-25 02:30", "2026-10-25 23:59", "2026-10-24 23:59")
    with house.database.write() as connection:
        a_call(connection, a_sid(9), rome("2026-10-25 02:45", fold=1))
    day = period(date(2026, 10, 25), date(2026, 10, 25), ROME)
    assert hours_of(house, day, ROME) == [("2026-10-25", 0, 1), ("2026-10-25", 2, 2), ("2026-10-25", 23, 1)]


def test_where_clocks_differ_by_part_of_an_hour(house: House) -> None:
    kathmandu = ZoneInfo("Asia/Kathmandu")
    put(house, "2026-03-10 12:20", "2026-03-10 12:10")  # 17:05 and 16:55 there
    day = period(date(2026, 3, 10), date(2026, 3, 10), kathmandu)
    assert hours_of(house, day, kathmandu) == [("2026-03-10", 16, 1), ("2026-03-10", 17, 1)]


def test_what_is_under_way_counts_as_no_answer_yet(house: House) -> None:
    put(house, "2026-03-10 12:20")
    day = period(LAST, LAST, ROME)
    with house.database.read() as connection:
        (slot,) = figures.slots(connection, Wanted(day), ROME)
    assert dict(zip(GROUPS, slot.groups, strict=True)) == {
        "spoke": 0,
        "missed": 0,
        "refused": 0,
        "hung-up": 1,
    }


def test_the_earliest_of_those_that_are_there(house: House) -> None:
    put(house, "2026-03-10 12:00", "2026-03-10 13:00")
    with house.database.write() as connection:
        connection.execute(
            update(calls).where(calls.c.sid == a_sid(1)).values(ended_at=rome("2026-03-10 11:00"))
        )
        query = select(
            earliest(calls.c.started_at, calls.c.ended_at), earliest(calls.c.ended_at, calls.c.ended_at)
        )
        found = connection.execute(query.order_by(calls.c.sid)).all()
    assert [tuple(row) for row in found] == [
        (rome("2026-03-10 11:00"), rome("2026-03-10 11:00")),
        (rome("2026-03-10 13:00"), None),
    ]


def test_seconds_and_minutes_are_the_same_on_both_databases(house: House) -> None:
    put(house, "2026-03-10 12:20:59.900000")
    with house.database.write() as connection:
        connection.execute(update(calls).values(ended_at=rome("2026-03-10 13:21:00.100000")))
        found = connection.execute(
            select(seconds_between(calls.c.started_at, calls.c.ended_at), minute_of(calls.c.started_at))
        ).one()
    assert tuple(found) == (3601, "2026-03-10 11:20")

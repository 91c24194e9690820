"""Who has the turn: rotations over daylight-saving nights, versions, overrides, and what came before."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from making import ROME, rome, utc

from oncall.rota import (
    BEGINNING_OF_TIME,
    Book,
    OnDuty,
    Override,
    Rotation,
    Rules,
    Rung,
    Version,
    parse_period,
)

WEEKLY = Rotation(date(2026, 1, 5), time(18, 30), 7)
TEAM = ("anna", "bruno", "carla")


def book(*rungs: Rung, overrides: tuple[Override, ...] = (), valid_from: datetime | None = None) -> Book:
    return Book([Version(1, valid_from or BEGINNING_OF_TIME, Rules(ROME, rungs))], overrides)


def who(book: Book, at: datetime) -> list[tuple[int, str, str]]:
    return [(duty.rung, duty.technician, duty.because) for duty in book.ladder(at)]


@pytest.mark.parametrize(
    ("at", "person"),
    [
        ("2026-01-05 18:29:59", None),
        ("2026-01-05 18:30:00", "anna"),
        ("2026-01-12 18:29:59", "anna"),
        ("2026-01-12 18:30:00", "bruno"),
        ("2026-01-19 18:30:00", "carla"),
        ("2026-01-26 18:30:00", "anna"),
        # The hand-over stays at 18:30 by the clock in summer as in winter.
        ("2026-03-30 18:29:59", "carla"),
        ("2026-03-30 18:30:00", "anna"),
        ("2026-10-26 18:29:59", "carla"),
        ("2026-10-26 18:30:00", "anna"),
        ("2035-12-31 18:30:00", "carla"),
    ],
)
def test_a_weekly_turn(at: str, person: str | None) -> None:
    assert Rung(TEAM, WEEKLY).person_at(rome(at), ROME) == person


@pytest.mark.parametrize(
    ("handover", "starts", "period", "before", "begins"),
    [
        # Spring: 02:30 does not exist and counts as 03:00, which is 01:00 UTC.
        ("02:30", "2026-03-28", 1, "2026-03-29 00:59:59", "2026-03-29 01:00:00"),
        ("02:00", "2026-03-28", 1, "2026-03-29 00:59:59", "2026-03-29 01:00:00"),
        # Autumn: 02:30 occurs twice and counts the first time, at 00:30 UTC.
        ("02:30", "2026-10-24", 1, "2026-10-25 00:29:59", "2026-10-25 00:30:00"),
        ("02:30", "2026-10-18", 7, "2026-10-25 00:29:59", "2026-10-25 00:30:00"),
        ("03:00", "2026-10-24", 1, "2026-10-25 01:59:59", "2026-10-25 02:00:00"),
    ],
)
def test_a_hand_over_in_the_changed_hour(
    handover: str, starts: str, period: int, before: str, begins: str
) -> None:
    rung = Rung(("anna", "bruno"), Rotation(date.fromisoformat(starts), time.fromisoformat(handover), period))
    assert rung.person_at(utc(before), ROME) == "anna"
    assert rung.person_at(utc(begins), ROME) == "bruno"
    # The second showing of the hour changes nothing back.
    assert rung.person_at(utc(begins) + timedelta(hours=1), ROME) == "bruno"


ZONES = some.sampled_from(
    ["Europe/Rome", "Australia/Lord_Howe", "Europe/Dublin", "America/New_York", "Pacific/Chatham", "UTC"]
).map(ZoneInfo)
ROTATIONS = some.builds(
    Rotation,
    starts=some.dates(date(2024, 1, 1), date(2027, 12, 31)),
    handover=some.integers(0, 1439).map(lambda minute: time(minute // 60, minute % 60))
    | some.sampled_from([time(2, 0), time(2, 15), time(2, 30), time(1, 30), time(3, 0)]),
    period=some.integers(1, 21),
)
INSTANTS = some.integers(0, 6_000_000).map(lambda minute: utc("2023-06-01") + timedelta(minutes=minute))


@settings(deadline=None)
@given(rotation=ROTATIONS, zone=ZONES, at=INSTANTS)
def test_turns_partition_time(rotation: Rotation, zone: ZoneInfo, at: datetime) -> None:
    """Every instant lies in exactly one turn: the one that has begun and whose next has not."""
    turn = rotation.turn_at(at, zone)
    begin, end = rotation.begins(turn, zone), rotation.begins(turn + 1, zone)
    assert begin <= at < end
    assert rotation.turn_at(begin, zone) == turn
    assert rotation.turn_at(end - timedelta(microseconds=1), zone) == turn
    assert rotation.turn_at(end, zone) == turn + 1
    # A turn over a change of clock is an hour longer or shorter, never more.
    assert abs(end - begin - timedelta(days=rotation.period)) <= timedelta(hours=1)


def walked(rotation: Rotation, zone: ZoneInfo, first: datetime, minutes: int) -> list[int]:
    """The turn in each minute from `first` on, found by watching the clock on the wall: a turn ends
    when the clock first shows its hand-over, or has jumped past it.
    """
    turns: list[int] = []
    turn = -1000
    for minute in range(minutes):
        face = (first + timedelta(minutes=minute)).astimezone(zone).replace(tzinfo=None)
        while (
            datetime.combine(rotation.starts, rotation.handover)
            + timedelta(days=(turn + 1) * rotation.period)
            <= face
        ):
            turn += 1  # never back: a face shown twice hands over once
        turns.append(turn)
    return turns


@pytest.mark.parametrize("zone", ["Europe/Rome", "Australia/Lord_Howe", "Europe/Dublin", "America/New_York"])
@pytest.mark.parametrize(
    ("handover", "period"), [("02:30", 1), ("02:00", 7), ("01:30", 1), ("18:30", 2), ("00:00", 1)]
)
def test_it_agrees_with_a_walk_minute_by_minute(zone: str, handover: str, period: int) -> None:
    rotation = Rotation(date(2026, 1, 1), time.fromisoformat(handover), period)
    for first in ("2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31"):
        start = utc(first)
        turns = walked(rotation, ZoneInfo(zone), start, 3 * 24 * 60)
        for minute in range(0, len(turns), 5):
            at = start + timedelta(minutes=minute)
            assert rotation.turn_at(at, ZoneInfo(zone)) == turns[minute], at


def test_somebody_who_is_always_on_a_rung_has_the_turn() -> None:
    ladder = book(Rung(TEAM, WEEKLY), Rung(("dario",))).ladder(rome("2026-01-13 03:00"))
    assert ladder == [OnDuty(1, "bruno", "turn"), OnDuty(2, "dario", "turn")]


def test_before_the_first_turn_a_rung_is_left_out() -> None:
    rotas = book(Rung(TEAM, WEEKLY), Rung(("dario",)))
    assert who(rotas, rome("2026-01-05 18:29")) == [(2, "dario", "turn")]


def test_before_the_rota_there_is_nobody() -> None:
    assert Book().ladder(rome("2026-01-05 12:00")) == []
    late = book(Rung(("dario",)), valid_from=rome("2026-01-05 18:30"))
    assert late.ladder(rome("2026-01-05 18:29")) == []
    assert who(late, rome("2026-01-05 18:30")) == [(1, "dario", "turn")]


def test_the_first_instant_of_rules() -> None:
    assert Rules(ROME, (Rung(TEAM, WEEKLY), Rung(("dario",)))).first_instant() == rome("2026-01-05 18:30")
    assert Rules(ROME, (Rung(("dario",)),)).first_instant() == BEGINNING_OF_TIME


def test_a_rung_may_ring_longer() -> None:
    (duty,) = book(Rung(("dario",), rings=40)).ladder(rome("2026-01-13 03:00"))
    assert duty.rings == 40


def test_the_latest_override_that_covers_the_instant_wins() -> None:
    start, end = rome("2026-01-13 20:00"), rome("2026-01-14 08:00")
    overrides = (
        Override(1, 1, start, end, "carla"),
        Override(3, 1, start + timedelta(hours=2), start + timedelta(hours=4), "dario"),
        Override(2, 1, start, end, "elena"),
        Override(4, 2, start, end, "fabio"),
        Override(5, 3, start, end, "nobody's rung"),
    )
    rotas = book(Rung(TEAM, WEEKLY), Rung(("dario",)), overrides=overrides)
    second = timedelta(seconds=1)
    assert who(rotas, start - second) == [(1, "bruno", "turn"), (2, "dario", "turn")]
    assert who(rotas, start) == [(1, "elena", "override"), (2, "fabio", "override")]
    assert who(rotas, start + timedelta(hours=2))[0] == (1, "dario", "override")
    assert who(rotas, start + timedelta(hours=4))[0] == (1, "elena", "override")
    assert who(rotas, end - second)[0] == (1, "elena", "override")
    assert who(rotas, end) == [(1, "bruno", "turn"), (2, "dario", "turn")]


def test_later_rules_change_only_what_comes_after_them() -> None:
    change = rome("2026-02-01 12:00")
    rotas = Book(
        [
            Version(2, change, Rules(ROME, (Rung(("dario",)),))),
            Version(1, WEEKLY.begins(0, ROME), Rules(ROME, (Rung(TEAM, WEEKLY),))),
        ]
    )
    assert who(rotas, change - timedelta(seconds=1)) == [(1, "anna", "turn")]
    assert who(rotas, change) == [(1, "dario", "turn")]
    assert rotas.ladder(rome("2026-01-05 18:29")) == []


def test_of_rules_that_hold_the_latest_applied_wins() -> None:
    """Rules applied later for an earlier instant hide the ones that were to come."""
    rotas = Book(
        [
            Version(1, utc("2026-01-01 00:00"), Rules(ROME, (Rung(("anna",)),))),
            Version(2, utc("2026-03-01 00:00"), Rules(ROME, (Rung(("bruno",)),))),
            Version(3, utc("2026-02-01 00:00"), Rules(ROME, (Rung(("carla",)),))),
        ]
    )
    assert who(rotas, utc("2026-01-31 00:00")) == [(1, "anna", "turn")]
    assert who(rotas, utc("2026-02-15 00:00")) == [(1, "carla", "turn")]
    assert who(rotas, utc("2026-03-15 00:00")) == [(1, "carla", "turn")]


@given(
    at=INSTANTS,
    spans=some.lists(some.tuples(INSTANTS, some.integers(1, 10_000)), max_size=8),
)
def test_the_winning_override_by_definition(at: datetime, spans: list[tuple[datetime, int]]) -> None:
    overrides = tuple(
        Override(number, 1, start, start + timedelta(hours=hours), f"t{number}")
        for number, (start, hours) in enumerate(spans)
    )
    covering = [o for o in overrides if o.start <= at < o.end]
    expected = max(covering, key=lambda o: o.id).technician if covering else "always"
    (duty,) = book(Rung(("always",)), overrides=overrides).ladder(at)
    assert duty.technician == expected


@pytest.mark.parametrize(
    ("text", "days"), [("1 day", 1), ("2 days", 2), ("1 week", 7), ("2 weeks", 14), ("10 days", 10)]
)
def test_a_period(text: str, days: int) -> None:
    assert parse_period(text) == days


@pytest.mark.parametrize(
    "text",
    ["", "week", "0 days", "-1 day", "1 month", "1.5 days", "1  week", "1 week\n", "1000 days", "١ day"],
)
def test_anything_else_is_no_period(text: str) -> None:
    with pytest.raises(ValueError, match="period"):
        parse_period(text)

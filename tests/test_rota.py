"""Who has the turn: rotations and patterns over daylight-saving nights, versions, overrides, who is away."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from making import ROME, rome, utc

from oncall.rota.layers import Layers
from oncall.rota.rota import (
    BEGINNING_OF_TIME,
    Absence,
    Book,
    Employment,
    OnDuty,
    Override,
    Pattern,
    Rotation,
    Rules,
    Rung,
    Segment,
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
    assert next(iter(Rung(TEAM, WEEKLY).people_at(rome(at), ROME)), None) == person


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
    assert rung.people_at(utc(before), ROME) == ("anna", "bruno")
    assert rung.people_at(utc(begins), ROME) == ("bruno", "anna")
    # The second showing of the hour changes nothing back.
    assert rung.people_at(utc(begins) + timedelta(hours=1), ROME) == ("bruno", "anna")


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


# -- weekly patterns -----------------------------------------------------------------------------

EVERY_DAY = frozenset(range(7))


def pattern(
    begins: str,
    ends: str,
    *people: str,
    days: frozenset[int] = EVERY_DAY,
    starts: date | None = None,
    period: int = 1,
) -> Pattern:
    return Pattern(days, time.fromisoformat(begins), time.fromisoformat(ends), people, starts, period)


@pytest.mark.parametrize(
    ("at", "because"),
    [
        ("2026-03-09 12:59:59", "turn"),  # a Monday
        ("2026-03-09 13:00:00", "pattern"),
        ("2026-03-09 13:59:59", "pattern"),
        ("2026-03-09 14:00:00", "turn"),
        ("2026-03-10 13:30:00", "turn"),
        ("2026-03-11 13:30:00", "pattern"),
    ],
)
def test_a_pattern_comes_before_the_turn_on_its_days(at: str, because: str) -> None:
    lunch = pattern("13:00", "14:00", "elena", days=frozenset({0, 2}))
    (duty,) = book(Rung(TEAM, WEEKLY, patterns=(lunch,))).ladder(rome(at))
    assert (duty.technician == "elena", duty.because) == (because == "pattern", because)


def test_a_window_that_ends_before_it_begins_ends_on_the_next_day() -> None:
    night = Rung((), patterns=(pattern("22:00", "06:00", "elena", days=frozenset({4})),))
    rotas = book(night)
    assert who(rotas, rome("2026-03-13 21:59:59")) == []  # a Friday
    assert who(rotas, rome("2026-03-13 22:00")) == [(1, "elena", "pattern")]
    assert who(rotas, rome("2026-03-14 05:59:59")) == [(1, "elena", "pattern")]
    assert who(rotas, rome("2026-03-14 06:00")) == []
    assert who(rotas, rome("2026-03-14 22:00")) == []


def test_a_window_from_a_time_to_the_same_lasts_a_day() -> None:
    rotas = book(Rung((), patterns=(pattern("08:00", "08:00", "elena", days=frozenset({5})),)))
    assert [at for at in range(30, 62) if who(rotas, rome("2026-03-13 00:00") + timedelta(hours=at))] == list(
        range(32, 56)
    )


def test_people_of_a_pattern_take_turns_by_the_day_a_window_begins() -> None:
    weekend = pattern(
        "20:00",
        "20:00",
        "anna",
        "bruno",
        "carla",
        days=frozenset({5, 6}),
        starts=date(2026, 1, 5),
        period=7,
    )
    rotas = book(Rung((), patterns=(weekend,)))
    found = {
        at: who(rotas, rome(at))
        for at in ("2026-01-03 21:00", "2026-01-10 21:00", "2026-01-12 19:59", "2026-01-17 20:00")
    }
    assert list(found.values()) == [
        [],  # before its first day it does not hold
        [(1, "anna", "pattern")],
        [(1, "anna", "pattern")],  # Monday, but the window began on Sunday
        [(1, "bruno", "pattern")],
    ]


def test_the_first_pattern_that_covers_the_instant_wins() -> None:
    two = (pattern("12:00", "14:00", "elena"), pattern("13:00", "15:00", "fabio"))
    rotas = book(Rung(("dario",), patterns=two))
    names = [who(rotas, rome(f"2026-03-10 {hour}:30"))[0][1] for hour in (11, 12, 13, 14, 15)]
    assert names == ["dario", "elena", "elena", "fabio", "dario"]


@pytest.mark.parametrize(
    ("begins", "ends", "first", "last"),
    [
        # Spring: 02:00 becomes 03:00 at 01:00 UTC.
        ("02:15", "02:45", None, None),  # the whole window is skipped
        ("01:30", "02:30", "2026-03-29 00:30", "2026-03-29 01:00"),
        ("02:30", "03:30", "2026-03-29 01:00", "2026-03-29 01:30"),
    ],
)
def test_a_window_on_a_night_that_skips_an_hour(
    begins: str, ends: str, first: str | None, last: str | None
) -> None:
    rotas = book(Rung((), patterns=(pattern(begins, ends, "elena"),)))
    start = utc("2026-03-28 20:00")
    minutes = [start + timedelta(minutes=minute) for minute in range(16 * 60)]
    covered = [at for at in minutes if who(rotas, at)]
    if first is None or last is None:
        assert covered == []
    else:
        assert (covered[0], covered[-1] + timedelta(minutes=1)) == (utc(first), utc(last))


def test_a_window_on_a_night_that_shows_an_hour_twice() -> None:
    """Its edges are the first of two; between them it is one stretch."""
    rotas = book(Rung((), patterns=(pattern("02:30", "03:30", "elena"), pattern("01:00", "02:30", "bruno"))))
    start = utc("2026-10-24 20:00")
    minutes = [start + timedelta(minutes=minute) for minute in range(16 * 60)]
    elena = [at for at in minutes if who(rotas, at) == [(1, "elena", "pattern")]]
    bruno = [at for at in minutes if who(rotas, at) == [(1, "bruno", "pattern")]]
    assert (elena[0], elena[-1], len(elena)) == (utc("2026-10-25 00:30"), utc("2026-10-25 02:29"), 120)
    assert (bruno[0], bruno[-1], len(bruno)) == (utc("2026-10-24 23:00"), utc("2026-10-25 00:29"), 90)


def test_a_clock_that_is_set_back_over_midnight() -> None:
    """In Newfoundland the clock went from 00:01 back to 23:01 of the day before: today had begun."""
    zone = ZoneInfo("America/St_Johns")
    rules = Rules(zone, (Rung((), patterns=(pattern("00:00", "12:00", "elena", days=frozenset({6})),)),))
    rotas = Book([Version(1, BEGINNING_OF_TIME, rules)])
    set_back = utc("2008-11-02 02:31")  # 00:01 on Sunday becomes 23:01 on Saturday
    assert (set_back - timedelta(minutes=1)).astimezone(zone).weekday() == 6
    assert set_back.astimezone(zone).weekday() == 5
    for minute in (-1, 0, 30, 59, 60, 61):
        assert who(rotas, set_back + timedelta(minutes=minute)) == [(1, "elena", "pattern")], minute
    assert who(rotas, set_back - timedelta(minutes=2)) == []


def test_a_day_that_never_was() -> None:
    """Samoa skipped 30 December 2011: its turns and windows begin, and end, when the 31st began."""
    zone = ZoneInfo("Pacific/Apia")
    daily = Rotation(date(2011, 12, 27), time(12), 1)
    rung = Rung(("anna", "bruno", "carla"), daily)
    midnight = utc("2011-12-30 10:00")
    names = {}
    for hours in (-25, -23, -1, 0, 1, 11, 12, 13):
        at = midnight + timedelta(hours=hours)
        names[hours] = rung.people_at(at, zone)[0]
    # From noon of the 28th bruno, of the 29th carla; anna's noon, the 30th's, is the midnight.
    assert names == {
        -25: "bruno",
        -23: "bruno",
        -1: "carla",
        0: "anna",
        1: "anna",
        11: "anna",
        12: "bruno",
        13: "bruno",
    }
    rules = Rules(zone, (Rung((), patterns=(pattern("09:00", "17:00", "elena", days=frozenset({4})),)),))
    friday = Book([Version(1, BEGINNING_OF_TIME, rules)])
    stretch = friday.segments(utc("2011-12-25 00:00"), utc("2012-01-05 00:00"))
    assert [segment.standing for segment in stretch] == [()]


def test_the_first_instant_of_patterns() -> None:
    weekend = pattern("20:00", "08:00", "a", "b", days=frozenset({5, 6}), starts=date(2026, 1, 5), period=7)
    assert Rules(ROME, (Rung((), patterns=(weekend,)),)).first_instant() == rome("2026-01-10 20:00")
    earlier = Rung(TEAM, Rotation(date(2026, 1, 1), time(12), 7), patterns=(weekend,))
    assert Rules(ROME, (Rung(TEAM, WEEKLY), earlier)).first_instant() == rome("2026-01-01 12:00")
    always = pattern("20:00", "08:00", "a")
    assert Rules(ROME, (Rung((), patterns=(always,)),)).first_instant() == BEGINNING_OF_TIME


def test_whether_a_rung_stands_without_somebody() -> None:
    lunch, night = pattern("13:00", "14:00", "anna"), pattern("22:00", "06:00", "bruno")
    assert Rung(("anna", "bruno"), WEEKLY).stands({"bruno"})
    assert not Rung(("anna", "bruno"), WEEKLY).stands({"carla"})
    assert Rung(("carla",), patterns=(lunch, night)).stands({"carla"})
    assert not Rung(("carla",), patterns=(lunch, night)).stands({"anna", "bruno"})
    assert Rung((), patterns=(lunch, night)).stands({"anna", "bruno"})
    assert not Rung((), patterns=(lunch, night)).stands({"anna"})


# -- who is away ---------------------------------------------------------------------------------

NOON = rome("2026-01-13 12:00")  # in bruno's week
ALWAYS = (BEGINNING_OF_TIME, rome("2030-01-01 00:00"))


def absent(*people: str, recorded: datetime = BEGINNING_OF_TIME) -> list[Absence]:
    return [Absence(number, person, *ALWAYS, recorded) for number, person in enumerate(people)]


def known(
    rung: Rung,
    overrides: tuple[Override, ...] = (),
    absences: list[Absence] | None = None,
    *people: Employment,
) -> Book:
    return Book([Version(1, BEGINNING_OF_TIME, Rules(ROME, (rung,)))], overrides, absences or [], people)


@pytest.mark.parametrize(
    ("away", "standing"),
    [
        ((), [(1, "bruno", "turn")]),
        (("anna",), [(1, "bruno", "turn")]),
        (("bruno",), [(1, "carla", "absence")]),
        (("bruno", "carla"), [(1, "anna", "absence")]),
        (("bruno", "carla", "anna"), []),
    ],
)
def test_the_turn_passes_on_in_the_rotations_order(
    away: tuple[str, ...], standing: list[tuple[int, str, str]]
) -> None:
    assert who(known(Rung(TEAM, WEEKLY), (), absent(*away)), NOON) == standing


def test_with_all_of_a_pattern_away_the_next_one_and_then_the_rung_has_it() -> None:
    two = (
        pattern("11:00", "13:00", "elena", "fabio", starts=date(2026, 1, 13)),
        pattern("12:00", "13:00", "gina"),
    )
    rung = Rung(TEAM, WEEKLY, patterns=two)
    for away, standing in (
        ((), (1, "elena", "pattern")),
        (("elena",), (1, "fabio", "absence")),
        (("elena", "fabio"), (1, "gina", "absence")),
        (("elena", "fabio", "gina"), (1, "bruno", "absence")),
        (("elena", "fabio", "gina", "bruno"), (1, "carla", "absence")),
    ):
        assert who(known(rung, (), absent(*away)), NOON) == [standing]


def test_an_override_whose_person_is_away_gives_way_to_the_one_before_it() -> None:
    overrides = (
        Override(1, 1, *ALWAYS, "dario", "swap", rome("2026-01-01 00:00")),
        Override(2, 1, *ALWAYS, "elena", "override", rome("2026-01-02 00:00")),
    )
    rung = Rung(TEAM, WEEKLY)
    later = rome("2026-01-03 00:00")
    assert who(known(rung, overrides), NOON) == [(1, "elena", "override")]
    assert who(known(rung, overrides, absent("elena", recorded=later)), NOON) == [(1, "dario", "absence")]
    both = absent("elena", "dario", recorded=later)
    assert who(known(rung, overrides, both), NOON) == [(1, "bruno", "absence")]
    # Whoever made an override when the absence was known, at the same instant too, knew better.
    told = rome("2026-01-02 00:00")
    assert who(known(rung, overrides, absent("elena", recorded=told)), NOON) == [(1, "elena", "override")]
    # Of several absences the one that was not known counts.
    several = absent("elena", recorded=told) + absent("elena", recorded=later)
    assert who(known(rung, overrides, several), NOON) == [(1, "dario", "absence")]
    assert who(known(rung, overrides, several[::-1]), NOON) == [(1, "dario", "absence")]


def test_an_absence_counts_from_when_it_was_recorded() -> None:
    rotas = known(Rung(TEAM, WEEKLY), (), absent("bruno", recorded=NOON))
    assert who(rotas, NOON - timedelta(microseconds=1)) == [(1, "bruno", "turn")]
    assert who(rotas, NOON) == [(1, "carla", "absence")]


def test_nobody_has_a_turn_outside_his_employment() -> None:
    rung = Rung(TEAM, WEEKLY)
    second = timedelta(seconds=1)
    leaves = known(rung, (), [], Employment("bruno", None, NOON))
    assert who(leaves, NOON - second) == [(1, "bruno", "turn")]
    assert who(leaves, NOON) == [(1, "carla", "absence")]
    begins = known(rung, (), [], Employment("bruno", NOON, None))
    assert who(begins, NOON - second) == [(1, "carla", "absence")]
    assert who(begins, NOON) == [(1, "bruno", "turn")]
    # An override does not bring back who has left, whenever it was made.
    put = (Override(1, 1, *ALWAYS, "bruno", "override", NOON + second),)
    assert who(known(rung, put, [], Employment("bruno", None, NOON)), NOON) == [(1, "carla", "absence")]
    assert who(known(rung, put, [], Employment("bruno", NOON, None)), NOON - second)[0][1] == "carla"


# -- stretches -----------------------------------------------------------------------------------


def test_segments_of_a_fortnight() -> None:
    start, end = rome("2026-01-12 00:00"), rome("2026-01-26 00:00")
    put = Override(1, 1, rome("2026-01-14 08:00"), rome("2026-01-15 08:00"), "dario")
    found = known(Rung(TEAM, WEEKLY), (put,)).segments(start, end)
    assert [(s.start, s.end, [(d.technician, d.because) for d in s.standing]) for s in found] == [
        (start, rome("2026-01-12 18:30"), [("anna", "turn")]),
        (rome("2026-01-12 18:30"), put.start, [("bruno", "turn")]),
        (put.start, put.end, [("dario", "override")]),
        (put.end, rome("2026-01-19 18:30"), [("bruno", "turn")]),
        (rome("2026-01-19 18:30"), end, [("carla", "turn")]),
    ]


def test_segments_in_which_nothing_changes_are_one() -> None:
    alone = Rung(
        ("anna", "anna"), WEEKLY, patterns=(pattern("13:00", "14:00", "bruno", starts=date(2027, 1, 1)),)
    )
    start, end = rome("2026-02-01 00:00"), rome("2026-12-01 00:00")
    put = Override(1, 2, start + timedelta(days=3), end, "a rung there is not")
    found = known(alone, (put,), absent("zoe")).segments(start, end)
    assert found == [Segment(start, end, (OnDuty(1, "anna", "turn"),))]


def test_segments_before_the_rota_begins_and_over_a_change_of_rules() -> None:
    change = rome("2026-02-01 12:00")
    rotas = Book(
        [
            Version(1, WEEKLY.begins(0, ROME), Rules(ROME, (Rung(("anna",), WEEKLY),))),
            Version(2, change, Rules(ROME, (Rung(("dario",)),))),
        ]
    )
    start, end = rome("2026-01-01 00:00"), rome("2026-03-01 00:00")
    found = rotas.segments(start, end)
    assert [(s.start, [d.technician for d in s.standing]) for s in found] == [
        (start, []),
        (rome("2026-01-05 18:30"), ["anna"]),
        (change, ["dario"]),
    ]
    assert found[-1].end == end


def test_segments_may_begin_and_end_within_a_window() -> None:
    night = pattern("20:00", "08:00", "elena")
    start, end = rome("2026-01-13 03:00"), rome("2026-01-14 03:00")
    found = known(Rung(TEAM, WEEKLY, patterns=(night,))).segments(start, end)
    assert [(s.start, s.standing[0].technician) for s in found] == [
        (start, "elena"),
        (rome("2026-01-13 08:00"), "bruno"),
        (rome("2026-01-13 20:00"), "elena"),
    ]


def test_segments_change_where_somebody_comes_or_goes() -> None:
    """Whoever it is: of the rules, of an override that began before, of one that lies under another."""
    start, hour = rome("2026-01-13 00:00"), timedelta(hours=1)
    end = start + 48 * hour
    overrides = (
        Override(1, 1, start - hour, start + 20 * hour, "dario"),
        Override(2, 1, start + 10 * hour, start + 20 * hour, "elena"),
    )
    absences = [
        Absence(1, "dario", start + 2 * hour, start + 4 * hour, start - hour),
        Absence(2, "elena", start + 12 * hour, start + 16 * hour, start - hour),
        Absence(3, "dario", start + 14 * hour, start + 15 * hour, start + hour),
        Absence(4, "bruno", start + 22 * hour, start + 23 * hour, start + hour),
    ]
    rotas = known(
        Rung(TEAM, WEEKLY), overrides, absences, Employment("carla", None, start + 22 * hour + hour / 2)
    )
    found = [((s.start - start) / hour, s.standing[0].technician) for s in rotas.segments(start, end)]
    assert found == [
        (0, "dario"),
        (2, "bruno"),
        (4, "dario"),
        (10, "elena"),
        (12, "dario"),
        (14, "bruno"),
        (15, "dario"),
        (16, "elena"),
        (20, "bruno"),
        (22, "carla"),
        (22.5, "anna"),
        (23, "bruno"),
    ]


def test_an_override_of_who_begins_or_leaves_within_it_does_not_hide_the_one_below() -> None:
    start, hour = rome("2026-01-13 00:00"), timedelta(hours=1)
    overrides = (
        Override(1, 1, start, start + 9 * hour, "dario"),
        Override(2, 1, start, start + 9 * hour, "elena"),
    )
    employed = Employment("elena", start + 3 * hour, start + 6 * hour)
    rotas = known(Rung(TEAM, WEEKLY), overrides, [], employed)
    names = [who(rotas, start + hours * hour)[0][1] for hours in range(10)]
    assert names == ["dario"] * 3 + ["elena"] * 3 + ["dario"] * 3 + ["bruno"]
    begins = known(Rung(TEAM, WEEKLY), overrides, [], Employment("elena", start + 3 * hour))
    assert [who(begins, start + hours * hour)[0][1] for hours in (2, 3)] == ["dario", "elena"]
    leaves = known(Rung(TEAM, WEEKLY), overrides, [], Employment("elena", None, start + 6 * hour))
    assert [who(leaves, start + hours * hour)[0][1] for hours in (5, 6)] == ["elena", "dario"]


def test_an_override_lies_bare_under_one_whose_person_is_away_all_the_time() -> None:
    start, day = rome("2026-01-13 00:00"), timedelta(days=1)
    overrides = (
        Override(1, 1, start, start + day, "dario"),
        Override(2, 1, start, start + day, "elena"),
    )
    away = [Absence(1, "elena", start - 3 * day, start + 9 * day, start - 5 * day)]
    assert who(known(Rung(TEAM, WEEKLY), overrides, away), start) == [(1, "dario", "absence")]


def test_rules_that_put_the_same_people_there_are_no_change() -> None:
    change = NOON + timedelta(hours=1)
    version = Version(1, BEGINNING_OF_TIME, Rules(ROME, (Rung(TEAM, WEEKLY),)))
    rotas = Book([version, Version(2, change, version.rules)])
    assert len(rotas.segments(NOON, NOON + timedelta(hours=2))) == 1


@pytest.mark.parametrize("hours", [0, -1])
def test_no_time_has_no_segments(hours: int) -> None:
    assert known(Rung(TEAM, WEEKLY)).segments(NOON, NOON + timedelta(hours=hours)) == []


def test_a_zone_of_whoever_asks_makes_no_difference() -> None:
    rotas = known(Rung(TEAM, WEEKLY))
    there = NOON.astimezone(ZoneInfo("Australia/Lord_Howe"))
    assert rotas.ladder(there) == rotas.ladder(NOON)
    assert rotas.segments(there, there + timedelta(days=9)) == rotas.segments(NOON, NOON + timedelta(days=9))


PATTERNS = some.builds(
    Pattern,
    days=some.frozensets(some.integers(0, 6), min_size=1),
    begins=some.sampled_from([time(2, 15), time(2, 30), time(0), time(13), time(23, 30)]),
    ends=some.sampled_from([time(2, 15), time(2, 45), time(0), time(3), time(8)]),
    people=some.sampled_from([("anna",), ("bruno", "carla")]),
    starts=some.dates(date(2025, 12, 1), date(2026, 12, 31)),
    period=some.integers(1, 9),
)
CHANGES = some.sampled_from(
    ["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01"]
)


@settings(deadline=None)
@given(
    rotation=ROTATIONS,
    patterns=some.lists(PATTERNS, max_size=3).map(tuple),
    zone=ZONES,
    day=CHANGES,
    hours=some.integers(-40, 40),
    length=some.integers(1, 60),
    probes=some.lists(some.integers(0, 999), min_size=20, max_size=20),
)
def test_a_segment_says_what_the_ladder_says_anywhere_in_it(
    rotation: Rotation,
    patterns: tuple[Pattern, ...],
    zone: ZoneInfo,
    day: str,
    hours: int,
    length: int,
    probes: list[int],
) -> None:
    rotas = Book([Version(1, BEGINNING_OF_TIME, Rules(zone, (Rung(TEAM, rotation, None, patterns),)))])
    start = utc(day) + timedelta(hours=hours)
    end = start + timedelta(hours=length)
    found = rotas.segments(start, end)
    assert (found[0].start, found[-1].end) == (start, end)
    for one, other in pairwise(found):
        assert one.end == other.start
        assert one.standing != other.standing
    for probe in probes:
        at = start + probe * (end - start) / 1000
        (here,) = (segment for segment in found if segment.start <= at < segment.end)
        assert list(here.standing) == rotas.ladder(at)


# -- layers --------------------------------------------------------------------------------------


@given(
    at=some.integers(0, 60),
    spans=some.lists(some.tuples(some.integers(0, 50), some.integers(-3, 20), some.booleans()), max_size=12),
)
def test_layers_by_definition(at: int, spans: list[tuple[int, int, bool]]) -> None:
    """What covers an instant, the uppermost first, down to the first that hides what lies under it."""
    moments = [utc("2026-01-01 00:00") + timedelta(hours=hour) for hour in range(120)]
    made = [
        Override(number, 1, moments[start], moments[max(start + length, 0)], "x" if hides else "y")
        for number, (start, length, hides) in enumerate(spans)
    ]
    layers = Layers(made, lambda span: span.technician == "x")
    expected: list[Override] = []
    for span in reversed(made):
        if span.start <= moments[at] < span.end:
            expected.append(span)
            if span.technician == "x":
                break
    assert list(layers.at(moments[at])) == expected
    changes = layers.changes(moments[10], moments[at])
    assert changes == [
        (moments[hour], layers.at(moments[hour]))
        for hour in range(11, at)
        if layers.at(moments[hour]) != layers.at(moments[hour - 1])
    ]


def test_thousands_on_one_another_take_little_room() -> None:
    """Those whose people surely serve hide what lies under them."""
    start = utc("2026-01-01 00:00")
    made = [
        Override(n, 1, start + timedelta(minutes=n), start + timedelta(days=90, minutes=-n), "dario")
        for n in range(3000)
    ]
    rotas = known(Rung(TEAM, WEEKLY), tuple(made), absent("zoe"))
    assert who(rotas, start + timedelta(days=45)) == [(1, "dario", "override")]
    kept = rotas._overrides_of(1)._covering
    assert sum(map(len, kept)) <= len(kept)

"""What a wall-clock time means, also on the two nights a year when the clock is set."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from oncall.rota.wallclock import candidates, instant_of, parse_time

ROME = "Europe/Rome"


@pytest.mark.parametrize(
    ("zone", "day", "clock", "instant"),
    [
        (ROME, "2026-01-15", "18:30", "2026-01-15T17:30"),
        (ROME, "2026-07-15", "18:30", "2026-07-15T16:30"),
        # Spring: 02:00 becomes 03:00 at 01:00 UTC; the skipped hour counts as its end.
        (ROME, "2026-03-29", "01:59", "2026-03-29T00:59"),
        (ROME, "2026-03-29", "02:00", "2026-03-29T01:00"),
        (ROME, "2026-03-29", "02:30", "2026-03-29T01:00"),
        (ROME, "2026-03-29", "02:59", "2026-03-29T01:00"),
        (ROME, "2026-03-29", "03:00", "2026-03-29T01:00"),
        (ROME, "2026-03-29", "03:30", "2026-03-29T01:30"),
        # Autumn: 03:00 becomes 02:00 at 01:00 UTC; what occurs twice counts the first time.
        (ROME, "2026-10-25", "01:59", "2026-10-24T23:59"),
        (ROME, "2026-10-25", "02:00", "2026-10-25T00:00"),
        (ROME, "2026-10-25", "02:30", "2026-10-25T00:30"),
        (ROME, "2026-10-25", "03:00", "2026-10-25T02:00"),
        # Half an hour only: 02:00 becomes 02:30 at 15:30 UTC, and back at 15:00 UTC.
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "2026-10-04", "02:30", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:45"),
        # Winter time is the deviation here, in the zone's own table.
        ("Europe/Dublin", "2026-03-29", "01:30", "2026-03-29T01:00"),
        ("Europe/Dublin", "2026-10-25", "01:30", "2026-10-25T00:30"),
        # Midnight itself is skipped.
        ("America/Havana", "2026-03-08", "00:30", "2026-03-08T05:00"),
        # Midnight comes twice: 24:00 becomes 23:00, and the day begins an hour later.
        ("Asia/Beirut", "2026-10-24", "23:30", "2026-10-24T20:30"),
        ("Asia/Beirut", "2026-10-25", "00:00", "2026-10-24T22:00"),
        # Clocks are set for Ramadan: 03:00 becomes 02:00, and back.
        ("Africa/Casablanca", "2026-02-15", "02:30", "2026-02-15T01:30"),
        ("Africa/Casablanca", "2026-03-22", "02:30", "2026-03-22T02:00"),
        # Offsets of three quarters of an hour.
        ("Pacific/Chatham", "2026-09-27", "03:15", "2026-09-26T14:00"),
        ("Pacific/Chatham", "2026-04-05", "03:00", "2026-04-04T13:15"),
        # A day that never was: all of it counts as its end.
        ("Pacific/Apia", "2011-12-30", "00:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-30", "12:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-30", "23:59", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-31", "00:00", "2011-12-30T10:00"),
    ],
)
def test_the_instant_of_a_wall_clock_time(zone: str, day: str, clock: str, instant: str) -> None:
    expected = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert instant_of(date.fromisoformat(day), time.fromisoformat(clock), ZoneInfo(zone)) == expected


ZONES = some.sampled_from(
    [ROME, "Australia/Lord_Howe", "Europe/Dublin", "America/New_York", "Asia/Kolkata", "UTC"]
).map(ZoneInfo)
DAYS = some.dates(date(2024, 1, 1), date(2034, 12, 31))
# Where something happens: the days on which one of these zones sets its clocks.
CHANGES = [date(2026, 3, 29), date(2026, 10, 25), date(2026, 4, 5), date(2026, 10, 4), date(2026, 3, 8)]
MINUTES = some.integers(0, 24 * 60 - 1).map(lambda minute: time(minute // 60, minute % 60))


@given(zone=ZONES, day=some.sampled_from(CHANGES) | DAYS, clock=MINUTES)
def test_it_is_the_first_instant_at_which_the_clocks_show_that_time_or_later(
    zone: ZoneInfo, day: date, clock: time
) -> None:
    """The rule in other words, found by walking minute by minute from the evening before."""
    wanted = datetime.combine(day, clock)
    at = datetime.combine(day, clock, UTC) - zone.utcoffset(wanted) - timedelta(hours=2)  # type: ignore[operator]
    while at.astimezone(zone).replace(tzinfo=None) < wanted:
        at += timedelta(minutes=1)
    assert instant_of(day, clock, zone) == at


@given(zone=ZONES, day=some.sampled_from(CHANGES) | DAYS, one=MINUTES, other=MINUTES)
def test_later_on_the_clock_is_never_earlier_in_time(
    zone: ZoneInfo, day: date, one: time, other: time
) -> None:
    first, second = sorted((one, other))
    assert instant_of(day, first, zone) <= instant_of(day, second, zone)


@pytest.mark.parametrize(
    ("text", "meant"), [("00:00", time(0)), ("08:05", time(8, 5)), ("23:59", time(23, 59))]
)
def test_a_time_of_day_is_read(text: str, meant: time) -> None:
    assert parse_time(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "24:00",
        "25:00",
        "8:00",
        "08.00",
        "08:60",
        "0800",
        "08:00:00",
        "08:00\n",
        " 08:00",
        "٠٨:٠٠",
        "-1:00",
    ],
)
def test_anything_else_is_no_time_of_day(text: str) -> None:
    with pytest.raises(ValueError, match="HH:MM"):
        parse_time(text)


@pytest.mark.parametrize(
    ("wall", "instants"),
    [
        ("2026-03-10T22:00", ["2026-03-10T21:00"]),
        ("2026-03-29T02:30", []),
        ("2026-03-29T03:00", ["2026-03-29T01:00"]),
        ("2026-10-25T02:30", ["2026-10-25T00:30", "2026-10-25T01:30"]),
        ("2026-10-25T03:00", ["2026-10-25T02:00"]),
    ],
)
def test_the_instants_a_local_time_may_mean(wall: str, instants: list[str]) -> None:
    expected = [datetime.fromisoformat(each).replace(tzinfo=UTC) for each in instants]
    assert candidates(datetime.fromisoformat(wall), ZoneInfo(ROME)) == expected

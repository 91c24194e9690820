"""Is a PIN asked, why, and until when: every edge of a day, of a holiday, and of a night of two clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from making import ROME, rome, utc
from pydantic import ValidationError

from ivr.hours import Hours, State, Window, overlap, parse_window
from ivr.settings import HoursSettings


@cache
def shipped() -> Hours:
    """The hours as shipped, with the special days that the papers name as examples."""
    return HoursSettings.model_validate(
        {
            "special_day": [
                {"date": "2026-12-24", "open": ["08:00-12:00"]},
                {"date": "2026-05-09", "open": ["09:00-12:30", "14:00-17:00"]},
                {"date": "2026-06-02", "open": ["08:00-09:00"]},
                {"date": "2026-08-14"},
            ]
        }
    ).build(ROME)


def hours(*windows: str, zone: str = "Europe/Rome") -> Hours:
    return Hours(ZoneInfo(zone), [parse_window(each) for each in windows], closed_weekdays=())


@pytest.mark.parametrize(
    ("at", "pin", "reason", "name", "until"),
    [
        # An ordinary Tuesday: half-open, to the second.
        ("2026-03-10 07:59:59", True, "night", None, "2026-03-10 08:00"),
        ("2026-03-10 08:00:00", False, "open", None, "2026-03-10 13:00"),
        ("2026-03-10 12:59:59", False, "open", None, "2026-03-10 13:00"),
        ("2026-03-10 13:00:00", True, "lunch", None, "2026-03-10 14:00"),
        ("2026-03-10 13:59:59", True, "lunch", None, "2026-03-10 14:00"),
        ("2026-03-10 14:00:00", False, "open", None, "2026-03-10 18:30"),
        ("2026-03-10 18:29:59", False, "open", None, "2026-03-10 18:30"),
        ("2026-03-10 18:30:00", True, "night", None, "2026-03-11 08:00"),
        ("2026-03-10 23:59:59", True, "night", None, "2026-03-11 08:00"),
        ("2026-03-11 00:00:00", True, "night", None, "2026-03-11 08:00"),
        # A weekend: closed from the first minute of Saturday to Monday's opening.
        ("2026-03-13 23:59:59", True, "night", None, "2026-03-16 08:00"),
        ("2026-03-14 00:00:00", True, "closed-day", None, "2026-03-16 08:00"),
        ("2026-03-14 10:00:00", True, "closed-day", None, "2026-03-16 08:00"),
        ("2026-03-16 00:00:00", True, "night", None, "2026-03-16 08:00"),
        # Holidays: of the whole country, of the calendar, of Trento alone.
        ("2026-01-01 10:00", True, "holiday", "Capodanno", "2026-01-02 08:00"),
        ("2026-04-06 10:00", True, "holiday", "Lunedì dell'Angelo", "2026-04-07 08:00"),
        ("2026-06-26 10:00", True, "holiday", "San Vigilio", "2026-06-29 08:00"),
        ("2026-06-26 19:00", True, "holiday", "San Vigilio", "2026-06-29 08:00"),
        ("2026-12-25 03:00", True, "holiday", "Natale", "2026-12-28 08:00"),
        ("2026-12-26 10:00", True, "holiday", "Santo Stefano", "2026-12-28 08:00"),
        ("2027-04-25 10:00", True, "holiday", "Anniversario della Liberazione", "2027-04-26 08:00"),
        # Not a holiday yet in 2025.
        ("2025-10-04 10:00", True, "closed-day", None, "2025-10-06 08:00"),
        # Special days: closed at noon, open on a Saturday, open on a holiday, closed on a Friday.
        ("2026-12-24 07:59:59", True, "special-day", None, "2026-12-24 08:00"),
        ("2026-12-24 08:00", False, "special-day", None, "2026-12-24 12:00"),
        ("2026-12-24 12:00", True, "special-day", None, "2026-12-28 08:00"),
        ("2026-05-09 09:00", False, "special-day", None, "2026-05-09 12:30"),
        ("2026-05-09 13:30", True, "special-day", None, "2026-05-09 14:00"),
        ("2026-05-09 17:00", True, "special-day", None, "2026-05-11 08:00"),
        ("2026-06-02 08:30", False, "special-day", None, "2026-06-02 09:00"),
        ("2026-08-14 10:00", True, "special-day", None, "2026-08-17 08:00"),
        # The nights of the two clocks: asked all through.
        ("2026-03-29 01:59", True, "closed-day", None, "2026-03-30 08:00"),
        ("2026-03-29 03:30", True, "closed-day", None, "2026-03-30 08:00"),
        ("2026-10-25 02:30", True, "closed-day", None, "2026-10-26 08:00"),
    ],
)
def test_the_shipped_hours(at: str, pin: bool, reason: str, name: str | None, until: str) -> None:
    assert shipped().at(rome(at)) == State(pin, reason, name, rome(until))  # type: ignore[arg-type]


def test_the_fourth_of_october_is_a_holiday_from_2026() -> None:
    state = shipped().at(rome("2026-10-04 10:00"))
    assert (state.pin, state.reason) == (True, "holiday")
    assert "San Francesco" in (state.name or "")


def test_both_half_past_twos_of_the_long_night() -> None:
    for fold in (0, 1):
        assert shipped().at(rome("2026-10-25 02:30", fold)).pin


def test_without_a_region_there_are_no_holidays() -> None:
    built = HoursSettings(holidays="").build(ROME)
    assert built.at(rome("2026-06-26 10:00")).reason == "open"
    trento = HoursSettings(holidays="").build(ROME, "IT/TN")
    assert trento.at(rome("2026-06-26 10:00")).reason == "holiday"
    assert HoursSettings().build(ROME, "IT").at(rome("2026-06-26 10:00")).reason == "open"


@pytest.mark.parametrize(
    ("window", "zone", "first", "last"),
    [
        # Spring, 02:00 → 03:00 at 01:00 UTC: a skipped edge is the end of the skipped stretch.
        ("01:00-02:30", "Europe/Rome", "2026-03-29 00:00", "2026-03-29 01:00"),
        ("02:30-04:00", "Europe/Rome", "2026-03-29 01:00", "2026-03-29 02:00"),
        ("22:00-02:30", "Europe/Rome", "2026-03-28 21:00", "2026-03-29 01:00"),
        # Autumn, 03:00 → 02:00 at 01:00 UTC: a repeated edge is the first of the two.
        ("01:00-02:30", "Europe/Rome", "2026-10-24 23:00", "2026-10-25 00:30"),
        ("02:30-04:00", "Europe/Rome", "2026-10-25 00:30", "2026-10-25 03:00"),
        ("02:00-03:00", "Europe/Rome", "2026-10-25 00:00", "2026-10-25 02:00"),
        # Half an hour of change.
        ("01:00-02:15", "Australia/Lord_Howe", "2026-10-03 14:30", "2026-10-03 15:30"),
        ("01:45-03:00", "Australia/Lord_Howe", "2026-04-04 14:45", "2026-04-04 16:30"),
        ("00:30-01:30", "Europe/Dublin", "2026-03-29 00:30", "2026-03-29 01:00"),
        ("01:30-02:30", "Europe/Dublin", "2026-10-25 00:30", "2026-10-25 02:30"),
    ],
)
def test_edges_inside_the_changed_hour(window: str, zone: str, first: str, last: str) -> None:
    built = hours(window, zone=zone)
    second = timedelta(seconds=1)
    assert not built.at(utc(first) - second).pin
    assert built.at(utc(first)) == State(True, built.at(utc(first)).reason, None, utc(last))
    assert built.at(utc(last) - second).pin
    assert not built.at(utc(last)).pin


def test_a_window_inside_the_skipped_hour_vanishes_that_night() -> None:
    built = hours("02:10-02:50")
    assert not built.at(utc("2026-03-29 01:00")).pin
    assert built.at(utc("2026-03-29 01:00")).until == utc("2026-03-30 00:10")


@given(day=some.dates(date(2020, 1, 1), date(2035, 12, 31)))
def test_a_day_in_parts_says_what_each_instant_does(day: date) -> None:
    parts = shipped().day(day)
    assert [part.end for part in parts[:-1]] == [part.start for part in parts[1:]]
    assert parts[0].start == rome(f"{day} 00:00")
    assert parts[-1].end == rome(f"{day + timedelta(days=1)} 00:00")
    for part in parts:
        for at in (part.start, part.end - timedelta(seconds=1)):
            state = shipped().at(at)
            assert (state.pin, state.reason, state.name) == (part.pin, part.reason, part.name)
    assert all((a.pin, a.reason, a.name) != (b.pin, b.reason, b.name) for a, b in pairwise(parts))


def test_windows_that_touch_are_one_stretch() -> None:
    built = hours("18:30-22:00", "22:00-08:00", "13:00-13:30", "13:30-14:00")
    assert built.at(rome("2026-03-10 22:00")) == State(True, "night", None, rome("2026-03-11 08:00"))
    assert built.at(rome("2026-03-10 13:10")).until == rome("2026-03-10 14:00")


def test_windows_that_touch_in_the_skipped_hour_leave_no_gap() -> None:
    built = hours("01:00-02:15", "02:15-02:45", "02:45-04:00")
    for minute in range(0, 120, 5):
        assert built.at(utc("2026-03-29 00:00") + timedelta(minutes=minute)).pin
    assert built.at(utc("2026-03-29 00:00")).until == utc("2026-03-29 02:00")


@pytest.mark.parametrize(
    ("windows", "at", "reason"),
    [
        (["22:00-00:00", "00:00-06:00"], "2026-03-10 23:00", "night"),
        (["22:00-00:00", "00:00-06:00"], "2026-03-10 03:00", "night"),
        (["12:00-13:00"], "2026-03-10 12:30", "lunch"),
        (["12:00-11:00"], "2026-03-10 12:30", "night"),
    ],
)
def test_a_window_that_touches_midnight_is_the_night(windows: list[str], at: str, reason: str) -> None:
    assert hours(*windows).at(rome(at)).reason == reason


def test_a_change_that_never_comes_is_not_invented() -> None:
    always = Hours(ROME, [], closed_weekdays=range(7))
    assert always.at(rome("2026-03-10 10:00")).until is None
    assert always.next_opening(rome("2026-03-10 10:00")) is None
    assert hours().at(rome("2026-03-10 10:00")) == State(False, "open", None, None)


def test_the_weekend_is_closed_if_nothing_is_said() -> None:
    built = Hours(ROME, [])
    days = ["2026-03-13", "2026-03-14", "2026-03-15", "2026-03-16"]
    assert [built.at(rome(f"{day} 12:00")).pin for day in days] == [False, True, True, False]


def test_a_window_swallowed_by_the_skipped_hour_takes_nothing_from_the_next() -> None:
    built = hours("02:30-04:00", "02:10-02:30")
    assert built.at(utc("2026-03-29 01:00")).pin


def test_an_overlap_names_both_windows() -> None:
    early, late = parse_window("08:00-10:00"), parse_window("09:00-11:00")
    assert overlap([late, early]) == (early, late)


def test_the_next_opening() -> None:
    built = shipped()
    assert built.next_opening(rome("2026-03-10 10:00")) == rome("2026-03-10 10:00")
    assert built.next_opening(rome("2026-12-24 12:00")) == rome("2026-12-28 08:00")


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2026-03-10 07:59", "2026-03-09"),
        ("2026-03-10 08:00", "2026-03-10"),
        ("2026-03-10 13:30", "2026-03-10"),
        ("2026-03-10 23:59", "2026-03-10"),
        ("2026-03-11 00:00", "2026-03-10"),
        ("2026-03-15 12:00", "2026-03-13"),
        ("2026-03-16 07:00", "2026-03-13"),
        ("2026-12-27 12:00", "2026-12-24"),
        ("2026-05-09 08:59", "2026-05-08"),
        ("2026-05-09 09:00", "2026-05-09"),
    ],
)
def test_the_day_the_office_last_opened(at: str, day: str) -> None:
    assert shipped().last_opening(rome(at)) == date.fromisoformat(day)


# -- against a walk, minute by minute ------------------------------------------------------------

ZONES = ["Europe/Rome", "Australia/Lord_Howe", "Europe/Dublin"]
# The days before and after each zone sets its clocks, and a few of nothing.
STARTS = ["2026-03-28", "2026-10-24", "2026-04-04", "2026-10-03", "2026-06-10"]
QUARTERS = some.integers(0, 95).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))


@some.composite
def disjoint_windows(draw: some.DrawFn) -> list[Window]:
    edges = sorted(draw(some.lists(QUARTERS, min_size=2, max_size=6, unique=True)))
    if len(edges) % 2:
        edges.pop()
    if draw(some.booleans()):  # the last one over midnight
        edges = [*edges[1:], edges[0]]
    return [Window(edges[i], edges[i + 1]) for i in range(0, len(edges), 2)]


def asked(at: datetime, zone: ZoneInfo, windows: list[Window]) -> bool:
    """Whether a PIN is asked, told from the clock's face alone: has it passed the edge, counting a
    second showing of the same hour as already passed?
    """
    shown = at.astimezone(zone)
    face = shown.replace(tzinfo=None)
    if shown.fold:
        # The hour is shown again: every edge in it has been passed, so it is as late as its end.
        later = at
        while later.astimezone(zone).fold:
            later += timedelta(minutes=1)
        face = later.astimezone(zone).replace(tzinfo=None) - timedelta(microseconds=1)
    clock = face.time()
    return any(
        window.start <= clock < window.end
        if window.start < window.end
        else clock >= window.start or clock < window.end
        for window in windows
    )


@settings(max_examples=25, deadline=None)
@given(zone=some.sampled_from(ZONES), start=some.sampled_from(STARTS), windows=disjoint_windows())
def test_until_is_always_the_next_change(zone: str, start: str, windows: list[Window]) -> None:
    here = ZoneInfo(zone)
    built = Hours(here, windows, closed_weekdays=())
    first = datetime.fromisoformat(start).replace(tzinfo=UTC)
    minutes = [first + timedelta(minutes=minute) for minute in range(4 * 24 * 60)]
    faces = [asked(at, here, windows) for at in minutes]
    change: datetime | None = None
    for index in range(len(minutes) - 2, -1, -1):
        if faces[index] != faces[index + 1]:
            change = minutes[index + 1]
        state = built.at(minutes[index])
        assert state.pin == faces[index], minutes[index]
        if change is not None:
            assert state.until == change, minutes[index]


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "18:30",
        "18:30-",
        "-08:00",
        "18:30-24:00",
        "18:30-25:00",
        "24:00-08:00",
        "13:00-13:00",
        "00:00-00:00",
        "8-14",
        "13:00–14:00",
        "13:00-14:00-15:00",
        "13.00-14.00",
        "one-two",
    ],
)
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|no length"):
        parse_window(text)
    with pytest.raises(ValidationError, match="pin_windows"):
        HoursSettings(pin_windows=[text])


@pytest.mark.parametrize(
    "windows",
    [
        ["13:00-14:00", "13:30-15:00"],
        ["13:00-14:00", "13:00-14:00"],
        ["18:30-08:00", "07:59-09:00"],
        ["18:30-08:00", "23:00-23:30"],
        ["22:00-02:00", "01:00-03:00"],
        ["08:00-20:00", "18:00-19:00", "21:00-22:00"],
    ],
)
def test_windows_that_overlap(windows: list[str]) -> None:
    assert overlap([parse_window(each) for each in windows])
    with pytest.raises(ValidationError, match="pin_windows"):
        HoursSettings(pin_windows=windows)


@pytest.mark.parametrize(
    "windows", [[], ["18:30-08:00", "08:00-09:00"], ["22:00-00:00", "00:00-06:00"], ["13:00-14:00"]]
)
def test_windows_that_only_touch(windows: list[str]) -> None:
    assert overlap([parse_window(each) for each in windows]) is None
    HoursSettings(pin_windows=windows)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"closed_days": ["sabato"]}, "closed_days"),
        ({"holidays": "IT/XX"}, "holidays"),
        ({"holidays": "Atlantis"}, "holidays"),
        ({"special_day": [{"date": "2026-12-24"}, {"date": "2026-12-24"}]}, "special_day"),
        ({"special_day": [{"date": "2026-12-24", "open": ["22:00-02:00"]}]}, "special_day.0.open"),
        ({"special_day": [{"date": "2026-12-24", "open": ["08:00-12:00", "11:00-13:00"]}]}, "special_day.0"),
        ({"special_day": [{"date": "24.12.2026"}]}, "special_day.0.date"),
        ({"special_days": []}, "special_days"),
    ],
)
def test_settings_that_are_refused_by_name(given: dict[str, object], named: str) -> None:
    with pytest.raises(ValidationError) as refused:
        HoursSettings.model_validate(given)
    assert named in [".".join(map(str, each["loc"]))[: len(named)] for each in refused.value.errors()]

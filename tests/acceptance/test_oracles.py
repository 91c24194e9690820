"""Hours and rota, minute by minute: what the product says equals what the oracles say.

The oracles themselves are checked first, against values worked out by hand.
"""

import json
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from oracles import hours, rome
from oracles.rota import Override, Place, Rota, Rung, who

from acceptance.installation import Installation, command

MINUTE = timedelta(minutes=1)
YEAR = (datetime(2025, 12, 31, 23, tzinfo=UTC), datetime(2026, 12, 31, 22, 59, tzinfo=UTC))  # 2026 in Rome


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# The oracles, by hand ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instant", "shown", "passed"),
    [
        ("2026-01-15 12:00", "13:00", "13:00:00.000000"),
        ("2026-07-15 12:00", "14:00", "14:00:00.000000"),
        ("2026-03-29 00:59", "01:59", "01:59:00.000000"),
        ("2026-03-29 01:00", "03:00", "03:00:00.000000"),  # 02:00 to 03:00 is never shown
        ("2026-10-25 00:30", "02:30", "02:30:00.000000"),
        ("2026-10-25 01:30", "02:30", "02:59:59.999999"),  # the second 02:30: the hour has passed already
        ("2026-10-25 02:00", "03:00", "03:00:00.000000"),
    ],
)
def test_wall_clock_of_rome(instant: str, shown: str, passed: str) -> None:
    assert f"{rome.wall(utc(instant)):%H:%M}" == shown
    assert f"{rome.passed(utc(instant)):%H:%M:%S.%f}" == passed


@pytest.mark.parametrize(
    ("instant", "pin", "reason", "name", "until"),
    [
        ("2026-03-10 17:29", False, "open", None, "2026-03-10 17:30"),  # Tuesday 18:29
        ("2026-03-10 17:30", True, "night", None, "2026-03-11 07:00"),  # 18:30 to 08:00
        ("2026-03-11 06:59", True, "night", None, "2026-03-11 07:00"),
        ("2026-03-11 07:00", False, "open", None, "2026-03-11 12:00"),
        ("2026-03-11 12:00", True, "lunch", None, "2026-03-11 13:00"),
        ("2026-03-11 13:00", False, "open", None, "2026-03-11 17:30"),
        ("2026-03-13 17:30", True, "night", None, "2026-03-16 07:00"),  # Friday evening to Monday morning
        ("2026-03-14 09:00", True, "closed-day", None, "2026-03-16 07:00"),
        ("2026-04-06 08:00", True, "holiday", "Lunedì dell'Angelo", "2026-04-07 06:00"),
        ("2026-03-29 01:30", True, "closed-day", None, "2026-03-30 06:00"),  # 03:30 on a night of 23 hours
        ("2026-10-25 00:30", True, "closed-day", None, "2026-10-26 07:00"),
        ("2026-06-26 08:00", True, "holiday", "San Vigilio", "2026-06-29 06:00"),
        ("2026-12-24 17:30", True, "night", None, "2026-12-28 07:00"),
        ("2026-12-26 09:00", True, "holiday", "Santo Stefano", "2026-12-28 07:00"),
        ("2026-12-31 22:59", True, "night", None, "2027-01-04 07:00"),
    ],
)
def test_hours_by_hand(instant: str, pin: bool, reason: str, name: str | None, until: str) -> None:
    assert hours.answer(utc(instant)) == (utc(instant), pin, reason, name, utc(until))


def test_special_days_by_hand() -> None:
    """Closed at noon on 24 December; open on a Saturday; edges in both daylight-saving nights."""
    special = {
        date(2026, 12, 24): [("08:00", "12:00")],
        date(2026, 3, 14): [("09:00", "13:00"), ("13:00", "24:00")],
        date(2026, 3, 29): [("02:30", "04:00")],
        date(2026, 10, 25): [("02:30", "04:00")],
    }

    def asked(instant: str) -> tuple[bool, str, str | None]:
        return hours.look(utc(instant), special)

    assert asked("2026-12-24 10:59") == (False, "special-day", None)
    assert asked("2026-12-24 11:00") == (True, "special-day", None)
    assert hours.answer(utc("2026-12-24 11:00"), special).until == utc("2026-12-28 07:00")
    assert asked("2026-03-14 07:59")[0]
    assert not asked("2026-03-14 12:30")[0]  # no lunch on it but its own
    assert not asked("2026-03-14 22:59")[0]
    assert asked("2026-03-14 23:00") == (True, "closed-day", None)
    assert asked("2026-03-29 00:59")[0]
    assert not asked("2026-03-29 01:00")[0]  # 02:30 is skipped: it counts at 03:00
    assert asked("2026-10-25 00:29")[0]
    assert not asked("2026-10-25 00:30")[0]
    assert not asked("2026-10-25 01:00")[0]  # 02:00 again, and 02:30 has been
    assert asked("2026-10-25 03:00")[0]


def test_holidays_by_computation() -> None:
    """The list by hand has the fixed dates, Easter by the rule of Gauss, and nothing else."""
    fixed = ["01-01", "01-06", "04-25", "05-01", "06-02", "06-26", "08-15", "10-04", "11-01"]
    fixed += ["12-08", "12-25", "12-26"]
    a, b, c = 2026 % 19, 2026 % 4, 2026 % 7
    d = (19 * a + 24) % 30
    easter = date(2026, 3, 22) + timedelta(d + (2 * b + 4 * c + 6 * d + 5) % 7)
    assert easter == date(2026, 4, 5)
    expected = {date.fromisoformat(f"2026-{day}") for day in fixed} | {easter, easter + timedelta(1)}
    assert {day for day in hours.HOLIDAYS if day.year == 2026} == expected


def test_a_walk_is_the_sum_of_its_minutes() -> None:
    for first in ("2026-03-28 22:00", "2026-12-24 10:55", "2026-06-25 06:00"):
        walked = list(hours.walk(utc(first), utc(first) + 9 * MINUTE))
        assert walked == [hours.answer(utc(first) + n * MINUTE) for n in range(10)]


WEEKLY = Rung(("anna", "bruno", "carla"), date(2026, 1, 5), "18:30", "1 week")
NIGHTLY = Rung(("anna", "bruno"), date(2026, 3, 27), "02:30", "1 day")


@pytest.mark.parametrize(
    ("rung", "instant", "expected"),
    [
        (WEEKLY, "2026-01-05 17:29", None),
        (WEEKLY, "2026-01-05 17:30", "anna"),
        (WEEKLY, "2026-01-12 17:29", "anna"),
        (WEEKLY, "2026-01-12 17:30", "bruno"),
        (WEEKLY, "2026-01-26 17:30", "anna"),
        (WEEKLY, "2026-03-30 16:29", "carla"),  # twelve hand-overs on, now at 16:30 UTC
        (WEEKLY, "2026-03-30 16:30", "anna"),
        (NIGHTLY, "2026-03-28 01:29", "anna"),
        (NIGHTLY, "2026-03-28 01:30", "bruno"),
        (NIGHTLY, "2026-03-29 00:59", "bruno"),
        (NIGHTLY, "2026-03-29 01:00", "anna"),  # 02:30 is skipped: hand-over at 03:00
        (NIGHTLY, "2026-03-30 00:29", "anna"),
        (NIGHTLY, "2026-03-30 00:30", "bruno"),
        (NIGHTLY, "2026-10-25 00:29", "bruno"),  # 211 hand-overs after the first: odd
        (NIGHTLY, "2026-10-25 00:30", "anna"),
        (NIGHTLY, "2026-10-25 01:15", "anna"),  # 02:15 again; no second hand-over
        (NIGHTLY, "2026-10-26 01:29", "anna"),
    ],
)
def test_turns_by_hand(rung: Rung, instant: str, expected: str | None) -> None:
    places = who(Rota((rung,)), utc(instant))
    assert places == ([] if expected is None else [Place(1, expected, "turn")])


def test_overrides_and_later_rules_by_hand() -> None:
    rota = Rota(
        (WEEKLY, Rung(("dario",))),
        [
            Override(1, utc("2026-01-07 10:00"), utc("2026-01-07 14:00"), "elena"),
            Override(1, utc("2026-01-07 12:00"), utc("2026-01-07 16:00"), "fabio"),
            Override(2, utc("2026-01-07 13:00"), utc("2026-01-07 13:01"), "elena"),
        ],
        [(utc("2026-01-08 00:00"), (Rung(("carla",)),))],
    )
    assert who(rota, utc("2026-01-05 12:00")) == []
    assert who(rota, utc("2026-01-07 09:59")) == [(1, "anna", "turn"), (2, "dario", "turn")]
    assert who(rota, utc("2026-01-07 10:00"))[0] == (1, "elena", "override")
    assert who(rota, utc("2026-01-07 12:00"))[0] == (1, "fabio", "override")
    assert who(rota, utc("2026-01-07 13:00"))[1] == (2, "elena", "override")
    assert who(rota, utc("2026-01-07 16:00"))[0] == (1, "anna", "turn")
    assert who(rota, utc("2026-01-08 00:00")) == [(1, "carla", "turn")]


# The product ------------------------------------------------------------------------------------------


def explained(house: Installation, instants: Iterable[datetime]) -> Iterator[dict[str, Any]]:
    """`ivr explain --at -`: one document for each instant, as they come."""
    with subprocess.Popen(
        [*command(), "explain", "--at", "-"],
        cwd=house.folder,
        env=house.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def ask() -> None:
            with process.stdin:
                process.stdin.writelines(instant.isoformat() + "\n" for instant in instants)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            yield from map(json.loads, process.stdout)
            asking.join()
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_explain_equals_the_oracle_in_every_minute_of_2026(
    installed: Callable[..., Installation], record_property: Callable[[str, object], None]
) -> None:
    house = installed("hours")
    house.ivr("init")
    first, last = YEAR
    instants = [first + n * MINUTE for n in range((last - first) // MINUTE + 1)]
    assert len(instants) == 525_600
    expected = list(hours.walk(first, last))

    began = time.monotonic()
    differences, counted = [], 0
    times: dict[str, datetime] = {}
    for right, said in zip(expected, explained(house, instants), strict=True):
        counted += 1
        if counted == 100_000:
            record_property("seconds for 100,000 instants", round(time.monotonic() - began, 1))
        until = said["until"]
        if until not in times:
            times[until] = datetime.fromisoformat(until)
        # A date may carry two names, one of a holiday and one of a day that only bears a name.
        names = (said["name"] or "").split("; ")
        same = (
            datetime.fromisoformat(said["at"]) == right.at
            and (said["pin"], said["reason"], times[until]) == (right.pin, right.reason, right.until)
            and (said["name"] is None if right.name is None else right.name in names)
            and said["ladder"] == []  # there is no rota yet
        )
        if not same:
            differences.append((right, said))
    assert counted == len(instants)
    assert not differences, f"{len(differences)} minutes differ, first {differences[:3]}"


def test_explain_cuts_no_corner_within_a_minute(installed: Callable[..., Installation]) -> None:
    """Half-open to the second, on an ordinary day and in both daylight-saving nights."""
    house = installed("hours")
    house.ivr("init")
    edges = ["2026-03-10 17:30", "2026-03-11 07:00", "2026-03-11 12:00", "2026-03-11 13:00"]
    edges += ["2026-03-29 01:00", "2026-10-25 00:00", "2026-10-25 01:00", "2026-03-31 06:00"]
    instants = [utc(edge) + timedelta(seconds=s) for edge in edges for s in (-1, -0.001, 0, 0.001, 1, 59.999)]
    for instant, said in zip(instants, explained(house, instants), strict=True):
        right = hours.answer(instant)
        assert (said["pin"], said["reason"]) == (right.pin, right.reason), instant
        assert datetime.fromisoformat(said["until"]) == right.until, instant


PEOPLE = {
    key: f"+3933312345{number:02}"
    for number, key in enumerate(["anna", "bruno", "carla", "dario", "elena", "fabio", "greta"], start=1)
}
DEFINED = "".join(
    f'[[technician]]\nkey = "{key}"\nname = "{key.title()} Rossi"\nphone = "{phone}"\n\n'
    for key, phone in PEOPLE.items()
)


def written(rungs: Iterable[Rung]) -> str:
    """The rota file that defines these rungs."""
    text = DEFINED + '[[rota]]\nkey = "duty"\ntime_zone = "Europe/Rome"\n'
    for rung in rungs:
        text += f"\n  [[rota.rung]]\n  people = {json.dumps(rung.people)}\n"
        if rung.starts:
            text += f'  starts = {rung.starts}\n  handover = "{rung.handover}"\n  every = "{rung.every}"\n'
    return text


def generated(chance: random.Random, rungs: tuple[Rung, ...], later: tuple[Rung, ...] = ()) -> Rota:
    """A rota with three overrides at random, two of them overlapping, and perhaps new rules in June."""
    first = utc("2026-04-10 00:00") + chance.randrange(60 * 24 * 20) * MINUTE
    second = first + chance.randrange(60, 600) * MINUTE
    third = utc("2026-10-24 22:00") + chance.randrange(600) * MINUTE
    overrides = [
        Override(1, first, first + timedelta(hours=12), "elena"),
        Override(1, second, second + timedelta(hours=chance.randrange(1, 30)), "fabio"),
        Override(2, third, third + timedelta(hours=3), "elena"),
    ]
    return Rota(rungs, overrides, [(utc("2026-06-10 09:17"), later)] if later else [])


ROTAS = {
    "weekly": ((WEEKLY, Rung(("dario",))), ()),
    "nightly": ((NIGHTLY, Rung(("carla", "dario", "greta"), date(2026, 3, 27), "08:00", "2 weeks")), ()),
    "sundays": (
        (Rung(("greta", "anna"), date(2026, 3, 1), "02:00", "1 week"), Rung(("dario",))),
        (Rung(("bruno", "carla", "anna"), date(2026, 6, 8), "03:00", "3 days"), Rung(("greta",))),
    ),
}


def near_changes(rota: Rota) -> list[datetime]:
    """The minutes around everything that may change the ladder, under summer and winter time."""
    moments = {edge for override in rota.overrides for edge in (override.start, override.end)}
    moments |= {since for since, _ in rota.later}
    watched = {
        date(2026, 3, 29),
        date(2026, 3, 30),
        date(2026, 10, 24),
        date(2026, 10, 25),
        date(2026, 10, 26),
    }
    for rung in [*rota.rungs, *(rung for _, rungs in rota.later for rung in rungs)]:
        for count, (moment, _) in enumerate(rung.turns() if rung.starts else ()):
            if moment.year > 2026:
                break
            if count < 4 or moment.date() in watched or count % 40 == 0:
                moments |= {moment.replace(tzinfo=UTC) - timedelta(hours=ahead) for ahead in (1, 2)}
    steps = [timedelta(seconds=s) for s in (-60, -1, 0, 60)]
    nights = [
        utc(f"{day} 00:00") + n * 15 * MINUTE for day in ("2026-03-29", "2026-10-25") for n in range(12)
    ]
    return sorted({moment + step for moment in moments for step in steps} | set(nights))


@pytest.mark.parametrize("kind", ROTAS)
def test_rota_equals_the_oracle_around_every_change(
    installed: Callable[..., Installation], kind: str
) -> None:
    rota = generated(random.Random(kind), *ROTAS[kind])
    house = installed(kind, shifted=True)
    house.clock.set(utc("2026-01-02 09:00"))
    house.ivr("init")
    (house.folder / "rota.toml").write_text(written(rota.rungs))
    house.ivr("rota", "apply", "rota.toml")
    for since, rungs in rota.later:
        (house.folder / "later.toml").write_text(written(rungs))
        house.ivr("rota", "apply", "later.toml", "--from", since.isoformat())
    for override in rota.overrides:
        options = ["--rota", "duty", "--rung", str(override.rung), "--technician", override.technician]
        options += ["--from", override.start.isoformat(), "--to", override.end.isoformat()]
        house.ivr("rota", "override", *options)

    instants = near_changes(rota)
    assert len(instants) > 100
    for at, said in zip(instants, explained(house, instants), strict=True):
        ladder = [(place["rung"], place["technician"], place["phone"]) for place in said["ladder"]]
        expected = [(place.rung, place.technician, PEOPLE[place.technician]) for place in who(rota, at)]
        assert ladder == expected, at

    first, last = rota.overrides[0], rota.overrides[2]
    for at in (first.end - MINUTE, last.start, utc("2026-12-24 23:00")):
        said = house.json("rota", "who", "--at", at.isoformat())
        assert said["rota"] == "duty"
        assert datetime.fromisoformat(said["at"]) == at
        ladder = [(place["rung"], place["technician"], place["because"]) for place in said["ladder"]]
        assert ladder == [tuple(place) for place in who(rota, at)], at
        assert all(place["phone"] == PEOPLE[place["technician"]] for place in said["ladder"])

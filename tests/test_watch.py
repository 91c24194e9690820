"""The watch over a rota: who is told of his turn, when, how loudly, and what nobody is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import ACTOR, RINGING, ROME, ROTA, configuration, fresh_database, opened_at, rome, staff
from sqlalchemy import Connection, delete, insert, select, update

from console.house import House
from console.processes.worker import LEASE, tick
from console.work import HANDLERS
from console.work import rota as rota_work
from oncall import people
from oncall.notices import notice_texts
from oncall.notices import notices as told_by
from oncall.notices.channels import Channels
from oncall.notices.delivery import quiet_until
from oncall.reaching import watch
from oncall.rota import absences, roster, rota_file, swaps, turns
from oncall.rota.roster import RosterRefusal
from oncall.rota.turns import announced_at
from oncall.settings import NoticeSettings
from oncall.tables import notice_sends, notices, rota_watch, technicians
from oncall.tables import swaps as swap_rows
from storage import due
from storage.alarms import ALARM
from storage.engine import Database
from storage.tables import due_work

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
Change = Callable[[Connection, datetime], object]

PEOPLE = ROTA.partition("[[rota]]")[0]
# Two who take turns day by day, at an hour of the night.
NIGHTLY = (
    PEOPLE
    + """
[[rota]]
key = "duty"
  [[rota.rung]]
  people = ["anna", "bruno"]
  starts = 2026-03-01
  handover = "{clock}"
  every = "1 day"
"""
)


@dataclass(frozen=True)
class Said:
    """A notice: when it was written, to whom, and about which turn."""

    at: datetime
    kind: str
    who: str
    rung: int
    when: datetime
    loud: bool
    facts: dict[str, Any] = field(compare=False, hash=False, default_factory=dict)


def said(connection: Connection) -> list[Said]:
    rows = connection.execute(select(notices).where(notices.c.about == "rota:duty").order_by(notices.c.id))
    return [
        Said(
            row.created_at,
            row.kind.removeprefix("shift-"),
            row.recipient.removeprefix("technician:"),
            row.facts["rung"],
            datetime.fromisoformat(row.facts["ends" if row.kind == watch.ENDS else "starts"]),
            row.loud,
            dict(row.facts),
        )
        for row in rows
        if row.outcome != "needless"
    ]


class Night:
    """A database with a rota, and a worker that looks at it when it is due, at once after a change."""

    def __init__(self, database: Database, notices: NoticeSettings | None = None) -> None:
        self.database = database
        self.settings = notices or NoticeSettings()
        self.at = rome("2026-01-01 00:00")
        self.due_at: datetime | None = None
        self.knew = 0

    def begins(self, at: datetime, text: str = ROTA) -> Night:
        """The rota is there for a while; whoever is on duty knows."""
        with self.database.write() as connection:
            staff(connection, at - timedelta(days=1), text)
        self.looks(at)
        self.knew = len(self.said())
        return self

    def looks(self, at: datetime) -> None:
        with self.database.write() as connection:
            self.due_at = watch.look(connection, at, "duty", self.settings, ROME).due_at
        self.at = at

    def until(self, at: datetime) -> Night:
        """The worker looks whenever it is due."""
        while self.due_at is not None and self.due_at <= at:
            self.looks(self.due_at)
        self.at = at
        return self

    def change(self, at: datetime, change: Change, *, awake: bool = True) -> Night:
        """Somebody changes something at `at`; the worker looks a second later, unless it sleeps."""
        if awake:
            self.until(at)
        with self.database.write() as connection:
            change(connection, at)
        if awake:
            self.looks(at + SECOND)
        return self

    def said(self) -> list[Said]:
        """What was said since it began."""
        with self.database.read() as connection:
            return said(connection)[self.knew :]


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    with fresh_database(tmp_path) as database:
        yield Night(database)


def override(who: str, start: datetime, end: datetime, rung: int = 1) -> Change:
    return lambda c, at: roster.override(c, ACTOR, at, "duty", rung, start, end, who)


def absent(who: str, start: datetime, end: datetime) -> Change:
    return lambda c, at: absences.record(c, ACTOR, at, who, start, end, "illness")


def swapped(giver: str, taker: str, start: datetime, end: datetime) -> Change:
    def change(connection: Connection, at: datetime) -> None:
        made = connection.execute(
            insert(swap_rows).values(
                rota="duty",
                rung=1,
                proposer=giver,
                counterpart=taker,
                starts_at=start,
                ends_at=end,
                state="accepted",
                proposed_at=at,
            )
        ).inserted_primary_key
        assert made is not None
        roster.override(connection, ACTOR, at, "duty", 1, start, end, taker, because="swap", swap_id=made[0])

    return change


# -- when a turn is announced --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("starts", "quiet", "told"),
    [
        ("2026-03-09 18:30", "21:00-08:00", "2026-03-09 18:15"),
        ("2026-03-09 21:15", "21:00-08:00", "2026-03-09 20:45"),
        ("2026-03-09 21:14", "21:00-08:00", "2026-03-09 20:59"),
        ("2026-03-09 22:00", "21:00-08:00", "2026-03-09 20:45"),
        ("2026-03-10 06:00", "21:00-08:00", "2026-03-09 20:45"),
        ("2026-03-10 08:00", "21:00-08:00", "2026-03-09 20:45"),
        ("2026-03-10 08:14", "21:00-08:00", "2026-03-09 20:45"),
        ("2026-03-10 08:15", "21:00-08:00", "2026-03-10 08:00"),
        ("2026-03-10 06:00", "", "2026-03-10 05:45"),
        # Quiet within one day; quiet nearly always; quiet always.
        ("2026-03-10 14:00", "13:00-15:00", "2026-03-10 12:45"),
        ("2026-03-10 13:14", "13:00-15:00", "2026-03-10 12:59"),
        ("2026-03-10 07:00", "08:00-07:50", "2026-03-10 06:45"),
        ("2026-03-10 07:00", "08:00-08:00", "2026-03-10 06:45"),
        # The clocks change in that night.
        ("2026-03-29 06:00", "21:00-08:00", "2026-03-28 20:45"),
        ("2026-10-25 06:00", "21:00-08:00", "2026-10-24 20:45"),
        ("2026-03-29 02:30", "02:00-08:00", "2026-03-29 01:45"),
    ],
)
def test_a_turn_is_announced_before_the_quiet_hours_that_it_begins_in(
    starts: str, quiet: str, told: str
) -> None:
    assert announced_at(rome(starts), quiet, ROME) == rome(told)


@given(st.integers(0, 30_000), st.integers(0, 95), st.integers(0, 95))
def test_never_too_late_never_too_early_and_quietly_if_that_can_be(minutes: int, a: int, b: int) -> None:
    quiet = "{:02d}:{:02d}-{:02d}:{:02d}".format(*divmod(15 * a, 60), *divmod(15 * b, 60))
    begins = rome("2026-03-20 00:00") + minutes * MINUTE
    told = announced_at(begins, quiet, ROME)
    assert turns.LEAD <= begins - told <= turns.LONGEST_LEAD - HOUR / 2
    awake = quiet_until(told, quiet, ROME) is None
    # Quiet for less than 23 h 45 min, there is room for it.
    assert awake or (b - a) % 96 in (0, 95)


# -- turns -----------------------------------------------------------------------------------------


def test_there_is_no_seam_where_the_same_person_goes_on(night: Night) -> None:
    monday = rome("2026-03-02 18:30")
    with night.database.write() as connection:
        staff(connection)
        roster.override(connection, ACTOR, monday, "duty", 1, monday + HOUR, monday + 3 * HOUR, "anna")
        book = roster.book(connection, "duty")
    start, end = monday - timedelta(days=1), monday + timedelta(days=10)
    found = turns.turns(book, start, end)
    assert [(t.rung, t.technician, t.start, t.end, t.begun_before, t.goes_on) for t in found] == [
        (1, "bruno", start, monday, True, False),
        (2, "dario", start, end, True, True),
        (1, "anna", monday, monday + timedelta(days=7), False, False),
        (1, "bruno", monday + timedelta(days=7), end, False, True),
    ]
    assert turns.end_of(book, found[3]) == rome("2026-03-16 18:30")
    assert turns.end_of(book, found[1]) is None


# -- a table of nights ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """From `start` to `end`, with `changes`; what is `told`, as "when kind who rung turn loud?"."""

    start: str
    end: str
    told: list[str]
    changes: Sequence[tuple[str, Change]] = ()
    rota: str = ROTA
    asleep: tuple[str, str] | None = None
    shifts: bool = True


def nightly(clock: str) -> str:
    return NIGHTLY.format(clock=clock)


ROWS = {
    "a handover": Row(
        "2026-03-09 12:00",
        "2026-03-10 12:00",
        ["03-09 18:15 begins bruno 1 03-09 18:30", "03-09 18:30 ends anna 1 03-09 18:30"],
    ),
    "a turn that begins in the quiet hours": Row(
        "2026-03-09 12:00",
        "2026-03-10 12:00",
        ["03-09 20:45 begins bruno 1 03-10 06:00", "03-10 06:00 ends anna 1 03-10 06:00"],
        rota=nightly("06:00"),
    ),
    "a handover at an hour that the night skips": Row(
        "2026-03-28 12:00",
        "2026-03-29 12:00",
        ["03-28 20:45 begins anna 1 03-29 03:00", "03-29 03:00 ends bruno 1 03-29 03:00"],
        rota=nightly("02:30"),
    ),
    "a handover at an hour that comes twice": Row(
        "2026-10-24 12:00",
        "2026-10-25 12:00",
        ["10-24 20:45 begins anna 1 10-25 02:30", "10-25 02:30 ends bruno 1 10-25 02:30"],
        rota=nightly("02:30"),
    ),
    "an override in the middle of a turn": Row(
        "2026-03-10 08:00",
        "2026-03-11 08:00",
        [
            "03-10 13:45 begins dario 1 03-10 14:00",
            "03-10 14:00 ends bruno 1 03-10 14:00",
            "03-10 15:45 begins bruno 1 03-10 16:00",
            "03-10 16:00 ends dario 1 03-10 16:00",
        ],
        [("2026-03-10 09:00", override("dario", rome("2026-03-10 14:00"), rome("2026-03-10 16:00")))],
    ),
    "an override by who has the turn anyway": Row(
        "2026-03-10 08:00",
        "2026-03-11 08:00",
        [],
        [("2026-03-10 09:00", override("bruno", rome("2026-03-10 14:00"), rome("2026-03-10 16:00")))],
    ),
    "a swap accepted five minutes before": Row(
        "2026-03-09 12:00",
        "2026-03-09 23:00",
        [
            "03-09 18:15 begins bruno 1 03-09 18:30",
            "03-09 18:25:01 cancelled bruno 1 03-09 18:30",
            "03-09 18:25:01 begins dario 1 03-09 18:30",
            "03-09 18:30 ends anna 1 03-09 18:30",
        ],
        [
            (
                "2026-03-09 18:25",
                swapped("bruno", "dario", rome("2026-03-09 18:30"), rome("2026-03-10 18:30")),
            )
        ],
    ),
    "an absence during a turn, in the night": Row(
        "2026-03-10 12:00",
        "2026-03-11 06:00",
        [
            "03-11 02:00:01 begins anna 1 03-11 02:00 loud",
            "03-11 02:00:01 ends bruno 1 03-11 02:00",
        ],
        [("2026-03-11 02:00", absent("bruno", rome("2026-03-11 00:00"), rome("2026-03-20 00:00")))],
    ),
    "a change in the night for the same night": Row(
        "2026-03-10 12:00",
        "2026-03-11 06:00",
        [
            "03-10 23:00:01 begins dario 1 03-11 01:00 loud",
            "03-11 01:00 ends bruno 1 03-11 01:00",
            "03-11 02:00 ends dario 1 03-11 02:00",
            # He had no warning to wait for the morning for.
            "03-10 23:00:01 begins bruno 1 03-11 02:00 loud",
        ],
        [("2026-03-10 23:00", override("dario", rome("2026-03-11 01:00"), rome("2026-03-11 02:00")))],
    ),
    "a turn that was announced moves": Row(
        "2026-03-09 12:00",
        "2026-03-09 23:00",
        [
            "03-09 18:15 begins bruno 1 03-09 18:30",
            "03-09 18:20:01 cancelled bruno 1 03-09 18:30",
            # He goes on beyond the end that he was told of.
            "03-09 18:20:01 begins anna 1 03-09 18:30",
            "03-09 19:15 begins bruno 1 03-09 19:30",
            "03-09 19:30 ends anna 1 03-09 19:30",
        ],
        [("2026-03-09 18:20", override("anna", rome("2026-03-09 18:30"), rome("2026-03-09 19:30")))],
    ),
    "whoever follows falls ill, so his turn goes on": Row(
        "2026-03-09 12:00",
        "2026-03-10 12:00",
        ["03-09 18:15 begins anna 1 03-09 18:30"],
        [("2026-03-09 14:00", absent("bruno", rome("2026-03-09 14:00"), rome("2026-03-30 00:00")))],
    ),
    "a worker that slept over a handover": Row(
        "2026-03-09 12:00",
        "2026-03-10 23:30",
        ["03-09 23:00 begins bruno 1 03-09 18:30 loud"],
        asleep=("2026-03-09 18:00", "2026-03-09 23:00"),
    ),
    "a worker that woke soon enough to say that it is over": Row(
        "2026-03-09 12:00",
        "2026-03-10 12:00",
        ["03-09 19:00 begins bruno 1 03-09 18:30", "03-09 19:00 ends anna 1 03-09 18:30"],
        asleep=("2026-03-09 18:00", "2026-03-09 19:00"),
    ),
    "a worker that slept over a short turn": Row(
        "2026-03-09 12:00",
        "2026-03-09 23:00",
        ["03-09 19:20 begins bruno 1 03-09 19:10"],
        [("2026-03-09 17:00", override("dario", rome("2026-03-09 18:10"), rome("2026-03-09 19:10")))],
        asleep=("2026-03-09 16:30", "2026-03-09 19:20"),
    ),
    "a worker that slept over two turns": Row(
        "2026-03-09 12:00",
        "2026-03-12 21:00",
        [
            "03-12 10:00 begins bruno 1 03-12 06:00",
            "03-12 20:45 begins anna 1 03-13 06:00",
        ],
        rota=nightly("06:00"),
        asleep=("2026-03-09 18:00", "2026-03-12 10:00"),
    ),
    "a change while the worker slept, of a turn that was announced": Row(
        "2026-03-09 12:00",
        "2026-03-10 02:00",
        [
            "03-09 20:45 begins bruno 1 03-10 06:00",
            "03-10 01:00 cancelled bruno 1 03-10 06:00",
            "03-10 01:00 begins dario 1 03-10 06:00 loud",
            "03-10 01:00 begins bruno 1 03-10 08:00",
        ],
        [("2026-03-09 22:00", override("dario", rome("2026-03-10 06:00"), rome("2026-03-10 08:00")))],
        rota=nightly("06:00"),
        asleep=("2026-03-09 21:30", "2026-03-10 01:00"),
    ),
    "nobody wants to be told": Row(
        "2026-03-09 12:00",
        "2026-03-10 12:00",
        [],
        [("2026-03-09 18:20", override("dario", rome("2026-03-09 18:30"), rome("2026-03-09 19:30")))],
        shifts=False,
    ),
}


def printed(told: Said) -> str:
    clock = "%m-%d %H:%M:%S" if told.at.second else "%m-%d %H:%M"
    then = told.when.astimezone(ROME)
    loud = " loud" if told.loud else ""
    return f"{told.at.astimezone(ROME):{clock}} {told.kind} {told.who} {told.rung} {then:%m-%d %H:%M}{loud}"


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_who_is_told_what(night: Night, row: Row) -> None:
    night.begins(rome(row.start), row.rota)
    night.settings = NoticeSettings(shifts=row.shifts)
    woken = rome(row.asleep[1]) if row.asleep else None
    if row.asleep:
        night.until(rome(row.asleep[0]))
    for at, change in row.changes:
        night.change(rome(at), change, awake=woken is None)
    if woken:
        night.looks(woken)
    night.until(rome(row.end))
    assert sorted(printed(each) for each in night.said()) == sorted(row.told)


def test_what_he_is_told(night: Night) -> None:
    night.begins(rome("2026-03-09 12:00"))
    night.change(
        rome("2026-03-09 13:00"),
        swapped("bruno", "dario", rome("2026-03-09 18:30"), rome("2026-03-09 20:30")),
    )
    begins, ends, back, over = night.until(rome("2026-03-09 21:00")).said()
    assert begins.facts == {
        "rota": "duty",
        "rung": 1,
        "starts": rome("2026-03-09 18:30").isoformat(),
        "ends": rome("2026-03-09 20:30").isoformat(),
        "because": "swap",
        "swap_with": "bruno",
    }
    assert (begins.who, ends.who, ends.facts["next"], back.who) == ("dario", "anna", "dario", "bruno")
    # His turn lasts to the end of the week, far beyond where the watch looks.
    assert back.facts["ends"] == rome("2026-03-16 18:30").isoformat()
    assert "swap_with" not in back.facts
    assert (over.who, over.facts["next"]) == ("dario", "bruno")


def test_each_kind_has_a_text_in_each_language(night: Night) -> None:
    facts = {"rota": "duty", "rung": 1, "starts": rome("2026-03-09 18:30").isoformat(), "next": "Anna Rossi"}
    for kind in (watch.BEGINS, watch.ENDS, watch.CANCELLED, "shift-confirm", "shift-unconfirmed"):
        for language in notice_texts.LANGUAGES:
            said = notice_texts.written(kind, facts, language, ROME, rome("2026-03-09 18:00"), company="X")
            assert said.text, (kind, language)
            assert said.voice, (kind, language)
            assert "18:30" in said.text or kind != watch.CANCELLED


def test_whoever_is_on_duty_when_a_rota_is_new_is_told_once(night: Night) -> None:
    at = rome("2026-03-11 12:00")
    with night.database.write() as connection:
        staff(connection, at)
    night.looks(at + SECOND)
    expected = {("begins", "bruno", 1, at + SECOND), ("begins", "dario", 2, at + SECOND)}
    assert {(s.kind, s.who, s.rung, s.when) for s in night.said()} == expected
    night.until(at + timedelta(days=3))
    assert len(night.said()) == 2


def test_an_announcement_taken_back_before_it_went_out_is_never_heard_of(night: Night) -> None:
    """Else it is, and so is the other."""
    start, end = rome("2026-03-09 18:30"), rome("2026-03-09 20:30")
    night.begins(rome("2026-03-09 12:00")).until(start - QUARTER)
    night.change(start - 5 * MINUTE, override("dario", start, end))
    assert [(s.kind, s.who) for s in night.said()] == [("begins", "dario")], (
        "bruno's announcement still waited, and so did what took it back"
    )
    with night.database.read() as connection:
        waits = select(due_work.c.key).where(due_work.c.kind == told_by.NOTICE, due_work.c.state == "pending")
        assert len(list(connection.execute(waits))) == night.knew + 1


@pytest.fixture(autouse=True)
def _sent(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Whatever is written goes out at once, but where a test is about that."""
    if "never_heard_of" not in request.node.name:
        monkeypatch.setattr(watch._Teller, "_unsent", lambda self, notice_id: False)


def test_told_again_if_it_is_his_again(night: Night) -> None:
    start, end = rome("2026-03-09 18:30"), rome("2026-03-09 20:30")
    made: list[int] = []
    night.begins(rome("2026-03-09 12:00"))
    night.change(
        start - 10 * MINUTE,
        lambda c, at: made.append(roster.override(c, ACTOR, at, "duty", 1, start, end, "dario")),
    )
    night.change(start - 5 * MINUTE, lambda c, at: roster.withdraw_override(c, ACTOR, at, made[0]))
    told = [(s.kind, s.who) for s in night.until(start + HOUR).said()]
    assert told == [
        ("begins", "bruno"),
        ("cancelled", "bruno"),
        ("begins", "dario"),
        ("cancelled", "dario"),
        ("begins", "bruno"),
        ("ends", "anna"),
    ]
    with night.database.read() as connection:
        assert connection.execute(select(rota_watch.c.told_until)).scalar_one() <= start + HOUR


# -- at any hour of any month ----------------------------------------------------------------------

FIRST, LAST = rome("2026-03-23 12:00"), rome("2026-04-02 12:00")
STEPS = int((LAST - FIRST) / QUARTER)
BOTH = (
    NIGHTLY.format(clock="06:30")
    + """
  [[rota.rung]]
  people = ["dario", "anna"]
  starts = 2026-03-01
  handover = "18:30"
  every = "2 days"
"""
)
STEP = st.integers(1, STEPS - 1)
WHO = st.sampled_from(["anna", "bruno", "dario"])
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("override"), STEP, WHO, st.integers(-8, 60), st.integers(1, 60), st.integers(1, 2)),
        st.tuples(st.just("absent"), STEP, WHO, st.integers(-8, 60), st.integers(1, 120), st.just(0)),
        st.tuples(st.just("withdraw"), STEP, WHO, st.just(0), st.just(0), st.just(0)),
    ),
    max_size=8,
).map(lambda found: sorted(found, key=lambda each: each[1]))


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=CHANGES)
def test_nobody_is_on_duty_unawares_and_nobody_is_told_of_what_is_not_so(
    changes: list[tuple[str, int, str, int, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is looked: here only when there is something to tell."""
    monkeypatch.setattr(watch, "EVERY", timedelta(days=2))
    with TemporaryDirectory() as folder, fresh_database(Path(folder)) as database:
        night = Night(database)
        with database.write() as connection:
            staff(connection, FIRST - timedelta(days=1), BOTH)
        night.looks(FIRST)
        made: list[int] = []
        for kind, step, who, begins, lasts, rung in changes:
            at = FIRST + step * QUARTER
            start = at + begins * QUARTER
            night.change(at, _random_change(kind, made, who, start, start + lasts * QUARTER, rung))
        night.until(LAST)
        told = night.said()
        with database.read() as connection:
            book = roster.book(connection, "duty")
    # What was, in hindsight, asked instant by instant.
    ladders = [
        {duty.rung: duty.technician for duty in book.ladder(FIRST + step * QUARTER)} for step in range(STEPS)
    ]
    _nobody_was_unawares(ladders, told)
    stood = {
        (who, rung, FIRST + step * QUARTER) for step, on in enumerate(ladders) for rung, who in on.items()
    }
    balance = Counter[tuple[str, int, datetime]]()
    for each in told:
        if each.kind in ("begins", "cancelled"):
            key = (each.who, each.rung, each.when)
            balance[key] += 1 if each.kind == "begins" else -1
            assert balance[key] in (0, 1)
            assert each.at - each.when <= SECOND or each.when == FIRST
    for step in range(1, STEPS):
        at = FIRST + step * QUARTER
        for rung in (1, 2):
            before, now = ladders[step - 1].get(rung), ladders[step].get(rung)
            if now is not None and now != before:
                assert balance[now, rung, at] == 1, (now, rung, at)
            ends = [s for s in told if (s.kind, s.who, s.rung, s.when) == ("ends", before, rung, at)]
            assert len(ends) == (before is not None and now != before)
    for key, count in balance.items():
        assert count == 0 or key in stood or key[2] >= LAST, key


def _random_change(kind: str, made: list[int], who: str, start: datetime, end: datetime, rung: int) -> Change:
    def change(connection: Connection, at: datetime) -> None:
        try:
            with connection.begin_nested():
                if kind == "override":
                    made.append(roster.override(connection, ACTOR, at, "duty", rung, start, end, who))
                elif kind == "absent":
                    absences.record(connection, ACTOR, at, who, start, end, "other")
                elif made:
                    roster.withdraw_override(connection, ACTOR, at, made[-1])
        except RosterRefusal:
            pass

    return change


def _nobody_was_unawares(ladders: list[dict[int, str]], told: list[Said]) -> None:
    """Whoever is on duty at an instant was told of a turn that holds then."""
    known: dict[tuple[str, int], list[tuple[datetime, datetime, datetime]]] = {}
    for each in told:
        if each.kind == "begins":
            ends = each.facts.get("ends")
            until = datetime.fromisoformat(ends) if ends else LAST
            known.setdefault((each.who, each.rung), []).append((each.at, each.when, until))
    for step, on in enumerate(ladders):
        at = FIRST + step * QUARTER
        for rung, who in on.items():
            assert any(
                said_at <= at + SECOND and start <= at < end for said_at, start, end in known[who, rung]
            ), (at, who, rung)


# -- the worker --------------------------------------------------------------------------------------


class Killed(BaseException):
    """The worker dies here."""


@dataclass
class Mortal:
    """A database whose user dies before or after the `dies`-th writing transaction commits."""

    home = ""

    database: Database
    dies: int
    before_commit: bool
    writes: int = 0

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self.writes += 1
        now = self.writes == self.dies
        with self.database.write() as connection:
            yield connection
            if now and self.before_commit:
                raise Killed
        if now:
            raise Killed

    def read(self) -> Any:
        return self.database.read()


def house_of(database: Any, folder: Path, **notice: object) -> House:
    made = configuration(folder)
    wanted = {"admins": ["a@example.net"], **notice}
    made = made.model_copy(update={"notices": made.notices.model_copy(update=wanted)})
    return House(made, database, outward=Channels())


ONLY = {watch.WATCH: HANDLERS[watch.WATCH]}


@pytest.mark.parametrize("before_commit", [True, False])
@pytest.mark.parametrize("dies", range(1, 7))
def test_a_worker_that_dies_tells_nobody_twice_and_forgets_nobody(
    tmp_path: Path, dies: int, before_commit: bool
) -> None:
    at = rome("2026-03-09 18:15")
    with fresh_database(tmp_path) as database:
        night = Night(database).begins(at - HOUR)
        with database.write() as connection:
            watch.seed(connection, at)
        mortal = Mortal(database, dies, before_commit)
        house = house_of(mortal, tmp_path)
        try:
            assert tick(house, at, ONLY) == 1
            died = False
        except Killed:
            died = True
        # Claimed; looked; nobody there?; the hour's work; postponed.
        assert died == (dies <= 5)
        whole = house_of(database, tmp_path)
        tick(whole, at + LEASE, ONLY)
        tick(whole, at + QUARTER, ONLY)
        tick(whole, at + QUARTER + LEASE, ONLY)
        assert Counter((s.kind, s.who) for s in night.said()) == {("begins", "bruno"): 1, ("ends", "anna"): 1}
        with database.read() as connection:
            assert due.pending(connection, watch.WATCH, "duty")


def test_on_either_database(database_url: str, tmp_path: Path) -> None:
    """Seeded once; woken by a change; a hole ahead and one that is here are alarmed; offers expire."""
    at = rome("2026-03-09 12:00")
    with opened_at(database_url) as database:
        house = house_of(database, tmp_path)
        with database.write() as connection:
            staff(connection, at, nightly("18:30"))
            swap = swaps.propose(
                connection,
                "technician:bruno",
                at - 20 * HOUR,
                RINGING,
                "duty",
                1,
                "bruno",
                "dario",
                at - HOUR / 2,
                at - HOUR / 4,
            )
        for _ in range(2):
            rota_work.seed(house, at)
        assert tick(house, at, ONLY) == 1
        with database.write() as connection:
            assert [s.who for s in said(connection)] == ["bruno"]
            assert swaps.find(connection, swap).state == "expired"
            assert tick_is_due(connection) == rome("2026-03-09 13:00")
            for who in ("anna", "bruno"):
                absences.record(
                    connection, ACTOR, at, who, rome("2026-03-12 00:00"), rome("2026-03-13 00:00"), "holiday"
                )
            connection.execute(delete(due_work).where(due_work.c.kind == ALARM))
        assert alarms(database) == []
        assert tick(house, rome("2026-03-09 13:00"), ONLY) == 1
        hole = f"rota-hole:rota:duty:{rome('2026-03-12 00:00').isoformat()}"
        assert alarms(database) == [hole]
        # At once when something changes, and once however often.
        for minutes in (5, 5, 6):
            with database.write() as connection:
                watch.wake(connection, rome("2026-03-09 13:00") + minutes * MINUTE, "duty")
        assert tick(house, rome("2026-03-09 13:06"), ONLY) == 1
        assert alarms(database) == [hole]
        tick(house, rome("2026-03-12 00:00"), ONLY)
        here = f"nobody-on-duty:rota:duty:{rome('2026-03-12 00:00').isoformat()}"
        assert alarms(database) == [here, hole]


def tick_is_due(connection: Connection) -> datetime:
    found: datetime = connection.execute(
        select(due_work.c.due_at).where(due_work.c.kind == watch.WATCH, due_work.c.state == "pending")
    ).scalar_one()
    return found


def alarms(database: Database) -> list[str]:
    with database.read() as connection:
        return sorted(connection.execute(select(due_work.c.key).where(due_work.c.kind == ALARM)).scalars())


def test_two_that_wake_it_at_one_instant_leave_one_watch(tmp_path: Path) -> None:
    at = rome("2026-03-09 12:00")
    with fresh_database(tmp_path) as database:
        with database.write() as connection:
            staff(connection, at)
            for _ in range(2):
                due.add(connection, at, watch.WATCH, "duty", at, {})
        tick(house_of(database, tmp_path), at, ONLY)
        with database.read() as connection:
            tick_is_due(connection)


@pytest.mark.parametrize("change", ["apply", "override", "withdraw", "absent", "present", "put", "retire"])
def test_whatever_changes_a_rota_wakes_its_watch(night: Night, change: str) -> None:
    at, later = rome("2026-03-09 12:00"), rome("2026-03-09 13:00")
    with night.database.write() as connection:
        staff(connection, at)
        made = roster.override(connection, ACTOR, at, "duty", 1, later, later + 3 * HOUR, "dario")
        away = absences.add(connection, ACTOR, at, "anna", later, later + 3 * HOUR, "holiday")
        connection.execute(update(due_work).values(due_at=later + HOUR))
        anna = rota_file.TechnicianEntry(key="anna", name="Anna", phone="+393331234501")
        verbs: dict[str, Callable[[], object]] = {
            "apply": lambda: staff(connection, later),
            "override": lambda: override("anna", later, later + HOUR)(connection, later),
            "withdraw": lambda: roster.withdraw_override(connection, ACTOR, later, made),
            "absent": lambda: absent("dario", later, later + HOUR)(connection, later),
            "present": lambda: absences.withdraw(connection, ACTOR, later, away),
            "put": lambda: people.put_technician(connection, ACTOR, later, RINGING, anna),
            "retire": lambda: people.retire(connection, ACTOR, later, "bruno"),
        }
        verbs[change]()
        assert tick_is_due(connection) == later


def test_everybody_s_rota_is_woken_when_somebody_s_service_changes(night: Night) -> None:
    at = rome("2026-03-09 12:00")
    with night.database.write() as connection:
        staff(connection, at)
        watch.wake_all(connection, at)
        assert tick_is_due(connection) == at
        watch.wake_all(connection, at + HOUR)
        assert tick_is_due(connection) == at + HOUR


def test_whoever_retires_before_his_turn_is_not_announced(night: Night) -> None:
    night.begins(rome("2026-03-09 12:00"))
    night.change(rome("2026-03-09 12:30"), lambda c, at: people.retire(c, ACTOR, at, "bruno"))
    told = [(s.kind, s.who) for s in night.until(rome("2026-03-10 12:00")).said()]
    assert told == [("begins", "anna")]  # whose turn was to end
    with night.database.write() as connection:
        connection.execute(update(technicians).values(retired_at=None))
        assert connection.execute(select(notice_sends)).first() is None

"""Reports: hours on call against a dull count of minutes, figures by hand, what leaves as CSV and HTML."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from making import (
    ACTOR,
    ROTA,
    a_call,
    a_case,
    a_sid,
    case,
    configuration,
    fresh_database,
    rome,
    staff,
    utc,
    with_lines,
)
from sqlalchemy import Connection, update
from test_commands import Ivr

from console.commands.phone import shipped
from console.commands.reports import sources
from console.reports import report_page, report_tables, report_words
from ivr import casework, placed
from ivr.outgoing_flow import Outgoing
from ivr.records import reports
from ivr.records.accounts import Line
from ivr.records.reports import Report, Sources
from ivr.settings import SpecialDay
from ivr.tables import calls
from oncall import reports as core
from oncall.reaching import attempts
from oncall.reports import Calendar, CaseRow, Promise, Split, Spread, Work, period
from oncall.rota import roster
from oncall.rota.rota import OnDuty, Segment
from oncall.tables import passes
from pins import customers
from storage.engine import Database, open_database

ROME = ZoneInfo("Europe/Rome")
MARCH = period(date(2026, 3, 1), date(2026, 3, 31), ROME)
AS_OF = rome("2026-04-02 10:00")


# -- hours on call: a dull count -------------------------------------------------------------------

# Public holidays in the months that are counted here, as anybody knows them.
HOLIDAYS = {
    *(date(2026, 4, 5), date(2026, 4, 6), date(2026, 4, 25), date(2026, 5, 1)),
    *(date(2026, 10, 4), date(2026, 11, 1)),
    *(date(2026, 12, 8), date(2026, 12, 25), date(2026, 12, 26), date(2027, 1, 1), date(2027, 1, 6)),
}


def dull_kind(at: datetime, evening: str, morning: str) -> str:
    """What the minute is, by its wall clock alone."""
    wall = at.astimezone(ROME)
    clock = f"{wall:%H:%M}"
    if wall.date() in HOLIDAYS:
        return "holiday"
    if wall.weekday() == 6:
        return "sunday"
    night = evening <= clock < morning if evening < morning else clock >= evening or clock < morning
    return "night" if night else "ordinary"


def dull_count(start: datetime, end: datetime, night: str) -> dict[str, int]:
    evening, morning = night.split("-")
    counted: Counter[str] = Counter()
    while start < end:
        counted[dull_kind(start, evening, morning)] += 60
        start += timedelta(minutes=1)
    return dict(counted)


def counted(split: Split) -> dict[str, int]:
    return {kind: seconds for kind in core.KINDS if (seconds := getattr(split, kind))}


@pytest.mark.parametrize("night", ["22:00-06:00", "00:00-05:30", "21:15-00:00", "02:00-03:00"])
@pytest.mark.parametrize(
    ("first", "last", "hours"),
    [
        (date(2026, 3, 20), date(2026, 4, 8), 20 * 24 - 1),  # the clock goes forward; Easter Monday
        (date(2026, 10, 20), date(2026, 11, 3), 15 * 24 + 1),  # it goes back; All Saints' is a Sunday
        (date(2026, 12, 24), date(2027, 1, 7), 15 * 24),
    ],
)
def test_hours_are_the_minutes_that_pass(first: date, last: date, hours: int, night: str) -> None:
    span = period(first, last, ROME)
    calendar = Calendar(ROME, night, lambda day: day in HOLIDAYS)
    found = core.on_call([Segment(span.start, span.end, (OnDuty(1, "anna", "turn"),))], calendar)
    assert counted(found.rungs[1]) == dull_count(span.start, span.end, night)
    assert found.rungs[1].total == hours * 3600
    assert found.people == {"anna": found.rungs[1]}
    assert found.nobody == Split()


SPRING = rome("2026-03-28 00:00")


@given(cuts=st.lists(st.integers(0, 3 * 24 * 60), max_size=6), who=st.lists(st.integers(0, 3), min_size=7))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_minute_is_somebodys_once(cuts: list[int], who: list[int]) -> None:
    """Over the night on which the clock goes forward, however the turns are cut."""
    edges = [SPRING + timedelta(minutes=minute) for minute in sorted({0, *cuts, 3 * 24 * 60})]
    ladders = [(), ("anna",), ("anna", "bruno"), ("dario", "dario")]
    segments = [
        Segment(start, end, tuple(OnDuty(n, key, "turn") for n, key in enumerate(ladders[place], 1)))
        for start, end, place in zip(edges, edges[1:], who, strict=False)
    ]
    calendar = Calendar(ROME, "22:00-06:00", lambda day: False)
    found = core.on_call(segments, calendar)
    expected: dict[str, Counter[str]] = defaultdict(Counter)
    for segment in segments:
        minutes = dull_count(segment.start, segment.end, "22:00-06:00")
        names = {duty.technician for duty in segment.standing} | {duty.rung for duty in segment.standing}
        for name in names or {"nobody"}:
            expected[str(name)].update(minutes)
    got = {str(key): counted(split) for key, split in {**found.people, **found.rungs}.items()}
    if found.nobody.total:
        got["nobody"] = counted(found.nobody)
    assert got == expected


# -- other figures, by hand --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([], None),
        ([7], Spread(1, 7, 7, 7)),
        ([5, 1], Spread(2, 3, 5, 5)),
        (list(range(10, 0, -1)), Spread(10, 6, 9, 10)),
        (list(range(1, 12)), Spread(11, 6, 10, 11)),
    ],
)
def test_a_spread(seconds: list[int], expected: Spread | None) -> None:
    assert core.spread(seconds) == expected


def row(number: int, **more: Any) -> CaseRow:
    opened = utc("2026-03-10 21:00")
    values: dict[str, Any] = {
        "customer": "ACME",
        "urgency": "P1",
        "final_urgency": None,
        "opened_at": opened,
        "due_at": opened + timedelta(hours=2),
        "connected_at": None,
        "taken_at": None,
        "closed_at": None,
    }
    return CaseRow(f"2026-{number:05d}", "duty", **(values | more))


def test_promises_and_times_to_accept() -> None:
    opened = utc("2026-03-10 21:00")
    due = opened + timedelta(hours=2)
    rows = [
        row(1, taken_at=due),  # in time: to the second
        row(2, connected_at=due + timedelta(seconds=1), taken_at=due + timedelta(hours=1)),
        row(3, connected_at=opened + timedelta(minutes=3), taken_at=opened + timedelta(minutes=9)),
        row(4, closed_at=due - timedelta(minutes=1)),  # whoever closes it has taken it in charge
        row(5, closed_at=due + timedelta(minutes=1)),
        row(6),  # still open, and late
        row(7, final_urgency="P2", due_at=due + timedelta(days=1)),  # still open, and not late
        row(8, final_urgency="P3", due_at=None),  # nothing is promised
        row(9, taken_at=opened, merged=True),  # goes on as another
        row(10, urgency=None, due_at=None, taken_at=opened + timedelta(minutes=1)),  # screened
    ]
    assert core.promises(rows, due + timedelta(minutes=5)) == {
        "P1": Promise(kept=3, missed=3),
        "P2": Promise(open=1),
    }
    assert core.to_accept(rows) == Spread(4, round((180 + 7200) / 2), 7201, 7201)


def test_calls_by_hour_of_the_wall_clock() -> None:
    """02:30 comes twice on the night on which the clock goes back."""
    twice = [utc("2026-10-25 00:30"), utc("2026-10-25 01:30"), utc("2026-10-25 02:30")]
    hours = core.by_hour(twice, ROME)
    assert (hours[2], hours[3], sum(hours)) == (2, 1, 3)


# -- rest ----------------------------------------------------------------------------------------------


def local(at: datetime) -> datetime:
    return at.astimezone(ROME)


def rest_of(works: list[tuple[str, str, str]], **lines: str) -> list[tuple[str, str, str]]:
    configured = shipped()
    hours = configured.hours.model_copy(update=lines)
    given = Sources(ROME, hours, configured.number, configured.reports)
    found = core.rest(
        [Work(who, rome(start), rome(end)) for who, start, end in works],
        reports.working_days(given, "duty"),
    )
    return [
        (
            each.technician,
            f"{each.begins.astimezone(ROME):%a %H:%M}",
            f"{each.rest_until.astimezone(ROME):%H:%M}",
        )
        for each in found
    ]


@pytest.mark.parametrize(
    ("works", "expected"),
    [
        # The office opens at 8:00: work that ended by 21:00 leaves eleven hours.
        ([("anna", "2026-03-10 20:30", "2026-03-10 21:00")], []),
        ([("anna", "2026-03-10 20:30", "2026-03-10 21:01")], [("anna", "Wed 08:00", "08:01")]),
        ([("anna", "2026-03-11 03:00", "2026-03-11 03:30")], [("anna", "Wed 08:00", "14:30")]),
        # Twice in a night is one finding, after the last.
        (
            [
                ("anna", "2026-03-10 22:00", "2026-03-10 22:10"),
                ("anna", "2026-03-11 04:00", "2026-03-11 05:00"),
                ("bruno", "2026-03-11 02:00", "2026-03-11 02:05"),
            ],
            [("anna", "Wed 08:00", "16:00"), ("bruno", "Wed 08:00", "13:05")],
        ),
        # He is still at it when the day begins.
        ([("anna", "2026-03-11 07:00", "2026-03-11 09:00")], [("anna", "Wed 08:00", "20:00")]),
        # By day and over lunch the next day is far.
        ([("anna", "2026-03-11 10:00", "2026-03-11 11:00")], []),
        ([("anna", "2026-03-11 13:20", "2026-03-11 13:40")], []),
        # Saturday's work is before Monday, Easter's before Tuesday.
        ([("anna", "2026-03-07 02:00", "2026-03-07 03:00")], []),
        ([("anna", "2026-04-06 02:00", "2026-04-06 03:00")], []),
        ([("anna", "2026-04-06 23:00", "2026-04-06 23:30")], [("anna", "Tue 08:00", "10:30")]),
        # The clock goes forward: nine hours of the wall clock are eight, from 21:30 to 8:00 ten and a half.
        ([("anna", "2026-03-29 23:00", "2026-03-29 23:05")], [("anna", "Mon 08:00", "10:05")]),
    ],
)
def test_who_cannot_rest(works: list[tuple[str, str, str]], expected: list[tuple[str, str, str]]) -> None:
    assert rest_of(works) == expected


def test_elapsed_hours_of_rest_over_the_change_of_the_clock() -> None:
    """From 20:30 to 8:00 it is eleven and a half hours by the clock, and ten and a half in truth."""
    night = [("anna", "2026-03-28 20:00", "2026-03-28 20:30")]
    assert rest_of(night, closed_days=[]) == [("anna", "Sun 08:00", "08:30")]
    assert rest_of([("anna", "2026-03-21 20:00", "2026-03-21 20:30")], closed_days=[]) == []


# -- a month ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("month")
    with fresh_database(folder) as database:
        with database.write() as connection:
            staff(connection, rome("2026-01-10 12:00"))
            enact(connection)
        yield database


def connected(connection: Connection, case_id: int, sid: str, who: str, at: datetime, talk: int) -> None:
    """His phone rings at `at`, he accepts 10 s later and talks for so many seconds."""
    attempt = attempts.begin_attempt(connection, at, case_id, sid, who, "+39", 1)
    attempts.press(connection, at + timedelta(seconds=10), attempt, "accepted")
    ended = at + timedelta(seconds=10 + talk)
    attempts.settle(connection, ended, attempt, "completed", bridged=True)


def enact(connection: Connection) -> None:
    """Three cases in March, a call that came to nothing, one of before and one of after."""
    for number, at in enumerate(
        ["2026-02-28 23:59", "2026-03-01 00:00", "2026-03-17 02:00", "2026-03-29 03:10", "2026-04-01 00:00"]
    ):
        opened = a_case(connection, rome(at), sid=a_sid(number))
        acme = case(connection, opened).customer_id
        connection.execute(
            update(calls)
            .where(calls.c.sid == opened.sid)
            .values(
                customer_id=acme,
                outcome="connected",
                urgency="P1+",
                ended_at=rome(at) + timedelta(seconds=300),
            )
        )
        if number == 1:
            missed = attempts.begin_attempt(connection, rome(at), opened.id, opened.sid, "anna", "+39", 1)
            attempts.settle(connection, rome(at) + timedelta(seconds=25), missed, "no-answer", bridged=False)
            connected(connection, opened.id, opened.sid, "dario", rome("2026-03-01 00:01"), 200)
        if number == 2:
            casework.take(connection, ACTOR, rome("2026-03-17 03:30"), case(connection, opened), "bruno")
            call_back(connection, opened.id, rome("2026-03-17 03:31"), 120)
            customers.change(connection, ACTOR, rome(at), "ACME", coverage="prepaid", minutes=20)
            closed_at = rome("2026-03-17 05:00")
            casework.close(connection, ACTOR, closed_at, case(connection, opened), "x", 50)
        if number == 3:
            urgency = shipped().urgency
            seen = case(connection, opened)
            casework.reclassify(connection, ACTOR, rome("2026-03-29 03:20"), seen, "P2", "x", urgency)
    a_call(connection, a_sid(90), rome("2026-03-12 10:30"))
    connection.execute(update(calls).where(calls.c.sid == a_sid(90)).values(outcome="office"))
    a_call(connection, a_sid(91), rome("2026-03-12 10:40"))
    connection.execute(update(calls).where(calls.c.sid == a_sid(91)).values(number="+390461999999"))


def call_back(connection: Connection, case_id: int, at: datetime, talk: int) -> None:
    """We call bruno, he takes the customer's call and talks."""
    call = Outgoing("call-back", "bruno", "it")
    placed_id = placed.begin(connection, at, call, phone="+39", number="+390461825060", case_id=case_id)
    for turn, (heard, second) in enumerate([("picked up", 1), ("taken", 5), ("connected", 5 + talk)]):
        moment = at + timedelta(seconds=second)
        placed.write_turn(connection, moment, placed_id, call, turn, heard, '{"parts":[]}')


def gathered(database: Database, **lines: str) -> Report:
    given = sources(shipped())
    if lines:
        given = Sources(given.zone, given.hours, given.numbers, given.settings.model_copy(update=lines))
    with database.read() as connection:
        return reports.gather(connection, AS_OF, given, MARCH)


def test_a_month_is_what_happened_in_it(month: Database) -> None:
    found = gathered(month)
    (duty,) = found.rotas
    assert (duty.calls, duty.cases, found.elsewhere) == (4, 3, 1)
    assert {hour: count for hour, count in enumerate(duty.by_hour) if count} == {0: 1, 2: 1, 3: 1, 10: 1}
    assert duty.by_outcome == {"connected": 3, "office": 1}
    assert duty.urgencies == {"P1+": 3}
    assert duty.reclassified == {("P1+", "P2"): 1}
    assert duty.accept == Spread(2, round((70 + 5400) / 2), 5400, 5400)
    # In time; an hour and a half late; still open, and late by now.
    assert duty.promises == {"P1+": Promise(kept=1, missed=1), "P2": Promise(missed=1)}
    assert duty.attempts == {1: {"connected": 1, "no-answer": 1}}
    (woken,) = duty.rest
    assert (woken.technician, woken.rest_until) == ("bruno", rome("2026-03-17 15:20"))


def test_hours_of_a_real_rota(month: Database) -> None:
    """Each minute of the month asked of the rota, one by one: 31 days less an hour."""
    (duty,) = gathered(month, per_person=True).rotas  # type: ignore[arg-type]
    with month.read() as connection:
        book = roster.book(connection, "duty")
    people: dict[str, Counter[str]] = defaultdict(Counter)
    at = MARCH.start
    while at < MARCH.end:
        kind = dull_kind(at, "22:00", "06:00")
        for duty_ in book.ladder(at):
            people[duty_.technician][kind] += 60
        at += timedelta(minutes=1)
    assert {key: counted(split) for key, split in duty.on_call.people.items()} == people
    assert duty.on_call.rungs[1].total == (31 * 24 - 1) * 3600
    assert (MARCH.end - MARCH.start).total_seconds() == (31 * 24 - 1) * 3600


def test_figures_by_person_are_off_unless_switched_on(month: Database) -> None:
    (duty,) = gathered(month).rotas
    assert duty.on_call.people == {}
    assert duty.on_call.rungs
    page = report_page.page(gathered(month), report_words.words("it", ROME), "")
    assert "300/1970" not in page
    page = report_page.page(gathered(month, per_person=True), report_words.words("it", ROME), "")  # type: ignore[arg-type]
    assert "300/1970" in page
    assert "people.csv" not in report_tables.as_csv(gathered(month), ROME)


def test_each_customers_account(month: Database) -> None:
    found = gathered(month)
    lines = [
        (line.kind, line.case, line.seconds, line.talk, line.minutes, line.billed) for line in found.lines
    ]
    assert lines == [
        ("call", "2026-00002", 300, 200, 0, 0),
        ("call", "2026-00003", 300, 0, 0, 0),
        ("call-back", "2026-00003", 120, 120, 0, 0),
        ("work", "2026-00003", 0, 0, 50, 30),
        ("call", "2026-00004", 300, 0, 0, 0),
    ]
    assert [line.billable for line in found.lines] == [False, True, True, True, False]
    (account,) = found.accounts
    assert (account.customer, account.calls, account.seconds, account.talk) == ("ACME", 3, 1020, 320)
    assert (account.billable_talk, account.minutes, account.prepaid, account.billed) == (120, 50, 20, 30)


def test_a_merged_case_is_reported_as_the_one_that_goes_on(tmp_path: Path) -> None:
    """And a talk in the pursuit is not one of the call that opened the case."""
    with fresh_database(tmp_path) as database, database.write() as connection:
        staff(connection, rome("2026-01-10 12:00"))
        pair = [a_case(connection, rome("2026-03-10 22:00"), sid=a_sid(number)) for number in (1, 2)]
        older, younger = (case(connection, each) for each in pair)
        began = rome("2026-03-10 22:30")
        passed = passes.insert().values(
            case_id=older.id, rota="duty", number=1, ladder=[], started_at=began, ended_at=began
        )
        identity = connection.execute(passed).inserted_primary_key
        assert identity is not None
        attempt = attempts.begin_attempt(
            connection, began, older.id, pair[0].sid, "anna", "+39", 1, pass_id=identity[0]
        )
        attempts.press(connection, began, attempt, "accepted")
        attempts.settle(connection, began + timedelta(minutes=2), attempt, "completed", bridged=True)
        casework.merge(connection, ACTOR, rome("2026-03-10 23:00"), case(connection, pair[0]), younger)
        connection.execute(update(calls).values(customer_id=older.customer_id))
        found = reports.gather(connection, AS_OF, sources(shipped()), MARCH)
    assert [(line.case, line.talk) for line in found.lines] == [(older.number, 0)] * 2
    assert found.rotas[0].cases == 1


def test_a_holiday_on_which_the_office_opens_is_one() -> None:
    configured = shipped()
    opens = SpecialDay(date=date(2026, 4, 6), open=["08:00-13:00"])
    hours = configured.hours.model_copy(update={"special_day": [opens]})
    given = Sources(ROME, hours, configured.number, configured.reports)
    calendar = reports.calendar_of(given, "duty")
    days = [calendar.holiday(date(2026, 4, day)) for day in (5, 6, 7)]
    assert days == [True, True, False]
    assert reports.working_days(given, "duty")(rome("2026-04-06 02:00")) == rome("2026-04-06 08:00")


def test_no_other_rota_and_no_unknown_one(month: Database) -> None:
    with month.read() as connection:
        with pytest.raises(roster.UnknownRota):
            reports.gather(connection, AS_OF, sources(shipped()), MARCH, "nobody")
        alone = reports.gather(connection, AS_OF, sources(shipped()), MARCH, "duty")
    assert [each.rota for each in alone.rotas] == ["duty"]
    assert len(alone.lines) == 5


# -- what leaves ----------------------------------------------------------------------------------------


def test_csv_for_spreadsheets(month: Database) -> None:
    files = report_tables.as_csv(gathered(month), ROME)
    assert set(files) >= {"hours.csv", "accounts.csv", "customer-ACME.csv", "rest.csv", "attempts.csv"}
    for text in files.values():
        assert text.startswith("\ufeff")
        rows = list(csv.reader(io.StringIO(text[1:]), delimiter=";"))
        assert len({len(each) for each in rows}) == 1
    rows = list(csv.DictReader(io.StringIO(files["customer-ACME.csv"][1:]), delimiter=";"))
    assert [(each["at"], each["kind"], each["seconds"]) for each in rows][:2] == [
        ("2026-03-01 00:00:00", "call", "300"),
        ("2026-03-17 02:00:00", "call", "300"),
    ]


def test_no_cell_is_a_formula(month: Database) -> None:
    found = gathered(month)
    bad = [Line("ACME", "call", AS_OF, "duty", outcome=text) for text in ("=1+1", "@x", "-2", "\tx")]
    found = Report(found.period, AS_OF, False, "22:00-06:00", [], bad, 0)
    text = report_tables.as_csv(found, ROME)["customer-ACME.csv"]
    cells = [cell for each in csv.reader(io.StringIO(text[1:]), delimiter=";") for cell in each]
    assert not [cell for cell in cells if cell[:1] in "=+-@\t" and cell]


class Page(HTMLParser):
    """What a page asks for, and whether its tags match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wants: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
        self.wants += [
            f"{name}={value}" for name, value in attrs if name in ("src", "href", "action", "style")
        ]
        self.wants += [tag] if tag in ("script", "link", "iframe", "img", "object") else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("language", ["it", "en", "de"])
def test_a_page_asks_for_nothing(month: Database, language: str) -> None:
    html = report_page.page(gathered(month), report_words.words(language, ROME), "Rossi & <b>Figli")
    page = Page()
    page.feed(html)
    assert (page.open, page.wants) == ([], [])
    assert "Rossi & <b>Figli" in page.text
    assert "http" not in html.replace("http-equiv", "")
    assert "url(" not in html
    assert f'lang="{language}"' in html
    # The bars are told in words too.
    assert re.search(r'aria-label="[^"]*0: 1, 2: 1, 3: 1, 10: 1', html)


def test_every_word_is_there_in_every_language() -> None:
    texts = {language: report_words.words(language, ROME) for language in report_words.LANGUAGES}
    assert len({frozenset(each.texts) for each in texts.values()}) == 1
    assert len({frozenset(each.values) for each in texts.values()}) == 1


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Ivr]:
    configuration(tmp_path)
    (tmp_path / "rota.toml").write_text(ROTA, encoding="utf-8")
    with fresh_database(tmp_path), time_machine.travel(rome("2026-01-10 12:00"), tick=False):
        command = Ivr(tmp_path)
        command.done("rota", "apply", str(tmp_path / "rota.toml"))
        database = open_database("sqlite:///ivr.db", folder=tmp_path)
        with database.write() as connection:
            enact(connection)
        database.close()
    with time_machine.travel(AS_OF, tick=False):
        yield command


def test_the_command(command: Ivr, tmp_path: Path) -> None:
    document = command.json("report")
    assert (document["from"], document["to"], document["per_person"]) == ("2026-03-01", "2026-03-31", False)
    (duty,) = document["rotas"]
    assert duty["promises"][0] == {"urgency": "P1+", "kept": 1, "missed": 1, "open": 0}
    assert "people" not in duty
    assert document["accounts"][0]["billed"] == 30
    assert document["lines"][0]["at"] == "2026-03-01T00:00:00+01:00"
    assert "Eleven hours" in command.done("report", "--rota", "duty")
    files = command.done("report", "--csv", str(tmp_path / "csv")).split()
    assert str(tmp_path / "csv" / "customer-ACME.csv") in files
    command.done("report", "--html", str(tmp_path / "page.html"))
    assert 'lang="it"' in (tmp_path / "page.html").read_text(encoding="utf-8")
    command.done("report", "--html", str(tmp_path / "page.html"), "--language", "de")
    assert "Rufbereitschaft" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert (tmp_path / "page.html").stat().st_mode & 0o77 == 0
    assert command.json("report", "--from", "2026-04-01")["to"] == "2026-04-30"
    assert command.json("report", "--to", "2026-02-15")["from"] == "2026-02-01"
    assert "before it begins" in command.refused("report", "--from", "2026-03-02", "--to", "2026-03-01")
    assert "nobody" in command.refused("report", "--rota", "nobody")
    command.refused("report", "--json", "--html", str(tmp_path / "page.html"), code=2)
    assert "page.html" in command.refused("report", "--csv", str(tmp_path / "page.html" / "x"))


def test_by_person_the_law_is_named(command: Ivr, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(with_lines(file.read_text(encoding="utf-8"), per_person="true"), encoding="utf-8")
    assert "300/1970" in command.done("report").replace("\n", " ")
    assert {each["person"] for each in command.json("report")["rotas"][0]["people"]} == {
        "anna",
        "bruno",
        "dario",
    }

"""What is wrong with a rota: found where asking every quarter of an hour finds it, and alarmed in time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from making import ACTOR, NIGHT, RINGING, ROME, ROTA, fresh_database, opened_at, rome, staff
from sqlalchemy import Connection, insert, select, update

from oncall.rota import absences, coverage, planning, rota_file, validation
from oncall.rota.planning import OpensHoles
from oncall.rota.roster import RosterRefusal
from oncall.rota.rota import Absence, Book, Employment, Override, Pattern, Rotation, Rules, Rung, Version
from oncall.rota.validation import Finding, Person, review
from oncall.settings import NoticeSettings
from oncall.tables import absences as away
from oncall.tables import rota_versions, technicians
from storage.engine import Database
from storage.tables import due_work

NOTICES = NoticeSettings()
LONG_AGO = rome("2026-01-01 00:00")
MONDAY = rome("2026-03-09 00:00")
WEEK = timedelta(days=7)
ANNA, BRUNO, CARLA = (Person(key) for key in ("anna", "bruno", "carla"))
PEOPLE = (ANNA, BRUNO, CARLA)


def book(*rungs: Rung, **more: Any) -> Book:
    return Book([Version(1, LONG_AGO, Rules(ROME, rungs))], **more)


def always(*people: str) -> Rung:
    return Rung(people)


def found(
    books: dict[str, Book], people: Sequence[Person] = PEOPLE, start: datetime = MONDAY, days: int = 7
) -> list[Finding]:
    return review(books, people, start, start + timedelta(days=days))


def kinds(findings: Sequence[Finding]) -> list[str]:
    return [finding.kind for finding in findings]


# -- a kind each -----------------------------------------------------------------------------------


def test_nothing_is_wrong_with_two_people_on_two_rungs() -> None:
    turns = Rung(("anna", "bruno"), Rotation(date(2026, 1, 5), time(18, 30), 7))
    assert found({"duty": book(turns, always("carla"))}) == []
    # A rotation never runs out.
    assert review({"duty": book(turns, always("carla"))}, PEOPLE, MONDAY, MONDAY + 500 * WEEK) == []


def test_a_hole_is_where_no_rung_has_anybody() -> None:
    nights = Pattern(frozenset(range(5)), time(18, 30), time(8), ("anna",))
    (hole, *_) = findings = found({"duty": book(Rung((), patterns=(nights,)))})
    assert (hole.kind, hole.rota, hole.rung, hole.refused) == ("hole", "duty", None, True)
    assert (hole.start, hole.end) == (MONDAY, rome("2026-03-09 18:30"))
    weekend = [f for f in findings if f.kind == "hole"][-1]
    assert (weekend.start, weekend.end) == (rome("2026-03-14 08:00"), MONDAY + WEEK)
    # The same with somebody for the rest of the time.
    assert "hole" not in kinds(found({"duty": book(Rung(("bruno",), patterns=(nights,)))}))


def test_before_its_first_rules_a_rota_has_a_hole() -> None:
    later = Book([Version(1, MONDAY + timedelta(hours=3), Rules(ROME, (always("anna"), always("bruno"))))])
    assert found({"duty": later}) == [
        Finding("hole", "duty", None, MONDAY, MONDAY + timedelta(hours=3), refused=True)
    ]
    assert found({"duty": Book()}) == [Finding("hole", "duty", None, MONDAY, MONDAY + WEEK, refused=True)]


def test_an_empty_rung_where_others_have_somebody() -> None:
    lunch = Pattern(frozenset({0}), time(13), time(14), ("bruno",))
    findings = found({"duty": book(always("anna"), Rung((), patterns=(lunch,)))})
    empty = [(f.rung, f.start, f.end) for f in findings if f.kind == "empty-rung"]
    assert empty == [
        (2, MONDAY, rome("2026-03-09 13:00")),
        (2, rome("2026-03-09 14:00"), MONDAY + WEEK),
    ]
    # While rung 2 is empty the whole ladder is one person.
    assert [(f.people, f.start) for f in findings if f.kind == "one-person"] == [
        (("anna",), MONDAY),
        (("anna",), rome("2026-03-09 14:00")),
    ]


def test_a_rung_that_newer_rules_add_is_empty_from_then_on() -> None:
    """Who stands on the ladder is the same before and after; what should stand there is not."""
    never = Pattern(frozenset({0}), time(13), time(14), ("bruno",), date(2027, 1, 4))
    turn = MONDAY + timedelta(days=2)
    both = Book(
        [
            Version(1, LONG_AGO, Rules(ROME, (always("anna"),))),
            Version(2, turn, Rules(ROME, (always("anna"), Rung((), patterns=(never,))))),
        ]
    )
    empty = [f for f in found({"duty": both}) if f.kind == "empty-rung"]
    assert [(f.rung, f.start, f.end) for f in empty] == [(2, turn, MONDAY + WEEK)]


def test_double_duty_on_two_rungs_and_in_two_rotas() -> None:
    start, end = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)
    twice = book(always("anna"), always("bruno"), overrides=[Override(1, 2, start, end, "anna")])
    (double,) = [f for f in found({"duty": twice}) if f.kind == "double-duty"]
    assert (double.rota, double.rung, double.also) == ("duty", 1, (("duty", 2),))
    assert (double.people, double.start, double.end) == (("anna",), start, end)

    other = book(always("carla"), always("bruno"), overrides=[Override(1, 1, start, end + WEEK, "anna")])
    both = found({"duty": book(always("anna"), always("dario")), "field": other}, [*PEOPLE, Person("dario")])
    (double,) = [f for f in both if f.kind == "double-duty"]
    assert (double.rota, double.rung, double.also) == ("duty", 1, (("field", 1),))
    assert (double.start, double.end, double.refused) == (start, MONDAY + WEEK, False)


def test_somebody_who_is_not_employed_is_named_by_the_rules() -> None:
    leaves = MONDAY + timedelta(days=3)
    people = [Person("anna", end=leaves), BRUNO, CARLA]
    known = book(
        Rung(("anna", "bruno"), Rotation(date(2026, 3, 2), time(0), 14)),
        always("carla"),
        people=[Employment("anna", None, leaves)],
    )
    assert found({"duty": known}, people) == [
        Finding("not-employed", "duty", 1, leaves, MONDAY + WEEK, ("anna",))
    ]
    # Nobody comes after her: then it is a hole too.
    alone = book(always("anna"), people=[Employment("anna", None, leaves)])
    assert kinds(found({"duty": alone}, people)) == ["one-person", "hole", "not-employed"]
    # Before somebody has begun it is the same.
    soon = book(always("anna"), always("bruno"), people=[Employment("anna", leaves, None)])
    starts = [f for f in found({"duty": soon}, [Person("anna", start=leaves), BRUNO]) if f.rung == 1]
    assert {(f.kind, f.start, f.end) for f in starts} == {
        ("not-employed", MONDAY, leaves),
        ("empty-rung", MONDAY, leaves),
    }


@pytest.mark.parametrize("person", [Person("anna", dialled=False), Person("anna", told=False)])
def test_somebody_who_cannot_be_reached_is_told_once(person: Person) -> None:
    days = Rung(("anna", "bruno"), Rotation(date(2026, 3, 2), time(0), 1))
    (finding,) = found({"duty": book(days, always("carla"))}, [person, BRUNO, CARLA])
    assert (finding.kind, finding.rung, finding.people) == ("unreachable", 1, ("anna",))
    # From her first instant on duty to her last: every other day is hers.
    assert (finding.start, finding.end) == (rome("2026-03-10 00:00"), rome("2026-03-15 00:00"))


def test_the_whole_ladder_is_one_person() -> None:
    weekly = Rung(("anna", "bruno"), Rotation(date(2026, 3, 2), time(18, 30), 7))
    (finding,) = found({"duty": book(weekly)})
    assert (finding.kind, finding.people) == ("one-person", ("anna", "bruno"))
    assert (finding.start, finding.end) == (MONDAY, MONDAY + WEEK)


def test_findings_come_in_time_and_the_gravest_first() -> None:
    findings = found({"duty": book(always("anna"), always("anna")), "field": Book()})
    assert kinds(findings) == ["hole", "double-duty", "one-person"]


# -- the same as asking every quarter of an hour -----------------------------------------------------

QUARTER = timedelta(minutes=15)
TEAM = ("anna", "bruno", "carla")
# Over the night on which an hour is missing.
SPRING, SPAN = rome("2026-03-28 12:00"), timedelta(days=2)
people_of = some.lists(some.sampled_from(TEAM), min_size=1, max_size=3, unique=True).map(tuple)
clocks = some.builds(time, some.integers(0, 23), some.sampled_from([0, 15, 30, 45]))
instants = some.integers(-8, SPAN // QUARTER + 8).map(lambda n: SPRING + n * QUARTER)
spans = some.tuples(instants, instants).filter(lambda span: span[0] != span[1]).map(sorted)
rotations = some.builds(
    Rotation,
    some.dates(date(2026, 3, 20), date(2026, 3, 31)),
    clocks,
    some.integers(1, 3),
)
patterns = some.builds(
    Pattern, some.frozensets(some.integers(0, 6), min_size=1), clocks, clocks, people_of.map(lambda p: p[:1])
)


@some.composite
def rungs(draw: some.DrawFn) -> Rung:
    with_patterns = draw(some.lists(patterns, max_size=2).map(tuple))
    people = draw(people_of)
    if draw(some.booleans()):
        return Rung(people, draw(rotations), patterns=with_patterns)
    return Rung(people[:1] if not with_patterns else (), patterns=with_patterns)


@some.composite
def books(draw: some.DrawFn) -> Book:
    versions = [
        Version(n, draw(some.one_of(some.just(LONG_AGO), instants)), Rules(ROME, tuple(made)))
        for n, made in enumerate(
            draw(some.lists(some.lists(rungs(), min_size=1, max_size=2), max_size=2)), start=1
        )
    ]
    overrides = [
        Override(n, draw(some.integers(1, 2)), a, b, draw(some.sampled_from(TEAM)), made_at=draw(instants))
        for n, (a, b) in enumerate(draw(some.lists(spans, max_size=2)), start=1)
    ]
    away = [
        Absence(n, draw(some.sampled_from(TEAM)), a, b, draw(instants))
        for n, (a, b) in enumerate(draw(some.lists(spans, max_size=2)), start=1)
    ]
    employed = [Employment(p.key, p.start, p.end) for p in EMPLOYED]
    return Book(versions, overrides, away, employed)


EMPLOYED = (ANNA, Person("bruno", end=SPRING + 50 * QUARTER), Person("carla", start=SPRING + 60 * QUARTER))


def naive(books: dict[str, Book], at: datetime) -> set[tuple[object, ...]]:
    """What is wrong at one instant, from the ladders alone."""
    wrong: set[tuple[object, ...]] = set()
    places: dict[str, list[tuple[str, int]]] = {}
    for key, known in books.items():
        ladder = known.ladder(at)
        rules = known.rules_at(at)
        for duty in ladder:
            places.setdefault(duty.technician, []).append((key, duty.rung))
        if not ladder:
            wrong.add(("hole", key))
        elif len({duty.technician for duty in ladder}) == 1:
            wrong.add(("one-person", key))
        if ladder and rules:
            there = {duty.rung for duty in ladder}
            wrong |= {("empty-rung", key, n) for n in range(1, len(rules.rungs) + 1) if n not in there}
        for duty in Book(known.versions, known.overrides, known.absences).ladder(at):
            person = next(p for p in EMPLOYED if p.key == duty.technician)
            if not person.employed(at):
                wrong.add(("not-employed", key, duty.rung, duty.technician))
    wrong |= {("double-duty", person, *sorted(held)) for person, held in places.items() if len(held) > 1}
    return wrong


def as_named(finding: Finding) -> tuple[object, ...]:
    match finding.kind:
        case "double-duty":
            assert finding.rung is not None
            return ("double-duty", *finding.people, (finding.rota, finding.rung), *finding.also)
        case "empty-rung":
            return ("empty-rung", finding.rota, finding.rung)
        case "not-employed":
            return ("not-employed", finding.rota, finding.rung, *finding.people)
    return (finding.kind, finding.rota)


@settings(deadline=None, max_examples=60)
@given(some.dictionaries(some.sampled_from(["duty", "field"]), books(), min_size=1))
def test_review_finds_what_asking_every_quarter_of_an_hour_finds(known: dict[str, Book]) -> None:
    findings = review(known, EMPLOYED, SPRING, SPRING + SPAN)
    for finding in findings:
        assert SPRING <= finding.start < finding.end <= SPRING + SPAN
    named = [(as_named(finding), finding) for finding in findings]
    for number in range(SPAN // QUARTER):
        at = SPRING + number * QUARTER
        now = [name for name, finding in named if finding.start <= at < finding.end]
        assert len(now) == len(set(now)), at
        assert set(now) == naive(known, at), at
    # Each is as long as it can be: none of a kind touches another that is the same.
    for (name, one), (same, other) in pairwise(
        sorted(named, key=lambda each: (repr(each[0]), each[1].start))
    ):
        assert name != same or one.end < other.start


@settings(deadline=None, max_examples=40)
@given(books(), books())
def test_opened_and_changed_is_where_the_ladders_differ(old: Book, new: Book) -> None:
    before, after = {"duty": old}, {"duty": new}
    end = SPRING + SPAN
    opened = validation.opened(before, after, SPRING, end)
    changes = validation.changes(before, after, SPRING, end)
    first = validation.beginning(new)
    for number in range(SPAN // QUARTER):
        at = SPRING + number * QUARTER
        had, has = old.ladder(at), new.ladder(at)
        # A rota that is new owes nobody before its beginning.
        owed = bool(had) if old.versions else first is None or first <= at
        assert any(hole.start <= at < hole.end for hole in opened) == (owed and not has), at
        differ = {
            (rung, a, b)
            for rung in {duty.rung for duty in (*had, *has)}
            for a in [next((d.technician for d in had if d.rung == rung), None)]
            for b in [next((d.technician for d in has if d.rung == rung), None)]
            if a != b
        }
        assert {(c.rung, c.had, c.has) for c in changes if c.start <= at < c.end} == differ, at


# -- applying --------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with fresh_database(tmp_path) as database:
        yield database


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        yield connection


def rules(text: str, key: str = "duty") -> rota_file.RotaFile:
    return rota_file.read(f'[[rota]]\nkey = "{key}"\n{text}')


NIGHTS = """
[[rota.rung]]
  [[rota.rung.pattern]]
  from = "18:30"
  to = "08:00"
  people = ["anna"]
"""


def apply(connection: Connection, plan: rota_file.RotaFile, at: datetime = NIGHT, **more: Any) -> Any:
    return planning.apply(connection, ACTOR, at, RINGING, NOTICES, plan, zone=ROME, **more)


def alarms(connection: Connection) -> list[dict[str, Any]]:
    """What the admins were told of, oldest first."""
    rows = connection.execute(
        select(due_work.c.payload).where(due_work.c.kind == "alarm").order_by(due_work.c.id)
    )
    return [dict(payload) for payload in rows.scalars()]


def test_an_application_says_whose_turns_change(connection: Connection) -> None:
    staff(connection)
    start = rome("2026-03-12 09:00")
    plan = rules('[[rota.rung]]\npeople = ["anna"]\n[[rota.rung]]\npeople = ["bruno"]\n')
    outcome = apply(connection, plan, start=start)
    assert outcome.done == ["rota duty applied"]
    end = start + timedelta(days=60)
    assert (outcome.start, outcome.end) == (NIGHT, end)
    first = [(c.rung, c.start, c.had, c.has) for c in outcome.changes if c.rung == 1]
    assert first[:2] == [
        (1, start, "bruno", "anna"),
        (1, rome("2026-03-23 18:30"), "bruno", "anna"),  # anna's own week lies between
    ]
    assert [(c.start, c.end, c.had, c.has) for c in outcome.changes if c.rung == 2] == [
        (start, end, "dario", "bruno")
    ]
    assert (outcome.opened, outcome.arose) == ([], [])
    alone = rules('[[rota.rung]]\npeople = ["anna"]\n')
    assert kinds(apply(connection, alone).arose) == ["one-person"]
    # What was wrong before did not arise.
    assert apply(connection, alone).arose == []


def test_rules_that_open_a_hole_are_refused_and_with_leave_alarmed(connection: Connection) -> None:
    staff(connection)
    with pytest.raises(OpensHoles) as refused:
        apply(connection, rules(NIGHTS))
    said = str(refused.value)
    assert "nobody on duty in rota duty from 2026-03-11 08:00 CET for 10 h 30 min, and 59 more" in said
    assert len(refused.value.outcome.opened) == 60


def test_with_leave_holes_are_alarmed_in_one_alarm(connection: Connection) -> None:
    staff(connection)
    outcome = apply(connection, rules(NIGHTS), allow_holes=True)
    assert len(outcome.opened) == 60
    (alarm,) = alarms(connection)
    assert alarm["about"] == "rota:duty:2026-03-11T07:00:00+00:00"
    assert (alarm["from"], alarm["to"]) == ("2026-03-11 08:00 CET", "2026-03-11 18:30 CET")
    assert (alarm["lasts"], alarm["more"]) == ("10 h 30 min", 59)
    assert alarm["holes"].count(";") == 59
    # It is there now, so it is not opened again.
    assert apply(connection, rules(NIGHTS)).opened == []


def test_the_first_rules_are_not_held_against_the_time_before_them(connection: Connection) -> None:
    at = rome("2026-01-02 12:00")
    outcome = apply(connection, rota_file.read(ROTA), at)
    assert (outcome.opened, outcome.arose) == ([], [])
    assert outcome.changes[0].had is None
    assert outcome.end == rome("2026-01-05 18:30") + timedelta(days=60)
    # But against the time after.
    with pytest.raises(OpensHoles, match="rota field from 2026-01-02 12:00"):
        apply(connection, rules(NIGHTS, "field"), at)


def test_a_hole_of_another_rota_is_no_obstacle(connection: Connection) -> None:
    staff(connection)
    apply(connection, rules(NIGHTS, "field"), allow_holes=True)
    assert apply(connection, rota_file.read(ROTA)).opened == []


def test_an_override_says_what_it_brings_about(connection: Connection) -> None:
    staff(connection)
    end = NIGHT + timedelta(hours=8)
    made, arose = planning.override(connection, ACTOR, NIGHT, RINGING, "duty", 1, NIGHT, end, "dario")
    assert kinds(arose) == ["double-duty", "one-person"]
    assert [(f.start, f.end) for f in arose] == [(NIGHT, end)] * 2
    assert planning.withdraw_override(connection, ACTOR, NIGHT, made) == []
    assert planning.override(connection, ACTOR, NIGHT, RINGING, "duty", 1, NIGHT, end, "anna")[1] == []


def test_an_override_that_covered_a_hole_is_alarmed_when_it_is_withdrawn(connection: Connection) -> None:
    staff(connection)
    apply(connection, rules(NIGHTS), allow_holes=True)
    start, end = rome("2026-06-11 09:00"), rome("2026-06-11 17:00")
    made, _ = planning.override(connection, ACTOR, NIGHT, RINGING, "duty", 1, start, end, "bruno")
    (hole,) = planning.withdraw_override(connection, ACTOR, NIGHT, made)
    assert (hole.start, hole.end) == (start, end)
    assert alarms(connection)[-1]["about"] == "rota:duty:2026-06-11T07:00:00+00:00"


# -- looking ahead ---------------------------------------------------------------------------------

HOUR = timedelta(hours=1)


def watch(
    connection: Connection,
    at: datetime,
    hours: int,
    every: int = 1,
    settings: NoticeSettings = NOTICES,
) -> dict[str, datetime]:
    """Look every hour, or every few; when each hole was first told of, by its beginning as it is written."""
    told: dict[str, datetime] = {}
    for number in range(0, hours, every):
        now = at + number * HOUR
        before = len(alarms(connection))
        coverage.holes_ahead(connection, now, settings)
        for alarm in alarms(connection)[before:]:
            for hole in alarm["holes"].split("; "):
                told.setdefault(hole.partition(" – ")[0], now)
    return told


def test_a_rota_without_an_end_has_no_holes_ahead(connection: Connection) -> None:
    staff(connection)
    assert coverage.holes_ahead(connection, NIGHT, NOTICES) == []
    assert alarms(connection) == []


def test_an_absence_recorded_thirty_hours_ahead_is_alarmed_at_once(connection: Connection) -> None:
    staff(connection, rota=ROTA.replace('people = ["anna", "bruno"]', 'people = ["bruno"]'))
    start = NIGHT + 30 * HOUR
    for key in ("bruno", "dario"):
        absences.add(connection, ACTOR, NIGHT, key, start, start + 5 * HOUR, "illness")
    (alarm,) = alarms(connection)
    assert (alarm["what"], alarm["from"], alarm["lasts"]) == ("rota-hole", "2026-03-12 04:00 CET", "5 h")
    assert "illness" not in str(alarm)
    # The watch finds the same hole, and says nothing more.
    (hole,) = coverage.holes_ahead(connection, NIGHT + HOUR, NOTICES)
    assert (hole.start, hole.end) == (start, start + 5 * HOUR)
    assert watch(connection, NIGHT, 40) == {}


def test_rules_that_run_out_are_alarmed_in_time(connection: Connection) -> None:
    """Nobody does anything: he leaves on a day that was known long before."""
    staff(connection)
    leaves = NIGHT + timedelta(days=40)
    connection.execute(update(technicians).values(retired_at=leaves))
    told = watch(connection, NIGHT, 24 * 12, every=2)
    assert list(told) == ["2026-04-19 23:00 CEST"]
    (first,) = told.values()
    assert first <= NIGHT + timedelta(days=10) + 2 * HOUR
    # Once a week, as long as it is there.
    assert len(alarms(connection)) == 1
    watch(connection, NIGHT + timedelta(days=12), 24 * 10, every=4)
    assert len(alarms(connection)) == 2
    # Its end is not in sight, and so it is not said.
    assert "to" not in alarms(connection)[0]
    assert alarms(connection)[0]["holes"] == "2026-04-19 23:00 CEST – …"


def test_a_hole_that_lasts_is_one_hole_whenever_one_looks(connection: Connection) -> None:
    staff(connection)
    connection.execute(update(technicians).values(retired_at=NIGHT))
    for hours in (0, 1, 5, 24, 160):
        (hole,) = coverage.holes_ahead(connection, NIGHT + hours * HOUR, NOTICES)
        assert hole.start == NIGHT
    assert len(alarms(connection)) == 1
    assert coverage.holes_ahead(connection, NIGHT + timedelta(days=400), NOTICES)[0].start == NIGHT


def test_a_rota_that_has_not_begun_is_alarmed_once(connection: Connection) -> None:
    at = rome("2026-01-01 12:00")
    staff(connection, at)
    assert list(watch(connection, at, 10)) == ["…"]
    assert alarms(connection)[0]["to"] == "2026-01-05 18:30 CET"
    assert "from" not in alarms(connection)[0]


@pytest.mark.parametrize(("look_ahead", "most"), [(30, 7), (3, 22)])
def test_holes_that_come_back_are_told_in_time_and_not_every_day(
    connection: Connection, look_ahead: int, most: int
) -> None:
    """A hole every day, for six weeks: each is told of a day before at the latest."""
    staff(connection)
    plan = rules(NIGHTS)
    document = rota_file.to_document(plan.rota[0])
    connection.execute(
        insert(rota_versions).values(
            rota="duty", valid_from=NIGHT, document=document, applied_at=NIGHT, applied_by=ACTOR
        )
    )
    told = watch(connection, NIGHT, 24 * 42, every=8, settings=NoticeSettings(look_ahead=look_ahead))
    for day in range(1, 42):
        begins = rome(f"{(NIGHT + timedelta(days=day)).astimezone(ROME):%Y-%m-%d} 08:00")
        name = coverage.wall(begins, ROME)
        assert told[name] <= begins - timedelta(hours=24) or day < 2, name
    assert len(alarms(connection)) <= most


def test_a_hole_that_is_new_is_told_at_once_though_others_were_told_yesterday(connection: Connection) -> None:
    staff(connection)
    first, second = NIGHT + timedelta(days=3), NIGHT + timedelta(days=20)
    for start in (first, second):
        for key in ("anna", "bruno", "dario"):
            # Written past the verb: nobody is told.
            values = {"technician": key, "starts_at": start, "ends_at": start + HOUR, "kind": "other"}
            connection.execute(insert(away).values(created_at=NIGHT, created_by=ACTOR, **values))
        if start is first:
            assert list(watch(connection, NIGHT, 24)) == [coverage.wall(first, ROME)]
    later = NIGHT + timedelta(days=1)
    assert list(watch(connection, later, 1)) == [coverage.wall(second, ROME)]


def test_alarms_on_both_databases(database_url: str) -> None:
    with opened_at(database_url) as database, database.write() as connection:
        staff(connection)
        assert apply(connection, rules(NIGHTS), allow_holes=True).opened
        assert len(coverage.holes_ahead(connection, NIGHT, NOTICES)) == 30
        assert len(alarms(connection)) == 1
        with pytest.raises(RosterRefusal):
            apply(connection, rules('[[rota.rung]]\npeople = ["zoe"]\n'))


@pytest.mark.parametrize(
    ("hours", "said"), [(0.25, "15 min"), (1, "1 h"), (13.5, "13 h 30 min"), (48, "2 d"), (51, "2 d 3 h")]
)
def test_how_long_a_hole_is(hours: float, said: str) -> None:
    assert coverage.duration(timedelta(hours=hours)) == said


def test_an_instant_is_written_with_the_name_of_its_clock() -> None:
    zone = ZoneInfo("Europe/Rome")
    twice = [coverage.wall(rome("2026-10-25 02:30", fold), zone) for fold in (0, 1)]
    assert twice == ["2026-10-25 02:30 CEST", "2026-10-25 02:30 CET"]

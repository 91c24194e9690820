"""Absences: turns pass on, what was stays, nothing of an illness is told, every hole is alarmed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from making import ACTOR, NIGHT, RINGING, ROTA, fresh_database, opened_at, rome, staff
from sqlalchemy import Connection, func, select

from oncall import people
from oncall.rota import absences, roster
from oncall.rota.absences import UnknownAbsence
from oncall.rota.roster import RosterRefusal, UnknownTechnician
from oncall.tables import absences as rows
from storage import audit
from storage.tables import due_work

APPLIED = rome("2025-12-20 10:00")
HOUR = timedelta(hours=1)
# Bruno's turn.
START, END = rome("2026-03-12 08:00"), rome("2026-03-13 20:00")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with fresh_database(tmp_path) as database, database.write() as connection:
        staff(connection, APPLIED)
        yield connection


def add(connection: Connection, key: str = "bruno", **more: Any) -> int:
    given = {"start": START, "end": END, "kind": "holiday"} | more
    return absences.add(connection, ACTOR, NIGHT, key, **given)


def who(connection: Connection, at: datetime) -> list[tuple[str, str]]:
    """The ladder, found in both ways there are."""
    ladder = roster.ladder(connection, RINGING, "duty", at)
    found = [(contact.technician, contact.because) for contact in ladder]
    assert found == [(d.technician, d.because) for d in roster.book(connection, "duty").ladder(at)]
    return found


def test_a_turn_passes_on_and_comes_back(connection: Connection) -> None:
    add(connection)
    dario = ("dario", "turn")
    for at, person in (
        (START - HOUR, ("bruno", "turn")),
        (START, ("anna", "absence")),
        (END - HOUR, ("anna", "absence")),
        (END, ("bruno", "turn")),
    ):
        assert who(connection, at) == [person, dario]


def test_what_was_stays_though_somebody_was_ill_before_it_was_known(connection: Connection) -> None:
    add(connection, start=NIGHT - 5 * HOUR, kind="illness")
    assert who(connection, NIGHT - HOUR)[0] == ("bruno", "turn")
    assert who(connection, NIGHT)[0] == ("anna", "absence")


def test_absences_may_overlap(connection: Connection) -> None:
    first = add(connection)
    second = add(connection, start=START + HOUR, end=END + HOUR, kind="other")
    assert [a.id for a in absences.of(connection, "bruno", START, END)] == [first, second]
    absences.withdraw(connection, ACTOR, NIGHT, second)
    assert who(connection, END - HOUR)[0] == ("anna", "absence")
    assert who(connection, END)[0] == ("bruno", "turn")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"key": "zoe"}, "there is no technician 'zoe'"),
        ({"end": START}, "ends after it starts"),
        ({"start": NIGHT - 2 * HOUR, "end": NIGHT}, "the past stays as it was"),
        ({"kind": "whim"}, "holiday, illness, other"),
        ({"kind": "illness", "reason": "a cold"}, "give no reason"),
    ],
)
def test_what_is_refused(connection: Connection, given: dict[str, Any], said: str) -> None:
    with pytest.raises(RosterRefusal, match=said):
        add(connection, **given)
    assert connection.execute(select(func.count()).select_from(rows)).scalar_one() == 0


def test_whoever_has_left_needs_no_absence(connection: Connection) -> None:
    people.retire(connection, ACTOR, NIGHT, "bruno", on=START)
    add(connection, start=START - HOUR)
    with pytest.raises(RosterRefusal, match="no longer in service"):
        add(connection, start=START)
    with pytest.raises(UnknownTechnician):
        add(connection, "zoe")


def test_withdrawn_it_held_until_then(connection: Connection) -> None:
    known = add(connection)
    back = START + 3 * HOUR
    taken = absences.withdraw(connection, ACTOR, back, known)
    assert (taken.technician, taken.start, taken.end) == ("bruno", START, END)
    assert who(connection, back - HOUR)[0] == ("anna", "absence")
    assert who(connection, back)[0] == ("bruno", "turn")
    assert absences.find(connection, known).withdrawn_at == back
    with pytest.raises(RosterRefusal, match="withdrawn before"):
        absences.withdraw(connection, ACTOR, back, known)
    with pytest.raises(UnknownAbsence, match="99"):
        absences.withdraw(connection, ACTOR, back, 99)
    over = add(connection, key="anna")
    with pytest.raises(RosterRefusal, match="is over"):
        absences.withdraw(connection, ACTOR, END, over)


def test_which_there_are(connection: Connection) -> None:
    mine = add(connection, source="calendar:1")
    other = add(connection, "anna", start=END, end=END + HOUR)
    gone = add(connection, start=END, end=END + HOUR)
    absences.withdraw(connection, ACTOR, NIGHT, gone)

    def ids(key: str | None, start: datetime, end: datetime, **more: bool) -> list[int]:
        return [each.id for each in absences.of(connection, key, start, end, **more)]

    assert ids(None, NIGHT, END + HOUR) == [mine, other]
    assert ids("bruno", NIGHT, END + HOUR) == [mine]
    assert ids("bruno", NIGHT, END + HOUR, withdrawn=True) == [mine, gone]
    assert ids(None, NIGHT, START) == []
    assert ids(None, END - HOUR, END) == [mine]
    assert ids(None, END, END + HOUR) == [other]
    (found,) = absences.of(connection, "bruno", START, END)
    assert (found.kind, found.source, found.recorded_at) == ("holiday", "calendar:1", NIGHT)


def test_time_out_of_service_is_nobodys_absence_to_withdraw(connection: Connection) -> None:
    """Somebody who left and comes back later is away meanwhile, by other rules than these."""
    identity = add(connection, source=people.OUT_OF_SERVICE)
    assert absences.of(connection, "bruno", START, END) == []
    with pytest.raises(RosterRefusal, match="not in service"):
        absences.withdraw(connection, ACTOR, NIGHT, identity)


@pytest.mark.parametrize("kind", absences.KINDS)
def test_the_audit_says_that_and_when_but_not_why(connection: Connection, kind: str) -> None:
    known = add(connection, kind=kind)
    absences.withdraw(connection, ACTOR, NIGHT, known)
    told = {"absence": known, "from": START.isoformat(), "to": END.isoformat()}
    latest = audit.acts(connection, ["technician:bruno"], limit=2)
    assert [(act.act, act.actor, act.details) for act in reversed(latest)] == [
        ("absence.add", ACTOR, told),
        ("absence.withdraw", ACTOR, told),
    ]
    assert all("illness" not in str(act.details) for act in audit.acts(connection))
    if kind == "illness":
        again = add(connection, kind=kind)
        with pytest.raises(RosterRefusal, match="no reason"):
            absences.withdraw(connection, ACTOR, NIGHT, again, "he is well again")


def test_a_hole_never_stands_in_the_way_and_is_alarmed(connection: Connection) -> None:
    staff(connection, APPLIED, ROTA.replace('people = ["anna", "bruno"]', 'people = ["anna"]'))
    roster.override(connection, ACTOR, NIGHT, "duty", 2, START, START + HOUR, "bruno")

    def alarms() -> list[tuple[str, dict[str, Any]]]:
        query = select(due_work.c.key, due_work.c.payload).where(due_work.c.kind == "alarm")
        return [(row.key, row.payload) for row in connection.execute(query.order_by(due_work.c.id))]

    assert absences.record(connection, ACTOR, NIGHT, "dario", START, END, "illness").opened == []
    assert alarms() == []
    opened = absences.record(connection, ACTOR, NIGHT, "anna", START - HOUR, END, "illness").opened
    # While bruno replaces dario there is somebody.
    assert [(hole.start, hole.end) for hole in opened] == [(START + HOUR, END)]
    ((key, alarm),) = alarms()
    assert key == "rota-hole:rota:duty:2026-03-12T08:00:00+00:00"
    assert (alarm["from"], alarm["to"]) == ("2026-03-12 09:00 CET", "2026-03-13 20:00 CET")
    assert who(connection, START + HOUR) == []
    # The last who was left: the hole grows, and what is new of it is told.
    more = absences.record(connection, ACTOR, NIGHT + HOUR, "bruno", START, END, "other").opened
    assert [(hole.start, hole.end) for hole in more] == [(START, START + HOUR)]
    assert len(alarms()) == 2


def test_a_hole_of_every_rota_he_stands_in_is_found(connection: Connection) -> None:
    staff(connection, APPLIED, ROTA[ROTA.index("[[rota]]") :].replace('"duty"', '"field"'))
    for key in ("anna", "bruno"):
        add(connection, key)
    opened = absences.record(connection, ACTOR, NIGHT, "dario", START, END, "holiday").opened
    assert [(hole.rota, hole.start, hole.end) for hole in opened] == [
        ("duty", START, END),
        ("field", START, END),
    ]


def test_on_both_databases(database_url: str) -> None:
    with opened_at(database_url) as database, database.write() as connection:
        staff(connection, APPLIED)
        for key in ("anna", "bruno"):
            add(connection, key, kind="illness")
        last = absences.record(connection, ACTOR, NIGHT, "dario", START, END, "other")
        assert len(last.opened) == 1
        assert len(connection.execute(select(due_work.c.id).where(due_work.c.kind == "alarm")).all()) == 1
        absences.withdraw(connection, ACTOR, NIGHT, last.id)
        assert who(connection, START) == [("dario", "turn")]
        assert len(absences.of(connection, None, START, END)) == 2

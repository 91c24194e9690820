"""Serving without the database, apart from what conversations show: the snapshot and how far it is believed,
the spare and its end, and that bringing home twice changes nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from making import NIGHT, SECRETS, SID, a_case, configuration, fresh_database, with_lines
from sqlalchemy import Connection, event, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from console.commands import ivr
from console.house import House, system_clock
from console.phone import CallerCall
from console.privacy import purging
from console.processes import standing_by, worker
from console.rehearsing.rehearsal import Rehearsal
from console.settings import Configuration
from ivr import casework, desk, journal
from ivr.standby import merging, standby
from ivr.standby.merging import Brought
from ivr.tables import calls, leg_turns, legs, turns
from oncall.cases import cases, closing
from oncall.merging import bring_pursuit
from oncall.reaching import attempts
from oncall.tables import attempts as attempt_rows
from oncall.tables import case_calls, notices
from oncall.tables import cases as case_rows
from pins import registry, throttle
from pins.tables import customers, pin_tries
from storage import due, snapshot
from storage.engine import Database
from storage.snapshot import SnapshotRefused
from storage.spare import Retired, Spare, Spares
from storage.tables import due_work, metadata

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
AWAY = "the database goes away"
BACK = "the database comes back"
Stage = Callable[..., Rehearsal]
PHONES = {"acme": "+393471112201", "mele": "+393471112202"}


# -- the snapshot ------------------------------------------------------------------------------


def test_a_snapshot_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "snapshot"
    snapshot.write(file, KEY, NIGHT, b"content\nof some lines\n")
    found = snapshot.read(file, KEY)
    assert (found.at, found.content) == (NIGHT, b"content\nof some lines\n")
    assert snapshot.written_at(file) == NIGHT
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["snapshot"]


def test_what_a_killed_process_left_unfinished_goes_and_what_another_is_writing_stays(tmp_path: Path) -> None:
    left, busy, foreign = (tmp_path / f".{name}.part" for name in ("snapshot.1", "snapshot.2", "other.1"))
    for each in (left, busy, foreign):
        each.touch()
    for each in (left, foreign):
        os.utime(each, (1000, 1000))
    snapshot.write(tmp_path / "snapshot", KEY, NIGHT, b"content")
    assert {each.name for each in tmp_path.iterdir()} == {"snapshot", busy.name, foreign.name}


@pytest.mark.parametrize("place", range(0, 200, 3))
def test_a_snapshot_with_one_changed_byte_is_refused(tmp_path: Path, place: int) -> None:
    file = tmp_path / "snapshot"
    snapshot.write(file, KEY, NIGHT, bytes(100))
    raw = bytearray(file.read_bytes())
    raw[place % len(raw)] ^= 1
    file.write_bytes(raw)
    with pytest.raises(SnapshotRefused):
        snapshot.read(file, KEY)


@pytest.mark.parametrize("length", [0, 1, 40, 120, -1])
def test_a_snapshot_that_was_cut_off_is_refused(tmp_path: Path, length: int) -> None:
    file = tmp_path / "snapshot"
    snapshot.write(file, KEY, NIGHT, bytes(100))
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(SnapshotRefused):
        snapshot.read(file, KEY)


def test_one_of_another_key_and_none_at_all_are_refused(tmp_path: Path) -> None:
    snapshot.write(tmp_path / "snapshot", OTHER, NIGHT, b"content")
    with pytest.raises(SnapshotRefused, match="unsigned"):
        snapshot.read(tmp_path / "snapshot", KEY)
    with pytest.raises(SnapshotRefused, match="missing"):
        snapshot.read(tmp_path / "none", KEY)


@pytest.mark.parametrize(
    ("age", "believed"),
    [
        (timedelta(0), True),
        (timedelta(hours=24), True),
        (timedelta(hours=24, seconds=1), False),
        (timedelta(minutes=-10), True),
        (timedelta(minutes=-11), False),
    ],
)
def test_pins_are_believed_for_a_day(age: timedelta, believed: bool) -> None:
    assert standby.trusted(NIGHT, NIGHT + age) is believed


def test_every_table_that_calls_read_is_in_the_snapshot(stage: Stage) -> None:
    """What a call reads before it has written anything of its own, and the notes that no call needs."""
    rehearsal = stage()
    with rehearsal.house.database.write() as connection:
        connection.execute(update(customers).values(notes="a secret of the office"))
    with rehearsal.house.database.read() as connection:
        content = standby.pack(connection, rehearsal.clock.now())
        known = connection.execute(select(customers.c.code)).scalars().all()
    assert b"a secret of the office" not in content
    engine = standby._from(content)
    with engine.connect() as packed:
        assert packed.execute(select(customers.c.code)).scalars().all() == known
        copied = {
            table.name for table in metadata.sorted_tables if packed.execute(select(table).limit(1)).first()
        }
    engine.dispose()
    assert {"customers", "customer_phones", "pins", "technicians", "rota_versions"} <= copied
    assert not {"audit", "console_users", "console_sessions", "turns"} & copied


def test_the_worker_writes_a_snapshot_at_once_upon_a_change_and_every_minute(stage: Stage) -> None:
    rehearsal = stage()
    keeper, at = rehearsal.keeper, NIGHT
    assert keeper.keep(at)
    assert not keeper.keep(at + timedelta(seconds=2))
    with rehearsal.house.database.write() as connection:
        registry.revoke(connection, "admin", at, rehearsal.pin_ids["acme"])
    assert keeper.keep(at + timedelta(seconds=4))
    assert not keeper.keep(at + timedelta(seconds=6))
    assert keeper.keep(at + timedelta(seconds=64))


# -- what it is trusted with -------------------------------------------------------------------


def call(rehearsal: Rehearsal, script: str) -> None:
    rehearsal.play(f"@ 2026-03-10 22:00\n{script}", "script")


def goes_away(rehearsal: Rehearsal) -> None:
    """The database, without a snapshot written just before."""
    rehearsal.lifeline.away = True
    rehearsal.outages += 1


def urgent(rehearsal: Rehearsal, customer: str) -> CallerCall:
    """This customer's call, in which he has keyed his PIN and the most urgent level."""
    line = rehearsal.exchange.ring(PHONES[customer], "+390461825060")
    line.press(rehearsal.pins[customer], label=f"PIN of {customer}")
    line.press("1")
    return line


@contextmanager
def answer_lost(rehearsal: Rehearsal, then: Callable[[], object] = lambda: None) -> Iterator[None]:
    """The database takes what is written, and goes away before it says so; `then` happens in between."""
    write = rehearsal.lifeline.write

    @contextmanager
    def committed_in_vain() -> Iterator[Connection]:
        with write() as connection:
            yield connection
        then()
        goes_away(rehearsal)
        raise OperationalError("commit", None, ConnectionError("no answer"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsal.lifeline, "write", committed_in_vain)
        yield


def test_a_revoked_pin_opens_no_call_of_the_next_outage(stage: Stage) -> None:
    rehearsal = stage()
    call(rehearsal, f"* {AWAY}\n* acme calls trento\n> PIN acme\n< Chiama per Acme\n> hangs up\n* {BACK}")
    with rehearsal.house.database.write() as connection:
        registry.revoke(connection, "admin", rehearsal.clock.now(), rehearsal.pin_ids["acme"])
    rehearsal.play(
        f"@ 2026-03-10 22:05\n* {AWAY}\n* acme calls trento\n> PIN acme\n< non è valido\n> hangs up", "second"
    )


BLIND = """* {away}
{lost}* acme calls trento
< non riusciamo a controllare i PIN … a decidere se risponderle … il suo nome
> speaks 6 s and presses #
< Grazie
* the worker works
* {whose} phone rings
"""


@pytest.mark.parametrize("lost", ["* the snapshot is lost\n", ""])
def test_without_a_snapshot_that_is_believed_a_person_decides(
    stage: Stage, shipped_configuration: Configuration, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """One that is too old still tells who is on duty; with none at all the phone kept for that rings."""
    ringing = shipped_configuration.ringing.model_copy(update={"duty_phone": "+393331239999"})
    rehearsal = stage(shipped_configuration.model_copy(update={"ringing": ringing}))
    rehearsal.people["duty"] = "+393331239999"
    if not lost:
        monkeypatch.setattr(standby, "TRUSTED_FOR", timedelta(seconds=-1))
    whose = "duty's" if lost else "anna's"
    call(rehearsal, BLIND.format(away=AWAY, lost=lost, whose=whose))


def test_readiness_says_in_which_state_the_node_is(
    stage: Stage, shipped_configuration: Configuration
) -> None:
    ringing = shipped_configuration.ringing.model_copy(update={"duty_phone": "+393331239999"})
    rehearsal = stage(shipped_configuration.model_copy(update={"ringing": ringing}))

    def state(after: timedelta = timedelta(0)) -> str:
        return standing_by.readiness(rehearsal.house, rehearsal.clock.now() + after).state

    assert state() == "ready"
    rehearsal.outage(AWAY)
    assert state() == "standby"
    assert state(timedelta(hours=25)) == "screening"
    rehearsal.outage("the snapshot is lost")
    assert state() == "screening"
    with_nobody = rehearsal.house.configuration.model_copy(
        update={"ringing": ringing.model_copy(update={"duty_phone": ""})}
    )
    object.__setattr__(rehearsal.house, "configuration", with_nobody)
    assert state() == "not ready"


def test_half_of_the_budget_of_wrong_pins_is_spent_without_the_database(stage: Stage) -> None:
    """From several numbers: one alone is not looked at after six."""
    rehearsal = stage()
    for number in range(5):
        rehearsal.people[f"stranger-{number}"] = f"+39347999000{number}"
    wrong = [f"* stranger-{n} calls trento\n" + "> wrong PIN\n" * 3 + "> hangs up\n" for n in range(5)]
    call(rehearsal, f"* {AWAY}\n" + "".join(wrong))
    spare = rehearsal.keeper.spares.standing()[0]
    evaluated = select(pin_tries).where(pin_tries.c.lane == "shared")
    with spare.read() as connection:
        assert len(connection.execute(evaluated).all()) == throttle.BUDGET_HOUR // 2
    rehearsal.outage(BACK)
    with rehearsal.house.database.read() as connection:
        assert len(connection.execute(evaluated).all()) == throttle.BUDGET_HOUR // 2


# -- the worker ----------------------------------------------------------------------------------


def test_a_case_is_pursued_while_the_database_can_be_read_and_not_written(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that is full."""
    rehearsal = stage()
    rehearsal.keeper.keep(NIGHT)

    @contextmanager
    def full() -> Iterator[Connection]:
        raise OperationalError("COMMIT", None, sqlite3.OperationalError("database or disk is full"))
        yield

    monkeypatch.setattr(rehearsal.lifeline, "write", full)
    call(rehearsal, "* acme calls trento\n> PIN acme\n> 1\n* anna's phone rings\n> hangs up\n")
    assert rehearsal.exchange.placed == []
    worker._stand_by(rehearsal.keeper, rehearsal.clock.now)
    assert [placed.to for placed in rehearsal.exchange.placed] == [rehearsal.cast().phone("anna")]
    assert rehearsal.keeper.away_since is not None


def test_what_cannot_be_brought_home_keeps_nobody_else(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsal = stage()
    call(rehearsal, WHOLE + "* mele calls trento\n> PIN mele\n> hangs up\n")
    rehearsal.lifeline.away = False
    bring, stuck = merging.bring_call, rehearsal.exchange.calls[0].sid

    def brought(main: Database, spare: Spare, sid: str, at: datetime) -> None:
        if sid == stuck:
            raise IntegrityError("INSERT", None, sqlite3.IntegrityError("of our making"))
        bring(main, spare, sid, at)

    monkeypatch.setattr(merging, "bring_call", brought)
    assert rehearsal.keeper.look(rehearsal.clock.now())
    with rehearsal.house.database.read() as connection:
        home = connection.execute(select(calls.c.sid)).scalars().all()
    assert home == [call.sid for call in rehearsal.exchange.calls if call.sid != stuck]
    assert rehearsal.keeper.spares.any()


def test_nobody_is_phoned_at_once_who_pressed_his_key_at_this_node(stage: Stage) -> None:
    """Another node may have seen the two talk: only the end of the call came here."""
    rehearsal = stage()
    call(rehearsal, WHOLE.partition("* they talk")[0])
    spare = rehearsal.keeper.spares.standing()[0]
    at = rehearsal.clock.now()
    with spare.write() as connection:
        desk.over(connection, at, rehearsal.exchange.calls[-1].sid, whole=False)
        pursuit = select(due_work.c.due_at).where(due_work.c.kind == cases.PURSUE)
        assert connection.execute(pursuit).scalar_one() > at


def test_what_is_over_at_home_is_pursued_in_no_later_outage(stage: Stage) -> None:
    rehearsal = stage()
    call(rehearsal, WHOLE.replace("dario > 1\n* they talk for 4 minutes\n", "dario > 2\n> hangs up\n"))
    rehearsal.outage(BACK)
    with rehearsal.house.database.write() as connection:
        number = cases.recent(connection)[0].number
        due.cancel(connection, rehearsal.clock.now(), cases.PURSUE, number, by="closed by hand")
    rehearsal.keeper.bring_home(rehearsal.clock.now())
    with rehearsal.keeper.spares.standing()[0].read() as connection:
        assert not due.pending(connection, cases.PURSUE, number)


def test_a_case_link_says_that_it_does_not_work_just_now_and_not_that_it_is_none(stage: Stage) -> None:
    rehearsal = stage()
    client, token = rehearsal.app.test_client(), "/c/" + "a" * 43

    def shown() -> tuple[int, str]:
        page = client.get(token)
        return page.status_code, page.get_data(as_text=True)

    assert shown()[0] == 404
    call(rehearsal, WHOLE)
    code, page = shown()
    assert code == 503
    assert "Riprovi fra poco" in page
    rehearsal.outage(BACK)  # a link that was sent meanwhile may still be on its way home
    assert shown()[0] == 503


# -- bringing home -----------------------------------------------------------------------------

WHOLE = f"""* {AWAY}
* acme calls trento
> wrong PIN
> PIN acme
> 1
* anna's phone rings
* anna answers
anna > 2
* dario's phone rings
* dario answers
dario > 1
* they talk for 4 minutes
* the call ends
"""
JOURNAL = (calls, turns, legs, leg_turns, case_rows, attempt_rows, pin_tries, notices, due_work)


def rows(rehearsal: Rehearsal) -> dict[str, list[object]]:
    with rehearsal.house.database.read() as connection:
        return {table.name: list(connection.execute(select(table)).all()) for table in JOURNAL}


def test_bringing_the_same_twice_changes_nothing(stage: Stage) -> None:
    rehearsal = stage()
    call(rehearsal, WHOLE)
    rehearsal.lifeline.away = False
    spare, at = rehearsal.keeper.spares.standing()[0], rehearsal.clock.now()
    merging.bring_home(rehearsal.lifeline, spare, at, Brought())
    once = rows(rehearsal)
    assert len(once["calls"]) == 1
    assert len(once["cases"]) == 1
    assert len(once["attempts"]) == 2
    merging.bring_home(rehearsal.lifeline, spare, at, Brought())
    assert rows(rehearsal) == once


def test_every_turn_is_in_the_journal_once_and_in_order(stage: Stage) -> None:
    rehearsal = stage()
    call(rehearsal, WHOLE)
    rehearsal.outage(BACK)
    with rehearsal.house.database.read() as connection:
        sid = journal.recent(connection)[0].sid
        told = journal.turns_of(connection, sid)
        numbers = connection.execute(select(turns.c.turn).where(turns.c.sid == sid)).scalars().all()
        case = cases.of_call(connection, sid)
        assert case is not None
        results = [attempt.result for attempt in attempts.attempts_of(connection, case.id)]
    assert sorted(numbers) == list(range(len(numbers)))
    heard = [each.heard for each in told if each.heard != "a late #"]
    assert heard[:3] == ["a call in a PIN window", "a wrong PIN (unknown)", "the PIN of ACME"]
    assert results == ["declined", "connected"]


LINKED = '* the worker works\n* dario gets a text "lo segue lei"\n* they talk'


def test_a_link_that_was_sent_meanwhile_opens_afterwards(stage: Stage) -> None:
    rehearsal = stage()
    call(rehearsal, WHOLE.replace("* they talk", LINKED))
    text = next(sent for sent in rehearsal.exchange.texts.sent if "/c/" in sent.body)
    rehearsal.outage(BACK)
    path = "/c/" + text.body.partition("/c/")[2].split()[0]
    page = rehearsal.app.test_client().get(path)
    assert page.status_code == 200
    assert "ACME" in page.get_data(as_text=True)


@pytest.mark.parametrize("copied", [True, False])
def test_a_case_that_was_opened_and_nobody_knew_is_one(stage: Stage, copied: bool) -> None:
    """The database took the turn, and its answer was lost: the standby serves it, with the answer if that was
    copied before the database went, else with a case of its own that turns out to be the same.
    """
    rehearsal = stage()
    rehearsal.play("@ 2026-03-10 22:00")
    line = rehearsal.exchange.ring("+393471112201", "+390461825060")
    line.press(rehearsal.pins["acme"], label="PIN of acme")
    rehearsal.keeper.keep(rehearsal.clock.now())
    with answer_lost(rehearsal, lambda: copied and rehearsal.keeper.keep(rehearsal.clock.now())):
        line.press("1")
    line.wait()
    told = "".join(" ".join(line.heard()).split())
    with rehearsal.lifeline.engine.connect() as connection:
        opened = connection.execute(select(case_rows)).one()
    assert (opened.code in told) is copied
    rehearsal.outage(BACK)
    with rehearsal.house.database.read() as connection:
        found = connection.execute(select(case_rows)).one()
        pursuit = select(due_work).where(due_work.c.kind == cases.PURSUE, due_work.c.state == "pending")
        connection.execute(pursuit).one()
    assert found.code in told
    assert found.number == opened.number


@pytest.mark.parametrize("first", ["here", "there"])
def test_of_a_turn_that_was_served_in_two_places_the_later_answer_counts(stage: Stage, first: str) -> None:
    """Another node served it from the database, and opened the case there too: one of the answers was lost,
    and he asked again. There he had keyed a # in between, so the turns have other numbers.
    """
    rehearsal = stage()
    call(rehearsal, f"* {AWAY}\n* acme calls trento\n> PIN acme\n> #\n> 1\n> hangs up")
    rehearsal.lifeline.away = False
    (spare,) = rehearsal.keeper.spares.standing()
    earlier = timedelta(seconds=1 if first == "here" else -1)
    with spare.read() as there, rehearsal.house.database.write() as here:
        row = there.execute(select(calls)).one()
        case = there.execute(select(case_rows)).one()
        said = there.execute(select(turns).order_by(turns.c.turn)).all()
        told = {"number": "2026-00001", "code": "4242", "due_at": case.due_at.isoformat()}
        state = json.dumps({**json.loads(row.state), "case": told})
        here.execute(insert(calls), {**row._mapping, "turn": 3, "state": state})
        for each in said[:2]:
            here.execute(insert(turns), dict(each._mapping))
        here.execute(insert(turns), {**said[2]._mapping, "at": said[-1].at - earlier, "answer": "{}"})
        opened = {**case._mapping, **told, "due_at": case.due_at, "opened_at": case.opened_at - earlier}
        here.execute(insert(case_rows), {**opened, "id": None})
        cases.note_call(here, case.opened_at, here.execute(select(case_rows.c.id)).scalar_one(), row.sid)
    merging.bring_home(rehearsal.house.database, spare, rehearsal.clock.now(), Brought())
    with rehearsal.house.database.read() as here:
        found = here.execute(select(case_rows.c.number, case_rows.c.code)).one()
        now = here.execute(select(calls)).one()
        numbers = here.execute(select(turns.c.turn).order_by(turns.c.turn)).scalars().all()
    heard = case.code if first == "here" else "4242"
    assert found == ("2026-00001", heard)
    assert json.loads(now.state)["case"]["code"] == heard
    assert (now.turn, numbers) == ((row.turn, [*range(row.turn)]) if first == "here" else (3, [0, 1, 2]))


@pytest.mark.parametrize("copied", [True, False])
def test_a_case_that_was_joined_and_nobody_knew_is_joined_once(stage: Stage, copied: bool) -> None:
    """The same of a turn at which a second call joins: its row may be in the copy, the call's own not yet."""
    rehearsal = stage()
    call(rehearsal, "* acme calls trento\n> PIN acme\n> 1\n* anna's phone rings\n> hangs up\n")
    line = urgent(rehearsal, "acme")
    rehearsal.keeper.keep(rehearsal.clock.now())

    def copied_meanwhile() -> None:
        spare = rehearsal.keeper.spares.current(rehearsal.clock.now())
        with spare.write() as connection:
            connection.execute(text("PRAGMA defer_foreign_keys=ON"))
            case = connection.execute(select(case_rows.c.id)).scalar_one()
            cases.note_call(connection, rehearsal.clock.now(), case, line.sid)

    with answer_lost(rehearsal, lambda: copied and copied_meanwhile()):
        line.press("1")
    line.wait()
    assert line.ringing
    line.hang_up()
    rehearsal.outage(BACK)
    with rehearsal.house.database.read() as connection:
        (case,) = connection.execute(select(case_rows)).all()
        assert due.pending(connection, cases.PURSUE, case.number)


@pytest.mark.parametrize("missed", [True, False])
@pytest.mark.parametrize("back_in_time", [True, False])
def test_the_phone_that_rang_is_the_one_whose_key_counts(
    stage: Stage, back_in_time: bool, missed: bool
) -> None:
    """The database took the turn and chose Dario, since Anna was engaged; its answer was lost. The standby
    rang her: it did not know. Whether the database is back before she answers or after the call.
    """
    rehearsal = stage()
    rehearsal.play("@ 2026-03-10 22:00")
    rehearsal.keeper.keep(rehearsal.clock.now())
    anna, dario = (rehearsal.cast().phone(name) for name in ("anna", "dario"))
    other = urgent(rehearsal, "mele")
    other.wait()
    assert [leg.phone for leg in other.ringing] == [anna]
    line = urgent(rehearsal, "acme")
    with answer_lost(rehearsal):
        line.wait()
    (leg,) = line.ringing
    assert leg.phone == anna
    if back_in_time:
        rehearsal.lifeline.away = False
    if missed:
        leg.no_answer()
        line.wait()
        (leg,) = line.ringing
        assert leg.phone == dario
    leg.answer()
    leg.press("1")
    leg.talk(240)
    rehearsal.outage(BACK)
    with rehearsal.house.database.read() as connection:
        asked = select(attempt_rows.c.technician, attempt_rows.c.pressed, attempt_rows.c.result)
        found = connection.execute(asked.where(attempt_rows.c.call_sid == line.sid)).all()
        pursuit = select(due_work).where(due_work.c.kind == cases.PURSUE, due_work.c.state == "pending")
        case = cases.of_call(connection, line.sid)
        assert case is not None
        assert connection.execute(pursuit.where(due_work.c.key == case.number)).first() is None
    key = "dario" if missed else "anna"
    assert [each.technician for each in found if each.pressed] == [key]
    assert [each.technician for each in found if each.result == "connected"] == [key]
    assert {each.technician for each in found if each.result == "no-answer"} == {"anna", "dario"} - (
        set() if missed else {"anna"}
    )


@pytest.mark.parametrize("copied", ["before the first talk", "after it"])
def test_who_calls_again_without_the_database_is_pursued_though_an_earlier_talk_ended_meanwhile(
    stage: Stage, copied: str
) -> None:
    """The standby's copy may still show the pursuit of the first call: joining it begins none anew."""
    rehearsal = stage()
    call(rehearsal, "* acme calls trento\n> PIN acme\n> 1\n* anna's phone rings\n* anna answers\n")
    line = rehearsal.exchange.calls[-1]
    if copied == "before the first talk":
        rehearsal.keeper.keep(rehearsal.clock.now())
    assert line.leg
    line.leg.press("1")
    line.leg.talk(300)
    if copied == "after it":
        rehearsal.keeper.keep(rehearsal.clock.now())
    goes_away(rehearsal)
    again = urgent(rehearsal, "acme")
    again.press("1")
    again.wait()
    assert again.ringing
    again.hang_up()
    rehearsal.outage(BACK)
    with rehearsal.house.database.read() as connection:
        (case,) = connection.execute(select(case_rows)).all()
        assert due.pending(connection, cases.PURSUE, case.number)


@pytest.mark.parametrize("back_in_time", [False, True])
@pytest.mark.parametrize("merged", [False, True])
def test_who_calls_about_a_case_that_was_closed_meanwhile_is_pursued(
    stage: Stage, merged: bool, back_in_time: bool
) -> None:
    """This node could not know that it was closed, and told him that it stays open; his answer may come
    to one that does.
    """
    rehearsal = stage()
    call(rehearsal, "* acme calls trento\n> PIN acme\n> 1\n* anna's phone rings\n> hangs up\n")
    if merged:
        again = "* acme calls trento\n> PIN acme\n> 2\n> 2\n* anna's phone rings\n> hangs up\n"
        rehearsal.play("@ 2026-03-10 22:05\n" + again, "second")
    rehearsal.keeper.keep(rehearsal.clock.now())
    with rehearsal.house.database.write() as connection:
        at, open_now = rehearsal.clock.now(), sorted(cases.recent(connection), key=lambda case: case.id)
        if merged:
            closing.merge(connection, "admin", at, open_now[0], open_now[1])
        else:
            casework.close(connection, "admin", at, open_now[0])
    rehearsal.clock.forward(seconds=30)
    goes_away(rehearsal)
    line = urgent(rehearsal, "acme")
    if back_in_time:
        rehearsal.lifeline.away = False
    line.press("1")
    line.wait()
    line.hang_up()
    rehearsal.outage(BACK)
    rehearsal.keeper.bring_home(rehearsal.clock.now())
    with rehearsal.house.database.read() as connection:
        still_open = [case for case in cases.recent(connection) if case.closed_at is None]
        (case,) = still_open
        assert due.pending(connection, cases.PURSUE, case.number)
        about = select(case_calls.c.case_id).where(case_calls.c.call_sid == line.sid)
        assert case.id in connection.execute(about).scalars().all()
        rung = select(attempt_rows.c.case_id).where(attempt_rows.c.call_sid == line.sid)
        if back_in_time or not merged:
            assert connection.execute(rung).scalars().all() == [case.id]


@pytest.mark.parametrize("all_home", [True, False])
def test_a_case_is_called_by_its_number_wherever_he_is_asked_about_it(stage: Stage, all_home: bool) -> None:
    """The id that it has in the standby is another customer's case at home."""
    rehearsal = stage()
    rehearsal.play("@ 2026-03-10 22:00")
    rehearsal.keeper.keep(rehearsal.clock.now())

    goes_away(rehearsal)
    urgent(rehearsal, "acme").hang_up()
    rehearsal.lifeline.away = False
    urgent(rehearsal, "mele").hang_up()
    rehearsal.lifeline.away = True
    again = urgent(rehearsal, "acme")
    rehearsal.lifeline.away = False
    (spare,), at = rehearsal.keeper.spares.standing(), rehearsal.clock.now()
    if all_home:
        rehearsal.keeper.bring_home(at)
    else:  # as a request about this call does
        merging.bring_call(rehearsal.lifeline, spare, again.sid, at)
    again.press("1")
    again.hang_up()
    with rehearsal.house.database.read() as connection:
        about = select(customers.c.code).join(case_rows, case_rows.c.customer_id == customers.c.id)
        about = about.join(case_calls, case_calls.c.case_id == case_rows.c.id)
        assert connection.execute(about.where(case_calls.c.call_sid == again.sid)).scalars().all() == ["ACME"]


def test_what_an_earlier_talk_ended_is_not_what_was_wanted_after_it(tmp_path: Path) -> None:
    """Another node saw the bridge, and its word comes after the caller has asked for the technician again."""
    with fresh_database(tmp_path) as database, database.write() as connection:
        case_id = a_case(connection).id
        attempt = attempts.begin_attempt(connection, NIGHT, case_id, SID, "anna", "+393331234501", 1, turn=4)
        attempts.press(connection, NIGHT, attempt, "accepted")
        attempts.settle(connection, NIGHT, attempt, "completed", bridged=False)
        later = NIGHT + timedelta(minutes=1)
        cases.pursue(connection, later, case_id, later)
        attempts.settle(connection, later, attempt, "completed", bridged=True)
        assert due.pending(connection, cases.PURSUE, cases.number_of(connection, case_id))


def test_a_wish_that_was_begun_anew_elsewhere_outlives_what_ended_before_it(tmp_path: Path) -> None:
    """Both pursue the case, and there since later: the end of an earlier talk, known only here, comes between
    the two.
    """
    (tmp_path / "there").mkdir()
    with fresh_database(tmp_path) as here, fresh_database(tmp_path / "there") as there:
        for database in (here, there):
            with database.write() as connection:
                case = a_case(connection)
        anew = NIGHT + timedelta(seconds=100)
        with there.write() as spare:
            cases.pursue(spare, anew, case.id, anew + timedelta(seconds=270))
        with there.read() as spare, here.write() as connection:
            bring_pursuit(connection, spare, NIGHT + timedelta(seconds=120), case.number, case.id)
            ended = anew - timedelta(seconds=10)
            due.cancel(connection, ended, cases.PURSUE, case.number, by="connected", begun_by=ended)
            assert due.pending(connection, cases.PURSUE, case.number)


def test_coming_home_asks_no_more_however_many_cases_are_closed(stage: Stage) -> None:
    """Cases of a month are copied, for their codes; nothing of them is to be brought."""

    def asked(closed: int) -> int:
        rehearsal, said = stage(), []
        with rehearsal.house.database.write() as connection:
            for place in range(closed):
                a_case(connection, sid=f"CA{place:032x}")
            connection.execute(update(case_rows).values(closed_at=NIGHT))
        call(rehearsal, WHOLE)
        rehearsal.lifeline.away = False
        spare = rehearsal.keeper.spares.standing()[0]
        with spare.read() as there:
            assert there.execute(select(func.count()).select_from(case_rows)).scalar_one() == closed + 1
        engine = rehearsal.house.database.engine
        event.listen(engine, "before_cursor_execute", lambda *what: said.append(what[2]), named=False)
        merging.bring_home(rehearsal.lifeline, spare, rehearsal.clock.now(), Brought())
        return len(said)

    assert asked(40) == asked(0) > 20


def test_an_erased_customer_does_not_come_back(stage: Stage) -> None:
    rehearsal = stage()
    call(rehearsal, WHOLE)
    rehearsal.lifeline.away = False
    with rehearsal.house.database.write() as connection:
        connection.execute(text("PRAGMA defer_foreign_keys=ON"))
        gone = connection.execute(select(customers.c.id).where(customers.c.code == "ACME")).scalar_one()
        for table in ("customer_phones", "pins"):
            connection.execute(text(f"DELETE FROM {table} WHERE customer_id = {gone}"))
        connection.execute(text(f"DELETE FROM customers WHERE id = {gone}"))
    rehearsal.keeper.bring_home(rehearsal.clock.now())
    with rehearsal.house.database.read() as connection:
        assert connection.execute(select(customers).where(customers.c.code == "ACME")).first() is None
        assert [row.customer_id for row in connection.execute(select(calls))] == [None]


# -- the spare ---------------------------------------------------------------------------------


def spares_in(*folders: Path) -> Spares:
    return Spares(list(folders), lambda at: standby.unpack(None, at))


def test_a_spare_is_made_once_for_all_who_need_it(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(spares_in(tmp_path / "a").current(NIGHT).home))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 8


def test_where_nothing_can_be_written_the_next_place_does_and_at_last_memory(tmp_path: Path) -> None:
    (tmp_path / "no folder").write_text("a file stands in its place")
    other = spares_in(tmp_path / "no folder", tmp_path / "other")
    assert other.current(NIGHT).path is not None
    memory = spares_in(tmp_path / "no folder")
    spare = memory.current(NIGHT)
    assert spare.path is None
    with spare.write() as connection:
        connection.execute(
            insert(customers),
            {"id": 1, "code": "A", "name": "A", "spoken_name": "A", "coverage": "none", "created_at": NIGHT},
        )
    with memory.current(NIGHT).read() as connection:
        assert connection.execute(select(customers.c.code)).scalars().all() == ["A"]
    assert memory.any()


def test_a_spare_that_cannot_be_written_is_given_up_for_another(tmp_path: Path) -> None:
    both = spares_in(tmp_path / "a", tmp_path / "b")
    first = both.current(NIGHT)
    both.give_up(first)
    second = both.current(NIGHT)
    assert second.home != first.home
    assert {spare.home for spare in both.standing()} == {first.home, second.home}


def test_whoever_still_has_a_retired_spare_open_writes_nothing_into_it(tmp_path: Path) -> None:
    one, other = spares_in(tmp_path), spares_in(tmp_path)
    spare, same = one.current(NIGHT), other.current(NIGHT)
    assert spare.home == same.home
    with spare.write() as connection:
        spare.retire(connection)
    spare.discard_files()
    with pytest.raises(Retired), same.write():
        raise AssertionError
    assert other.current(NIGHT).home != spare.home


def test_a_spare_is_retired_when_all_is_home_and_quiet(stage: Stage) -> None:
    rehearsal = stage()
    call(rehearsal, WHOLE)
    rehearsal.outage(BACK)
    assert rehearsal.keeper.spares.any()
    at = rehearsal.clock.now()
    rehearsal.keeper.bring_home(at + merging.QUIET)
    rehearsal.keeper.bring_home(at + merging.QUIET)
    assert not rehearsal.keeper.spares.any()


RUBBISH = b"\x00\xffrubbish\n" * 1000


def test_a_damaged_spare_keeps_nobody_from_being_served(stage: Stage) -> None:
    """Neither callers, nor the work that waits in the house's own database, nor the next outage."""
    rehearsal = stage()
    call(rehearsal, WHOLE)
    (spare,) = rehearsal.keeper.spares.standing()
    assert spare.path is not None
    rehearsal.lifeline.away = False
    spare.close()
    for ending in ("-wal", "-shm"):
        spare.path.with_name(spare.path.name + ending).unlink(missing_ok=True)
    spare.path.write_bytes(RUBBISH)
    rehearsal.keeper.spares._open.clear()
    assert rehearsal.keeper.look(rehearsal.clock.now())
    worker._stand_by(rehearsal.keeper, rehearsal.clock.now)
    later = "* acme calls trento\n> PIN acme\n< Chiama per Acme\n> 1\n> hangs up"
    rehearsal.play(f"@ 2026-03-10 23:00\n{later}", "with the database")
    with rehearsal.house.database.read() as connection:
        assert len(connection.execute(select(calls)).all()) == 1
    rehearsal.play(f"@ 2026-03-10 23:30\n* {AWAY}\n{later}", "without it")
    assert [each.home for each in rehearsal.keeper.spares.standing()] != [spare.home]


def test_a_spare_that_is_retired_does_not_come_back_empty(stage: Stage) -> None:
    rehearsal = stage()
    call(rehearsal, WHOLE)
    (spare,) = rehearsal.keeper.spares.standing()
    with spare.write() as connection:
        spare.retire(connection)
    spare.discard_files()
    with pytest.raises(Retired), spare.read():
        raise AssertionError
    assert spare.path is not None
    assert not spare.path.exists()
    assert rehearsal.keeper.spares.standing() == []


def test_opening_a_spare_waits_for_nobody_who_writes_in_it(tmp_path: Path) -> None:
    spare = spares_in(tmp_path).current(NIGHT)
    with spare.write():
        (other,) = spares_in(tmp_path).standing()
        with other.read() as connection:
            assert connection.execute(select(calls)).all() == []


def test_a_spare_of_the_version_before_learns_what_this_one_knows(tmp_path: Path) -> None:
    spare = spares_in(tmp_path).current(NIGHT)
    with spare.write() as connection:
        connection.execute(text("ALTER TABLE attempts DROP COLUMN bridged"))
    spare.close()
    again = spares_in(tmp_path).standing()[0]
    with again.read() as connection:
        assert connection.execute(select(attempt_rows)).all() == []


# -- the start -----------------------------------------------------------------------------------


def served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """What `ivr serve` says, and its exit code; 0 if it went on to serve."""
    monkeypatch.setattr("console.commands.service.supervise", lambda config: 0)
    done = CliRunner().invoke(ivr, ["--config", str(folder / "config.toml"), "serve"], env=START)
    return done.exit_code, done.output


START = {**SECRETS, "IVR_SERVICE_SIGNING_KEY": KEY.hex()}


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[House]:
    settings = configuration(tmp_path, START)
    config = tmp_path / "config.toml"
    dear = with_lines(config.read_text(encoding="utf-8"), cost="{ memory_kib = 19456, passes = 2 }")
    config.write_text(dear, encoding="utf-8")
    with fresh_database(tmp_path) as database:
        yield House(settings, database)


def test_a_restart_without_the_database_serves_from_the_snapshot(
    installed: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = standing_by.Keeper(installed, installed.database, standing_by.spares(installed.configuration))
    assert keeper.keep(system_clock())
    installed.database.close()
    (tmp_path / "ivr.db").write_bytes(b"rubbish" * 1000)
    assert served(tmp_path, monkeypatch)[0] == 0
    snapshot_file = standing_by.snapshot_file(installed.configuration)
    snapshot_file.unlink()
    code, said = served(tmp_path, monkeypatch)
    assert code == 1
    assert "database: DatabaseError" in said


def test_one_that_never_was_is_refused_even_with_a_phone_to_ring(
    installed: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed.database.close()
    (tmp_path / "ivr.db").unlink()
    config = tmp_path / "config.toml"
    config.write_text(with_lines(config.read_text(encoding="utf-8"), duty_phone='"+393331230000"'), "utf-8")
    code, said = served(tmp_path, monkeypatch)
    assert code == 1
    assert "ivr migrate" in said


def test_of_a_call_that_has_been_aged_at_home_nothing_comes_back(stage: Stage) -> None:
    """A machine that was off for months still has it as it was."""
    rehearsal = stage()
    call(rehearsal, WHOLE)
    rehearsal.lifeline.away = False
    rehearsal.keeper.bring_home(rehearsal.clock.now())
    with rehearsal.house.database.write() as connection:
        connection.execute(update(case_rows).values(closed_at=rehearsal.clock.now()))
    for days in (31, 92):
        purging.purge(rehearsal.house, "test", rehearsal.clock.now() + timedelta(days=days))
        before = rows(rehearsal)
        rehearsal.keeper.brought.clear()
        (spare,) = rehearsal.keeper.spares.standing()
        with spare.read() as there:
            assert PHONES["acme"] in str(there.execute(select(calls)).all())
        rehearsal.keeper.bring_home(rehearsal.clock.now())
        after = rows(rehearsal)
        for table in ("calls", "turns", "legs", "leg_turns"):
            assert after[table] == before[table], table
        assert PHONES["acme"] not in str(after["calls"] + after["turns"] + after["legs"])

"""What is too old is purged: nothing is kept beyond its time, and what reports count stays."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import year
from click.testing import CliRunner
from making import SECRETS, a_sid, configuration, everything_written, fresh_database, opened_at, rome, utc
from many_nights import Nights, numbers_in, too_old, written
from sqlalchemy import Connection, func, select

from console.commands import ivr
from console.house import House
from console.privacy import keys, kinds, purging, record
from console.processes.worker import tick
from console.work import erasure
from console.work import purge as purge_work
from ivr import journal
from ivr.pseudonyms import NOTHING, WITHHELD, printed, pseudonym, replacing
from ivr.records import figures, reports
from ivr.tables import calls, messages, outgoing, outgoing_turns
from ivr.vocabulary import Call
from oncall.reports import period
from oncall.tables import case_log
from oncall.tables import cases as cases_table
from storage import audit, due, trace
from storage.tables import audit as audit_rows
from storage.tables import due_work, metadata

BEGINS = utc("2026-01-05 00:00")
DAY = timedelta(days=1)
KEY = bytes(32)
ACME = "+393471112201"
NUMBERS, WORDS, MESSAGES = 3, 9, 4


def house_in(folder: Path, database: Any, **more: int) -> House:
    whole = configuration(folder)
    shorter = {"caller_numbers": NUMBERS, "calls": WORDS, "messages": MESSAGES} | more
    return House(whole.model_copy(update={"privacy": whole.privacy.model_copy(update=shorter)}), database)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with fresh_database(tmp_path) as database:
        yield house_in(tmp_path, database)


def purge(house: House, at: datetime) -> dict[str, int]:
    counts = purging.purge(house, "test", at).counts
    tick(house, at, {trace.TRACES: purge_work_traces})
    return counts


def purge_work_traces(house: House, work: due.Work, at: datetime) -> None:
    """As the worker removes files; the file is not written anew each day of a test."""
    trace.remove_files(house.configuration.folder / "state", work.payload["files"])


def played(nights: Nights, days: int, calls: int, *, purged: bool) -> datetime:
    nights.begin(BEGINS)
    at = BEGINS
    for _ in range(days):
        nights.day(at, calls)
        at += DAY
        nights.done(at + timedelta(hours=1))
        if purged:
            purge(nights.house, at + timedelta(hours=4))
    return at


# -- the acceptance ----------------------------------------------------------------------------


def test_nothing_is_kept_beyond_its_time_and_reports_count_the_same(tmp_path: Path) -> None:
    """Three weeks of nights, purged day by day, beside the same nights that are never purged."""
    told = []
    for name, purged in (("purged", True), ("whole", False)):
        (tmp_path / name).mkdir()
        with fresh_database(tmp_path / name) as database:
            house = house_in(tmp_path / name, database)
            nights = Nights(house, random.Random(7), open_of_hundred=5)
            nights.begin(BEGINS)
            at = BEGINS
            for day in range(21):
                nights.day(at, 8)
                at += DAY
                nights.done(at + timedelta(hours=1))
                now = at + timedelta(hours=4)
                if purged:
                    purge(house, now)
                if day % 4 == 0:
                    faults = too_old(nights, now, timedelta(NUMBERS), timedelta(WORDS), timedelta(MESSAGES))
                    assert not faults if purged else bool(faults) is (day > NUMBERS), faults[:5]
            told.append(counted(house, at + DAY))
            with database.read() as connection:
                assert audit.verify(connection)[1] == []
                open_ = connection.execute(select(calls.c.caller).where(calls.c.sid.in_(of_open(nights))))
                # Of whoever still waits for us nothing is forgotten.
                assert not any(caller.startswith("~") for caller in open_.scalars())
                assert of_open(nights)
    assert told[0] == told[1]
    assert told[0]["calls"] == 168


def of_open(nights: Nights) -> list[str]:
    return [each.sid for each in nights.left if each.case and each.closed is None]


def counted(house: House, at: datetime) -> dict[str, Any]:
    """Everything that reports and accounts say of all these nights."""
    whole = house.configuration
    span = period(date(2026, 1, 1), date(2026, 3, 1), whole.zone)
    sources = reports.Sources(whole.zone, whole.hours, whole.number, whole.reports)
    with house.database.read() as connection:
        made = reports.gather(connection, at, sources, span)
        wanted = figures.Wanted(span)
        return {
            "calls": sum(slot.calls for slot in figures.slots(connection, wanted, whole.zone)),
            "rotas": [repr(each) for each in made.rotas],
            "lines": made.lines,
            "slots": figures.slots(connection, wanted, whole.zone),
            "taken": sorted(figures.taken(connection, at, wanted), key=repr),
            "worked": figures.worked(connection, wanted, 50),
            "rings": figures.rings(connection, wanted),
            "late": figures.late(connection, at, wanted, 1000),
            "tired": reports.tired(connection, sources, span),
        }


def test_the_look_from_outside_finds_what_is_kept(house: House) -> None:
    """Were it blind, nothing that it did not find would say anything."""
    nights = Nights(house, random.Random(1))
    nights.begin(BEGINS)
    nights.day(BEGINS, 20)
    nights.done(BEGINS + DAY)
    text = written(house)
    numbers = {each.number[-10:] for each in nights.left if each.number}
    assert numbers <= numbers_in(text)
    assert all(each.words in text for each in nights.left)
    faults = too_old(nights, BEGINS + 60 * DAY, timedelta(3), timedelta(9), timedelta(4))
    assert {fault.split()[0] for fault in faults} == {"number", "words", "recording", "row"}


def test_what_reports_count_goes_too_in_the_end(tmp_path: Path, database_url: str) -> None:
    """On both kinds of database: first the numbers, then the words, at last the rows."""
    with opened_at(database_url) as database:
        house = house_in(tmp_path, database, figures=20)
        nights = Nights(house, random.Random(4), open_of_hundred=10)
        at = played(nights, 3, 6, purged=False)
        open_ = of_open(nights)
        assert 0 < len(open_) < 9
        before = rows(house)
        assert purge(house, at + 4 * DAY)["numbers"] == len(nights.left) - len(open_)
        assert rows(house)["turns"] == before["turns"]
        assert purge(house, at + 11 * DAY)["calls"] == len(nights.left) - len(open_)
        bare = rows(house)
        assert {name: bare[name] for name in ("calls", "cases")} == {
            name: before[name] for name in ("calls", "cases")
        }
        assert bare["turns"] == 4 * len(open_)
        purge(house, at + 22 * DAY)
        kept = rows(house)
        for name in ("calls", "cases", "case_calls", "attempts", "legs", "outgoing"):
            assert kept[name] == len(open_), name
        assert kept["messages"] == kept["texts_in"] == 0


def test_what_an_old_call_leaves_is_small(house: House) -> None:
    """`make year` judges a whole year of it; here one day is old, and everything in its rows is weighed."""
    nights = Nights(house, random.Random(5), open_of_hundred=0)
    nights.begin(BEGINS)
    with house.database.read() as connection:
        empty = year.weights(connection, "payload")
    nights.day(BEGINS, 50)
    nights.done(BEGINS + DAY)
    with house.database.read() as connection:
        whole = year.weights(connection, "payload")
    purge(house, BEGINS + (WORDS + 30) * DAY)
    nights.done(BEGINS + (WORDS + 30) * DAY)
    purge(house, BEGINS + (WORDS + 90) * DAY)
    with house.database.read() as connection:
        left = year.weights(connection, "payload")
        acts = connection.execute(select(func.count()).select_from(audit_rows)).scalar_one()
    grown = {name: size - empty[name] for name, size in left.items() if size > empty[name]}
    assert grown.pop(year.LOG) / acts < year.ACT
    # Nothing but what is counted: see docs/privacy.md.
    counted_only = {"calls", "cases", "case_calls", "case_log", "attempts", "outgoing", "outgoing_turns"}
    counters = {"case_numbers", "sqlite_sequence", "due_work", "notebook"}
    assert set(grown) - counted_only <= counters, grown
    assert sum(grown.values()) / 50 < year.BARE
    assert sum(whole.values()) / 50 > 4 * year.BARE


def test_more_than_the_budget_would_be_found() -> None:
    """Were the judge blind, a year that it passes would say nothing."""
    sizes = {day: {"calls": day * 10 * year.BARE, year.LOG: day * 7 * year.ACT} for day in year.WEIGHED}
    assert year.too_heavy(sizes, 10, 7) == []
    assert [fault.split()[1] for fault in year.too_heavy(sizes, 9, 7)] == ["database"]
    assert [fault.split()[1] for fault in year.too_heavy(sizes, 10, 3)] == ["audit"]
    assert year.shown(sizes)[-1].split() == ["all", "1.9", "3.8", "5.7"]


def test_a_call_to_a_technician_without_a_talk_goes_and_a_closing_that_took_no_minutes(house: House) -> None:
    nights = Nights(house, random.Random(5), open_of_hundred=0)
    nights.begin(BEGINS)
    nights.day(BEGINS, 12)
    nights.done(BEGINS + DAY)
    silent = select(func.min(outgoing_turns.c.outgoing_id)).where(outgoing_turns.c.heard == "taken")
    with house.database.write() as connection:
        # One whom nobody connected; one case that was closed, opened again and closed without minutes.
        gone = connection.execute(silent).scalar_one()
        told = outgoing_turns.c.outgoing_id == gone, outgoing_turns.c.heard == "connected"
        connection.execute(outgoing_turns.delete().where(*told))
        billed = select(case_log).where(case_log.c.act == "closed").order_by(case_log.c.id)
        closed = next(row for row in connection.execute(billed).all() if row.details["billed"])
        again = {name: value for name, value in closed._mapping.items() if name != "id"}
        connection.execute(case_log.insert(), again | {"details": {"minutes": 0, "prepaid": 0, "billed": 0}})
        talks = connection.execute(select(func.count()).select_from(outgoing)).scalar_one()
    before = counted(house, BEGINS + 20 * DAY)
    purge(house, BEGINS + (WORDS + 2) * DAY)
    assert counted(house, BEGINS + 20 * DAY) == before
    with house.database.read() as connection:
        left = connection.execute(select(outgoing.c.id)).scalars().all()
        assert gone not in left
        assert len(left) == talks - 1
        assert not connection.execute(select(case_log).where(case_log.c.case_id == closed.case_id)).all()
        assert connection.execute(select(case_log)).all()


def test_a_bare_call_can_be_read_and_is_over(house: House) -> None:
    """Whatever the network asks of it after all that time; also one that a release before has stripped."""
    one_call(house, BEGINS)
    with house.database.write() as connection:
        whole = connection.execute(select(calls.c.state)).scalar_one()
    purge(house, BEGINS + (WORDS + 2) * DAY)
    for _ in range(2):
        with house.database.write() as connection:
            standing = journal.glance(connection, a_sid(1), 7)
            assert standing is not None
            assert (standing.call.sid, standing.call.step.value, standing.ended) == (a_sid(1), "ended", True)
            assert len(connection.execute(select(calls.c.state)).scalar_one()) < 130
            connection.execute(calls.update().values(state=whole))
        assert purge(house, BEGINS + (WORDS + 2) * DAY) == {"calls": 1}


def rows(house: House) -> dict[str, int]:
    """How many each table has."""
    with house.database.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }


# -- pseudonyms --------------------------------------------------------------------------------


def test_a_number_has_one_pseudonym_which_says_its_last_digits_and_no_more() -> None:
    first = pseudonym(KEY, ACME)
    assert first == pseudonym(KEY, ACME) == pseudonym(KEY, first)
    assert first.startswith("~")
    assert first.endswith(".201")
    assert len(first) <= 32
    assert len({first, pseudonym(KEY, "+393471112202"), pseudonym(b"another", ACME)}) == 3
    assert pseudonym(KEY, "") == WITHHELD
    assert "anna" not in pseudonym(KEY, "sip:anna@example.net")
    assert printed(first) == f"…201 ({first[1:5]})"
    assert (printed(WITHHELD), printed(ACME), printed(NOTHING)) == ("", "", "…")


@pytest.mark.parametrize(
    "text",
    [
        "dal +393471112201.",
        '{"caller":"+393471112201"}',
        "dal + 3 9 3 4 7 1 1 1 2 2 0 1",
        "0039 347 111 2201",
        "347 1112201, subito",
        "347.111.22.01",
    ],
)
def test_however_a_number_is_written_it_is_found(text: str) -> None:
    instead = replacing(KEY, [ACME], {ACME: "347 111 2201"})
    assert numbers_in(instead(text)) == set()
    assert pseudonym(KEY, ACME) in instead(text)


@pytest.mark.parametrize("text", ["", "codice 1 2 0 1", "+3934711122011", "93471112201", "+393471112202"])
def test_what_is_another_number_stays(text: str) -> None:
    assert replacing(KEY, [ACME, ""], {ACME: "347 111 2201"})(text) == text


# -- what is special ---------------------------------------------------------------------------


def one_call(house: House, at: datetime, number: str = ACME, sid: str = a_sid(1)) -> None:
    with house.database.write() as connection:
        journal.begin(connection, at, Call(sid, number, "+390461825060", "it", ("it",)), 0)
        journal.end(connection, at, sid, "no-pin")


def caller(house: House, sid: str = a_sid(1)) -> str:
    with house.database.read() as connection:
        return journal.call(connection, sid).caller


def test_to_the_instant_and_once(house: House) -> None:
    one_call(house, BEGINS)
    exactly = BEGINS + timedelta(NUMBERS)
    assert purge(house, exactly) == {}
    assert caller(house) == ACME
    assert purge(house, exactly + timedelta(seconds=1)) == {"numbers": 1}
    assert caller(house) == pseudonym(keys.of_pseudonyms(house.configuration), ACME)
    assert purge(house, exactly + timedelta(seconds=2)) == {}
    with house.database.read() as connection:
        (act,) = audit.acts(connection)
    assert (act.act, act.details) == ("privacy.purge", {"numbers": 1})


def test_a_dry_run_tells_what_would_go_and_changes_nothing(house: House) -> None:
    one_call(house, BEGINS)
    before = written(house)
    found = {each.kind.name: each for each in purging.looked(house, BEGINS + timedelta(WORDS + 1))}
    assert written(house) == before
    assert (found["numbers"].count, found["calls"].count, found["cases"].count) == (1, 1, 0)
    assert found["calls"].before == BEGINS + DAY
    assert set(found) == {kind.name for kind in kinds.KINDS}


def test_the_worker_purges_each_day_a_part_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        one_call(house, BEGINS, sid=a_sid(number + 1))
    now = rome("2026-01-20 12:00")
    purge_work.plan(house, now)
    purge_work.plan(house, now)
    monkeypatch.setattr(purge_work, "MOST", 3)
    assert tick(house, rome("2026-01-21 04:19")) == 0
    at = rome("2026-01-21 04:20")
    with house.database.read() as connection:
        (first,) = connection.execute(select(due_work.c.due_at).where(due_work.c.kind == "privacy.purge"))
    assert first.due_at == at
    looks = 0
    while any(each.count for each in purging.looked(house, at)):
        tick(house, at)
        at += timedelta(minutes=1)
        looks += 1
        assert looks < 10
    assert looks > 2
    tick(house, at)
    with house.database.read() as connection:
        again = select(due_work.c.due_at).where(
            due_work.c.kind == "privacy.purge", due_work.c.state == "pending"
        )
        assert connection.execute(again).scalar_one() == rome("2026-01-22 04:20")


def test_the_file_is_written_anew_only_while_nobody_is_on_the_line(house: House) -> None:
    at = BEGINS + timedelta(NUMBERS + 1)
    one_call(house, BEGINS)
    purging.purge(house, "test", at)
    with house.database.write() as connection:
        journal.begin(connection, at, Call(a_sid(2), ACME, "+390461825060", "it", ("it",)), 0)
    digits = ACME.encode()
    assert digits in everything_written(house.configuration.folder)
    assert tick(house, at, {trace.TRACES: erasure.remove}) == 1
    with house.database.write() as connection:
        assert due.move(connection, trace.TRACES, traces_key(connection), at) == 1
        journal.end(connection, at, a_sid(2), "hung-up")
        connection.execute(calls.delete().where(calls.c.sid == a_sid(2)))
    assert tick(house, at, {trace.TRACES: erasure.remove}) == 1
    assert digits not in everything_written(house.configuration.folder)


def traces_key(connection: Connection) -> str:
    waits = select(due_work.c.key).where(due_work.c.kind == trace.TRACES, due_work.c.state == "pending")
    return str(connection.execute(waits).scalar_one())


def test_of_an_open_case_nothing_is_forgotten_until_it_is_closed(house: House) -> None:
    nights = Nights(house, random.Random(5))
    nights.begin(BEGINS)
    nights.day(BEGINS, 1)
    while not nights.left[-1].case:
        nights.day(BEGINS, 1)
    left = nights.left[-1]
    with house.database.write() as connection:
        connection.execute(cases_table.update().values(closed_at=None))
    purge(house, BEGINS + 400 * DAY)
    with house.database.read() as connection:
        assert journal.call(connection, left.sid).caller == left.number
        assert left.words in str(journal.turns_of(connection, left.sid))


def test_a_recording_whose_row_is_gone_is_removed_on_every_machine(house: House) -> None:
    folder = keys.kept_sounds(house.configuration).folder
    folder.mkdir(parents=True)
    one_call(house, BEGINS)
    with house.database.write() as connection:
        row = {"call_sid": a_sid(1), "url": "", "seconds": 1, "recorded_at": BEGINS, "status": "completed"}
        connection.execute(messages.insert().values(recording_sid="RE" + "1" * 32, **row))
    for digit in "12":
        (folder / f"RE{digit * 32}.mp3").write_bytes(b"ID3")
    written_at = datetime.fromtimestamp((folder / f"RE{'2' * 32}.mp3").stat().st_mtime).astimezone()
    assert purge_work.sweep(house, written_at + 7 * DAY) == 0
    assert purge_work.sweep(house, written_at + 9 * DAY) == 1
    assert [file.name for file in folder.iterdir()] == [f"RE{'1' * 32}.mp3"]


# -- the record of processing ------------------------------------------------------------------


@pytest.mark.parametrize("language", record.LANGUAGES)
def test_the_record_tells_every_kind_and_every_processor_and_no_secret(house: House, language: str) -> None:
    whole = house.configuration
    made = record.document(whole, language, "2026-03-10")
    assert [each["kind"] for each in made["retention"]] == [kind.name for kind in kinds.KINDS]
    assert {each["days"] for each in made["retention"]} >= {NUMBERS, MESSAGES, WORDS, 365, 1826}
    text = record.markdown(made, language)
    assert {each["name"] for each in made["processors"]} >= {"Twilio", "ivr.example.net"}
    assert "825060" in text
    assert whole.twilio.account_sid in text
    for key in (*whole.twilio.auth_tokens, *whole.service.keys, *whole.pins.peppers):
        assert key.get_secret_value() not in text + json.dumps(made)
    assert record.words("it")["kinds"].keys() == record.words("en")["kinds"].keys()
    assert record.words("it")["record"].keys() == record.words("en")["record"].keys()


# -- the commands ------------------------------------------------------------------------------


def test_the_commands_say_what_goes_and_print_the_record(tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=40)
    configuration(tmp_path)
    with fresh_database(tmp_path) as database:
        one_call(House(configuration(tmp_path), database), long_ago)
    runner = CliRunner(env=SECRETS)

    def told(*arguments: str) -> str:
        result = runner.invoke(ivr, ["--config", str(tmp_path / "config.toml"), *arguments])
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return result.stdout

    for arguments, purged in ((("--dry-run",), 0), ((), 1), ((), 0)):
        document = json.loads(told("purge", "--json", *arguments))
        assert document["dry_run"] is bool(arguments)
        numbers = next(each for each in document["kinds"] if each["kind"] == "numbers")
        assert (numbers["setting"], numbers["days"], numbers["purged"]) == (
            "privacy.caller_numbers",
            30,
            purged,
        )
        assert numbers["count"] == (1 if arguments or purged else 0)
    assert "numbers" in told("purge", "--dry-run")
    assert told("privacy", "record").startswith("# Registro delle attivit\u00e0 di trattamento")
    english = told("privacy", "record", "--language", "en")
    assert "| 30 |" in english
    assert json.loads(told("privacy", "record", "--json"))["processors"][0]["name"] == "Twilio"

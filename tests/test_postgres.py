"""What holds on both databases, and what only a database with several writers at a time could break."""

from __future__ import annotations

import logging
import os
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from making import ACTOR, NIGHT, a_call, a_case, a_sid, case, configuration, pin_settings, staff
from postgres import address, start, stop
from sqlalchemy import Connection, event, func, select, text, true
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from staging import on_stage

from console.commands import ivr
from console.phone import Exchange, Reply, WsgiDoor
from console.phone.signature import signature
from console.rehearsing.rehearsal import PUBLIC_URL, Rehearsal
from ivr import casework, journal
from ivr.tables import calls, leg_turns, legs, messages, turns
from oncall.cases import cases as verbs
from oncall.reaching import attempts
from oncall.tables import attempts as attempt_rows
from oncall.tables import cases
from pins import customers, registry
from pins.index import PinIndex
from storage import due, ledger, schema
from storage import engine as engines
from storage.engine import Database, open_database
from storage.tables import audit, due_work, metadata

TRIES = 8
PATIENCE = 60  # seconds after which a test gives up; nothing takes that long

T = TypeVar("T")
U = TypeVar("U")
COUNTED = (calls, turns, legs, leg_turns, messages, cases, attempt_rows, due_work)
CALL = (Path(__file__).parent / "calls" / "second-technician-accepts.call").read_text(encoding="utf-8")
ACME, MELE, LINE = "+393471112201", "+393471112202", "+390461825060"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def postgresql(postgresql_url: str) -> Iterator[Database]:
    opened = open_database(postgresql_url)
    yield opened
    opened.close()


# -- the same on both --------------------------------------------------------------------------


def test_models_and_migrations_agree(database: Database) -> None:
    with database.read() as connection:
        assert schema.revision(connection) == schema.NEWEST
        assert schema.differences(connection, metadata) == []


def test_a_difference_would_be_found(postgresql: Database) -> None:
    with postgresql.write() as connection:
        connection.execute(text("ALTER TABLE calls ADD COLUMN mood TEXT"))
        connection.execute(text("DROP INDEX ix_cases_code"))
        connection.execute(text("ALTER TABLE turns ALTER COLUMN heard TYPE TEXT"))
        found = [change[0] if isinstance(change, list) else change for change in _differences(connection)]
    assert sorted(each[0] for each in found) == ["add_index", "modify_type", "remove_column"]


def _differences(connection: Connection) -> list[Any]:
    return schema.differences(connection, metadata)


def test_two_machines_migrate_at_once(postgresql: Database) -> None:
    with postgresql.write() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    both = Both(postgresql)
    both.run(lambda: schema.migrate(postgresql), lambda: schema.migrate(postgresql))
    with postgresql.read() as connection:
        assert schema.differences(connection, metadata) == []


INSTANTS = [
    datetime(2026, 3, 10, 21, 0, 0, 123456, tzinfo=UTC),
    datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=1))),
    datetime(1900, 1, 1, tzinfo=UTC),
    datetime(2200, 12, 31, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=-5))),
]
DETAILS: dict[str, Any] = {
    "text": "Frutticoltori «Val di Sole» – ü 🔔 \\u0000 \" '",
    "numbers": [0, -1, 2**53, 1.5, 1e-9],
    "nothing": None,
    "truth": [True, False],
    "nested": {"z": 1, "a": {"": []}},
}


@pytest.mark.parametrize("instant", INSTANTS)
def test_instants_and_documents_come_back_as_they_went(database: Database, instant: datetime) -> None:
    with database.write() as connection:
        due.add(connection, NIGHT, "test", "k", instant, DETAILS)
    with database.read() as connection:
        found = connection.execute(select(due_work.c.due_at, due_work.c.payload)).one()
    assert (found.due_at, found.due_at.utcoffset()) == (instant, timedelta(0))
    assert found.payload == DETAILS
    assert list(found.payload) == list(DETAILS)


def test_an_instant_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(SQLAlchemyError), database.write() as connection:
        due.add(connection, NIGHT, "test", "k", INSTANTS[0].replace(tzinfo=None), {})


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    def failing(connection: Connection) -> None:
        a_call(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        writing(database, failing)()
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(calls)).scalar_one() == 0


def test_a_reader_sees_one_instant(database: Database) -> None:
    with database.read() as connection:
        before = connection.execute(select(func.count()).select_from(calls)).scalar_one()
        with database.write() as other:
            a_call(other)
        after = connection.execute(select(func.count()).select_from(calls)).scalar_one()
    assert (before, after) == (0, 0)


@contextmanager
def staged(url: str) -> Iterator[Rehearsal]:
    rehearsal = on_stage(url=url)
    try:
        yield rehearsal
    finally:
        rehearsal.close()


def effects(rehearsal: Rehearsal) -> dict[str, int]:
    """How many rows stand in every table that a call writes."""
    with rehearsal.house.database.read() as connection:
        return {
            table.name: connection.execute(
                select(func.count())
                .select_from(table)
                # What issuing and revoking the cast's PINs caused stood there before.
                .where(due_work.c.kind.notin_([registry.ENDS, ledger.KIND]) if table is due_work else true())
            ).scalar_one()
            for table in COUNTED
        }


def story(rehearsal: Rehearsal) -> list[tuple[str, str, list[str]]]:
    """What the journal tells of the latest call, without identities and times."""
    with rehearsal.house.database.read() as connection:
        sid = journal.recent(connection, limit=1)[0].sid
        return [(turn.step, turn.heard, turn.said) for turn in journal.turns_of(connection, sid)]


def test_an_emergency_call(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with staged(database_url) as rehearsal:
        rehearsal.play(CALL)
        assert rehearsal.fact("outcome connected") is None
        assert effects(rehearsal) == {
            "calls": 1,
            "turns": 8,
            "legs": 1,
            "leg_turns": 2,
            "messages": 0,
            "cases": 1,
            "attempts": 2,
            # Pursuit and reminders, the technician's text message; and the watch over the rota.
            "due_work": 4,
        }
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


# -- the connection ----------------------------------------------------------------------------


def asked(connection: Connection, setting: str) -> str:
    return str(connection.execute(text(f"SHOW {setting}")).scalar_one())


@pytest.mark.parametrize("hurried", [False, True])
def test_every_session_is_set_up(postgresql_url: str, hurried: bool) -> None:
    database = open_database(postgresql_url, hurried=hurried)
    limits = engines.HURRIED if hurried else engines.PATIENT
    with database.write() as connection:
        assert asked(connection, "TimeZone") == "UTC"
        assert asked(connection, "application_name") == "ivr"
        assert asked(connection, "transaction_isolation") == "read committed"
        assert asked(connection, "transaction_read_only") == "off"
        for name, milliseconds in limits.items():
            query = text("SELECT setting FROM pg_settings WHERE name = :name")
            assert int(connection.execute(query, {"name": name}).scalar_one()) == milliseconds
    with database.read() as connection:
        assert asked(connection, "transaction_isolation") == "repeatable read"
        assert asked(connection, "transaction_read_only") == "on"
    with pytest.raises(InternalError, match="read-only"), database.read() as connection:
        a_call(connection)
    with database.write() as connection:  # the same connection again
        a_call(connection)
    database.close()


def test_a_database_made_without_a_locale(postgresql_url: str) -> None:
    import psycopg

    name = urlsplit(postgresql_url).path[1:] + "_ascii"
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0".encode())
        database = open_database(postgresql_url.replace(urlsplit(postgresql_url).path[1:], name))
        schema.migrate(database)
        with database.write() as writing:
            due.add(writing, NIGHT, "test", "Frütticoltori €", NIGHT, DETAILS)
        with database.read() as reading:
            found = reading.execute(select(due_work.c.key, due_work.c.payload)).one()
        database.close()
        connection.execute(f"DROP DATABASE {name}".encode())
    assert (found.key, found.payload) == ("Frütticoltori €", DETAILS)


@pytest.mark.usefixtures("limits_as_in_service")
def test_the_limits_of_a_turn_leave_time_for_the_hash() -> None:
    assert engines.READ_SECONDS + engines.WRITE_SECONDS <= 3.0
    assert engines.POOL_SECONDS + engines.PING_SECONDS < engines.READ_SECONDS
    server = engines.HURRIED
    assert (
        server["idle_in_transaction_session_timeout"] < server["lock_timeout"] < server["statement_timeout"]
    )
    assert server["statement_timeout"] < engines.WRITE_SECONDS * 1000


def in_time(seconds: float, act: Callable[[], object], before: Callable[[], object] = lambda: None) -> None:
    """`act` ends within so many seconds, at one of some tries: where a machine is busy with something else a
    single one may be late; without limits none is in time. One that returns False does not count.
    `before` is done before each, and takes as long as it takes.
    """
    took = []
    for _ in range(TRIES):
        before()
        began = time.monotonic()
        counts = act() is not False
        took.append(time.monotonic() - began)
        if counts and took[-1] < seconds:
            return
    raise AssertionError(f"not once within {seconds} s: {took}")


def test_a_dead_connection_is_replaced_before_it_is_used(postgresql: Database) -> None:
    with postgresql.read() as connection:
        first = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    other = open_database(postgresql.engine.url.render_as_string(hide_password=False))
    with other.write() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": first})
    other.close()
    with postgresql.read() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != first


@pytest.mark.usefixtures("limits_as_in_service")
def test_an_idle_process_in_its_transaction_loses_its_locks_before_others_give_up(
    postgresql_url: str,
) -> None:
    stopped, other = (open_database(postgresql_url, hurried=True) for _ in range(2))
    with stopped.write() as connection:
        a_call(connection, a_sid(1))
    served: list[float] = []

    def stopping(connection: Connection) -> None:
        began = time.monotonic()
        journal.lock(connection, a_sid(1))
        with other.write() as waiting:
            journal.lock(waiting, a_sid(1))
        served.append(time.monotonic() - began)
        journal.lock(connection, a_sid(1))

    def stops() -> bool:
        served.clear()
        with pytest.raises(DBAPIError):
            writing(stopped, stopping)()
        return bool(served)

    in_time(engines.WRITE_SECONDS + 0.5, stops)
    assert served[0] > 1
    stopped.close()
    other.close()


def test_as_many_transactions_as_threads(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "POOL_SECONDS", 0.1)
    database = open_database(postgresql_url, threads=2, hurried=True)
    with database.read(), database.read(), pytest.raises(PoolTimeoutError), database.read():
        pass
    database.close()


@pytest.fixture
def server_of_its_own(request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server that may be stopped and frozen: its process and its address."""
    request.getfixturevalue("_postgresql")  # says what is missing
    with tempfile.TemporaryDirectory(prefix="ivr-own-", ignore_cleanup_errors=True) as folder:
        server = start(Path(folder))
        try:
            yield server, address(Path(folder))
        finally:
            if server.poll() is None:
                signal_all(server.pid, signal.SIGCONT)
                stop(server)


def signal_all(server: int, number: int) -> None:
    """Tell the server and each of its processes."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == server:
            os.kill(int(entry.parent.name), number)
    os.kill(server, number)


@pytest.mark.usefixtures("limits_as_in_service")
def test_a_frozen_server_fails_a_turn_in_time(server_of_its_own: tuple[subprocess.Popen[bytes], str]) -> None:
    server, url = server_of_its_own[0].pid, server_of_its_own[1]
    patient, database = open_database(url), open_database(url, hurried=True)
    schema.migrate(patient)
    patient.close()
    with database.write() as connection:
        a_call(connection)

    def serves() -> bool:
        """Whether it does; afterwards `database` has a connection."""
        with suppress(SQLAlchemyError), database.write() as connection:
            journal.lock(connection, a_sid(1))
            return True
        return False

    def fails() -> None:
        with pytest.raises(SQLAlchemyError), database.read() as connection:
            journal.lock(connection, a_sid(1))

    def goes_on() -> None:
        signal_all(server, signal.SIGCONT)
        assert any(serves() for _ in range(TRIES))

    def freezes() -> None:
        goes_on()
        signal_all(server, signal.SIGSTOP)

    def frozen(connection: Connection) -> None:
        journal.lock(connection, a_sid(1))
        signal_all(server, signal.SIGSTOP)
        journal.lock(connection, a_sid(1))

    def fails_in_the_middle() -> None:
        with pytest.raises(SQLAlchemyError):
            writing(database, frozen)()

    in_time(engines.READ_SECONDS + 0.3, fails, before=freezes)  # on a connection it had
    in_time(engines.READ_SECONDS + 0.3, fails)  # on a new one
    in_time(engines.WRITE_SECONDS + 0.3, fails_in_the_middle, before=goes_on)
    goes_on()
    database.close()


@pytest.mark.usefixtures("limits_as_in_service")
def test_a_server_that_takes_connections_and_says_nothing(postgresql_url: str) -> None:
    """As one behind a broken proxy does."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        database = open_database(f"postgresql://u:secret-word@127.0.0.1:{port}/ivr", hurried=True)

        def fails() -> None:
            with pytest.raises(OperationalError) as failed, database.read():
                pass
            assert "secret-word" not in str(failed.value)

        in_time(engines.READ_SECONDS + 0.3, fails)
        database.close()


@pytest.mark.usefixtures("limits_as_in_service")
def test_a_stopped_server_refuses_at_once(server_of_its_own: tuple[subprocess.Popen[bytes], str]) -> None:
    server, url = server_of_its_own
    database = open_database(url, hurried=True)
    with database.read() as connection:
        connection.execute(text("SELECT 1"))
    stop(server)

    def fails() -> None:
        with pytest.raises(SQLAlchemyError), database.read():
            pass

    in_time(engines.READ_SECONDS, fails)
    database.close()


@pytest.mark.usefixtures("limits_as_in_service")
def test_a_connection_that_went_back_is_not_shut_later(postgresql_url: str) -> None:
    """The limit of one transaction is not felt by the next on the same connection."""

    def goes_on() -> bool:
        """Whether one connection is used beyond the limit of its first transaction. If a single one takes as
        long as the limit it is shut rightly: then it is looked at again.
        """
        database = open_database(postgresql_url, hurried=True, threads=1)
        until = time.monotonic() + engines.READ_SECONDS + 0.3
        backends = set()
        try:
            while time.monotonic() < until:
                with database.read() as connection:
                    backends.add(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        except SQLAlchemyError:
            return False
        finally:
            database.close()
        return len(backends) == 1

    before = threading.active_count()
    assert any(goes_on() for _ in range(TRIES))
    assert threading.active_count() < before + 20


# -- no secret in an error ---------------------------------------------------------------------

PASSWORDS = ["secret-word", "secret%2Dword", "secret%40word", "secret@word", "secret/word@x:y", "secret:word"]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "command", [["migrate"], ["serve", "--only", "webhooks"], ["case", "list"], ["init"]]
)
def test_no_error_shows_the_password(
    password: str, command: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from click.testing import CliRunner

    caplog.set_level(logging.DEBUG)
    file = tmp_path / "config.toml"
    configuration(tmp_path)
    lines = file.read_text(encoding="utf-8").replace(
        "sqlite:///ivr.db", f"postgresql://ivr:{password}@127.0.0.1:9/ivr"
    )
    file.write_text(lines.replace("cost = { memory_kib = 8, passes = 1 }", ""), encoding="utf-8")
    secrets = {"IVR_SERVICE_KEYS": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "IVR_PINS_SALT": "0a" * 16}
    secrets |= {"IVR_TWILIO_AUTH_TOKENS": "1" * 32, "IVR_PINS_PEPPERS": bytes(range(32)).hex()}
    result = CliRunner().invoke(ivr, ["--config", str(file), *command], env=secrets)
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert result.output.startswith("ivr: ")
    assert result.output.count("\n") == 1
    told = result.output + caplog.text + repr(result.exception)
    assert "Traceback" not in told
    assert "secret" not in told
    assert "word" not in told.replace("password", "")


# -- two at once -------------------------------------------------------------------------------


class Both:
    """Runs two things on one PostgreSQL, the second in the middle of the first.

    The first stops before the statement that begins with `before` (its COMMIT, unless told otherwise)
    until the second has ended or waits for a lock; then both go on. `waited` tells which.
    """

    def __init__(self, database: Database, before: str = "COMMIT") -> None:
        self._database = database
        self._before = before
        self._reached = threading.Event()
        self._go_on = threading.Event()
        self._first: threading.Thread | None = None
        self.waited = False
        if before == "COMMIT":
            event.listen(database.engine, "commit", self._at_commit)
        else:
            event.listen(database.engine, "before_cursor_execute", self._at_statement)

    def run(self, first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
        self._reached.clear()
        self._go_on.clear()

        def held() -> T:
            self._first = threading.current_thread()
            try:
                return first()
            finally:
                self._reached.set()

        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(held)
            assert self._reached.wait(PATIENCE)
            two = pool.submit(second)
            try:
                self._until_it_waits(two)
            finally:
                self._first = None
                self._go_on.set()
            return one.result(PATIENCE), two.result(PATIENCE)

    def _until_it_waits(self, two: Future[U]) -> None:
        with self._database.engine.connect() as watching:
            limit = time.monotonic() + PATIENCE
            while not two.done() and time.monotonic() < limit:
                waits = text(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                if watching.execute(waits).scalar_one():
                    self.waited = True
                    return
                watching.rollback()
                time.sleep(0.002)

    def _at_commit(self, connection: Connection) -> None:
        if connection.get_execution_options().get("write"):
            self._stop()

    def _at_statement(self, connection: Connection, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith(self._before):
            self._stop()

    def _stop(self) -> None:
        if threading.current_thread() is self._first:
            self._reached.set()
            self._go_on.wait(PATIENCE)


def writing(database: Database, verb: Callable[[Connection], T]) -> Callable[[], T]:
    def run() -> T:
        with database.write() as connection:
            return verb(connection)

    return run


@dataclass(frozen=True)
class Ringing:
    """A case of a call, with one attempt under way that was picked up."""

    number: str
    case_id: int
    attempt: int


@pytest.fixture
def ringing(postgresql: Database) -> Ringing:
    with postgresql.write() as connection:
        staff(connection)
        opened = a_case(connection)
        attempt = attempts.begin_attempt(connection, NIGHT, opened.id, opened.sid, "anna", "+393331234501", 1)
        assert attempts.picked_up(connection, NIGHT, attempt)
    return Ringing(opened.number, opened.id, attempt)


def result(database: Database, attempt: int) -> tuple[str | None, str | None]:
    """(key, result) of an attempt."""
    with database.read() as connection:
        row = connection.execute(select(attempt_rows).where(attempt_rows.c.id == attempt)).one()
    return row.pressed, row.result


@pytest.mark.parametrize("before", ["COMMIT", "UPDATE attempts"])
def test_a_key_beside_the_end_of_ringing(postgresql: Database, ringing: Ringing, before: str) -> None:
    """Either the key counts for both sides, or for neither."""
    settle = writing(
        postgresql, lambda c: attempts.settle(c, NIGHT, ringing.attempt, "no-answer", bridged=False)
    )
    press = writing(postgresql, lambda c: attempts.press(c, NIGHT, ringing.attempt, "accepted"))
    settled, pressed = Both(postgresql, before).run(settle, press)
    assert (settled, pressed) == ("unconfirmed", False)
    assert result(postgresql, ringing.attempt) == (None, "unconfirmed")


def test_the_end_of_ringing_beside_a_key(postgresql: Database, ringing: Ringing) -> None:
    press = writing(postgresql, lambda c: attempts.press(c, NIGHT, ringing.attempt, "accepted"))
    settle = writing(
        postgresql, lambda c: attempts.settle(c, NIGHT, ringing.attempt, "completed", bridged=True)
    )
    pressed, settled = Both(postgresql).run(press, settle)
    assert (pressed, settled) == (True, "connected")
    with postgresql.read() as connection:
        assert not due.pending(connection, verbs.PURSUE, ringing.number)


def test_the_end_of_a_talk_beside_another_call_about_the_case(postgresql: Database, ringing: Ringing) -> None:
    """That other call is not answered by this talk: whoever made it is pursued for."""
    later = NIGHT + timedelta(minutes=1)
    with postgresql.write() as connection:
        assert attempts.press(connection, NIGHT, ringing.attempt, "accepted")
        a_call(connection, a_sid(2), later)

    def join(connection: Connection) -> None:
        verbs.join(
            connection,
            later,
            ringing.case_id,
            call_sid=a_sid(2),
            urgency="P1+",
            due_at=later + timedelta(hours=1),
            pursue_at=later,
        )

    settle = writing(
        postgresql, lambda c: attempts.settle(c, later, ringing.attempt, "completed", bridged=True)
    )
    assert Both(postgresql).run(writing(postgresql, join), settle)[1] == "connected"
    with postgresql.read() as connection:
        assert due.pending(connection, verbs.PURSUE, ringing.number)


def test_the_end_of_ringing_beside_a_pick_up(postgresql: Database, ringing: Ringing) -> None:
    settle = writing(
        postgresql, lambda c: attempts.settle(c, NIGHT, ringing.attempt, "canceled", bridged=False)
    )
    pick_up = writing(postgresql, lambda c: attempts.picked_up(c, NIGHT, ringing.attempt))
    settled, picked = Both(postgresql).run(settle, pick_up)
    assert (settled, picked) == ("unconfirmed", False)


def test_two_keys_at_once(postgresql: Database, ringing: Ringing) -> None:
    accept = writing(postgresql, lambda c: attempts.press(c, NIGHT, ringing.attempt, "accepted"))
    decline = writing(postgresql, lambda c: attempts.press(c, NIGHT, ringing.attempt, "declined"))
    assert Both(postgresql).run(accept, decline) == (True, False)
    assert result(postgresql, ringing.attempt) == ("accepted", None)


class Always(random.Random):
    """Draws the same code first, whoever asks; then others."""

    def __init__(self) -> None:
        super().__init__()
        self._left = [4712, 1205]

    def randrange(self, *bounds: Any) -> int:
        return self._left.pop(0)


@pytest.mark.parametrize("years", [(2026, 2026), (2026, 2027)])
def test_two_cases_draw_the_same_code_at_once(postgresql: Database, years: tuple[int, int]) -> None:
    """Also over New Year's midnight, when each counts in a year of its own."""
    with postgresql.write() as connection:
        customers.add_customer(connection, ACTOR, NIGHT, "Acme", code="ACME")

    def opening(place: int) -> Callable[[], tuple[str, str]]:
        def verb(connection: Connection) -> tuple[str, str]:
            verbs.lock(connection)
            at = NIGHT.replace(year=years[place])
            opened = a_case(connection, at, sid=a_sid(place + 1), source=Always())
            return opened.number, opened.code

        return writing(postgresql, verb)

    (one, first), (two, second) = Both(postgresql).run(opening(0), opening(1))
    assert (first, second) == ("4712", "1205")
    assert one != two


def test_a_case_is_closed_once(postgresql: Database, ringing: Ringing) -> None:
    with postgresql.read() as connection:
        read = verbs.find(connection, ringing.number)

    def close(who: str) -> Callable[[], str]:
        def verb(connection: Connection) -> str:
            try:
                casework.close(connection, who, NIGHT, read)
            except verbs.CaseClosed:
                return "closed before"
            return "closed"

        return writing(postgresql, verb)

    def take(connection: Connection) -> str:
        try:
            casework.take(connection, ACTOR, NIGHT, read, "anna")
        except verbs.CaseClosed:
            return "closed before"
        return "taken"

    assert Both(postgresql).run(close("anna"), close("bruno")) == ("closed", "closed before")
    assert writing(postgresql, take)() == "closed before"
    with postgresql.read() as connection:
        acts = connection.execute(select(audit.c.actor).where(audit.c.act == "case.close")).scalars().all()
        assert acts == ["anna"]
        assert not due.pending(connection, verbs.PURSUE, ringing.number)


def test_a_case_taken_twice_at_once_is_the_first_one_s(postgresql: Database, ringing: Ringing) -> None:
    with postgresql.read() as connection:
        read = verbs.find(connection, ringing.number)

    def take(technician: str, minutes: int) -> Callable[[], str]:
        def verb(connection: Connection) -> str:
            try:
                casework.take(connection, ACTOR, NIGHT + timedelta(minutes=minutes), read, technician)
            except casework.AlreadyTaken as taken:
                return taken.by
            return "his"

        return writing(postgresql, verb)

    # The second is told who has it: to take it over he has to say so, knowing it.
    assert Both(postgresql).run(take("anna", 1), take("dario", 2)) == ("his", "anna")
    with postgresql.read() as connection:
        now = case(connection, a_case_named(ringing))
    assert (now.taken_at, now.taken_by) == (NIGHT + timedelta(minutes=1), "anna")


def a_case_named(ringing: Ringing) -> Any:
    from making import Opened

    return Opened(ringing.case_id, ringing.number, "", "")


def test_work_is_claimed_once(postgresql: Database) -> None:
    with postgresql.write() as connection:
        for key in range(30):
            due.add(connection, NIGHT, "test", str(key), NIGHT, {})
    claim = writing(postgresql, lambda c: due.claim(c, NIGHT, ["test"], limit=20, lease=timedelta(minutes=1)))
    both = Both(postgresql)
    one, two = both.run(claim, claim)
    assert (len(one), len(two)) == (20, 10), "the second passes over what the first holds"
    assert not both.waited
    assert len({work.id for work in one + two}) == 30
    assert writing(postgresql, lambda c: due.claim(c, NIGHT, ["test"], lease=timedelta(minutes=1)))() == []


def test_work_that_is_cancelled_while_it_is_claimed_is_not_done_again(postgresql: Database) -> None:
    with postgresql.write() as connection:
        due.add(connection, NIGHT, "test", "1", NIGHT, {})
    claim = writing(postgresql, lambda c: due.claim(c, NIGHT, ["test"], lease=timedelta(minutes=1)))
    cancel = writing(postgresql, lambda c: due.cancel(c, NIGHT, "test", "1", "anna"))
    (work,), cancelled = Both(postgresql).run(claim, cancel)
    assert cancelled == 1
    with postgresql.write() as connection:
        assert not due.postpone(connection, work, NIGHT)
        assert not due.finish(connection, NIGHT, work)


def test_a_pin_is_issued_once_and_revoked_once(postgresql: Database) -> None:
    new = registry.NewPin("90817263", tuple(PinIndex(pin_settings()).digests("90817263")))
    with postgresql.write() as connection:
        customers.add_customer(connection, ACTOR, NIGHT, "Acme", code="ACME")

    def issue(connection: Connection) -> int | None:
        try:
            return registry.issue(connection, ACTOR, NIGHT, "ACME", new)
        except registry.PinUsedBefore:
            return None

    first, second = Both(postgresql).run(writing(postgresql, issue), writing(postgresql, issue))
    assert (first is None, second) == (False, None)
    assert first is not None

    def revoke(connection: Connection) -> bool:
        try:
            registry.revoke(connection, ACTOR, NIGHT, first)
        except registry.PinRevokedAlready:
            return False
        return True

    assert Both(postgresql).run(writing(postgresql, revoke), writing(postgresql, revoke)) == (True, False)


# -- two requests at once ----------------------------------------------------------------------

Form = list[tuple[str, str]]


class Beside:
    """Delivers each request while another is being served: `other` makes it of the first.

    `held` is how often the other really came in the middle. With `swapped` the other comes first.
    """

    def __init__(
        self,
        rehearsal: Rehearsal,
        other: Callable[[str, Form], tuple[str, Form] | None] = lambda url, form: (url, form),
        *,
        swapped: bool = False,
        before: str = "COMMIT",
    ) -> None:
        self._rehearsal = rehearsal
        self._other = other
        self._swapped = swapped
        self._both = Both(rehearsal.house.database, before)
        self.replies: list[tuple[str, Reply, Reply]] = []

    def post(self, url: str, form: Form, headers: dict[str, str]) -> Reply:
        deliver = lambda: WsgiDoor(self._rehearsal.app).post(url, form, headers)  # noqa: E731
        made = self._other(url, form)
        if made is None:
            return deliver()

        def beside() -> Reply:
            address, fields = made
            headers = {"X-Twilio-Signature": signature(self._rehearsal.auth_token, address, fields)}
            return WsgiDoor(self._rehearsal.app).post(address, fields, headers)

        if self._swapped:
            second, first = self._both.run(beside, deliver)
        else:
            first, second = self._both.run(deliver, beside)
        self.replies.append((urlsplit(url).path, first, second))
        return first


def through(rehearsal: Rehearsal, door: Any) -> None:
    """Let the rehearsal's telephone knock at `door`."""
    rehearsal.exchange = Exchange(
        door,
        public_url=PUBLIC_URL,
        account_sid=rehearsal.account_sid,
        auth_token=rehearsal.auth_token,
        clock=rehearsal.clock,
        owned=rehearsal.configuration.our_numbers,
    )


CONVERSATIONS = (
    "second-technician-accepts",
    "first-declines",
    "wrong-pin-three-times",
    "nobody-answers-message-left",
    "caller-hangs-up-ringing",
)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_every_request_twice_at_once(name: str, new_postgresql: Callable[[], str]) -> None:
    """Turn 0, PIN, urgency, the end of a ring, the technician's turns, callbacks: the second request
    comes when the first has done everything but commit.
    """
    path = Path(__file__).parent / "calls" / f"{name}.call"
    facts = ("* work", "* no work", "* a PIN was", "* the case is", "* an error")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith(facts)]
    with staged(new_postgresql()) as once, staged(new_postgresql()) as twice:
        once.play("\n".join(lines), name)
        door = Beside(twice)
        through(twice, door)
        twice.play("\n".join(lines), name)
        for asked_path, first, second in door.replies:
            assert (second.status, second.body) == (first.status, first.body), asked_path
        assert story(twice) == story(once)
        assert effects(twice) == effects(once)


@pytest.mark.parametrize("before", ["COMMIT", "UPDATE calls", "UPDATE attempts"])
@pytest.mark.parametrize("swapped", [False, True])
def test_the_status_callback_beside_the_action_of_the_dial(
    postgresql_url: str, swapped: bool, before: str
) -> None:
    """Both settle the attempt, from either end: none may wait for the other in a circle."""

    def status(url: str, form: Form) -> tuple[str, Form] | None:
        fields = dict(form)
        if "DialCallStatus" not in fields:
            return None
        kept = {k: v for k, v in fields.items() if not k.startswith("Dial")} | {"CallStatus": "completed"}
        return f"{PUBLIC_URL}/voice/status", list(kept.items())

    with staged(postgresql_url) as rehearsal:
        door = Beside(rehearsal, status, swapped=swapped, before=before)
        through(rehearsal, door)
        call = ring(rehearsal, ACME, "acme")
        call.ringing[0].busy()
        assert [(first.status, second.status) for _, first, second in door.replies] == [(200, 204)]
        with rehearsal.house.database.read() as connection:
            row = connection.execute(select(calls)).one()
            open_ends = connection.execute(
                select(attempt_rows.c.id).where(attempt_rows.c.result.is_(None))
            ).all()
        assert row.ended_at is not None
        if swapped:
            assert open_ends == [], "the call had ended: nobody more is rung"


def test_a_leg_that_begins_beside_the_end_of_its_call(postgresql_url: str) -> None:
    """He holds his attempt and points to the call; the callback holds the call and wants the attempt."""

    def status(url: str, form: Form) -> tuple[str, Form] | None:
        fields = dict(form)
        if not urlsplit(url).path.endswith("/technician/0"):
            return None
        ended = {"CallSid": fields["ParentCallSid"], "CallStatus": "completed", "Direction": "inbound"}
        kept = {key: value for key, value in fields.items() if key != "ParentCallSid"} | ended
        return f"{PUBLIC_URL}/voice/status", list(kept.items())

    with staged(postgresql_url) as rehearsal:
        door = Beside(rehearsal, status, before="INSERT INTO legs")
        through(rehearsal, door)
        ring(rehearsal, ACME, "acme").ringing[0].answer()
        ((_, first, second),) = door.replies
        assert (first.status, second.status) == (200, 204)
        assert b"<Gather" in first.body
        assert effects(rehearsal)["leg_turns"] == 1


def test_the_next_ring_beside_a_first_one(postgresql_url: str) -> None:
    """One call goes on from Anna to Dario while another, which found Anna busy, chooses him too."""
    with staged(postgresql_url) as rehearsal:
        one = ring(rehearsal, ACME, "acme")
        two = ring(rehearsal, MELE, "mele", key=None)
        two.press("1")
        leg = one.ringing[0]
        leg.answer()
        both = Both(rehearsal.house.database, before="INSERT INTO attempts")
        both.run(lambda: leg.press("2"), two.wait)
        with rehearsal.house.database.read() as connection:
            rung = select(attempt_rows.c.phone).where(attempt_rows.c.result.is_(None))
            phones = connection.execute(rung).scalars().all()
        assert len(phones) == len(set(phones)) == 2


def test_two_calls_at_once_do_not_ring_the_same_telephone(postgresql_url: str) -> None:
    with staged(postgresql_url) as rehearsal:
        one, two = (ring(rehearsal, *who, key=None) for who in ((ACME, "acme"), (MELE, "mele")))
        both = Both(rehearsal.house.database)
        both.run(lambda: one.press("1"), lambda: two.press("1"))
        Both(rehearsal.house.database).run(one.wait, two.wait)
        with rehearsal.house.database.read() as connection:
            phones = connection.execute(select(attempt_rows.c.phone)).scalars().all()
            codes = connection.execute(select(cases.c.code)).scalars().all()
        assert len(phones) == len(set(phones)) == 2
        assert len(codes) == len(set(codes)) == 2


def ring(rehearsal: Rehearsal, caller: str, pin: str, key: str | None = "1") -> Any:
    """A call at night, with the first technician's phone ringing; without `key`, asked how urgent it is."""
    call = rehearsal.exchange.ring(caller, LINE)
    call.press(rehearsal.pins[pin], label=f"PIN of {pin}")
    if key:
        call.press(key)
        call.wait()
    return call

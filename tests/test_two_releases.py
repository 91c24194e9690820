"""The next release comes to one of two machines in the middle of calls, with a migration and with more to
remember of a call; the other machine still has this one. Real processes on one PostgreSQL, each turn at the
other's door.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from making import ACCOUNT, ROOT, TOKEN
from ports import free_port
from sqlalchemy import select
from test_two_processes import LINE, PUBLIC_URL, STARTS_WITHIN, house, patient, ready  # noqa: F401

from console.backups import reading
from console.backups.making import keys
from console.house import House, pin_index
from console.phone import Exchange, Reply, VirtualClock
from console.phone.door import HttpDoor
from ivr.tables import calls, turns
from oncall.tables import attempts
from pins import registry
from storage import schema

PACKAGES = ("ivr", "webhooks", "pins", "oncall", "console", "storage")
NEXT = f"{int(schema.NEWEST) + 1:04}"
MIGRATION = f'''
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "{NEXT}", "{schema.NEWEST}", None, None


def upgrade() -> None:
    op.add_column("calls", sa.Column("mood", sa.Text(), nullable=True))
    op.create_table("moods", sa.Column("sid", sa.String(34), primary_key=True))
'''


def next_release(folder: Path) -> Path:
    """The program as it may be one release on, in `folder`."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "config.example.toml", folder)
    versions = folder / "storage" / "migrations" / "versions"
    (versions / f"m{NEXT}_moods.py").write_text(MIGRATION, encoding="utf-8")
    _change(folder / "storage" / "schema.py", f'NEWEST = "{schema.NEWEST}"', f'NEWEST = "{NEXT}"')
    step = "    step: Step = Step.ARRIVAL\n"
    _change(folder / "ivr" / "vocabulary.py", step, step + '    mood: str = "calm"\n')
    return folder


def _change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    file.write_text(text.replace(old, new), encoding="utf-8")


Start = Callable[[Path], tuple[str, Path]]


@pytest.fixture
def start(house: House) -> Iterator[Start]:  # noqa: F811
    """`start(tree)`: the address of a running webhook door of the release in `tree`, and its log."""
    folder = house.configuration.folder
    text = (folder / "config.toml").read_text(encoding="utf-8")
    running: list[subprocess.Popen[bytes]] = []

    def run(tree: Path) -> tuple[str, Path]:
        port = free_port()
        config = folder / f"{port}.toml"
        config.write_text(text.replace("127.0.0.1:8080", f"127.0.0.1:{port}"), encoding="utf-8")
        log = folder / f"{port}.log"
        with log.open("wb") as printed:
            command = [*patient(), "--config", str(config), "serve", "--only", "webhooks"]
            process = subprocess.Popen(command, stdout=printed, stderr=printed, env=seeing(tree), cwd=tree)
        running.append(process)
        until_ready(port, log, process)
        return f"http://127.0.0.1:{port}", log

    yield run
    for process in running:
        process.terminate()
    for process in running:
        process.wait(60)


def until_ready(port: int, log: Path, process: subprocess.Popen[bytes] | None = None) -> None:
    limit = time.monotonic() + STARTS_WITHIN
    while not ready(port):
        assert process is None or process.poll() is None, log.read_text()
        assert time.monotonic() < limit, log.read_text()
        time.sleep(0.05)


def seeing(tree: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}


class Alternating:
    """Delivers each request to the next of its doors."""

    def __init__(self, *listeners: str) -> None:
        self.doors = [HttpDoor(PUBLIC_URL, listener) for listener in listeners]
        self.turns: Counter[int] = Counter()

    def post(self, url: str, form: list[tuple[str, str]], headers: dict[str, str]) -> Reply:
        which = self.turns.total() % len(self.doors)
        self.turns[which] += 1
        answer = self.doors[which].post(url, form, headers)
        assert answer.status in (200, 204), url
        return answer


def test_calls_go_on_while_the_next_release_comes(house: House, start: Start, tmp_path: Path) -> None:  # noqa: F811
    this, this_log = start(ROOT)
    new = registry.draw(pin_index(house.configuration), 8)
    with house.database.write() as connection:
        registry.issue(connection, "test", datetime.now(UTC), "ACME", new)
    doors = Alternating(this)
    exchange = Exchange(
        doors,
        public_url=PUBLIC_URL,
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        clock=VirtualClock(datetime.now(UTC)),
        owned=house.configuration.our_numbers,
    )
    begun = exchange.ring("+393471112201", LINE)
    begun.press(new.pin, label="PIN of acme")

    # By the next release's own command, while he listens.
    tree = next_release(tmp_path / "next")
    migrate = [*patient(), "--config", str(house.configuration.folder / "config.toml"), "migrate"]
    subprocess.run(migrate, check=True, capture_output=True, env=seeing(tree), cwd=tree)
    # What it wrote before is a backup that this release would restore.
    (before,) = (house.configuration.folder / "state" / "backups").iterdir()
    assert reading.examine(before, keys(house.configuration)).revision == schema.NEWEST
    with house.database.read() as connection:
        assert schema.revision(connection) == NEXT
    until_ready(int(this.rpartition(":")[2]), this_log)
    following, following_log = start(tree)
    doors.doors.append(HttpDoor(PUBLIC_URL, following))

    for call in (begun, None, None):
        if call is None:  # one begins at either
            call = exchange.ring("+393471112201", LINE)
            call.press(new.pin, label="PIN of acme")
            assert call.state == "gathering", this_log.read_text() + following_log.read_text()
            call.press("1")
            call.press("2")  # not about the case of the call before
        else:
            call.press("1")
        call.wait()
        assert call.ringing, this_log.read_text() + following_log.read_text()
        call.ringing[0].busy()
        call.wait()
        call.ringing[0].answer()
        assert call.leg is not None
        call.leg.press("1")
        call.leg.talk(60)
        call.wait()
        assert call.state == "ended"
        doors.turns[0] += 1  # the next call begins at the other

    assert min(doors.turns.values()) > 15
    with house.database.read() as connection:
        outcomes = connection.execute(select(calls.c.outcome)).scalars().all()
        results = Counter(connection.execute(select(attempts.c.result)).scalars())
        answered = connection.execute(select(turns.c.sid, turns.c.turn)).all()
        kept = connection.execute(select(calls.c.state)).scalars().all()
    assert outcomes == ["connected"] * 3
    assert results == {"connected": 3, "busy": 3}
    assert len(set(answered)) == len(answered)
    # As whoever wrote last left it: both releases were at it.
    assert {"mood" in each for each in kept} == {True, False}
    for log in (this_log, following_log):
        assert "ERROR" not in log.read_text()
        assert "Traceback" not in log.read_text()

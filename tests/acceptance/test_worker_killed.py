"""The real worker, killed around its requests to the network: every notice arrives, and none twice.

Twilio takes no idempotency key, so a message whose request was under way when the worker died is looked for
before it is sent again. What no sender can avoid is a network that cannot say what it has sent.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from making import ACTOR, RINGING, ROTA, a_case, a_sid, rome
from sqlalchemy import select

from acceptance.installation import Installation, command
from acceptance.rest_server import Moment, Network, serving
from oncall.notices import notices
from oncall.rota import roster, rota_file
from oncall.tables import notices as notice_rows
from storage.engine import open_database

NIGHT = rome("2026-03-10 22:00")
CASES = 3
PEOPLE = ("anna", "bruno", "dario")
PATIENCE = 300.0


class Worker:
    """`ivr serve --only work`, started again whenever it is killed."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._process: subprocess.Popen[bytes] | None = None
        self.deaths = 0

    def start(self) -> None:
        with self._installation.printed.open("ab") as printed:
            self._process = subprocess.Popen(
                [*command(), "serve", "--only", "work"],
                cwd=self._installation.folder,
                env=self._installation.environment,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            self.deaths += 1
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None


@contextmanager
def prepared(installed: Callable[..., Installation]) -> Iterator[tuple[Installation, Network]]:
    """An installation with three technicians who are to be told of three cases each."""
    installation = installed("killed", shifted=True)
    assert installation.clock is not None
    installation.clock.set(NIGHT)
    installation.ivr("init")
    installation.configure()
    network = Network(installation.clock.now)
    with serving(network) as port:
        file = installation.folder / "config.toml"
        text = re.sub(r"(?m)^api_base = .*$", f'api_base = "http://127.0.0.1:{port}"', file.read_text())
        # Nobody else is told of anything, so that all there is to count is counted.
        file.write_text(re.sub(r"(?m)^shifts = true$", "shifts = false", text))
        _tell(installation.folder)
        yield installation, network


def _tell(folder: Path) -> None:
    database = open_database("sqlite:///ivr.db", folder=folder)
    with database.write() as connection:
        roster.apply(connection, ACTOR, NIGHT, RINGING, rota_file.read(ROTA))
        for number in range(CASES):
            opened = a_case(connection, NIGHT, sid=a_sid(number + 1))
            for person in PEOPLE:
                facts = {"customer": "Acme", "code": opened.code, "urgency": "P1+", "case": opened.number}
                about = f"case:{opened.number}"
                to = f"technician:{person}"
                assert notices.tell(connection, NIGHT, "nobody-answered", to, about, facts, loud=True)
    database.close()


def unsettled(folder: Path) -> int:
    database = open_database("sqlite:///ivr.db", folder=folder)
    try:
        with database.read() as connection:
            # As time goes by there are reminders too, and they go on for an hour.
            ours = select(notice_rows.c.id).where(notice_rows.c.kind == "nobody-answered")
            return len(connection.execute(ours.where(notice_rows.c.settled_at.is_(None))).all())
    finally:
        database.close()


def test_every_notice_arrives_once_however_often_the_worker_is_killed(
    installed: Callable[..., Installation],
) -> None:
    # Twice in between, for that is where a message may be doubled.
    moments: tuple[Moment, ...] = ("before", "after", "answered", "after")
    with prepared(installed) as (installation, network):
        assert installation.clock is not None
        worker = Worker(installation)
        network.died = worker.kill
        network.kill_at = {1 + 2 * place: moment for place, moment in enumerate(moments)}
        ends = time.monotonic() + PATIENCE
        try:
            while unsettled(installation.folder) and time.monotonic() < ends:
                if not worker.alive:
                    # What the dead one had claimed is left to its lease.
                    installation.clock.set(installation.clock.now() + timedelta(minutes=3))
                    worker.start()
                network.something.wait(0.5)
                network.something.clear()
                if not network.kill_at:
                    # Receipts never come by themselves here: the worker asks for them after a while.
                    installation.clock.set(installation.clock.now() + timedelta(seconds=70))
        finally:
            worker.kill()
        assert unsettled(installation.folder) == 0, installation.printed.read_text()[-3000:]
        assert worker.deaths == len(moments) + 1
        texts = [(each["to"], each["body"]) for each in network.sent if each["kind"] == "Messages"]
        nobody = [each for each in texts if "Nessuno ha risposto" in each[1]]
        assert len(set(nobody)) == CASES * len(PEOPLE)
        assert len(nobody) == len(set(nobody)), "somebody was told twice"

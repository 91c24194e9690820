"""Long work: an import, letters for hundreds. It is a row, and goes on when the page that asked is closed.

A thread of the console's process does one piece after the other; the worker is kept free for cases. A piece
whose process died is begun anew by the next one, so whoever does it must find out what was done before.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from console.access.users import User
from console.house import Clock, House
from console.outside import follow
from console.tables import console_jobs

log = logging.getLogger("ivr.jobs")

# A runner that has not been heard of for so long has died.
SILENCE = timedelta(seconds=60)
LOOKS_EVERY = 1.0
# Where each kind is done: console/web/pages/MODULE.py has a function JOBS[kind].
KINDS: dict[str, str] = {}


@dataclass(frozen=True)
class Job:
    """One piece of work. `result` is what its page shows when it has ended."""

    id: int
    kind: str
    user_id: int
    actor: str
    asked_at: datetime
    input: Mapping[str, Any]
    state: str
    done: int
    total: int
    result: Mapping[str, Any] | None
    ended_at: datetime | None

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed")


class Progress:
    """How far the work has come; told to the database at most once a second."""

    def __init__(self, house: House, clock: Clock, job: Job, runner: str) -> None:
        self._house, self._clock, self._job, self._runner = house, clock, job, runner
        self._told: datetime | None = None

    def __call__(self, done: int, total: int) -> None:
        at = self._clock()
        if self._told is not None and at - self._told < timedelta(seconds=1) and done < total:
            return
        self._told = at
        with self._house.database.write() as connection:
            kept = connection.execute(
                update(console_jobs)
                .where(console_jobs.c.id == self._job.id, console_jobs.c.runner == self._runner)
                .values(done=done, total=total, heard_at=at)
            ).rowcount
        if not kept:
            raise Overtaken


class Overtaken(Exception):
    """Another runner took the work, thinking this one dead."""


# What does a kind of work: returns the result, or raises; `progress` is to be told now and then.
Does = Callable[[House, datetime, Job, Progress], Mapping[str, Any]]


class JobFailed(Exception):
    """It could not be done, and nothing is half done. `result` says why, for its page."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        super().__init__("failed")
        self.result = result


def ask(connection: Connection, at: datetime, user: User, kind: str, wanted: Mapping[str, Any]) -> int:
    """Write down a piece of work; returns its id. Never give it a PIN."""
    if kind not in KINDS:
        raise KeyError(kind)
    made = connection.execute(
        insert(console_jobs).values(
            kind=kind, user_id=user.id, actor=user.actor, asked_at=at, input=dict(wanted), state="waiting"
        )
    ).inserted_primary_key
    assert made is not None
    return int(made[0])


def find(connection: Connection, job_id: int) -> Job | None:
    row = connection.execute(select(console_jobs).where(console_jobs.c.id == job_id)).first()
    return _job(row) if row else None


def recent(connection: Connection, user: User, limit: int = 20) -> list[Job]:
    """The user's latest, newest first."""
    rows = connection.execute(
        select(console_jobs)
        .where(console_jobs.c.user_id == user.id)
        .order_by(console_jobs.c.id.desc())
        .limit(limit)
    )
    return [_job(row) for row in rows]


def run_next(house: House, clock: Clock) -> bool:
    """Do the oldest piece that waits, or whose runner has died. False if there is none."""
    at, runner = clock(), secrets.token_hex(8)
    free = or_(
        console_jobs.c.state == "waiting",
        (console_jobs.c.state == "running") & (console_jobs.c.heard_at < at - SILENCE),
    )
    oldest = select(console_jobs.c.id).where(free).order_by(console_jobs.c.id).limit(1)
    with house.database.read() as connection:
        if connection.execute(oldest).first() is None:
            return False
    with house.database.write() as connection:
        row = connection.execute(oldest.with_for_update(skip_locked=True)).first()
        if row is None:
            return False
        connection.execute(
            update(console_jobs)
            .where(console_jobs.c.id == row.id)
            .values(state="running", runner=runner, heard_at=at)
        )
        job = find(connection, row.id)
    assert job is not None
    state, result = "done", {}
    try:
        does: Does = import_module(f"console.web.pages.{KINDS[job.kind]}").JOBS[job.kind]
        result = dict(does(house, at, job, Progress(house, clock, job, runner)))
    except Overtaken:
        return True
    except JobFailed as failed:
        state, result = "failed", dict(failed.result)
    except Exception:
        log.exception("%s %s failed", job.kind, job.id)
        state, result = "failed", {"why": "fault"}
    with house.database.write() as connection:
        connection.execute(
            update(console_jobs)
            .where(console_jobs.c.id == job.id, console_jobs.c.runner == runner)
            .values(state=state, result=result, ended_at=clock(), runner=None)
        )
    follow(house, at)
    return True


class Runner:
    """The thread that does it. It ends with its process."""

    def __init__(self, house: House, clock: Clock) -> None:
        self._house, self._clock = house, clock
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="long-work", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the piece under way."""
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                more = run_next(self._house, self._clock)
            except Exception:
                log.exception("long work could not be looked for")
                more = False
            if not more:
                self._ends.wait(LOOKS_EVERY)


def _job(row: Row[Any]) -> Job:
    return Job(
        row.id,
        row.kind,
        row.user_id,
        row.actor,
        row.asked_at,
        row.input,
        row.state,
        row.done,
        row.total,
        row.result,
        row.ended_at,
    )

"""Long work: an import, letters for hundreds. It is a row, and goes on when the page that asked is closed.

A thread of the console's process does one piece after the other; the worker is kept free for cases. A piece
whose process died is begun anew by the next one, so whoever does it must find out what was done before, or
write its end in the transaction that has its effect (`Progress.finish`).

To add a kind of work: name its page's module in KINDS, and give that module a dict JOBS with what does it.
`work.kind-KIND` is what it is called, `work.why-REASON` why it failed. A kind in SHOWN has a page of its own
for its end, an endpoint that takes `job_id`; the others end on the page of the work.
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

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from console.access import sessions
from console.access.users import User
from console.api import once
from console.house import Clock, House
from console.outside import follow
from console.tables import console_forms, console_jobs
from console.web import work_files

log = logging.getLogger("ivr.jobs")

# A runner that has not been heard of for so long has died.
SILENCE = timedelta(seconds=60)
# Work that has been begun so often, and never come to an end, is given up.
MOST_TRIES = 5
LOOKS_EVERY = 1.0
SWEEPS_EVERY = timedelta(hours=1)
# Rows of work that has ended, and of forms that were sent, are kept for so long.
KEPT, FORMS_KEPT = timedelta(days=30), timedelta(days=1)
# Its files go before, so long after it was asked for. Letters wait over a long week-end for whoever prints.
FILES_KEPT, FILES_KEPT_OF = timedelta(days=1), {"letters": timedelta(days=5)}
# Where each kind is done: console/web/pages/MODULE.py, or a folder, has a function JOBS[kind].
KINDS: dict[str, str] = {
    "audit-verify": "audit",
    "customer-check": "customers",
    "customer-import": "customers",
    "letters": "pins",
}
# Which page shows how it ended.
SHOWN: dict[str, str] = {
    "audit-verify": "audit.verified",
    "customer-check": "customers.preview",
    "customer-import": "customers.imported",
    "letters": "pins.run",
}
# Of these even what failed may have left something to be shown there.
SHOWN_IF_FAILED = ("letters",)


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

    @property
    def files_until(self) -> datetime:
        """Until when its files are kept."""
        return self.asked_at + FILES_KEPT_OF.get(self.kind, FILES_KEPT)


class Progress:
    """How far the work has come; told to the database at most once a second."""

    def __init__(self, house: House, clock: Clock, job: Job, runner: str) -> None:
        self._house, self._clock, self._job, self._runner = house, clock, job, runner
        self._told: datetime | None = None

    def __call__(self, done: int, total: int) -> None:
        """Raises Overtaken."""
        at = self._clock()
        if self._told is not None and at - self._told < timedelta(seconds=1) and done < total:
            return
        self._told = at
        with self._house.database.write() as connection:
            self._write(connection, done=done, total=total, heard_at=at)

    def finish(self, connection: Connection, result: Mapping[str, Any]) -> None:
        """The work is done, in this very transaction: it has its effect once, whoever dies when. Raises
        Overtaken if another runner is at it.
        """
        self._write(connection, state="done", result=dict(result), ended_at=self._clock(), runner=None)

    def _write(self, connection: Connection, **values: Any) -> None:
        kept = connection.execute(
            update(console_jobs)
            .where(console_jobs.c.id == self._job.id, console_jobs.c.runner == self._runner)
            .values(**values)
        ).rowcount
        if not kept:
            raise Overtaken


class Overtaken(Exception):
    """Another runner took the work, thinking this one dead."""


class Later(Exception):
    """It cannot be done just now: somebody who was thought dead is still at it. It is tried again."""


# What does a kind of work: returns the result, or raises; `progress` is to be told now and then.
Does = Callable[[House, datetime, Job, Progress], Mapping[str, Any]]


class JobFailed(Exception):
    """It could not be done, and nothing is half done. `result` says why, for its page."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        super().__init__("failed")
        self.result = result


def ask(
    connection: Connection, at: datetime, user: User, kind: str, wanted: Mapping[str, Any], place: str = ""
) -> int:
    """Write down a piece of work; returns its id. Never give it a PIN. `place` is where the files it needs
    are (`work_files.place`).
    """
    if kind not in KINDS:
        raise KeyError(kind)
    made = connection.execute(
        insert(console_jobs).values(
            kind=kind,
            user_id=user.id,
            actor=user.actor,
            asked_at=at,
            input=dict(wanted),
            place=place,
            state="waiting",
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


def of_kind(connection: Connection, kind: str, limit: int = 20) -> list[Job]:
    """The latest of this kind, whoever asked, newest first."""
    rows = connection.execute(
        select(console_jobs)
        .where(console_jobs.c.kind == kind)
        .order_by(console_jobs.c.id.desc())
        .limit(limit)
    )
    return [_job(row) for row in rows]


def keep(connection: Connection, job: Job, **values: Any) -> None:
    """Put other values into what it was asked to do: what is forgotten once it has served."""
    connection.execute(
        update(console_jobs).where(console_jobs.c.id == job.id).values(input={**job.input, **values})
    )


# -- doing it ------------------------------------------------------------------------------------


def run_next(house: House, clock: Clock) -> bool:
    """Do the oldest piece that waits, or whose runner has died. False if there is none."""
    at, runner = clock(), secrets.token_hex(8)
    free = or_(
        console_jobs.c.state == "waiting",
        (console_jobs.c.state == "running") & (console_jobs.c.heard_at < at - SILENCE),
    )
    here = console_jobs.c.place.in_(["", work_files.place(house)])
    oldest = select(console_jobs).where(free, here).order_by(console_jobs.c.id).limit(1)
    with house.database.read() as connection:
        if connection.execute(oldest).first() is None:
            return False
    with house.database.write() as connection:
        row = connection.execute(oldest.with_for_update(skip_locked=True)).first()
        if row is None:
            return False
        mine = update(console_jobs).where(console_jobs.c.id == row.id)
        if row.tries >= MOST_TRIES:
            log.error("%s %s was begun %s times and is given up", row.kind, row.id, row.tries)
            gone = {"state": "failed", "result": {"why": "died"}, "ended_at": at, "runner": None}
            connection.execute(mine.values(**gone))
            return True
        connection.execute(mine.values(state="running", runner=runner, heard_at=at, tries=row.tries + 1))
        job = find(connection, row.id)
    assert job is not None
    state, result = "done", {}
    try:
        does: Does = import_module(f"console.web.pages.{KINDS[job.kind]}").JOBS[job.kind]
        result = dict(does(house, at, job, Progress(house, clock, job, runner)))
    except (Overtaken, Later):
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


def sweep(house: House, at: datetime) -> None:
    """Remove what has had its time: files of work, work that ended, forms that were sent, sessions,
    answers to other programs.
    """
    with house.database.read() as connection:
        here = console_jobs.c.place == work_files.place(house)
        held = [_job(row) for row in connection.execute(select(console_jobs).where(here))]
    over = [job for job in held if job.files_until < at]
    with house.database.write() as connection:
        for job in over:
            if job.input.get("key"):
                keep(connection, job, key="")
        ended = console_jobs.c.state.in_(("done", "failed")) & (console_jobs.c.ended_at < at - KEPT)
        connection.execute(delete(console_jobs).where(ended))
        connection.execute(delete(console_forms).where(console_forms.c.used_at < at - FORMS_KEPT))
        sessions.forget(connection, at)
        once.forget(connection, at)
    for job in over:
        if folder := job.input.get("folder"):
            work_files.remove(house, folder)
    work_files.sweep(house, {str(job.input.get("folder", "")) for job in held}, at)


class Runner:
    """The thread that does it. It ends with its process."""

    def __init__(self, house: House, clock: Clock) -> None:
        self._house, self._clock = house, clock
        self._ends = threading.Event()
        self._swept: datetime | None = None
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
                at = self._clock()
                if self._swept is None or at - self._swept >= SWEEPS_EVERY:
                    self._swept = at
                    sweep(self._house, at)
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

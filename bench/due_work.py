"""How late work is done while 100,000 rows of it wait, by two workers, and whether each is done once.

    bench/due_work.py --work FOLDER URL

is such a worker: a process of its own that ticks as `ivr serve --only work` does. The rows come due evenly
within an hour, of which a minute is played. Each piece says to a file, beside the database, when it was done:
as a telephone call it could not be taken back. Workers begin when all of them can: their clocks are put to
the beginning of that hour then.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "tests")]
from making import configuration, fresh_database, opened_at  # noqa: E402 - the paths come first
from results import Result, draw, in_turns  # noqa: E402
from sqlalchemy import func, insert, select  # noqa: E402
from sqlalchemy.exc import SQLAlchemyError  # noqa: E402

from console.house import House  # noqa: E402
from console.processes.worker import CLAIMED_AT_ONCE, TICK_SECONDS, drain, tick  # noqa: E402
from storage import due  # noqa: E402
from storage.due import Work  # noqa: E402
from storage.engine import Database  # noqa: E402
from storage.tables import due_work  # noqa: E402

PENDING = 100_000
WORKERS = 2
WITHIN = timedelta(hours=1)
SECONDS, FEW_SECONDS = 60, 15
BEGIN = datetime(2026, 1, 7, 20, 0, tzinfo=UTC)
KIND = "bench"
TOGETHER = 10_000
ROWS = (
    "due work, 100,000 rows pending, two workers: lateness, p99",
    "due work done twice or not at all",
    "a tick of the worker, 100,000 rows pending (CPU)",
)


def measure(quick: bool) -> list[Result]:
    seconds = FEW_SECONDS if quick else SECONDS
    with tempfile.TemporaryDirectory(prefix="ivr-bench-") as name:
        folder = Path(name)
        configuration(folder)
        with fresh_database(folder) as database:
            fill(database, PENDING)
            _work(folder, f"sqlite:///{folder / 'ivr.db'}", seconds)
            late, wrong = _seen(folder, database)
    worst = late[int(0.99 * len(late))]
    print(f"        {len(late):,} done; late by {late[len(late) // 2]:.2f} s, p99 {worst:.2f} s")
    return [
        Result(ROWS[0], worst / (2 * TICK_SECONDS), 1, f"two ticks, {2 * TICK_SECONDS} s"),
        Result(ROWS[1], wrong, 0, f"{len(late):,} done, the rest still pending"),
        _growth(10 if quick else 40),
    ]


def fill(database: Database, many: int) -> None:
    """`many` pieces that come due one after the other within the hour."""
    step = WITHIN / many
    for first in range(0, many, TOGETHER):
        rows = [
            {
                "kind": KIND,
                "key": str(number),
                "payload": {},
                "due_at": BEGIN + number * step,
                "created_at": BEGIN,
                "tries": 0,
                "state": due.PENDING,
            }
            for number in range(first, min(first + TOGETHER, many))
        ]
        with database.write() as connection:
            connection.execute(insert(due_work), rows)


def _work(folder: Path, url: str, seconds: int) -> None:
    """Have the workers work for so long."""
    command = [sys.executable, __file__, "--work", str(folder), url]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(WORKERS)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    ahead = BEGIN.timestamp() - time.time()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(f"{ahead} {seconds}\n")
        worker.stdin.flush()
    for worker in workers:
        assert worker.wait(seconds + 300) == 0
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.close()
        worker.stdout.close()


def _seen(folder: Path, database: Database) -> tuple[list[float], int]:
    """By how many seconds each was late, in order; and how many were done twice, too early or not at all."""
    done: Counter[int] = Counter()
    late: list[float] = []
    step = WITHIN / PENDING
    for file in folder.glob("done-*"):
        for line in file.read_text(encoding="ascii").splitlines():
            key, at = line.split()
            done[int(key)] += 1
            late.append(float(at) - (BEGIN + int(key) * step).timestamp())
    # What came due latest may wait for the next tick; what lies before it may not.
    passed = range(max(done) + 1)
    lost = sum(number not in done for number in passed)
    twice = sum(times - 1 for times in done.values())
    early = sum(each < 0 for each in late)
    with database.read() as connection:
        waits = select(func.count()).where(due_work.c.state == due.PENDING)
        pending: int = connection.execute(waits).scalar_one()
    return sorted(late), lost + twice + early + abs(PENDING - len(done) - pending)


def _be_a_worker(folder: Path, url: str) -> None:
    """Tick for as long as is said, and once more; by a clock so many seconds ahead of the system's."""
    logging.disable(logging.CRITICAL)
    with opened_at(url) as database, (folder / f"done-{os.getpid()}").open("a", encoding="ascii") as notes:
        house = House(configuration(folder), database)
        with database.read() as connection:  # the first look makes what is made once
            due.waiting(connection, BEGIN - WITHIN, [KIND])
        print("ready", flush=True)
        ahead, seconds = map(float, sys.stdin.readline().split())

        def clock() -> datetime:
            return datetime.fromtimestamp(time.time() + ahead, UTC)

        def do(house: House, work: Work, at: datetime) -> None:
            notes.write(f"{work.key} {clock().timestamp()}\n")

        def once() -> int:
            try:
                return tick(house, clock(), {KIND: do}, CLAIMED_AT_ONCE)
            except SQLAlchemyError:
                return 0  # as the worker: the next tick tries again

        over = False
        ends = time.monotonic() + seconds
        while not over:
            over = time.monotonic() > ends
            began = time.monotonic()
            drain(once, CLAIMED_AT_ONCE)
            time.sleep(max(0, TICK_SECONDS - (time.monotonic() - began)))


def _growth(runs: int) -> Result:
    """What a tick costs in which ten pieces are done, by how many others are pending."""
    sizes = (1_000, 10_000, PENDING)
    with tempfile.TemporaryDirectory(prefix="ivr-bench-") as name, ExitStack() as stack:
        houses: dict[str, House] = {}
        for size in sizes:
            folder = Path(name) / str(size)
            folder.mkdir()
            database = stack.enter_context(fresh_database(folder))
            fill(database, size)
            houses[str(size)] = House(configuration(folder), database)
        done = dict.fromkeys(houses, 0)

        def one(size: str) -> None:
            done[size] += 10
            at = BEGIN + (done[size] - 0.5) * (WITHIN / int(size))
            assert tick(houses[size], at, {KIND: lambda house, work, at: None}) == 10

        spent = in_turns({size: (lambda size=size: one(size)) for size in houses}, runs)  # type: ignore[misc]
        costs = {int(size): cost.cpu for size, cost in spent.items()}
    draw("a tick of the worker", "rows pending", costs)
    return Result(ROWS[2], costs[PENDING] / costs[sizes[0]], 1.1, f"{sizes[0]:,} pending")


if __name__ == "__main__":
    if sys.argv[1] == "--work":
        _be_a_worker(Path(sys.argv[2]), sys.argv[3])

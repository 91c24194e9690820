"""What the console's pages cost after years of work, against a house with next to nothing in it.

200,000 calls over three years and 5,000 customers, 20 technicians; the other house has the cast alone. Every
page that can be looked at is asked for in turns in both, as an admin; its figure is the ratio of the medians
of processor time: page, queries and SQLite's own work are all done in one thread. The page that grows most
is told.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from results import Result, Spent, spent

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "pages")]
from crowd import Crowd, fill  # noqa: E402 - it stands beside the tests
from examples import pages_of  # noqa: E402
from making import NIGHT, configuration, fresh_database  # noqa: E402
from visitors import Clock, Console, Visitor, console_in  # noqa: E402

from console.access.roles import May  # noqa: E402
from console.house import House  # noqa: E402
from console.web.area import right_of  # noqa: E402

ROUNDS, FEW_ROUNDS = 15, 5
CALLS, FEW_CALLS = 200_000, 20_000
CUSTOMERS = 5_000
GOAL = 3.0
ROWS = ("the page of the console that grows most with years of work (CPU)",)


def measure(quick: bool) -> list[Result]:
    calls, rounds = (FEW_CALLS, FEW_ROUNDS) if quick else (CALLS, ROUNDS)
    with ExitStack() as stack:
        small, large = (_console(stack, crowd) for crowd in (None, Crowd(customers=CUSTOMERS, calls=calls)))
        found = sorted(_compared(small, large, rounds), reverse=True)
    for ratio, name in found:
        print(f"        {ratio:.2f} {name}")
    worst, name = found[0]
    against = f"the same page ({name}) of a nearly empty house; here {calls:,} calls, {CUSTOMERS:,} customers"
    return [Result(ROWS[0], worst, GOAL, against)]


def _console(stack: ExitStack, crowd: Crowd | None) -> Console:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ivr-bench-")))
    database = stack.enter_context(fresh_database(folder))
    made = console_in(folder, House(configuration(folder), database), Clock())
    if crowd is not None:
        fill(made.house, NIGHT, crowd)
    return made


def _compared(small: Console, large: Console, rounds: int) -> list[tuple[float, str]]:
    """Each page's cost in the large house, the small one's being 1, and its name."""
    few, many = pages_of(small), pages_of(large)
    paths = {name: (few[name], many[name]) for name in few}
    visitors = {role: (small.visitor(role), large.visitor(role)) for role in ("admin", "technician")}
    taken: dict[str, tuple[list[Spent], list[Spent]]] = {name: ([], []) for name in paths}
    for round_ in range(rounds + 1):
        for name, both in paths.items():
            who = visitors["technician" if right_of(name) is May.DUTY else "admin"]
            for visitor, path, runs in zip(who, both, taken[name], strict=True):
                run = spent(_asking(visitor, path, name))
                if round_:  # the first is not counted: templates are read, plans are made
                    runs.append(run)
    return [(_cpu(long) / _cpu(short), name) for name, (short, long) in taken.items()]


def _asking(visitor: Visitor, path: str, name: str) -> Callable[[], None]:
    def ask() -> None:
        answer = visitor.get(path)
        assert answer.status_code in (200, 303), (name, path, answer.status_code)

    return ask


def _cpu(runs: list[Spent]) -> float:
    return median(run.cpu for run in runs)

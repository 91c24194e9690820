"""What the console's pages cost after years of work, against a house with next to nothing in it.

    bench/console_pages.py [CALLS [CUSTOMERS]]

CALLS (default 200,000) over three years and CUSTOMERS (default 5,000), 20 technicians; the other house has
the cast alone. Every page that can be looked at is asked for in turns in both, as an admin; its figure is
the ratio of the medians of processor time: page, queries and SQLite's own work are all done in one thread.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from results import Result, Spent, spent, tell

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "pages")]
from crowd import Crowd, fill  # noqa: E402 - it stands beside the tests
from examples import pages_of  # noqa: E402
from making import NIGHT, configuration, fresh_database  # noqa: E402
from visitors import Clock, Console, Visitor, console_in  # noqa: E402

from console.access.roles import May  # noqa: E402
from console.house import House  # noqa: E402
from console.web.area import right_of  # noqa: E402

ROUNDS = 15
GOAL = 3.0


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    customers = int(sys.argv[2]) if len(sys.argv) > 2 else 5_000
    with ExitStack() as stack:
        small, large = (_console(stack, crowd) for crowd in (None, Crowd(customers=customers, calls=calls)))
        results = list(_compared(small, large, f"{calls:,} calls and {customers:,} customers"))
    tell(results)


def _console(stack: ExitStack, crowd: Crowd | None) -> Console:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ivr-bench-")))
    database = stack.enter_context(fresh_database(folder))
    made = console_in(folder, House(configuration(folder), database), Clock())
    if crowd is not None:
        fill(made.house, NIGHT, crowd)
    return made


def _compared(small: Console, large: Console, what: str) -> list[Result]:
    few, many = pages_of(small), pages_of(large)
    paths = {name: (few[name], many[name]) for name in few}
    visitors = {role: (small.visitor(role), large.visitor(role)) for role in ("admin", "technician")}
    taken: dict[str, tuple[list[Spent], list[Spent]]] = {name: ([], []) for name in paths}
    for round_ in range(ROUNDS + 1):
        for name, both in paths.items():
            who = visitors["technician" if right_of(name) is May.DUTY else "admin"]
            for visitor, path, runs in zip(who, both, taken[name], strict=True):
                run = spent(_asking(visitor, path, name))
                if round_:  # the first is not counted: templates are read, plans are made
                    runs.append(run)
    results = []
    for name, (short, long) in taken.items():
        ratio = _cpu(long) / _cpu(short)
        results.append(
            Result(f"page {name} with {what}", ratio, GOAL, "the same page of a nearly empty house")
        )
    return sorted(results, key=lambda each: -each.ratio)


def _asking(visitor: Visitor, path: str, name: str) -> Callable[[], None]:
    def ask() -> None:
        answer = visitor.get(path)
        assert answer.status_code in (200, 303), (name, path, answer.status_code)

    return ask


def _cpu(runs: list[Spent]) -> float:
    return median(run.cpu for run in runs)


if __name__ == "__main__":
    main()

"""What a whole call costs the process that serves it, against the least that any webhook costs.

    bench/call.py [quick]

A call: arrival, a wrong PIN, the right one, the urgency, the first technician does not answer, the second
accepts, the end; with journal, throttle and log, and a hash that costs next to nothing. Each server is a
process of its own under gunicorn as `ivr serve` starts it, with one worker. The floor gets the very requests
of a call again, byte for byte. What is counted is processor time of the servers' processes, read before and
after each call: calls to the one and to the others take turns, so that whatever else the machine does
meanwhile meets them all alike. A round's figure is a ratio of sums, the result the median of the rounds.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from call_crowd import crowd
from call_house import CalledHouse
from call_line import TimedLine, again, whole_call
from call_servers import Server, serving
from peers import naive_call
from results import Result, tell

import postgres  # isort: skip - it stands beside the tests

FLOOR_GOAL, POSTGRESQL_GOAL = 2.2, 1.6
# Calls of a round, and rounds. In a round fewer wrong PINs are keyed than the throttle allows in an hour.
CALLS, ROUNDS = 12, 7
QUICK_CALLS, QUICK_ROUNDS = 6, 3


def measure(quick: bool) -> list[Result]:
    """The ratios of a whole call, and of many in progress. Some minutes; less than one if `quick`."""
    calls, rounds = (QUICK_CALLS, QUICK_ROUNDS) if quick else (CALLS, ROUNDS)
    with tempfile.TemporaryDirectory(prefix="ivr-bench-") as folder, ExitStack() as stack:
        spent = _spent(_called(Path(folder), stack, calls * rounds + 2), calls, rounds)
    for name, costs in spent.items():
        print(f"        {name}: {median(costs) * 1e3:.1f} ms of the processor a call", flush=True)
    asked = "a view that checks the signature and answers one constant Gather, as many requests"
    obvious = "the same conversation over an ORM, a commit a row"
    results = [
        Result("a whole call (CPU)", _ratio(spent, "house", "floor"), FLOOR_GOAL, asked),
        Result("a whole call beside the obvious way (CPU)", _ratio(spent, "house", "naive"), 1.0, obvious),
    ]
    if "postgresql" in spent:
        there = _ratio(spent, "postgresql", "house")
        results.append(
            Result("a whole call on PostgreSQL (CPU)", there, POSTGRESQL_GOAL, "the same call on SQLite")
        )
    return [*results, crowd(quick)]


@dataclass(frozen=True)
class Called:
    """A server, how one call is placed to it, and what is done before a round."""

    server: Server
    call: Callable[[], object]
    before: Callable[[], object] = lambda: None


def _called(folder: Path, stack: ExitStack, many: int) -> dict[str, Called]:
    """Each server by its name, called once: what is made at a first call is not counted."""
    house = _house(folder / "house", many, stack)
    found = {"house": _caller("house", house, stack)}
    found["naive"] = _naive(_house(folder / "naive", many, stack), stack)
    with contextlib.suppress(postgres.Missing):
        url = stack.enter_context(_postgresql(folder))
        found["postgresql"] = _caller("house", _house(folder / "postgresql", many, stack, url), stack)
    # The requests of a call as the house led to them, for the floor.
    line = TimedLine(house.port)
    whole_call(line, house.customers(1)[0])
    plain = _house(folder / "floor", 0, stack)
    server = stack.enter_context(serving("floor", plain.file, plain.port))
    found["floor"] = Called(server, lambda: again(plain.port, line.requests))
    for name, each in found.items():
        each.call()
        assert each.server.alive, f"{name}: {each.server.log}"
    return found


def _caller(kind: str, house: CalledHouse, stack: ExitStack) -> Called:
    server = stack.enter_context(serving(kind, house.file, house.port))
    line = TimedLine(house.port)
    return Called(server, lambda: whole_call(line, house.customers(1)[0]), house.forget_wrong_pins)


def _naive(house: CalledHouse, stack: ExitStack) -> Called:
    naive_call.fill(house.folder, house.everybody)
    server = stack.enter_context(serving("naive", house.file, house.port))
    line = TimedLine(house.port)
    return Called(server, lambda: whole_call(line, house.customers(1)[0]))


def _house(folder: Path, many: int, stack: ExitStack, url: str = "sqlite:///ivr.db") -> CalledHouse:
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    house = CalledHouse(folder, port, many, url)
    stack.callback(house.close)
    return house


@contextmanager
def _postgresql(folder: Path) -> Iterator[str]:
    """A throwaway server. Raises Missing."""
    with tempfile.TemporaryDirectory(prefix="ivr-postgresql-") as own:
        server = postgres.start(Path(own))
        try:
            yield postgres.address(Path(own))
        finally:
            postgres.stop(server)


def _spent(called: dict[str, Called], calls: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of the processor a call, of each round."""
    found: dict[str, list[float]] = {name: [] for name in called}
    for _ in range(rounds):
        sums = dict.fromkeys(called, 0.0)
        for each in called.values():
            each.before()
        for _ in range(calls):
            for name, each in called.items():
                began = each.server.cpu()
                each.call()
                sums[name] += each.server.cpu() - began
        for name, total in sums.items():
            found[name].append(total / calls)
    return found


def _ratio(spent: dict[str, list[float]], name: str, against: str) -> float:
    return median(one / other for one, other in zip(spent[name], spent[against], strict=True))


if __name__ == "__main__":
    tell(measure("quick" in sys.argv[1:]))

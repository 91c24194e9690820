"""How long a turn takes while two hundred calls are in progress, against the same turns of one call alone.

First the most that the service does is measured: callers without pauses, as many as keep it busy. Then two
hundred callers, each pausing between his turns, so that together they ask for half of that. Seconds by the
clock on the wall, as the network would see them, so the callers come from processes of their own.
"""

from __future__ import annotations

import json
import math
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from call_house import CalledHouse, Customer
from call_line import CallError, TimedLine, whole_call
from call_servers import serving
from results import Result

GOAL = 5.0
CALLERS, QUICK_CALLERS = 200, 50
# Callers without pauses that keep one worker busy, and for how long; how long the crowd calls.
EAGER, SECONDS, QUICK_SECONDS = 6, 15.0, 6.0
# One call alone, so often one after the other.
ALONE = 30


def crowd(quick: bool) -> Result:
    """The ratio of the 99th percentiles."""
    callers, seconds = (QUICK_CALLERS, QUICK_SECONDS) if quick else (CALLERS, SECONDS)
    many = ALONE + 2 + int(seconds * 120)
    with tempfile.TemporaryDirectory(prefix="ivr-bench-") as folder:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port: int = taken.getsockname()[1]
        house = CalledHouse(Path(folder), port, many)
        with serving("house", house.file, port):
            callers_of(port, house.customers(2), 1, 0, 60)
            alone = callers_of(port, house.customers(ALONE), 1, 0, 60)
            eager = callers_of(port, house.customers(many // 2), EAGER, 0, seconds)
            most = len(eager) / seconds
            # Each asks once in so many seconds; the first ring is spread over as long.
            pace = callers / (most / 2)
            crowded = callers_of(port, house.customers(many - many // 2 - ALONE - 2), callers, pace, seconds)
        house.close()
    short, long = p99(alone), p99(crowded)
    print(
        f"        at most {most:.0f} turns a second; p99 alone {short * 1e3:.0f} ms, of {callers} calls "
        f"with {len(crowded) / seconds:.0f} turns a second {long * 1e3:.0f} ms",
        flush=True,
    )
    return Result(
        f"p99 of a turn, {callers} calls in progress", long / short, GOAL, "p99 of a turn of one call alone"
    )


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[max(0, math.ceil(0.99 * len(seconds)) - 1)]


def callers_of(port: int, customers: list[Customer], at_once: int, pace: float, limit: float) -> list[float]:
    """Seconds of each turn, of so many callers in a process of its own."""
    asked = {"port": port, "customers": [asdict(each) for each in customers]}
    asked |= {"at_once": at_once, "pace": pace, "limit": limit}
    done = subprocess.run(
        [sys.executable, __file__], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    found: list[float] = json.loads(done.stdout)
    return found


def _call(asked: dict[str, object]) -> list[float]:
    """Be the callers, one customer after the other, until nobody is left or the time is up."""
    waiting = iter([Customer(**each) for each in asked["customers"]])  # type: ignore[attr-defined]
    taking, over = threading.Lock(), time.monotonic() + float(asked["limit"])  # type: ignore[arg-type]
    pace = float(asked["pace"])  # type: ignore[arg-type]

    def caller(number: int) -> list[float]:
        source, line = random.Random(number), TimedLine(int(asked["port"]))  # type: ignore[call-overload]
        line.before_request = lambda: _pause(source, pace, over)
        _pause(source, pace, over)
        while time.monotonic() < over:
            with taking:
                customer = next(waiting, None)
            if customer is None:
                break
            try:
                whole_call(line, customer)
            except _Over:
                break
            except CallError:
                continue  # nobody was left to be rung: so it is on such a night
        return [request.seconds for request in line.requests]

    with ThreadPoolExecutor(int(asked["at_once"])) as pool:  # type: ignore[call-overload]
        return [each for found in pool.map(caller, range(int(asked["at_once"]))) for each in found]  # type: ignore[call-overload]


class _Over(Exception):
    """The time is up."""


def _pause(source: random.Random, pace: float, over: float) -> None:
    if pace == 0:
        return
    seconds = pace * source.uniform(0.5, 1.5)
    if time.monotonic() + seconds > over:
        raise _Over
    time.sleep(seconds)


if __name__ == "__main__":
    print(json.dumps(_call(json.load(sys.stdin))))

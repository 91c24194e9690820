"""Which server is to serve the webhook door: the same door under each, in one run.

    bench/servers.py [quick]

What a call costs the processor and what memory the processes hold alone; how many turns a second at most;
the 99th percentile of a turn, of one call alone and of many who ask for half of that; and what becomes
of the requests that are being served when TERM comes. Writes the table into docs/servers.md. Servers that are
not installed are passed over: `pip install granian waitress` brings those that are no part of the program.
"""

from __future__ import annotations

import http.client
import importlib.util
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from call_crowd import callers_of, p99
from call_house import CalledHouse
from call_line import TimedLine, whole_call
from call_servers import Server, serving

ROOT = Path(__file__).parent.parent
PAPER = ROOT / "docs" / "servers.md"
BEGIN, END = "<!-- written by bench/servers.py -->", "<!-- to here -->"
# By the module that has to be there.
SERVERS = {
    "gunicorn, gthread": "gunicorn",
    "gunicorn, sync": "gunicorn",
    "granian": "granian",
    "waitress": "waitress",
}
CALLS, ROUNDS, SECONDS, CALLERS = 10, 5, 10.0, 50
QUICK_CALLS, QUICK_ROUNDS, QUICK_SECONDS, QUICK_CALLERS = 4, 2, 4.0, 20
# Requests that are being served when TERM comes: fewer than there are threads.
UNDER_WAY, SLOW = 6, 1.5
# Customers of a house, each of whom calls once: as many as may have PINs of eight digits.
MANY = 950
CONFIGURATION = "IVR_BENCH_CONFIGURATION"


@dataclass(frozen=True)
class Seen:
    """Of one server: seconds of the processor a call, MiB, turns a second, seconds, and how TERM went."""

    cpu: float
    memory: float
    most: float
    alone: float
    crowded: float
    answered: int
    ended_after: float


def compared(quick: bool) -> dict[str, Seen]:
    there = [name for name, module in SERVERS.items() if importlib.util.find_spec(module)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ivr-bench-")))
        houses = {name: _house(folder / str(place), stack) for place, name in enumerate(there)}
        cpu = _cpu(houses, *((QUICK_CALLS, QUICK_ROUNDS) if quick else (CALLS, ROUNDS)))
        seen = {}
        for name, house in houses.items():
            seen[name] = _seen(name, house, cpu[name], quick)
            print(f"        {name}: {seen[name]}", flush=True)
    return seen


def _house(folder: Path, stack: ExitStack) -> CalledHouse:
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return stack.enter_context(closing(CalledHouse(folder, port, MANY)))


def _cpu(houses: dict[str, CalledHouse], calls: int, rounds: int) -> dict[str, float]:
    """Seconds of the processor a call; all are called in turns."""
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(serving(name, house.file, house.port, __file__))
            for name, house in houses.items()
        }
        spent: dict[str, list[float]] = {name: [] for name in houses}
        for round_ in range(rounds + 1):
            sums = dict.fromkeys(houses, 0.0)
            for house in houses.values():
                house.forget_wrong_pins()
            for _ in range(calls):
                for name, house in houses.items():
                    began = servers[name].cpu()
                    whole_call(TimedLine(house.port), house.customers(1)[0])
                    sums[name] += servers[name].cpu() - began
            for name, total in sums.items():
                if round_:  # the first makes what is made once
                    spent[name].append(total / calls)
    return {name: median(costs) for name, costs in spent.items()}


def _seen(name: str, house: CalledHouse, cpu: float, quick: bool) -> Seen:
    seconds, callers = (QUICK_SECONDS, QUICK_CALLERS) if quick else (SECONDS, CALLERS)
    with serving(name, house.file, house.port, __file__) as server:
        callers_of(house.port, house.customers(2), 1, 0, 60)
        memory = sum(_private(pid) for pid in server.processes) / 1024
        alone = callers_of(house.port, house.customers(20), 1, 0, 60)
        most = len(callers_of(house.port, house.customers(MANY // 3), 6, 0, seconds)) / seconds
        pace = callers / (most / 2)
        crowded = callers_of(house.port, house.customers(MANY // 3), callers, pace, seconds)
    answered, ended_after = _told_to_end(name, house)
    return Seen(cpu, memory, most, p99(alone), p99(crowded), answered, ended_after)


def _private(pid: int) -> int:
    """KiB that a process alone holds."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    sizes = dict(line.split(":") for line in text.splitlines() if line.startswith("Private_"))
    return sum(int(size.split()[0]) for size in sizes.values())


def _told_to_end(name: str, house: CalledHouse) -> tuple[int, float]:
    """How many of the requests that were being served got their answer, and when all was over."""
    server = Server(name, house.file, house.port, __file__)
    begun = threading.Barrier(UNDER_WAY + 1)

    def ask() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=30)
        with closing(connection):
            connection.request("GET", "/slow")
            begun.wait()
            try:
                return connection.getresponse().status == 200
            except OSError:
                return False

    with ThreadPoolExecutor(UNDER_WAY) as pool:
        waiting = [pool.submit(ask) for _ in range(UNDER_WAY)]
        begun.wait()
        time.sleep(SLOW / 3)  # so that each is being served
        took = server.stop()
        return sum(each.result() for each in waiting), took


def table(seen: dict[str, Seen]) -> str:
    first = next(iter(seen.values()))
    lines = [
        "| | processor | memory | turns a second | p99 alone | p99 of many | TERM: answered | over after |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, it in seen.items():
        ratios = (
            *(it.cpu / first.cpu, it.memory / first.memory, it.most / first.most),
            *(it.alone / first.alone, it.crowded / first.alone),
        )
        figures = " | ".join(f"{ratio:.2f}" for ratio in ratios)
        term = f"{it.answered} of {UNDER_WAY} | {it.ended_after:.1f} s"
        lines.append(f"| {name} | {figures} | {term} |")
    return "\n".join(lines)


# -- in the process that serves ------------------------------------------------------------------


def make() -> Any:
    """The door, for a server that makes it itself; with an address that takes its time."""
    from console.settings import load

    return _with_slow_address(load(Path(os.environ[CONFIGURATION]), {}))


def _with_slow_address(configuration: Any) -> Any:
    from console.processes.service import webhooks

    door = webhooks(configuration)

    def served(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/slow":
            return door(environ, start_response)
        time.sleep(SLOW)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
        return [b"ok\n"]

    return served


def _serve(kind: str, file: Path) -> None:
    from console.processes.waiting_room import ROOM
    from console.settings import load

    os.environ[CONFIGURATION] = str(file)
    configuration = load(file, {})
    address, port = "127.0.0.1", int(configuration.service.listen.rpartition(":")[2])
    threads = configuration.service.threads + ROOM
    if kind == "granian":
        from granian import Granian
        from granian.constants import Interfaces

        Granian(
            "servers:make",
            address=address,
            port=port,
            interface=Interfaces.WSGI,
            workers=1,
            blocking_threads=threads,
            factory=True,
        ).serve()
    elif kind == "waitress":
        import waitress

        waitress.serve(make(), host=address, port=port, threads=threads)
    else:
        from console.processes.serving import Gunicorn, Size

        class Chosen(Gunicorn):
            def load_config(self) -> None:
                super().load_config()
                self.cfg.set("worker_class", kind.partition(", ")[2])

        size = Size(1, 1 if kind.endswith("sync") else threads)
        Chosen(
            kind,
            configuration,
            make=_with_slow_address,
            listen=lambda known: known.service.listen,
            size=lambda _: size,
        ).run()


def main(quick: bool) -> None:
    written = table(compared(quick))
    print(written)
    if not quick:
        text = PAPER.read_text(encoding="utf-8")
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        PAPER.write_text(f"{before}{BEGIN}\n\n{written}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] in ([], ["quick"]):
        main("quick" in sys.argv[1:])
    else:
        import logging

        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
        _serve(sys.argv[1], Path(sys.argv[2]))

"""What a hundred times today's load would need: calls in a storm, served by so many nodes, simulated.

A discrete-event simulation, seeded, in pure Python: the same figures each time. What a turn costs is measured
(see MEASURED); how machines share it is simulated: threads, the interpreter's lock, cores, hashing slots,
the database's own cores or its one writer, the way there and back. It writes the tables of docs/growth.md:

    python bench/growth.py
"""

from __future__ import annotations

import heapq
import random
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import ceil, log
from pathlib import Path

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from pins.drawing import length_for  # noqa: E402 (the path comes first)
from pins.settings import PinSettings  # noqa: E402
from storage.engine import READ_SECONDS, WRITE_SECONDS  # noqa: E402

PAPER = ROOT / "docs" / "growth.md"
BEGIN, END = "<!-- written by bench/growth.py -->", "<!-- to here -->"

# Today: a company of 300 customers. At its worst a provider has failed, and a tenth of them call: half of
# these within the first minute, half of the rest in the next, and so on.
STORM_CALLS, HALF_WITHIN = 30, 60.0

# MEASURED on one core of a small virtual machine: a whole call on PostgreSQL, counted between the two.
CPU = 0.013  # seconds of the interpreter a turn, the mean of one call
HASH = 0.045  # seconds of a core for one argon2id at the default cost
# There and back in a transaction: ping, BEGIN, what is asked (tests/test_guard.py counts it), COMMIT. Only a
# turn at which a PIN may have been keyed reads before it writes.
READ_TRIPS = 6
WRITE_TRIPS = {"arrival": 9, "pin": 13, "urgency": 17, "dial": 11, "leg": 11, "over": 16}

# ASSUMED: what a statement costs the server, a commit that is safe on disk, and a commit of SQLite.
STATEMENT, COMMIT, SQLITE_COMMIT = 0.0003, 0.002, 0.006
# Seconds that pass between turns, at random by a quarter: the welcome and keying a PIN; the menu; what is
# said of the case before the first phone rings; the ring and the technician's listening.
SPEAKS = {"pin": 16.0, "urgency": 7.0, "dial": 7.5, "leg": 12.0, "key": 9.0, "over": 180.0}
WRONG_PINS = 0.15  # of all that are keyed
NETWORK = 0.06  # Twilio and back, for each turn
PATIENCE = 0.4  # a PIN that is not hashed within it is asked again
TOO_LATE = 3.5


@dataclass(frozen=True)
class Shape:
    """What serves the storm, and how big the storm is. `away` is the way to the database and back, in
    seconds; `lost` nodes of them fail half a minute after it began.
    """

    name: str
    times: int
    nodes: int
    cores: int
    workers: int
    slots: int = PinSettings.model_fields["slots"].default
    threads: int = 8
    away: float = 0.0003
    database_cores: int = 4
    sqlite: bool = False
    lost: int = 0


class World:
    """The clock and what happens next."""

    def __init__(self, seed: str) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self._next: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._next, (self.now + seconds, self._count, act))

    def run(self) -> None:
        while self._next:
            self.now, _, act = heapq.heappop(self._next)
            act()

    def about(self, seconds: float) -> float:
        return self.random.uniform(0.75, 1.25) * seconds


class Few:
    """Something of which there is a limited number; who comes first has it first."""

    def __init__(self, world: World, many: int) -> None:
        self._world, self._free = world, many
        self._waiting: deque[tuple[list[bool], Callable[[], None]]] = deque()

    def take(
        self, then: Callable[[], None], patience: float | None = None, else_: Callable[[], None] | None = None
    ) -> None:
        if self._free:
            self._free -= 1
            then()
            return
        waits = [True]
        self._waiting.append((waits, then))
        if patience is not None:

            def give_up() -> None:
                if waits[0]:
                    waits[0] = False
                    assert else_ is not None
                    else_()

            self._world.after(patience, give_up)

    def give(self) -> None:
        while self._waiting:
            waits, then = self._waiting.popleft()
            if waits[0]:
                waits[0] = False
                then()
                return
        self._free += 1

    def use(self, seconds: float, then: Callable[[], None]) -> None:
        """Take one, keep it for so long, give it back, and go on."""

        def done() -> None:
            self.give()
            then()

        self.take(lambda: self._world.after(seconds, done))


@dataclass
class Process:
    """A worker of the webhook door."""

    threads: Few
    lock: Few
    slots: Few
    cores: Few


@dataclass
class Seen:
    """What was seen of a storm, in seconds."""

    turns: list[float] = field(default_factory=list)
    rings: list[float] = field(default_factory=list)
    pins: int = 0
    again: int = 0

    def late(self) -> float:
        return sum(each > TOO_LATE for each in self.turns) / len(self.turns)


def p99(values: list[float]) -> float:
    return sorted(values)[ceil(len(values) * 0.99) - 1]


class Storm:
    """One shape under its storm."""

    def __init__(self, shape: Shape) -> None:
        self.world = world = World(shape.name)
        self.shape = shape
        self.seen = Seen()
        # PostgreSQL answers many at a time; SQLite has one writer, and reads beside it.
        self.database = Few(world, 1 if shape.sqlite else shape.database_cores)
        self.nodes = []
        for _ in range(shape.nodes):
            cores = Few(world, shape.cores)
            self.nodes.append(
                [
                    Process(Few(world, shape.threads), Few(world, 1), Few(world, shape.slots), cores)
                    for _ in range(shape.workers)
                ]
            )
        self._turn = 0

    def run(self) -> Seen:
        for _ in range(STORM_CALLS * self.shape.times):
            self.world.after(self.world.random.expovariate(log(2) / HALF_WITHIN), self.arrive)
        self.world.run()
        return self.seen

    # -- one caller ------------------------------------------------------------------------------

    def arrive(self) -> None:
        self.turn("arrival", self.keys_pin)

    def keys_pin(self) -> None:
        def keyed() -> None:
            self.seen.pins += 1
            wrong = self.world.random.random() < WRONG_PINS
            self.turn("pin", self.keys_pin if wrong else self.states_urgency, self.asked_again)

        self.world.after(self.world.about(SPEAKS["pin"]), keyed)

    def asked_again(self) -> None:
        self.seen.again += 1
        self.keys_pin()

    def states_urgency(self) -> None:
        def stated() -> None:
            began = self.world.now

            def rings() -> None:
                self.seen.rings.append(self.world.now - began)
                self.technician()

            def told() -> None:
                self.world.after(SPEAKS["dial"], lambda: self.turn("dial", rings))

            self.turn("urgency", told)

        self.world.after(self.world.about(SPEAKS["urgency"]), stated)

    def technician(self) -> None:
        def later(what: str, kind: str, then: Callable[[], None]) -> Callable[[], None]:
            return lambda: self.world.after(self.world.about(SPEAKS[what]), lambda: self.turn(kind, then))

        over = later("over", "over", lambda: None)
        later("leg", "leg", later("key", "leg", over))()

    # -- one turn --------------------------------------------------------------------------------

    def turn(self, kind: str, then: Callable[[], None], busy: Callable[[], None] | None = None) -> None:
        began = self.world.now
        process = self._process()

        def answered(go_on: Callable[[], None]) -> Callable[[], None]:
            def done() -> None:
                process.threads.give()
                self.seen.turns.append(self.world.now - began + NETWORK)
                self.world.after(NETWORK, go_on)

            return done

        def write() -> None:
            end = answered(then)
            self.asks(WRITE_TRIPS[kind], True, lambda: self.computes(process, CPU / 2, end))

        def hash_() -> None:
            def hashed() -> None:
                process.slots.give()
                write()

            assert busy is not None
            gave_up = answered(busy)
            process.slots.take(lambda: process.cores.use(HASH, hashed), PATIENCE, gave_up)

        def read() -> None:
            self.asks(READ_TRIPS, False, hash_)

        process.threads.take(lambda: self.computes(process, CPU / 2, read if kind == "pin" else write))

    def _process(self) -> Process:
        """The balancer's next node, and there whichever process comes first."""
        lost = self.shape.lost if self.world.now > HALF_WITHIN / 2 else 0
        self._turn += 1
        node = self.nodes[self._turn % (self.shape.nodes - lost)]
        return self.world.random.choice(node)

    def computes(self, process: Process, seconds: float, then: Callable[[], None]) -> None:
        def done() -> None:
            process.cores.give()
            process.lock.give()
            then()

        process.lock.take(lambda: process.cores.take(lambda: self.world.after(seconds, done)))

    def asks(self, trips: int, writes: bool, then: Callable[[], None]) -> None:
        """A transaction: the server's own time may queue, the way there and back only passes."""
        if self.shape.sqlite:
            if writes:
                self.database.use(trips * STATEMENT / 3 + SQLITE_COMMIT, then)
            else:
                self.world.after(trips * STATEMENT / 3, then)
            return
        way = trips * self.shape.away
        busy = self.world.random.expovariate(1 / (trips * STATEMENT)) + (COMMIT if writes else 0)
        self.world.after(way, lambda: self.database.use(busy, then))


# -- what is asked -------------------------------------------------------------------------------

SMALL = Shape("", 1, 1, 2, 2)
GOOD = Shape("", 100, 2, 4, 4)
SHAPES = [
    replace(SMALL, name="today: one node of 2 cores, SQLite", sqlite=True),
    replace(SMALL, name="ten times: the same", times=10, sqlite=True),
    replace(SMALL, name="thirty times: the same", times=30, sqlite=True),
    replace(SMALL, name="a hundred times: the same", times=100, sqlite=True),
    replace(SMALL, name="the same on PostgreSQL", times=100),
    replace(SMALL, name="two nodes of 2 cores", times=100, nodes=2),
    replace(GOOD, name="two nodes of 4 cores"),
    replace(GOOD, name="these, one fails after half a minute", lost=1),
    replace(GOOD, name="three hundred times: two nodes of 4 cores", times=300),
    replace(GOOD, name="four nodes of 8 cores", times=300, nodes=4, cores=8, workers=8, database_cores=8),
]
REGIONS = [
    *(replace(GOOD, name=f"{ms} ms away", away=ms / 1000) for ms in (1, 10, 25, 50)),
    replace(GOOD, name="50 ms away, 32 threads a worker", away=0.05, threads=32),
    replace(GOOD, name="100 ms away, 64 threads a worker", away=0.1, threads=64),
    replace(GOOD, name="150 ms away, 64 threads a worker", away=0.15, threads=64),
]
CUSTOMERS = [300, 3_000, 30_000, 300_000]


def storms(shapes: list[Shape]) -> list[str]:
    lines = [
        "| what serves it | calls | p99 of a turn | over 3.5 s | PIN asked again | p99 of the first ring |",
        "|---|---|---|---|---|---|",
    ]
    for shape in shapes:
        seen = Storm(shape).run()
        lines.append(
            f"| {shape.name} | {STORM_CALLS * shape.times:,} | {p99(seen.turns):.2f} s | {seen.late():.1%} "
            f"| {seen.again / seen.pins:.1%} | {p99(seen.rings):.1f} s |"
        )
    return lines


def regions(shapes: list[Shape]) -> list[str]:
    """What the way to the database adds. The limits of a transaction are fixed: too far is like down."""
    most = max(WRITE_TRIPS.values())
    lines = [
        "| the database is | p99 of a turn | p99 of the first ring | longest read (limit "
        f"{READ_SECONDS:.0f} s) | longest write (limit {WRITE_SECONDS:.0f} s) |",
        "|---|---|---|---|---|",
    ]
    for shape in shapes:
        seen = Storm(shape).run()
        read, write = READ_TRIPS * shape.away, most * shape.away
        lines.append(
            f"| {shape.name} | {p99(seen.turns):.2f} s | {p99(seen.rings):.1f} s | {read:.2f} s "
            f"| {write:.2f} s{' **over**' if write > WRITE_SECONDS else ''} |"
        )
    return lines


def pins() -> list[str]:
    """How long a PIN must be, and what a year of guessing at the limit of 100 a day may hope for."""
    lines = [
        "| customers, a PIN each | digits | one guess is right by | a year of 100 wrong a day finds one by |",
        "|---|---|---|---|",
    ]
    for live in CUSTOMERS:
        digits = length_for(live)
        right = live / 10**digits
        lines.append(f"| {live:,} | {digits} | {right:.0e} | {1 - (1 - right) ** 36_500:.0%} |")
    return lines


def written(paper: str, tables: dict[str, list[str]]) -> str:
    """The page with each table in its place: after a line `<!-- written by … -->` under its own comment."""
    for name, lines in tables.items():
        mark = f"<!-- {name} -->\n{BEGIN}"
        before, found, rest = paper.partition(mark)
        assert found, name
        paper = before + mark + "\n" + "\n".join(lines) + "\n" + END + rest.partition(END)[2]
    return paper


def tables() -> dict[str, list[str]]:
    return {"storms": storms(SHAPES), "regions": regions(REGIONS), "pins": pins()}


if __name__ == "__main__":
    PAPER.write_text(written(PAPER.read_text(encoding="utf-8"), tables()), encoding="utf-8")

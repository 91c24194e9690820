"""The machines: two nodes on one PostgreSQL, or one on SQLite; their processes, wires and clock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import postgres
from acceptance.installation import Clock
from making import rome
from ports import free_port
from sqlalchemy import text

from console.house import House, open_house
from console.settings import load
from faults.network import Network, serving
from faults.town import Town, configuration, enter, founded
from pins import keyring
from storage import schema

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BEGINS = rome("2026-03-10 21:00")
READY_WITHIN = 120.0
# Of a cluster: so many conversations share no technician.
NUMBERS = 6
# Seconds: the product's is 2. What waits for a tick is the most of the time that coming to rest takes.
TICK = "0.7"
IDLE_WITHIN = 60.0


class Wire:
    """The proxy between one node and PostgreSQL."""

    def __init__(self, upstream: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "proxy.py"), upstream, str(free_port())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())

    def tell(self, order: str) -> int:
        """What the proxy answers: see proxy.py."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.kill()
        self._process.wait(60)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


@dataclass
class Node:
    """One machine. `folder` holds its configuration and its state; `printed` is what its processes said."""

    name: str
    folder: Path
    listener: str
    wire: Wire | None
    environment: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def printed(self) -> Path:
        return self.folder / "printed"

    def start(self, *parts: str) -> None:
        """Begin these parts, the webhooks and the worker if none is named."""
        for part in parts or ("webhooks", "work"):
            assert part not in self.running
            with self.printed.open("ab") as printed:
                self.running[part] = subprocess.Popen(
                    [sys.executable, str(HERE / "node.py"), part, str(self.folder)],
                    cwd=self.folder,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=printed,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def stop(self, *parts: str) -> None:
        """End these parts as an upgrade would: what is being served is served to its end."""
        for part in parts or tuple(self.running):
            process = self.running.pop(part)
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                self._kill(process)
                raise AssertionError(f"{part} of {self.name} did not end") from None

    def kill_part(self, part: str) -> None:
        """End it at once."""
        self._kill(self.running.pop(part))

    def signal(self, part: str, number: signal.Signals) -> None:
        """Send it to every process of this part."""
        os.killpg(self.running[part].pid, number)

    def kill(self) -> None:
        while self.running:
            self._kill(self.running.popitem()[1])

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)

    def readiness(self) -> tuple[int, str]:
        """The status and the text of its /readyz; 0 if there is no answer."""
        connection = HTTPConnection(self.listener, timeout=5)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, HTTPException):
            return 0, ""
        finally:
            connection.close()

    @property
    def snapshot(self) -> Path:
        return self.folder / "state" / "snapshot"

    def wait(self, *, snapshot: bool = True) -> None:
        """Until it can serve a call, with the database and, if `snapshot`, without."""
        limit = time.monotonic() + READY_WITHIN
        while self.readiness()[0] != 200 or (snapshot and not self.snapshot.exists()):
            if time.monotonic() > limit:
                raise AssertionError(f"{self.name} is not ready:\n{self.printed.read_text()[-3000:]}")
            time.sleep(0.05)


class Cluster:
    """The machines that carry the town's calls. `house` is the same database, reached without their wires."""

    def __init__(
        self, folder: Path, town: Town, nodes: Sequence[Node], house: House, clock: Clock, network: Network
    ) -> None:
        self.folder, self.town, self.nodes, self.house = folder, town, list(nodes), house
        self.clock, self.network = clock, network
        # Set where there is a server of our own to be stopped.
        self.server: Server | None = None
        self.full = folder / "full"

    def now(self) -> datetime:
        return self.clock.now()

    def ask(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """What stands in the database."""
        with self.house.database.read() as connection:
            return [tuple(row) for row in connection.execute(text(sql), values)]

    def passes(self, seconds: float) -> None:
        """Time goes by for everybody; whatever is under way is let end first."""
        self.idle()
        self.clock.set(self.now() + timedelta(seconds=seconds))

    def idle(self, within: float = IDLE_WITHIN) -> bool:
        """Wait until nothing is due and nothing is being done. False if that does not come."""
        limit = time.monotonic() + within
        quiet = 0
        while quiet < 2:
            quiet = quiet + 1 if not self._due() and not self.network.busy else 0
            if time.monotonic() > limit:
                return False
            time.sleep(0.1)
        return True

    def at_home(self, within: float = IDLE_WITHIN) -> bool:
        """Wait until every node has brought home what it served without the database, and nothing is left to
        be served from there. False if that does not come.
        """
        limit = time.monotonic() + within
        while any(file for node in self.nodes for file in (node.folder / "state/standby").glob("*.db")):
            if time.monotonic() > limit:
                return False
            time.sleep(0.1)
        return True

    def _due(self) -> int:
        """How much work is due or being done; what a dead worker had claimed is neither."""
        now = self.now()
        found = self.ask(
            "SELECT count(*) FROM due_work WHERE state = 'pending' AND due_at <= :now"
            " AND (leased_until IS NULL OR leased_until <= :now)",
            now=now if self.server else now.strftime("%Y-%m-%d %H:%M:%S.%f"),
        )
        return int(found[0][0])

    @property
    def wires(self) -> list[Wire]:
        return [node.wire for node in self.nodes if node.wire]

    def tell_wires(self, order: str) -> int:
        return sum(wire.tell(order) for wire in self.wires)


class Server:
    """A PostgreSQL of our own, which can be stopped at once and begun again on what it has kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = postgres.start(folder)

    @property
    def socket(self) -> str:
        return str(self.folder / ".s.PGSQL.5432")

    def address(self, database: str = "ivr") -> str:
        return postgres.address(self.folder, database)

    def fails_over(self) -> None:
        """It dies at once, and a successor that knows everything it had promised takes its place."""
        command = self._process.args
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(20)
        assert isinstance(command, list)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **postgres._somebody(),
            )
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            with suppress(Exception):
                postgres._run(self.address("postgres"), "SELECT 1")
                return
            time.sleep(0.05)
        raise AssertionError("PostgreSQL did not come back")

    def stop(self) -> None:
        postgres.stop(self._process)


# -- putting them up -------------------------------------------------------------------------------


@contextmanager
def two_nodes(
    numbers: int = NUMBERS, customers: int = 8, network: Network | None = None
) -> Iterator[Cluster]:
    """Two nodes on one PostgreSQL, running and ready."""
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as somebody else
        (folder / "postgres").mkdir()
        server = Server(folder / "postgres")
        try:
            # What it has promised it must still know after it was killed: the tests' own does not.
            promises = "ALTER DATABASE ivr SET synchronous_commit = on"
            postgres._run(server.address("postgres"), "CREATE DATABASE ivr", promises)
            with _put_up(folder, founded(numbers, customers), server, network or Network()) as cluster:
                yield cluster
        finally:
            server.stop()


@contextmanager
def one_node(numbers: int = 2, customers: int = 8, network: Network | None = None) -> Iterator[Cluster]:
    """One node on SQLite, running and ready."""
    with (
        tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as name,
        _put_up(Path(name), founded(numbers, customers), None, network or Network()) as cluster,
    ):
        yield cluster


@contextmanager
def _put_up(folder: Path, town: Town, server: Server | None, network: Network) -> Iterator[Cluster]:
    clock = Clock(folder)
    clock.set(BEGINS)
    network.clock = clock.now
    disk = _compiled(folder)
    nodes: list[Node] = []
    with serving(network) as port:
        try:
            for node_name in ("one", "two") if server else ("alone",):
                nodes.append(_node(folder, node_name, town, server, clock, disk, port))
            address = server.address() if server else f"sqlite:///{nodes[0].folder}/ivr.db"
            house = _house(folder, town, address, port)
            enter(town, house, clock.now())
            cluster = Cluster(folder, town, nodes, house, clock, network)
            cluster.server = server
            for node in nodes:
                node.start()
            for node in nodes:
                node.wait()
            yield cluster
            house.close()
        finally:
            for node in nodes:
                node.kill()
                if node.wire:
                    node.wire.close()


def _house(folder: Path, town: Town, address: str, port: int) -> House:
    """The database with its tables, as the harness itself reads it."""
    home = folder / "harness"
    home.mkdir()
    file = home / "config.toml"
    file.write_text(
        configuration(town, database=address, listen="127.0.0.1:9", api=f"http://127.0.0.1:{port}"),
        encoding="utf-8",
    )
    house = open_house(load(file, {}))
    schema.migrate(house.database)
    with house.database.write() as connection:
        keyring.remember(connection, BEGINS, house.configuration.pins)
    return house


def _node(
    folder: Path, name: str, town: Town, server: Server | None, clock: Clock, disk: Path, port: int
) -> Node:
    home = folder / name
    home.mkdir()
    wire = Wire(server.socket) if server else None
    database = (
        f"postgresql://postgres@127.0.0.1:{wire.port}/ivr?sslmode=disable&gssencmode=disable"
        if wire
        else "sqlite:///ivr.db"
    )
    listener = f"127.0.0.1:{free_port()}"
    (home / "config.toml").write_text(
        configuration(town, database=database, listen=listener, api=f"http://127.0.0.1:{port}"),
        encoding="utf-8",
    )
    environment = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    environment |= clock.environment
    # The disk's comes first: it hides what it does not refuse.
    environment["LD_PRELOAD"] = f"{disk} {environment['LD_PRELOAD']}"
    environment |= {
        "FULL_DISK": str(folder / "full"),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": str(ROOT),
        "FAULTS_TICK": TICK,
    }
    return Node(name, home, listener, wire, environment)


def _compiled(folder: Path) -> Path:
    library = folder / "full.so"
    made = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(HERE / "full.c"), "-ldl"]
    subprocess.run(made, check=True, capture_output=True)
    return library

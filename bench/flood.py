"""How long a known customer waits for the first ring during 200 junk calls, against the same without.

200 callers from unknown numbers, all at once, each keying something five seconds after it was asked and
calling again as soon as its call is over; half of them key wrong PINs, half nothing
that was asked for. Meanwhile customers call from numbers on file, one after the other: PIN, urgency, and the
first Dial. One figure is what the service takes for these turns together, by the clock on the wall, which is
the strictest; the other adds what the caller hears meanwhile, as he waits for the ring. The service is the
real one: `ivr serve --only webhooks` with its processes and threads, SQLite, signed requests over HTTP, the
real cost of a hash. The junk comes from processes of its own, on the same machine:

    bench/flood.py --junk PORT PACE CALLS
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from results import Result

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from acceptance.caller import Call, CallError, Line  # noqa: E402 - they stand beside the tests
from making import ACCOUNT, EXAMPLE, SECRETS, TOKEN, with_lines  # noqa: E402

from console.demonstration import cast  # noqa: E402
from console.house import House, open_house, pin_index  # noqa: E402
from console.phone.execution import CHARACTERS_A_SECOND  # noqa: E402
from console.settings import load  # noqa: E402
from pins import customers, registry  # noqa: E402
from storage import schema  # noqa: E402

PUBLIC_URL = "https://ivr.example.net"
NUMBER = "+390461825060"
GOAL = 3.0
CALLS, PACE = 200, 5.0
# Customers who call without the junk, and as many with it; in short; processes that the junk comes from.
KNOWN, FEW_KNOWN = 30, 8
# Seconds between two of them, so that the flood lasts.
PAUSE = 0.5
JUNKYARDS = 2
STARTS_WITHIN = 60.0
FLOOD = "first ring of a known customer during 200 junk calls"
ROWS = (f"{FLOOD}, what the service takes, median", f"{FLOOD}, as he waits for it, at worst")


def measure(quick: bool) -> list[Result]:
    known = FEW_KNOWN if quick else KNOWN
    with tempfile.TemporaryDirectory(prefix="ivr-bench-") as folder:
        port, pins = _prepared(Path(folder), known)
        with _service(Path(folder), port):
            line = Line(f"127.0.0.1:{port}", PUBLIC_URL, ACCOUNT, TOKEN)
            _ring(line, *pins.pop())  # the first turn of each thread costs more
            quiet = [_ring(line, *pins.pop()) for _ in range(known)]
            with _junk(port, CALLS, PACE):
                flooded = [_ring(line, *pins.pop()) for _ in range(known)]
    short, long = (median(each.served for each in runs) for runs in (quiet, flooded))
    slowest = max(each.served for each in flooded)
    heard = median(each.heard for each in quiet)
    print(
        f"        served: {short:.3f} s, flooded {long:.3f} s, at worst {slowest:.3f} s; heard {heard:.0f} s"
    )
    against = "the same while nobody else calls"
    return [
        Result(ROWS[0], long / short, GOAL, against),
        Result(ROWS[1], (heard + slowest) / (heard + short), GOAL, against),
    ]


@dataclass(frozen=True)
class Rung:
    """Seconds until the first ring: what the service takes for all turns, and what he hears meanwhile."""

    served: float
    heard: float


def _ring(line: Line, number: str, pin: str) -> Rung:
    """A call up to its first ring."""
    began = time.perf_counter()
    call = line.ring(NUMBER, number)
    call.press(f"{pin}#")
    call.press("1")
    call.waits_for_ring()
    served = time.perf_counter() - began
    heard = sum(map(len, call.transcript)) / CHARACTERS_A_SECOND
    call.hangs_up()
    time.sleep(PAUSE)
    return Rung(served, heard)


# -- the house ---------------------------------------------------------------------------------


def _prepared(folder: Path, known: int) -> tuple[int, list[tuple[str, str]]]:
    """A house that asks for a PIN at any time: its port, and number and PIN of each of its customers."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    text = with_lines(
        EXAMPLE.read_text(encoding="utf-8"),
        public_url=f'"{PUBLIC_URL}"',
        account_sid=f'"{ACCOUNT}"',
        auth_tokens=f'["{TOKEN}"]',
        keys=f'["{SECRETS["IVR_SERVICE_KEYS"]}"]',
        peppers=f'["{SECRETS["IVR_PINS_PEPPERS"]}"]',
        salt=f'"{SECRETS["IVR_PINS_SALT"]}"',
        listen=f'"127.0.0.1:{port}"',
        closed_days='["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]',
    )
    (folder / "config.toml").write_text(text, encoding="utf-8")
    house = open_house(load(folder / "config.toml", {}))
    schema.migrate(house.database)
    cast.enter(house, "bench", datetime.now(UTC))
    pins = _customers(house, 2 * known + 1)
    house.close()
    return port, pins


def _customers(house: House, many: int) -> list[tuple[str, str]]:
    index, at, found = pin_index(house.configuration), datetime.now(UTC), []
    drawn = [registry.draw(index, 8) for _ in range(many)]
    with house.database.write() as connection:
        for number, new in enumerate(drawn):
            phone = f"+39046190{number:04d}"
            added = customers.add_customer(connection, "bench", at, f"Ditta {number}", phones=[phone])
            registry.issue(connection, "bench", at, added.code, new)
            found.append((phone, new.pin))
    return found


@contextmanager
def _service(folder: Path, port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "console.commands", "--config", str(folder / "config.toml")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(
            [*command, "serve", "--only", "webhooks"], stdout=log, stderr=log, env=environment
        )
    try:
        limit = time.monotonic() + STARTS_WITHIN
        while not _ready(port):
            assert service.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < limit, (folder / "log").read_text()
            time.sleep(0.1)
        yield
    finally:
        service.terminate()
        service.wait(30)
        print((folder / "log").read_text()[-2000:], file=sys.stderr)


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    return False


# -- junk --------------------------------------------------------------------------------------


@contextmanager
def _junk(port: int, calls: int, pace: float) -> Iterator[None]:
    """So many callers, until the block ends: they ring all at once as it begins."""
    each = [calls // JUNKYARDS + (n < calls % JUNKYARDS) for n in range(JUNKYARDS)]
    command = [sys.executable, __file__, "--junk", str(port), str(pace)]
    yards = [
        subprocess.Popen([*command, str(many)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for many in each
    ]
    for yard in yards:
        assert yard.stdout is not None
        yard.stdout.readline()
    try:
        yield
    finally:
        for yard in yards:
            told = yard.communicate(b"\n")[0].decode().strip()
            print(f"        junk: {told}", flush=True)


def _throw(port: int, pace: float, many: int) -> None:
    """Be `many` junk callers until somebody says a line."""
    line = Line(f"127.0.0.1:{port}", PUBLIC_URL, ACCOUNT, TOKEN)
    over, counts, counting = threading.Event(), {"calls": 0, "turns": 0, "failed": 0}, threading.Lock()
    ready = threading.Barrier(many + 1)

    def count(what: str) -> None:
        with counting:
            counts[what] += 1

    def turn(source: random.Random, call: Call, *, keys_pins: bool) -> None:
        assert call.waiting is not None
        if call.waiting.tag != "Gather":
            call.hangs_up()
        elif keys_pins and call.asks_for_pin:
            call.press(f"{source.randrange(10**8):08d}#")
        elif call.asks_for_pin:
            call.press("0#")
        else:
            call.submit("")
        count("turns")

    def caller(number: int) -> None:
        source = random.Random(number)
        ready.wait()
        while not over.is_set():
            call = None
            try:
                call = line.ring(NUMBER, f"+39340{source.randrange(10**7):07d}")
                count("calls")
            except (OSError, CallError, http.client.HTTPException):
                count("failed")
            while call is not None and not call.over and not over.wait(pace * source.uniform(0.8, 1.2)):
                try:
                    turn(source, call, keys_pins=number % 2 == 0)
                except (OSError, CallError, http.client.HTTPException):
                    count("failed")
                    break
            line.log.clear()

    with ThreadPoolExecutor(many) as pool:
        for number in range(many):
            pool.submit(caller, number)
        ready.wait()
        print(flush=True)
        sys.stdin.readline()
        over.set()
    print(", ".join(f"{many} {what}" for what, many in counts.items()), flush=True)


if __name__ == "__main__":
    _throw(int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))

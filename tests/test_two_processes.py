"""Two webhook processes on one PostgreSQL are given the same request at the same instant: one effect,
one answer.

Whole calls are phoned, so that each kind of request is among them: the first one, PIN, urgency, the end of
a ring, the technician's turns, callbacks. The hash of the PIN costs what it costs in service.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from making import ACCOUNT, EXAMPLE, ROOT, SECRETS, TOKEN, with_lines
from ports import free_port
from sqlalchemy import func, select

from console.demonstration import cast
from console.house import House, open_house, pin_index
from console.phone import Exchange, Reply, VirtualClock
from console.phone.door import HttpDoor
from console.settings import load
from ivr.tables import calls, leg_turns, legs, turns
from oncall.cases.cases import PURSUE
from oncall.tables import attempts, cases
from pins import registry
from storage import due
from storage.tables import due_work

PUBLIC_URL = "https://ivr.example.net"
REQUESTS = 500
LINE = "+390461825060"
STARTS_WITHIN = 120.0


def patient() -> list[str]:
    """`ivr`, with time for its transactions: what a machine may cost that is busy with other tests."""
    return [sys.executable, "-P", str(ROOT / "tests" / "patient.py")]


def ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    return False


@pytest.fixture
def house(tmp_path: Path, postgresql_url: str) -> Iterator[House]:
    """The shipped configuration on PostgreSQL, asking for a PIN at any time, with the cast in it."""
    text = with_lines(
        EXAMPLE.read_text(encoding="utf-8"),
        public_url=f'"{PUBLIC_URL}"',
        account_sid=f'"{ACCOUNT}"',
        auth_tokens=f'["{TOKEN}"]',
        keys=f'["{SECRETS["IVR_SERVICE_KEYS"]}"]',
        peppers=f'["{SECRETS["IVR_PINS_PEPPERS"]}"]',
        salt=f'"{SECRETS["IVR_PINS_SALT"]}"',
        sealing_keys=f'["{bytes(range(20, 52)).hex()}"]',
        url=f'"{postgresql_url}"',
        workers="1",
        closed_days='["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]',
    )
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    house = open_house(load(tmp_path / "config.toml", {}))
    cast.enter(house, "test", datetime.now(UTC))
    yield house
    house.close()


@pytest.fixture
def processes(house: House) -> Iterator[tuple[str, str]]:
    """The addresses of two running `ivr serve --only webhooks`."""
    folder = house.configuration.folder
    text = (folder / "config.toml").read_text(encoding="utf-8")
    ports, running = [], []
    try:
        for name in ("one", "two"):
            ports.append(free_port())
            config = folder / f"{name}.toml"
            config.write_text(text.replace("127.0.0.1:8080", f"127.0.0.1:{ports[-1]}"), encoding="utf-8")
            command = [*patient(), "--config", str(config)]
            with (folder / f"{name}.log").open("wb") as log:
                serve = [*command, "serve", "--only", "webhooks"]
                here = {**os.environ, "PYTHONPATH": str(ROOT)}
                running.append(subprocess.Popen(serve, stdout=log, stderr=log, env=here))
        limit = time.monotonic() + STARTS_WITHIN
        while not all(ready(port) for port in ports):
            told = "".join((folder / f"{name}.log").read_text() for name in ("one", "two"))
            assert time.monotonic() < limit, f"not ready within {STARTS_WITHIN:.0f} s: {told}"
            assert all(process.poll() is None for process in running), told
            time.sleep(0.05)
        yield f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}"
        told = "".join((folder / f"{name}.log").read_text() for name in ("one", "two"))
        assert "ERROR" not in told, told
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)


class TwoDoors:
    """Delivers each request to both at the same instant. `kinds` counts the requests by address."""

    def __init__(self, listeners: tuple[str, str]) -> None:
        self._doors = [HttpDoor(PUBLIC_URL, listener) for listener in listeners]
        self._pool = ThreadPoolExecutor(2)
        self.kinds: Counter[str] = Counter()
        self.took: list[float] = []

    def post(self, url: str, form: list[tuple[str, str]], headers: dict[str, str]) -> Reply:
        began = time.monotonic()
        asked = [self._pool.submit(door.post, url, form, headers) for door in self._doors]
        one, two = (each.result() for each in asked)
        self.took.append(time.monotonic() - began)
        path = urlsplit(url).path
        assert (one.status, one.body) == (two.status, two.body), path
        assert one.status in (200, 204), path
        self.kinds[path] += 1
        return one

    def close(self) -> None:
        self._pool.shutdown()


def test_the_same_request_to_both_at_the_same_instant(house: House, processes: tuple[str, str]) -> None:
    index = pin_index(house.configuration)
    new = registry.draw(index, 8)
    with house.database.write() as connection:
        registry.issue(connection, "test", datetime.now(UTC), "ACME", new)
    doors = TwoDoors(processes)
    exchange = Exchange(
        doors,
        public_url=PUBLIC_URL,
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        clock=VirtualClock(datetime.now(UTC)),
        owned=house.configuration.our_numbers,
    )
    count = 0
    while sum(doors.kinds.values()) < REQUESTS:
        call = exchange.ring("+393471112201", LINE)
        call.press(new.pin, label="PIN of acme")
        call.press("1")
        if count:
            call.press("2")  # not about the case of the call before
        call.wait()
        # Every fourth: the first technician is busy, and the second is rung.
        if count % 4 == 3:
            call.ringing[0].busy()
            call.wait()
        leg = call.ringing[0]
        leg.answer()
        leg.press("1")
        leg.talk(60)
        call.wait()  # by the service's own clock they hardly talked
        assert call.state == "ended"
        count += 1
    doors.close()

    second = count // 4
    with house.database.read() as connection:
        rows = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (calls, cases, attempts, legs, leg_turns, turns, due_work)
        }
        results = Counter(connection.execute(select(attempts.c.result)).scalars())
        numbers = connection.execute(select(cases.c.number).order_by(cases.c.id)).scalars().all()
        codes = connection.execute(select(cases.c.code)).scalars().all()
        waiting = select(func.count()).where(due_work.c.state == due.PENDING, due_work.c.kind == PURSUE)
        pursued = connection.execute(waiting).scalar_one()
        ended = connection.execute(select(func.count()).where(calls.c.ended_at.is_not(None))).scalar_one()
    answered = sum(number for path, number in doors.kinds.items() if path.startswith("/voice/turn"))
    assert rows == {
        "calls": count,
        "cases": count,
        "attempts": count + second,
        "legs": count,
        "leg_turns": 2 * count,
        "turns": doors.kinds["/voice"] + answered,
        # Pursuit and reminders, the technician's text message; and the watch over the rota.
        "due_work": 3 * count + 1,
    }
    assert results == {"connected": count, "busy": second}
    assert [int(number[5:]) for number in numbers] == list(range(1, count + 1))
    assert len(set(codes)) == count
    assert (pursued, ended) == (0, count)
    # Nobody waits for a limit. Of a busy machine single ones may be late.
    assert sorted(doors.took)[len(doors.took) * 9 // 10] < 3.5

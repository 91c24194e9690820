"""A house that is dead, a stand-in that is not, and a telephone between them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
from making import ACCOUNT, TOKEN

from console.phone.clock import VirtualClock
from console.phone.door import Door, HttpDoor, NoReply, Reply
from console.phone.exchange import Behaviour, Exchange

HOUSE = "https://ivr.example.net"
HOST = "https://after-hours-1234.twil.io"
ADDRESS = f"{HOST}/stand-in"
RUNNER = Path(__file__).parent / "runner.js"
NO_ANSWER = 11205


def node() -> str:
    """Node.js. Else skips, or fails under REQUIRE_ALL=1."""
    found = shutil.which("node") or shutil.which("nodejs")
    if found:
        return found
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail("needs Node.js 18 or newer", pytrace=False)
    pytest.skip("needs Node.js 18 or newer")


@contextmanager
def running(document: str, folder: Path) -> Iterator[str]:
    """Serves the document until the end of the block; its local address."""
    file = folder / "stand-in.js"
    file.write_text(document, encoding="utf-8")
    process = subprocess.Popen(
        [node(), str(RUNNER), str(file), HOST],
        env={"TOKEN": TOKEN, "PATH": os.environ.get("PATH", "")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(timeout=60)
        assert process.stdout is not None
        process.stdout.close()


@dataclass
class Roads:
    """Leads to the stand-in, and to the house if there is one that answers. `bodies` holds every document."""

    clock: VirtualClock
    stand_in: HttpDoor
    house: Door | None = None
    asked: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    def post(self, url: str, form: list[tuple[str, str]], headers: dict[str, str]) -> Reply:
        self.asked.append(url)
        if url.startswith(HOST):
            milliseconds = str(int(self.clock.now().timestamp() * 1000))
            reply = self.stand_in.post(url, form, {**headers, "x-now": milliseconds})
            self.bodies.append(reply.body.decode())
            return reply
        if self.house is None:
            raise NoReply(f"{url}: refused", NO_ANSWER)
        return self.house.post(url, form, headers)


def telephone(
    local: str,
    at: datetime,
    *,
    token: str = TOKEN,
    behaviour: Behaviour | None = None,
    house: Door | None = None,
) -> tuple[Exchange, Roads]:
    """Twilio, with the stand-in as fallback of every number."""
    clock = VirtualClock(at)
    roads = Roads(clock, HttpDoor(HOST, local), house)
    exchange = Exchange(
        roads,
        public_url=HOUSE,
        account_sid=ACCOUNT,
        auth_token=token,
        clock=clock,
        behaviour=behaviour,
    )
    exchange.fallback_url = ADDRESS
    return exchange, roads

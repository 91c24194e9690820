"""The other end of `program.py`: starts a program, tells it what to do, waits for what it says."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
ENDS_WITHIN = 60  # seconds: a busy machine needs some


def played(scene: Coroutine[Any, Any, None]) -> None:
    """Plays it to its end on a loop of its own, in a thread of its own: a browser that other tests drive from
    this one has a loop running here already.
    """
    with ThreadPoolExecutor(1) as own:
        own.submit(asyncio.run, scene).result()


class Gone(Exception):
    """The program ended before it said what was waited for."""


class Program:
    """`python -m realcall.NAME`. `events` is all it said so far; `wait` goes through them in order."""

    def __init__(self, module: str, log: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self.complaint = ""
        self._module, self._log = module, log
        self._next = 0
        self._news = asyncio.Condition()
        self._over = False

    async def start(self, **orders: Any) -> None:
        """Starts it; `orders` are the first line it reads."""
        paths = [str(TESTS), str(TESTS.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"realcall.{self._module}"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                limit=1 << 20,
            )
        self._reader = asyncio.create_task(self._read())
        await self.order(**orders)

    async def order(self, **what: Any) -> None:
        assert self._process.stdin is not None
        with suppress(ConnectionError):  # that it is gone is told by `wait`
            self._process.stdin.write(json.dumps(what).encode() + b"\n")
            await self._process.stdin.drain()

    async def wait(self, event: str, **facts: Any) -> dict[str, Any]:
        """The next event with this name and these facts; what came before it is passed over. Raises Gone."""
        wanted = {"event": event, **facts}
        async with self._news:
            while True:
                while self._next < len(self.events):
                    told = self.events[self._next]
                    self._next += 1
                    if wanted.items() <= told.items():
                        return told
                if self._over:
                    raise Gone(f"{self._module} ended before it said {wanted}:\n{self._tail()}")
                await self._news.wait()

    def told(self, event: str, **facts: Any) -> bool:
        """Whether it ever said so, until now."""
        wanted = {"event": event, **facts}
        return any(wanted.items() <= each.items() for each in self.events)

    async def stop(self) -> None:
        """Lets it end, or ends it. `complaint` is then what there is to say of its end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), ENDS_WITHIN)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reader
        code, said = self._process.returncode, self._tail().strip()
        self.complaint = f"ended with {code}: {said}" if code or said else ""

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._news:
                self.events.append(json.loads(line))
                self._news.notify_all()
        async with self._news:
            self._over = True
            self._news.notify_all()

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

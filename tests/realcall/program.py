"""A program that is told what to do and tells what happens, a line of JSON each, over its standard streams.

Secrets come in this way too: they stand in no argument and no environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any


class Wire:
    """The two streams. What else the program or PJSUA prints to standard output is dropped."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.close(nothing)

    def tell(self, event: str, **facts: Any) -> None:
        """One event, with the instant at which it happened (seconds of the machine's steady clock)."""
        line = json.dumps({"event": event, "at": time.monotonic(), **facts})
        self._out.write(line + "\n")  # at once: threads may tell too

    async def orders(self) -> AsyncIterator[dict[str, Any]]:
        """What the program is told, until whoever started it closes the stream or ends."""
        reader = asyncio.StreamReader(limit=1 << 20)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        while line := await reader.readline():
            yield json.loads(line)

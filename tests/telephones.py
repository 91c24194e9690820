"""A telephone network for tests that need no telephone: it writes down what was asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count

from oncall.notices.channels import CallOut, ChannelFailed


class Telephones:
    """Satisfies channels.Telephone. `fails` is raised by the next `place` and so on; `says` is what
    the network answers when it is asked about a call.
    """

    def __init__(self) -> None:
        self.placed: list[CallOut] = []
        self.sids: list[str] = []
        self.fails: list[ChannelFailed | None] = []
        self.says: str | None = "in-progress"
        self.away = False
        self._numbers: Iterator[int] = count(1)

    def place(self, call: CallOut) -> str:
        failed = self.fails.pop(0) if self.fails else None
        if failed is not None and not failed.maybe_done:
            raise failed
        self.placed.append(call)
        self.sids.append(f"CA{next(self._numbers) + 0xF000:032x}")
        if failed is not None:
            raise failed
        return self.sids[-1]

    def find(self, call: CallOut, since: datetime) -> str | None:
        if self.away:
            raise ChannelFailed("time-out")
        found = [sid for made, sid in zip(self.placed, self.sids, strict=True) if made.to == call.to]
        return found[-1] if found else None

    def status(self, sid: str) -> str | None:
        if self.away:
            raise ChannelFailed("time-out")
        return self.says

    def hang_up(self, sid: str) -> None:
        self.says = "completed"

    @contextmanager
    def out(self) -> Iterator[None]:
        """The network does not answer questions meanwhile."""
        self.away = True
        yield
        self.away = False

    @property
    def phones(self) -> list[str]:
        return [call.to for call in self.placed]

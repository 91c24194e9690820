"""A service that is told to read its configuration again, by an admin who edits the file."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

from making import rome

from acceptance.installation import Installation

NIGHT = rome("2026-03-10 22:00")
IN_FORCE = "webhooks: the configuration as it is now is in force"
STAYS = "the configuration stays as it was"
PATIENCE = 60.0


class Service:
    """An installation that serves, with an admin who edits its configuration."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.file = installation.folder / "config.toml"

    def write(self, **lines: str) -> None:
        """Replace the first line `key = …` of each."""
        text = self.file.read_text()
        for key, value in lines.items():
            line = f"{key} = {value}"
            text, found = re.subn(rf"(?m)^{key} = .*$", lambda _, line=line: line, text, count=1)
            assert found, key
        self.file.write_text(text)

    def hang_up(self) -> None:
        assert self.installation.service is not None
        self.installation.service.send_signal(signal.SIGHUP)

    @property
    def printed(self) -> str:
        return self.installation.printed.read_text()

    def says(self, what: str, times: int = 1) -> None:
        """Wait until it has printed this, so often in all."""
        limit = time.monotonic() + PATIENCE
        while self.printed.count(what) < times:
            assert time.monotonic() < limit, f"{what!r} was not printed:\n{self.printed[-3000:]}"
            time.sleep(0.02)

    def parts(self) -> dict[int, set[int]]:
        """The three parts with their processes, once they are all there: the worker alone has none."""
        self.says("worker started")
        limit = time.monotonic() + PATIENCE
        while True:
            found = {part: self.children(part) for part in self.children()}
            if len(found) == 3 and sum(1 for each in found.values() if each) == 2:
                return found
            assert time.monotonic() < limit, found
            time.sleep(0.02)

    def children(self, of: int | None = None) -> set[int]:
        """The processes that this one (else the supervisor) has started."""
        assert self.installation.service is not None
        pid = of or self.installation.service.pid
        return {int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

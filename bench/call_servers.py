"""What is called in a benchmark, each under the server that `ivr serve` uses, as a process of its own.

    bench/call_servers.py house|floor|naive CONFIGURATION

- `house`: the webhook door as `ivr serve --only webhooks` runs it.
- `floor`: a bare Flask view that checks Twilio's signature and answers one constant Gather.
- `naive`: the same conversation written the obvious way (`peers/naive_call.py`).
"""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
for each in (ROOT, ROOT / "tests", ROOT / "bench"):
    if str(each) not in sys.path:
        sys.path.insert(0, str(each))

STARTS_WITHIN = 180.0
PATHS = [str(ROOT), str(ROOT / "bench"), *filter(None, [os.environ.get("PYTHONPATH")])]
# The clock of a process's processor time, all its threads, in nanoseconds: clock_getcpuclockid(3).
_CPU_CLOCK = 2


class Server:
    """A server under way. `cpu` counts seconds of the processor of all its processes that still live."""

    def __init__(self, kind: str, configuration: Path, port: int, program: str = __file__) -> None:
        self.kind, self.port = kind, port
        self._log = configuration.parent / f"{kind}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, program, kind, str(configuration)],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)},
                start_new_session=True,
            )
        limit = time.monotonic() + STARTS_WITHIN
        while not _answers(port):
            assert self._process.poll() is None, self.log
            assert time.monotonic() < limit, self.log
            time.sleep(0.05)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-3000:]

    @property
    def processes(self) -> list[int]:
        found, waiting = [], [self._process.pid]
        while waiting:
            found.append(waiting.pop())
            children = Path(f"/proc/{found[-1]}/task/{found[-1]}/children").read_text().split()
            waiting += map(int, children)
        return found

    def cpu(self) -> float:
        return sum(time.clock_gettime(~pid << 3 | _CPU_CLOCK) for pid in self.processes)

    def stop(self) -> float:
        """Told to end by TERM; returns the seconds that took."""
        began = time.perf_counter()
        self._process.terminate()
        self._process.wait(60)
        return time.perf_counter() - began


@contextmanager
def serving(kind: str, configuration: Path, port: int, program: str = __file__) -> Iterator[Server]:
    server = Server(kind, configuration, port, program)
    try:
        yield server
    finally:
        server.stop()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    return False


# -- in the process that serves ------------------------------------------------------------------


def _serve(kind: str, file: Path) -> None:
    from console.processes import service
    from console.processes.serving import Gunicorn, Size
    from console.processes.waiting_room import ROOM
    from console.settings import load

    configuration = load(file, {})
    if kind == "house":
        service.run_part("webhooks", configuration)
        return
    if kind == "floor":
        from floor import make
    else:
        from peers.naive_call import make
    Gunicorn(
        kind,
        configuration,
        make=make,
        listen=lambda known: known.service.listen,
        size=lambda known: Size(known.service.workers, known.service.threads + ROOM),
    ).run()


if __name__ == "__main__":
    import logging

    # As the command `ivr` does.
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    _serve(sys.argv[1], Path(sys.argv[2]))

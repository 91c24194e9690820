"""One installation of the product in a folder of its own: its command, its service, its clock."""

import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ports import free_port

from .caller import Line

HERE = Path(__file__).resolve().parent
PUBLIC_URL = "https://phone.example.net"
ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "not-a-real-token-0123456789abcdef"
READY_WITHIN = 120  # seconds: no machine is that slow
ENDS_WITHIN = 30  # seconds: TimeoutStopSec of deploy/systemd/ivr.service


def missing(what: str) -> NoReturn:
    """This test cannot run: one line says why. With REQUIRE_ALL=1 that is a failure."""
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"needs {what}", pytrace=False)
    pytest.skip(f"needs {what}")


def command() -> list[str]:
    """`ivr` as installed beside this Python, else the module behind it."""
    beside = Path(sys.executable).with_name("ivr")
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "console.commands"]


class Clock:
    """The time of day that an installation's programs see (see clock.c). It runs; `set` moves it."""

    def __init__(self, folder: Path) -> None:
        """Raises FileNotFoundError without a C compiler."""
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise FileNotFoundError("a C compiler (cc), to move the service's clock")
        self.library = folder / "clock.so"
        self.shift = folder / "shift"
        self.shift.write_bytes(struct.pack("=q", 0))
        made = [compiler, "-shared", "-fPIC", "-O2", "-o", str(self.library), str(HERE / "clock.c")]
        subprocess.run(made, check=True, capture_output=True)

    def set(self, instant: datetime) -> None:
        """From here on it is `instant`, and time goes on from there."""
        nanoseconds = round(instant.timestamp() * 1_000_000_000) - time.time_ns()
        with self.shift.open("r+b") as file:
            file.write(struct.pack("=q", nanoseconds))

    def now(self) -> datetime:
        """What the programs see at this moment."""
        (shift,) = struct.unpack("=q", self.shift.read_bytes())
        return datetime.fromtimestamp((time.time_ns() + shift) / 1_000_000_000, UTC)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "SHIFTED_CLOCK": str(self.shift)}


class Installation:
    """`folder` holds the configuration and everything the product writes; `printed` is what its service says.

    HOME is an empty folder. Commands run in `folder`, so no path is ever named to them.
    """

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.folder, self.clock = folder, clock
        self.folder.mkdir(parents=True, exist_ok=True)
        self.home = folder.with_name(folder.name + "-home")
        self.home.mkdir(exist_ok=True)
        self.printed = folder.with_name(folder.name + "-printed")
        self.service: subprocess.Popen[bytes] | None = None
        self.lines: list[Line] = []

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "PYTHONPATH") if name in os.environ}
        shifted = self.clock.environment if self.clock else {}
        return {**kept, "HOME": str(self.home), "LANG": "C.UTF-8", "TZ": "UTC", **shifted}

    # The command --------------------------------------------------------------------------------------

    def run(self, *arguments: str | bytes, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """`ivr ARGUMENTS`, whatever comes of it."""
        done = subprocess.run(
            [*command(), *arguments],
            cwd=self.folder,
            env=self.environment,
            # Never the terminal that the tests were started from: at one, `ivr init` asks.
            input=stdin or "",
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=300,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def ivr(self, *arguments: str | bytes, stdin: str | None = None) -> str:
        """What `ivr ARGUMENTS` prints; it must succeed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"ivr {arguments}: {done.returncode}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str | bytes) -> Any:
        return json.loads(self.ivr(*arguments, "--json"))

    # The configuration --------------------------------------------------------------------------------

    @property
    def configuration(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "config.toml").read_text())

    def configure(self) -> None:
        """Fill in what a service needs, by lines; each key stands once, `listen` once a door."""
        file = self.folder / "config.toml"
        text = file.read_text()
        ports = [free_port() for _ in range(3)]
        values = {
            "public_url": f'"{PUBLIC_URL}"',
            "account_sid": f'"{ACCOUNT}"',
            "auth_tokens": f'["{TOKEN}"]',
            "workers": "1",  # one is enough here, and starts sooner
            "api_base": f'"http://127.0.0.1:{ports[2]}"',  # nobody listens: no call leaves this machine
        }
        for key, value in values.items():
            text, found = re.subn(rf"(?m)^#?[ \t]*{key}[ \t]*=.*$", f"{key} = {value}", text)
            assert found == 1, f"{key} stands {found} times in the configuration"
        doors = iter(ports[:2])
        text, found = re.subn(
            r"(?m)^#?[ \t]*listen[ \t]*=.*$", lambda _: f'listen = "127.0.0.1:{next(doors)}"', text
        )
        assert found == 2, f"listen stands {found} times in the configuration"
        file.write_text(text)
        self.listener, self.console = f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}"

    # The service --------------------------------------------------------------------------------------

    def line(self) -> Line:
        """A way to ring this service."""
        line = Line(self.listener, PUBLIC_URL, ACCOUNT, TOKEN)
        self.lines.append(line)
        return line

    def start(self, *options: str, within: float = READY_WITHIN) -> None:
        """Start the service, or what `options` leave of it, and wait until it can serve a call.

        AssertionError if it cannot `within` so many seconds.
        """
        self.begin(*options)
        assert self.service is not None
        patience = time.monotonic() + within
        while not self.ready():
            if self.service.poll() is not None or time.monotonic() > patience:
                self.kill()
                raise AssertionError(f"the service is not ready:\n{self.printed.read_text()[-3000:]}")
            time.sleep(0.03)

    def console_listens(self, within: float = READY_WITHIN) -> None:
        """Wait for the console: it starts beside the webhook door, and no call needs it."""
        host, _, port = self.console.rpartition(":")
        patience = time.monotonic() + within
        while True:
            with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
                return
            assert time.monotonic() < patience, f"no console:\n{self.printed.read_text()[-3000:]}"
            time.sleep(0.03)

    def begin(self, *options: str) -> None:
        """Start it and wait for nothing."""
        assert self.service is None
        with self.printed.open("ab") as printed:
            self.service = subprocess.Popen(
                [*command(), "serve", *options],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ready(self) -> bool:
        connection = HTTPConnection(self.listener, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def kill(self) -> None:
        """SIGKILL to the service and everything it started."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM to the service, as a system shutting down would, which kills it after ENDS_WITHIN."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.service is None:
            return
        service, self.service = self.service, None
        try:
            if how == signal.SIGTERM:
                service.terminate()
                service.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the service did not end within {ENDS_WITHIN} s of SIGTERM") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(service.pid, signal.SIGKILL)
            service.wait(60)

    def files(self) -> Sequence[tuple[str, bytes]]:
        """Everything the product wrote or printed: (where, content); the names of files are content too."""
        paths = [path for top in (self.folder, self.home) for path in top.rglob("*")]
        found = [("file names", "\n".join(map(str, paths)).encode())]
        for path in [*paths, self.printed]:
            with suppress(FileNotFoundError):  # a journal may be folded into its database meanwhile
                if path.is_file():
                    found.append((str(path), path.read_bytes()))
        return found

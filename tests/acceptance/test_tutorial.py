"""docs/tutorial.md, followed by script: word by word, in an empty HOME, and what is printed is compared.

Three things are otherwise than for a newcomer. The program is the one under test, unless REQUIRE_ALL=1 has it
installed into an environment of its own (without a network: its dependencies are those of this one). Its
doors are at free ports. And Twilio is the stand-in of `twilio_rest`, or nobody.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue

import pytest
from making import ACCOUNT, TOKEN
from papers import ROOT, SHELLS, Block, blocks
from ports import free_port
from twilio_rest import account, serverless
from twilio_rest.server import serving

PAGE = ROOT / "docs" / "tutorial.md"
TEXT = PAGE.read_text(encoding="utf-8")
OUR_NUMBER = "+390461825060"
HERE = re.compile(r"http://127\.0\.0\.1:\d+[^\s>]*")
# Blocks that are not followed, each with its reason in the page.
NOT_FOLLOWED = 3
PATIENCE = 120  # seconds; for a machine that is busy with other tests


class Window:
    """A terminal with a shell in it. `environment` is all that it knows."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            start_new_session=True,
            text=True,
            encoding="utf-8",
        )
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.shell.stdout
        for line in self.shell.stdout:
            self._lines.put(line)

    def type(self, text: str) -> None:
        assert self.shell.stdin
        self.shell.stdin.write(text + "\n")
        self.shell.stdin.flush()

    def run(self, command: str, typed: str = "") -> tuple[int, str]:
        """Exit code and output of a command; `typed` is what it reads from the keyboard."""
        self.type(f"{command}\n{typed}" if typed else command)
        self.type('printf "\\nended with %s\\n" "$?"')
        output = self.until(re.compile(r"^ended with (\d+)$"))
        return int(output.pop().split()[-1]), "".join(output).removesuffix("\n")

    def until(self, last: re.Pattern[str]) -> list[str]:
        """What is printed up to a line that is like `last`."""
        lines: list[str] = []
        patience = time.monotonic() + PATIENCE
        while not lines or not last.search(lines[-1].rstrip("\n")):
            try:
                lines.append(self._lines.get(timeout=max(0.1, patience - time.monotonic())))
            except Empty:
                raise AssertionError(f"{last.pattern} was not printed, but:\n{''.join(lines)}") from None
        return lines

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.shell.pid, signal.SIGTERM)
        try:
            self.shell.wait(60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.shell.pid, signal.SIGKILL)
            self._reader.join()
            assert self.shell.stdin
            assert self.shell.stdout
            self.shell.stdin.close()
            self.shell.stdout.close()


def like(shown: str) -> re.Pattern[str]:
    """What output must be to be as it is shown: … is anything, and so is how wide a gap is."""
    lines = []
    for line in shown.strip("\n").splitlines():
        if line.strip() == "…":
            lines.append(r"(?:[^\n]*\n)*?")
            continue
        parts = [r"[ ]+".join(map(re.escape, re.split(" +", part))) for part in line.split("…")]
        lines.append(".*".join(parts) + r"[ ]*\n")
    return re.compile("".join(lines))


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Each command of a block, with what is shown below it."""
    if block.language == "sh":
        yield from ((line, "…") for line in block.lines if line)
        return
    command, shown, ends = "", [], ""
    for line in block.lines:
        if ends:
            command += f"\n{line}"
            ends = "" if line == ends else ends
        elif line.startswith("$ "):
            if command:
                yield command, "\n".join(shown)
            command, shown = line[2:], []
            here = re.search(r"<<(\w+)$", command)
            ends = here[1] if here else ""
        else:
            shown.append(line)
    yield command, "\n".join(shown)


class Newcomer:
    """Somebody who follows the page, in `folder`."""

    def __init__(self, folder: Path, twilio: str) -> None:
        self.twilio = twilio
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / "after-hours-ivr").symlink_to(ROOT)
        self.ports = dict(zip(("8080", "8081", "4010"), free_ports(3), strict=True))
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        self.environment = {**kept, "HOME": str(self.home), "LANG": "C.UTF-8", "TZ": "UTC"}
        self.first = Window(self.environment, self.home)
        self.second: Window | None = None
        self.pin = ""

    @property
    def folder(self) -> Path:
        return self.home / "telephone"

    def moved(self, text: str) -> str:
        """With our ports in place of the page's."""
        return re.sub(r"(?<=127\.0\.0\.1:)\d+", lambda found: self.ports.get(found[0], found[0]), text)

    # -- what a block asks for ---------------------------------------------------------------------

    def follow(self, block: Block) -> None:
        if block.mark == "script: install":
            self.install(block)
        elif block.mark == "script: edit config.toml":
            self.edit(block.lines)
        elif block.title:
            (self.folder / block.title).write_text("\n".join(block.lines) + "\n", encoding="utf-8")
        elif block.mark == "script: a second window":
            self.begin(block)
        elif block.language in SHELLS:
            for command, shown in commands(block):
                self.do(command, shown, block.line)

    def do(self, command: str, shown: str, line: int) -> None:
        typed = self.pin if command.startswith("read ") else ""
        code, output = self.first.run(self.moved(command), typed)
        doctor = command.startswith("ivr doctor")
        assert code == (1 if doctor else 0), f"line {line}, {command}: {code}\n{output}"
        found = like(self.moved(shown)).fullmatch(output.strip("\n") + "\n" if output.strip() else "")
        assert found, f"line {line}, {command} prints\n{output}\nand not\n{shown}"
        if issued := re.search(r"^PIN \d+ of \w+: (\d+)$", output, re.MULTILINE):
            self.pin = issued[1]
        if command.startswith("ivr init"):
            self.settle()
        for address in HERE.findall(output):
            self.open(address)

    def open(self, address: str) -> None:
        """In a browser: it must be there."""
        patience = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(self.moved(address), timeout=10) as answer:
                    assert answer.status == 200
                    return
            except urllib.error.HTTPError as error:
                if error.code != 503:  # it only begins
                    raise
            except OSError:
                pass
            assert time.monotonic() < patience, f"nobody answers at {address}"
            time.sleep(0.05)

    def begin(self, block: Block) -> None:
        """The service, in a window of its own."""
        if self.second is not None:
            self.second.close()
        self.second = Window(self.environment, self.home)
        todo = list(commands(block))
        for command, _ in todo[:-1]:
            assert self.second.run(command)[0] == 0, command
        command, shown = todo[-1]
        self.second.type(command)
        pattern = ".*".join(map(re.escape, shown.strip().split("…")))
        self.second.until(re.compile(pattern))

    # -- what is otherwise than for a newcomer -------------------------------------------------------

    def install(self, block: Block) -> None:
        """Word by word with REQUIRE_ALL=1; else `ivr` is the program under test."""
        assert any(line.endswith("pip install ~/after-hours-ivr") for line in block.lines)
        made = self.home / "ivr" / "bin" / "ivr"
        if os.environ.get("REQUIRE_ALL") != "1":
            made.parent.mkdir(parents=True)
            begin = "import sys; from console.commands import main; sys.argv[0] = 'ivr'; main()"
            program = f'exec {shlex.quote(sys.executable)} -c "{begin}" "$@"'
            made.write_text(f"#!/bin/sh\nexport PYTHONPATH={shlex.quote(str(ROOT))}\n{program}\n")
            made.chmod(0o755)
            return
        venv, pip = block.lines
        self.first.run(f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH {venv}")
        (site,) = (self.home / "ivr" / "lib").glob("python*/site-packages")
        ours = next(each for each in sys.path if each.endswith("site-packages"))
        (site / "dependencies.pth").write_text(ours + "\n", encoding="utf-8")
        code, output = self.first.run(f"PIP_NO_INDEX=1 PIP_NO_BUILD_ISOLATION=0 {pip}")
        assert code == 0, output
        where = f"{self.home}/ivr/bin/python -c 'import console; print(console.__file__)'"
        assert str(site) in self.first.run(where)[1]

    def settle(self) -> None:
        """After `ivr init`: our ports, and nobody in place of Twilio."""
        file = self.folder / "config.toml"
        text = self.moved(file.read_text(encoding="utf-8"))
        file.write_text(
            text.replace("\n# api_base = ", "\napi_base = ").replace("\nworkers = 2\n", "\nworkers = 1\n"),
            encoding="utf-8",
        )

    def edit(self, lines: tuple[str, ...]) -> None:
        """As the page says, with our account in place of …."""
        file = self.folder / "config.toml"
        text = file.read_text(encoding="utf-8")
        if lines[0] == "[[number]]":
            text, found = re.subn(
                r"(?ms)^\[\[number\]\]\n.*(?=^\[urgency\])", "\n".join(lines) + "\n\n", text
            )
            assert found == 1
        else:
            ours = {"AC…": ACCOUNT, "…": TOKEN}
            for line in lines:
                key = line.split(" = ")[0]
                for shown, real in ours.items():
                    line = line.replace(f'"{shown}"', f'"{real}"')
                text, found = re.subn(rf"(?m)^{key} = .*$", line, text)
                assert found == 1, key
            text = re.sub(r"(?m)^api_base = .*$", f'api_base = "{self.twilio}"', text)
        file.write_text(text, encoding="utf-8")

    def close(self) -> None:
        for window in (self.first, self.second):
            if window is not None:
                window.close()


def free_ports(count: int) -> list[str]:
    return [str(free_port()) for _ in range(count)]


def steps() -> list[tuple[int, Block | str]]:
    """The page in order: blocks to follow, and addresses of this machine to open."""
    found: list[tuple[int, Block | str]] = [
        (block.line, block) for block in blocks(TEXT) if not block.mark.startswith("script: not followed, ")
    ]
    for number, line in enumerate(TEXT.splitlines(), start=1):
        found += [(number, address) for address in re.findall(r"<(http://127\.0\.0\.1:\d+[^>]*)>", line)]
    return sorted(found, key=lambda step: step[0])


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    at_twilio = account.Account(ACCOUNT, TOKEN)
    at_twilio.add(OUR_NUMBER, text=False)
    functions = serverless.Functions(ACCOUNT)
    routes = [*account.routes(at_twilio), *serverless.routes(functions)]
    with serving(ACCOUNT, TOKEN, routes, wrong_is_failure=False) as twilio:
        twilio.validated = False  # by the tests of `provision` and of the stand-in
        made = Newcomer(tmp_path, twilio.base)
        yield made
        made.close()


def test_the_tutorial_can_be_followed(newcomer: Newcomer) -> None:
    for _, step in steps():
        if isinstance(step, str):
            newcomer.open(step)
        else:
            newcomer.follow(step)
    assert newcomer.pin
    written = [file for file in newcomer.home.rglob("*") if file.is_file() and not file.is_symlink()]
    assert len(written) > 5
    assert not [file for file in written if newcomer.pin.encode() in file.read_bytes()]


def test_little_is_not_followed_and_each_has_its_reason() -> None:
    marks = [block.mark for block in blocks(TEXT) if block.language in SHELLS]
    left_out = [mark for mark in marks if mark.startswith("script: not followed, ")]
    assert len(left_out) == NOT_FOLLOWED
    known = {"", "script: install", "script: a second window", *left_out}
    assert set(marks) <= known
    assert len(marks) > 20


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a  b", "a b\n", True),
        ("a b", "a c\n", False),
        ("a … c", "a b b c\n", True),
        ("…", "", True),
        ("a\n…\nd", "a\nb\nc\nd\n", True),
        ("a\n…\nd", "a\nb\nc\n", False),
        ("a", "a\nb\n", False),
        ("", "a\n", False),
        ("a. b", "axb\n", False),
    ],
)
def test_what_is_shown_is_compared(shown: str, printed: str, same: bool) -> None:
    assert bool(like(shown).fullmatch(printed)) is same

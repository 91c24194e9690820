"""The keyboard, one key at a time. However it ends, the terminal is as it was."""

from __future__ import annotations

import os
import select
import signal
import termios
import tty
from collections.abc import Iterator
from types import FrameType, TracebackType

SEQUENCES = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1b[C": "right",
    b"\x1b[D": "left",
    b"\x1bOA": "up",
    b"\x1bOB": "down",
    b"\x1bOC": "right",
    b"\x1bOD": "left",
    b"\x1b[Z": "back-tab",
}
NAMES = {"\r": "enter", "\n": "enter", "\t": "tab", "\x7f": "backspace", "\b": "backspace", "\x1b": "escape"}
# Bytes of one sequence arrive together; a lone escape is followed by nothing for this long.
SECONDS_OF_A_SEQUENCE = 0.05


class Terminated(SystemExit):
    """The program was told to end while it had the keyboard. Exits with 128 + the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class Keyboard:
    """Takes the terminal at `descriptor` in a `with`: unbuffered, without echo, Ctrl-Z off.

    Ctrl-C raises KeyboardInterrupt, TERM and HUP raise Terminated, so that the way out is always the same.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._unread = b""

    def __enter__(self) -> Keyboard:
        self._before = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor)
        changed = termios.tcgetattr(self._descriptor)
        # A suspended program would leave its screen and this mode to the shell.
        changed[6][termios.VSUSP] = b"\0"
        termios.tcsetattr(self._descriptor, termios.TCSANOW, changed)
        self._handlers = {each: signal.signal(each, _end) for each in (signal.SIGTERM, signal.SIGHUP)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Keys that were typed and not read were meant for this telephone, not for the shell.
        termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, self._before)
        for each, handler in self._handlers.items():
            signal.signal(each, handler)

    def keys(self, timeout: float) -> list[str]:
        """The keys pressed by now; waits at most `timeout` seconds for one. EOFError when nobody is there."""
        if not self._unread and not self._read(timeout):
            return []
        while self._is_incomplete() and self._read(SECONDS_OF_A_SEQUENCE):
            pass
        found, self._unread = list(decoded(self._unread)), b""
        return found

    def _read(self, timeout: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], timeout)
        if not ready:
            return False
        try:
            read = os.read(self._descriptor, 1024)
        except OSError:  # the terminal has gone
            read = b""
        if not read:
            raise EOFError
        self._unread += read
        return True

    def _is_incomplete(self) -> bool:
        tail = self._unread[self._unread.rfind(b"\x1b") :] if b"\x1b" in self._unread else b""
        return tail in (b"\x1b", b"\x1b[", b"\x1bO") or not _is_text(self._unread)


def decoded(raw: bytes) -> Iterator[str]:
    """Keys by name: a character, "enter", "tab", "up" … What is neither is left out."""
    while raw:
        for sequence, name in SEQUENCES.items():
            if raw.startswith(sequence):
                yield name
                raw = raw[len(sequence) :]
                break
        else:
            if raw[:2] in (b"\x1b[", b"\x1bO"):  # a key we have no use for, up to its last byte
                rest = raw[2:].lstrip(b"0123456789;")
                raw = rest[1:]
                continue
            text = raw[:4].decode("utf-8", errors="ignore")[:1]
            if not text:
                raw = raw[1:]
                continue
            raw = raw[len(text.encode()) :]
            if text in NAMES:
                yield NAMES[text]
            elif text.isprintable():
                yield text


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.end != len(raw)
    return True


def _end(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)

"""A text file that only grows, each line signed together with the line before it.

For what must survive the database: whoever can write there, but has not the key, can neither change nor
forge, remove nor reorder a line of this file without its being found. That lines were cut off its end can
only be seen by comparing with a copy elsewhere.

A line is a JSON object with its number `n` and, last, its `mac`: HMAC-SHA256 over the mac before and the
line itself. The file is never rewritten, so it may be given the append-only attribute. A crash while a
line is written leaves a torn tail; the next line names it (`torn`), and so vouches that it was one.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.whole_file import fsync_folder

# What stands before the first line.
_START = bytes(32)
# Enough of the end of the file to find its last line in.
_WINDOW = 65_536
_RESERVED = {"n", "mac", "torn"}


class LogBusy(Exception):
    """Another process is writing this file: try again later."""


@dataclass(frozen=True)
class Misfit:
    """What is wrong with a line of the file, counted from 1."""

    line: int
    what: str


@dataclass(frozen=True)
class Contents:
    """The entries whose signature holds, in order; what is wrong with other lines; how many tears a crash
    has left, healed or still at the end.
    """

    entries: list[dict[str, Any]]
    faults: list[Misfit]
    torn: int = 0


@dataclass(frozen=True)
class _Line:
    n: int
    entry: dict[str, Any]
    mac: bytes


@dataclass(frozen=True)
class _Tail:
    """The end of a file: its last line, whether that lacks its end only, and what was torn after it."""

    line: _Line | None
    unended: bool
    torn: bytes


class SignedLog:
    """The log in the file at `path`. `label` says what it is for: a line of one log fits in no other."""

    def __init__(self, path: Path, key: bytes, label: str) -> None:
        self.path = path
        self._key = hmac.digest(key, f"signed log: {label}".encode(), "sha256")

    @contextmanager
    def appending(self) -> Iterator[Appending]:
        """Be the only one who writes, made and readable by its owner alone. Does not wait: raises LogBusy
        if somebody else is writing, OSError if the file cannot be used.
        """
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(self.path, flags, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LogBusy(self.path.name) from None
            yield Appending(self, handle)
        finally:
            os.close(handle)

    def last(self) -> dict[str, Any] | None:
        """The newest entry, its signature unchecked; None if there is none. Reads the file's end only."""
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            line = _tail(handle).line
        finally:
            os.close(handle)
        return line.entry if line else None

    def read(self) -> Contents:
        """Everything in the file, checked. A file that does not exist is empty."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            content = b""
        *lines, rest = content.split(b"\n")
        found = Contents([], [])
        torn, mac, due = 0, _START, 1
        # Lines that cannot be read: torn ones, if the next line says so.
        unread: list[tuple[int, bytes]] = []
        for number, text in enumerate([*lines, *([rest] if rest else [])], start=1):
            line = _parsed(text)
            if line is None:
                unread.append((number, text))
                continue
            fits = line.n == due and hmac.compare_digest(text, self._line(mac, line.n, line.entry))
            junk = b"\n".join(text for _, text in unread)
            if unread and fits and line.entry.get("torn") == _name_of(junk):
                torn += 1
            else:
                found.faults.extend(Misfit(each, "cannot be read") for each, _ in unread)
            if fits:
                found.entries.append({k: v for k, v in line.entry.items() if k not in _RESERVED})
            elif line.n > due:
                found.faults.append(Misfit(number, f"entries {due} to {line.n - 1} before it are missing"))
            else:
                found.faults.append(Misfit(number, "is not what was signed, or is not where it was"))
            unread, mac, due = [], line.mac, line.n + 1
        if unread and rest:
            torn += 1
        else:
            found.faults.extend(Misfit(each, "cannot be read") for each, _ in unread)
        return Contents(found.entries, found.faults, torn)

    def _line(self, before: bytes, n: int, entry: Mapping[str, Any]) -> bytes:
        body = json.dumps({**entry, "n": n}, sort_keys=True, separators=(",", ":")).encode()
        mac = hmac.digest(self._key, before + body, "sha256")
        return body[:-1] + b',"mac":"' + mac.hex().encode() + b'"}'


class Appending:
    """The file while we are the only one who writes it."""

    def __init__(self, log: SignedLog, handle: int) -> None:
        self._log = log
        self._handle = handle

    def append(self, *entries: Mapping[str, Any]) -> None:
        """Add these entries; when this returns they are on the disk. `n`, `mac` and `torn` are ours.

        Raises OSError if they are not: then the next append heals what was left of them.
        """
        tail = _tail(self._handle)
        new = os.fstat(self._handle).st_size == 0
        mac, n = (tail.line.mac, tail.line.n) if tail.line else (_START, 0)
        text = b"\n" if tail.unended or tail.torn else b""
        vouched = {"torn": _name_of(tail.torn)} if tail.torn else {}
        for entry in entries:
            assert not _RESERVED & entry.keys()
            n += 1
            line = self._log._line(mac, n, {**entry, **vouched})
            parsed = _parsed(line)
            assert parsed is not None
            mac, vouched = parsed.mac, {}
            text += line + b"\n"
        while text:
            text = text[os.write(self._handle, text) :]
        os.fsync(self._handle)
        if new:
            fsync_folder(self._log.path.parent)


def _tail(handle: int) -> _Tail:
    size = os.fstat(handle).st_size
    start = max(0, size - _WINDOW)
    while True:
        # Where the window begins in the middle of a line, that line cannot be read and is passed over.
        lines = _read(handle, start, size).split(b"\n")
        unended = lines[-1] != b""
        for place in range(len(lines) - 1, -1, -1):
            if line := _parsed(lines[place]):
                after = lines[place + 1 :]
                return _Tail(line, unended and not after, b"\n".join(after) if unended and after else b"")
        if start == 0:
            return _Tail(None, False, b"\n".join(lines) if unended else b"")
        start = 0


def _read(handle: int, start: int, end: int) -> bytes:
    parts: list[bytes] = []
    while start < end and (part := os.pread(handle, end - start, start)):
        parts.append(part)
        start += len(part)
    return b"".join(parts)


def _parsed(text: bytes) -> _Line | None:
    """The line as it claims to be; None if it is not of our form, as no torn one is."""
    try:
        entry = json.loads(text)
        n, mac = entry.pop("n"), bytes.fromhex(entry.pop("mac"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return _Line(n, entry, mac) if isinstance(n, int) and len(mac) == len(_START) else None


def _name_of(torn: bytes) -> str:
    return hashlib.sha256(torn).hexdigest()

"""The folder letters are put into, such that one look shows what an interrupted run has left.

A file of letters is written as `.BATCH.part` and gets its name only after its PINs are issued. Whoever
comes next asks the database whether that batch was issued: then the file is named, else it is deleted,
for its PINs were never issued. What a run of several batches set out to do stands in `.task` until it is
done. Every file is readable by its owner alone, and on disk before the next step.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PART = re.compile(r"\.([a-p]{16})\.part")
_NAMED = re.compile(r"letters-([0-9]+)-([a-p]{16})\.pdf")
_TASK = ".task"
# Digits of names would look like those of PINs.
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


class FolderRefused(Exception):
    """Letters cannot be put there. The text says why."""


class FolderBusy(FolderRefused):
    """Another run is putting letters there."""


def new_batch() -> str:
    """The name of a batch, which no other has."""
    return secrets.token_hex(8).translate(_LETTERS)


def batch_of(name: str) -> str | None:
    """The batch whose letters are in a file of this name; None for any other file."""
    found = _NAMED.fullmatch(name)
    return found[2] if found else None


class LetterFolder:
    """A folder that this run alone writes letters into."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def recover(self, issued: Callable[[str], bool]) -> list[Path]:
        """Name the files whose batch was issued, delete those whose batch was not; returns the former."""
        found: list[Path] = []
        for file in sorted(self.path.iterdir()):
            if file.name == f"{_TASK}.part":
                file.unlink()
            elif part := _PART.fullmatch(file.name):
                if issued(part[1]):
                    found.append(self.name(part[1]))
                else:
                    file.unlink()
        self._flush()
        return found

    def files(self) -> list[Path]:
        """The letters of issued batches, in the order in which they were made."""
        return sorted(file for file in self.path.iterdir() if batch_of(file.name))

    def put(self, batch: str, letters: bytes) -> None:
        """Write the letters of a batch that is not issued yet."""
        self._write(f".{batch}.part", letters)

    def drop(self, batch: str) -> None:
        """Delete the letters of a batch that will not be issued."""
        (self.path / f".{batch}.part").unlink()
        self._flush()

    def name(self, batch: str, to: Path | None = None) -> Path:
        """Give the letters of an issued batch their name: `to`, in this folder, or the next number."""
        if to is None or to.exists():
            named = (_NAMED.fullmatch(file.name) for file in self.path.iterdir())
            number = max((int(found[1]) for found in named if found), default=0) + 1
            to = self.path / f"letters-{number:03d}-{batch}.pdf"
        (self.path / f".{batch}.part").rename(to)
        self._flush()
        return to

    # -- a run of several batches -----------------------------------------------------------------

    @property
    def task(self) -> dict[str, Any] | None:
        """What an earlier run set out to do and did not end; None when nothing is left."""
        try:
            told = json.loads((self.path / _TASK).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise FolderRefused(f"{self.path / _TASK} cannot be read: use another folder")
        return told

    def begin(self, task: dict[str, Any]) -> None:
        self._write(f"{_TASK}.part", json.dumps(task).encode())
        (self.path / f"{_TASK}.part").rename(self.path / _TASK)
        self._flush()

    def end(self) -> None:
        (self.path / _TASK).unlink(missing_ok=True)
        self._flush()

    # -- small parts ------------------------------------------------------------------------------

    def _write(self, name: str, content: bytes) -> None:
        descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._flush()

    def _flush(self) -> None:
        """Names are on disk only when their folder is."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def opened(path: Path) -> Iterator[LetterFolder]:
    """The folder, made if need be and readable by its owner alone; no other run writes there meanwhile.

    Raises FolderRefused.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise FolderRefused(f"{path}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderBusy(f"{path}: another run is putting letters there") from None
        yield LetterFolder(path)
    finally:
        os.close(descriptor)

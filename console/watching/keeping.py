"""Writes down what a process counts, so that the console can tell it to whoever asks for the metrics.

A file for each process in the state folder, replaced every few seconds by a thread that no call waits for. A
disk that is full, or does not answer, costs a few counts and never a call: for this reason nothing is mapped
into memory, where a full disk would kill the process. Files are emptied at start; counts begin again at 0.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from console.settings import Configuration
from ivr.tally import TALLY, Tally, together

log = logging.getLogger("ivr.watching")

# Seconds between two writings.
EVERY = 5.0
GONE = "gone"


def folder_of(configuration: Configuration) -> Path:
    return configuration.folder / configuration.service.state / "watching"


def start_anew(configuration: Configuration, part: str) -> None:
    """Forget what earlier processes of this part counted. Fails for nothing."""
    for file in _files(folder_of(configuration), part):
        with suppress(OSError):
            file.unlink()


def gather_the_gone(configuration: Configuration, part: str) -> None:
    """Put what processes of this part counted that are no more into one file. Fails for nothing. For the
    part's first process alone: two of them would count it twice.
    """
    folder = folder_of(configuration)
    gone = [file for file in _files(folder, part) if not _lives(file)]
    if len(gone) > 1:
        try:
            _write(folder / f"{part}-{GONE}.json", together(_read(gone)))
        except OSError as error:
            log.warning("counts are not gathered: %s", type(error).__name__)
            return
        for file in gone:
            if not file.stem.endswith(GONE):
                with suppress(OSError):
                    file.unlink()


class Keeper:
    """Writes what this process counts into its file."""

    def __init__(self, configuration: Configuration, part: str, tally: Tally = TALLY) -> None:
        self._file = folder_of(configuration) / f"{part}-{os.getpid()}.json"
        self._tally = tally
        self._written: dict[str, Any] = {}
        self._failed = False

    def begin(self) -> None:
        """In a thread of its own, from now on. Only in a process that does not fork any more."""
        threading.Thread(target=self._again_and_again, name="watching", daemon=True).start()

    def write(self) -> None:
        """Once, if anything has changed. Fails for nothing; that it cannot is said once."""
        told = self._tally.told()
        if told == self._written:
            return
        try:
            _write(self._file, told)
        except OSError as error:
            if not self._failed:
                log.warning("what is counted cannot be written down: %s", type(error).__name__)
            self._failed = True
        else:
            self._written, self._failed = told, False

    def _again_and_again(self) -> None:
        while True:
            self.write()
            time.sleep(EVERY)


def counted(configuration: Configuration) -> dict[str, Any]:
    """What all processes of this machine counted, as they last wrote it down."""
    return together(_read(_files(folder_of(configuration))))


def _files(folder: Path, part: str = "*") -> list[Path]:
    return sorted(folder.glob(f"{part}-*.json"))


def _read(files: list[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        # One that is being replaced, or was cut short by a full disk, counts next time.
        with suppress(OSError, ValueError):
            told = json.loads(file.read_text(encoding="ascii"))
            if isinstance(told, dict) and set(told) == {"counts", "marks", "spans"}:
                yield told


def _write(file: Path, told: dict[str, Any]) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = file.with_suffix(".part")
    beside.write_text(json.dumps(told), encoding="ascii")
    beside.replace(file)


def _lives(file: Path) -> bool:
    pid = file.stem.rpartition("-")[2]
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True

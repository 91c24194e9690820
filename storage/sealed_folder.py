"""A folder whose files are sealed, each by itself, and opened only to be read.

Those that a version before wrote stand there as they are, and are read all the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from storage.sealed_file import NotSealed, Sealing, looks_sealed, opened


@dataclass(frozen=True)
class SealedFolder:
    """The folder, and what its files are sealed with: the first of `keys` is for new ones. Without any they
    are written as they come.
    """

    folder: Path
    keys: tuple[bytes, ...] = ()

    @contextmanager
    def writing(self, name: str) -> Iterator[Written]:
        """A file of this name, for its owner alone; it appears whole or not at all. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self.folder / f".{name}.part"
        try:
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                written = Written(file, self.keys[0] if self.keys else None)
                yield written
                written.end()
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.folder / name)
        finally:
            partial.unlink(missing_ok=True)

    def read(self, name: str) -> bytes | None:
        """What stands in it; None if it is not here, damaged, or sealed with a key that we do not have."""
        try:
            with (self.folder / name).open("rb") as file:
                if not looks_sealed(file):
                    return file.read()
                return b"".join(opened(file, self.keys))
        except (OSError, NotSealed):
            return None


class Written:
    """What is being written. `size` counts what was given."""

    def __init__(self, file: BinaryIO, key: bytes | None) -> None:
        self.size = 0
        self._file = file
        self._sealing = Sealing(file, key) if key is not None else None

    def write(self, piece: bytes) -> None:
        self.size += len(piece)
        (self._sealing or self._file).write(piece)

    def end(self) -> None:
        if self._sealing is not None:
            self._sealing.end()

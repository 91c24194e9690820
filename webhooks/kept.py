"""Where recordings are kept, as this door sees it: it knows neither files nor keys."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Written(Protocol):
    """A file that is being written. `size` counts its bytes so far."""

    @property
    def size(self) -> int: ...

    def write(self, piece: bytes) -> object: ...


class Folder(Protocol):
    """Where recordings are kept, however that is done."""

    def writing(self, name: str) -> AbstractContextManager[Written]:
        """A file that appears whole when the block has ended, or not at all. Raises OSError."""

    def read(self, name: str) -> bytes | None:
        """None if it is not here, or cannot be read."""

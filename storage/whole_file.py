"""Files that are there as a whole or not at all, also when the power goes in the middle of writing one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import BinaryIO

# Seconds after which an unfinished file is nobody's any more: whoever wrote it was killed.
ABANDONED_AFTER = 3600


@contextmanager
def whole_file(target: Path) -> Iterator[BinaryIO]:
    """A file, its owner's alone, that gets its name when all of it is on the disk and replaces what bore the
    name before. Raises OSError; whatever is raised in the block, `target` stays as it was.
    """
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    fsync_folder(target.parent)
    _sweep(target)


def _sweep(target: Path) -> None:
    """Remove what was left unfinished for this name. By the disk's own times: no clock is asked."""
    with suppress(OSError):
        now = target.stat().st_mtime
        for left in target.parent.glob(f".{escape(target.name)}.*.part"):
            if now - left.stat().st_mtime > ABANDONED_AFTER:
                left.unlink(missing_ok=True)


def fsync_folder(folder: Path) -> None:
    """So that a new file's name, too, is on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Files of long work, each piece's in a folder of its own: an uploaded sheet, letters to be printed.

They lie in the state folder of one machine, which says by a name of its own that it has them, readable by
their owner alone, and for as long as `jobs.FILES_KEPT` says. What gives a PIN away is encrypted with a key
that stands in the work's row alone: neither a copy of the folder nor one of the database reveals anything.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from console.house import House, state_folder

# A folder of no known work is being made at this moment, or its work was never written down.
UNKNOWN_KEPT = timedelta(hours=1)
# Digits of names would look like those of PINs.
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


def place(house: House) -> str:
    """How the state folder of this machine calls itself: made up once, and moved with it."""
    file = _all(house) / "place"
    with suppress(FileNotFoundError):
        if found := file.read_text(encoding="ascii").strip():
            return found
    made = write(_all(house), f"{_name()}.part", _name().encode())
    with suppress(FileExistsError):  # made by somebody else at this very instant
        file.hardlink_to(made)
    made.unlink()
    return file.read_text(encoding="ascii")


def make(house: House) -> tuple[str, Path]:
    """A new folder, and its name for `folder`."""
    name = _name()
    path = _all(house) / name
    path.mkdir(mode=0o700)
    return name, path


def folder(house: House, name: str) -> Path:
    """The folder of this name, whether it is there or not. Raises ValueError for what is no such name."""
    if len(name) != 32 or not set(name) <= set("abcdefghijklmnop"):
        raise ValueError(name)
    return _all(house) / name


def write(path: Path, name: str, content: bytes) -> Path:
    """A new file of ours alone, on the disk when this returns."""
    handle = os.open(path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return path / name


def remove(house: House, name: str) -> None:
    """Remove a folder and everything in it, if it is there."""
    shutil.rmtree(folder(house, name), ignore_errors=True)


def sweep(house: House, known: Collection[str], at: datetime) -> None:
    """Remove every folder that is not `known`, but for those that may just be being made."""
    for each in _all(house).iterdir():
        with suppress(FileNotFoundError, ValueError):
            young = each.stat().st_mtime > (at - UNKNOWN_KEPT).timestamp()
            if each.is_dir() and each.name not in known and not young:
                remove(house, each.name)


# -- what gives a PIN away -----------------------------------------------------------------------


def new_key() -> str:
    return Fernet.generate_key().decode("ascii")


def sealed(key: str, content: bytes) -> bytes:
    return Fernet(key).encrypt(content)


def unsealed(key: str, content: bytes) -> bytes | None:
    """None if it was not sealed with this key."""
    try:
        return Fernet(key).decrypt(content)
    except (InvalidToken, ValueError):
        return None


# -- small parts -------------------------------------------------------------------------------


def _all(house: House) -> Path:
    path = state_folder(house.configuration) / "work"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def _name() -> str:
    return secrets.token_hex(16).translate(_LETTERS)

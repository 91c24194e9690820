"""Room on the disks that the service writes to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look
from storage.engine import sqlite_file

# A message of two minutes is 2 MB as Twilio hands it out, and a spare of the database is made when that is
# gone: below RED a bad night fills the disk. YELLOW leaves days to act.
RED, YELLOW = 500_000_000, 2_000_000_000
# Of a file system's files: without any left nothing can be made, however much room there is.
FEW_FILES = 1_000


def check(look: Look) -> Iterator[Finding]:
    configuration = look.configuration
    database = sqlite_file(configuration.database.url, configuration.folder)
    places = {"state": look.state}
    if database is not None:
        places["database"] = database.parent
    if configuration.backup.folder:
        places["backups"] = configuration.folder / configuration.backup.folder
    for name, folder in places.items():
        yield _room(look, name, _there(folder))


def _room(look: Look, name: str, folder: Path) -> Finding:
    found = look.tools.room(folder)
    free = found.f_bavail * found.f_frsize
    told = f"The disk of {folder} ({name}) has {free / 1e9:.1f} GB free"
    remedy = "Make room, or move the folder to a larger disk; see what grows with `du`."
    if 0 <= found.f_favail < FEW_FILES and found.f_files:
        return red(f"files.{name}", f"{told}, but next to no file can be made on it any more.", remedy)
    if free < RED:
        return red(f"full.{name}", f"{told}: a night with many messages would fill it.", remedy)
    if free < YELLOW:
        return yellow(f"little.{name}", f"{told}.", remedy)
    return green(f"room.{name}", f"{told}.")


def _there(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder

"""Who else on this machine can read what only the service should: modes of files with secrets and data."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path

from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look
from console.settings import SECRETS
from storage.engine import sqlite_file


def check(look: Look) -> Iterator[Finding]:
    found = [each for name, path in _private(look) if (each := _mode(name, path))]
    yield from found
    if not found:
        yield green("files", "The configuration, the secrets and the data can be read by their owner alone.")


def _private(look: Look) -> Iterator[tuple[str, Path]]:
    """Files and folders that are nobody else's business, by what they are."""
    configuration = look.configuration
    if _holds_secrets(look):
        yield "configuration", configuration.file
    yield from _secret_files(configuration.file)
    yield "state", look.state
    database = sqlite_file(configuration.database.url, configuration.folder)
    if database is not None:
        yield "database", database
    if configuration.backup.folder:
        yield "backups", configuration.folder / configuration.backup.folder


def _holds_secrets(look: Look) -> bool:
    return any(look.configuration.origin.get(".".join(each)) == "file" for each in SECRETS)


def _secret_files(file: Path) -> Iterator[tuple[str, Path]]:
    """The files that `NAME_file` names."""
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a configuration that stands in no file
        return
    for section, key in SECRETS:
        table = raw.get(section)
        named = table.get(f"{key}_file") if isinstance(table, dict) else None
        if named is not None:
            yield f"secret {section}.{key}", file.parent / str(named)


def _mode(name: str, path: Path) -> Finding | None:
    try:
        mode = path.stat().st_mode
    except OSError:  # not there: another check's business
        return None
    right = "700" if stat.S_ISDIR(mode) else "600"
    remedy = f"`chmod {right} {path}`, and see that it belongs to the user that the service runs as."
    told = f"{path} ({name}) has mode {stat.S_IMODE(mode):04o}"
    if mode & stat.S_IRWXO:
        return red(f"open.{name}", f"{told}: every user of this machine may enter or read it.", remedy)
    if mode & stat.S_IRWXG:
        return yellow(f"group.{name}", f"{told}: its group may enter or read it.", remedy)
    return None

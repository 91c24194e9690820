"""The spare: a local SQLite database, with the tables of the house, that a node serves from while it cannot
use the real one.

It is made when it is first needed, from ready-made content, and shared by the processes of the node. Every
spare has a name of its own, so that a file that is retired never comes back under the feet of a process that
still has it open: a writer makes sure, inside his transaction, that his file is still there.

Where it stands: in the first folder that takes it. If every disk is full, memory will do, for one process.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path
from threading import Lock, RLock
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from storage.engine import Database, open_database
from storage.tables import metadata
from storage.whole_file import whole_file
from storage.writers import WritersTurns

log = logging.getLogger("ivr.standby")

# Makes the content of a spare that is needed from this instant on: a whole SQLite database, as bytes.
Fill = Callable[[datetime], bytes]
_COLUMNS = text(
    "SELECT m.name AS of, c.name AS name FROM sqlite_master m, pragma_table_info(m.name) c"
    " WHERE m.type = 'table'"
)
_NAME = re.compile(r"standby-[0-9a-f]{12}\.db")


class Retired(Exception):
    """The spare was closed for good meanwhile: what was to be written was not. Ask for the next one."""


class Spare(Database):
    """An open spare. `home` is its name; `path` its file, None in memory."""

    def __init__(
        self, home: str, path: Path | None, engine: Engine, turns: WritersTurns | None = None
    ) -> None:
        super().__init__(engine, turns=turns)
        self.home = home
        self.path = path
        # In memory there is one connection, and one thread at a time has it.
        self._alone: AbstractContextManager[object] = nullcontext() if path else RLock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._alone, super().read() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Raises Retired."""
        with self._alone, super().write() as connection:
            if self.path is not None and not self.path.exists():
                raise Retired
            yield connection

    def retire(self, connection: Connection) -> None:
        """Remove the file, in a writing transaction that has found nothing left in it to be used."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def discard_files(self) -> None:
        """After `retire`: what SQLite keeps beside the file."""
        self.close()
        if self.path is not None:
            for ending in ("-wal", "-shm"):
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)


class Spares:
    """The spares of this node. `folders` are tried in turn; `fill` makes the content of a new one."""

    def __init__(self, folders: Sequence[Path], fill: Fill) -> None:
        self._folders = list(folders)
        self._fill = fill
        self._open: dict[str, Spare] = {}
        self._memory: Spare | None = None
        self._given_up: set[str] = set()
        # What was said of in the log already.
        self._unreadable: set[str] = set()
        self._lock = Lock()

    def standing(self) -> list[Spare]:
        """Those that stand and can be read: one, or more if the first could not be written any longer. Makes
        none.
        """
        found = [path for folder in self._folders for path in _files(folder)]
        with self._lock:
            known = {path.name for path in found}
            for name in self._open.keys() - known:
                self._open.pop(name).close()
            for path in found:
                if path.name not in self._open and (spare := self._tried(path)):
                    self._open[path.name] = spare
            return [*self._open.values(), *([self._memory] if self._memory else [])]

    def any(self) -> bool:
        """Whether there may be one. Asked at every turn of a call: it opens nothing."""
        return self._memory is not None or any(_stands(folder) for folder in self._folders)

    def named(self, home: str) -> Spare | None:
        """The one of this name, if it stands here."""
        return next((spare for spare in self.standing() if spare.home == home), None)

    def current(self, at: datetime) -> Spare:
        """The one to be served from, made if need be."""
        usable = [spare for spare in self.standing() if spare.home not in self._given_up]
        return usable[-1] if usable else self._made(at)

    def give_up(self, spare: Spare) -> None:
        """It cannot be written: another one is made, elsewhere if need be."""
        self._given_up.add(spare.home)

    def _made(self, at: datetime) -> Spare:
        for folder in self._folders:
            with suppress(OSError, SQLAlchemyError, sqlite3.Error, Retired), _only_one(folder):
                for path in _files(folder):  # another process was quicker
                    if _home(path) not in self._given_up:
                        return self._known(path)
                if not any(_home(path) in self._given_up for path in _files(folder)):
                    return self._known(_make(folder, self._fill, at))
        with self._lock:
            if self._memory is None or self._memory.home in self._given_up:
                log.error("no disk takes the standby database: it is kept in memory")
                home = _new_home()
                self._memory = Spare(home, None, _in_memory(self._fill(at)))
            return self._memory

    def _tried(self, path: Path) -> Spare | None:
        """None if it is damaged, or has been retired this very moment: the others serve all the same."""
        try:
            return _opened(path)
        except Retired:
            return None
        except (OSError, SQLAlchemyError, sqlite3.Error) as error:
            if path.name not in self._unreadable:
                log.error("standby %s cannot be opened: %s", _home(path), type(error).__name__)
            self._unreadable.add(path.name)
            return None

    def _known(self, path: Path) -> Spare:
        with self._lock:
            if path.name not in self._open:
                self._open[path.name] = _opened(path)
            return self._open[path.name]


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    except OSError:
        return []


def _stands(folder: Path) -> bool:
    """Whether there is one in it, for less than it costs to say which."""
    try:
        return any(map(_NAME.fullmatch, os.listdir(folder)))  # noqa: PTH208 - no paths are needed, at every turn
    except OSError:
        return False


def _home(path: Path) -> str:
    return path.name.removeprefix("standby-").removesuffix(".db")


def _new_home() -> str:
    return secrets.token_hex(6)


def _complete(database: Database) -> None:
    """Give a spare of an earlier version the tables and columns of this one: what is added may be empty. One
    of this version is not written: whoever writes in it at the moment keeps nobody waiting.
    """
    wanted = {(table.name, column.name) for table in metadata.sorted_tables for column in table.columns}
    with database.read() as connection:
        if wanted <= {(row.of, row.name) for row in connection.execute(_COLUMNS)}:
            return
    with database.write() as connection:
        metadata.create_all(connection)
        for table in metadata.sorted_tables:
            there = {row.name for row in connection.execute(text(f"PRAGMA table_info({table.name})"))}
            for column in table.columns:
                if column.name not in there:
                    kind = column.type.compile(connection.dialect)
                    connection.execute(text(f'ALTER TABLE {table.name} ADD COLUMN "{column.name}" {kind}'))


def _opened(path: Path) -> Spare:
    opened = open_database(f"sqlite:///{path}")
    engine = opened.engine

    # A file that was retired never comes back, empty, because somebody asks it for one thing more.
    @event.listens_for(engine, "do_connect")
    def on_connecting(*_: Any) -> None:
        if not path.exists():
            raise Retired

    # Rows that point to what the node could not know are brought home later: nothing may be refused here.
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA foreign_keys=OFF")

    _complete(opened)
    return Spare(_home(path), path, engine, opened.turns)


def _make(folder: Path, fill: Fill, at: datetime) -> Path:
    made = folder / f"standby-{_new_home()}.db"
    with whole_file(made) as file:
        file.write(fill(at))
    return made


def _in_memory(content: bytes) -> Engine:
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, record: Any) -> None:
        connection.isolation_level = None
        connection.deserialize(content)
        connection.execute("PRAGMA foreign_keys=OFF")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.execute(text("BEGIN"))

    return engine


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Of the node's processes one at a time makes a spare here."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

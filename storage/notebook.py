"""What the house remembers of things outside it, one note a name: what was published, what was found.

Nothing that a call needs stands here, and no secret of ours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from storage.tables import notebook


@dataclass(frozen=True)
class Note:
    """`content` is what `write` was given; `at` when that was."""

    at: datetime
    content: dict[str, Any]


def read(connection: Connection, name: str) -> Note | None:
    """The note of this name; None if there is none."""
    row = connection.execute(select(notebook).where(notebook.c.name == name)).first()
    return None if row is None else Note(row.at, json.loads(row.content))


def write(connection: Connection, at: datetime, name: str, content: dict[str, Any]) -> None:
    """Write it, in the place of the one before. `content` is JSON."""
    values = {"at": at, "content": json.dumps(content, ensure_ascii=False, sort_keys=True)}
    if connection.execute(update(notebook).where(notebook.c.name == name).values(values)).rowcount == 0:
        connection.execute(insert(notebook), {"name": name, **values})


def beginning(connection: Connection, with_: str) -> dict[str, Note]:
    """The notes whose names begin so, by name."""
    wanted = notebook.c.name.startswith(with_, autoescape=True)
    rows = connection.execute(select(notebook).where(wanted).order_by(notebook.c.name))
    return {row.name: Note(row.at, json.loads(row.content)) for row in rows}


def remove(connection: Connection, name: str) -> None:
    """Nothing of this name stands there any more."""
    connection.execute(delete(notebook).where(notebook.c.name == name))

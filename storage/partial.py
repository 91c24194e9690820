"""Indexes over some rows of a table alone.

SQLAlchemy loads its whole dialect of every database in whose words an index is described. That of PostgreSQL
takes 2 MiB of every process, and 30 ms of its start: so it is told of them when such a database is opened.
"""

from __future__ import annotations

from sqlalchemy import Index, text

_where: list[tuple[Index, str]] = []


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index over the rows for which `where` holds, in SQL that both databases understand."""
    index = Index(name, *columns, unique=unique, sqlite_where=text(where))
    _where.append((index, where))
    return index


def tell_postgresql() -> None:
    """From now on the tables are described for PostgreSQL, too."""
    for index, where in _where:
        index.dialect_options["postgresql"]["where"] = text(where)

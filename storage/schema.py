"""Bringing a database's tables up to date. Alembic is imported only when it is needed: it takes a second."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, MetaData, func, inspect, select, text

from storage.engine import Database

if TYPE_CHECKING:
    from alembic.config import Config

# The newest revision; a test holds it against the migrations.
NEWEST = "0011"
# PostgreSQL's advisory lock of whoever migrates: any number that nobody else in the database uses.
_MIGRATING = 4_771_001


class TablesTooNew(Exception):
    """The tables stand at a revision that only a newer release can use."""


def revision(connection: Connection) -> str | None:
    """The revision the tables stand at; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def usable(found: str | None) -> bool:
    """Whether this release serves calls on tables at revision `found`: its own newest, or one that a newer
    release has brought meanwhile.

    Machines are upgraded one by one, so the tables of the next release come while this one still serves.
    Within a generation (the first two digits of a revision) a migration only adds what the release before
    need not know; a test holds every migration to that. One that does more begins a generation.
    """
    if found is None or len(found) != len(NEWEST) or not (found.isascii() and found.isdigit()):
        return False
    return found[:2] == NEWEST[:2] and found >= NEWEST


def lacking(found: str | None) -> str:
    """What is to be done about tables at revision `found`, which are not usable."""
    if found is not None and found > NEWEST:
        return f"stands at {found}, which only a newer release can use"
    return f"stands at {found}, {NEWEST} is needed: run `ivr migrate`"


def migrate(database: Database) -> None:
    """Bring the tables to the newest revision, in one transaction: all of it or nothing. Tables that a newer
    release has brought further are left as they are. Raises TablesTooNew if they are of no use to this one.

    Of two machines that migrate one database at once, the second waits and finds nothing left to do.
    """
    with database.rebuild() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
        found = revision(connection)
        if not usable(found):
            if found is not None and found > NEWEST:
                raise TablesTooNew(lacking(found))
            from alembic import command

            command.upgrade(config(connection), "head")


def differences(connection: Connection, metadata: MetaData) -> list[Any]:
    """What the tables lack compared with `metadata`, as Alembic sees it; empty when they agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


def config(connection: Connection) -> Config:
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made

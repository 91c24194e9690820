"""Bringing a database's tables up to date. Alembic is imported only when it is needed: it takes a second."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, MetaData, func, inspect, select, text

from storage.engine import Database

if TYPE_CHECKING:
    from alembic.config import Config

# The newest revision; a test holds it against the migrations.
NEWEST = "0006"
# PostgreSQL's advisory lock of whoever migrates: any number that nobody else in the database uses.
_MIGRATING = 4_771_001


def revision(connection: Connection) -> str | None:
    """The revision the tables stand at; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def migrate(database: Database) -> None:
    """Bring the tables to the newest revision, in one transaction: all of it or nothing.

    Of two machines that migrate one database at once, the second waits and finds nothing left to do.
    """
    with database.rebuild() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
        if revision(connection) != NEWEST:
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

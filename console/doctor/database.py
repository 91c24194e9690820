"""Whether the database answers, has the tables this release needs, and can be written."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import false, update
from sqlalchemy.exc import SQLAlchemyError

from console.doctor.finding import Finding, green, red
from console.doctor.look import Look
from console.house import not_ready
from storage.tables import notebook

# Changes no row, and is refused all the same by a replica and to whoever may only read.
_NOTHING = update(notebook).where(false()).values(name=notebook.c.name)


def check(look: Look) -> Iterator[Finding]:
    if wrong := not_ready(look.house):
        yield _away(wrong["database"])
        return
    try:
        with look.house.database.write() as connection:
            connection.execute(_NOTHING)
    except (SQLAlchemyError, OSError) as error:
        yield red(
            "read-only",
            f"The database can be read and not written ({type(error).__name__}): calls would be served "
            "from the snapshot.",
            "See whether it is a replica, whether its disk is full, and whether our user (of SQLite: the "
            "file's and its folder's owner) may write.",
        )
        return
    yield green("database", "The database answers, can be written, and its tables are up to date.")


def _away(why: str) -> Finding:
    """`why` as `not_ready` tells it."""
    if "ivr migrate" in why:
        remedy = "Run `ivr migrate`."
    elif "newer release" in why:
        remedy = "Install the newer release on this machine too."
    else:
        remedy = "Start the database, and see that `[database] url` leads to it from this machine."
    return red("database", f"The database cannot be used: {why}.", remedy, blocks=True)

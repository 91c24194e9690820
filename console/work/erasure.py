"""Work that an erasure or a purge leaves behind: what of it lies on the disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from console.house import House, state_folder
from ivr.records import call_search
from storage import due, trace
from storage.due import Work
from storage.trace import OF_PURGE, TRACES

__all__ = ["TRACES"]

AGAIN = timedelta(minutes=1)
EVER = datetime.min.replace(tzinfo=UTC)


def remove(house: House, work: Work, at: datetime) -> datetime | None:
    """Remove the files, then what deleted rows left in the database's file.

    Files may stand on any node: that none is there is no fault. After a purge the file is written anew only
    while nobody is on the line, for he would have to wait; after an erasure at once.
    """
    trace.remove_files(state_folder(house.configuration), work.payload["files"])
    if work.key.startswith(OF_PURGE):
        with house.database.read() as connection:
            if due.pending_since(connection, TRACES, EVER, work.id):
                return None  # the last of them writes the file anew for all
            if call_search.under_way(connection, at):
                return at + AGAIN
    return None if trace.remove_traces(house.database) else at + AGAIN

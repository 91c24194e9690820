"""Work that an erasure or a purge leaves behind: what of it lies on the disk."""

from __future__ import annotations

from datetime import datetime, timedelta

from console.house import House, state_folder
from storage import trace
from storage.due import Work
from storage.trace import TRACES

__all__ = ["TRACES"]

AGAIN = timedelta(minutes=1)


def remove(house: House, work: Work, at: datetime) -> datetime | None:
    """Remove the files, then what deleted rows left in the database's file.

    Files may stand on any node: that none is there is no fault.
    """
    trace.remove_files(state_folder(house.configuration), work.payload["files"])
    return None if trace.remove_traces(house.database) else at + AGAIN

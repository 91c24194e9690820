"""Work that revocations and erasures leave behind: their lines in the ledger."""

from __future__ import annotations

from datetime import datetime, timedelta

from console.house import House
from console.outside import into_ledger
from storage.due import Work

# Another process is writing the file, or its key is missing.
AGAIN = timedelta(minutes=1)


def append(house: House, work: Work, at: datetime) -> datetime | None:
    """Append this act, and all that wait with it, to the ledger; once each, however often it is asked."""
    return None if into_ledger(house, work, at) else at + AGAIN

"""Work on calls that we place: one that was written down elsewhere, since a technician asked for it from a
page; and one whose end was never told.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from console.house import House
from console.outbound import calling
from ivr import placed
from storage.due import Work

# A talk may last: the network is asked about it again after this long.
WATCHED_AGAIN = timedelta(minutes=1)


def place(house: House, work: Work, at: datetime) -> datetime | None:
    """Ask the network for it, once: whoever asked hears his phone ring, or asks again."""
    with house.database.read() as connection:
        known = placed.find(connection, int(work.key))
    if known is None or known.sid is not None or known.ended_at is not None or work.tries > 1:
        return None
    calling.ring_out(house, at, known.id, int(work.payload["rings"]))
    return None


def watch(house: House, work: Work, at: datetime) -> datetime | None:
    """Ask the network about a call until it is over, whoever wanted it."""
    rings = house.configuration.ringing.rings
    return None if calling.ask_about(house, at, int(work.key), rings) else at + WATCHED_AGAIN

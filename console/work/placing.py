"""Work that places a call which was written down elsewhere: a technician asked for it from a page."""

from __future__ import annotations

from datetime import datetime

from console import calling
from console.house import House
from ivr import placed
from storage.due import Work


def place(house: House, work: Work, at: datetime) -> datetime | None:
    """Ask the network for it, once: whoever asked hears his phone ring, or asks again."""
    with house.database.read() as connection:
        known = placed.find(connection, int(work.key))
    if known is None or known.sid is not None or known.ended_at is not None or work.tries > 1:
        return None
    calling.ring_out(house, at, known.id, int(work.payload["rings"]))
    return None

"""Whether this machine's clock agrees with the database's, so with the other machine's."""

from __future__ import annotations

import logging

from console.house import Clock, House
from console.processes.keyholder import node_name
from storage import clock as clocks
from storage.alarms import raise_alarm

log = logging.getLogger("ivr.worker")

APART = "clock-apart"


def compare(house: House, clock: Clock) -> None:
    """Alarm if the clocks are further apart than machines that share the work may be."""
    with house.database.read() as connection:
        ahead = clocks.ahead(connection, clock)
    if abs(ahead) <= clocks.AGREED:
        return
    log.error("the clock of this machine is %+.1f s from the database's", ahead.total_seconds())
    details = {"seconds": f"{ahead.total_seconds():+.1f}"}
    with house.database.write() as connection:
        raise_alarm(connection, clock(), APART, node_name(house.configuration), details)

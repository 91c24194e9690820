"""Work that PINs leave behind: telling the admins before one ends."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from sqlalchemy import Connection

from console.house import House
from oncall.rota.wallclock import instant_of
from pins import registry
from pins.registry import PinRecord, UnknownPin
from storage.alarms import raise_alarm
from storage.due import Work

# Nobody is told by night of what has a week's time.
CIVIL_HOUR = time(9)
# So many PINs that end on one day are told one by one; more, as after a mass issue, in one alarm.
TOLD_ONE_BY_ONE = 3

ALARM = "pin-ends"


def remind(house: House, work: Work, at: datetime) -> datetime | None:
    """Tell the admins that a PIN ends in so many days, unless it was revoked or replaced meanwhile."""
    zone, days = house.configuration.zone, int(work.payload["days"])
    with house.database.write() as connection:
        try:
            pin = registry.pin(connection, int(work.payload["pin"]))
        except UnknownPin:  # purged since
            return None
        today = at.astimezone(zone).date()
        if pin.expires is None or pin.revoked_at or pin.replaced_by or pin.expires < today:
            return None
        civil = instant_of(max(today, pin.expires - timedelta(days=days)), CIVIL_HOUR, zone)
        if at < civil:
            return civil
        _tell(connection, at, pin, days)
    return None


def _tell(connection: Connection, at: datetime, pin: PinRecord, days: int) -> None:
    assert pin.expires is not None
    ends = {"expires": pin.expires.isoformat(), "days": days}
    together = registry.ending_on(connection, pin.expires)
    if together > TOLD_ONE_BY_ONE:
        raise_alarm(connection, at, ALARM, f"day:{pin.expires}:{days}", {"pins": together, **ends})
    else:
        who = {"pin": pin.id, "customer": pin.customer, "label": pin.label}
        raise_alarm(connection, at, ALARM, f"pin:{pin.id}:{days}", who | ends)

"""A technician's turns of the next two months."""

from __future__ import annotations

from console.access.roles import May
from console.web.context import at, reading
from console.web.pages.duty.common import area, own
from console.web.render import page
from console.web.shown import duty as shown


@area.page("/duty/turns", May.DUTY)
def turns() -> str:
    with reading() as connection:
        found = shown.own_turns(connection, at(), own())
    return page("duty/turns.html", turns=found, days=shown.AHEAD.days)

"""Tonight: what a person on watch looks at. It refreshes itself, which does not keep a session alive."""

from __future__ import annotations

from console.access.roles import May
from console.web.area import Area
from console.web.context import at, house, reading, words
from console.web.render import page
from console.web.shown import calls as shown_calls
from console.web.shown.tonight.checks import checks
from console.web.shown.tonight.last import last_night
from console.web.shown.tonight.live import live, roster

area = Area("tonight")


@area.page("/tonight", May.SEE)
def home() -> str:
    configuration = house().configuration
    with reading() as connection:
        known = roster(connection, configuration, at())
        found = live(connection, configuration, at(), known)
        wrong = checks(connection, configuration, at(), known, words())
        night = last_night(connection, configuration, at())
    numbers = shown_calls.numbers(configuration)
    return page("tonight/home.html", live=found, checks=wrong, night=night, numbers=numbers)


@area.page("/tonight/live", May.SEE, polled=True)
def now() -> str:
    """What is going on, for a page that shows it already."""
    configuration = house().configuration
    with reading() as connection:
        found = live(connection, configuration, at(), roster(connection, configuration, at()))
    return page("tonight/_live.html", live=found, numbers=shown_calls.numbers(configuration))


@area.page("/tonight/checks", May.SEE, polled=True)
def wrong() -> str:
    """What would go wrong, and the last night, for a page that shows them already."""
    configuration = house().configuration
    with reading() as connection:
        known = roster(connection, configuration, at())
        found = checks(connection, configuration, at(), known, words())
        night = last_night(connection, configuration, at())
    return page("tonight/_checks.html", checks=found, night=night)

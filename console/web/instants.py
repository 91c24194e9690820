"""Instants as people type them: the clock of a wall, in the zone of what they plan.

On two nights a year such a time means two instants, or none: then it is refused, with the two candidates to
choose from. What was chosen comes back in a field of its own, NAME-is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from console.web.words import Words
from oncall.rota.wallclock import candidates


@dataclass(frozen=True)
class Typed:
    """`text` is what the field holds, `at` the instant, None if there is none: `wrong` says why, as missing,
    form, reach, twice or never. `choices` are the two candidates, if the clock is set in that hour.
    """

    name: str
    text: str
    at: datetime | None = None
    wrong: str = ""
    choices: list[datetime] = field(default_factory=list)


def typed(given: Mapping[str, str], name: str, zone: ZoneInfo) -> Typed:
    """What is in the field `name`: a local time of `zone`, or (in a link) an instant with its offset."""
    text = given.get(name, "").strip()
    if not text:
        return Typed(name, "", None, "missing")
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        return Typed(name, text[:40], None, "form")
    if not 1970 <= wall.year < 2200:
        return Typed(name, text[:40], None, "reach")
    if wall.tzinfo is not None:
        at = wall.astimezone(UTC)
        wall = at.astimezone(zone).replace(tzinfo=None)
        found = candidates(wall, zone)
        return Typed(name, local_text(at, zone), at, "", found if len(found) > 1 else [])
    found = candidates(wall, zone)
    if len(found) == 1:
        return Typed(name, text, found[0])
    choices = found or sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    chosen = next((each for each in choices if each.isoformat() == given.get(f"{name}-is")), None)
    if chosen is None:
        return Typed(name, text, None, "twice" if found else "never", choices)
    return Typed(name, text, chosen, "", choices)


def of(name: str, at: datetime | None, zone: ZoneInfo) -> Typed:
    """A field that holds this instant; None: nothing yet."""
    if at is None:
        return Typed(name, "")
    return typed({name: at.isoformat()}, name, zone)


def local_text(at: datetime, zone: ZoneInfo) -> str:
    """For the value of a field datetime-local."""
    return f"{at.astimezone(zone):%Y-%m-%dT%H:%M}"


def clock(words: Words, at: datetime) -> str:
    """`18:30`; with the zone's name in the hour that comes twice."""
    wall = words.local(at)
    # In the hour that comes twice, and there alone, it depends on which of the two is meant how far UTC is.
    twice = wall.replace(fold=0).utcoffset() != wall.replace(fold=1).utcoffset()
    return f"{wall:%H:%M %Z}" if twice else f"{wall:%H:%M}"


def when(words: Words, at: datetime, now: datetime | None = None) -> str:
    """`mer 25 nov 18:30`, in the hour that comes twice with the zone's name; with `now`, the year if it is
    another.
    """
    wall = words.local(at)
    year = f" {wall.year}" if now is not None and wall.year != words.local(now).year else ""
    return f"{words.short_day(wall.date())}{year} {clock(words, at)}"


def day_of(given: Mapping[str, str], name: str) -> date | None:
    """A date, None for anything else or out of reach."""
    try:
        day = date.fromisoformat(given.get(name, "").strip())
    except ValueError:
        return None
    return day if 1970 <= day.year < 2200 else None

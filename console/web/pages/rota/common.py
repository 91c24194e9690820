"""What the pages of the rota share: which rota is meant, its zone and words, and how refusals are said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from flask import request
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from console.house import numbers
from console.settings import Configuration
from console.web.area import Area
from console.web.context import at, house, user, words
from console.web.instants import Typed, clock, when
from console.web.people import Person
from console.web.shown.rota import FreeDay, WhyFree
from console.web.words import Words
from console.web.words import words as words_of
from oncall.people import RosterRefusal
from oncall.rota import coverage, roster
from oncall.rota.rota import Book
from oncall.rota.rota_file import WEEK

area = Area("rota")
LONGEST_REASON = 500


@dataclass(frozen=True)
class Chosen:
    """The rota of a page; its book is of the time from now on. `w` are the visitor's words, with the clocks
    of the rota's zone.
    """

    key: str
    keys: list[str]
    book: Book
    zone: ZoneInfo
    w: Words

    @property
    def rungs(self) -> int:
        """The most rungs that it ever had."""
        return max((len(version.rules.rungs) for version in self.book.versions), default=1)


def chosen(connection: Connection) -> Chosen | None:
    """The rota that the address or the form names, else the only or first one; None if there is none at all.

    Raises NotFound for one that does not exist.
    """
    keys = roster.rota_keys(connection)
    wanted = request.values.get("rota") or (keys[0] if keys else None)
    if wanted is None:
        return None
    return _rota(connection, keys, wanted)


def of_rota(connection: Connection, key: str) -> Chosen:
    """The rota with this key. Raises NotFound."""
    return _rota(connection, roster.rota_keys(connection), key)


def _rota(connection: Connection, keys: list[str], wanted: str) -> Chosen:
    if wanted not in keys:
        raise NotFound
    book = roster.book(connection, wanted, at())
    zone = coverage.zone_of(book)
    return Chosen(wanted, keys, book, zone, words_of(words().language, zone))


def must_be_chosen(connection: Connection) -> Chosen:
    """Raises NotFound if there is no rota."""
    found = chosen(connection)
    if found is None:
        raise NotFound
    return found


def free_days(configuration: Configuration, rota: str, zone: ZoneInfo) -> WhyFree:
    """Why a day is not an ordinary one, by the hours of the number that rings this rota."""
    ours = numbers(configuration)
    mine = next((ours[each.number].hours for each in configuration.number if each.rota == rota), None)
    hours = mine or configuration.hours.build(configuration.zone)

    def why(day: object) -> FreeDay:
        noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=zone)
        state = hours.at(noon)
        if state.reason in ("holiday", "closed-day", "special-day"):
            return state.reason, state.name or ""
        return "", ""

    return why


def reason() -> str | None:
    """What was given as the reason, for the audit log."""
    return " ".join(request.form.get("reason", "").split())[:LONGEST_REASON] or None


def actor() -> str:
    return user().actor


def configuration() -> Configuration:
    return house().configuration


# -- what templates ask for --------------------------------------------------------------------


def _who_is(key: str, known: Mapping[str, Person]) -> str:
    return known[key].name if key in known else key


def _iso_day(day: str, w: Words) -> str:
    return w.day(date.fromisoformat(day))


def _weekday_names(days: Sequence[str] | None, w: Words) -> str:
    """`lun, mar`; every day, if none is named."""
    if not days or len(days) == 7:
        return w("rota.every-day")
    return ", ".join(w(f"time.weekday-{WEEK.index(day) + 1}")[:3] for day in days)


def _stated(w: Words, at: datetime) -> str:
    """`dom 25 ott 02:30 CEST`: with the zone's name, always."""
    wall = w.local(at)
    return f"{w.short_day(wall.date())} {wall:%H:%M %Z}"


_FILTERS: dict[str, Callable[..., str]] = {
    "clock": clock,
    "when": when,
    "stated": _stated,
    "who_is": _who_is,
    "iso_day": _iso_day,
    "weekday_names": _weekday_names,
}
for _name, _filter in _FILTERS.items():
    area.add_app_template_filter(_filter, _name)


# -- what is refused ---------------------------------------------------------------------------


def refusal(error: RosterRefusal) -> str:
    """In words of the language, by the reason's name."""
    return words().maybe(f"rota.refused-{error.why}", words()("rota.refused-other"))


def wrong_instant(typed: Typed) -> str:
    """What is wrong with an instant that was typed, "" if nothing is."""
    return words()(f"rota.instant-{typed.wrong}") if typed.wrong else ""

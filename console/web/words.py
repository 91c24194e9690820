"""What the console says: one catalogue a language, a file an area, keys as `area.name`.

A text has places, `{name}`, that are filled with values and never read again, so that nothing a person
typed can become a place of its own. Escaping is the templates' work.
"""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

log = logging.getLogger("ivr")

LANGUAGES = ("it", "en", "de")
_PLACE = re.compile(r"\{([a-z_]+)\}")


class Words:
    """The words of one language. `words("cases.taken", who="Anna")` is a text. A key that is not there is an
    error in the log and stands for itself, so that a page is still shown; in tests it raises KeyError.
    """

    strict = False

    def __init__(self, language: str, texts: Mapping[str, str], zone: ZoneInfo) -> None:
        self.language = language
        self._texts = texts
        self.zone = zone

    def __call__(self, key: str, /, **values: object) -> str:
        text = self._texts.get(key)
        if text is None:
            if self.strict:
                raise KeyError(key)
            log.error("the words of %s have no %s", self.language, key)
            return key
        return _PLACE.sub(lambda place: str(values[place[1]]), text) if values else text

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def count(self, key: str, number: int, /, **values: object) -> str:
        """`key-one` or `key-other`, with {n}."""
        return self(f"{key}-{'one' if number == 1 else 'other'}", n=self.number(number), **values)

    def maybe(self, key: str, otherwise: str, /, **values: object) -> str:
        """The text if there is one: for names that data brings, such as the outcome of a call."""
        return self(key, **values) if key in self._texts else otherwise

    # -- instants and figures ----------------------------------------------------------------------

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone)

    def time(self, at: datetime) -> str:
        """`18:30`"""
        return f"{self.local(at):%H:%M}"

    def seconds(self, at: datetime) -> str:
        """`18:30:05`"""
        return f"{self.local(at):%H:%M:%S}"

    def day(self, day: date | datetime) -> str:
        """`mercoledì 25 novembre 2026`"""
        d = self.local(day).date() if isinstance(day, datetime) else day
        return self("time.day", weekday=self.weekday(d), day=d.day, month=self.month(d.month), year=d.year)

    def short_day(self, day: date | datetime) -> str:
        """`mer 25 nov`"""
        d = self.local(day).date() if isinstance(day, datetime) else day
        weekday = self.short_weekday(d)
        return self("time.short-day", weekday=weekday, day=d.day, month=self.month(d.month)[:3])

    def moment(self, at: datetime, now: datetime | None = None) -> str:
        """`mer 25 nov 18:30`; with `now`, the time alone if it is the same day, and the year if it is
        another.
        """
        then = self.local(at)
        if now is not None and then.date() == self.local(now).date():
            return self.time(at)
        year = f" {then.year}" if now is not None and then.year != self.local(now).year else ""
        return f"{self.short_day(then.date())}{year} {self.time(at)}"

    def weekday(self, day: date) -> str:
        return self(f"time.weekday-{day.isoweekday()}")

    def short_weekday(self, day: date) -> str:
        """`mer`, `Wed`, `Mi`"""
        return self(f"time.short-weekday-{day.isoweekday()}")

    def month(self, number: int) -> str:
        return self(f"time.month-{number}")

    def duration(self, length: timedelta | float) -> str:
        """`42 s`, `12 min`, `1 h 20 min`, `2 g 3 h`, `7 g`; its sign is not told."""
        seconds = abs(round(length.total_seconds() if isinstance(length, timedelta) else length))
        if seconds < 60:
            return f"{seconds} s"
        minutes = seconds // 60
        hours, minutes = divmod(minutes, 60)
        if hours >= 48:
            days, hours = divmod(hours, 24)
            return self("time.days-hours" if hours else "time.days", days=days, hours=hours)
        if hours:
            return f"{hours} h {minutes} min" if minutes else f"{hours} h"
        return f"{minutes} min"

    def number(self, value: float, digits: int = 0) -> str:
        """`12.345,6` as the language writes it."""
        text = f"{value:,.{digits}f}"
        if self.language == "en":
            return text
        return text.translate(str.maketrans(",.", ".,"))


@cache
def texts(language: str) -> Mapping[str, str]:
    """All texts of a language by `area.name`."""
    found: dict[str, str] = {}
    folder = resources.files("console.web") / "words" / language
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".toml"):
            area = file.name.removesuffix(".toml")
            found |= {f"{area}.{key}": text for key, text in tomllib.loads(file.read_text("utf-8")).items()}
    return found


@cache
def words(language: str, zone: ZoneInfo) -> Words:
    """The words of `language`, Italian for one that is not spoken here."""
    spoken = language if language in LANGUAGES else LANGUAGES[0]
    return Words(spoken, texts(spoken), zone)

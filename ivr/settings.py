"""`[hours]`, `[[number]]`, `[urgency]`, `[flood]` and `[privacy]`, and what is built of them at start."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from types import ModuleType
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ivr import hours
from ivr.hours import Hours

LANGUAGES = ("it", "en", "de")
# An address of e-mail, as strictly as one can be.
MAIL_ADDRESS = r"[^@\s<>,;\"]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Spoken = dict[str, Annotated[str, Field(min_length=1, max_length=300)]]


class SpecialDay(BaseModel):
    """One date with opening times of its own; a PIN is asked on the rest of it. No `open`: all day."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    date: date
    open: list[str] = []

    @field_validator("open")
    @classmethod
    def stretches(cls, value: list[str]) -> list[str]:
        windows = _windows(value)
        if any(len(window.in_day()) > 1 for window in windows):
            raise ValueError("an opening ends on the day it starts: use two special days")
        return value


class HoursSettings(BaseModel):
    """When a PIN is asked. Wall-clock times in the service's zone."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    pin_windows: list[str] = ["18:30-08:00", "13:00-14:00"]
    closed_days: list[str] = ["saturday", "sunday"]
    # Country and, after a slash, the part of it whose local holidays count; "" for none.
    holidays: str = "IT/TN"
    special_day: list[SpecialDay] = []

    @field_validator("pin_windows")
    @classmethod
    def windows(cls, value: list[str]) -> list[str]:
        _windows(value)
        return value

    @field_validator("closed_days")
    @classmethod
    def weekdays(cls, value: list[str]) -> list[str]:
        for day in value:
            if day not in DAYS:
                raise ValueError(f"expected {', '.join(DAYS)}; got {day!r}")
        return value

    @field_validator("holidays")
    @classmethod
    def region(cls, value: str) -> str:
        _holiday_names(value)
        return value

    @field_validator("special_day")
    @classmethod
    def dates_once(cls, value: list[SpecialDay]) -> list[SpecialDay]:
        days = [special.date for special in value]
        if twice := sorted({str(day) for day in days if days.count(day) > 1}):
            raise ValueError(f"{', '.join(twice)} stands more than once")
        return value

    def build(self, zone: ZoneInfo, holidays: str | None = None) -> Hours:
        """The hours of a number; `holidays` is its own region, if it has one."""
        return Hours(
            zone,
            _windows(self.pin_windows),
            [DAYS.index(day) for day in self.closed_days],
            _holiday_names(self.holidays if holidays is None else holidays),
            {special.date: _windows(special.open) for special in self.special_day},
        )


class NumberSettings(BaseModel):
    """One of our numbers: what is said there, who is rung by day and by night."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    number: Annotated[str, Field(pattern=r"\A\+[1-9][0-9]{6,14}\z")]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    language: str = "it"
    rota: str = "duty"
    office: list[str] = []
    holidays: str | None = None
    # By day, when the office does not answer: whether "for an emergency with PIN, press 1" is offered.
    pin_by_day: bool = True
    # Where the helpdesk is told of its cases and messages by e-mail; None: where `[tickets]` says.
    tickets: list[Annotated[str, Field(pattern=rf"\A{MAIL_ADDRESS}\z", max_length=254)]] | None = None

    @field_validator("language")
    @classmethod
    def known_language(cls, value: str) -> str:
        if value not in LANGUAGES:
            raise ValueError(f"expected one of {', '.join(LANGUAGES)}")
        return value

    @field_validator("holidays")
    @classmethod
    def region(cls, value: str | None) -> str | None:
        if value is not None:
            _holiday_names(value)
        return value


class Level(BaseModel):
    """One level of urgency of the company's own classification."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    code: Annotated[str, Field(pattern=r"\A[A-Z0-9][A-Z0-9+-]{0,7}\z")]
    meaning: str
    # The key of the urgency menu; levels without one are "anything else".
    key: Annotated[str, Field(pattern=r"\A[1-3567]\z")] | None = None
    after_hours: bool = False
    needs_contract: bool = True
    # Minutes within which an accepted case is to be taken in charge.
    within: Annotated[int, Field(ge=1, le=10_000)] | None = None
    # What stands before "press KEY" in the menu, by language; and how the code is spoken.
    menu: Spoken = {}
    spoken: Spoken = {}
    # What the level means, as it is read to a caller who asks: 8 seconds at most.
    definition: Spoken = {}

    @model_validator(mode="after")
    def complete(self) -> Self:
        if self.after_hours and (self.key is None or self.within is None or "it" not in self.menu):
            raise ValueError("a level accepted after hours needs key, within and menu texts")
        if self.key is not None and not self.after_hours:
            raise ValueError("only a level accepted after hours has a key; the others are behind key 4")
        return self


class UrgencySettings(BaseModel):
    """The classification, and what a customer without a contract may do."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    level: Annotated[list[Level], Field(min_length=1)]
    prepaid_counts: bool = False
    # Whether a customer whose contract has ended is connected all the same, told it will be billed.
    connect_without_contract: bool = False
    # Where to write with what can wait: spoken in the refusal.
    write_to: str = ""

    @model_validator(mode="after")
    def keys_once(self) -> Self:
        for name, values in (
            ("code", [level.code for level in self.level]),
            ("key", [level.key for level in self.level if level.key]),
        ):
            if len(set(values)) != len(values):
                raise ValueError(f"a {name} stands more than once")
        if not any(level.after_hours for level in self.level):
            raise ValueError("no level is accepted after hours")
        return self

    def by_key(self, key: str) -> Level | None:
        return next((level for level in self.level if level.key == key), None)

    def by_code(self, code: str) -> Level:
        return next(level for level in self.level if level.code == code)

    def offered(self) -> list[Level]:
        """The levels of the menu, in the order of their keys."""
        return sorted((level for level in self.level if level.key), key=lambda level: level.key or "")


class FloodSettings(BaseModel):
    """When so many strangers call that each must first key two spoken digits."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    # More calls than these from numbers that nobody knows, over all lines and machines; 0: never.
    calls: Annotated[int, Field(ge=0, le=100_000)] = 60
    # Seconds in which they are counted.
    within: Annotated[int, Field(ge=10, le=3600)] = 60


class PrivacySettings(BaseModel):
    """How long what is kept, in days. Enforced by the purge."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    caller_numbers: Annotated[int, Field(ge=1)] = 30
    calls: Annotated[int, Field(ge=1)] = 90
    messages: Annotated[int, Field(ge=1)] = 30
    audit: Annotated[int, Field(ge=183)] = 365
    # What reports and accounts count: of calls and cases without a word of what was said.
    figures: Annotated[int, Field(ge=1)] = 1826
    # Whether calls are deleted at Twilio too, when their story is over here.
    delete_at_twilio: bool = True

    @model_validator(mode="after")
    def figures_are_kept_longest(self) -> Self:
        if self.figures < self.calls:
            raise ValueError("figures: expected no fewer days than calls")
        return self


def _windows(texts: list[str]) -> list[hours.Window]:
    windows = [hours.parse_window(text) for text in texts]
    if clash := hours.overlap(windows):
        first, second = (f"{w.start:%H:%M}-{w.end:%H:%M}" for w in clash)
        raise ValueError(f"{first} and {second} overlap")
    return windows


@contextmanager
def _one_country(holidays: ModuleType) -> Iterator[None]:
    """Load the country that is asked for, and not the 250 others whose package would load them all: they
    take 8 MiB in every process. An empty package stands in for theirs meanwhile.
    """
    name = "holidays.countries"
    if name in sys.modules:
        yield
        return
    stand_in = ModuleType(name)
    stand_in.__path__ = [f"{folder}/countries" for folder in holidays.__path__]
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        del sys.modules[name]


@cache
def _holiday_names(region: str) -> Callable[[date], str | None]:
    """A look-up of public holidays by date. Raises ValueError for an unknown region."""
    if not region:
        return lambda day: None
    import holidays  # 0.1 s, and only where hours are built

    country, _, part = region.partition("/")
    try:
        with _one_country(holidays):
            # Its own language, whatever the environment of this process speaks.
            own = holidays.country_holidays(country).default_language
            language = {"IT": "it_IT"}.get(country, own)
            calendar = holidays.country_holidays(country, subdiv=part or None, language=language)
    except (NotImplementedError, KeyError):
        raise ValueError(f"expected a country and part such as IT or IT/TN, got {region!r}") from None

    def name(day: date) -> str | None:
        # Asking a day works its whole year out.
        found: str | None = calendar.get(day)
        return found

    return name

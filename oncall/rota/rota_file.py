"""The rota file: technicians and rules as an admin writes them in TOML. Pure.

Everything that can be wrong without looking at the database is reported here, all at once, each
mistake with its dotted path. `docs/rota.md` explains every key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from oncall.rota import rota, wallclock

Key = Annotated[str, Field(pattern=r"\A[a-z0-9][a-z0-9_-]{0,31}\z")]
Rings = Annotated[int, Field(ge=10, le=60)]
# Far enough from the ends of the calendar to be counted from.
Day = Annotated[date, Field(ge=date(1970, 1, 1), lt=date(2200, 1, 1))]
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


_PLACE = re.compile(r"\(at (.+)\)\Z")


def _time_of_day(text: str) -> str:
    try:
        wallclock.parse_time(text)
    except ValueError as error:
        raise Disagreement(str(error), "clock") from None
    return text


def _period(text: str) -> str:
    try:
        rota.parse_period(text)
    except ValueError as error:
        raise Disagreement(str(error), "period") from None
    return text


People = Annotated[list[Key], Field(min_length=1, max_length=100)]
Clock = Annotated[str, AfterValidator(_time_of_day)]
Period = Annotated[str, AfterValidator(_period)]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, for whoever says it in words of his own: the dotted path ("line 3, column 5"
    of what is no TOML), the name of what is wrong there, and the bounds it broke.
    """

    path: str
    why: str
    about: Mapping[str, Any] = field(default_factory=dict)


class RotaFileRefused(Exception):
    """The file cannot be applied. `mistakes` has a line each: dotted path, then what is expected; `faults`
    the same by names.
    """

    def __init__(self, mistakes: list[str], faults: Sequence[Fault] = ()) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes
        self.faults = tuple(faults)


class Disagreement(ValueError):
    """Values that are sound by themselves do not go together; `why` is its name."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(text)
        self.why = why


class TechnicianEntry(BaseModel):
    """All there is to say of a technician: what is left out is as if it had never been said."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    key: Key
    name: Annotated[str, Field(min_length=1, max_length=200)]
    phone: str
    spoken_name: Annotated[str, Field(max_length=200)] | None = None
    email: Annotated[str, Field(max_length=254, pattern=r"\A[^@\s]+@[^@\s]+\.[^@\s]+\z")] | None = None
    other_phones: Annotated[list[str], Field(max_length=5)] = []
    rings: Rings | None = None
    language: Literal["it", "en", "de"] | None = None
    services: Annotated[list[Key], Field(max_length=20)] = []
    # His first day of service and his last.
    first_day: Day | None = Field(None, alias="from")
    last_day: Day | None = Field(None, alias="until")

    @model_validator(mode="after")
    def sensible(self) -> Self:
        for what, many in (("phone", [self.phone, *self.other_phones]), ("service", self.services)):
            if twice := sorted({each for each in many if many.count(each) > 1}):
                raise Disagreement(f"{what} {', '.join(twice)} stands more than once", "twice")
        if self.first_day and self.last_day and self.last_day < self.first_day:
            raise Disagreement("until: expected a day that is not before `from`", "until")
        return self


class PatternEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    days: Annotated[list[Weekday], Field(min_length=1, max_length=7)] | None = None
    begins: Clock = Field(alias="from")
    ends: Clock = Field(alias="to")
    people: People
    starts: Day | None = None
    every: Period | None = None

    @model_validator(mode="after")
    def together_or_not_at_all(self) -> Self:
        if (self.starts is None) != (self.every is None):
            raise Disagreement("starts and every stand together or not at all", "starts-every")
        if self.starts is None and len(self.people) > 1:
            raise Disagreement(
                "several people need starts and every, so that it is clear whose turn it is",
                "several-pattern",
            )
        return self


class RungEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    # May be left out where patterns name somebody.
    people: People = []
    starts: Day | None = None
    handover: Clock | None = None
    every: Period | None = None
    rings: Rings | None = None
    pattern: Annotated[list[PatternEntry], Field(max_length=50)] = []

    @model_validator(mode="after")
    def together_or_not_at_all(self) -> Self:
        if not self.people and not self.pattern:
            raise Disagreement("expected people, or a pattern that names some", "nobody")
        given = [self.starts is not None, self.handover is not None, self.every is not None]
        if any(given) and not all(given):
            raise Disagreement("starts, handover and every stand together or not at all", "together")
        if any(given) and not self.people:
            raise Disagreement("starts, handover and every need people who take turns", "no-people")
        if not any(given) and len(self.people) > 1:
            raise Disagreement(
                "several people need starts, handover and every, so that it is clear whose turn it is",
                "several",
            )
        return self


class SwapRules(BaseModel):
    """`[rota.swaps]`: whether technicians may swap turns, and until when."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    allowed: bool = True
    # An admin has the last word.
    approval: bool = False
    # Hours before what is swapped begins, at the latest.
    ahead_hours: Annotated[int, Field(ge=0, le=336)] = 12


class RotaEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    key: Key
    time_zone: str = "Europe/Rome"
    swaps: SwapRules | None = None
    rung: Annotated[list[RungEntry], Field(min_length=1, max_length=20)]

    @field_validator("time_zone")
    @classmethod
    def known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise Disagreement(f"expected a time zone such as Europe/Rome, got {value!r}", "zone") from None
        return value


class RotaFile(BaseModel):
    """A whole file. `rotas` may be empty when only technicians are to be added or changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    technician: list[TechnicianEntry] = []
    rota: list[RotaEntry] = []

    @model_validator(mode="after")
    def keys_once(self) -> Self:
        for kind, keys in (
            ("technician", [t.key for t in self.technician]),
            ("rota", [r.key for r in self.rota]),
        ):
            twice = sorted({key for key in keys if keys.count(key) > 1})
            if twice:
                raise Disagreement(f"{kind} {', '.join(twice)} stands more than once", "twice")
        return self


def read(text: str) -> RotaFile:
    """Parse and validate the file. Raises RotaFileRefused."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        raise RotaFileRefused([f"not TOML: {error}"], [Fault(place[1] if place else "", "toml")]) from None
    except (ValueError, RecursionError):
        # A number of thousands of digits, brackets in thousands of brackets.
        why = "not TOML that can be read: a number is too long, or brackets are too deep"
        raise RotaFileRefused([why], [Fault("", "toml")]) from None
    try:
        return RotaFile.model_validate(document)
    except ValidationError as error:
        raise RotaFileRefused(
            [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()],
            [_fault(each) for each in error.errors()],
        ) from None


def _fault(error: ErrorDetails) -> Fault:
    about = dict(error.get("ctx", {}))
    why = about.pop("error", None)
    named = why.why if isinstance(why, Disagreement) else error["type"]
    return Fault(".".join(map(str, error["loc"])), named, about)


def to_document(entry: RotaEntry) -> dict[str, Any]:
    """The rules as they are stored: JSON, nothing derived."""
    said = entry.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"key"})
    return {"time_zone": entry.time_zone, **said}


def to_swap_rules(document: dict[str, Any]) -> SwapRules:
    """What stored rules say of swaps; the defaults if they say nothing."""
    return SwapRules.model_validate(document.get("swaps", {}))


def to_rules(document: dict[str, Any]) -> rota.Rules:
    """The stored rules as the rota computes with them."""
    return rota.Rules(ZoneInfo(document["time_zone"]), tuple(map(_to_rung, document["rung"])))


def _to_rung(stored: dict[str, Any]) -> rota.Rung:
    rotation = None
    if "starts" in stored:
        rotation = rota.Rotation(
            starts=date.fromisoformat(stored["starts"]),
            handover=wallclock.parse_time(stored["handover"]),
            period=rota.parse_period(stored["every"]),
        )
    patterns = tuple(map(_to_pattern, stored.get("pattern", ())))
    return rota.Rung(tuple(stored.get("people", ())), rotation, stored.get("rings"), patterns)


def _to_pattern(stored: dict[str, Any]) -> rota.Pattern:
    return rota.Pattern(
        days=frozenset(WEEK.index(day) for day in stored.get("days", WEEK)),
        begins=wallclock.parse_time(stored["from"]),
        ends=wallclock.parse_time(stored["to"]),
        people=tuple(stored["people"]),
        starts=date.fromisoformat(stored["starts"]) if "starts" in stored else None,
        period=rota.parse_period(stored.get("every", "1 day")),
    )

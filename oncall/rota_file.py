"""The rota file: technicians and rules as an admin writes them in TOML. Pure.

Everything that can be wrong without looking at the database is reported here, all at once, each
mistake with its dotted path.
"""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from oncall import rota, wallclock

Key = Annotated[str, Field(pattern=r"\A[a-z0-9][a-z0-9_-]{0,31}\z")]


class RotaFileRefused(Exception):
    """The file cannot be applied. `mistakes` has a line each: dotted path, then what is expected."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


class TechnicianEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Key
    name: Annotated[str, Field(min_length=1, max_length=200)]
    phone: str
    spoken_name: Annotated[str, Field(max_length=200)] | None = None
    email: Annotated[str, Field(max_length=254, pattern=r"\A[^@\s]+@[^@\s]+\.[^@\s]+\z")] | None = None


class RungEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    people: Annotated[list[Key], Field(min_length=1, max_length=100)]
    starts: date | None = None
    handover: str | None = None
    every: str | None = None
    rings: Annotated[int, Field(ge=10, le=60)] | None = None

    @field_validator("handover")
    @classmethod
    def time_of_day(cls, value: str | None) -> str | None:
        if value is not None:
            wallclock.parse_time(value)
        return value

    @field_validator("every")
    @classmethod
    def period(cls, value: str | None) -> str | None:
        if value is not None:
            rota.parse_period(value)
        return value

    @model_validator(mode="after")
    def together_or_not_at_all(self) -> Self:
        given = [self.starts is not None, self.handover is not None, self.every is not None]
        if any(given) and not all(given):
            raise ValueError("starts, handover and every stand together or not at all")
        if not any(given) and len(self.people) > 1:
            raise ValueError(
                "several people need starts, handover and every, so that it is clear whose turn it is"
            )
        return self


class RotaEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Key
    time_zone: str = "Europe/Rome"
    rung: Annotated[list[RungEntry], Field(min_length=1, max_length=20)]

    @field_validator("time_zone")
    @classmethod
    def known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"expected a time zone such as Europe/Rome, got {value!r}") from None
        return value


class RotaFile(BaseModel):
    """A whole file. `rotas` may be empty when only technicians are to be added or changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
                raise ValueError(f"{kind} {', '.join(twice)} stands more than once")
        return self


def read(text: str) -> RotaFile:
    """Parse and validate the file. Raises RotaFileRefused."""
    try:
        return RotaFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RotaFileRefused([f"not TOML: {error}"]) from None
    except ValidationError as error:
        raise RotaFileRefused(
            [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()]
        ) from None


def to_document(entry: RotaEntry) -> dict[str, Any]:
    """The rules as they are stored: JSON, nothing derived."""
    return {
        "time_zone": entry.time_zone,
        "rung": [r.model_dump(mode="json", exclude_none=True) for r in entry.rung],
    }


def to_rules(document: dict[str, Any]) -> rota.Rules:
    """The stored rules as the rota computes with them."""
    rungs: list[rota.Rung] = []
    for stored in document["rung"]:
        rotation = None
        if "starts" in stored:
            rotation = rota.Rotation(
                starts=date.fromisoformat(stored["starts"]),
                handover=wallclock.parse_time(stored["handover"]),
                period=rota.parse_period(stored["every"]),
            )
        rungs.append(rota.Rung(tuple(stored["people"]), rotation, stored.get("rings")))
    return rota.Rules(ZoneInfo(document["time_zone"]), tuple(rungs))

"""What the shapes are made of: texts, days, instants, pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

_DAY = r"(?:19|20|21)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
_INSTANT = rf"{_DAY}T{_CLOCK}(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"
LARGEST_ID = 2**31 - 1
LONGEST_REASON = 500
PAGE, LARGEST_PAGE = 50, 100


class Shape(BaseModel):
    """Something that is answered."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return self.model_dump(mode="json", by_alias=True)


class Given(BaseModel):
    """Something that is sent. What is not known is refused, and nothing is guessed: "5" is no number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=False)


def _like(pattern: str, expected: str, read: Callable[[str], object]) -> BeforeValidator:
    """A text of this form, read; pydantic alone would also take figures for an instant."""

    def check(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not re.fullmatch(pattern, value):
            raise PydanticCustomError("form", "{expected}", {"expected": expected})
        return read(value)

    return BeforeValidator(check)


# Text that people read; what no database and no log takes is refused.
Text = Annotated[str, Field(pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]
Reason = Annotated[Text, Field(max_length=LONGEST_REASON, description="Why; it is kept with the record.")]
Day = Annotated[
    date,
    _like(_DAY, "expected a day such as 2026-12-31", date.fromisoformat),
    WithJsonSchema({"type": "string", "format": "date", "pattern": f"^{_DAY}$"}),
]
Moment = Annotated[
    AwareDatetime,
    _like(
        _INSTANT,
        "expected an instant with its offset, such as 2026-03-10T22:00:00+01:00 (in an address + is %2B)",
        datetime.fromisoformat,
    ),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{_INSTANT}$"}),
]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", description="A customer's code.")]
E164 = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$", examples=["+390461123456"])]
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
# Keys of technicians and rotas.
Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


def _limit(value: Any) -> Any:
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,3}", value) else value


class Pages(Given):
    """Which page of a list."""

    limit: Annotated[int, BeforeValidator(_limit)] = Field(
        default=PAGE, ge=1, le=LARGEST_PAGE, description="How many at most."
    )
    cursor: str | None = Field(
        default=None,
        max_length=400,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="`next` of the page before. It says nothing to anybody else, and holds for this list.",
    )


class Why(Given):
    """Why something is done."""

    reason: Reason = ""


class FieldError(Shape):
    """What is wrong with one field."""

    field: str
    detail: str


class ProblemShown(Shape):
    """Problem details, RFC 9457. Nothing was done."""

    type: str = Field(description="What it is called, for programs: `urn:after-hours-ivr:…`.")
    title: str
    status: int
    detail: str = Field(description="What and why, for people. It never repeats a secret.")
    errors: list[FieldError]


Next = Annotated[str | None, Field(description="The cursor of the next page; null: this is the last one.")]

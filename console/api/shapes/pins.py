"""PINs without their digits, as `ivr pin list --json` tells them; and a PIN, once."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from console.api.shapes.common import Code, Day, Given, Next, Pages, Reason, Shape, Text
from pins.registry import LONGEST_LABEL

Label = Annotated[Text, Field(max_length=LONGEST_LABEL, description="Whose PIN it is: a site, a person.")]


class PinPages(Pages):
    """Which PINs."""

    status: Literal["live", "ending", "unused", "overlap", "expired", "revoked", "all"] = Field(
        default="all", description="`live` has `overlap`, `ending` and `unused` ones in it."
    )


class NewPin(Given):
    """Who gets a PIN. Its digits are drawn, never chosen."""

    customer: Code
    label: Label = ""
    expires: Day | None = Field(
        default=None, description="Its last day. Without it the age in the configuration counts."
    )
    reason: Reason = ""


class Rotation(Given):
    """How a PIN is replaced."""

    overlap: Annotated[int, Field(ge=0, le=90)] | None = Field(
        default=None, description="Days for which the old one still works; as configured if not given."
    )
    reason: Reason = ""


class IssuedPin(Shape):
    """A PIN that was issued just now: the only answer that holds one. Hand it over, keep it nowhere."""

    id: int
    customer: str
    pin: str | None = Field(
        description="The digits, once. null: the request came before under the same Idempotency-Key; they "
        "were answered then, and are answered no more. No other PIN was issued."
    )
    shown_before: bool = Field(description="Whether this is such an answer.")


class PinShown(Shape):
    """What is known of a PIN. `digits` is how many it has."""

    id: int
    customer: str
    label: str
    status: Literal["active", "overlap", "expired", "revoked"]
    expires: date | None
    last_used: AwareDatetime | None
    digits: int
    issued_at: AwareDatetime | None
    issued_by: str
    reason: str
    replaced_by: int | None
    revoked_at: AwareDatetime | None
    revoked_by: str | None
    revoke_reason: str | None


class PinPage(Shape):
    """Some of the PINs, the newest first."""

    pins: list[PinShown]
    next: Next

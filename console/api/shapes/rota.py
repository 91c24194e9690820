"""Who is on duty, as `ivr rota who --json` and `ivr explain --json` tell it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from console.api.shapes.common import E164, Given, Key, Moment, Reason, Shape

Because = Literal["turn", "override", "swap", "absence", "pattern"]
Rung = Annotated[int, Field(ge=1, le=100, description="1 is rung first.")]


class AtMoment(Given):
    """An instant."""

    at: Moment | None = Field(default=None, description="Now if not given.")


class Call(AtMoment):
    """A call that might come."""

    number: E164 | None = Field(default=None, description="Which of our numbers; the first if not given.")


class RotaList(Shape):
    """The rotas there are, by their keys."""

    rotas: list[str]


class RungShown(Shape):
    """Who is rung, and why he."""

    rung: int
    technician: str
    phone: str
    because: Because


class LadderShown(Shape):
    """Who is rung at an instant, rung by rung; empty: nobody."""

    at: AwareDatetime | None
    rota: str
    ladder: list[RungShown]


class PhoneShown(Shape):
    """Whose phone would ring."""

    rung: int
    technician: str
    phone: str


class Explained(Shape):
    """What would happen to a call. `until`: when `pin` next changes; null: never."""

    at: AwareDatetime | None
    number: str
    pin: bool
    reason: Literal["open", "night", "lunch", "closed-day", "holiday", "special-day"]
    name: str | None
    until: AwareDatetime | None
    ladder: list[PhoneShown]


class NewOverride(Given):
    """Somebody who replaces whoever has the turn, from `from` up to, not including, `to`."""

    rung: Rung = 1
    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    technician: Key
    reason: Reason = ""


class FindingShown(Shape):
    """Something that is wrong with the rota now and was not before: `hole` means that nobody is rung."""

    kind: Literal["hole", "empty-rung", "double-duty", "not-employed", "unreachable", "one-person"]
    rota: str
    rung: int | None
    start: AwareDatetime | None = Field(serialization_alias="from")
    end: AwareDatetime | None = Field(serialization_alias="to")
    people: list[str]


class OverrideShown(Shape):
    """An override that has not ended."""

    id: int
    rung: int
    technician: str
    start: AwareDatetime | None = Field(serialization_alias="from")
    end: AwareDatetime | None = Field(serialization_alias="to")
    because: Because


class OverrideList(Shape):
    """Those that have not ended, by when they begin."""

    rota: str
    overrides: list[OverrideShown]


class OverrideMade(OverrideShown):
    """The override as it holds, and what it brings about."""

    findings: list[FindingShown]


class OverrideWithdrawn(Shape):
    """What is wrong now that it holds no more."""

    id: int
    findings: list[FindingShown]

"""`[ringing]` and `[notices]`"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from oncall import phones


class RingingSettings(BaseModel):
    """How technicians are rung. Seconds throughout."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # How long a phone really rings. Under the operators' voicemail delay, which is about 30 s.
    rings: Annotated[int, Field(ge=10, le=60)] = 25
    passes: Annotated[int, Field(ge=1, le=5)] = 2
    # No new attempt is begun later than this after the urgency was accepted.
    no_new_attempt_after: Annotated[int, Field(ge=30, le=900)] = 240
    # How long the office rings by day.
    office_rings: Annotated[int, Field(ge=10, le=120)] = 30
    # True: all of a number's office phones at once; False: one after the other.
    office_together: bool = False
    # "called": technicians see the number that was called; or one of our own numbers.
    caller_id: str = "called"
    # ISO codes of the countries that may be dialled, and the domains of sip: addresses.
    countries: list[str] = ["IT"]
    sip_domains: list[str] = []
    # Longest message a caller may leave.
    message_limit: Annotated[int, Field(ge=10, le=600)] = 120
    # The work that pursues a case is due this long after it opened, whatever callbacks got lost.
    pursue_after: Annotated[int, Field(ge=60, le=900)] = 270

    @field_validator("countries")
    @classmethod
    def iso_codes(cls, value: list[str]) -> list[str]:
        for code in value:
            if len(code) != 2 or not code.isascii() or not code.isupper():
                raise ValueError('expected ISO country codes such as "IT"')
        return value

    def check_number(self, target: str) -> str:
        """`target` if it may be dialled under these settings. Raises NumberRefused."""
        return phones.check(target, self.countries, self.sip_domains)


class NoticeSettings(BaseModel):
    """Who is told besides the people of the rota: e-mail addresses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    admins: list[str] = []
    managers: list[str] = []

    @field_validator("admins", "managers")
    @classmethod
    def addresses(cls, value: list[str]) -> list[str]:
        for address in value:
            local, at, domain = address.partition("@")
            if not (local and at and "." in domain) or any(c.isspace() for c in address):
                raise ValueError("expected e-mail addresses")
        return value

"""`[ringing]`, `[toll]`, `[notices]`, `[calendars]` and `[reports]`"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    field_validator,
    model_validator,
)

from oncall import phones
from oncall.phones import NumberRefused


class RingingSettings(BaseModel):
    """How technicians are rung. Seconds throughout."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

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
    # Rung when nobody can tell who is on duty: the database is away, and there is no snapshot to be read.
    duty_phone: str = ""
    # Longest message a caller may leave.
    message_limit: Annotated[int, Field(ge=10, le=600)] = 120
    # The work that pursues a case is due this long after it opened, whatever callbacks got lost.
    pursue_after: Annotated[int, Field(ge=60, le=900)] = 270
    # From the end of one pass of the pursuit to the beginning of the next.
    next_pass_after: Annotated[int, Field(ge=30, le=1800)] = 180
    # How often the customer may be dialled for one case, each time after a technician's key.
    customer_calls: Annotated[int, Field(ge=1, le=20)] = 5
    # A case taken by text message is pursued again unless the customer was called within so long: the
    # sender of a text message can be forged.
    text_take_holds: Annotated[int, Field(ge=60, le=3600)] = 600
    # Our own numbers, which are never dialled: that would go round. Not of the file: see `beside`.
    _ours: frozenset[str] = PrivateAttr(default=frozenset())

    @field_validator("countries")
    @classmethod
    def iso_codes(cls, value: list[str]) -> list[str]:
        for code in value:
            if len(code) != 2 or not code.isascii() or not code.isupper():
                raise ValueError('expected ISO country codes such as "IT"')
        return value

    @model_validator(mode="after")
    def may_be_dialled(self) -> Self:
        if self.duty_phone:
            try:
                self.check_number(self.duty_phone)
            except phones.NumberRefused as refused:
                raise ValueError(f"duty_phone: {refused}") from None
        return self

    def beside(self, ours: Collection[str]) -> Self:
        """The same, knowing our own numbers."""
        knowing = self.model_copy()
        knowing._ours = frozenset(ours)
        return knowing

    def check_number(self, target: str) -> str:
        """`target` if it may be dialled under these settings: the one gate, when a number is saved and again
        when it is dialled. Raises NumberRefused.
        """
        return self._not_ours(phones.check(target, self.countries, self.sip_domains))

    def check_customer(self, target: str) -> str:
        """The same for a customer's phone, and for text messages: never a sip: address."""
        return self._not_ours(phones.check(target, self.countries))

    def from_keys(self, keyed: str) -> str:
        """A number as people key or write it, if a customer may be dialled there. Raises NumberRefused."""
        return self._not_ours(phones.from_keys(keyed, self.countries))

    def _not_ours(self, target: str) -> str:
        if target in self._ours:
            raise NumberRefused(f"{target!r} is one of our own numbers: that would go round", "ours")
        return target


Cap = Annotated[int, Field(ge=1, le=1_000_000)]


class TollSettings(BaseModel):
    """How much may be dialled in 24 hours. Beyond it the admins are alarmed, and whatever is not about an
    accepted case is refused: a technician's phone is rung for one however often it takes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    # Calls of every kind together.
    calls: Cap = 1_000
    # Calls to customers, each after a technician's key; and of these to one customer.
    customers: Cap = 100
    one_customer: Cap = 20
    # Calls to technicians; and of these to one phone.
    technicians: Cap = 600
    one_phone: Cap = 150
    # Calls that are about no case: a notice read aloud, whether he can be reached, a test.
    others: Cap = 100
    # Text messages.
    texts: Cap = 500


class NoticeSettings(BaseModel):
    """Who is told of what, when and how."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    # E-mail addresses: alarms; and what nobody took.
    admins: list[str] = []
    managers: list[str] = []
    # Who text messages come from: "called" (the number the case came in on, else our first), another
    # number of ours, or up to eleven letters and digits, which nobody can answer.
    text_sender: str = "called"
    # Tell technicians when their turn begins and ends.
    shifts: bool = True
    # Ask whoever is about to begin a turn whether he can be reached, so many minutes before.
    confirm: Literal["off", "text", "call"] = "off"
    confirm_before: Annotated[int, Field(ge=10, le=720)] = 60
    # Minutes he has to answer; then the next rung is told.
    confirm_within: Annotated[int, Field(ge=2, le=120)] = 15
    # What can wait is not sent during these hours of the wall clock; "" sends at any hour.
    quiet: str = "21:00-08:00"
    # Seconds without a receipt after which a loud notice also takes the next channel.
    receipt_within: Annotated[int, Field(ge=30, le=1800)] = 120
    # A rota is looked ahead so many days for holes.
    look_ahead: Annotated[int, Field(ge=2, le=366)] = 30
    # Other ways to reach people, by a name of their own: an address of the library apprise each.
    services: dict[Annotated[str, Field(pattern=r"\A[a-z0-9][a-z0-9_-]{0,31}\z")], SecretStr] = {}

    @field_validator("admins", "managers")
    @classmethod
    def addresses(cls, value: list[str]) -> list[str]:
        for address in value:
            local, at, domain = address.partition("@")
            if not (local and at and "." in domain) or any(c.isspace() for c in address):
                raise ValueError("expected e-mail addresses")
        return value

    @field_validator("quiet")
    @classmethod
    def hours(cls, value: str) -> str:
        if value and not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]", value):
            raise ValueError('expected hours such as "21:00-08:00", or ""')
        return value

    @field_validator("text_sender")
    @classmethod
    def sender(cls, value: str) -> str:
        named = re.fullmatch(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}", value)
        if value != "called" and not named and not re.fullmatch(r"\+[1-9][0-9]{6,14}", value):
            raise ValueError('expected "called", a number of ours, or up to eleven letters and digits')
        return value

    @model_validator(mode="after")
    def in_time(self) -> Self:
        if self.confirm_within >= self.confirm_before:
            raise ValueError("confirm_within: expected less than confirm_before")
        return self


class CalendarSettings(BaseModel):
    """Calendars that absences are read from. Nothing is fetched from any host that is not named here."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    # Names such as "calendar.example.net"; https alone, and never an address of this machine or network.
    hosts: list[str] = []
    # By a technician's key: the address of the calendar his absences are in, fetched every hour.
    absences: dict[str, SecretStr] = {}

    @model_validator(mode="after")
    def allowed(self) -> Self:
        for key, address in self.absences.items():
            parts = urlsplit(address.get_secret_value())
            if parts.scheme != "https" or parts.hostname not in self.hosts:
                raise ValueError(f"absences.{key}: expected an https address on one of calendars.hosts")
        return self


class ReportSettings(BaseModel):
    """What reports show."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    # Figures by person. In Italy art. 4 L. 300/1970 (remote monitoring of workers) wants an agreement or a
    # permit, and a notice to the workers, before this is switched on.
    per_person: bool = False
    # What counts as night, by the wall clock.
    night: str = "22:00-06:00"

    @field_validator("night")
    @classmethod
    def hours(cls, value: str) -> str:
        if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]", value):
            raise ValueError('expected hours such as "22:00-06:00"')
        return value

"""`[tickets]`: where a helpdesk is told of cases and messages."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from ivr.settings import MAIL_ADDRESS

SECRET_PREFIX = "whsec_"  # noqa: S105 (what every secret of this kind begins with)
_HERE = ("localhost", "127.0.0.1", "::1")


class TicketSettings(BaseModel):
    """Where tickets go; nowhere without `mail` and `webhook`. Each of the `secrets` signs, so that a receiver
    can change from one to the next.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mail: list[Annotated[str, Field(pattern=rf"\A{MAIL_ADDRESS}\z", max_length=254)]] = []
    # May hold a token, so it is a secret too.
    webhook: SecretStr = SecretStr("")
    secrets: Annotated[list[SecretStr], Field(max_length=4)] = []
    # Empty: the service's first one.
    language: Literal["", "it", "en", "de"] = ""
    # A recording up to this size goes with the e-mail, in kB; 0: never. A larger one is linked.
    attach_up_to: Annotated[int, Field(ge=0, le=30_000)] = 4000
    # Whether notes that people write about a case are told.
    notes: bool = True

    @field_validator("webhook")
    @classmethod
    def safe_address(cls, value: SecretStr) -> SecretStr:
        address = value.get_secret_value()
        if not address:
            return value
        expected = "expected an address such as https://helpdesk.example.net/hook"
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            raise ValueError(expected) from None
        here = parts.scheme == "http" and parts.hostname in _HERE
        if not (parts.scheme == "https" or here) or not parts.hostname or port == 0:
            raise ValueError(f"{expected}; http is for this machine only")
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise ValueError(f"{expected}, without a user or a fragment")
        if not address.isascii() or any(c.isspace() or not c.isprintable() for c in address):
            raise ValueError(f"{expected}, without blanks or letters that no address holds")
        return value

    @field_validator("secrets")
    @classmethod
    def long_secrets(cls, value: list[SecretStr]) -> list[SecretStr]:
        for each in value:
            if not 24 <= len(key_of(each)) <= 64:
                raise ValueError(f'expected "{SECRET_PREFIX}" and 24 to 64 random bytes in base64')
        return value

    @model_validator(mode="after")
    def signed(self) -> Self:
        if self.webhook.get_secret_value() and not self.secrets:
            raise ValueError("secrets: missing for this webhook")
        return self


def key_of(secret: SecretStr) -> bytes:
    """The bytes that sign; none if that is no secret of this kind."""
    text = secret.get_secret_value()
    if not text.startswith(SECRET_PREFIX):
        return b""
    try:
        return base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""

"""`[twilio]`"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

Signatures = Literal["sha1", "sha256", "both"]

# What may stand after the # of an address that Twilio asks, and between which values: milliseconds to
# connect, to read, in all; how often to try again. From Twilio's page on connection overrides.
OVERRIDES = {"ct": (100, 10_000), "rt": (100, 15_000), "tt": (100, 15_000), "rc": (0, 5)}
# When to try again.
RETRIED = frozenset({"4xx", "5xx", "ct", "rt", "all"})


class TwilioSettings(BaseModel):
    """The account whose requests are believed.

    `auth_tokens` holds one token, or two while it is being changed. Without any, nothing is served:
    an empty token would validate anybody's signature. `signatures` is how requests are signed: "sha1", with
    an auth token; "sha256", with a shared key; "both" while one takes the other's place.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    account_sid: Annotated[str, Field(pattern=r"\A(AC[0-9a-f]{32})?\z")] = ""
    auth_tokens: Annotated[list[SecretStr], Field(max_length=4)] = []
    signatures: Signatures = "sha1"
    shared_keys: Annotated[list[SecretStr], Field(max_length=4)] = []
    # Another address for Twilio's REST interface: on loopback only, for tests.
    api_base: (
        Annotated[str, Field(pattern=r"\Ahttp://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?/?\z")] | None
    ) = None

    # When Twilio gives up on a slow answer and how often it tries, as after the # of an address; empty: as it
    # always does.
    connection: str = "ct=2000&rt=4000&tt=8000&rc=1&rp=all"
    # Whom Twilio asks when we do not answer, until the stand-in document is published: another machine's
    # /voice/fallback. Empty: our own.
    fallback_url: Annotated[str, Field(pattern=r"\A(https://[A-Za-z0-9.-]+(:[0-9]+)?(/[^\s?#]*)?)?\z")] = ""

    # Whether the stand-in document, once it has been published, is kept fresh.
    stand_in: bool = True

    @field_validator("connection")
    @classmethod
    def overrides(cls, value: str) -> str:
        pairs = [each.partition("=")[::2] for each in value.split("&")] if value else []
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names) or not all(_sound(*pair) for pair in pairs):
            raise ValueError('expected such as "ct=2000&rt=4000&tt=8000&rc=1&rp=all"')
        return value

    @field_validator("auth_tokens")
    @classmethod
    def strong(cls, value: list[SecretStr]) -> list[SecretStr]:
        if any(map(_weak, value)):
            raise ValueError("expected the account's auth token as Twilio shows it, 32 characters")
        return value

    @field_validator("shared_keys")
    @classmethod
    def strong_keys(cls, value: list[SecretStr]) -> list[SecretStr]:
        if any(map(_weak, value)):
            raise ValueError("expected a shared key's secret as Twilio shows it once, when it is made")
        return value

    @model_validator(mode="after")
    def keys_for_what_is_checked(self) -> Self:
        if self.signatures != "sha1" and not self.shared_keys:
            raise ValueError(f'shared_keys: expected at least one with signatures = "{self.signatures}"')
        return self


def _weak(secret: SecretStr) -> bool:
    raw = secret.get_secret_value()
    return len(raw) < 16 or len(set(raw)) < 6 or not raw.isascii() or not raw.isprintable() or " " in raw


def _sound(name: str, value: str) -> bool:
    """Whether Twilio takes this override."""
    if name == "rp":
        return set(value.split(",")) <= RETRIED
    least, most = OVERRIDES.get(name, (1, 0))
    return re.fullmatch("[0-9]{1,5}", value) is not None and least <= int(value) <= most

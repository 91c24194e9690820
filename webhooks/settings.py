"""`[twilio]`"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

Signatures = Literal["sha1", "sha256", "both"]


class TwilioSettings(BaseModel):
    """The account whose requests are believed.

    `auth_tokens` holds one token, or two while it is being changed. Without any, nothing is served:
    an empty token would validate anybody's signature. `signatures` is how requests are signed: "sha1", with
    an auth token; "sha256", with a shared key; "both" while one takes the other's place.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    account_sid: Annotated[str, Field(pattern=r"\A(AC[0-9a-f]{32})?\z")] = ""
    auth_tokens: Annotated[list[SecretStr], Field(max_length=4)] = []
    signatures: Signatures = "sha1"
    shared_keys: Annotated[list[SecretStr], Field(max_length=4)] = []
    # Another address for Twilio's REST interface: on loopback only, for tests.
    api_base: (
        Annotated[str, Field(pattern=r"\Ahttp://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?/?\z")] | None
    ) = None

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

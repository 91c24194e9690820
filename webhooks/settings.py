"""`[twilio]`"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator


class TwilioSettings(BaseModel):
    """The account whose requests are believed.

    `auth_tokens` holds one token, or two while it is being changed. Without any, nothing is served:
    an empty token would validate anybody's signature.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    account_sid: Annotated[str, Field(pattern=r"\A(AC[0-9a-f]{32})?\z")] = ""
    auth_tokens: Annotated[list[SecretStr], Field(max_length=4)] = []
    # Another address for Twilio's REST interface: on loopback only, for tests.
    api_base: (
        Annotated[str, Field(pattern=r"\Ahttp://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?/?\z")] | None
    ) = None

    @field_validator("auth_tokens")
    @classmethod
    def strong(cls, value: list[SecretStr]) -> list[SecretStr]:
        for token in value:
            raw = token.get_secret_value()
            if len(raw) < 16 or len(set(raw)) < 6 or not raw.isascii():
                raise ValueError("expected the account's auth token as Twilio shows it, 32 characters")
        return value

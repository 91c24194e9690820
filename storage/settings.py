"""`[database]`"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, field_validator
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError


class DatabaseSettings(BaseModel):
    """Where the data lives. A relative SQLite path is taken from the configuration file's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = "sqlite:///ivr.db"

    @field_validator("url")
    @classmethod
    def known_kind(cls, value: str) -> str:
        try:
            kind = make_url(value).get_backend_name()
        except ArgumentError:
            # The address may hold a password: it is not repeated.
            raise ValueError("expected an address such as sqlite:///ivr.db") from None
        if kind not in ("sqlite", "postgresql"):
            raise ValueError("expected sqlite:///… or postgresql://…")
        return value

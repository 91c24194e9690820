"""`[database]`"""

from __future__ import annotations

from importlib.util import find_spec

from pydantic import BaseModel, ConfigDict, field_validator
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError


class DatabaseSettings(BaseModel):
    """Where the data lives. A relative SQLite path is taken from the configuration file's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    url: str = "sqlite:///ivr.db"

    @field_validator("url")
    @classmethod
    def known_kind(cls, value: str) -> str:
        try:
            kind = make_url(value).get_backend_name()
        except (ArgumentError, ValueError):
            # The address may hold a password: it is not repeated.
            raise ValueError("expected an address such as sqlite:///ivr.db") from None
        if kind not in ("sqlite", "postgresql"):
            raise ValueError("expected sqlite:///… or postgresql://…")
        # The rest of such a password would be taken for the host, which error messages do show.
        if kind == "postgresql" and value.count("@") > 1:
            raise ValueError("expected @, / and : of a password as %40, %2F and %3A")
        if kind == "postgresql" and find_spec("psycopg") is None:
            raise ValueError("postgresql:// needs psycopg: pip install 'after-hours-ivr[postgresql]'")
        return value

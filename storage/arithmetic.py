"""Arithmetic with instants inside the database, said alike for both kinds: to count rows where they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Integer, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from storage.types import Instant


class hour_of(FunctionElement[str]):  # noqa: N801 - it stands in statements, like func.min
    """The hour of an instant in UTC, as "2026-03-10 21"."""

    type = String()
    inherit_cache = True
    name = "hour_of"


class minute_of(FunctionElement[str]):  # noqa: N801
    """The minute of an instant in UTC, as "2026-03-10 21:30"."""

    type = String()
    inherit_cache = True
    name = "minute_of"


class seconds_between(FunctionElement[int]):  # noqa: N801
    """Whole seconds from the first instant to the second, to the second."""

    type = Integer()
    inherit_cache = True
    name = "seconds_between"


class earliest(FunctionElement[datetime]):  # noqa: N801
    """The earliest of several instants, those that are missing left out; missing if all are."""

    type = Instant()
    inherit_cache = True
    name = "earliest"


@compiles(earliest, "sqlite")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    # Its min() of several is NULL if one is; no instant comes after this text.
    given = (f"coalesce({compiler.process(each, **kw)}, '~')" for each in element.clauses)
    return f"nullif(min({', '.join(given)}), '~')"


@compiles(earliest, "postgresql")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    return f"least({', '.join(compiler.process(each, **kw) for each in element.clauses)})"


@compiles(hour_of, "sqlite")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    return f"substr({compiler.process(element.clauses, **kw)}, 1, 13)"


@compiles(minute_of, "sqlite")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    return f"substr({compiler.process(element.clauses, **kw)}, 1, 16)"


@compiles(hour_of, "postgresql")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    return f"to_char({compiler.process(element.clauses, **kw)} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24')"


@compiles(minute_of, "postgresql")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    return f"to_char({compiler.process(element.clauses, **kw)} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')"


@compiles(seconds_between, "sqlite")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    first, second = (compiler.process(each, **kw) for each in element.clauses)
    return f"(CAST(strftime('%s', {second}) AS INTEGER) - CAST(strftime('%s', {first}) AS INTEGER))"


@compiles(seconds_between, "postgresql")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    first, second = (compiler.process(each, **kw) for each in element.clauses)
    return f"CAST(floor(extract(epoch FROM {second})) - floor(extract(epoch FROM {first})) AS INTEGER)"

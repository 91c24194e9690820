"""The book of a rota as it is stored: rules, overrides, absences and who is employed, read once."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, select

from oncall.rota import rota, rota_file
from oncall.tables import absences, rota_overrides, rota_versions, technicians


def rota_keys(connection: Connection) -> list[str]:
    """Rotas that have ever been applied, in the order of their first application."""
    rows = connection.execute(select(rota_versions.c.rota).order_by(rota_versions.c.id)).scalars()
    return list(dict.fromkeys(rows))


def book(
    connection: Connection, rota_key: str, since: datetime | None = None, until: datetime | None = None
) -> rota.Book:
    """All that is known of a rota, to answer many instants without asking again. With `since` those from
    then on alone, with `until` those before it: years of overrides and absences need not be read.
    """
    versions = select(rota_versions).where(rota_versions.c.rota == rota_key)
    overrides = select(rota_overrides).where(rota_overrides.c.rota == rota_key)
    away = select(absences)
    if since is not None:
        overrides = overrides.where(rota_overrides.c.ends_at > since)
        away = away.where(absences.c.ends_at > since)
    if until is not None:
        overrides = overrides.where(rota_overrides.c.starts_at < until)
        away = away.where(absences.c.starts_at < until)
    employed = select(technicians.c.key, technicians.c.starts_at, technicians.c.retired_at)
    return rota.Book(
        versions=[to_version(row) for row in connection.execute(versions)],
        overrides=[to_override(row) for row in connection.execute(overrides)],
        absences=[
            rota.Absence(row.id, row.technician, row.starts_at, _earlier(row), row.created_at)
            for row in connection.execute(away)
        ],
        people=[
            rota.Employment(row.key, row.starts_at, row.retired_at) for row in connection.execute(employed)
        ],
    )


def to_version(row: Row[Any]) -> rota.Version:
    return rota.Version(row.id, row.valid_from, _rules(json.dumps(row.document, sort_keys=True)))


def to_override(row: Row[Any]) -> rota.Override:
    return rota.Override(
        row.id, row.rung, row.starts_at, _earlier(row), row.technician, row.because, row.created_at
    )


def _earlier(row: Row[Any]) -> datetime:
    """When it ends: what is withdrawn holds until then and no longer."""
    ends: datetime = row.ends_at
    return ends if row.withdrawn_at is None else min(ends, row.withdrawn_at)


@lru_cache(maxsize=256)
def _rules(document: str) -> rota.Rules:
    """Stored rules, parsed once a process: they are never changed, only added."""
    return rota_file.to_rules(json.loads(document))

"""The last night of all our numbers: since the first of them closed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from console.house import numbers
from console.settings import Configuration
from ivr.records import night
from ivr.records.night import Night


def last_night(connection: Connection, configuration: Configuration, at: datetime) -> Night | None:
    """None if no number has closed within two months."""
    closings = [night.began(number.hours, at) for number in numbers(configuration).values()]
    began = [closing for closing in closings if closing is not None]
    return night.night(connection, at, min(began)) if began else None

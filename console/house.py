"""A configuration with its database open, and what is read off the two: rules, index, readiness, folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

# The tables of all packages, collected in storage's metadata.
import console.tables  # noqa: F401
import pins.tables  # noqa: F401
from console.outbound.channels import real_channels
from console.outbound.gate import guarded
from console.settings import Configuration
from ivr.rules import OurNumber, Rules
from oncall.notices.channels import Channels
from pins.index import PinIndex
from storage import schema
from storage.engine import Database, open_database, sqlite_file

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The instant now. The only call of its kind; everything below a door is given `at`."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class House:
    """A configuration with its database open. `outward` is how anything leaves the house, if not as
    configured: a rehearsal's telephones.
    """

    configuration: Configuration
    database: Database
    outward: Channels | None = None

    @cached_property
    def channels(self) -> Channels:
        """How anything leaves the house."""
        return guarded(self.outward or real_channels(self.configuration), self.configuration.ringing)

    def close(self) -> None:
        self.database.close()


def open_house(configuration: Configuration, *, hurried: bool = False) -> House:
    """Open the database the configuration names; nothing is created. `hurried` for the path of a call."""
    database = open_database(
        configuration.database.url,
        folder=configuration.folder,
        threads=configuration.service.threads,
        hurried=hurried,
    )
    return House(configuration, database)


def numbers(configuration: Configuration) -> dict[str, OurNumber]:
    """Our numbers with their hours built."""
    return {
        number.number: OurNumber(number, configuration.hours.build(configuration.zone, number.holidays))
        for number in configuration.number
    }


def rules(configuration: Configuration) -> Rules:
    """What the desk goes by."""
    return Rules(
        configuration.zone,
        numbers(configuration),
        tuple(configuration.service.languages),
        configuration.urgency,
        configuration.ringing,
        configuration.pins.screen_without_pin,
        configuration.flood,
        configuration.toll,
    )


def pin_index(configuration: Configuration) -> PinIndex:
    """The PIN index. Raises ValueError naming the secret that is missing."""
    return PinIndex(configuration.pins)


def not_ready(house: House) -> dict[str, str]:
    """What keeps a call from being served, by part; empty when nothing does."""
    file = sqlite_file(house.configuration.database.url, house.configuration.folder)
    if file is not None and not file.exists():
        return {"database": "does not exist yet: run `ivr migrate`"}  # to connect would make it
    try:
        with house.database.read() as connection:
            found = schema.revision(connection)
    except (SQLAlchemyError, OSError) as error:
        return {"database": type(error).__name__}
    if not schema.usable(found):
        return {"database": schema.lacking(found)}
    return {}


def state_folder(configuration: Configuration) -> Path:
    """The folder for files, made if need be, readable by its owner alone."""
    folder = configuration.folder / configuration.service.state
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder

"""Puts the house together: from a configuration to a desk that answers, and the application before it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

# The tables of all packages, collected in storage's metadata.
import pins.tables  # noqa: F401
from console.settings import Configuration
from ivr.desk import Desk, OurNumber, Rules
from ivr.luggage import Seal
from ivr.prompts import Speaker
from pins.index import PinIndex
from storage import schema
from storage.engine import Database, open_database
from webhooks.addresses import PublicAddresses
from webhooks.app import create_app
from webhooks.door import Believed
from webhooks.signature import SignatureCheck

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The instant now. The only call of its kind; everything below a door is given `at`."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class House:
    """A configuration with its database open."""

    configuration: Configuration
    database: Database

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


def pin_index(configuration: Configuration) -> PinIndex:
    """The PIN index. Raises ValueError naming the secret that is missing."""
    return PinIndex(configuration.pins)


def webhook_app(house: House, clock: Clock = system_clock, source: random.Random | None = None) -> Flask:
    """The webhook application. Raises ValueError if a setting it cannot do without is missing."""
    configuration = house.configuration
    if missing := configuration.missing_for_calls():
        raise ValueError(f"missing: {', '.join(missing)}")
    rules = Rules(configuration.zone, numbers(configuration), configuration.urgency, configuration.ringing)
    seal = Seal([key.get_secret_value() for key in configuration.service.keys])
    public = configuration.service.public_url
    desk = Desk(
        house.database,
        pin_index(configuration),
        seal,
        Speaker(configuration.service.name, configuration.zone, configuration.urgency),
        rules,
        PublicAddresses(public),
        source,
    )
    # The calendar of the next days is worked out now, not while the first caller waits.
    for number in rules.lines.values():
        number.hours.at(clock())
    tokens = [token.get_secret_value() for token in configuration.twilio.auth_tokens]
    believed = Believed(
        SignatureCheck(tokens, public),
        configuration.twilio.account_sid,
        frozenset(configuration.our_numbers),
        desk,
        seal,
        clock,
    )
    return create_app(believed, ready=lambda: not_ready(house))


def not_ready(house: House) -> dict[str, str]:
    """What keeps a call from being served, by part; empty when nothing does."""
    try:
        with house.database.read() as connection:
            found = schema.revision(connection)
    except (SQLAlchemyError, OSError) as error:
        return {"database": type(error).__name__}
    if found != schema.NEWEST:
        return {"database": f"stands at {found}, {schema.NEWEST} is needed: run `ivr migrate`"}
    return {}


def state_folder(configuration: Configuration) -> Path:
    """The folder for files, made if need be, readable by its owner alone."""
    folder = configuration.folder / configuration.service.state
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder

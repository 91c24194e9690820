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
from ivr.desk import Desk
from ivr.gathering import Gathering
from ivr.luggage import Seal
from ivr.prompts import Speaker
from ivr.rules import OurNumber, Rules
from ivr.technician_desk import TechnicianDesk
from ivr.wording import Wording
from pins.index import PinIndex
from storage import schema
from storage.engine import Database, open_database, sqlite_file
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


def rules(configuration: Configuration) -> Rules:
    """What the desk goes by."""
    return Rules(
        configuration.zone,
        numbers(configuration),
        tuple(configuration.service.languages),
        configuration.urgency,
        configuration.ringing,
        configuration.pins.screen_without_pin,
    )


def pin_index(configuration: Configuration) -> PinIndex:
    """The PIN index. Raises ValueError naming the secret that is missing."""
    return PinIndex(configuration.pins)


@dataclass(frozen=True)
class Desks:
    """Who serves calls: the caller's desk, the technicians', and the seal of what travels in addresses."""

    caller: Desk
    technicians: TechnicianDesk
    seal: Seal


def desks(house: House, source: random.Random | None = None) -> Desks:
    """The desks of a house. Raises ValueError if a setting they cannot do without is missing."""
    configuration = house.configuration
    if missing := configuration.missing_for_calls():
        raise ValueError(f"missing: {', '.join(missing)}")
    by = rules(configuration)
    seal = Seal([key.get_secret_value() for key in configuration.service.keys])
    speaker = Speaker(configuration.service.name, configuration.zone, configuration.urgency)
    wording = Wording(by, speaker, seal, PublicAddresses(configuration.service.public_url))
    gathering = Gathering(by, source or random.SystemRandom())
    return Desks(
        Desk(house.database, pin_index(configuration), by, gathering, wording),
        TechnicianDesk(house.database, by, wording),
        seal,
    )


def webhook_app(house: House, clock: Clock = system_clock, source: random.Random | None = None) -> Flask:
    """The webhook application. Raises ValueError if a setting it cannot do without is missing."""
    configuration = house.configuration
    serving = desks(house, source)
    # The calendar of the next days is worked out now, not while the first caller waits.
    for number in configuration.number:
        configuration.hours.build(configuration.zone, number.holidays).at(clock())
    tokens = [token.get_secret_value() for token in configuration.twilio.auth_tokens]
    believed = Believed(
        SignatureCheck(tokens, configuration.service.public_url),
        configuration.twilio.account_sid,
        frozenset(configuration.our_numbers),
        serving.caller,
        serving.technicians,
        serving.seal,
        clock,
    )
    return create_app(
        believed,
        ready=lambda: not_ready(house),
        recordings=configuration.folder / configuration.service.state / "messages",
    )


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
    if found != schema.NEWEST:
        return {"database": f"stands at {found}, {schema.NEWEST} is needed: run `ivr migrate`"}
    return {}


def state_folder(configuration: Configuration) -> Path:
    """The folder for files, made if need be, readable by its owner alone."""
    folder = configuration.folder / configuration.service.state
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder

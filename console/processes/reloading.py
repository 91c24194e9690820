"""The configuration is read again while the service runs: HUP asks for it, and a bad one changes nothing."""

from __future__ import annotations

import logging
import os
from datetime import datetime

from console.house import open_house
from console.processes.standing_by import never_served, readiness
from console.settings import Configuration, ConfigurationRefused, load

log = logging.getLogger("ivr.service")


def unfit(configuration: Configuration) -> str:
    """Which setting keeps calls from being served with it; "" if none does."""
    if missing := configuration.missing_for_calls():
        return f"missing {', '.join(missing)}"
    if configuration.pins.cost.weaker_than_default():
        return "pins.cost: less than the default is for rehearsals only"
    return ""


def without_database(configuration: Configuration, at: datetime, *, may_be_away: bool = True) -> str:
    """What is wrong with its database, if calls cannot be served without it either; else "". One that has
    only just been named may not be away: it may not be there at all.
    """
    house = open_house(configuration, hurried=True)
    try:
        found = readiness(house, at)
    finally:
        house.close()
    if found.state == "ready":
        return ""
    if found.state == "not ready" or not may_be_away or never_served(configuration):
        return f"database: {found.details['database']}"
    # Whatever restarted us, callers do not wait for the database.
    log.error("the database is away (%s): serving without it, %s", found.details["database"], found.state)
    return ""


def read_again(known: Configuration, at: datetime) -> Configuration | None:
    """The configuration as its file is now. None if calls cannot be served with that: one line in the log
    says why, and `known` stays in force. What stands in the environment is what the process was started with.
    """
    try:
        found = load(known.file)
        same = found.database.url == known.database.url
        why = unfit(found) or without_database(found, at, may_be_away=same)
    except ConfigurationRefused as refused:
        why = "; ".join(refused.mistakes)
    except Exception as error:  # a driver that is not installed, say: the telephone goes on
        why = f"database: {type(error).__name__}"
    if why:
        log.error("the configuration stays as it was; %s: %s", known.file, " ".join(why.split()))
        return None
    return found


class Terminal:
    """The terminal that this process was started from, if it was. When it is closed, everybody in it is sent
    HUP, which then means the end.
    """

    def __init__(self) -> None:
        self._had = _there()

    @property
    def gone(self) -> bool:
        return self._had and not _there()


def _there() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True

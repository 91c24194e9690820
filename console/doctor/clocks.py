"""Whether this machine's clock is right: hours, turns, PINs and second factors go by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look
from console.house import not_ready
from storage import clock

# The windows and turns are true to the minute; half of one is as far as they may be off.
TWILIO = timedelta(seconds=30)
_REMEDY = "See why this machine does not set its clock (`timedatectl`, `chronyc tracking`)."


def check(look: Look) -> Iterator[Finding]:
    found = list(_found(look))
    yield from found
    if not found:
        seen = "the database's and Twilio's" if look.ahead_of_twilio is not None else "the database's"
        yield green("clock", f"Our clock agrees with {seen}.")


def _found(look: Look) -> Iterator[Finding]:
    if not not_ready(look.house):
        try:
            with look.house.database.read() as connection:
                apart = clock.ahead(connection, look.tools.clock)
        except SQLAlchemyError:  # gone meanwhile: the database's subject says so
            apart = timedelta()
        if abs(apart) > clock.AGREED:
            make = red if abs(apart) > TWILIO else yellow
            told = f"Our clock is {apart.total_seconds():+.1f} s from the database's; 2 s are planned for."
            yield make("database", told, _REMEDY)
    apart = look.ahead_of_twilio or timedelta()
    if abs(apart) > TWILIO:
        told = (
            f"Our clock is {apart.total_seconds():+.0f} s from Twilio's: callers would be treated as at "
            "another time."
        )
        yield red("twilio", told, _REMEDY)

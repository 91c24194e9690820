"""The throttle: how many wrong PINs are looked at, so that guessing gets nowhere and nobody is locked out.

A wrong PIN belongs to nobody, so no customer can be barred by guessing. What is limited is how many
guesses are evaluated at all, over all lines and nodes. The budget of misses is shared; while it lasts,
any PIN from any number is checked against all. Once it is spent, a caller whose number stands on a
customer's file is checked against that customer's PINs alone, which buys a forger of numbers little; an
unknown caller is asked just the same and not evaluated, and ends at a person who listens.

Nothing a caller hears, and no timing, tells which of these befell him.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    bindparam,
    delete,
    false,
    func,
    insert,
    select,
    update,
)

from pins.tables import pin_tries
from storage.alarms import raise_alarm
from storage.prepared import Prepared
from storage.types import Instant

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Misses over all lines, an hour and a day: with PINs by the rule of length, 1e-3 an attack-day.
BUDGET_HOUR, BUDGET_DAY = 20, 100
# An unknown number's misses an hour before it is not evaluated any more.
UNKNOWN_HOUR = 6
# A known number's misses an hour, once the budget is spent, before only a call's first try is evaluated.
KNOWN_HOUR = 5
# Misses a day of all known numbers together that are cause for an alarm.
KNOWN_DAY = 2_000
# Rows are of no use once they are older than the longest of these.
KEPT = DAY + HOUR
_NUMBER = re.compile(r"\+[1-9][0-9]{4,14}")
# Withheld numbers that come as the letters of a word on a telephone's keys: anonymous, restricted,
# blocked, unknown, unavailable.
_WITHHELD = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})


class Lane(StrEnum):
    """What a complete PIN is checked against: all PINs, those of the number's customer, or none."""

    SHARED = "shared"
    KNOWN = "known"
    UNREAD = "unread"


@dataclass(frozen=True)
class Standing:
    """What was missed lately: over all lines, and from one number.

    `own` counts the number's evaluated misses of the last hour, `own_tries` all of its wrong tries,
    evaluated or not; both since its last success. `known_day` counts misses in the known lane.
    """

    hour: int
    day: int
    known_day: int
    own: int
    own_tries: int
    # Of how many who cannot tell each other this is one: each has its part of the budget.
    share: int = 1

    @property
    def budget_spent(self) -> bool:
        return self.hour >= BUDGET_HOUR // self.share or self.day >= BUDGET_DAY // self.share


def lane(standing: Standing, *, known: bool, first_try: bool) -> Lane:
    """What the next PIN of a caller is checked against; `first_try`: the first complete one of his call."""
    if not standing.budget_spent:
        return Lane.SHARED if known or standing.own < UNKNOWN_HOUR else Lane.UNREAD
    if not known:
        return Lane.UNREAD
    return Lane.KNOWN if first_try or standing.own <= KNOWN_HOUR else Lane.UNREAD


def may_be_right(standing: Standing) -> bool:
    """Whether a caller whose PIN was refused may hold a right one all the same: then a person decides.

    `standing` is that before this try.

    It depends on nothing but how often wrong PINs were keyed, so it tells nobody whether his number is
    known or his guess was evaluated.
    """
    return standing.budget_spent or standing.own_tries >= UNKNOWN_HOUR


# PostgreSQL's advisory lock of whoever checks a PIN: two guesses at once would share the last of the budget.
# Taken after the call's own lock and before any other.
_CHECKING = 4_771_004
_LOCK = Prepared(select(func.pg_advisory_xact_lock(_CHECKING)))


def _counted(*conditions: ColumnElement[bool], most: int | None = None) -> ScalarSelect[int]:
    rows = select(pin_tries.c.id).where(*conditions).limit(most).subquery()
    return select(func.count()).select_from(rows).scalar_subquery()


_HOUR, _DAY = bindparam("hour", type_=Instant), bindparam("day", type_=Instant)
_SHARED, _KNOWN = pin_tries.c.lane == Lane.SHARED.value, pin_tries.c.lane == Lane.KNOWN.value
_OWN = (pin_tries.c.number == bindparam("caller"), pin_tries.c.at > _HOUR, pin_tries.c.cleared.is_(false()))
_STANDING = Prepared(
    select(
        _counted(_SHARED, pin_tries.c.at > _HOUR).label("hour"),
        _counted(_SHARED, pin_tries.c.at > _DAY).label("day"),
        _counted(_KNOWN, pin_tries.c.at > _DAY, most=KNOWN_DAY).label("known_day"),
        _counted(_SHARED, *_OWN).label("own_shared"),
        _counted(_KNOWN, *_OWN).label("own_known"),
        # More than these make no difference, and a flood may have left thousands.
        _counted(pin_tries.c.lane == Lane.UNREAD.value, *_OWN, most=UNKNOWN_HOUR).label("own_unread"),
    )
)
_MISSED = Prepared(insert(pin_tries))
_FORGET = Prepared(
    delete(pin_tries).where(
        pin_tries.c.lane == bindparam("of_lane"), pin_tries.c.at <= bindparam("old", type_=Instant)
    )
)
_CLEARED = Prepared(
    update(pin_tries)
    .where(pin_tries.c.number == bindparam("caller"), pin_tries.c.at > _HOUR)
    .values(cleared=True)
)


def standing(connection: Connection, at: datetime, number: str, *, share: int = 1) -> Standing:
    """What was missed up to `at`. Until our transaction ends nobody else checks a PIN."""
    if connection.dialect.name != "sqlite":
        _LOCK.first(connection, {})
    return replace(_counts(connection, at, number), share=share)


def missed(connection: Connection, at: datetime, number: str, in_lane: Lane) -> None:
    """Note a PIN that opened nothing; the admins are told when a budget is spent by it."""
    _MISSED.count(connection, {"at": at, "number": identity(number), "lane": in_lane.value, "cleared": False})
    _FORGET.count(connection, {"of_lane": in_lane.value, "old": at - KEPT})
    now = _counts(connection, at, number)
    if in_lane is Lane.SHARED and now.budget_spent:
        raise_alarm(connection, at, "pin-budget", details={"hour": now.hour, "day": now.day})
    if in_lane is Lane.KNOWN and now.known_day >= KNOWN_DAY:
        raise_alarm(connection, at, "pin-known-lane", details={"day": now.known_day})


def glance(connection: Connection, at: datetime) -> Standing:
    """How the budget stands, for people to look at: nobody is kept from checking a PIN meanwhile."""
    return _counts(connection, at, "")


def missed_since(connection: Connection, since: datetime) -> int:
    """How many PINs opened nothing since then, which is not longer ago than a day."""
    wanted = select(func.count()).select_from(pin_tries)
    lanes = [lane.value for lane in Lane]
    return connection.execute(wanted.where(pin_tries.c.lane.in_(lanes), pin_tries.c.at > since)).scalar_one()


def missed_by_lane(connection: Connection, at: datetime) -> dict[str, int]:
    """How many PINs opened nothing in the last day, by lane."""
    return {
        lane.value: connection.execute(
            select(_counted(pin_tries.c.lane == lane.value, pin_tries.c.at > at - DAY))
        ).scalar_one()
        for lane in Lane
    }


def _counts(connection: Connection, at: datetime, number: str) -> Standing:
    since = {"caller": identity(number), "hour": at - HOUR, "day": at - DAY}
    row = _STANDING.one(connection, since)
    own = row.own_shared + row.own_known
    return Standing(row.hour, row.day, row.known_day, own, own + row.own_unread)


def succeeded(connection: Connection, at: datetime, number: str) -> None:
    """A right PIN clears the number's own misses; the shared budget keeps them."""
    _CLEARED.count(connection, {"caller": identity(number), "hour": at - HOUR})


def identity(number: str) -> str:
    """The number whose misses these are: all that are withheld, or no numbers at all, are one."""
    return number if _NUMBER.fullmatch(number) and number not in _WITHHELD else ""

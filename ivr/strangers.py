"""Callers whose number nobody knows: how they are met when there are too many of them.

A number on a customer's file is never kept waiting, whatever else happens. All others are counted as they
come, over all lines and machines; when more came lately than may, each next one must key two spoken digits
before anything else is done for him. It costs a person five seconds, and a machine that dials the call.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from ivr import caller_list
from ivr.settings import FloodSettings
from ivr.tables import stranger_calls
from pins import customers
from storage.alarms import raise_alarm
from storage.types import Instant

# How many digits are to be keyed.
DIGITS = 2
# The longest stretch that may be configured; older rows count no more.
KEPT = timedelta(hours=1)
# The admins are told of the same flood again after so long.
QUIET = timedelta(hours=1)
# So many old rows go with each new one: more go than come.
_SWEPT = 5

Meeting = Literal["let through", "blocked", "challenged"]

_CAME = insert(stranger_calls)
_OLD = (
    select(stranger_calls.c.call_sid)
    .where(stranger_calls.c.at <= bindparam("old", type_=Instant))
    .order_by(stranger_calls.c.at)
    .limit(_SWEPT)
    # Callers do not wait for one another's sweeping.
    .with_for_update(skip_locked=True)
)
# No more are counted than make a difference: a flood costs each call the same.
_LATELY = select(func.count()).select_from(
    select(stranger_calls.c.at)
    .where(stranger_calls.c.at > bindparam("since", type_=Instant))
    .limit(bindparam("most"))
    .subquery()
)


def meet(connection: Connection, at: datetime, sid: str, caller: str, settings: FloodSettings) -> Meeting:
    """How a new call is met; a stranger's is counted. To be asked once a call.

    A customer's number on file costs one look-up by key.
    """
    if customers.customer_of_phone(connection, caller) is not None:
        return "let through"
    said = caller_list.of_caller(connection, caller)
    if said == "allow":
        return "let through"
    flooded = _came(connection, at, sid, settings)
    if said == "block":
        return "blocked"
    return "challenged" if flooded else "let through"


def flooded(connection: Connection, at: datetime, settings: FloodSettings) -> bool:
    """Whether the next stranger would be challenged."""
    if settings.calls == 0:
        return False
    since = at - timedelta(seconds=settings.within)
    lately = connection.execute(_LATELY, {"since": since, "most": settings.calls}).scalar_one()
    return lately >= settings.calls


def _came(connection: Connection, at: datetime, sid: str, settings: FloodSettings) -> bool:
    """Count a stranger's call. Whether too many came before it; the admins are told of a flood."""
    if settings.calls == 0:
        return False
    full = flooded(connection, at, settings)
    connection.execute(_CAME, {"call_sid": sid, "at": at})
    old = list(connection.execute(_OLD, {"old": at - KEPT}).scalars())
    if old:
        connection.execute(delete(stranger_calls).where(stranger_calls.c.call_sid.in_(old)))
    if full:
        told = {"calls": settings.calls, "seconds": settings.within}
        raise_alarm(connection, at, "call-flood", details=told, quiet=QUIET)
    return full

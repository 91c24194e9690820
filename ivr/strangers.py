"""Callers whose number nobody knows: how they are met when there are too many of them.

A number on a customer's file is never kept waiting, whatever else happens. All others are counted as they
come, over all lines and machines; when more came lately than may, each next one must key two spoken digits
before anything else is done for him. It costs a person five seconds, and a machine that dials the call.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Boolean, Connection, String, bindparam, delete, exists, func, insert, select

from ivr import caller_list
from ivr.settings import FloodSettings
from ivr.tables import stranger_calls
from pins.tables import customer_phones
from storage.alarms import raise_alarm
from storage.prepared import Prepared
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

# One statement for whoever calls, so that no time tells whether a number is on file.
_CAME = Prepared(
    insert(stranger_calls).from_select(
        ["call_sid", "at"],
        select(bindparam("sid", type_=String), bindparam("now", type_=Instant)).where(
            bindparam("counts", type_=Boolean)
        ),
    )
)
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
# All that is to be known of a caller, in one look.
_MET = select(
    exists(select(1).where(customer_phones.c.phone == bindparam("caller"))).label("on_file"),
    caller_list.FOUND.scalar_subquery().label("said"),
    _LATELY.scalar_subquery().label("lately"),
    select(func.min(stranger_calls.c.at)).scalar_subquery().label("oldest"),
)


def meet(connection: Connection, at: datetime, sid: str, caller: str, settings: FloodSettings) -> Meeting:
    """How a new call is met; a stranger's is counted. To be asked once a call. One look-up by keys."""
    since = at - timedelta(seconds=settings.within)
    asked = {"caller": caller, "since": since, "most": max(settings.calls, 1)}
    met = connection.execute(_MET, asked | caller_list.asked(caller)).one()
    stranger = not met.on_file and met.said != "allow"
    full = settings.calls > 0 and met.lately >= settings.calls
    if settings.calls:
        _CAME.count(connection, {"sid": sid, "now": at, "counts": stranger})
        if met.oldest is not None and met.oldest <= at - KEPT:
            _sweep(connection, at)
    if not stranger:
        return "let through"
    if full:
        told = {"calls": settings.calls, "seconds": settings.within}
        raise_alarm(connection, at, "call-flood", details=told, quiet=QUIET)
    if met.said == "block":
        return "blocked"
    return "challenged" if full else "let through"


def _sweep(connection: Connection, at: datetime) -> None:
    old = list(connection.execute(_OLD, {"old": at - KEPT}).scalars())
    connection.execute(delete(stranger_calls).where(stranger_calls.c.call_sid.in_(old)))


def flooded(connection: Connection, at: datetime, settings: FloodSettings) -> bool:
    """Whether the next stranger would be challenged."""
    if settings.calls == 0:
        return False
    since = at - timedelta(seconds=settings.within)
    lately = connection.execute(_LATELY, {"since": since, "most": settings.calls}).scalar_one()
    return lately >= settings.calls

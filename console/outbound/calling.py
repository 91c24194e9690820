"""Placing a call that was written down: the network is asked once, and asked about it if it did not say."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy import Connection

from console.house import House
from console.processes.doors import sealing
from ivr import placed, toll
from ivr.outgoing_desk import PLACE, carried_of, over
from ivr.outgoing_flow import CarriedOutgoing
from ivr.placed import Placed
from ivr.standby import luggage
from oncall.notices.channels import CallOut, ChannelFailed
from oncall.reaching.attempts import LONGEST_TALK
from oncall.reaching.pursuit import AskCaller
from storage import due
from webhooks.addresses import PublicAddresses

log = logging.getLogger("ivr.worker")

# Its phone has long stopped ringing by then: a call that the network does not know was never placed.
NEVER_PLACED = timedelta(seconds=90)
FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})


def later(connection: Connection, at: datetime, outgoing_id: int, rings: int) -> None:
    """Have the worker place a call that was just written down: no page asks the network itself."""
    due.add(connection, at, PLACE, str(outgoing_id), at, {"rings": rings})


def ring_out(house: House, at: datetime, outgoing_id: int, rings: int) -> bool:
    """Ask the network to place the call. False if it was not placed and never will be: it is over then.

    If nobody knows whether it was placed, it counts as placed until `ask_about` finds out.
    """
    telephone = house.channels.telephone
    known, carried = _known(house, outgoing_id)
    if known is None or carried is None:
        return False
    if not _within_the_cap(house, at, known):
        log.error("the call to %s was not placed: a daily cap is reached", known.call.technician)
        _over(house, at, known, "failed")
        return False
    if telephone is None:
        log.error("no call can be placed: twilio.account_sid and auth_tokens are missing")
        _over(house, at, known, "failed")
        return False
    try:
        sid = telephone.place(_call(house, known, carried, rings))
    except ChannelFailed as failed:
        log.error("the call to %s was not placed: %s", known.call.technician, failed.why)
        if failed.maybe_done:
            return True
        _over(house, at, known, "failed")
        return False
    with house.database.write() as connection:
        placed.lock(connection, outgoing_id)
        placed.named(connection, outgoing_id, sid)
    return True


def ask_about(house: House, at: datetime, outgoing_id: int, rings: int) -> bool:
    """Ask the network about a call whose end it never told. True if it is over now."""
    telephone = house.channels.telephone
    known, carried = _known(house, outgoing_id)
    if known is None or carried is None or known.ended_at is not None:
        return True
    if telephone is None:
        _over(house, at, known, "failed")
        return True
    try:
        sid = known.sid or telephone.find(_call(house, known, carried, rings), known.asked_at)
        status = telephone.status(sid) if sid else None
    except ChannelFailed as failed:
        log.error("the call to %s cannot be asked about: %s", known.call.technician, failed.why)
        status = None
        # The network is away: after a while nobody waits for its word any more; of a call that was picked up
        # for as long as a talk may last.
        patience = 2 * NEVER_PLACED if known.answered_at is None else LONGEST_TALK
        if at - known.asked_at < patience:
            return False
    if status in FINAL or (status is None and at - known.asked_at >= NEVER_PLACED):
        _over(house, at, known, status or "failed")
        return True
    return False


def goes_on(house: House, at: datetime, asked: AskCaller) -> bool:
    """Whether a call that came in goes on, so far as the network can tell. One in which somebody has been
    talking for longer than any call may last, by what we were told since, is over; so is one whose ringing
    must have ended long ago, if the network does not even answer.
    """
    sid, since = asked.call_sid, asked.asked_at
    telephone = house.channels.telephone
    if telephone is None or at - since >= LONGEST_TALK:
        return False
    try:
        status = telephone.status(sid)
    except ChannelFailed as failed:
        log.error("call %s cannot be asked about: %s", sid, failed.why)
        return asked.talking or at - since < placed.LONGEST_WHISPER
    return status is not None and status not in FINAL


def _known(house: House, outgoing_id: int) -> tuple[Placed | None, CarriedOutgoing | None]:
    """The call, and what its addresses carry along."""
    with house.database.read() as connection:
        known = placed.find(connection, outgoing_id)
        return known, None if known is None else carried_of(connection, known)


def _call(house: House, known: Placed, carried: CarriedOutgoing, rings: int) -> CallOut:
    configuration = house.configuration
    addresses = PublicAddresses(configuration.service.public_url)
    contents = luggage.of_outgoing(known.id, house.database.home, carried)
    sealed = sealing(configuration).close(contents, known.asked_at)
    return CallOut(
        known.phone, known.number, rings, addresses.outgoing(0, sealed), addresses.outgoing_ended(sealed)
    )


def _within_the_cap(house: House, at: datetime, known: Placed) -> bool:
    """A call about a case always is, and costs no look."""
    if known.case_id is not None:
        return True
    with house.database.write() as connection:
        return toll.may_place(connection, at, house.configuration.toll, about_case=False)


def _over(house: House, at: datetime, known: Placed, status: str) -> None:
    with house.database.write() as connection:
        placed.lock(connection, known.id)
        again = placed.find(connection, known.id)
        if again is not None:
            over(connection, at, again, status)

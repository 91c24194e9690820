"""A helpdesk is told of cases and messages, by e-mail and by a webhook: see ivr/tickets/tickets.py.

A look every few seconds finds what happened and writes it to its ticket; one row of work for each ticket and
way then tells it, one event after the other. Whatever is told has the same id each time, so what was sent
just before a crash and is sent again can be known by it. After a failure a ticket is tried again, later each
time, for three days; and the way itself rests, so that a receiver that does not answer costs one time-out in
a while, however much waits.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from pydantic import ValidationError
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, ProgrammingError

from console import case_story
from console.house import House
from console.outbound import mail
from console.outbound.mail import MailFailed, MailRefused
from console.settings import Configuration
from console.tickets import facts, letter, webhook
from console.tickets.payload import Ticket
from console.tickets.webhook import HookFailed
from ivr.tickets import ticket_events, tickets
from ivr.tickets.tickets import Channel, Event, Outcome
from storage import due
from storage.alarms import raise_alarm
from storage.due import Work

log = logging.getLogger("ivr.tickets")

AGAIN, AGAIN_AT_MOST = timedelta(seconds=10), timedelta(hours=6)
KEPT = timedelta(days=3)
ONE_DAY = timedelta(days=1)
# After a failure the way is left alone for so long, twice as long after the next one. More than a try takes.
REST, REST_AT_MOST = timedelta(seconds=30), timedelta(minutes=10)
# After so many failures a recording is linked and no longer attached: it may be what is refused.
ATTACHED_TRIES = 3
UNDELIVERED = "ticket-undelivered"


@dataclass(frozen=True)
class _Rest:
    since: datetime
    until: datetime
    failures: int


_resting: dict[tuple[Channel, str], _Rest] = {}


class _Failed(Exception):
    """Not told this time. `wait`: the receiver asks for this time at least. `ours`: nobody was asked."""

    def __init__(self, why: str, wait: timedelta = timedelta(), *, ours: bool = False) -> None:
        super().__init__(why)
        self.wait = wait
        self.ours = ours


# -- what is to be told ------------------------------------------------------------------------


def look(house: House, at: datetime) -> int:
    """Find what happened and write it to its tickets; returns how much it was. Where nothing is configured,
    and in a rehearsal, nothing is.
    """
    configuration = house.configuration
    if house.outward is not None:
        return 0
    configured = is_configured(configuration)
    notes = configuration.tickets.notes
    with house.database.read() as connection:
        mark = ticket_events.mark(connection)
        if not configured and mark is None:
            return 0
        stays = configured and mark is not None and at - mark.moved < ticket_events.MOVES_EVERY
        if stays and mark and not ticket_events.found(connection, at, mark, notes=notes):
            return 0  # and no caller's turn had to wait for us
    with house.database.write() as connection:
        tickets.lock(connection)
        mark = ticket_events.mark(connection)
        if not configured:
            ticket_events.end(connection)
            return 0
        if mark is None:
            ticket_events.begin(connection, at)
            return 0
        found = ticket_events.found(connection, at, mark, notes=notes)
        written = tickets.write(connection, at, found, partial(channels_of, configuration))
        if at - mark.moved >= ticket_events.MOVES_EVERY:
            ticket_events.move(connection, at, mark)
            tickets.mend(connection, at)
            kept = max(timedelta(days=configuration.privacy.calls), ticket_events.COMES_HOME + ONE_DAY)
            tickets.forget(connection, at - kept)
    return written


def is_configured(configuration: Configuration) -> bool:
    """Whether anything goes anywhere."""
    named = any(each.tickets for each in configuration.number)
    return bool(configuration.tickets.mail or configuration.tickets.webhook.get_secret_value() or named)


def channels_of(configuration: Configuration, number: str | None) -> tuple[Channel, ...]:
    """By which ways the tickets of a number of ours go."""
    by_mail: tuple[Channel, ...] = ("mail",) if letter.addresses(configuration, number) else ()
    return (*by_mail, "webhook") if configuration.tickets.webhook.get_secret_value() else by_mail


# -- telling it --------------------------------------------------------------------------------


def tell(house: House, work: Work, at: datetime, channel: Channel) -> datetime | None:
    """Tell the next event of a ticket. Returns when there is more to be done: at once if there is more."""
    with house.database.read() as connection:
        event = tickets.next_of(connection, int(work.key), channel)
    if event is None or house.outward is not None:
        return _booked(house, work, at, channel)
    try:
        return _tell(house, work, at, channel, event)
    except _Failed as failed:
        return _again(house, work, at, channel, event, failed)


def _tell(house: House, work: Work, at: datetime, channel: Channel, event: Event) -> datetime | None:
    """Raises _Failed."""
    told, name = _gathered(house, event)
    if told is None:  # what it was about is gone
        return _booked(house, work, at, channel, event, "dropped")
    number = told.number.number if told.number else None
    if channel not in channels_of(house.configuration, number):
        log.warning("%s of %s is dropped: it goes nowhere by %s any more", told.type, told.ticket, channel)
        return _booked(house, work, at, channel, event, "dropped")
    if rests := _rests(house, channel, at):
        return rests
    if channel == "mail":
        _mail(house, at, event, told, number, name)
    else:
        _post(house, at, told)
    _resting.pop(_way(house, channel), None)
    return _booked(house, work, at, channel, event, "delivered")


def _gathered(house: House, event: Event) -> tuple[Ticket | None, str | None]:
    """What is told, and the file of its recording. Raises _Failed."""
    try:
        with house.database.read() as connection:
            told = facts.gather(connection, house.configuration, event)
            return told, facts.recording_file(connection, event)
    except (ValidationError, DataError, ProgrammingError):  # its words would quote what was written
        raise _Failed("it holds what no document may hold", ours=True) from None


def _mail(
    house: House, at: datetime, event: Event, told: Ticket, number: str | None, name: str | None
) -> None:
    configuration = house.configuration
    heard = case_story.sound(house, name) if name and event.failures < ATTACHED_TRIES else None
    sound = heard.getvalue() if heard else None
    if sound is not None and len(sound) > configuration.tickets.attach_up_to * 1000:
        sound = None
    to = letter.addresses(configuration, number)
    try:
        message = letter.compose(configuration, at, to, told, event.thread, sound)
        refused = mail.send(configuration.mail, message, to, configuration.folder)
    except (MailFailed, MailRefused) as why:
        raise _Failed(str(why)) from None
    except ValueError:
        raise _Failed("the message or its recipient is malformed") from None
    for address in refused:
        log.error("%s of %s: %s is refused by the mail server", told.type, told.ticket, address)


def _post(house: House, at: datetime, told: Ticket) -> None:
    try:
        webhook.post(house.configuration.tickets, told.id, at, told.model_dump_json().encode())
    except HookFailed as failed:
        raise _Failed(failed.why, timedelta(seconds=failed.wait or 0)) from None


def _booked(
    house: House,
    work: Work,
    at: datetime,
    channel: Channel,
    event: Event | None = None,
    outcome: Outcome = "delivered",
) -> datetime | None:
    """Note what became of an event. Work ends here, under the lock, if nothing waits behind it: else
    something could be written to the ticket just before it ends, and wait for ever.
    """
    with house.database.write() as connection:
        tickets.lock(connection)
        if event is not None:
            tickets.settle(connection, at, event, channel, outcome)
        return _next(connection, work, at, channel)


def _next(connection: Connection, work: Work, at: datetime, channel: Channel) -> datetime | None:
    if tickets.next_of(connection, int(work.key), channel) is not None:
        return at
    due.finish(connection, at, work)
    return None


def _again(
    house: House, work: Work, at: datetime, channel: Channel, event: Event, failed: _Failed
) -> datetime | None:
    """Later; or never, after three days: then the admins are told, and what comes after it goes its way."""
    why = str(failed)
    log.error("%s of %s not told by %s: %s", event.kind, event.subject, channel, why)
    if not failed.ours:
        way = _way(house, channel)
        before = _resting[way].failures if way in _resting else 0
        rest = min(REST * (1 << min(before, 10)), REST_AT_MOST)
        _resting[way] = _Rest(at, at + max(rest, failed.wait), before + 1)
    ends = event.created_at + KEPT
    with house.database.write() as connection:
        tickets.lock(connection)
        tickets.failed(connection, event, channel, why)
        if at < ends:
            pause = min(AGAIN * (1 << min(event.failures, 20)), AGAIN_AT_MOST)
            return min(at + max(pause, failed.wait), ends)
        tickets.settle(connection, at, event, channel, "given-up")
        details = {"ticket": event.about, "channel": channel, "why": why}
        raise_alarm(connection, at, UNDELIVERED, channel, details)
        return _next(connection, work, at, channel)


def _rests(house: House, channel: Channel, at: datetime) -> datetime | None:
    """Until when this way is left alone; None if it is not."""
    rest = _resting.get(_way(house, channel))
    return rest.until if rest and rest.since <= at < rest.until else None


def _way(house: House, channel: Channel) -> tuple[Channel, str]:
    configuration = house.configuration
    where = configuration.tickets.webhook.get_secret_value()
    return channel, (configuration.mail.host + str(configuration.mail.port)) if channel == "mail" else where

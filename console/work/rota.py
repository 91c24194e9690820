"""Work that watches the rotas: who is told of his turn, holes ahead, and whether somebody can be reached."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from console.house import House, rules
from console.outbound import calling
from ivr import outgoing_desk, placed
from ivr.tables import outgoing
from oncall import people, phones
from oncall.cases import cases
from oncall.notices import senders
from oncall.people import Technician
from oncall.reaching import shift_checks, watch
from oncall.reaching.shift_checks import Check
from oncall.rota import coverage, rota_book, swaps, turns, validation
from oncall.rota.rota import Book
from storage.alarms import raise_alarm
from storage.due import Work

log = logging.getLogger("ivr.worker")

NOBODY = "nobody-on-duty"
# He is called so often to ask whether he can be reached, so far apart.
CALLS = 3
CALL_AGAIN = timedelta(minutes=3)
# His phone is in use: it is tried again after so long.
ENGAGED_AGAIN = timedelta(minutes=1)


def seed(house: House, at: datetime) -> None:
    """See to it that every rota is watched."""
    with house.database.write() as connection:
        if count := watch.seed(connection, at):
            log.info("%d rotas are watched from now on", count)


def look(house: House, work: Work, at: datetime) -> datetime | None:
    """Look at a rota: tell whoever is to be told, and once an hour see to what nobody did."""
    configuration = house.configuration
    with house.database.write() as connection:
        if watch.doubled(connection, work):
            return None
        looked = watch.look(connection, at, work.key, configuration.notices, configuration.zone)
    with house.database.write() as connection:
        _nobody(connection, at, work.key)
    # What concerns all rotas is done with the first of them.
    if looked.new_hour:
        with house.database.write() as connection:
            if work.key == rota_book.rota_keys(connection)[0]:
                swaps.expire(connection, at)
                coverage.holes_ahead(connection, at, configuration.notices)
    return looked.due_at


def _nobody(connection: Connection, at: datetime, rota_key: str) -> None:
    """An alarm if nobody is on duty now. A rota that has not begun owes nobody."""
    book = rota_book.book(connection, rota_key)
    first = validation.beginning(book)
    if first is None or first > at or book.ladder(at):
        return
    since = coverage.began(book, at)
    told = {"rota": rota_key, "from": coverage.wall(since, coverage.zone_of(book))}
    if raise_alarm(connection, at, NOBODY, f"rota:{rota_key}:{since.isoformat()}", told):
        log.error("rota %s has nobody on duty", rota_key)


# -- can he be reached? ------------------------------------------------------------------------


def check(house: House, work: Work, at: datetime) -> datetime | None:
    """Ask whoever is about to begin a turn whether he can be reached, and see what he says."""
    check_id = int(work.key)
    _ask_about_the_last_call(house, at, check_id)
    with house.database.write() as connection:
        cases.lock(connection)  # nobody else goes on to ring his phone
        found = shift_checks.lock(connection, check_id)
        if found is None:
            return None
        decided, call = _decide(house, connection, at, found)
    if call is not None:
        calling.ring_out(house, at, *call)
    return decided


def _decide(
    house: House, connection: Connection, at: datetime, found: Check
) -> tuple[datetime | None, tuple[int, int] | None]:
    """When the check is due again, and the call that is to be placed: its id, and how long it rings."""
    settings = house.configuration.notices
    book = rota_book.book(connection, found.rota)
    if settings.confirm == "off" or not _still_his(book, found, at):
        shift_checks.drop(connection, at, found)
        return None, None
    if found.confirmed_at is not None:
        shift_checks.settled(connection, at, found)
        return None, None
    person = people.technician(connection, found.technician)
    by_text = _by_text(house, person)
    asked_at = found.asked_at
    if asked_at is None and found.given_up_at is None:
        asked_at = at
        shift_checks.ask(connection, at, found, by_text=by_text)
    deadline = (asked_at or at) + timedelta(minutes=settings.confirm_within)
    if found.given_up_at is not None or at >= deadline:
        shift_checks.settled(connection, at, found)
        if found.given_up_at is not None or not shift_checks.heard_aloud(connection, at, found):
            ladder = book.ladder(max(found.shift_at, at))
            shift_checks.unanswered(connection, at, found, ladder, settings.managers)
        return None, None
    if by_text:
        return deadline, None
    assert asked_at is not None
    again, call = _call(house, connection, at, found, person, asked_at)
    return min(again, deadline), call


def _still_his(book: Book, found: Check, at: datetime) -> bool:
    """Whether the turn begins as it did when the check was made, and is not over already. Nobody is first
    asked when it has begun.
    """
    if found.asked_at is None and at > found.shift_at:
        return False
    stands = any(
        (duty.rung, duty.technician) == (found.rung, found.technician)
        for duty in book.ladder(max(at, found.shift_at))
    )
    return stands and turns.begins(book, found.rung, found.technician, found.shift_at)


def _by_text(house: House, person: Technician) -> bool:
    """Whether he is asked by a text message: only a mobile phone takes one, and only a number is answered."""
    settings = house.configuration.notices
    answered = senders.invites_answers(settings.text_sender)
    mobile = any(phones.is_mobile(phone) for phone in person.phones)
    return settings.confirm == "text" and answered and mobile and house.channels.texts is not None


def _call(
    house: House, connection: Connection, at: datetime, found: Check, person: Technician, asked_at: datetime
) -> tuple[datetime, tuple[int, int] | None]:
    """Call him, one phone after the other, unless he was called a moment ago or as often as may be."""
    placed_before = select(outgoing.c.asked_at).where(
        outgoing.c.shift_check_id == found.id, outgoing.c.asked_at >= asked_at
    )
    before = list(connection.execute(placed_before.order_by(outgoing.c.id)).scalars())
    if before and at < before[-1] + CALL_AGAIN:
        return before[-1] + CALL_AGAIN, None
    if len(before) >= CALLS:
        return at + CALL_AGAIN, None
    phone = person.phones[len(before) % len(person.phones)]
    if phone in placed.engaged(connection, at, ""):
        return at + ENGAGED_AGAIN, None
    outgoing_id = outgoing_desk.begin(
        connection,
        at,
        rules(house.configuration),
        purpose="confirm",
        technician=person.key,
        phone=phone,
        language=person.language or house.configuration.service.languages[0],
        shift_check_id=found.id,
        starts_at=found.shift_at,
    )
    return at + CALL_AGAIN, (outgoing_id, _rings(house, person))


def _ask_about_the_last_call(house: House, at: datetime, check_id: int) -> None:
    """A call of which the network never told the end would keep the phone engaged."""
    last = (
        select(outgoing.c.id, outgoing.c.technician)
        .where(
            outgoing.c.shift_check_id == check_id,
            outgoing.c.ended_at.is_(None),
            outgoing.c.asked_at <= at - CALL_AGAIN,
        )
        .order_by(outgoing.c.id.desc())
    )
    with house.database.read() as connection:
        row = connection.execute(last.limit(1)).first()
        person = people.technician(connection, row.technician) if row else None
    if row is not None and person is not None:
        calling.ask_about(house, at, row.id, _rings(house, person))


def _rings(house: House, person: Technician) -> int:
    return person.rings or house.configuration.ringing.rings

"""Work that calls leave behind for people to be told of: each piece becomes notices to those it concerns."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from console.house import House, numbers
from console.work.notices import UNDELIVERED
from ivr import journal
from ivr.flow import SCREENED_IN_VAIN
from ivr.journal import CallRecord, UnknownCall
from oncall.cases import cases, casework
from oncall.notices import notices
from oncall.notices.notices import MESSAGE
from oncall.rota import roster
from storage import due
from storage.alarms import raise_alarm
from storage.due import Work

__all__ = ["MESSAGE", "SCREENED_IN_VAIN"]

# The notice about a caller whom nobody heard, and how far apart two of them are that are told aloud.
SCREENED, LOUD_EVERY = "screened-in-vain", timedelta(minutes=15)
# What the conversation hands on, each with the call's sid.
NOBODY_ANSWERED, NO_URGENCY = "notice.nobody-answered", "notice.no-urgency"


def nobody_answered(house: House, work: Work, at: datetime) -> datetime | None:
    """Everybody on the ladder and the managers hear of an emergency that nobody has taken."""
    with house.database.write() as connection:
        case = cases.of_call(connection, work.key)
        if case is not None:
            everybody = _ladder(house, connection, case.rota, at) + _managers(house)
            about, again = f"case:{case.number}", work.key
            _tell(house, connection, at, "nobody-answered", everybody, about, {}, loud=True, again=again)
    return None


def no_urgency(house: House, work: Work, at: datetime) -> datetime | None:
    """Whoever is on duty hears that a verified customer called and stated no urgency."""
    return _tell_duty(house, work, at, "no-urgency")


def screened_in_vain(house: House, work: Work, at: datetime) -> datetime | None:
    """Whoever is on duty hears that nobody heard a caller without a verified PIN: aloud within a quarter of
    an hour of the call, but four times an hour at most, however many call. If he was told aloud since this
    call came, he finds it among the others.
    """
    with house.database.write() as connection:
        call = _call(connection, work.key)
        number = numbers(house.configuration).get(call.number) if call else None
        if number is None:
            return None
        first = _ladder(house, connection, number.settings.rota, at)[:1]
        told = notices.last_loud(connection, SCREENED, first[0], at - LOUD_EVERY) if first else None
        if told is not None and told < work.created_at:
            return told + LOUD_EVERY
        waiting = due.pending_since(connection, SCREENED_IN_VAIN, told or at - LOUD_EVERY, work.id)
        facts = {"more": waiting} if waiting else {}
        _tell(house, connection, at, SCREENED, first, f"call:{work.key}", facts, loud=told is None)
    return None


def deliver_message(house: House, work: Work, at: datetime) -> datetime | None:
    """A message that a caller left. In a case whoever has it is told, else everybody on the ladder. Outside
    of one the admins are; and as soon as a PIN is asked the technician on duty, unless somebody has
    listened to it by then (`notices.message_opened`).
    """
    with house.database.write() as connection:
        call = _call(connection, work.key)
        if call is None:
            return None
        seconds = sum(each.seconds for each in journal.messages_of(connection, work.key))
        facts = {"seconds": seconds}
        case = cases.of_call(connection, work.key)
        if case is not None and (case.due_at is not None or case.customer_id is not None):
            has_it = casework.holder(connection, case)
            to = [f"technician:{has_it}"] if has_it else _ladder(house, connection, case.rota, at)
            about = f"case:{case.number}"
            _tell(house, connection, at, "message-left", to, about, facts, loud=True, again=work.key)
            return None
        about = f"call:{work.key}"
        admins = [f"admin:{address}" for address in house.configuration.notices.admins]
        notices.tell_everybody(connection, at, "message-left", admins, about, facts, loud=False)
        number = numbers(house.configuration).get(call.number)
        if number is None:
            return None
        state = number.hours.at(at)
        if not state.pin:
            return state.until
        duty = _ladder(house, connection, number.settings.rota, at)[:1]
        notices.tell_everybody(connection, at, "message-left", duty, about, facts, loud=False)
        if not admins and not duty:
            raise_alarm(connection, at, UNDELIVERED, about, {"kind": "message-left", "concerns": about})
    return None


def _tell_duty(house: House, work: Work, at: datetime, kind: str) -> datetime | None:
    with house.database.write() as connection:
        call = _call(connection, work.key)
        number = numbers(house.configuration).get(call.number) if call else None
        if number is not None:
            first = _ladder(house, connection, number.settings.rota, at)[:1]
            _tell(house, connection, at, kind, first, f"call:{work.key}", {}, loud=True)
    return None


def _tell(
    house: House,
    connection: Connection,
    at: datetime,
    kind: str,
    recipients: list[str],
    about: str,
    facts: dict[str, int],
    *,
    loud: bool,
    again: str = "",
) -> None:
    """Tell them; with nobody on duty the admins."""
    admins = [f"admin:{address}" for address in house.configuration.notices.admins]
    to = recipients or admins
    notices.tell_everybody(connection, at, kind, to, about, facts, loud=loud, again=again)
    if not to:
        raise_alarm(connection, at, UNDELIVERED, about, {"kind": kind, "concerns": about})


def _ladder(house: House, connection: Connection, rota: str, at: datetime) -> list[str]:
    contacts = roster.ladder(connection, house.configuration.ringing, rota, at)
    return list(dict.fromkeys(f"technician:{contact.technician}" for contact in contacts))


def _managers(house: House) -> list[str]:
    return [f"manager:{address}" for address in house.configuration.notices.managers]


def _call(connection: Connection, sid: str) -> CallRecord | None:
    try:
        return journal.call(connection, sid)
    except UnknownCall:  # purged
        return None

"""Work that pursues an accepted emergency until a technician has it: calls to the ladder, reminders."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy import Connection

from console.house import House, rules
from console.outbound import calling
from ivr import case_facts, desk, outgoing_desk, placed
from oncall.cases import case_log, cases, casework
from oncall.cases.cases import PURSUE, Case, UnknownCase
from oncall.notices import notices
from oncall.reaching import pursuit, reminders
from oncall.reaching.pursuit import Ask, AskCaller, Decision, Over, Phone, Wait
from oncall.rota import roster
from oncall.rota.roster import Contact
from storage import due
from storage.alarms import raise_alarm
from storage.due import Work

log = logging.getLogger("ivr.worker")

# A phone that could not be called leaves the next one waiting no longer than this.
AT_ONCE = timedelta(0)
# A call about which the network says nothing is asked about again after this long.
ASK_AGAIN = timedelta(seconds=15)
# And a caller's call in which somebody talks, after this long: its end is told, as a rule.
CALLER_AGAIN = timedelta(seconds=30)
# A talk is never cut; the managers are told of one that lasts so long.
LONG_TALK = timedelta(minutes=60)


def pursue(house: House, work: Work, at: datetime) -> datetime | None:
    """Decide what this case's pursuit does now, and do it. Only 'connected', or a person who takes or
    closes the case, cancels this row.
    """
    settings = house.configuration.ringing
    with house.database.write() as connection:
        decided, outgoing_id = _decide(house, connection, at, work.payload["case"])
    match decided:
        case Over():
            return None
        case Wait(until):
            return until
        case Phone(place=place):
            assert outgoing_id is not None
            calling.ring_out(house, at, outgoing_id, place.rings)
            # Its end makes this row due at once, also when it has come already.
            return _unless_ended(house, at, outgoing_id, place.rings)
        case Ask():
            if outgoing_id is not None and calling.ask_about(house, at, outgoing_id, settings.rings):
                return at + AT_ONCE
            return at + ASK_AGAIN
        case AskCaller() as asked:
            if not calling.goes_on(house, at, asked):
                with house.database.write() as connection:
                    desk.over(connection, at, asked.call_sid)
                return at + AT_ONCE
            if at - asked.asked_at >= LONG_TALK:
                _tell_of_long_talk(house, at, work.payload["case"])
            return at + CALLER_AGAIN


def _decide(house: House, connection: Connection, at: datetime, number: str) -> tuple[Decision, int | None]:
    """What to do, with the call to be placed or asked about written down."""
    configuration = house.configuration
    cases.lock(connection)
    try:
        case = cases.find(connection, number)
    except UnknownCase:  # erased
        return Over(), None
    if case.taken_via == "text":
        # Its sender could be anybody, and the customer has not been called since.
        casework.let_go(connection, at, case)
        notices.tell_everybody(
            connection,
            at,
            "case-taken-by-text-resumed",
            _everybody(house, connection, case, at),
            f"case:{case.number}",
            case_facts.facts(connection, case),
            loud=True,
            again=at.isoformat(),
        )
        case = cases.find(connection, number)
    engaged = placed.engaged(connection, at, "")
    decided = pursuit.decide(connection, at, configuration.ringing, case, engaged)
    match decided:
        case Phone(attempt_id, place, begins):
            technician = roster.technician(connection, place.technician)
            outgoing_id = outgoing_desk.begin(
                connection,
                at,
                rules(configuration),
                purpose="pursue",
                technician=place.technician,
                phone=place.phone,
                language=technician.language,
                case=case,
                attempt_id=attempt_id,
                hung_up=place.why in ("accepted", "rang"),
            )
            kind = "hung-up-ringing" if place.why in ("accepted", "rang") else "call-back-wanted"
            if begins == 1 and (kind == "hung-up-ringing" or case.call_back_to):
                notices.tell(
                    connection,
                    at,
                    kind,
                    f"technician:{place.technician}",
                    f"case:{case.number}",
                    case_facts.facts(connection, case),
                    loud=True,
                )
            return decided, outgoing_id
        case Ask(attempt_id):
            found = placed.of_attempt(connection, attempt_id)
            return decided, found.id if found else None
        case Wait(nobody=True):
            log.error("case %s: rota %s has nobody on duty", case.number, case.rota)
            raise_alarm(connection, at, "nobody-on-duty", f"rota:{case.rota}", {"case": case.number})
        case _:
            pass
    return decided, None


def _unless_ended(house: House, at: datetime, outgoing_id: int, rings: int) -> datetime:
    with house.database.read() as connection:
        known = placed.find(connection, outgoing_id)
    if known is None or known.ended_at is not None:
        return at + AT_ONCE
    return at + timedelta(seconds=rings) + pursuit.OVERDUE


def _tell_of_long_talk(house: House, at: datetime, number: str) -> None:
    with house.database.write() as connection:
        case = cases.find(connection, number)
        notices.tell_everybody(
            connection,
            at,
            "talk-long",
            _recipients([], house.configuration.notices.managers),
            f"case:{number}",
            case_facts.facts(connection, case) | {"minutes": int(LONG_TALK.total_seconds()) // 60},
            loud=True,
        )


# -- reminders -----------------------------------------------------------------------------------


def remind(house: House, work: Work, at: datetime) -> datetime | None:
    """Remind of a case that nobody has, each time further; the last time, record that it is late."""
    with house.database.write() as connection:
        cases.lock(connection)
        try:
            case = cases.find(connection, work.payload["case"])
        except UnknownCase:  # erased
            return None
        if case.closed_at or case.due_at is None or not due.pending(connection, PURSUE, case.number):
            return None
        percent = reminders.reached(at, case.opened_at, case.due_at)
        if percent is not None:
            if percent == 100 and not reminders.breach(connection, at, case.id):
                return None
            case_log.write(connection, at, case.id, "worker", "reminded", details={"percent": percent})
            ladder = roster.ladder(connection, house.configuration.ringing, case.rota, at)
            notices.tell_everybody(
                connection,
                at,
                "case-reminder",
                _reminded(house, ladder, percent),
                f"case:{case.number}",
                case_facts.facts(connection, case) | {"percent": percent},
                loud=True,
                again=f"{percent}:{case.due_at.isoformat()}",
            )
        return reminders.following(at, case.opened_at, case.due_at)


def _reminded(house: House, ladder: list[Contact], percent: reminders.Percent) -> list[str]:
    """The first rung; the whole ladder; the ladder and the managers."""
    first = {contact.rung for contact in ladder[:1]}
    asked = [c for c in ladder if percent > 50 or c.rung in first]
    managers = house.configuration.notices.managers if percent == 100 else []
    return _recipients(asked, managers)


def _everybody(house: House, connection: Connection, case: Case, at: datetime) -> list[str]:
    return _recipients(roster.ladder(connection, house.configuration.ringing, case.rota, at), [])


def _recipients(contacts: list[Contact], managers: list[str]) -> list[str]:
    people = dict.fromkeys(f"technician:{contact.technician}" for contact in contacts)
    return [*people, *(f"manager:{address}" for address in managers)]

"""A call that was served elsewhere is taken over from what it carries along.

While a node cannot read the database it serves calls all the same (see `ivr.standby`), and so may the other
node; the next turn may come to any of them. Whoever meets a call that has come further than his own rows, or
another way, writes down here what the call itself knows: where it stands, its case, whose phone is ringing.
The rest of its story follows when everything is brought together (`ivr.standby.merging`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, update

from ivr import casework, journal
from ivr.erasure import nobody
from ivr.rules import Rules
from ivr.vocabulary import Call, Carried, KnownCase, NewCase, Outcome, Step
from oncall.cases import cases
from oncall.reaching import attempts
from oncall.tables import cases as case_rows
from pins import customers
from storage import due


def adopt(
    connection: Connection, at: datetime, rules: Rules, carried: Carried, caller: str, *, whole: bool = True
) -> Call:
    """Write what `carried` knows of its call, and return the call with its identities here. Holds if our
    transaction has locked the call; what is known here already is left as it stands.

    `whole`: this is the house's own database, so a customer that it does not know has been erased, and the
    call is one of nobody from now on.
    """
    call = replace(carried.call, caller=caller, languages=rules.languages_of(carried.call.number))
    if not journal.begin(connection, at, call, carried.turn):
        call = replace(call, caller=journal.caller_of(connection, call.sid) or caller)
    if whole and call.customer and customers.code_of(connection, call.customer.id) is None:
        call = nobody(call, ended=False)
    if call.known_case is not None:
        call = replace(call, known_case=_known(connection, at, rules, call, call.known_case))
    if call.case is not None:
        call = _with_case(connection, at, rules, call, call.case)
    if call.step is Step.RINGING and call.case_id is not None:
        call = replace(call, attempt_id=_attempt(connection, at, call, call.case_id, carried.turn - 1))
    journal.move_on(connection, call, carried.turn)
    return call


def is_behind(standing: journal.Standing, carried: Carried) -> bool:
    """Whether a call's own address knows better than its row: it has come further, or another way. The latter
    if its last turn was written here and the answer never arrived: a node that could not know has served that
    turn anew, and what the telephones were told is what counts.
    """
    if standing.turn != carried.turn:
        return standing.turn < carried.turn
    here, there = standing.call, carried.call
    return not standing.ended and (here.step, here.tried) != (there.step, there.tried)


def _with_case(connection: Connection, at: datetime, rules: Rules, call: Call, case: NewCase) -> Call:
    """The call with its case here: found by its number, or by the call that opened it, or opened."""
    cases.lock(connection)
    found = cases.by_number(connection, case.number)
    if found is None:
        found = cases.opened_by(connection, call.sid)
        if found is not None:
            # Opened twice, since nobody knew whether the first had been written: he was told this code.
            cases.tell_as(connection, at, found.id, case.code)
            call = replace(call, case=replace(case, number=found.number))
    if found is None:
        return replace(call, case_id=_open(connection, at, rules, call, case))
    if cases.note_call(connection, at, found.id, call.sid) and not _talked(call) and case.due_at is not None:
        # Whoever served him promised that; what that node wrote down may come home late.
        found = casework.called_again(connection, at, found)
        cases.note_call(connection, at, found.id, call.sid)
        cases.pursue(connection, at, found.id, at + timedelta(seconds=rules.ringing.pursue_after))
        call = replace(call, case=replace(case, number=found.number))
    if _talked(call):
        since = call.ringing_since or at
        if not attempts.wanted_since(connection, found.id, since, call.sid):
            due.cancel(
                connection, since, cases.PURSUE, found.number, by="connected elsewhere", begun_by=since
            )
        connected = update(case_rows).where(case_rows.c.id == found.id, case_rows.c.connected_at.is_(None))
        connection.execute(connected.values(connected_at=at))
    return replace(call, case_id=found.id)


def _talked(call: Call) -> bool:
    """Whether he has talked to a technician, and does not want him again: nobody need be pursued."""
    return call.outcome is Outcome.CONNECTED and call.step in (Step.TALK_WAS_SHORT, Step.ENDED)


def _open(connection: Connection, at: datetime, rules: Rules, call: Call, case: NewCase) -> int:
    opened_at = call.ringing_since or at
    pursued = case.due_at is not None and not _talked(call)
    opened = cases.open_case(
        connection,
        opened_at,
        number=case.number,
        code=case.code,
        call_sid=call.sid,
        customer_id=call.customer.id if call.customer else None,
        rota=rules.numbers[call.number].settings.rota,
        urgency=call.urgency,
        due_at=case.due_at,
        pursue_at=opened_at + timedelta(seconds=rules.ringing.pursue_after) if pursued else None,
        billable=call.billable,
    )
    if call.outcome is Outcome.CONNECTED:
        connection.execute(update(case_rows).where(case_rows.c.id == opened).values(connected_at=at))
    return opened


def _known(connection: Connection, at: datetime, rules: Rules, call: Call, known: KnownCase) -> KnownCase:
    """The customer's open case that he was asked about, by its identity here."""
    found = cases.by_number(connection, known.number)
    if found is not None:
        return replace(known, id=found.id)
    assert call.customer is not None
    # Its own call is not known here; it was about this customer, and that is what counts.
    opened = cases.open_case(
        connection,
        known.opened_at,
        number=known.number,
        code=known.code,
        call_sid=call.sid,
        customer_id=call.customer.id,
        rota=rules.numbers[call.number].settings.rota,
        urgency=call.urgency,
        due_at=known.due_at,
        pursue_at=None,
        billable=call.billable,
    )
    return replace(known, id=opened)


def _attempt(connection: Connection, at: datetime, call: Call, case_id: int, turn: int) -> int:
    phone = call.tried[-1]
    found = attempts.at_turn(connection, call.sid, turn, phone)
    if found is not None:
        return found
    place = next(each for each in call.ladder if each.phone == phone)
    return attempts.begin_attempt(
        connection, at, case_id, call.sid, place.technician, place.phone, place.rung, turn=turn
    )

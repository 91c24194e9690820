"""The erasure of a customer: each package erases what it holds, here it is joined into one act.

One transaction takes him out of every table; his files, and what deleted rows leave on the disk, go right
after it, or by the worker if that is interrupted. What stays is the bare fact: cases with number, code,
times and urgency; calls with their instants; acts of the audit with ids and without details; the digests
of his PINs, so that nobody is issued one again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, false, or_, select

import ivr.erasure
import oncall.erasure
import pins.erasure
from console import outside
from console.api import once
from console.house import House
from console.privacy import keys
from console.processes.standing_by import Keeper, snapshot_file, spares
from console.processes.worker import tick
from console.work.erasure import TRACES, remove
from ivr import ageing, caller_list, journal
from ivr.pseudonyms import pseudonym
from ivr.tickets import tickets
from oncall import people
from oncall.cases import cases
from oncall.reaching.attempts import LONGEST_TALK
from pins import customers, outbox, registry
from pins.customers import Customer
from storage import audit, due, ledger
from storage.tables import audit as audit_table
from storage.tables import audit_details, due_work

ACT = "customer.erase"
# Twilio is asked a little later, about calls when none of them can still go on.
AT_TWILIO = timedelta(minutes=1)
# Of these kinds the key says whose they are, and nothing in them names anybody.
_BY_KEY = (cases.PURSUE, ledger.KIND, TRACES, *tickets.KINDS.values())


@dataclass(frozen=True)
class Erased:
    """What was erased, in figures. `log_truncated`: nothing is left of it on the disk either."""

    customer_id: int
    pins: int
    cases: int
    calls: int
    files: int
    log_truncated: bool


@dataclass(frozen=True)
class Belongings:
    """What leads to the rest of a customer's data: ids and numbers that are his and nobody else's."""

    customer: Customer
    pin_ids: list[int]
    numbers: set[str]
    calls: list[str]
    case_numbers: list[str]
    # Calls that we placed, by their ids.
    placed: list[int]

    @property
    def abouts(self) -> set[str]:
        """What notices about him are about."""
        cases_ = {f"case:{number}" for number in self.case_numbers}
        calls_ = {f"call:{sid}" for sid in self.calls}
        return cases_ | calls_ | {customers.subject(self.customer.id)}


def belongings(house: House, connection: Connection, code: str) -> Belongings:
    """What belongs to the customer. Raises UnknownCustomer."""
    customer = customers.customer(connection, code)
    callers = ivr.erasure.callers_of(connection, customer.id) - _numbers_of_the_house(house, connection)
    numbers = pins.erasure.numbers_of(connection, customer, callers)
    # What stands in their place by now, and the other way round: he may have called lately without a PIN.
    key = keys.of_pseudonyms(house.configuration)
    numbers |= {pseudonym(key, number) for number in numbers}
    numbers |= ivr.erasure.plain_callers(connection, key, numbers)
    his_calls = oncall.erasure.calls_of(connection, customer.id)
    his = Belongings(
        customer,
        [pin.id for pin in registry.all_pins(connection, code)],
        numbers,
        ivr.erasure.calls_of(connection, customer.id, numbers, his_calls),
        [case.number for case in oncall.erasure.cases_of(connection, customer.id)],
        [],
    )
    told = [notice.id for notice in oncall.erasure.notices_about(connection, his.abouts)]
    case_ids = oncall.erasure.case_ids_of(connection, customer.id)
    return replace(his, placed=ivr.erasure.placed_for(connection, case_ids, told))


def erase(house: House, actor: str, at: datetime, code: str) -> Erased:
    """Erase the customer from every table and file. Raises UnknownCustomer.

    A call of his that goes on meanwhile goes on as that of somebody without a PIN.
    """
    with house.database.write() as connection:
        erased = take_out(house, connection, actor, at, code)
    tick(house, at, {TRACES: remove})
    outside.follow(house, at)
    _renew_snapshot(house, at)
    with house.database.read() as connection:
        clean = not due.pending(connection, TRACES, customers.subject(erased.customer_id))
    return replace(erased, log_truncated=clean)


def _renew_snapshot(house: House, at: datetime) -> None:
    """Of this machine, at once: its worker, which would do it, may not run. That of another does it there."""
    if snapshot_file(house.configuration).exists():
        Keeper(house, house.database, spares(house.configuration)).keep(at)


def take_out(house: House, connection: Connection, actor: str, at: datetime, code: str) -> Erased:
    """Take the customer out of every table, with the work that removes his files and what lies on the disk.
    Raises UnknownCustomer.
    """
    his = _locked(house, connection, code)
    customer = his.customer
    ivr.erasure.erase_placed(connection, his.placed)
    oncall.erasure.forget_notices(connection, at, his.abouts)
    oncall.erasure.forget_answers(connection, {customer.code, customer.name, customer.spoken_name})
    oncall.erasure.erase(connection, actor, at, customer.id)
    oncall.erasure.forget_call_backs(connection, his.numbers)
    emptied = ivr.erasure.erase(connection, his.calls)
    caller_list.forget(connection, his.numbers)
    pins.erasure.erase(connection, actor, at, customer, his.numbers)
    files = [f"messages/{name}" for name in emptied.files]
    files += _forget_work(connection, his, emptied.recordings)
    once.forget_answers(connection)
    _forget_acts(connection, actor, at, his)
    if house.configuration.twilio.account_sid:
        _forget_at_twilio(connection, at, his, emptied.recordings)
    ledger.note(connection, at, ACT, customer.id)
    due.add(connection, at, TRACES, customers.subject(customer.id), at, {"files": files})
    return Erased(
        customer.id, len(his.pin_ids), len(his.case_numbers), len(his.calls), len(files), log_truncated=False
    )


def _numbers_of_the_house(house: House, connection: Connection) -> set[str]:
    """Our lines, our office's, our technicians' phones: whoever called from one is not told by it."""
    lines = house.configuration.number
    offices = {phone for line in lines for phone in line.office}
    technicians = {phone for each in people.all_technicians(connection) for phone in each.phones}
    return {line.number for line in lines} | offices | technicians


def _locked(house: House, connection: Connection, code: str) -> Belongings:
    """What belongs to the customer, with everything locked in the order in which calls lock it."""
    his = belongings(house, connection, code)
    ivr.erasure.lock(connection, his.calls)
    ivr.erasure.lock_placed(connection, his.placed)
    cases.lock(connection)
    oncall.erasure.lock(connection, his.customer.id)
    pins.erasure.lock(connection, his.customer.id)
    # From here on no call becomes his; one that has meanwhile is his too.
    his = belongings(house, connection, code)
    ivr.erasure.lock(connection, his.calls)
    return his


# -- due work ----------------------------------------------------------------------------------


def work_of(connection: Connection, his: Belongings, recordings: Iterable[str] = ()) -> list[Any]:
    """The rows of due work that are about the customer, done or not."""
    keys = {*his.calls, *recordings}
    rows = connection.execute(select(due_work).where(due_work.c.kind.not_in(_BY_KEY)).order_by(due_work.c.id))
    found = [row for row in rows if row.key in keys or _about(his, row.key, row.payload)]
    if his.case_numbers:
        pursued = due_work.c.kind == cases.PURSUE
        for row in connection.execute(select(due_work).where(pursued)):
            if row.payload.get("case") in his.case_numbers:
                found.append(row)
    return found


def _about(his: Belongings, key: str, payload: dict[str, Any]) -> bool:
    """Whether work is about the customer, one of his PINs, calls or cases, or names him."""
    customer = his.customer
    subjects = [customers.subject(customer.id), *(f"pin:{pin_id}" for pin_id in his.pin_ids)]
    subjects += [f"case:{number}" for number in his.case_numbers]
    text = f":{key}:"
    if any(f":{subject}:" in text for subject in subjects):
        return True
    if payload.get("pin") in his.pin_ids or payload.get("customer") == customer.id:
        return True
    named = {customer.code, customer.name, customer.spoken_name, customer.email, *his.numbers, *his.calls}
    return not (named - {""}).isdisjoint(_words(payload))


def _words(value: Any) -> set[str]:
    """Every text in a payload."""
    match value:
        case str():
            return {value}
        case dict():
            return set().union(*(_words(each) for each in value.values()))
        case list():
            return set().union(*(_words(each) for each in value))
        case _:
            return set()


def _forget_work(connection: Connection, his: Belongings, recordings: Iterable[str]) -> list[str]:
    """Remove the work that is about him; returns the files that wait with it, within the state folder."""
    rows = work_of(connection, his, recordings)
    connection.execute(delete(due_work).where(due_work.c.id.in_([row.id for row in rows])))
    return [f"outbox/{row.payload['file']}" for row in rows if row.kind == outbox.LETTER]


def _forget_at_twilio(connection: Connection, at: datetime, his: Belongings, recordings: list[str]) -> None:
    """Have Twilio forget his recordings and calls too; a call that goes on is left until it is over."""
    for sid in recordings:
        due.add(connection, at, journal.FORGET, sid, at + AT_TWILIO, {})
    for start in range(0, len(his.calls), ageing.FORGOTTEN_AT_ONCE):
        some = his.calls[start : start + ageing.FORGOTTEN_AT_ONCE]
        due.add(connection, at, ageing.FORGET, some[0], at + LONGEST_TALK, {"calls": some})


# -- audit -------------------------------------------------------------------------------------


def acts_on(his: Belongings) -> ColumnElement[bool]:
    """Which acts of the audit are on the customer, his PINs (those whose record is gone too), his cases."""
    customer = his.customer
    subjects = [customers.subject(customer.id), *(f"pin:{pin_id}" for pin_id in his.pin_ids)]
    subjects += [f"case:{number}" for number in his.case_numbers]
    # The details are compact JSON with their keys in order: see `audit.record`.
    owner = [
        f'"customer":{told}{after}' for told in (customer.id, json.dumps(customer.code)) for after in ",}"
    ]
    of_his_pins = or_(*(audit_details.c.details.contains(each, autoescape=True) for each in owner))
    listed = [f'"pattern":{json.dumps(number)}' for number in sorted(his.numbers)]
    of_his_numbers = or_(
        false(), *(audit_details.c.details.contains(each, autoescape=True) for each in listed)
    )
    return or_(
        audit_table.c.subject.in_(subjects),
        and_(audit_table.c.subject.startswith("pin:"), of_his_pins),
        and_(audit_table.c.subject.startswith("caller:"), of_his_numbers),
    )


def _forget_acts(connection: Connection, actor: str, at: datetime, his: Belongings) -> None:
    query = select(audit_table.c.id).join(audit_details, audit_details.c.audit_id == audit_table.c.id)
    rows = list(connection.execute(query.where(acts_on(his))).scalars())
    act = audit.record(connection, actor, at, ACT, customers.subject(his.customer.id))
    audit.erase_details(connection, rows, act)

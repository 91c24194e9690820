"""`ivr case`"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from sqlalchemy import Connection

from console.commands.common import Context, Refused, json_option, local, print_json, table
from ivr import casework
from oncall.cases import cases
from oncall.cases.cases import Case, CaseRefusal
from oncall.reaching import attempts
from oncall.rota.roster import RosterRefusal
from pins import customers
from pins.customers import RegistryRefusal

# What `show` prints in tables of their own.
_LISTS = ("attempts", "calls", "log")
reason_option = click.option("--reason", metavar="TEXT", default="", help="Why; it stands in the case's log.")


@click.group()
def case() -> None:
    """Accepted emergencies, by their number (2026-00412) or spoken code (4712)."""


# -- reading -----------------------------------------------------------------------------------


@case.command("list")
@click.option("--open/--all", "still_open", default=False, help="Only those still open, or all (default).")
@click.option("--customer", "code", metavar="CODE", help="Only this customer's.")
@json_option
@click.pass_obj
def list_(context: Context, still_open: bool, code: str | None, as_json: bool) -> None:
    """The latest cases, newest first."""
    with _refusing(), context.reading() as connection:
        codes = customers.codes(connection)
        owner = customers.customer(connection, code).id if code else None
        latest = cases.recent(connection, still_open=still_open, customer_id=owner)
        found = [_document(context, connection, each, codes) for each in latest]
    if as_json:
        print_json({"cases": found})
        return
    rows = [
        (
            each["number"],
            each["code"],
            each["customer"] or "–",
            each["final_urgency"] or each["urgency"] or "–",
            each["opened"][:16].replace("T", " "),
            (each["due"] or "")[11:16] or "–",
            _state(each),
        )
        for each in found
    ]
    table(rows, ("number", "code", "customer", "urgency", "opened", "due", "state"))


@case.command()
@click.argument("name", metavar="CASE")
@json_option
@click.pass_obj
def show(context: Context, name: str, as_json: bool) -> None:
    """One case, with its calls, every attempt to reach a technician, and what was done."""
    with _refusing(), context.reading() as connection:
        found = cases.find(connection, name)
        document = _document(context, connection, found, customers.codes(connection))
        document |= _story(context, connection, found)
    if as_json:
        print_json(document)
        return
    for key, value in document.items():
        if key not in _LISTS:
            click.echo(f"{key:14} {value if value is not None else '–'}")
    for call in document["calls"]:
        click.echo(f"{_clock(call['at'])}  call from {call['from'] or 'a withheld number'}: {call['sid']}")
    for attempt in document["attempts"]:
        click.echo(f"{_clock(attempt['at'])}  {attempt['technician']:12} {attempt['result'] or 'ringing'}")
    for entry in document["log"]:
        click.echo(f"{_clock(entry['at'])}  {entry['actor']:12} {entry['act']}  {entry['text']}".rstrip())


# -- acting ------------------------------------------------------------------------------------


@case.command()
@click.argument("name", metavar="CASE")
@click.option("--technician", metavar="KEY", required=True, help="Who takes it.")
@click.pass_obj
def take(context: Context, name: str, technician: str) -> None:
    """A technician takes the case by hand: the clock stops, nobody is rung for it any more."""
    with _acting(context, name) as (connection, found):
        casework.take(connection, context.actor, context.at, found, technician)
    click.echo(f"case {found.number} is taken by {technician}")


@case.command("pass")
@click.argument("name", metavar="CASE")
@reason_option
@click.pass_obj
def pass_(context: Context, name: str, reason: str) -> None:
    """Whoever has the case gives it up: the ladder is phoned again, he last."""
    with _acting(context, name) as (connection, found):
        casework.pass_on(connection, context.actor, context.at, found, reason)
    click.echo(f"case {found.number} is passed on")


@case.command()
@click.argument("name", metavar="CASE")
@click.option("--outcome", default="", help="How it ended.")
@click.option("--minutes", type=click.IntRange(min=0), help="Minutes worked; a prepaid package pays first.")
@click.pass_obj
def close(context: Context, name: str, outcome: str, minutes: int | None) -> None:
    """Close the case."""
    with _acting(context, name) as (connection, found):
        casework.close(connection, context.actor, context.at, found, outcome, minutes)
    click.echo(f"case {found.number} is closed")


@case.command()
@click.argument("name", metavar="CASE")
@reason_option
@click.pass_obj
def reopen(context: Context, name: str, reason: str) -> None:
    """Open a case again that was closed by mistake, within 24 hours."""
    with _acting(context, name) as (connection, found):
        casework.reopen(connection, context.actor, context.at, found, reason)
    click.echo(f"case {found.number} is open again")


@case.command()
@click.argument("name", metavar="CASE")
@click.argument("urgency")
@click.option("--reason", metavar="TEXT", required=True, help="Why; it stands in the case's log.")
@click.pass_obj
def reclassify(context: Context, name: str, urgency: str, reason: str) -> None:
    """State the case's urgency anew; both codes stay on record, the deadline moves."""
    with _acting(context, name) as (connection, found):
        known = context.configuration.urgency
        casework.reclassify(connection, context.actor, context.at, found, urgency, reason, known)
    click.echo(f"case {found.number} is {urgency}")


@case.command()
@click.argument("name", metavar="CASE")
@click.argument("text")
@click.pass_obj
def note(context: Context, name: str, text: str) -> None:
    """Write something down about the case."""
    with _acting(context, name) as (connection, found):
        casework.note(connection, context.actor, context.at, found, text)
    click.echo(f"noted in case {found.number}")


@case.command()
@click.argument("name", metavar="CASE")
@click.argument("other", metavar="OTHER")
@click.pass_obj
def merge(context: Context, name: str, other: str) -> None:
    """Two cases are the same problem: the older goes on, with the calls of both."""
    with _acting(context, name) as (connection, found):
        kept = casework.merge(connection, context.actor, context.at, found, cases.find(connection, other))
    click.echo(f"case {kept.number} goes on")


@case.command("name")
@click.argument("name", metavar="CASE")
@click.argument("customer", metavar="CUSTOMER")
@click.pass_obj
def name_(context: Context, name: str, customer: str) -> None:
    """Say whose a case is whose caller had no PIN and was heard by a technician."""
    with _acting(context, name) as (connection, found):
        known = context.configuration.urgency
        casework.name_customer(connection, context.actor, context.at, found, customer, known)
    click.echo(f"case {found.number} is {customer.upper()}'s")


# -- small parts -------------------------------------------------------------------------------


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (CaseRefusal, RosterRefusal, RegistryRefusal) as refused:
        raise Refused(str(refused)) from None


@contextmanager
def _acting(context: Context, name: str) -> Iterator[tuple[Connection, Case]]:
    """A transaction, and the case of this number or code."""
    with _refusing(), context.writing() as connection:
        yield connection, cases.find(connection, name)


def _document(
    context: Context, connection: Connection, each: Case, codes: Mapping[int, str]
) -> dict[str, Any]:
    zone = context.configuration.zone
    return {
        "number": each.number,
        "code": each.code,
        "customer": codes.get(each.customer_id or 0),
        "verified": not each.screened,
        "rota": each.rota,
        "urgency": each.urgency,
        "opened": local(each.opened_at, zone),
        "due": local(each.due_at, zone),
        "taken_by": each.taken_by,
        "taken_at": local(each.taken_at, zone),
        "taken_via": each.taken_via,
        "connected_at": local(each.connected_at, zone),
        "breached_at": local(each.breached_at, zone),
        "closed_at": local(each.closed_at, zone),
        "closed_by": each.closed_by,
        "final_urgency": each.final_urgency,
        "merged_into": each.merged_into,
        "outcome": each.outcome,
        "minutes": each.minutes,
        "billable": each.billable,
        "attempts": [
            {"at": local(attempt.at, zone), "technician": attempt.technician, "result": attempt.result}
            for attempt in attempts.attempts_of(connection, each.id)
        ],
    }


def _story(context: Context, connection: Connection, each: Case) -> dict[str, Any]:
    zone = context.configuration.zone
    return {
        "calls": [
            {"at": local(call.started, zone), "sid": call.sid, "from": call.caller, "outcome": call.outcome}
            for call in casework.calls_of(connection, each)
        ],
        "log": [
            {"at": local(entry.at, zone), "actor": entry.actor, "act": entry.act, "text": entry.text}
            for entry in casework.log_of(connection, each.id)
        ],
    }


def _state(document: Mapping[str, Any]) -> str:
    if document["merged_into"]:
        return f"merged into {document['merged_into']}"
    if document["closed_at"]:
        return "closed"
    if document["taken_at"]:
        return f"taken by {document['taken_by']}"
    return "connected" if document["connected_at"] else "open"


def _clock(at: str) -> str:
    return at[:19].replace("T", " ")

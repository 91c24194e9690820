"""`ivr case`"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
from sqlalchemy import Connection

from console.commands.common import Context, Refused, json_option, local, print_json, table
from oncall import attempts, cases, casework, roster
from oncall.cases import Case, CaseRefusal
from oncall.roster import RosterRefusal
from pins import customers


@click.group()
def case() -> None:
    """Accepted emergencies, by their number (2026-00412) or spoken code (4712)."""


@case.command("list")
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """The latest cases, newest first."""
    with context.reading() as connection:
        codes = customers.codes(connection)
        found = [_document(context, connection, each, codes) for each in cases.recent(connection)]
    if as_json:
        print_json({"cases": found})
        return
    rows = [
        (
            each["number"],
            each["code"],
            each["customer"],
            each["urgency"],
            each["opened"][:16].replace("T", " "),
            each["due"][11:16],
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
    """One case, with every attempt to reach a technician."""
    try:
        with context.reading() as connection:
            found = cases.find(connection, name)
            document = _document(context, connection, found, customers.codes(connection))
    except CaseRefusal as refused:
        raise Refused(str(refused)) from None
    if as_json:
        print_json(document)
        return
    for key, value in document.items():
        if key != "attempts":
            click.echo(f"{key:14} {value if value is not None else '–'}")
    for attempt in document["attempts"]:
        click.echo(f"{attempt['at'][11:19]}  {attempt['technician']:12} {attempt['result'] or 'ringing'}")


@case.command()
@click.argument("name", metavar="CASE")
@click.option("--technician", metavar="KEY", required=True, help="Who takes it.")
@click.pass_obj
def take(context: Context, name: str, technician: str) -> None:
    """A technician takes the case by hand: the clock stops, nobody is rung for it any more."""
    try:
        with context.writing() as connection:
            roster.technician(connection, technician)
            found = cases.find(connection, name)
            casework.take(connection, context.actor, context.at, found, technician)
    except (CaseRefusal, RosterRefusal) as refused:
        raise Refused(str(refused)) from None
    click.echo(f"case {found.number} is taken by {technician}")


@case.command()
@click.argument("name", metavar="CASE")
@click.option("--outcome", default="", help="How it ended.")
@click.option("--minutes", type=click.IntRange(min=0), help="Minutes worked.")
@click.pass_obj
def close(context: Context, name: str, outcome: str, minutes: int | None) -> None:
    """Close the case."""
    try:
        with context.writing() as connection:
            found = cases.find(connection, name)
            casework.close(connection, context.actor, context.at, found, outcome=outcome, minutes=minutes)
    except CaseRefusal as refused:
        raise Refused(str(refused)) from None
    click.echo(f"case {found.number} is closed")


def _document(
    context: Context, connection: Connection, each: Case, codes: Mapping[int, str]
) -> dict[str, Any]:
    zone = context.configuration.zone
    return {
        "number": each.number,
        "code": each.code,
        "customer": codes.get(each.customer_id or 0),
        "verified": not each.screened,
        "urgency": each.urgency,
        "opened": local(each.opened_at, zone),
        "due": local(each.due_at, zone),
        "taken_by": each.taken_by,
        "taken_at": local(each.taken_at, zone),
        "connected_at": local(each.connected_at, zone),
        "closed_at": local(each.closed_at, zone),
        "final_urgency": each.final_urgency,
        "attempts": [
            {"at": local(attempt.at, zone), "technician": attempt.technician, "result": attempt.result}
            for attempt in attempts.attempts_of(connection, each.id)
        ],
    }


def _state(document: Mapping[str, Any]) -> str:
    if document["closed_at"]:
        return "closed"
    if document["taken_at"]:
        return f"taken by {document['taken_by']}"
    return "connected" if document["connected_at"] else "open"

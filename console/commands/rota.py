"""`ivr rota`"""

from __future__ import annotations

from pathlib import Path

import click
from sqlalchemy import Connection

from console.commands.common import (
    Context,
    Refused,
    instant,
    json_option,
    local,
    print_json,
    reason_option,
    table,
)
from oncall import roster, rota_file
from oncall.roster import RosterRefusal
from oncall.rota_file import RotaFileRefused


@click.group()
def rota() -> None:
    """Who is on duty, computed from rules."""


def _key(context: Context, connection: Connection, given: str | None) -> str:
    """The rota asked for: the one given, else the only or first one."""
    if given is not None:
        return given
    known = roster.rota_keys(connection)
    return known[0] if known else context.configuration.number[0].rota


@rota.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--from", "start", metavar="INSTANT", help="From when the new rules hold; now if not given.")
@reason_option
@click.pass_obj
def apply(context: Context, file: Path, start: str | None, reason: str | None) -> None:
    """Apply a rota FILE: technicians and rules, all or nothing. The past stays as it was."""
    zone = context.configuration.zone
    try:
        plan = rota_file.read(file.read_text(encoding="utf-8"))
        with context.writing() as connection:
            done = roster.apply(
                connection,
                context.actor,
                context.at,
                context.configuration.ringing,
                plan,
                start=instant(start, zone) if start else None,
                reason=reason,
            )
    except (RotaFileRefused, RosterRefusal) as refused:
        raise Refused(f"{file}: {refused}") from None
    except UnicodeDecodeError:
        raise Refused(f"{file}: not UTF-8") from None
    for each in done:
        click.echo(each)
    served = {number.rota for number in context.configuration.number}
    if plan.rota and not served & {entry.key for entry in plan.rota}:
        click.echo(f"note: the numbers ring {', '.join(sorted(served))}", err=True)


@rota.command()
@click.option("--rota", "rota_key", metavar="KEY")
@click.option("--at", "when", metavar="INSTANT", help="Now if not given.")
@json_option
@click.pass_obj
def show(context: Context, rota_key: str | None, when: str | None, as_json: bool) -> None:
    """The rules in force, rung by rung."""
    at = instant(when, context.configuration.zone) if when else context.at
    try:
        with context.reading() as connection:
            key = _key(context, connection, rota_key)
            document = roster.document(connection, key, at)
    except RosterRefusal as refused:
        raise Refused(str(refused)) from None
    if as_json:
        print_json({"rota": key, **document})
        return
    click.echo(f"rota {key}, {document['time_zone']}")
    rungs = document["rung"]
    assert isinstance(rungs, list)
    for number, rung in enumerate(rungs, start=1):
        turns = (
            f", every {rung['every']} from {rung['starts']} at {rung['handover']}"
            if "starts" in rung
            else ", always"
        )
        click.echo(f"  rung {number}: {', '.join(rung['people'])}{turns}")


@rota.command()
@click.option("--rota", "rota_key", metavar="KEY")
@click.option("--at", "when", metavar="INSTANT", help="Now if not given.")
@json_option
@click.pass_obj
def who(context: Context, rota_key: str | None, when: str | None, as_json: bool) -> None:
    """Who is rung at an instant, rung by rung, and why he."""
    zone = context.configuration.zone
    at = instant(when, zone) if when else context.at
    with context.reading() as connection:
        key = _key(context, connection, rota_key)
        ladder = roster.ladder(connection, context.configuration.ringing, key, at)
    if as_json:
        print_json(
            {
                "at": local(at, zone),
                "rota": key,
                "ladder": [
                    {"rung": c.rung, "technician": c.technician, "phone": c.phone, "because": c.because}
                    for c in ladder
                ],
            }
        )
    elif ladder:
        rows = [(str(c.rung), c.technician, c.name, c.phone, c.because) for c in ladder]
        table(rows, ("rung", "technician", "name", "phone", "because"))
    else:
        click.echo(f"nobody is on duty in rota {key} at {local(at, zone)}")


@rota.command()
@click.option("--rota", "rota_key", metavar="KEY")
@click.option("--rung", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--from", "start", metavar="INSTANT", required=True)
@click.option("--to", "end", metavar="INSTANT", required=True)
@click.option("--technician", metavar="KEY", required=True)
@reason_option
@click.pass_obj
def override(
    context: Context,
    rota_key: str | None,
    rung: int,
    start: str,
    end: str,
    technician: str,
    reason: str | None,
) -> None:
    """Let a technician replace whoever has the turn on a rung for a while."""
    zone = context.configuration.zone
    try:
        with context.writing() as connection:
            key = _key(context, connection, rota_key)
            roster.override(
                connection,
                context.actor,
                context.at,
                key,
                rung,
                instant(start, zone),
                instant(end, zone),
                technician,
                reason=reason,
            )
    except RosterRefusal as refused:
        raise Refused(str(refused)) from None
    click.echo(f"{technician} has rung {rung} of rota {key} from {start} to {end}")

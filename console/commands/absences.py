"""`ivr rota absence`"""

from __future__ import annotations

from datetime import timedelta

import click

from console.commands.common import Context, instant, json_option, local, print_json, reason_option, table
from console.commands.duty import as_json as findings_json
from console.commands.duty import note, refusing
from oncall.rota import absences
from oncall.rota.coverage import wall

# `list` shows what has not ended, and with --past what ended since.
PAST = timedelta(days=366)
AHEAD = timedelta(days=3660)


@click.group()
def absence() -> None:
    """When somebody cannot be on duty: his turns pass on to the next."""


@absence.command()
@click.argument("technician", metavar="KEY")
@click.option("--from", "start", metavar="INSTANT", help="Now if not given.")
@click.option("--to", "end", metavar="INSTANT", required=True, help="When he can be on duty again.")
@click.option("--kind", type=click.Choice(absences.KINDS), required=True, help="What he is away for.")
@json_option
@reason_option
@click.pass_obj
def add(
    context: Context,
    technician: str,
    start: str | None,
    end: str,
    kind: str,
    as_json: bool,
    reason: str | None,
) -> None:
    """Technician KEY is away. Never refused because of a hole: each hole it opens is alarmed.

    Of an illness nothing but the kind is kept: no reason is taken.
    """
    zone = context.configuration.zone
    with refusing(), context.writing() as connection:
        recorded = absences.record(
            connection,
            context.actor,
            context.at,
            technician,
            instant(start, zone) if start else context.at,
            instant(end, zone),
            kind,
            reason=reason,
        )
    if as_json:
        print_json({"id": recorded.id, "opened": findings_json(recorded.opened, zone)})
        return
    click.echo(f"{technician} is away until {end} (absence {recorded.id})")
    note(recorded.opened, zone)


@absence.command("list")
@click.option("--technician", metavar="KEY", help="Only his.")
@click.option("--past", is_flag=True, help="Those of the last year too, and those that were withdrawn.")
@json_option
@click.pass_obj
def list_(context: Context, technician: str | None, past: bool, as_json: bool) -> None:
    """Absences that have not ended."""
    zone = context.configuration.zone
    since = context.at - PAST if past else context.at
    with context.reading() as connection:
        found = absences.of(connection, technician, since, context.at + AHEAD, withdrawn=past)
    if as_json:
        print_json(
            {
                "absences": [
                    {
                        "id": each.id,
                        "technician": each.technician,
                        "from": local(each.start, zone),
                        "to": local(each.end, zone),
                        "kind": each.kind,
                        "from_calendar": bool(each.source),
                        "withdrawn": local(each.withdrawn_at, zone),
                    }
                    for each in found
                ]
            }
        )
        return
    rows = [
        (
            str(each.id),
            each.technician,
            wall(each.start, zone),
            wall(each.end, zone),
            each.kind,
            "withdrawn" if each.withdrawn_at else "calendar" if each.source else "",
        )
        for each in found
    ]
    table(rows, ("id", "technician", "from", "to", "kind", ""))


@absence.command()
@click.argument("absence_id", metavar="ID", type=int)
@reason_option
@click.pass_obj
def withdraw(context: Context, absence_id: int, reason: str | None) -> None:
    """Take absence ID back: from now on he can be on duty; what was, stays."""
    with refusing(), context.writing() as connection:
        known = absences.withdraw(connection, context.actor, context.at, absence_id, reason=reason)
    click.echo(f"absence {absence_id} is withdrawn: {known.technician} can be on duty again")

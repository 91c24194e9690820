"""`ivr rota feed` and `ivr rota absences-from`: turns out to calendars, absences in from them."""

from __future__ import annotations

from pathlib import Path

import click

from console.commands.common import Context, Refused, json_option, print_json, reason_option
from console.commands.duty import refusing, rota_of
from console.outbound.calendar_fetch import FetchFailed, fetch
from console.work.calendars import CALENDAR
from oncall.calendars import calendar_absences, calendar_import, feeds
from oncall.calendars.calendar_absences import Brought
from oncall.calendars.calendar_import import LARGEST, CalendarRefused

_rota = click.option("--rota", "rota_key", metavar="KEY", help="A whole rota.")
_technician = click.option("--technician", metavar="KEY", help="One technician's turns, in every rota.")


@click.command()
@_rota
@_technician
@click.option("--revoke", is_flag=True, help="End the address that was given out, and give no new one.")
@json_option
@reason_option
@click.pass_obj
def feed(
    context: Context,
    rota_key: str | None,
    technician: str | None,
    revoke: bool,
    as_json: bool,
    reason: str | None,
) -> None:
    """The secret address of a calendar of turns, shown once. A new one ends the one before."""
    if rota_key is not None and technician is not None:
        raise click.UsageError("give --rota or --technician, not both")
    if not revoke and not context.configuration.service.public_url:
        raise Refused("service.public_url is missing: there is no address to show")
    with refusing(), context.writing() as connection:
        rota = None if technician is not None else rota_of(context, connection, rota_key)
        if revoke:
            ended = feeds.revoke(
                connection, context.actor, context.at, rota=rota, technician=technician, reason=reason
            )
        else:
            token = feeds.issue(
                connection, context.actor, context.at, rota=rota, technician=technician, reason=reason
            )
    whose = technician or f"rota {rota}"
    if revoke:
        if not ended:
            raise Refused(f"there is no calendar of {whose}")
        click.echo(f"the calendar of {whose} has ended")
        return
    address = f"{context.configuration.service.public_url}/cal/{token}.ics"
    if as_json:
        print_json({"rota": rota, "technician": technician, "address": address})
        return
    click.echo(address)
    click.echo("whoever knows this address sees the turns; it is not shown again", err=True)


@click.command("absences-from")
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--url", is_flag=True, help="From the address in calendars.absences, now.")
@click.option("--technician", metavar="KEY", required=True, help="Whose absences they are.")
@click.option(
    "--calendar",
    "named",
    metavar="NAME",
    default="file",
    show_default=True,
    help="Which of his calendars FILE is: it takes the place of what was read under this name before.",
)
@json_option
@reason_option
@click.pass_obj
def absences_from(
    context: Context,
    file: Path | None,
    url: bool,
    technician: str,
    named: str,
    as_json: bool,
    reason: str | None,
) -> None:
    """Make a technician's absences follow a calendar FILE (.ics): what it says of the time to come."""
    if (file is None) == (not url):
        raise click.UsageError("give a FILE or --url")
    if ":" in named or not named or len(named) > 100 or (named == CALENDAR and not url):
        raise click.UsageError(f"a calendar's name has no colon and is not {CALENDAR!r}")
    source = "its address" if file is None else str(file)
    try:
        content = _fetched(context, technician) if file is None else _read(file)
        entries = calendar_import.read(content, context.configuration.zone, context.at)
    except (CalendarRefused, FetchFailed) as why:
        raise Refused(f"{source}: {why}; nothing was changed") from None
    with refusing(), context.writing() as connection:
        done = calendar_absences.bring(
            connection,
            context.actor,
            context.at,
            technician,
            CALENDAR if file is None else named,
            entries,
            reason=reason,
        )
    _print(technician, done, as_json)


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(LARGEST + 1)


def _fetched(context: Context, technician: str) -> bytes:
    calendars = context.configuration.calendars
    if technician not in calendars.absences:
        raise Refused(f"calendars.absences names no address for {technician}")
    return fetch(calendars.absences[technician].get_secret_value(), calendars.hosts)


def _print(technician: str, done: Brought, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "technician": technician,
                "added": done.added,
                "changed": done.changed,
                "withdrawn": done.withdrawn,
                "unchanged": done.unchanged,
            }
        )
        return
    click.echo(
        f"absences of {technician}: {done.added} added, {done.changed} changed, "
        f"{done.withdrawn} withdrawn, {done.unchanged} as they were"
    )

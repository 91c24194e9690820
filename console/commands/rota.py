"""`ivr rota`"""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import click

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
from console.commands.duty import as_json as findings_json
from console.commands.duty import note, refusing, rota_of, rota_option, summary, told
from oncall import people
from oncall.rota import coverage, planning, roster
from oncall.rota.coverage import wall
from oncall.rota.roster import UnknownRota

# Where the commands stand that are not here, each loaded when it is asked for: what a calendar needs is
# slow to load.
ELSEWHERE = {
    "absence": ("absences", "absence"),
    "absences-from": ("feeds", "absences_from"),
    "apply": ("rota_apply", "apply"),
    "feed": ("feeds", "feed"),
    "swap": ("swaps", "swap"),
}


class Commands(click.Group):
    """The commands here and elsewhere, by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, name = ELSEWHERE[cmd_name]
        command: click.Command = getattr(import_module(f"console.commands.{module}"), name)
        return command


@click.group(cls=Commands)
def rota() -> None:
    """Who is on duty, computed from rules."""


# -- looking -----------------------------------------------------------------------------------


@rota.command()
@rota_option
@click.option("--month", metavar="YYYY-MM", help="The current one if not given.")
@click.option("--rules", is_flag=True, help="The rules in force instead, rung by rung.")
@click.option("--at", "when", metavar="INSTANT", help="With --rules: when; now if not given.")
@json_option
@click.pass_obj
def show(
    context: Context, rota_key: str | None, month: str | None, rules: bool, when: str | None, as_json: bool
) -> None:
    """A month of turns, with hand-overs, replacements and holes; or the rules."""
    if month is not None and (rules or when is not None):
        raise click.UsageError("--month shows turns, --rules and --at show rules: give one of them")
    if rules or when is not None:
        _show_rules(context, rota_key, when, as_json)
    else:
        _show_month(context, rota_key, month, as_json)


def _show_rules(context: Context, rota_key: str | None, when: str | None, as_json: bool) -> None:
    at = instant(when, context.configuration.zone) if when else context.at
    with refusing(), context.reading() as connection:
        key = rota_of(context, connection, rota_key)
        document = roster.document(connection, key, at)
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
        click.echo(
            f"  rung {number}: {', '.join(rung['people'])}{turns}"
            if rung.get("people")
            else f"  rung {number}:"
        )
        for pattern in rung.get("pattern", ()):
            days = ", ".join(day[:3] for day in pattern["days"]) if "days" in pattern else "every day"
            turns = f", every {pattern['every']} from {pattern['starts']}" if "starts" in pattern else ""
            who = ", ".join(pattern["people"])
            click.echo(f"    {days} {pattern['from']}-{pattern['to']}: {who}{turns}")


def _show_month(context: Context, rota_key: str | None, month: str | None, as_json: bool) -> None:
    # Only this command draws: the others need not wait for the library that does.
    from rich.console import Console

    from console import rota_month

    zone = context.configuration.zone
    try:
        asked = rota_month.month_of(month or f"{context.at.astimezone(zone):%Y-%m}", zone)
    except ValueError as error:
        raise Refused(str(error)) from None
    with refusing(), context.reading() as connection:
        key = rota_of(context, connection, rota_key)
        known = roster.book(connection, key)
        if not known.versions:
            raise UnknownRota(key)
        names = {each.key: each.name for each in people.all_technicians(connection)}
    if as_json:
        held = [turn for turn in rota_month.turns(known, asked) if turn.technician is not None]
        print_json(
            {
                "rota": key,
                "month": asked.name,
                "turns": [
                    {
                        "rung": turn.rung,
                        "technician": turn.technician,
                        "from": local(turn.start, zone),
                        "to": local(turn.end, zone),
                        "because": turn.because,
                    }
                    for turn in held
                ],
                "holes": [
                    {"from": local(start, zone), "to": local(end, zone)}
                    for start, end in rota_month.holes(known, asked)
                ],
            }
        )
    else:
        rota_month.draw(Console(highlight=False), key, known, asked, names, context.at)


@rota.command()
@rota_option
@click.option("--at", "when", metavar="INSTANT", help="Now if not given.")
@json_option
@click.pass_obj
def who(context: Context, rota_key: str | None, when: str | None, as_json: bool) -> None:
    """Who is rung at an instant, rung by rung, and why he."""
    zone = context.configuration.zone
    at = instant(when, zone) if when else context.at
    with context.reading() as connection:
        key = rota_of(context, connection, rota_key)
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
@click.option("--rota", "rota_key", metavar="KEY", help="Of this rota alone.")
@click.option("--days", type=click.IntRange(1, 366), help="How far ahead; notices.look_ahead if not given.")
@json_option
@click.pass_obj
def gaps(context: Context, rota_key: str | None, days: int | None, as_json: bool) -> None:
    """What is wrong with the time to come. Exit 1 if there is any hole: nobody to ring."""
    zone = context.configuration.zone
    until = context.at + timedelta(days=days or context.configuration.notices.look_ahead)
    with refusing(), context.reading() as connection:
        if rota_key is not None and rota_key not in roster.rota_keys(connection):
            raise UnknownRota(rota_key)
        found = [
            each
            for each in coverage.findings(connection, context.configuration.ringing, context.at, until)
            if rota_key in (None, each.rota)
        ]
    if as_json:
        span = {"from": local(context.at, zone), "to": local(until, zone)}
        print_json({**span, "findings": findings_json(found, zone)})
    else:
        for line in summary(found, zone):
            click.echo(line)
        if not found:
            click.echo(f"nothing is wrong up to {wall(until, zone)}")
    if holes := [each for each in found if each.kind == "hole"]:
        more = f", and {len(holes) - 1} more" if len(holes) > 1 else ""
        raise Refused(f"{told(holes[0], zone)}{more}")


# -- replacing ---------------------------------------------------------------------------------


@rota.command()
@rota_option
@click.option("--rung", type=click.IntRange(min=1), default=1, show_default=True, help="Which rung.")
@click.option("--from", "start", metavar="INSTANT", help="When he begins.")
@click.option("--to", "end", metavar="INSTANT", help="When the other has it again.")
@click.option("--technician", metavar="KEY", help="Who has it then.")
@click.option("--withdraw", "withdrawn", metavar="ID", type=int, help="Take this override back, from now on.")
@click.option("--list", "listing", is_flag=True, help="Those that have not ended.")
@json_option
@reason_option
@click.pass_obj
def override(
    context: Context,
    rota_key: str | None,
    rung: int,
    start: str | None,
    end: str | None,
    technician: str | None,
    withdrawn: int | None,
    listing: bool,
    as_json: bool,
    reason: str | None,
) -> None:
    """Let a technician replace whoever has the turn on a rung for a while."""
    given = [start, end, technician]
    if listing or withdrawn is not None:
        if any(given) or (listing and withdrawn is not None):
            raise click.UsageError("--list and --withdraw stand alone")
        if listing:
            _list_overrides(context, rota_key, as_json)
        elif withdrawn is not None:
            _withdraw_override(context, withdrawn, reason)
        return
    if start is None or end is None or technician is None:
        raise click.UsageError("give --from, --to and --technician, or --list, or --withdraw ID")
    zone = context.configuration.zone
    with refusing(), context.writing() as connection:
        key = rota_of(context, connection, rota_key)
        made, arose = planning.override(
            connection,
            context.actor,
            context.at,
            context.configuration.ringing,
            key,
            rung,
            instant(start, zone),
            instant(end, zone),
            technician,
            reason=reason,
        )
    if as_json:
        print_json({"id": made, "findings": findings_json(arose, zone)})
        return
    click.echo(f"{technician} has rung {rung} of rota {key} from {start} to {end} (override {made})")
    note(arose, zone)


def _withdraw_override(context: Context, override_id: int, reason: str | None) -> None:
    with refusing(), context.writing() as connection:
        opened = planning.withdraw_override(connection, context.actor, context.at, override_id, reason=reason)
    click.echo(f"override {override_id} is withdrawn")
    note(opened, context.configuration.zone)


def _list_overrides(context: Context, rota_key: str | None, as_json: bool) -> None:
    zone = context.configuration.zone
    with context.reading() as connection:
        key = rota_of(context, connection, rota_key)
        held = [each for each in roster.book(connection, key).overrides if each.end > context.at]
    held.sort(key=lambda each: (each.start, each.id))
    if as_json:
        print_json(
            {
                "rota": key,
                "overrides": [
                    {
                        "id": each.id,
                        "rung": each.rung,
                        "technician": each.technician,
                        "from": local(each.start, zone),
                        "to": local(each.end, zone),
                        "because": each.because,
                    }
                    for each in held
                ],
            }
        )
        return
    rows = [
        (str(o.id), str(o.rung), o.technician, wall(o.start, zone), wall(o.end, zone), o.because)
        for o in held
    ]
    table(rows, ("id", "rung", "technician", "from", "to", "because"))

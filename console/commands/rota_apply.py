"""`ivr rota apply`: what a file changes is seen before it holds."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import click

from console.commands.common import Context, Refused, instant, json_option, local, print_json, reason_option
from console.commands.duty import as_json as findings_json
from console.commands.duty import summary
from oncall.rota import planning, rota_file
from oncall.rota.coverage import wall
from oncall.rota.planning import OpensHoles, Outcome
from oncall.rota.roster import RosterRefusal
from oncall.rota.rota_file import RotaFileRefused


class _OnlyLooked(Exception):
    """Thrown out of the transaction, so that nothing of it stays."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--from", "start", metavar="INSTANT", help="From when the new rules hold; now if not given.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--allow-holes", is_flag=True, help="Even if nobody is on duty then; the admins are told.")
@json_option
@reason_option
@click.pass_obj
def apply(
    context: Context,
    file: Path,
    start: str | None,
    dry_run: bool,
    allow_holes: bool,
    as_json: bool,
    reason: str | None,
) -> None:
    """Apply a rota FILE: technicians and rules, all or nothing. The past stays as it was.

    Shows whose turns change. Refused if it leaves nobody on duty where somebody is now.
    """
    zone = context.configuration.zone
    refused: str | None = None
    written = False
    try:
        plan = rota_file.read(file.read_text(encoding="utf-8"))
        since = instant(start, zone) if start else None
        with context.writing() as connection:
            outcome = planning.apply(
                connection,
                context.actor,
                context.at,
                context.configuration.ringing,
                context.configuration.notices,
                plan,
                zone=zone,
                start=since,
                allow_holes=allow_holes,
                reason=reason,
            )
            if dry_run:
                raise _OnlyLooked(outcome)
        written = True
    except _OnlyLooked as looked:
        outcome = looked.outcome
    except OpensHoles as holes:
        outcome, refused = holes.outcome, f"{holes} (--allow-holes applies it all the same)"
    except (RotaFileRefused, RosterRefusal) as wrong:
        raise Refused(f"{file}: {wrong}") from None
    except UnicodeDecodeError:
        raise Refused(f"{file}: not UTF-8") from None
    if as_json:
        _print_json(outcome, zone, written=written)
    else:
        _print(outcome, zone, written=written)
    if refused:
        raise Refused(f"{file}: {refused}")
    served = {number.rota for number in context.configuration.number}
    if plan.rota and not served & {entry.key for entry in plan.rota}:
        click.echo(f"note: the numbers ring {', '.join(sorted(served))}", err=True)


# Turns that are told one by one.
SHOWN = 20


def _print(outcome: Outcome, zone: ZoneInfo, *, written: bool) -> None:
    for each in outcome.done:
        click.echo(each if written else f"would be: {each}")
    if outcome.changes:
        click.echo(f"turns that change up to {wall(outcome.end, zone)}:")
    rotas = {change.rota for change in outcome.changes}
    for change in outcome.changes[:SHOWN]:
        where = f"rota {change.rota}, rung {change.rung}" if len(rotas) > 1 else f"rung {change.rung}"
        when = f"{wall(change.start, zone)} – {wall(change.end, zone)}"
        if change.end == outcome.end:  # that is only as far as one looked
            when = f"from {wall(change.start, zone)} on"
        click.echo(f"  {where}  {when}  {change.had or 'nobody'} → {change.has or 'nobody'}")
    if len(outcome.changes) > SHOWN:
        click.echo(
            f"  and {len(outcome.changes) - SHOWN} more; `ivr rota show` draws them, --json lists them"
        )
    for line in summary(outcome.opened, zone):
        click.echo(f"! {line}")
    for line in summary(outcome.arose, zone):
        click.echo(f"note: {line}")
    if not written:
        click.echo("nothing was changed")


def _print_json(outcome: Outcome, zone: ZoneInfo, *, written: bool) -> None:
    print_json(
        {
            "applied": written,
            "done": outcome.done,
            "until": local(outcome.end, zone),
            "changes": [
                {
                    "rota": change.rota,
                    "rung": change.rung,
                    "from": local(change.start, zone),
                    "to": local(change.end, zone),
                    "had": change.had,
                    "has": change.has,
                }
                for change in outcome.changes
            ],
            "opened": findings_json(outcome.opened, zone),
            "findings": findings_json(outcome.arose, zone),
        }
    )

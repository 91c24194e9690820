"""`ivr purge` and `ivr privacy`."""

from __future__ import annotations

import click

from console.commands.common import Context, json_option, local, print_json, refusing, table
from console.outside import follow
from console.privacy import purging, record
from console.privacy.purging import Due
from console.processes.worker import tick
from console.work.erasure import TRACES, remove


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
@click.pass_obj
def purge(context: Context, dry_run: bool, as_json: bool) -> None:
    """Purge now what is kept longer than [privacy] says, as the worker does daily. See docs/privacy.md."""
    with context.house() as house, refusing():
        found = purging.looked(house, context.at)
        counts = {}
        if not dry_run:
            counts = purging.purge(house, context.actor, context.at).counts
            tick(house, context.at, {TRACES: remove})
            follow(house, context.at)
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "kinds": [_kind(context, each) | {"purged": counts.get(each.kind.name, 0)} for each in found],
            }
        )
        return
    heads = ("kind", "days", "before", "would go" if dry_run else "purged")
    rows = [
        (
            each.kind.name,
            str(each.days),
            f"{each.before.astimezone(context.configuration.zone):%Y-%m-%d %H:%M}",
            str(each.count if dry_run else counts.get(each.kind.name, 0)),
        )
        for each in found
    ]
    table(rows, heads)


def _kind(context: Context, each: Due) -> dict[str, object]:
    return {
        "kind": each.kind.name,
        "what": record.words("en")["kinds"][each.kind.name],
        "setting": f"privacy.{each.kind.setting}" if each.kind.setting else None,
        "days": each.days,
        "before": local(each.before, context.configuration.zone),
        "count": each.count,
    }


@click.group()
def privacy() -> None:
    """Papers of privacy, printed from the configuration. See docs/privacy.md."""


@privacy.command("record")
@click.option(
    "--language",
    type=click.Choice(record.LANGUAGES),
    default="it",
    show_default=True,
    help="What it is written in.",
)
@json_option
@click.pass_obj
def print_record(context: Context, language: str, as_json: bool) -> None:
    """Print the record of processing (GDPR, art. 30) and the processors, in Markdown."""
    configuration = context.configuration
    day = f"{context.at.astimezone(configuration.zone):%Y-%m-%d}"
    made = record.document(configuration, language, day)
    if as_json:
        print_json(made)
    else:
        click.echo(record.markdown(made, language), nl=False)

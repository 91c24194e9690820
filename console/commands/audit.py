"""`ivr audit`"""

from __future__ import annotations

import json

import click

from console import verification
from console.commands.common import Context, Refused, json_option, local, print_json, table
from storage import anchors
from storage import audit as log

# More faults than these are counted, not shown: they say no more.
SHOWN = 50


@click.group()
def audit() -> None:
    """Who did what, when and why."""


@audit.command()
@json_option
@click.pass_obj
def verify(context: Context, as_json: bool) -> None:
    """Check the whole log: its chain, its anchors, the ledger. Exit 1 if anything was tampered with."""
    try:
        known = verification.outside(context.configuration)
    except OSError as error:
        folder = context.configuration.service.state
        raise Refused(f"the files in {folder} cannot be read: {error.strerror}") from None
    with context.reading() as connection:
        told = verification.verify(connection, known)
    found: list[tuple[int | None, str]] = [(fault.id, fault.what) for fault in told.faults]
    if not told.keyed:
        found.append((None, "service.signing_key is missing: anchors and ledger not checked"))
    found += [(None, f"{each.file}, line {each.line} {each.what}") for each in told.file_faults]
    if told.remembers_nothing:
        found.append((None, f"{anchors.FILE} remembers nothing: that rows are gone could not be seen"))
    if as_json:
        print_json(
            {
                "rows": told.rows,
                "anchors": told.anchors,
                "ledger": told.ledger,
                "waiting": told.waiting,
                "torn": told.torn,
                "lost": [
                    {"at": local(each.at, context.configuration.zone), "after": each.after, "upto": each.upto}
                    for each in told.lost
                ],
                "faults": [{"id": number, "what": what} for number, what in found],
            }
        )
    else:
        holds = "" if found else ": everything holds"
        click.echo(f"{told.rows} rows, {told.anchors} anchors, {told.ledger} in the ledger{holds}")
        if told.waiting:
            click.echo(f"note: {told.waiting} more for the ledger wait for the worker")
        if told.torn:
            click.echo(f"note: a crash left {told.torn} torn line(s) in the files; no act is lost by it")
        for each in told.lost:
            when, gone = local(each.at, context.configuration.zone), f"{each.after + 1} to {each.upto}"
            click.echo(f"note: a backup was restored on {when}: rows {gone} of then are gone")
    for number, what in found[:SHOWN]:
        click.echo(f"row {number} {what}" if number is not None else what, err=True)
    if len(found) > SHOWN:
        click.echo(f"and {len(found) - SHOWN} more", err=True)
    if found:
        raise SystemExit(1)


@audit.command("list")
@click.option("--subject", help='Only acts on this, such as "pin:3" or "technician:anna".')
@click.option("--limit", type=click.IntRange(1, 100_000), default=200, show_default=True, help="How many.")
@json_option
@click.pass_obj
def list_(context: Context, subject: str | None, limit: int, as_json: bool) -> None:
    """The latest acts, newest first. Times are local."""
    zone = context.configuration.zone
    try:
        with context.reading() as connection:
            found = log.acts(connection, [subject] if subject else None, limit=limit)
    except (ValueError, TypeError):
        raise Refused("the log holds what nobody wrote in it: run `ivr audit verify`") from None
    if as_json:
        acts = [
            {
                "id": act.id,
                "at": local(act.at, zone),
                "actor": act.actor,
                "act": act.act,
                "subject": act.subject,
                "details": act.details,
            }
            for act in found
        ]
        print_json({"acts": acts})
        return
    rows = [
        (str(act.id), local(act.at, zone) or "", act.actor, act.act, act.subject, _told(act.details))
        for act in found
    ]
    table(rows, ("id", "at", "actor", "act", "subject", "details"))


def _told(details: dict[str, object] | None) -> str:
    return "(erased)" if details is None else json.dumps(details, ensure_ascii=False) if details else ""

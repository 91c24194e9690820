"""`ivr audit`"""

from __future__ import annotations

import json

import click

from console.commands.common import Context, Refused, json_option, local, print_json, table
from console.house import state_folder
from console.outside import ledger_file, signing_key, waiting_for_ledger
from console.settings import Configuration
from storage import anchors, ledger
from storage import audit as log
from storage.anchors import Anchors
from storage.audit import BEGINNING, Head
from storage.signed_log import Contents

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
    configuration = context.configuration
    key = signing_key(configuration)
    # Before the rows: what is written while they are read is then no fault.
    remembered, noted, wrong = _outside(configuration, key)
    with context.reading() as connection:
        rows, faults = log.verify(connection, remembered.heads, remembered.beginning)
        waiting = waiting_for_ledger(connection)
    found: list[tuple[int | None, str]] = [(fault.id, fault.what) for fault in faults]
    if key is not None and rows and not remembered.heads:
        wrong.append(f"{anchors.FILE} remembers nothing: that rows are gone could not be seen")
    found += [(None, what) for what in wrong]
    torn = remembered.torn + noted.torn
    if as_json:
        print_json(
            {
                "rows": rows,
                "anchors": len(remembered.heads),
                "ledger": len(noted.entries),
                "waiting": waiting,
                "torn": torn,
                "faults": [{"id": number, "what": what} for number, what in found],
            }
        )
    else:
        holds = "" if found else ": everything holds"
        click.echo(f"{rows} rows, {len(remembered.heads)} anchors, {len(noted.entries)} in the ledger{holds}")
        if waiting:
            click.echo(f"note: {waiting} more for the ledger wait for the worker")
        if torn:
            click.echo(f"note: a crash left {torn} torn line(s) in the files; no act is lost by it")
    for number, what in found[:SHOWN]:
        click.echo(f"row {number} {what}" if number is not None else what, err=True)
    if len(found) > SHOWN:
        click.echo(f"and {len(found) - SHOWN} more", err=True)
    if found:
        raise SystemExit(1)


def _outside(configuration: Configuration, key: bytes | None) -> tuple[Anchors, Contents, list[str]]:
    """What the two files hold, and what is wrong with them."""
    if key is None:
        nothing = Anchors([], Head(0, BEGINNING), [], 0)
        return nothing, Contents([], []), ["service.signing_key is missing: anchors and ledger not checked"]
    try:
        remembered = anchors.read(anchors.anchors_in(state_folder(configuration), key))
        noted = ledger.read(ledger_file(configuration), key)
    except OSError as error:
        raise Refused(
            f"the files in {configuration.service.state} cannot be read: {error.strerror}"
        ) from None
    wrong = [f"{anchors.FILE}, line {fault.line} {fault.what}" for fault in remembered.faults]
    wrong += [f"{ledger.FILE}, line {fault.line} {fault.what}" for fault in noted.faults]
    return remembered, noted, wrong


@audit.command("list")
@click.option("--subject", help='Only acts on this, such as "pin:3" or "technician:anna".')
@click.option("--limit", type=click.IntRange(1, 100_000), default=200, show_default=True)
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

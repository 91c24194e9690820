"""`ivr call`: what happened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from console.commands.common import Context, Refused, json_option, local, print_json, table
from console.privacy.keys import kept_sounds
from ivr import journal, pseudonyms
from ivr.journal import CallRecord, UnknownCall
from oncall.cases import cases
from pins import customers


@click.group()
def call() -> None:
    """Calls, as the journal tells them."""


@call.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many.")
@json_option
@click.pass_obj
def list_(context: Context, limit: int, as_json: bool) -> None:
    """The latest calls, newest first."""
    zone = context.configuration.zone
    with context.reading() as connection:
        found = journal.recent(connection, limit=limit)
        codes = customers.codes(connection)
    if as_json:
        print_json({"calls": [_document(context, each, codes) for each in found]})
        return
    rows = [
        (
            each.sid,
            (local(each.started, zone) or "")[:19].replace("T", " "),
            pseudonyms.printed(each.caller) or each.caller.removeprefix(pseudonyms.WITHHELD) or "withheld",
            codes.get(each.customer_id or 0, "–"),
            each.urgency or "–",
            each.outcome or "in progress",
        )
        for each in found
    ]
    table(rows, ("call", "started", "from", "customer", "urgency", "outcome"))


@call.command()
@click.argument("sid")
@json_option
@click.pass_obj
def show(context: Context, sid: str, as_json: bool) -> None:
    """One call, turn by turn: what was heard and said. Never a PIN."""
    try:
        with context.reading() as connection:
            document = _document(context, journal.call(connection, sid), customers.codes(connection))
            document |= _detail(context, connection, sid)
    except UnknownCall as unknown:
        raise Refused(str(unknown)) from None
    if as_json:
        print_json(document)
        return
    for key in ("sid", "from", "to", "number", "started", "ended", "outcome", "customer", "urgency", "case"):
        click.echo(f"{key:9} {document[key] if document[key] is not None else '–'}")
    for turn in document["turns"]:
        click.echo(f"{turn['at'][11:19]}  {turn['step']:13} {turn['heard']}")
        for text in turn["said"]:
            click.echo(f"{'':10}{text}")
    for message in document["messages"]:
        where = message["file"] or f"{message['recording']}, not fetched yet"
        click.echo(f"message of {message['seconds']} s: {where}")


@call.command()
@click.argument("recording")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def sound(context: Context, recording: str, file: Path) -> None:
    """Write the sound of a message into FILE, an MP3 that must not exist; it is kept sealed here."""
    with context.reading() as connection:
        name = journal.message_file(connection, recording)
    heard = kept_sounds(context.configuration).read(name) if name else None
    if heard is None:
        raise Refused(f"there is no recording {recording!r} here that could be read")
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written:
            written.write(heard)
    except OSError as error:
        raise Refused(f"{file} cannot be written: {error.strerror}") from None


def _document(context: Context, each: CallRecord, codes: dict[int, str]) -> dict[str, Any]:
    zone = context.configuration.zone
    names = {number.number: number.name for number in context.configuration.number}
    return {
        "sid": each.sid,
        "from": each.caller,
        "to": each.number,
        "number": names.get(each.number, each.number),
        "started": local(each.started, zone),
        "ended": local(each.ended, zone),
        "outcome": each.outcome,
        "customer": codes.get(each.customer_id or 0),
        "urgency": each.urgency,
    }


def _detail(context: Context, connection: Connection, sid: str) -> dict[str, Any]:
    zone = context.configuration.zone
    opened = cases.of_call(connection, sid)
    folder = context.configuration.folder / context.configuration.service.state / "messages"
    return {
        "case": opened.number if opened else None,
        "turns": [
            {"at": local(turn.at, zone), "step": turn.step, "heard": turn.heard, "said": turn.said}
            for turn in journal.turns_of(connection, sid)
        ],
        "messages": [
            {
                "recording": each.recording,
                "seconds": each.seconds,
                "file": str(folder / each.file) if each.file else None,
            }
            for each in journal.messages_of(connection, sid)
        ],
    }

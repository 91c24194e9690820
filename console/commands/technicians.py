"""`ivr technician`"""

from __future__ import annotations

import click
from pydantic import ValidationError

from console.commands.common import Context, Refused, json_option, print_json, reason_option, table
from oncall import roster
from oncall.roster import RosterRefusal
from oncall.rota_file import TechnicianEntry


@click.group()
def technician() -> None:
    """The people who are rung."""


def _put(context: Context, wanted: dict[str, str | None], reason: str | None) -> None:
    try:
        entry = TechnicianEntry.model_validate({k: v for k, v in wanted.items() if v is not None})
        with context.writing() as connection:
            done = roster.put_technician(
                connection, context.actor, context.at, context.configuration.ringing, entry, reason=reason
            )
    except ValidationError as error:
        raise Refused("; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors())) from None
    except ValueError as error:
        raise Refused(str(error)) from None
    click.echo(f"{entry.key} {done}")


@technician.command()
@click.argument("key")
@click.option("--name", required=True)
@click.option("--phone", required=True, metavar="E164")
@click.option("--spoken-name")
@click.option("--email")
@reason_option
@click.pass_obj
def add(context: Context, /, key: str, reason: str | None, **wanted: str | None) -> None:
    """Add the technician KEY."""
    with context.reading() as connection:
        if any(t.key == key for t in roster.all_technicians(connection)):
            raise Refused(f"there is a technician {key} already: use change")
    _put(context, {"key": key, **wanted}, reason)


@technician.command()
@click.argument("key")
@click.option("--name")
@click.option("--phone", metavar="E164")
@click.option("--spoken-name")
@click.option("--email")
@reason_option
@click.pass_obj
def change(context: Context, /, key: str, reason: str | None, **wanted: str | None) -> None:
    """Change what is given; the rest stays."""
    try:
        with context.reading() as connection:
            known = roster.technician(connection, key)
    except RosterRefusal as refused:
        raise Refused(str(refused)) from None
    if known.retired_at is not None:
        raise Refused(f"{key} is retired: apply a rota file with {key} to bring him back")
    now = {"key": key, "name": known.name, "phone": known.phone, "email": known.email}
    # A spoken name that merely repeats the written one follows it.
    now["spoken_name"] = known.spoken_name if known.spoken_name != known.name else None
    _put(context, now | {k: v for k, v in wanted.items() if v is not None}, reason)


@technician.command()
@click.argument("key")
@reason_option
@click.pass_obj
def retire(context: Context, key: str, reason: str | None) -> None:
    """Take the technician KEY out of service. Refused while a rota in force still names him."""
    try:
        with context.writing() as connection:
            roster.retire(connection, context.actor, context.at, key, reason=reason)
    except RosterRefusal as refused:
        raise Refused(str(refused)) from None
    click.echo(f"{key} is retired.")


@technician.command("list")
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """All technicians."""
    with context.reading() as connection:
        found = roster.all_technicians(connection)
    if as_json:
        print_json(
            {
                "technicians": [
                    {
                        "key": t.key,
                        "name": t.name,
                        "spoken_name": t.spoken_name,
                        "phone": t.phone,
                        "email": t.email,
                        "retired": t.retired_at,
                    }
                    for t in found
                ]
            }
        )
    else:
        rows = [(t.key, t.name, t.phone, t.email or "–", "retired" if t.retired_at else "") for t in found]
        table(rows, ("key", "name", "phone", "e-mail", ""))

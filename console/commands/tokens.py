"""`ivr token`: which other programs may use the JSON interface, and for what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import click

from console.access import tokens
from console.access.scopes import Scope, in_order
from console.access.tokens import TokenRefused
from console.commands.common import Context, Day, Refused, json_option, local, print_json, table


@click.group()
def token() -> None:
    """Tokens of other programs, for the JSON interface of the console's door: docs/api.md."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may do; repeatable.",
)
@click.option("--expires", type=Day(), help="Its last day; without it the token is good until it is revoked.")
@json_option
@click.pass_obj
def add(context: Context, name: str, scopes: tuple[str, ...], expires: date | None, as_json: bool) -> None:
    """Make a token for the program NAME and show it, this once."""
    if not context.configuration.service.keys:
        raise Refused("service.keys is missing: no token can be kept")
    with _refusing(), context.writing() as connection:
        made = tokens.add(connection, context.actor, context.at, context.configuration, name, scopes, expires)
        kept = tokens.by_name(connection, name)
    if as_json:
        document = {"id": kept.id, "name": kept.name, "scopes": in_order(kept.scopes)}
        print_json(document | {"expires": kept.expires, "token": made})
        return
    click.echo(made)
    click.echo(
        f"This is {kept.name}'s token. It is shown this once: put it into a file that its program reads.",
        err=True,
    )


@token.command("list")
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """All tokens there ever were, without themselves."""
    zone = context.configuration.zone
    today = context.at.astimezone(zone).date()
    with context.reading() as connection:
        found = tokens.everything(connection)
    if as_json:
        documents = [
            {
                "id": each.id,
                "name": each.name,
                "scopes": in_order(each.scopes),
                "state": each.state(today),
                "expires": each.expires,
                "last_used": each.last_used,
                "created": local(each.created_at, zone),
                "created_by": each.created_by,
                "revoked": local(each.revoked_at, zone),
            }
            for each in found
        ]
        print_json({"tokens": documents})
        return
    rows = [
        (
            each.name,
            each.state(today),
            str(each.expires or "–"),
            str(each.last_used or "never"),
            " ".join(in_order(each.scopes)),
        )
        for each in found
    ]
    table(rows, ("token", "state", "expires", "last used", "scopes"))


@token.command()
@click.argument("name")
@click.pass_obj
def revoke(context: Context, name: str) -> None:
    """Revoke the token of the program NAME, at once and for ever."""
    with _refusing(), context.writing() as connection:
        tokens.revoke(connection, context.actor, context.at, name)
    click.echo(f"{name} can ask for nothing any more.")


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except TokenRefused as refused:
        raise Refused(str(refused)) from None

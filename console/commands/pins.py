"""`ivr pin`"""

from __future__ import annotations

from datetime import date

import click

from console.commands.common import Context, Day, Refused, json_option, print_json, table
from console.house import numbers, pin_index
from pins import customers, registry
from pins.customers import RegistryRefusal
from pins.registry import PinUsedBefore


@click.group()
def pin() -> None:
    """PINs: issued by us, shown once, never stored."""


@pin.command()
@click.argument("code")
@click.option("--label", default="", help="Whose PIN it is: a site, a person.")
@click.option("--expires", type=Day(), help="Last day; it ends when the office next opens after it.")
@json_option
@click.pass_obj
def issue(context: Context, code: str, label: str, expires: date | None, as_json: bool) -> None:
    """Issue a PIN to the customer CODE and show it, this once."""
    try:
        index = pin_index(context.configuration)
    except ValueError as missing:
        raise Refused(str(missing)) from None
    try:
        with context.reading() as connection:
            owner = customers.customer(connection, code)
            length = registry.length_of_next(connection)
        while True:
            new = registry.draw(index, length)
            try:
                with context.writing() as connection:
                    pin_id = registry.issue(
                        connection, context.actor, context.at, code, new, label=label, expires=expires
                    )
                break
            except PinUsedBefore:
                continue
    except RegistryRefusal as refused:
        raise Refused(str(refused)) from None
    if as_json:
        print_json({"id": pin_id, "customer": owner.code, "pin": new.pin})
    else:
        click.echo(f"PIN {pin_id} of {owner.code}: {new.pin}")
        click.echo("It is shown this once and stored nowhere: hand it over now.")


@pin.command()
@click.argument("pin_id", metavar="ID", type=click.IntRange(min=1))
@click.option("--reason")
@click.pass_obj
def revoke(context: Context, pin_id: int, reason: str | None) -> None:
    """Revoke the PIN with this ID (not its digits), at once and for ever."""
    try:
        with context.writing() as connection:
            registry.revoke(connection, context.actor, context.at, pin_id, reason)
    except RegistryRefusal as refused:
        raise Refused(str(refused)) from None
    click.echo(f"PIN {pin_id} is revoked.")


@pin.command("list")
@click.argument("code", required=False)
@json_option
@click.pass_obj
def list_(context: Context, code: str | None, as_json: bool) -> None:
    """All PINs, or those of one customer: without their digits."""
    # Numbers may differ in their local holidays: a PIN counts as expired once it is so on any of them.
    opened = [n.hours.last_opening(context.at) for n in numbers(context.configuration).values()]
    try:
        with context.reading() as connection:
            found = registry.all_pins(connection, code)
    except RegistryRefusal as refused:
        raise Refused(str(refused)) from None
    document = [
        {
            "id": each.id,
            "customer": each.customer,
            "label": each.label,
            "status": each.status(max(opened)),
            "expires": each.expires,
            "last_used": each.last_used,
        }
        for each in found
    ]
    if as_json:
        print_json({"pins": document})
    else:
        rows = [
            tuple("–" if value in (None, "") else str(value) for value in row.values()) for row in document
        ]
        table(rows, ("id", "customer", "label", "status", "expires", "last used"))

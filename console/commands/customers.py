"""`ivr customer`"""

from __future__ import annotations

from datetime import date

import click

from console.commands.common import Context, Day, Refused, json_option, print_json, table
from ivr.settings import LANGUAGES
from pins import customers, registry
from pins.customers import Contract, Customer, RegistryRefusal


@click.group()
def customer() -> None:
    """Customers and their contracts."""


class _DayOrNone(Day):
    name = "date|none"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        # "none" is kept apart from "not given" only where a contract is changed.
        return date.max if value == "none" else super().convert(value, param, ctx)


@customer.command()
@click.argument("name")
@click.option("--code", help="A short code; made of the name if not given.")
@click.option("--spoken-name", help="How the name is spoken, if not as it is written.")
@click.option("--coverage", type=click.Choice(customers.COVERAGES), default="contract", show_default=True)
@click.option("--contract-from", type=Day())
@click.option("--contract-until", type=_DayOrNone(), help="Last day of the contract, or none.")
@click.option("--minutes", type=click.IntRange(min=0), help="Minutes left of a prepaid package.")
@click.option("--phone", "phones", multiple=True, metavar="E164", help="A known number; may be repeated.")
@click.option("--language", type=click.Choice(LANGUAGES))
@click.option("--notes", default="")
@json_option
@click.pass_obj
def add(
    context: Context,
    name: str,
    code: str | None,
    spoken_name: str | None,
    coverage: str,
    contract_from: date | None,
    contract_until: date | None,
    minutes: int | None,
    phones: tuple[str, ...],
    language: str | None,
    notes: str,
    as_json: bool,
) -> None:
    """Add the customer NAME."""
    until = None if contract_until == date.max else contract_until
    try:
        with context.writing() as connection:
            added = customers.add_customer(
                connection,
                context.actor,
                context.at,
                name,
                code=code,
                spoken_name=spoken_name,
                language=language,
                contract=Contract(coverage, contract_from, until, minutes),
                phones=phones,
                notes=notes,
            )
    except RegistryRefusal as refused:
        raise Refused(str(refused)) from None
    if as_json:
        print_json({"id": added.id, "code": added.code, "name": added.name})
    else:
        click.echo(f"{added.code}  {added.name}")


@customer.command("list")
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """All customers, by code."""
    with context.reading() as connection:
        found = customers.all_customers(connection)
    if as_json:
        print_json({"customers": [_document(each) for each in found]})
    else:
        rows = [
            (c.code, c.name, c.contract.coverage, str(c.contract.until or "–"), ", ".join(c.phones))
            for c in found
        ]
        table(rows, ("code", "name", "coverage", "until", "phones"))


@customer.command()
@click.argument("code")
@json_option
@click.pass_obj
def show(context: Context, code: str, as_json: bool) -> None:
    """One customer."""
    try:
        with context.reading() as connection:
            found = customers.customer(connection, code)
            pins = registry.all_pins(connection, code)
    except RegistryRefusal as refused:
        raise Refused(str(refused)) from None
    document = _document(found) | {"pins": [{"id": pin.id, "label": pin.label} for pin in pins]}
    if as_json:
        print_json(document)
    else:
        for key, value in document.items():
            click.echo(f"{key:15} {value if value not in (None, '', []) else '–'}")


def _document(each: Customer) -> dict[str, object]:
    return {
        "id": each.id,
        "code": each.code,
        "name": each.name,
        "spoken_name": each.spoken_name,
        "language": each.language,
        "coverage": each.contract.coverage,
        "contract_from": each.contract.starts,
        "contract_until": each.contract.until,
        "minutes": each.contract.minutes_left,
        "phones": list(each.phones),
        "notes": each.notes,
    }

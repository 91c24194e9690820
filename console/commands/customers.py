"""`ivr customer`"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from console.commands.common import (
    Context,
    Day,
    Refused,
    json_option,
    local,
    print_json,
    refusing,
    table,
)
from ivr.settings import LANGUAGES
from oncall import phones
from pins import customer_csv, customer_import, customers, registry
from pins.customer_card import differences, fields_of, site_of
from pins.customer_import import Plan
from pins.customers import Contract, Customer, RegistryRefusal
from storage import audit

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@click.group()
def customer() -> None:
    """Customers and their contracts."""


class _DayOrNone(Day):
    """DATE, or none for a contract without an end: date.max stands for it, None for "not given"."""

    name = "date|none"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        return date.max if value == "none" else super().convert(value, param, ctx)


def _fields(function: Decorated) -> Decorated:
    """The options that `add` and `change` share. What is not given is None, or an empty tuple."""
    options = (
        click.option("--code", help="A short code; made of the name if not given."),
        click.option("--spoken-name", help="How the name is spoken, if not as it is written."),
        click.option("--coverage", type=click.Choice(customers.COVERAGES), help="contract if not given."),
        click.option("--contract-from", type=_DayOrNone(), help="First day of the contract, or none."),
        click.option("--contract-until", type=_DayOrNone(), help="Last day of the contract, or none."),
        click.option("--minutes", type=click.IntRange(min=0), help="Minutes left of a prepaid package."),
        click.option("--phone", "phones", multiple=True, metavar="E164", help="A known number; repeatable."),
        click.option("--site", "sites", multiple=True, metavar='"NAME: ADDRESS"', help="Repeatable."),
        click.option("--language", type=click.Choice(LANGUAGES), help="His; the number's if not given."),
        click.option("--address", help="Where letters go."),
        click.option("--email", help="Where letters go by e-mail, if he has agreed to it."),
        click.option("--letters-by-email/--no-letters-by-email", default=None, help="He has agreed to it."),
        click.option("--notes", help="What whoever works should know of him."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The fields that were given, as the registry takes them. An empty `--phone ""` empties the list."""
    fields = {name: value for name, value in options.items() if value is not None and value != ()}
    for name in ("contract_from", "contract_until"):
        if fields.get(name) == date.max:
            fields[name] = None
    if "phones" in fields:
        fields["phones"] = tuple(phone for phone in fields["phones"] if phone)
    if "sites" in fields:
        fields["sites"] = tuple(site_of(site) for site in fields["sites"] if site)
    return fields


@customer.command()
@click.argument("name")
@_fields
@json_option
@click.pass_obj
def add(context: Context, /, name: str, as_json: bool, **options: Any) -> None:
    """Add the customer NAME."""
    fields = _given(options)
    contract = Contract(
        fields.pop("coverage", "contract"),
        fields.pop("contract_from", None),
        fields.pop("contract_until", None),
        fields.pop("minutes", None),
    )
    try:
        with context.writing() as connection:
            added = customers.add_customer(
                connection, context.actor, context.at, name, contract=contract, **fields
            )
    except RegistryRefusal as refused:
        raise Refused(str(refused)) from None
    _print(added, as_json)


@customer.command()
@click.argument("customer_code", metavar="CODE")
@click.option("--name", help="Another name.")
@_fields
@json_option
@click.pass_obj
def change(context: Context, /, customer_code: str, as_json: bool, **options: Any) -> None:
    """Change the customer CODE: what is given replaces what stood there, a list as a whole.

    An empty value empties: --phone "", --email "".
    """
    try:
        with context.writing() as connection:
            changed = customers.change(
                connection, context.actor, context.at, customer_code, **_given(options)
            )
    except RegistryRefusal as refused:
        raise Refused(str(refused)) from None
    _print(changed, as_json)


@customer.command()
@click.argument("code")
@click.option("--on", type=Day(), help="The contract's last day; today if not given.")
@click.option("--reason", help="Why; it is kept with the record.")
@json_option
@click.pass_obj
def end(context: Context, code: str, on: date | None, reason: str | None, as_json: bool) -> None:
    """End the contract of the customer CODE. PINs stay: a call after it is refused, and told why."""
    last = on or context.at.astimezone(context.configuration.zone).date()
    try:
        with context.writing() as connection:
            ended = customers.end(connection, context.actor, context.at, code, last, reason)
    except RegistryRefusal as refused:
        raise Refused(str(refused)) from None
    _print(ended, as_json)


def _print(each: Customer, as_json: bool) -> None:
    if as_json:
        print_json({"id": each.id, "code": each.code, "name": each.name})
    else:
        click.echo(f"{each.code}  {each.name}")


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
    """One customer, and the history of his file."""
    zone = context.configuration.zone
    try:
        with context.reading() as connection:
            found = customers.customer(connection, code)
            pins = registry.all_pins(connection, code)
            history = audit.acts(connection, [customers.subject(found.id)])
    except RegistryRefusal as refused:
        raise Refused(str(refused)) from None
    document = _document(found) | {"pins": [{"id": pin.id, "label": pin.label} for pin in pins]}
    acts: list[dict[str, Any]] = [
        {"at": local(act.at, zone), "actor": act.actor, "act": act.act, "details": act.details}
        for act in history
    ]
    if as_json:
        print_json(document | {"history": acts})
        return
    for key, value in document.items():
        click.echo(f"{key:16} {_shown(value)}")
    for act in acts:
        told = ", ".join(_difference(field, value) for field, value in (act["details"] or {}).items())
        click.echo(f"{str(act['at'])[:16].replace('T', ' ')}  {act['actor']}  {act['act']}  {told}".rstrip())


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " | ".join(_shown(each) for each in value) or "–"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(each)}" for key, each in value.items())
    return "–" if value in (None, "") else " / ".join(str(value).splitlines())


def _difference(field: str, value: object) -> str:
    if isinstance(value, list) and len(value) == 2:
        return f"{field}: {_shown(value[0])} → {_shown(value[1])}"
    return f"{field}: {_shown(value)}"


def _document(each: Customer) -> dict[str, Any]:
    sites = [{"name": site.name, "address": site.address} for site in each.sites]
    return {"id": each.id, **fields_of(each), "phones": list(each.phones), "sites": sites}


# -- many at once --------------------------------------------------------------------------------


@customer.command("import")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Say what would happen; write nothing.")
@json_option
@click.pass_obj
def import_(context: Context, file: Path, dry_run: bool, as_json: bool) -> None:
    """Add and change customers from the CSV FILE (- for standard input): all of it or nothing.

    docs/customers.md says what the columns are.
    """
    national = partial(phones.from_keys, countries=context.configuration.ringing.countries)
    data = _contents(file)
    # Reading a file takes seconds, and calls must not wait for it: it is done before, and once more only
    # if somebody has changed a customer meanwhile.
    with context.reading() as connection:
        existing = customers.all_customers(connection)
    made = customer_import.plan(data, existing, national)
    if not dry_run and not made.mistakes:
        with context.writing() as connection:
            if (now := customers.all_customers(connection)) != existing:
                made = customer_import.plan(data, now, national)
            if not made.mistakes:
                customer_import.apply(connection, context.actor, context.at, made)
    if as_json:
        print_json(_imported(made, dry_run))
    if made.mistakes:
        name = "standard input" if str(file) == "-" else file.name
        many = len(made.mistakes) > 1
        if many and not as_json:
            for mistake in made.mistakes:
                click.echo(str(mistake))
        count = f"{len(made.mistakes)} mistakes, the first in " if many else ""
        raise Refused(f"{name}: nothing was written: {count}{made.mistakes[0]}")
    if not as_json:
        counts = [(len(made.added), "added"), (len(made.changed), "changed"), (made.unchanged, "unchanged")]
        said = ", ".join(f"{count} {what}" for count, what in counts)
        if dry_run:
            for card in made.added:
                click.echo(f"add     {card.code}  {card.name}")
            for before, after in made.changed:
                told = differences(before, after).items()
                click.echo(f"change  {after.code}  {', '.join(_difference(*each) for each in told)}")
        click.echo(f"would be: {said}" if dry_run else said)


def _contents(file: Path) -> bytes:
    """What the file holds; no more of it than would be refused for its size."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(customer_csv.LARGEST + 1)
        with file.open("rb") as opened:
            return opened.read(customer_csv.LARGEST + 1)
    except OSError as error:
        raise Refused(f"{file} cannot be read: {type(error).__name__}") from None


def _imported(made: Plan, dry_run: bool) -> dict[str, Any]:
    written = not made.mistakes and not dry_run
    return {
        "written": written,
        "added": [card.code for card in made.added],
        "changed": [
            {"code": after.code, "fields": differences(before, after)} for before, after in made.changed
        ],
        "unchanged": made.unchanged,
        "errors": [{"row": each.row, "column": each.column, "error": each.why} for each in made.mistakes],
    }


@customer.command()
@click.argument("code", required=False)
@click.option("--spreadsheet", is_flag=True, help="Semicolons and a mark, as a spreadsheet likes it.")
@json_option
@click.pass_obj
def export(context: Context, code: str | None, spreadsheet: bool, as_json: bool) -> None:
    """All customers as the CSV that `import` reads; with CODE all that is held about one, as JSON that people
    can read too, or on one line with --json.
    """
    from console import holdings  # with the worker and its scheduler: not for every command

    try:
        with context.house() as house, refusing(), house.database.read() as connection:
            if code is not None:
                print_json(holdings.of_customer(house, connection, code), for_people=not as_json)
                return
            found = customers.all_customers(connection)
    except RegistryRefusal as refused:
        raise Refused(str(refused)) from None
    if as_json:
        print_json({"customers": [_document(each) for each in found]})
    else:
        click.echo(customer_import.export(found, for_spreadsheet=spreadsheet).encode(), nl=False)


@customer.command()
@click.argument("code")
@click.option("--yes", is_flag=True, help="Meant: it cannot be undone.")
@json_option
@click.pass_obj
def erase(context: Context, code: str, yes: bool, as_json: bool) -> None:
    """Erase the customer CODE from every table and file: it cannot be undone.

    His cases are closed and his PINs revoked. Cases keep number, code, times and urgency.
    """
    from console import erasure  # with the worker and its scheduler: not for every command

    try:
        with context.house() as house, refusing():
            if not yes:
                with house.database.read() as connection:
                    known = customers.customer(connection, code)
                raise Refused(f"{known.code} is erased for good: say --yes if that is meant")
            erased = erasure.erase(house, context.actor, context.at, code)
    except RegistryRefusal as refused:
        raise Refused(str(refused)) from None
    document = {
        "id": erased.customer_id,
        "pins": erased.pins,
        "cases": erased.cases,
        "calls": erased.calls,
        "files": erased.files,
    }
    if as_json:
        print_json(document | {"log_truncated": erased.log_truncated})
        return
    counts = ", ".join(f"{count} {what}" for what, count in list(document.items())[1:])
    click.echo(f"customer {erased.customer_id} is erased: {counts}")
    if not erased.log_truncated:
        click.echo("the database is being read: its log is emptied when the last reader is done")

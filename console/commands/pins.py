"""`ivr pin`"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import click

from console import issuing
from console.commands import pin_letters
from console.commands.common import Context, Day, Refused, json_option, local, print_json, table
from console.commands.hidden import PinGroup, PinId
from console.commands.keys import rekey_command
from console.commands.pin_letters import index_of, last_opening, refusing_pins, today
from pins import batches, customers, drawing, registry
from pins.batches import Order
from pins.customers import Customer
from pins.registry import NewPin, PinRecord

LENGTHS = click.IntRange(8, 16)
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)

letters_option = click.option("--letters", type=FOLDER, help="Write letters there, many in one file.")
letter_option = click.option("--letter", type=FILE, help="Write the letter to this file; show no PIN.")
email_option = click.option("--email", is_flag=True, help="Also by e-mail, to customers who agreed to it.")
reason_option = click.option("--reason", default="", help="Why; it is kept with the record.")


@click.group(cls=PinGroup)
def pin() -> None:
    """PINs: issued by us, shown once, never stored."""


# -- issue and rotate -----------------------------------------------------------------------------


@pin.command()
@click.argument("codes", metavar="[CODE]...", nargs=-1)
@click.option("--missing", is_flag=True, help="Every customer whose contract runs and who has no live PIN.")
@click.option("--label", default="", help="Whose PIN it is: a site, a person.")
@click.option("--expires", type=Day(), help="Last day; it ends when the office next opens after it.")
@click.option("--digits", type=LENGTHS, help="Its length, if not the one the number of PINs asks for.")
@reason_option
@letter_option
@letters_option
@email_option
@json_option
@click.pass_obj
def issue(
    context: Context,
    codes: tuple[str, ...],
    missing: bool,
    label: str,
    expires: date | None,
    digits: int | None,
    reason: str,
    letter: Path | None,
    letters: Path | None,
    email: bool,
    as_json: bool,
) -> None:
    """Issue a PIN to the customer CODE and show it, this once; or to many customers, with letters."""
    many = missing or len(codes) > 1
    if bool(codes) == missing:
        raise click.UsageError("Missing argument 'CODE'." if not missing else "CODE or --missing, not both.")
    place = _place(letter, letters, email=email, many=many)
    if expires is None:
        expires = registry.last_day(today(context), context.configuration.pins.max_age_months)
    elif expires < today(context) and place:
        raise Refused(f"{expires} is over: a letter would bring a PIN that opens nothing")

    def order(customer: Customer) -> Order:
        return Order(customer, label, reason, expires)

    if place is None:
        with refusing_pins(), context.reading() as connection:
            owner = customers.customer(connection, codes[0])
            length = digits or registry.length_of_next(connection, last_opening(context))

        def take(new: NewPin) -> int:
            with context.writing() as connection:
                return registry.issue(
                    connection,
                    context.actor,
                    context.at,
                    owner.code,
                    new,
                    label=label,
                    expires=expires,
                    reason=reason,
                    opened=last_opening(context),
                )

        _show_once(context, owner.code, length, take, as_json)
        return
    with refusing_pins(), pin_letters.workshop(context, place, email=email) as run:
        with run.shop.database.read() as connection:
            found = [customers.customer(connection, code) for code in dict.fromkeys(codes)]
        if letter is not None:
            pin_letters.write_one(run, order(found[0]), letter, digits, as_json=as_json)
        elif missing:
            pin_letters.tell(run, batches.issue_missing(run.shop, run.folder, order, digits), as_json=as_json)
        else:
            done = batches.issue_to(run.shop, run.folder, found, order, digits)
            pin_letters.tell(run, done, as_json=as_json)


@pin.command()
@click.argument("pin_id", metavar="[ID]", type=PinId(), required=False)
@click.option("--all", "every", is_flag=True, help="Every live PIN that has not been replaced.")
@click.option("--shorter-than", type=LENGTHS, help="With --all: only PINs of fewer digits.")
@click.option("--overlap", type=click.IntRange(0, 90), help="Days for which the old PIN still works.")
@reason_option
@letter_option
@letters_option
@email_option
@json_option
@click.pass_obj
def rotate(
    context: Context,
    pin_id: int | None,
    every: bool,
    shorter_than: int | None,
    overlap: int | None,
    reason: str,
    letter: Path | None,
    letters: Path | None,
    email: bool,
    as_json: bool,
) -> None:
    """Issue a new PIN in the place of the one with this ID; the old one still works for some days."""
    if (pin_id is None) != every or (shorter_than is not None and not every):
        raise click.UsageError("Give an ID, or --all; --shorter-than goes with --all.")
    place = _place(letter, letters, email=email, many=every)
    settings = context.configuration.pins
    days = settings.overlap_days if overlap is None else overlap
    expires = registry.last_day(today(context), settings.max_age_months)
    if letters and not every:
        raise click.UsageError("--letters goes with --all; one PIN's letter is written with --letter.")
    if place is None:
        assert pin_id is not None
        with refusing_pins(), context.reading() as connection:
            old = registry.pin(connection, pin_id)
            length = registry.length_of_next(connection, last_opening(context))

        def take(new: NewPin) -> int:
            with context.writing() as connection:
                return registry.rotate(
                    connection,
                    context.actor,
                    context.at,
                    old.id,
                    new,
                    days,
                    today(context),
                    reason,
                    expires=expires,
                    opened=last_opening(context),
                )

        _show_once(context, old.customer, length, take, as_json)
        return

    def order(found: Order) -> Order:
        return replace(found, reason=reason, expires=expires)

    with refusing_pins(), pin_letters.workshop(context, place, email=email, overlap=days) as run:
        if letter is not None and pin_id is not None:
            with run.shop.database.read() as connection:
                one = batches.to_rotate_one(connection, run.shop.day, days, pin_id)
            pin_letters.write_one(run, order(one), letter, as_json=as_json)
        else:
            pin_letters.tell(
                run, batches.rotate_all(run.shop, run.folder, order, shorter_than), as_json=as_json
            )


def _place(letter: Path | None, letters: Path | None, *, email: bool, many: bool) -> Path | None:
    """The folder letters go to; None: the PIN is shown instead."""
    if letter and letters:
        raise click.UsageError("--letter or --letters, not both.")
    if many and not letters:
        raise click.UsageError("Many PINs are issued with --letters FOLDER only.")
    if email and not (letter or letters):
        raise click.UsageError("--email goes with --letter or --letters.")
    if letter and letter.exists():
        raise Refused(f"{letter} exists already: a letter is never written over")
    return letters or (letter.parent if letter else None)


def _show_once(
    context: Context, code: str, length: int, take: Callable[[NewPin], int], as_json: bool
) -> None:
    """Draw until one was never used before, have it taken, and show it."""
    index = index_of(context)
    with refusing_pins():
        pin_id, new = issuing.drawn_and_taken(index, length, take)
    if as_json:
        print_json({"id": pin_id, "customer": code, "pin": new.pin})
    else:
        click.echo(f"PIN {pin_id} of {code}: {new.pin}")
        click.echo("It is shown this once and stored nowhere: hand it over now.")


# -- revoke, letter again -------------------------------------------------------------------------


@pin.command()
@click.argument("pin_id", metavar="ID", type=PinId())
@click.option("--reason", help="Why; it is kept with the record.")
@click.pass_obj
def revoke(context: Context, pin_id: int, reason: str | None) -> None:
    """Revoke the PIN with this ID (not its digits), at once and for ever."""
    with refusing_pins(), context.writing() as connection:
        registry.revoke(connection, context.actor, context.at, pin_id, reason)
    click.echo(f"PIN {pin_id} is revoked.")


@pin.command()
@click.argument("pin_id", metavar="ID", type=PinId())
@click.option("--to", type=FILE, required=True, help="The file to write; it must not exist yet.")
@click.pass_obj
def letter(context: Context, pin_id: int, to: Path) -> None:
    """Write the letter of the PIN with this ID again. The PIN itself is read from standard input."""
    asked = sys.stdin.isatty()
    keyed = click.prompt("PIN", hide_input=True, err=True) if asked else sys.stdin.readline()
    pin_letters.again(context, pin_id, "".join(keyed.split()), to)
    click.echo(f"{to}: the letter of PIN {pin_id}.")


# -- what there is --------------------------------------------------------------------------------


@pin.command("list")
@click.argument("code", required=False)
@json_option
@click.pass_obj
def list_(context: Context, code: str | None, as_json: bool) -> None:
    """All PINs, or those of one customer, without their digits; and what a guesser may hope for."""
    opened = last_opening(context)
    with refusing_pins(), context.reading() as connection:
        found = registry.all_pins(connection, code)
        live = registry.live_by_length(connection, opened)
    if as_json:
        print_json({"pins": [_document(each, opened) for each in found], "arithmetic": _arithmetic(live)})
        return
    zone = context.configuration.zone
    rows = [
        (
            str(each.id),
            each.customer,
            each.label or "–",
            each.status(opened),
            str(each.expires or "–"),
            str(each.digits),
            local(each.last_used, zone) or "–",
            str(each.issued_at.astimezone(zone).date()),
            each.issued_by,
            each.reason or "–",
        )
        for each in found
    ]
    head = ("id", "customer", "label", "status", "expires", "digits", "last used", "issued", "by", "reason")
    table(rows, head)
    click.echo("")
    _tell_arithmetic(live)


@pin.command()
@click.argument("pin_id", metavar="ID", type=PinId())
@json_option
@click.pass_obj
def show(context: Context, pin_id: int, as_json: bool) -> None:
    """One PIN's record: who issued it and why, when it was last used, how it ended."""
    with refusing_pins(), context.reading() as connection:
        found = registry.pin(connection, pin_id)
    document = _document(found, last_opening(context)) | {
        "revoked_at": found.revoked_at,
        "revoked_by": found.revoked_by,
        "revoke_reason": found.revoke_reason,
    }
    if as_json:
        print_json(document)
    else:
        for key, value in document.items():
            click.echo(f"{key:15} {value if value not in (None, '') else '–'}")


@pin.command()
@click.option("--digits", type=LENGTHS, help="The new length, if not the one the rule gives.")
@json_option
@click.pass_obj
def lengthen(context: Context, digits: int | None, as_json: bool) -> None:
    """Plan a change to longer PINs. Changes nothing."""
    opened, day = last_opening(context), today(context)
    with refusing_pins(), context.reading() as connection:
        live = registry.live_by_length(connection, opened)
        standing = batches.to_rotate(connection, day, 0)
        wanted = digits or batches.length_of_rotation(connection, opened, len(standing), None)
        orders = batches.to_rotate(connection, day, 0, shorter_than=wanted)
        rule = batches.length_of_rotation(connection, opened, len(orders), wanted)
    meanwhile = live | {rule: live.get(rule, 0) + len(orders)}
    after = {length: count for length, count in meanwhile.items() if length >= wanted}
    command = f"ivr pin rotate --all --shorter-than {wanted} --letters FOLDER"
    if as_json:
        plan = {"digits": rule, "rotated": len(orders), "commands": [command] if orders else []}
        stages = {"now": _arithmetic(live), "overlap": _arithmetic(meanwhile), "after": _arithmetic(after)}
        print_json(plan | stages)
        return
    _tell_arithmetic(live)
    if not orders:
        click.echo(f"No live PIN is shorter than {wanted} digits: there is nothing to change.")
        return
    click.echo(f"To be rotated to {rule} digits: {len(orders)}.")
    for when, state in (("In the overlap", meanwhile), ("Afterwards", after)):
        click.echo(f"{when}: {_chance(state)}.")
    click.echo("Nothing is changed yet. This does it, and goes on where it stopped if it is interrupted:")
    click.echo(f"  {command}")


def _document(each: PinRecord, opened: date) -> dict[str, Any]:
    return {
        "id": each.id,
        "customer": each.customer,
        "label": each.label,
        "status": each.status(opened),
        "expires": each.expires,
        "last_used": each.last_used,
        "digits": each.digits,
        "issued_at": each.issued_at,
        "issued_by": each.issued_by,
        "reason": each.reason,
        "replaced_by": each.replaced_by,
    }


def _arithmetic(live: dict[int, int]) -> dict[str, Any]:
    return {
        "live": sum(live.values()),
        "by_length": [
            {"digits": length, "live": count, "chance": float(drawing.chance_of(length, count))}
            for length, count in sorted(live.items())
        ],
        "chance": float(drawing.chance(live)),
        "limit": float(drawing.LIMIT),
        "next_digits": drawing.next_length(live),
    }


def _tell_arithmetic(live: dict[int, int]) -> None:
    lengths = ", ".join(f"{count} of {length} digits" for length, count in sorted(live.items()) if count)
    click.echo(f"Live PINs: {sum(live.values())}{f' ({lengths})' if lengths else ''}. {_chance(live)}.")


def _chance(live: dict[int, int]) -> str:
    found, limit = float(drawing.chance(live)), float(drawing.LIMIT)
    return f"Chance of a guesser in a day of attack: {found:.2g} (at most {limit:g})"


pin.add_command(rekey_command)

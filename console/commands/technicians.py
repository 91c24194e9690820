"""`ivr technician`"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

import click
from pydantic import ValidationError

from console.commands.common import (
    Context,
    Day,
    Refused,
    instant,
    json_option,
    local,
    print_json,
    reason_option,
    table,
)
from ivr.settings import LANGUAGES
from oncall import people
from oncall.rota.roster import RosterRefusal
from oncall.rota.rota_file import TechnicianEntry

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@click.group()
def technician() -> None:
    """The people who are rung."""


class _DayOrNone(Day):
    """DATE, or none: date.max stands for it, None for "not given"."""

    name = "date|none"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        return date.max if value == "none" else super().convert(value, param, ctx)


def _fields(function: Decorated) -> Decorated:
    """The options that `add` and `change` share. What is not given is None, or an empty tuple."""
    options = (
        click.option("--spoken-name", help="How the name is spoken, if not as it is written."),
        click.option("--email", help="Where notices go by e-mail."),
        click.option(
            "--other-phone",
            "other_phones",
            multiple=True,
            metavar="E164",
            help='Rung after the first; repeatable, "" for none.',
        ),
        click.option(
            "--rings",
            type=click.IntRange(0, 60),
            metavar="SECONDS",
            help="How long his phones ring; 0: as the rota says.",
        ),
        click.option(
            "--language",
            type=click.Choice([*LANGUAGES, "none"]),
            help="What he is written to in; none: the service's first.",
        ),
        click.option(
            "--service",
            "services",
            multiple=True,
            metavar="NAME",
            help='A name of notices.services that reaches him; repeatable, "" for none.',
        ),
        click.option("--from", "first_day", type=_DayOrNone(), help="His first day of service, or none."),
        click.option("--until", "last_day", type=_DayOrNone(), help="His last day of service, or none."),
        reason_option,
        click.pass_obj,
    )
    for option in reversed(options):
        function = option(function)
    return function


def _given(
    first_day: date | None, last_day: date | None, other_phones: tuple[str, ...], services: tuple[str, ...]
) -> dict[str, Any]:
    """What was given of these, as the entry names it. None: it is to be cleared."""
    given: dict[str, Any] = {}
    for name, day in (("from", first_day), ("until", last_day)):
        if day is not None:
            given[name] = None if day == date.max else day
    for name, many in (("other_phones", other_phones), ("services", services)):
        if many:
            given[name] = [each for each in many if each]
    return given


def _known(context: Context, services: tuple[str, ...]) -> None:
    if unknown := sorted({each for each in services if each} - set(context.configuration.notices.services)):
        raise Refused(f"--service: there is no {', '.join(unknown)} in notices.services")


def _put(context: Context, wanted: dict[str, Any], reason: str | None) -> None:
    # Empty, none and 0 clear what they are given for.
    said = {name: value for name, value in wanted.items() if value not in (None, "", "none", 0)}
    try:
        entry = TechnicianEntry.model_validate(said)
        with context.writing() as connection:
            done = people.put_technician(
                connection,
                context.actor,
                context.at,
                context.configuration.ringing,
                entry,
                zone=context.configuration.zone,
                reason=reason,
            )
    except ValidationError as error:
        raise Refused(
            "; ".join(f"{'.'.join(map(str, e['loc'])) or wanted['key']}: {e['msg']}" for e in error.errors())
        ) from None
    except (ValueError, RosterRefusal) as error:
        raise Refused(str(error)) from None
    click.echo(f"{entry.key} {done}")


@technician.command()
@click.argument("key")
@click.option("--name", required=True, help="As colleagues read it.")
@click.option("--phone", required=True, metavar="E164", help="What is rung first.")
@_fields
def add(
    context: Context,
    /,
    key: str,
    reason: str | None,
    first_day: date | None,
    last_day: date | None,
    other_phones: tuple[str, ...],
    services: tuple[str, ...],
    **wanted: Any,
) -> None:
    """Add the technician KEY."""
    _known(context, services)
    with context.reading() as connection:
        if any(t.key == key for t in people.all_technicians(connection)):
            raise Refused(f"there is a technician {key} already: use change")
    _put(context, {"key": key, **wanted, **_given(first_day, last_day, other_phones, services)}, reason)


@technician.command()
@click.argument("key")
@click.option("--name", help="As colleagues read it.")
@click.option("--phone", metavar="E164", help="What is rung first.")
@_fields
def change(
    context: Context,
    /,
    key: str,
    reason: str | None,
    first_day: date | None,
    last_day: date | None,
    other_phones: tuple[str, ...],
    services: tuple[str, ...],
    **wanted: Any,
) -> None:
    """Change what is given; the rest stays. Empty clears a name, an address or a list."""
    _known(context, services)
    try:
        with context.reading() as connection:
            known = people.technician(connection, key)
            now = people.as_entry(connection, context.at, key, context.configuration.zone)
    except RosterRefusal as refused:
        raise Refused(str(refused)) from None
    if known.retired_at is not None and known.retired_at <= context.at:
        raise Refused(f"{key} is retired: apply a rota file with {key} to bring him back")
    given = {name: value for name, value in wanted.items() if value is not None}
    given |= _given(first_day, last_day, other_phones, services)
    _put(context, now | given, reason)


@technician.command()
@click.argument("key")
@click.option("--on", "when", metavar="INSTANT", help="Now if not given.")
@reason_option
@click.pass_obj
def retire(context: Context, key: str, when: str | None, reason: str | None) -> None:
    """Take the technician KEY out of service. Refused where a rota would be left with nobody."""
    zone = context.configuration.zone
    on = instant(when, zone) if when else None
    try:
        with context.writing() as connection:
            people.retire(connection, context.actor, context.at, key, on=on, reason=reason)
    except RosterRefusal as refused:
        raise Refused(str(refused)) from None
    click.echo(f"{key} leaves on {local(on, zone)}." if on else f"{key} is retired.")


@technician.command("list")
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """All technicians."""
    with context.reading() as connection:
        found = people.all_technicians(connection)
    if as_json:
        print_json(
            {
                "technicians": [
                    {
                        "key": t.key,
                        "name": t.name,
                        "spoken_name": t.spoken_name,
                        "phone": t.phone,
                        "other_phones": list(t.other_phones),
                        "email": t.email,
                        "language": t.language,
                        "rings": t.rings,
                        "services": list(t.services),
                        "from": t.starts_at,
                        "retired": t.retired_at,
                    }
                    for t in found
                ]
            }
        )
    else:
        rows = [
            (
                t.key,
                t.name,
                ", ".join(t.phones),
                t.email or "–",
                ", ".join(t.services) or "–",
                _service(context, t),
            )
            for t in found
        ]
        table(rows, ("key", "name", "phones", "e-mail", "services", ""))


def _service(context: Context, technician: people.Technician) -> str:
    """Whether he serves, if that is not simply so."""
    zone = context.configuration.zone
    if technician.retired_at is not None and technician.retired_at <= context.at:
        return "retired"
    parts = []
    if technician.starts_at is not None and technician.starts_at > context.at:
        parts.append(f"from {technician.starts_at.astimezone(zone):%Y-%m-%d %H:%M}")
    if technician.retired_at is not None:
        parts.append(f"until {technician.retired_at.astimezone(zone):%Y-%m-%d %H:%M}")
    return ", ".join(parts)

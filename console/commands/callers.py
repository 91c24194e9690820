"""`ivr caller`"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from console.commands.common import Context, Refused, json_option, local, print_json, reason_option, table
from ivr import caller_list, strangers
from ivr.caller_list import Kind, ListRefusal, Rule
from oncall.rota.coverage import wall

KINDS = {"block": "blocked", "allow": "let through"}
_pattern = click.argument("pattern", metavar="NUMBER")


@click.group()
def caller() -> None:
    """Callers who are blocked or always let through.

    NUMBER is +390461123456, or what numbers begin with: "+3906*", quoted. Of several entries the whole number
    counts, then the longest. A customer's number on file is served like always, whatever stands here.
    """


@caller.command()
@_pattern
@click.option(
    "--anyway", is_flag=True, help="Also a beginning that numbers of customers, technicians or our own have."
)
@json_option
@reason_option
@click.pass_obj
def block(context: Context, pattern: str, anyway: bool, as_json: bool, reason: str | None) -> None:
    """Block callers: without a right PIN they reach nobody, and cannot leave a message."""
    _put(context, "block", pattern, as_json, reason, anyway=anyway)


@caller.command()
@_pattern
@json_option
@reason_option
@click.pass_obj
def allow(context: Context, pattern: str, as_json: bool, reason: str | None) -> None:
    """Always let callers through: no digits are asked of them, however many strangers call."""
    _put(context, "allow", pattern, as_json, reason, anyway=True)


@caller.command()
@_pattern
@reason_option
@click.pass_obj
def remove(context: Context, pattern: str, reason: str | None) -> None:
    """Take NUMBER off the list."""
    with _refusing(), context.writing() as connection:
        gone = caller_list.remove(connection, context.actor, context.at, pattern, reason=reason)
    click.echo(f"{gone.pattern} is no longer {KINDS[gone.kind]}")


@caller.command("list")
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """The list, and whether strangers are asked for digits now."""
    configuration = context.configuration
    with context.reading() as connection:
        found = caller_list.listed(connection)
        flooded = strangers.flooded(connection, context.at, configuration.flood)
    if as_json:
        print_json({"flooded": flooded, "callers": [_as_json(context, rule) for rule in found]})
        return
    rows = [
        (
            rule.pattern,
            KINDS[rule.kind],
            wall(rule.created_at, configuration.zone),
            rule.created_by,
            rule.reason,
        )
        for rule in found
    ]
    table(rows, ("number", "", "since", "by", "reason"))
    if flooded:
        click.echo("strangers are asked for digits now")


def _put(
    context: Context, kind: Kind, pattern: str, as_json: bool, reason: str | None, *, anyway: bool
) -> None:
    configuration = context.configuration
    offices = [phone for number in configuration.number for phone in number.office]
    with _refusing(), context.writing() as connection:
        rule = caller_list.put(
            connection,
            context.actor,
            context.at,
            kind,
            pattern,
            reason=reason or "",
            ours=[*configuration.our_numbers, *offices],
            anyway=anyway,
        )
    if as_json:
        print_json(_as_json(context, rule))
        return
    click.echo(f"{rule.pattern} is {KINDS[rule.kind]}")


def _as_json(context: Context, rule: Rule) -> dict[str, object]:
    return {
        "number": rule.pattern,
        "kind": rule.kind,
        "reason": rule.reason,
        "since": local(rule.created_at, context.configuration.zone),
        "by": rule.created_by,
    }


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except ListRefusal as refused:
        hint = "; add --anyway to block it all the same" if refused.name == "covers" else ""
        raise Refused(f"{refused}{hint}") from None

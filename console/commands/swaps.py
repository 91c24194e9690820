"""`ivr rota swap`"""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import click

from console.commands.common import Context, instant, json_option, local, print_json, reason_option
from console.commands.duty import refusing, rota_of, rota_option
from oncall.rota import swaps
from oncall.rota.coverage import wall
from oncall.rota.swaps import PENDING, Back, Swap

SAID = {
    "accepted": "is accepted, and holds",
    "agreed": "is accepted; an admin is still to approve it",
    "declined": "is declined",
}
_id = click.argument("swap_id", metavar="ID", type=int)


@click.group()
def swap() -> None:
    """What technicians give one another of their turns."""


@swap.command()
@rota_option
@click.option("--rung", type=click.IntRange(min=1), default=1, show_default=True, help="Which rung.")
@click.option("--technician", "proposer", metavar="KEY", required=True, help="Whose time it is.")
@click.option("--with", "counterpart", metavar="KEY", required=True, help="Who is to have it.")
@click.option("--from", "start", metavar="INSTANT", required=True, help="From when.")
@click.option("--to", "end", metavar="INSTANT", required=True, help="Until when.")
@click.option("--back-rung", type=click.IntRange(min=1), help="In return; --rung if not given.")
@click.option("--back-from", metavar="INSTANT", help="What he takes in return: the other's time.")
@click.option("--back-to", metavar="INSTANT", help="Until when he takes it.")
@json_option
@reason_option
@click.pass_obj
def propose(
    context: Context,
    rota_key: str | None,
    rung: int,
    proposer: str,
    counterpart: str,
    start: str,
    end: str,
    back_rung: int | None,
    back_from: str | None,
    back_to: str | None,
    as_json: bool,
    reason: str | None,
) -> None:
    """Offer somebody a technician's time on a rung. It holds when he has accepted."""
    zone = context.configuration.zone
    if (back_from is None) != (back_to is None) or (back_rung is not None and back_from is None):
        raise click.UsageError("--back-from and --back-to stand together")
    back = None
    if back_from is not None and back_to is not None:
        back = Back(back_rung or rung, instant(back_from, zone), instant(back_to, zone))
    with refusing(), context.writing() as connection:
        made = swaps.propose(
            connection,
            context.actor,
            context.at,
            context.configuration.ringing,
            rota_of(context, connection, rota_key),
            rung,
            proposer,
            counterpart,
            instant(start, zone),
            instant(end, zone),
            back=back,
            reason=reason,
        )
        known = swaps.find(connection, made)
    if as_json:
        print_json(_document(known, zone))
    else:
        click.echo(f"swap {made} is proposed to {counterpart}")


@swap.command()
@_id
@reason_option
@click.pass_obj
def accept(context: Context, swap_id: int, reason: str | None) -> None:
    """Accept swap ID for whom it was offered to; say why with --reason."""
    _answer(context, swap_id, "accept", reason)


@swap.command()
@_id
@reason_option
@click.pass_obj
def decline(context: Context, swap_id: int, reason: str | None) -> None:
    """Decline swap ID for whom it was offered to; say why with --reason."""
    _answer(context, swap_id, "decline", reason)


def _answer(context: Context, swap_id: int, said: Any, reason: str | None) -> None:
    settings = context.configuration
    with refusing(), context.writing() as connection:
        state = swaps.answer(
            connection,
            context.actor,
            context.at,
            settings.ringing,
            settings.notices,
            swap_id,
            said,
            reason=reason,
        )
    click.echo(f"swap {swap_id} {SAID[state]}")


@swap.command()
@_id
@reason_option
@click.pass_obj
def approve(context: Context, swap_id: int, reason: str | None) -> None:
    """Let swap ID hold, on which both have agreed."""
    with refusing(), context.writing() as connection:
        swaps.approve(
            connection, context.actor, context.at, context.configuration.ringing, swap_id, reason=reason
        )
    click.echo(f"swap {swap_id} is approved, and holds")


@swap.command()
@_id
@reason_option
@click.pass_obj
def refuse(context: Context, swap_id: int, reason: str | None) -> None:
    """Say no to swap ID, on which both have agreed."""
    with refusing(), context.writing() as connection:
        swaps.refuse(connection, context.actor, context.at, swap_id, reason=reason)
    click.echo(f"swap {swap_id} is refused")


@swap.command()
@_id
@reason_option
@click.pass_obj
def withdraw(context: Context, swap_id: int, reason: str | None) -> None:
    """Take swap ID back; one that holds already is undone from now on, with a --reason."""
    with refusing(), context.writing() as connection:
        swaps.withdraw(connection, context.actor, context.at, swap_id, reason=reason)
    click.echo(f"swap {swap_id} is withdrawn")


@swap.command("list")
@click.option("--technician", metavar="KEY", help="Only those he has a part in.")
@click.option("--all", "everything", is_flag=True, help="Those that were decided on too.")
@json_option
@click.pass_obj
def list_(context: Context, technician: str | None, everything: bool, as_json: bool) -> None:
    """Swaps that wait for an answer or an approval, newest first."""
    zone = context.configuration.zone
    with context.reading() as connection:
        found = swaps.listed(connection, () if everything else PENDING, technician=technician)
    if as_json:
        print_json({"swaps": [_document(each, zone) for each in found]})
        return
    for each in found:
        click.echo(f"{each.id}  {each.state}  rota {each.rota}")
        gives = _stretch(each.rung, each.start, each.end, zone)
        click.echo(f"   {each.proposer} gives {each.counterpart} {gives}")
        if each.back is not None:
            click.echo(f"   in return for {_stretch(each.back.rung, each.back.start, each.back.end, zone)}")


def _stretch(rung: int, start: Any, end: Any, zone: ZoneInfo) -> str:
    return f"rung {rung}, {wall(start, zone)} – {wall(end, zone)}"


def _document(swap: Swap, zone: ZoneInfo) -> dict[str, Any]:
    back = swap.back
    return {
        "id": swap.id,
        "rota": swap.rota,
        "rung": swap.rung,
        "proposer": swap.proposer,
        "counterpart": swap.counterpart,
        "from": local(swap.start, zone),
        "to": local(swap.end, zone),
        "back": None
        if back is None
        else {"rung": back.rung, "from": local(back.start, zone), "to": local(back.end, zone)},
        "state": swap.state,
        "proposed": local(swap.proposed_at, zone),
        "decided": local(swap.decided_at, zone),
        "decided_by": swap.decided_by,
    }

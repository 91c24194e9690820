"""`ivr explain`: what would happen to a call at an instant, any instant. It writes nothing."""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import click

from console.commands.common import Context, Refused, instant, json_option, local, print_json
from console.house import numbers
from ivr.explain import Explainer, Explanation, Ladder
from ivr.hours import State
from oncall.rota import roster


@click.command()
@click.option("--number", metavar="E164", help="Which of our numbers is called; the first if not given.")
@click.option(
    "--at", "when", metavar="INSTANT", required=True, help="`-` reads instants from standard input."
)
@json_option
@click.pass_obj
def explain(context: Context, number: str | None, when: str, as_json: bool) -> None:
    """What would happen to a call at that moment: is a PIN asked, why, until when, who is rung."""
    configuration = context.configuration
    called = number or configuration.our_numbers[0]
    ours = numbers(configuration)
    if called not in ours:
        raise Refused(f"{called} is not one of our numbers ({', '.join(ours)})")
    rota = ours[called].settings.rota
    with context.reading() as connection:
        book = roster.book(connection, rota)
        people = {t.key: t for t in roster.all_technicians(connection)}
    explainer = Explainer(called, ours[called].hours, book, people)
    if when == "-":
        _stream(explainer, configuration.zone)
        return
    explanation = explainer.at(instant(when, configuration.zone))
    if as_json:
        print_json(_document(explanation, configuration.zone))
    else:
        _tell(explanation, configuration.zone)


def _stream(explainer: Explainer, zone: ZoneInfo) -> None:
    """One JSON line for each line of standard input; the first that is no instant ends it."""

    # All but the instant is the same for many of them, and is put into JSON once.
    @lru_cache(maxsize=2**16)
    def rest(number: str, state: State, ladder: Ladder) -> str:
        return json.dumps(_rest(number, state, ladder, zone), ensure_ascii=False)[1:]

    for line in sys.stdin:
        if line.strip():
            found = explainer.at(instant(line.strip(), zone))
            at = found.at.astimezone(zone).isoformat()
            sys.stdout.write(f'{{"at": "{at}", {rest(found.number, found.state, found.ladder)}\n')


def _document(found: Explanation, zone: ZoneInfo) -> dict[str, Any]:
    return {"at": local(found.at, zone), **_rest(found.number, found.state, found.ladder, zone)}


def _rest(number: str, state: State, ladder: Ladder, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "number": number,
        "pin": state.pin,
        "reason": state.reason,
        "name": state.name,
        "until": local(state.until, zone),
        "ladder": [
            {"rung": duty.rung, "technician": duty.technician, "phone": phone} for duty, phone in ladder
        ],
    }


def _tell(explanation: Explanation, zone: ZoneInfo) -> None:
    state = explanation.state
    asked = "a PIN is asked" if state.pin else "no PIN is asked: the office is rung"
    why = f"{state.reason}, {state.name}" if state.name else state.reason
    click.echo(f"{local(explanation.at, zone)}  {explanation.number}")
    click.echo(f"  {asked} ({why}), until {local(state.until, zone) or 'further notice'}")
    for duty, phone in explanation.ladder:
        click.echo(f"  rung {duty.rung}: {duty.technician}  {phone}")
    if not explanation.ladder:
        click.echo("  nobody is on duty")

"""`ivr explain`: what would happen to a call at an instant, any instant. It writes nothing."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

import click

from console.commands.common import Context, Refused, instant, json_option, print_json
from console.house import numbers
from ivr.explain import Explainer, Explanation
from oncall import roster


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
        _stream(context, explainer)
        return
    explanation = explainer.at(instant(when, configuration.zone))
    if as_json:
        print_json(_document(context, explanation))
    else:
        _tell(context, explanation)


def _stream(context: Context, explainer: Explainer) -> None:
    """One JSON line for each line of standard input; the first that is no instant ends it."""
    zone = context.configuration.zone
    for line in sys.stdin:
        if line.strip():
            explanation = explainer.at(instant(line.strip(), zone))
            sys.stdout.write(json.dumps(_document(context, explanation), ensure_ascii=False) + "\n")


def _document(context: Context, explanation: Explanation) -> dict[str, Any]:
    zone = context.configuration.zone

    def plain(at: datetime | None) -> str | None:
        return None if at is None else at.astimezone(zone).isoformat()

    return {
        "at": plain(explanation.at),
        "number": explanation.number,
        "pin": explanation.state.pin,
        "reason": explanation.state.reason,
        "name": explanation.state.name,
        "until": plain(explanation.state.until),
        "ladder": [
            {"rung": duty.rung, "technician": duty.technician, "phone": phone}
            for duty, phone in explanation.ladder
        ],
    }


def _tell(context: Context, explanation: Explanation) -> None:
    document = _document(context, explanation)
    state = explanation.state
    asked = "a PIN is asked" if state.pin else "no PIN is asked: the office is rung"
    why = f"{state.reason}, {state.name}" if state.name else state.reason
    click.echo(f"{document['at']}  {explanation.number}")
    click.echo(f"  {asked} ({why}), until {document['until'] or 'further notice'}")
    for duty, phone in explanation.ladder:
        click.echo(f"  rung {duty.rung}: {duty.technician}  {phone}")
    if not explanation.ladder:
        click.echo("  nobody is on duty")

"""What the commands about duty share: which rota is meant, and how findings are told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from zoneinfo import ZoneInfo

import click
from sqlalchemy import Connection

from console.commands.common import Context, Decorated, Refused, local
from oncall.rota import roster
from oncall.rota.coverage import duration, wall
from oncall.rota.roster import RosterRefusal
from oncall.rota.validation import Finding

# Holes that are told one by one.
MOST_HOLES = 10


def rota_option(function: Decorated) -> Decorated:
    return click.option("--rota", "rota_key", metavar="KEY", help="The only or first one if not given.")(
        function
    )


def rota_of(context: Context, connection: Connection, given: str | None) -> str:
    """The rota asked for: the one given, else the only or first one."""
    if given is not None:
        return given
    known = roster.rota_keys(connection)
    return known[0] if known else context.configuration.number[0].rota


@contextmanager
def refusing() -> Iterator[None]:
    """What the roster refuses, the command refuses."""
    try:
        yield
    except RosterRefusal as refused:
        raise Refused(str(refused)) from None


def told(finding: Finding, zone: ZoneInfo) -> str:
    """A finding in one line, with times by the clocks of `zone`."""
    who = ", ".join(finding.people)
    rung = f"rung {finding.rung} of rota {finding.rota}"
    when = f"from {wall(finding.start, zone)} to {wall(finding.end, zone)}"
    match finding.kind:
        case "hole":
            return (
                f"nobody is on duty in rota {finding.rota} {when} ({duration(finding.end - finding.start)})"
            )
        case "empty-rung":
            return f"{rung} has nobody {when}"
        case "double-duty":
            others = ", ".join(f"rung {number} of rota {rota}" for rota, number in finding.also)
            return f"{who} is on {rung} and on {others} {when}"
        case "not-employed":
            return f"{rung} names {who}, who is not in service, {when}"
        case "unreachable":
            return f"{who} cannot be reached by any telephone or notice, and is on {rung} {when}"
        case "one-person":
            return f"the whole ladder of rota {finding.rota} is one person ({who}) {when}"


def as_json(findings: Sequence[Finding], zone: ZoneInfo) -> list[dict[str, Any]]:
    return [
        {
            "kind": each.kind,
            "rota": each.rota,
            "rung": each.rung,
            "from": local(each.start, zone),
            "to": local(each.end, zone),
            "people": list(each.people),
            "also": [{"rota": rota, "rung": rung} for rota, rung in each.also],
            "refused": each.refused,
        }
        for each in findings
    ]


def summary(findings: Sequence[Finding], zone: ZoneInfo) -> list[str]:
    """Findings in few lines: holes one by one, as many as fit; of the rest those that are alike together."""
    holes = [each for each in findings if each.kind == "hole"]
    lines = [told(each, zone) for each in holes[:MOST_HOLES]]
    if len(holes) > MOST_HOLES:
        lines.append(f"and {len(holes) - MOST_HOLES} more such holes up to {wall(holes[-1].end, zone)}")
    alike: dict[tuple[str, str, int | None], list[Finding]] = {}
    for each in findings:
        if each.kind != "hole":
            alike.setdefault((each.kind, each.rota, each.rung), []).append(each)
    for same in alike.values():
        more = f" (and {len(same) - 1} times more up to {wall(same[-1].end, zone)})" if len(same) > 1 else ""
        lines.append(f"{told(same[0], zone)}{more}")
    return lines


def note(findings: Sequence[Finding], zone: ZoneInfo) -> None:
    """Print what is wrong now; each hole that was opened has been alarmed by then."""
    for line in summary(findings, zone):
        click.echo(f"note: {line}")
    if any(each.kind == "hole" for each in findings):
        click.echo("the admins are told of it")

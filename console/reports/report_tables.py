"""A report as tables: the same for the terminal, for CSV files and for the printable page.

A column's name is its heading in a CSV file. Durations are whole seconds, instants are local.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from ivr.records.accounts import Line
from ivr.records.reports import Report, RotaReport
from oncall.reports import KINDS, Split
from pins import customer_csv

Cell = str | int | datetime
SPLIT = (*KINDS, "total")
LINE = (
    "at",
    "kind",
    "rota",
    "number",
    "case",
    "urgency",
    "outcome",
    "billable",
    "seconds",
    "talk_seconds",
    "minutes",
    "prepaid_minutes",
    "billed_minutes",
)
NOBODY = "nobody"


@dataclass(frozen=True)
class Sheet:
    """One table. `name` says what it shows and is its file's name."""

    name: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]


def sheets_of_rota(each: RotaReport) -> list[Sheet]:
    """The tables of one rota; those that show people only if figures by person are on."""
    hours: list[tuple[Cell, ...]] = [(rung, *_split(split)) for rung, split in each.on_call.rungs.items()]
    if each.on_call.nobody.total:
        hours.append((NOBODY, *_split(each.on_call.nobody)))
    people: list[tuple[Cell, ...]] = [(key, *_split(split)) for key, split in each.on_call.people.items()]
    spread: list[tuple[Cell, ...]] = [astuple(each.accept)] if each.accept else []
    sheets = [
        Sheet("hours", ("rung", *SPLIT), hours),
        Sheet("people", ("person", *SPLIT), people),
        Sheet("calls-by-hour", ("hour", "calls"), list(enumerate(each.by_hour))),
        Sheet("outcomes", ("outcome", "calls"), list(each.by_outcome.items())),
        Sheet("urgencies", ("urgency", "cases"), list(each.urgencies.items())),
        Sheet(
            "reclassified",
            ("from", "to", "cases"),
            [(*codes, cases) for codes, cases in each.reclassified.items()],
        ),
        Sheet("accept", ("cases", "median", "p90", "worst"), spread),
        Sheet(
            "promises",
            ("urgency", "kept", "missed", "open"),
            [(level, *astuple(promise)) for level, promise in each.promises.items()],
        ),
        Sheet(
            "attempts",
            ("rung", "result", "attempt-count"),
            [
                (rung, result, count)
                for rung, results in each.attempts.items()
                for result, count in results.items()
            ],
        ),
        Sheet(
            "rest",
            ("technician", "woken", "worked-until", "day-begins", "rest-until"),
            [astuple(finding) for finding in each.rest],
        ),
    ]
    return [sheet for sheet in sheets if sheet.name != "people" or sheet.rows]


def accounts(report: Report) -> Sheet:
    """What support came to for each customer."""
    columns = (
        *("customer", "calls", "duration", "talk", "billable-talk"),
        *("minutes", "prepaid", "billed"),
    )
    return Sheet("accounts", columns, [astuple(each) for each in report.accounts])


def as_csv(report: Report, zone: ZoneInfo) -> dict[str, str]:
    """Files by name, for a spreadsheet: UTF-8 with its mark, semicolons, no cell that is a formula."""
    gathered: dict[str, Sheet] = {}
    for each in report.rotas:
        for sheet in sheets_of_rota(each):
            known = gathered.get(sheet.name)
            rows = [*(known.rows if known else ()), *((each.rota, *row) for row in sheet.rows)]
            gathered[sheet.name] = Sheet(sheet.name, ("rota", *sheet.columns), rows)
    gathered["accounts"] = accounts(report)
    for account in report.accounts:
        lines = [_line(line) for line in report.lines if line.customer == account.customer]
        gathered[f"customer-{account.customer}"] = Sheet(account.customer, LINE, lines)
    return {f"{name}.csv": _csv(sheet, zone) for name, sheet in sorted(gathered.items())}


def _csv(sheet: Sheet, zone: ZoneInfo) -> str:
    rows = [[_plain(cell, zone) for cell in row] for row in sheet.rows]
    return "\ufeff" + customer_csv.write(sheet.columns, rows, separator=";")


def _plain(cell: Cell, zone: ZoneInfo) -> str:
    if isinstance(cell, datetime):
        return cell.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    return str(cell)


def _split(split: Split) -> tuple[int, ...]:
    return (*astuple(split), split.total)


def _line(line: Line) -> tuple[Cell, ...]:
    return (
        line.at,
        line.kind,
        line.rota,
        line.number,
        line.case,
        line.urgency,
        line.outcome,
        "yes" if line.billable else "no",
        line.seconds,
        line.talk,
        line.minutes,
        line.prepaid,
        line.billed,
    )

"""`ivr report`: what a period was like, for whoever pays, bills and plans."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table

from console.commands.common import Context, Day, Refused, json_option, local, print_json
from console.reports import report_page, report_tables, report_words
from console.reports.report_tables import Sheet
from console.reports.report_words import LANGUAGES, Words
from console.settings import Configuration
from ivr.records import reports
from ivr.records.reports import Report, Sources
from oncall.reports import Period, month_before, period
from oncall.rota.roster import UnknownRota


@click.command()
@click.option("--from", "first", type=Day(), help="The first day; the first of last month if not given.")
@click.option("--to", "last", type=Day(), help="The last day; the end of the first day's month if not given.")
@click.option("--rota", metavar="KEY", help="Only this rota.")
@json_option
@click.option("--csv", "folder", type=click.Path(path_type=Path, file_okay=False), help="CSV files, there.")
@click.option("--html", "file", type=click.Path(path_type=Path, dir_okay=False), help="A page to print.")
@click.option(
    "--language", type=click.Choice(LANGUAGES), help="Of the page; the service's first if not given."
)
@click.pass_obj
def report(
    context: Context,
    first: date | None,
    last: date | None,
    rota: str | None,
    as_json: bool,
    folder: Path | None,
    file: Path | None,
    language: str | None,
) -> None:
    """Hours on call, calls, urgencies, how soon cases were taken in charge, what is to be billed, rest."""
    if sum((as_json, folder is not None, file is not None)) > 1:
        raise click.UsageError("give one of --json, --csv and --html")
    configuration = context.configuration
    zone = configuration.zone
    span = _period(first, last, context.at.astimezone(zone).date(), zone)
    try:
        with context.reading() as connection:
            found = reports.gather(connection, context.at, sources(configuration), span, rota)
    except UnknownRota as unknown:
        raise Refused(str(unknown)) from None
    if as_json:
        print_json(_document(found, zone))
    elif folder is not None:
        _write({folder / name: text for name, text in report_tables.as_csv(found, zone).items()})
    elif file is not None:
        words = report_words.words(language or _first_language(configuration), zone)
        _write({file: report_page.page(found, words, configuration.service.name)})
    else:
        _print(found, report_words.words("en", zone))


def sources(configuration: Configuration) -> Sources:
    """What reports go by."""
    return Sources(configuration.zone, configuration.hours, configuration.number, configuration.reports)


def _period(first: date | None, last: date | None, today: date, zone: ZoneInfo) -> Period:
    if first is None and last is None:
        first, last = month_before(today)
    elif first is None:
        assert last is not None
        first = last.replace(day=1)
    elif last is None:
        last = first.replace(day=monthrange(first.year, first.month)[1])
    try:
        return period(first, last, zone)
    except ValueError as why:
        raise Refused(str(why)) from None


def _first_language(configuration: Configuration) -> str:
    return next((each for each in configuration.service.languages if each in LANGUAGES), LANGUAGES[0])


def _write(files: dict[Path, str]) -> None:
    """Readable by their owner alone: they name customers."""
    try:
        for file, text in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise Refused(f"{file}: {error.strerror}") from None
    for file in files:
        click.echo(file)


def _print(found: Report, words: Words) -> None:
    console = Console(highlight=False, markup=False)
    console.print(words["span"].format(first=found.period.first, last=found.period.last))
    for each in found.rotas:
        console.print()
        console.print(words["duty"].format(rota=each.rota), style="bold reverse")
        for sheet in report_tables.sheets_of_rota(each):
            _print_sheet(console, sheet, words, found.night)
    _print_sheet(console, report_tables.accounts(found), words, found.night)
    if found.elsewhere:
        console.print(f"{words['elsewhere']}: {found.elsewhere}")


def _print_sheet(console: Console, sheet: Sheet, words: Words, night: str) -> None:
    rows = [row for row in sheet.rows if sheet.name != "calls-by-hour" or row[1]]
    if not rows:
        return
    drawn = Table(*(words[column] for column in sheet.columns), box=None, pad_edge=False)
    for row in rows:
        drawn.add_row(*(words.shown(column, cell) for column, cell in zip(sheet.columns, row, strict=True)))
    console.print()
    console.print(words[sheet.name], style="bold")
    if note := words.texts.get(f"{sheet.name}-note"):
        console.print(note.replace("{night}", night), style="dim")
    console.print(drawn)


def _document(found: Report, zone: ZoneInfo) -> dict[str, Any]:
    """The report for programs; durations in seconds."""
    of_rotas = [
        {"rota": each.rota}
        | {_name(sheet): _rows(sheet, zone) for sheet in report_tables.sheets_of_rota(each)}
        for each in found.rotas
    ]
    return {
        "from": found.period.first,
        "to": found.period.last,
        "as_of": local(found.as_of, zone),
        "per_person": found.per_person,
        "rotas": of_rotas,
        "accounts": _rows(report_tables.accounts(found), zone),
        "lines": [asdict(line) | {"at": local(line.at, zone)} for line in found.lines],
        "elsewhere": found.elsewhere,
    }


def _name(sheet: Sheet) -> str:
    return sheet.name.replace("-", "_")


def _rows(sheet: Sheet, zone: ZoneInfo) -> list[dict[str, Any]]:
    return [
        {
            column.replace("-", "_"): cell if isinstance(cell, str | int) else local(cell, zone)
            for column, cell in zip(sheet.columns, row, strict=True)
        }
        for row in sheet.rows
    ]

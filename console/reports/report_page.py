"""A report as one printable page: HTML without scripts, and nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from jinja2 import Environment, StrictUndefined, Template

from console.reports import report_tables
from console.reports.report_tables import Sheet
from console.reports.report_words import Words
from ivr.records.reports import Report

# Notes that stand under a table's heading.
_NOTED = ("hours", "people", "accept", "rest", "accounts")
# The bars, in the drawing's own units.
BAR, GAP, HIGHEST = 22, 6, 90


@dataclass(frozen=True)
class Bar:
    """One bar of a drawing, with what stands below and above it."""

    x: int
    height: int
    below: str
    above: str


@dataclass(frozen=True)
class Shown:
    """A table as it stands on the page; `bars` if it is drawn instead, `spoken` says them in words."""

    title: str
    note: str
    columns: list[str]
    rows: list[list[str]]
    # Which columns are figures; the first says what the row is about.
    figures: list[bool]
    bars: list[Bar]
    spoken: str


def page(report: Report, words: Words, company: str) -> str:
    """The page as HTML."""
    sections = [
        (
            words["duty"].format(rota=each.rota),
            [_shown(sheet, words, report) for sheet in report_tables.sheets_of_rota(each)],
        )
        for each in report.rotas
    ]
    made = report.as_of.astimezone(words.zone)
    return _template().render(
        words=words,
        company=company,
        span=words["span"].format(first=words.day(report.period.first), last=words.day(report.period.last)),
        made=words["as-of"].format(day=words.day(made), time=f"{made.hour}:{made.minute:02d}"),
        sections=sections,
        accounts=_shown(report_tables.accounts(report), words, report),
        elsewhere=report.elsewhere,
        width=24 * (BAR + GAP),
        highest=HIGHEST,
        bar=BAR,
    )


def _shown(sheet: Sheet, words: Words, report: Report) -> Shown:
    note = words[f"{sheet.name}-note"].replace("{night}", report.night) if sheet.name in _NOTED else ""
    rows = [
        [words.shown(column, cell) for column, cell in zip(sheet.columns, row, strict=True)]
        for row in sheet.rows
    ]
    places = range(len(sheet.columns))
    bars = _bars(sheet.rows) if sheet.name == "calls-by-hour" else []
    figures = ", ".join(f"{bar.below}: {bar.above}" for bar in bars if bar.above)
    return Shown(
        title=words[sheet.name],
        note=note,
        columns=[words[column] for column in sheet.columns],
        rows=rows,
        figures=[place > 0 and all(isinstance(row[place], int) for row in sheet.rows) for place in places],
        bars=bars if any(bar.height for bar in bars) else [],
        spoken=words["bars"].format(figures=figures),
    )


def _bars(rows: Sequence[tuple[report_tables.Cell, ...]]) -> list[Bar]:
    counts = [int(str(count)) for _, count in rows]
    most = max(counts, default=0)
    return [
        Bar(hour * (BAR + GAP), round(HIGHEST * count / most) if most else 0, str(hour), str(count or ""))
        for hour, count in enumerate(counts)
    ]


@cache
def _template() -> Template:
    text = (resources.files("console.reports") / "report_page.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text)

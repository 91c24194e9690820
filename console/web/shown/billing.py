"""What after-hours support came to for each customer, as a file for a spreadsheet.

UTF-8 with its mark, semicolons, no cell that a spreadsheet would take for a formula. Durations are whole
seconds, instants are local.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from console.reports import report_words
from console.settings import Configuration
from console.web.shown.case_list import day
from console.web.words import Words
from ivr.records import reports
from ivr.records.accounts import Line, account
from ivr.records.reports import Sources
from oncall.reports import month_before, period
from pins import customer_csv, customers
from pins.customers import UnknownCustomer

# A longer stretch is asked for in parts: it is made while somebody waits.
MOST_DAYS = 366
WHATS = ("lines", "totals")
LINES = (
    *("customer", "name", "at", "kind", "number", "case", "urgency", "outcome", "billable"),
    *("seconds", "talk", "minutes", "prepaid", "billed"),
)
TOTALS = ("customer", "name", "calls", "seconds", "talk", "billable-talk", "minutes", "prepaid", "billed")


@dataclass(frozen=True)
class Asked:
    """Whole days; `customer` is a code, "" for all. `wrong` names what is wrong with it."""

    first: date | None
    last: date | None
    customer: str
    what: str

    @property
    def wrong(self) -> str:
        if self.first is None or self.last is None:
            return "day"
        if self.last < self.first:
            return "order"
        return "long" if (self.last - self.first).days >= MOST_DAYS else ""


@dataclass(frozen=True)
class File:
    name: str
    text: str


def asked(given: Mapping[str, str], at: datetime, zone: ZoneInfo) -> Asked:
    """What a form or an address asks for; last month if it names no day."""
    first, last = day(given.get("from", "")), day(given.get("to", ""))
    if not given.get("from") and not given.get("to"):
        first, last = month_before(at.astimezone(zone).date())
    elif first is not None and not given.get("to"):
        last = first.replace(day=monthrange(first.year, first.month)[1])
    what = given.get("what", "")
    return Asked(first, last, given.get("customer", "").strip()[:32], what if what in WHATS else WHATS[0])


def file(connection: Connection, configuration: Configuration, wanted: Asked, words: Words) -> File | None:
    """The file that `wanted`, with which nothing is wrong, asks for. None if there is no such customer."""
    assert wanted.first is not None
    assert wanted.last is not None
    code = None
    if wanted.customer:
        try:
            code = customers.customer(connection, wanted.customer).code
        except UnknownCustomer:
            return None
    zone = configuration.zone
    sources = Sources(zone, configuration.hours, configuration.number, configuration.reports)
    lines = reports.lines(connection, sources, period(wanted.first, wanted.last, zone), code)
    names = _names(connection, {line.customer for line in lines})
    totals = wanted.what == "totals"
    columns: Sequence[str] = TOTALS if totals else LINES
    rows = _totals(lines, names) if totals else [_line(line, names, words, zone) for line in lines]
    headings = [words(f"cases.csv-{column}") for column in columns]
    text = "\ufeff" + customer_csv.write(headings, rows, separator=";")
    of = f"-{code}" if code else ""
    return File(f"{wanted.what}{of}-{wanted.first}-{wanted.last}.csv", text)


def _names(connection: Connection, codes: set[str]) -> dict[str, str]:
    ids = [key for key, code in customers.codes(connection).items() if code in codes]
    return dict(customers.names(connection, ids).values())


def _line(line: Line, names: Mapping[str, str], words: Words, zone: ZoneInfo) -> Sequence[str]:
    outcomes = report_words.words(words.language, zone).values
    return (
        line.customer,
        names.get(line.customer, ""),
        f"{line.at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
        words(f"cases.csv-kind-{line.kind}"),
        line.number,
        line.case,
        line.urgency,
        outcomes.get(f"outcome-{line.outcome}", outcomes.get(line.outcome, line.outcome)),
        words("cases.csv-yes" if line.billable else "cases.csv-no"),
        *(str(figure) for figure in (line.seconds, line.talk, line.minutes, line.prepaid, line.billed)),
    )


def _totals(lines: Sequence[Line], names: Mapping[str, str]) -> list[Sequence[str]]:
    by_customer: dict[str, list[Line]] = {}
    for line in lines:
        by_customer.setdefault(line.customer, []).append(line)
    sums = [account(code, some) for code, some in sorted(by_customer.items())]
    return [
        (
            each.customer,
            names.get(each.customer, ""),
            *(str(n) for n in (each.calls, each.seconds, each.talk, each.billable_talk)),
            *(str(n) for n in (each.minutes, each.prepaid, each.billed)),
        )
        for each in sums
    ]

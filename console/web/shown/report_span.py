"""Of what a report is: the period, the line or rota, the customer, as a form says it."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, select

from console.settings import Configuration
from ivr.records.figures import Wanted
from oncall.reports import Period, month_before, period
from oncall.rota import roster
from pins.tables import customers

DAY = timedelta(days=1)
DEFAULT = "days"
# Who should rest is a question of these days.
RECENT = "recent"
PERIODS = ("days", "week", "month", "last-month", "quarter", "last-quarter", "year")
# Nobody reads a plot of more.
LONGEST = timedelta(days=3 * 366)


@dataclass(frozen=True)
class Asked:
    """What a form says and what it means. `name` is one of PERIODS, or "" for days of one's own; `wrong`
    the key of what is wrong, by field.
    """

    name: str
    first: str
    last: str
    of: str
    customer: str
    span: Period
    before: Period
    wanted: Wanted
    wrong: Mapping[str, str]
    customer_name: str

    @property
    def query(self) -> dict[str, str]:
        """What is asked for, for an address."""
        days = {"period": self.name} if self.name else {"from": self.first, "to": self.last}
        told = {**days, "of": self.of, "customer": self.customer}
        return {key: value for key, value in told.items() if value}


@dataclass(frozen=True)
class Choice:
    """One of our numbers or rotas: `value` is what the form sends."""

    value: str
    kind: str
    name: str


def choices(connection: Connection, configuration: Configuration) -> list[Choice]:
    """Rotas, then numbers: what a report can be of."""
    rotas = [Choice(f"rota:{key}", "rota", key) for key in roster.rota_keys(connection)]
    return rotas + [
        Choice(f"number:{each.number}", "number", f"{each.name} ({each.number})")
        for each in configuration.number
    ]


def read(
    connection: Connection,
    configuration: Configuration,
    today: date,
    given: Mapping[str, str],
    default: str = DEFAULT,
) -> Asked:
    """What the form's fields mean. What is wrong is left out of what is wanted."""
    text = {name: given.get(name, "").strip()[:80] for name in ("period", "from", "to", "of", "customer")}
    wrong: dict[str, str] = {}
    name = text["period"] if text["period"] in (RECENT, *PERIODS) else ""
    own = not name and bool(text["from"] or text["to"])
    first, last = _days(name or default, today)
    if own:
        try:
            first, last = date.fromisoformat(text["from"]), date.fromisoformat(text["to"] or f"{today}")
            if not 1970 <= first.year <= last.year < 2200:
                raise ValueError
        except ValueError:
            wrong["from"] = "reports.wrong-day"
            first, last = _days(default, today)
        if last < first:
            wrong["from"] = "reports.wrong-order"
        elif last - first > LONGEST:
            wrong["from"] = "reports.wrong-long"
        if wrong:
            first, last = _days(default, today)
    zone = configuration.zone
    span = period(first, last, zone)
    length = last - first + DAY
    numbers, rota = _of(configuration, text["of"])
    if text["of"] and numbers is None:
        wrong["of"] = "reports.wrong-of"
    customer, customer_name = None, ""
    if text["customer"]:
        row = connection.execute(
            select(customers.c.id, customers.c.name).where(customers.c.code == text["customer"].upper())
        ).first()
        if row is None:
            wrong["customer"] = "reports.wrong-customer"
        else:
            customer, customer_name = row.id, row.name
    return Asked(
        name=name or ("" if own else default),
        first=text["from"] if own else first.isoformat(),
        last=text["to"] if own else last.isoformat(),
        of=text["of"],
        customer=text["customer"].upper(),
        span=span,
        before=period(first - length, first - DAY, zone),
        wanted=Wanted(span, numbers, rota, customer),
        wrong=wrong,
        customer_name=customer_name,
    )


def _days(name: str, today: date) -> tuple[date, date]:
    month = today.replace(day=1)
    quarter = date(today.year, 3 * ((today.month - 1) // 3) + 1, 1)
    match name:
        case "month":
            return month, _end_of_month(today)
        case "last-month":
            return month_before(today)
        case "quarter":
            return quarter, _end_of_month(date(quarter.year, quarter.month + 2, 1))
        case "last-quarter":
            last = quarter - DAY
            return date(last.year, last.month - 2, 1), last
        case "year":
            return date(today.year, 1, 1), date(today.year, 12, 31)
        case "recent":
            return today - 2 * DAY, today
        case "week":
            return today - 6 * DAY, today
        case _:
            return today - 29 * DAY, today


def _end_of_month(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def _of(configuration: Configuration, text: str) -> tuple[tuple[str, ...] | None, str | None]:
    """The numbers meant, and the rota if one is; None and None for anything else."""
    kind, _, name = text.partition(":")
    if kind == "rota":
        return tuple(each.number for each in configuration.number if each.rota == name), name
    if kind == "number" and name in configuration.our_numbers:
        return (name,), None
    return None, None


# -- the columns of a plot over time ---------------------------------------------------------------


@dataclass(frozen=True)
class Unit:
    """Some days that are one column: a day, a week from Monday, a month. `kind` says which."""

    kind: str
    first: date
    last: date


def units(span: Period) -> list[Unit]:
    """The period in days, or weeks, or months, so that there are about sixty columns at most."""
    length = (span.last - span.first).days + 1
    kind = "day" if length <= 62 else "week" if length <= 430 else "month"
    return list(_units(kind, span.first, span.last))


def _units(kind: str, first: date, last: date) -> Iterator[Unit]:
    while first <= last:
        end = {
            "day": first,
            "week": first + (6 - first.weekday()) * DAY,
            "month": _end_of_month(first),
        }[kind]
        yield Unit(kind, first, min(end, last))
        first = end + DAY

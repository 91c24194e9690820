"""What the list of cases shows: rows with their clocks, and what was looked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, cast, get_args
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from console import case_story
from console.case_story import State
from console.web.people import Person, people
from oncall.cases import case_list
from oncall.cases.case_list import NOBODY, Place, Wanted, Which
from oncall.cases.cases import Case
from oncall.cases.holding import sought
from oncall.rota.wallclock import instant_of
from pins import customer_list, customers
from pins.tables import customers as customer_rows

_NAME = re.compile(r"[0-9]{4}(-[0-9]{1,9})?")
# Customers that a few letters may mean.
MOST_CUSTOMERS = 500
FILTERS = ("q", "customer", "urgency", "who", "from", "to")


@dataclass(frozen=True)
class Row:
    """One case. `left` is what is left of its time, or by how much it is late: see `state`. `sought`: nobody
    has it, and somebody is phoned for it.
    """

    case: Case
    code: str
    customer: str
    holder: Person | None
    state: State
    left: timedelta
    sought: bool


@dataclass(frozen=True)
class CaseList:
    """`query` is what was looked for, as it stands in the address. `more` asks for the next page."""

    which: Which
    query: Mapping[str, str]
    rows: list[Row]
    more: dict[str, str] | None
    people: dict[str, Person]
    narrowed: bool


def asked(given: Mapping[str, str]) -> dict[str, str]:
    """What was looked for, tidied: nothing that means nothing."""
    return {name: text for name in FILTERS if (text := given.get(name, "").strip()[:100])}


def listed(connection: Connection, at: datetime, zone: ZoneInfo, given: Mapping[str, str]) -> CaseList:
    """The page of the list that `given`, the query of an address, asks for."""
    known = people(connection)
    query = asked(given)
    which = cast(Which, given["tab"]) if given.get("tab") in get_args(Which) else "open"
    found = case_list.page(
        connection, _wanted(connection, which, query, zone), _place(given.get("after", ""))
    )
    return CaseList(
        which,
        query,
        rows(connection, at, found.cases, found.has, known),
        {**query, "tab": which, "after": _token(found.after)} if found.after else None,
        known,
        bool(query) or bool(given.get("after")),
    )


def rows(
    connection: Connection,
    at: datetime,
    some: list[Case],
    has: Mapping[int, str],
    known: Mapping[str, Person],
) -> list[Row]:
    """Cases with their customers' names: two queries, however many."""
    names = customers.names(connection, {case.customer_id for case in some if case.customer_id})
    pursued = sought(connection, some)
    found = []
    for case in some:
        state, left = case_story.standing(case, at)
        code, name = names.get(case.customer_id or 0, ("", ""))
        holder = has.get(case.id)
        who = known.get(holder, Person(holder, holder, 1)) if holder else None
        found.append(Row(case, code, name, who, state, left, who is None and case.number in pursued))
    return found


def day(text: str) -> date | None:
    """A date as browsers send it; None for anything else."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 <= found.year < 2200 else None


# -- small parts -------------------------------------------------------------------------------


def _wanted(connection: Connection, which: Which, query: Mapping[str, str], zone: ZoneInfo) -> Wanted:
    first, last = day(query.get("from", "")), day(query.get("to", ""))
    return Wanted(
        which,
        name=query["q"] if _NAME.fullmatch(query.get("q", "")) else "",
        customers=_customers(connection, query),
        urgency=query.get("urgency", ""),
        who=query.get("who", ""),
        start=instant_of(first, time(), zone) if first else None,
        end=instant_of(last + timedelta(days=1), time(), zone) if last else None,
    )


def _customers(connection: Connection, query: Mapping[str, str]) -> list[int] | None:
    """The ids of the customers that are meant; None: any."""
    conditions: list[Any] = []
    if code := query.get("customer"):
        conditions.append(customer_rows.c.code == code.upper())
    if (text := query.get("q")) and not _NAME.fullmatch(text):
        conditions.append(customer_list.matches(text))
    if not conditions:
        return None
    return list(
        connection.execute(select(customer_rows.c.id).where(*conditions).limit(MOST_CUSTOMERS)).scalars()
    )


def _token(place: Place) -> str:
    return f"{place.group}.{place.at:%Y%m%d%H%M%S%f}.{place.case_id}"


def _place(token: str) -> Place | None:
    found = re.fullmatch(r"([0-3])\.([0-9]{20})\.([0-9]{1,12})", token, re.ASCII)
    if not found:
        return None
    try:
        moment = datetime.strptime(f"{found[2]}+0000", "%Y%m%d%H%M%S%f%z")
    except ValueError:
        return None
    return Place(int(found[1]), moment, int(found[3]))


__all__ = ["NOBODY", "CaseList", "Row", "asked", "day", "listed", "rows"]

"""What the pages of calls show: the list as it was asked for, and one call with its story."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from sqlalchemy import Connection

from console.settings import Configuration
from console.web.people import Person, people
from console.web.words import Words
from ivr import journal, pseudonyms
from ivr.journal import CallRecord
from ivr.records import call_search, call_story, heard
from ivr.records.call_search import UNDER_WAY, Found, Page, Place, Wanted
from ivr.records.call_story import Ring, Turn
from ivr.records.heard import Left
from ivr.vocabulary import Outcome
from oncall import phones
from oncall.cases import cases
from oncall.cases.cases import Case
from oncall.rota.wallclock import instant_of
from pins import customer_csv, customers
from pins.customers import clean
from pins.throttle import identity

LONGEST_TEXT = 100
MOST_EXPORTED = 50_000
MIDNIGHT = time(0, 0)
OUTCOMES = (UNDER_WAY, *(outcome.value for outcome in Outcome))
# How an outcome is coloured: a class of badges.
COLOURS = {
    Outcome.CONNECTED: "good",
    Outcome.OFFICE: "good",
    Outcome.ACCEPTED: "act",
    Outcome.CALL_BACK: "act",
    Outcome.SCREENED: "act",
    Outcome.NOBODY_ANSWERED: "alarm",
    Outcome.OFFICE_MISSED: "warn",
    Outcome.MESSAGE: "warn",
    Outcome.STAND_IN: "alarm",
}
# Columns of the list, and of the file.
LABELS = ("when", "from", "customer", "urgency", "outcome", "case", "length")
COLUMNS = (
    *("started", "ended", "seconds", "from", "number", "number-name", "customer", "customer-name"),
    *("urgency", "outcome", "case", "messages", "call"),
)


@dataclass(frozen=True)
class Asked:
    """What was typed, as it was typed, and what it means. `wrong` names the fields that mean nothing."""

    typed: Mapping[str, str]
    wanted: Wanted
    wrong: frozenset[str] = frozenset()

    @property
    def narrow(self) -> bool:
        return any(self.typed.values())


def asked(form: Mapping[str, str], configuration: Configuration) -> Asked:
    """The filter as a form or an address has it."""
    names = ("q", "number", "outcome", "urgency", "first", "last", "unheard")
    typed = {name: clean(form.get(name, ""))[:LONGEST_TEXT] for name in names}
    zone = configuration.zone
    first, last = _day(typed["first"]), _day(typed["last"])
    wrong = {name for name, day in (("first", first), ("last", last)) if typed[name] and day is None}
    if first and last and last < first:
        wrong.add("last")
        last = None
    wanted = Wanted(
        text=typed["q"],
        numbers=phones.beginnings(typed["q"], configuration.ringing.countries),
        number=typed["number"],
        outcome=typed["outcome"] if typed["outcome"] in OUTCOMES else "",
        urgency=typed["urgency"],
        start=instant_of(first, MIDNIGHT, zone) if first else None,
        end=instant_of(last + timedelta(days=1), MIDNIGHT, zone) if last else None,
        unheard=bool(typed["unheard"]),
    )
    return Asked(typed, wanted, frozenset(wrong))


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 <= found.year <= 9000 else None


def place(text: str) -> Place | None:
    """A place as an address has it; None for what is none."""
    instant, _, sid = text.partition("_")
    try:
        return Place(datetime.fromisoformat(instant).astimezone(UTC), sid[:34])
    except (ValueError, OverflowError):
        return None


def mark(place: Place) -> str:
    """A place for an address."""
    return f"{place.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}+00:00_{place.sid}"


def listed(
    connection: Connection, at: datetime, wanted: Wanted, older: Place | None, newer: Place | None
) -> Page:
    return call_search.page(connection, at, wanted, older_than=older, newer_than=newer)


# -- one call --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """A call, whole. `people` are all technicians by key; `case` the latest case it opened or joined."""

    call: CallRecord
    customer: tuple[str, str] | None
    case: Case | None
    story: list[Turn | Ring]
    messages: list[Left]
    people: Mapping[str, Person]
    under_way: bool

    @property
    def length(self) -> timedelta | None:
        return self.call.ended - self.call.started if self.call.ended else None


def shown(connection: Connection, at: datetime, sid: str) -> Shown:
    """Raises UnknownCall."""
    call = journal.call(connection, sid)
    named = customers.names(connection, [call.customer_id] if call.customer_id else [])
    return Shown(
        call=call,
        customer=named.get(call.customer_id or 0),
        case=cases.of_call(connection, sid),
        story=call_story.story(connection, sid, call.ended),
        messages=heard.of_calls(connection, [sid])[sid],
        people=people(connection),
        under_way=call.ended is None and call.started > at - call_search.LONGEST,
    )


# -- numbers, for people ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Numbers:
    """Telephone numbers as they are shown: ours by name, others as they are dialled at home."""

    country: str
    ours: Mapping[str, str] = field(default_factory=dict)

    def caller(self, number: str) -> str:
        """As people read it, of an old call its pseudonym; empty if it was withheld."""
        known = identity(number)
        if known:
            return phones.printed(known, self.country)
        return number if number.startswith("sip:") else pseudonyms.printed(number)

    def name(self, number: str) -> str:
        """The name of a number of ours, or the number if we have it no more."""
        return self.ours.get(number) or phones.printed(number, self.country)


def numbers(configuration: Configuration) -> Numbers:
    country = next(iter(configuration.ringing.countries), "")
    return Numbers(country, {number.number: number.name for number in configuration.number})


# -- as a file -------------------------------------------------------------------------------------


def rows_of(found: Iterator[Found], configuration: Configuration, t: Words) -> Iterator[str]:
    """The calls as CSV, a portion at a time; nothing in it is taken for a formula."""
    headings = [t(f"calls.column-{column}") for column in COLUMNS]
    shown = numbers(configuration)
    begun = False
    while (portion := list(islice(found, call_search.PORTION))) or not begun:
        rows = [_row(each, shown, t) for each in portion]
        text = customer_csv.write(headings, rows, separator=";", guard_numbers=True)
        yield text.partition("\r\n")[2] if begun else f"\ufeff{text}"
        begun = True


def _row(each: Found, shown: Numbers, t: Words) -> tuple[str, ...]:
    return (
        f"{t.local(each.started):%Y-%m-%d %H:%M:%S}",
        f"{t.local(each.ended):%Y-%m-%d %H:%M:%S}" if each.ended else "",
        str(round(each.length.total_seconds())) if each.length is not None else "",
        each.caller,
        each.number,
        shown.ours.get(each.number, ""),
        each.customer or "",
        each.customer_name or "",
        each.urgency or "",
        t(f"calls.outcome-{each.outcome or UNDER_WAY}"),
        each.case or "",
        str(each.messages),
        each.sid,
    )

"""What the pages of PINs show, gathered in one reading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from console import issuing
from console.house import House
from console.web import jobs
from console.web.actors import Actors, actors
from console.web.jobs import Job
from pins import customers, drawing, pin_list, registry
from pins.customers import Customer
from pins.pin_list import Page, Which
from pins.registry import PinRecord
from storage import audit
from storage.audit import Act

# Acts of one PIN that are shown: it has a handful in its life.
MOST_ACTS = 50


@dataclass(frozen=True)
class Arithmetic:
    """What a guesser may hope for in a day: one in `odds`, at most one in `limit`; None: nothing."""

    live: int
    by_length: tuple[tuple[int, int], ...]
    odds: int | None
    limit: int
    next_digits: int

    @property
    def too_many(self) -> bool:
        return self.odds is not None and self.odds < self.limit


@dataclass(frozen=True)
class Index:
    page: Page
    statuses: dict[int, str]
    arithmetic: Arithmetic
    # Letters that wait to be printed, and until when they do.
    letters: tuple[Job, ...]


@dataclass(frozen=True)
class One:
    """A PIN with its customer, those before and after it, and what befell it, the newest first."""

    pin: PinRecord
    status: str
    name: str
    # The one in whose place it was issued, while that lives.
    old: PinRecord | None
    acts: tuple[Act, ...]
    actors: Actors


@dataclass(frozen=True)
class OfCustomer:
    """Whom a PIN is to be issued to, and how many that live he has."""

    customer: Customer
    live: tuple[PinRecord, ...]
    running: bool


def arithmetic(live: dict[int, int]) -> Arithmetic:
    chance = drawing.chance(live)
    return Arithmetic(
        sum(live.values()),
        tuple(sorted((length, many) for length, many in live.items() if many)),
        round(1 / chance) if chance else None,
        round(1 / drawing.LIMIT),
        drawing.next_length(live),
    )


def index(
    connection: Connection, house: House, at: datetime, which: Which, text: str, *, after: int, before: int
) -> Index:
    day = issuing.today(house.configuration, at)
    opened = issuing.last_opening(house.configuration, at)
    found = pin_list.page(connection, which, day, opened, text, after=after, before=before)
    return Index(
        found,
        {row.pin.id: row.pin.status(opened) for row in found.rows},
        arithmetic(registry.live_by_length(connection, opened)),
        tuple(job for job in jobs.of_kind(connection, "letters") if _waits(job, at)),
    )


def one(connection: Connection, house: House, at: datetime, pin_id: int) -> One:
    """Raises UnknownPin."""
    found = registry.pin(connection, pin_id)
    return One(
        found,
        found.status(issuing.last_opening(house.configuration, at)),
        customers.name_of(connection, found.customer_id) or found.customer,
        registry.replaced_by(connection, pin_id, issuing.today(house.configuration, at)),
        tuple(audit.acts(connection, [f"pin:{pin_id}"], limit=MOST_ACTS)),
        actors(connection),
    )


def of_customer(connection: Connection, house: House, at: datetime, code: str) -> OfCustomer:
    """Raises UnknownCustomer."""
    owner = customers.customer(connection, code)
    opened = issuing.last_opening(house.configuration, at)
    found = registry.all_pins(connection, owner.code)
    return OfCustomer(
        owner,
        tuple(pin for pin in found if pin.status(opened) in ("active", "overlap")),
        owner.contract.covers(issuing.today(house.configuration, at), prepaid_counts=True),
    )


def _waits(job: Job, at: datetime) -> bool:
    return bool(job.input.get("key")) and at < job.files_until

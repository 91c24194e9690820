"""Who would get a PIN, or which PINs would be replaced: what is shown before many are issued."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection

from console import issuing
from console.house import House
from console.web.shown.pins import Arithmetic, arithmetic
from pins import batches, customer_list, pin_list, registry
from pins.batches import BATCH
from pins.customer_card import Standing
from pins.customer_list import Sums, Wanted
from pins.pin_list import Rotatable

# So many are named; of the others only how many there are is said.
NAMED = 20


@dataclass(frozen=True)
class Asked:
    """Whom a form means: the customers chosen, or those whom a filter of the list finds; neither: everybody
    whose contract runs and who has no PIN.
    """

    chosen: tuple[int, ...] = ()
    by_filter: bool = False
    text: str = ""
    standing: Standing | None = None
    no_pin: bool = False

    def condition(self, day: date, opened: date) -> ColumnElement[bool]:
        """Whether a row of customers is among them."""
        if self.chosen:
            return customer_list.chosen(self.chosen)
        if self.by_filter:
            return customer_list.which(Wanted(day, opened, self.text, self.standing, self.no_pin))
        return customer_list.unserved(day)


@dataclass(frozen=True)
class Several:
    """To whom PINs would be issued; the first of them by code and name."""

    names: list[tuple[str, str]]
    sums: Sums

    @property
    def by_email(self) -> int:
        return self.sums.by_email

    @property
    def files(self) -> int:
        return _files(self.sums.customers)


@dataclass(frozen=True)
class Rotation:
    """Which PINs would be replaced, by ones of so many digits; and what a guesser may hope for before, and
    while old and new ones live.
    """

    found: Rotatable
    digits: int
    now: Arithmetic
    worst: Arithmetic

    @property
    def by_email(self) -> int:
        return self.found.by_email

    @property
    def files(self) -> int:
        return _files(self.found.count)


def several(connection: Connection, asked: Asked, day: date, opened: date) -> Several:
    condition = asked.condition(day, opened)
    return Several(
        customer_list.names(connection, condition, NAMED),
        customer_list.sums(connection, condition, day, opened),
    )


def rotation(
    connection: Connection, house: House, at: datetime, only: Collection[int] | None, shorter_than: int | None
) -> Rotation:
    configuration = house.configuration
    day, opened = issuing.today(configuration, at), issuing.last_opening(configuration, at)
    found = pin_list.rotatable(connection, day, only=only, shorter_than=shorter_than, limit=NAMED)
    live = registry.live_by_length(connection, opened)
    if only is None:
        digits = batches.length_of_rotation(connection, opened, found.count, shorter_than)
    else:
        digits = registry.length_of_next(connection, opened, more=max(found.count, 1))
    meanwhile = live | {digits: live.get(digits, 0) + found.count}
    return Rotation(found, digits, arithmetic(live), arithmetic(meanwhile))


def _files(letters: int) -> int:
    return -(-letters // BATCH)

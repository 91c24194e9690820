"""Who would get a PIN, or which PINs would be replaced: what is shown before many are issued."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from console import issuing
from console.house import House
from console.issuing import Rotation
from console.web.shown.pins import Arithmetic, arithmetic
from pins import batches, customer_list, customers, registry
from pins.batches import BATCH
from pins.customer_card import Standing
from pins.customer_list import Wanted
from pins.letters import wants_email

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


@dataclass(frozen=True)
class Several:
    """To whom PINs would be issued. `served` of them have one that lives, `ended` no contract that runs,
    `by_email` want their letters by e-mail.
    """

    names: tuple[tuple[str, str], ...]
    count: int
    served: int
    ended: int
    by_email: int

    @property
    def files(self) -> int:
        return -(-self.count // BATCH)


@dataclass(frozen=True)
class Rotated:
    """Which PINs would be replaced; `plan` says what that does to a guesser, when it is all of them."""

    pins: tuple[tuple[int, str, str], ...]
    count: int
    by_email: int
    plan: Rotation | None
    # Before, and when it is worst.
    now: Arithmetic
    worst: Arithmetic

    @property
    def files(self) -> int:
        return -(-self.count // BATCH)


def customer_ids(connection: Connection, asked: Asked, day: date, opened: date) -> list[int] | None:
    """The customers that are meant; None: everybody whose contract runs and who has no PIN."""
    if asked.chosen:
        known = {each.id for each in customers.all_customers(connection)}
        return [each for each in asked.chosen if each in known]
    if asked.by_filter:
        return customer_list.ids(connection, Wanted(day, opened, asked.text, asked.standing, asked.no_pin))
    return None if batches.missing(connection, day) else []


def several(connection: Connection, asked: Asked, day: date, opened: date) -> Several:
    these = customer_ids(connection, asked, day, opened)
    if these is None:
        found = batches.missing(connection, day)
    else:
        wanted = set(these)
        found = [each for each in customers.all_customers(connection) if each.id in wanted]
    served = set(registry.served(connection, opened))
    return Several(
        tuple((each.code, each.name) for each in found[:NAMED]),
        len(found),
        sum(each.id in served for each in found),
        sum(not each.contract.covers(day, prepaid_counts=True) for each in found),
        sum(wants_email(each) for each in found),
    )


def rotation(
    connection: Connection, house: House, at: datetime, only: Collection[int] | None, shorter_than: int | None
) -> Rotated:
    configuration = house.configuration
    day, opened = issuing.today(configuration, at), issuing.last_opening(configuration, at)
    found = [
        order
        for order in batches.to_rotate(connection, day, 0, shorter_than=shorter_than)
        if only is None or order.replaces in only
    ]
    plan = None if only is not None else issuing.plan_rotation(configuration, connection, at, shorter_than)
    live = registry.live_by_length(connection, opened)
    if plan is None:
        digits = registry.length_of_next(connection, opened, more=max(len(found), 1))
        worst = live | {digits: live.get(digits, 0) + len(found)}
    else:
        worst = plan.meanwhile
    return Rotated(
        tuple((order.replaces or 0, order.customer.name, order.label) for order in found[:NAMED]),
        len(found),
        sum(wants_email(order.customer) for order in found),
        plan,
        arithmetic(live),
        arithmetic(worst),
    )

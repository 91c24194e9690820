"""The house with its cast on stage, ready to be phoned."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime

from console.commands.phone import shipped
from console.demonstration import cast
from console.house import pin_index
from console.phone import Behaviour
from console.rehearsing.rehearsal import ACTOR, Rehearsal
from console.settings import Configuration
from pins import registry

# Before every conversation and after the rota's beginning: a `.call` file moves the clock from here.
STAGE_IS_SET = datetime(2026, 1, 6, 12, 0, tzinfo=UTC)
OVERLAP_DAYS = 70


def on_stage(
    configuration: Configuration | None = None,
    at: datetime = STAGE_IS_SET,
    *,
    seed: int = 1,
    behaviour: Behaviour | None = None,
    url: str = "sqlite:///rehearsal.db",
) -> Rehearsal:
    """A rehearsal with the cast, a PIN for each customer, and four more of ACME's.

    `acme-revoked` is revoked, `acme-expired` was good until 1 March 2026; `acme-new` took the place of
    `acme-old`, which is good for 70 days more: until 17 March 2026. Close it, or use `with`.
    """
    rehearsal = Rehearsal(
        configuration or shipped(),
        at,
        source=random.Random(seed),
        behaviour=behaviour or Behaviour(),
        database_url=url,
    )
    cast.enter(rehearsal.house, ACTOR, at)
    for code, *_ in cast.CUSTOMERS:
        rehearsal.issue(code)
    issue(rehearsal, "acme-expired", "ACME", expires=date(2026, 3, 1))
    revoked = issue(rehearsal, "acme-revoked", "ACME")
    with rehearsal.house.database.write() as connection:
        registry.revoke(connection, ACTOR, at, revoked, "lost")
    old = issue(rehearsal, "acme-old", "ACME")
    new = registry.draw(pin_index(rehearsal.configuration), 8)
    with rehearsal.house.database.write() as connection:
        today = at.astimezone(rehearsal.configuration.zone).date()
        new_id = registry.rotate(connection, ACTOR, at, old, new, OVERLAP_DAYS, today)
    rehearsal.pins["acme-new"] = new.pin
    rehearsal.pin_ids["acme-new"] = new_id
    return rehearsal


def issue(rehearsal: Rehearsal, name: str, code: str, *, expires: date | None = None) -> int:
    """Issue one more PIN of the customer `code`; `.call` files call it `name`. Returns its id."""
    new = registry.draw(pin_index(rehearsal.configuration), 8)
    with rehearsal.house.database.write() as connection:
        pin_id = registry.issue(connection, ACTOR, rehearsal.clock.now(), code, new, expires=expires)
    rehearsal.pins[name] = new.pin
    rehearsal.pin_ids[name] = pin_id
    return pin_id

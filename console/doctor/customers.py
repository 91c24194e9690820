"""Whether customers can prove who they are: PINs, their keys, and those that are about to end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look
from pins import customers as files
from pins import keyring, registry

SOON = timedelta(days=30)
# As many are named.
NAMED = 5


def check(look: Look) -> Iterator[Finding]:
    today = look.at.astimezone(look.zone).date()
    counts = look.configuration.urgency.prepaid_counts
    with look.house.database.read() as connection:
        wrong_keys = keyring.faults(connection, look.configuration.pins)
        everybody = files.all_customers(connection)
        pins = registry.all_pins(connection)
    if wrong_keys:
        yield red(
            "keys",
            f"PINs that were issued would not be found: {'; '.join(wrong_keys)}.",
            "Put the missing keys back into `[pins]`, in their former order, from your copy.",
        )
    live = [pin for pin in pins if pin.status(today) in ("active", "overlap")]
    have = {pin.customer for pin in live}
    without = [
        each.code
        for each in everybody
        if each.contract.covers(today, prepaid_counts=counts) and each.code not in have
    ]
    if not everybody:
        yield yellow(
            "none",
            "There are no customers: whoever calls at night has no PIN and reaches nobody.",
            "Add them (`ivr customer import`), and issue their PINs (`ivr pin issue`).",
        )
    if without:
        yield yellow(
            "without-pin",
            f"Customers with a contract and no PIN: {_some(without)}. At night they reach nobody.",
            "Issue their PINs and send the letters (`ivr pin issue`, `ivr pin letter`).",
        )
    ending = [
        pin.customer
        for pin in live
        if pin.expires is not None and pin.expires <= today + SOON and pin.replaced_by is None
    ]
    if ending:
        yield yellow(
            "ending",
            f"PINs end within {SOON.days} days and no other is in their place: {_some(sorted(set(ending)))}.",
            "Replace them in good time (`ivr pin rotate`); `ivr pin list` shows when each ends.",
        )
    if everybody and not (wrong_keys or without or ending):
        yield green("customers", "Every customer with a contract has a PIN that lives for 30 days at least.")


def _some(codes: Sequence[str]) -> str:
    more = len(codes) - NAMED
    return ", ".join(codes[:NAMED]) + (f" and {more} more" if more > 0 else "")

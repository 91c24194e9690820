"""Whether a helpdesk hears what it is to be told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from console.doctor.finding import Finding, green, yellow
from console.doctor.look import Look
from console.work.tickets import is_configured
from ivr.tickets import tickets

# A receiver that is away for less than this is no matter.
LATE = timedelta(hours=1)
_WAYS = {"mail": "e-mail", "webhook": "the webhook"}


def check(look: Look) -> Iterator[Finding]:
    if not is_configured(look.configuration):
        yield green("tickets", "No helpdesk is to be told of anything.")
        return
    late = False
    for channel in tickets.KINDS:
        with look.house.database.read() as connection:
            waits = tickets.waiting(connection, channel, look.at - LATE)
        if waits is None:
            continue
        late = True
        # Not red: people are told by notices, and callers notice nothing.
        why = f" ({waits.why})" if waits.why else ""
        yield yellow(
            f"waiting-{channel}",
            f"{waits.many} event(s) of tickets have waited to be told by {_WAYS[channel]} since "
            f"{waits.since.astimezone(look.zone):%Y-%m-%d %H:%M}{why}.",
            "See what `ivr tickets test` says, and mend `[tickets]` or the receiver: each is tried for three "
            "days.",
        )
    if not late:
        yield green("tickets", "The helpdesk has been told of everything.")

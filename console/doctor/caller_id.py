"""Which number technicians see, and whether Twilio and the operators let it pass."""

from __future__ import annotations

from collections.abc import Iterator

from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look
from console.provisioning.failures import told
from oncall.notices.channels import ChannelFailed


def check(look: Look) -> Iterator[Finding]:
    shown = look.configuration.ringing.caller_id
    try:
        hosted, verified = {each.number for each in look.hosted}, set(look.verified)
    except ChannelFailed as failed:
        yield red("not-asked", f"Who may be shown could not be asked: {told(failed)}.", "Run this again.")
        return
    found = []
    for number in look.configuration.our_numbers if shown == "called" else [shown]:
        if number in hosted:
            continue
        if number in verified:
            found.append(
                yellow(
                    f"verified-only.{number}",
                    f"{number} is shown to technicians and not hosted at Twilio, only verified: Italian "
                    "operators may drop calls that come from abroad with an Italian number (AGCOM "
                    "106/25/CONS).",
                    "Show a number that is hosted at Twilio (`[ringing] caller_id`).",
                )
            )
        elif shown != "called":  # one that is called and not in the account is told of among the numbers
            found.append(
                red(
                    f"foreign.{number}",
                    f"{number} is neither hosted at Twilio nor verified: every call to a technician fails "
                    "(13214).",
                    'Set `[ringing] caller_id` to "called", or to one of our numbers at Twilio.',
                )
            )
    yield from found
    if not found:
        yield green("caller-id", "Technicians see a number that is hosted at Twilio.")

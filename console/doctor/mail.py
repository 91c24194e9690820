"""Whether the mail server takes us: connected and logged in as for a message, and nothing sent."""

from __future__ import annotations

from collections.abc import Iterator

from console.doctor.finding import Finding, green, yellow
from console.doctor.look import Look
from console.outbound.mail import MailFailed, try_out


def check(look: Look) -> Iterator[Finding]:
    settings = look.configuration.mail
    if not settings.host:
        return  # the configuration's subject says so
    try:
        try_out(settings, look.configuration.folder)
    except MailFailed as failed:
        # Not red: notices then take the next channel, and callers notice nothing.
        yield yellow(
            "mail",
            f"The mail server {settings.host} does not take our mail: {failed}. Alarms and letters wait.",
            "Compare `[mail]` with what the provider says, and see that this machine may connect to it.",
        )
        return
    yield green("mail", f"The mail server {settings.host} lets us in.")

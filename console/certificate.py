"""How long the certificate of our public address is still good. When it has ended, no call comes in any more.

The worker looks once a day, from this machine: what a name resolves to elsewhere, and what a firewall lets
through, it cannot tell.
"""

from __future__ import annotations

import logging
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from console.house import House
from storage import notebook
from storage.alarms import raise_alarm

log = logging.getLogger("ivr.certificate")

AHEAD = timedelta(days=14)
# Seconds for connecting and shaking hands, each.
PATIENCE = 10
ENDS, REFUSED = "certificate-ends", "certificate-refused"
# What is remembered of it: when it ends, as a Unix time.
NOTE = "certificate"


@dataclass(frozen=True)
class Certificate:
    """`ends` is its last instant; `why` is set if it is not to be believed now, in the words of OpenSSL."""

    ends: datetime | None
    why: str = ""


def seen(host: str, port: int, context: ssl.SSLContext | None = None) -> Certificate | None:
    """The certificate that is shown at `host`; None if nobody answers there."""
    context = context or ssl.create_default_context()
    try:
        with (
            socket.create_connection((host, port), timeout=PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=host) as tunnel,
        ):
            shown = tunnel.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return Certificate(None, error.verify_message)
    except OSError:
        return None
    return Certificate(datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC))


def look(house: House, at: datetime, context: ssl.SSLContext | None = None) -> None:
    """Tell the admins if the certificate ends within AHEAD, or is not to be believed. Each once a day."""
    public = urlsplit(house.configuration.service.public_url)
    if public.scheme != "https" or not public.hostname:
        return
    found = seen(public.hostname, public.port or 443, context)
    if found is None:
        log.warning("nobody answers at %s: its certificate cannot be looked at from here", public.hostname)
        return
    told = {"host": public.hostname}
    with house.database.write() as connection:
        if found.ends is None:
            raise_alarm(connection, at, REFUSED, public.hostname, told | {"why": found.why})
            return
        notebook.write(connection, at, NOTE, {"host": public.hostname, "ends": found.ends.timestamp()})
        if found.ends - at <= AHEAD:
            days = max(0, (found.ends - at).days)
            until = f"{found.ends.astimezone(house.configuration.zone):%Y-%m-%d %H:%M}"
            raise_alarm(connection, at, ENDS, public.hostname, told | {"days": days, "until": until})

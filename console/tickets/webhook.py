"""Sends a document to the configured webhook, signed as Standard Webhooks says.

The address stands in the configuration and nowhere else; no redirect is followed, no proxy is asked, and of
the answer only the status is read. What goes wrong is told in our own words, which never hold the address.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from urllib.parse import urlsplit

from pydantic import SecretStr

from console.tickets.settings import TicketSettings, key_of

# Seconds without a word from the receiver, and for all of it.
SILENCE = 10.0
AT_MOST = 20.0
AGENT = "after-hours-ivr"
# No receiver makes us wait longer than this, in seconds.
WAIT_AT_MOST = 3600


class HookFailed(Exception):
    """It was not taken. `wait`: for how many seconds the receiver wants to be left alone, if it said so."""

    def __init__(self, why: str, wait: int | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.wait = wait


def signature(secret: SecretStr, name: str, timestamp: int, body: bytes) -> str:
    """ "v1," and the HMAC-SHA256 over name, timestamp and body, joined by points, in base64."""
    signed = b".".join((name.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key_of(secret), signed, hashlib.sha256)).decode()


def headers(secrets: Iterable[SecretStr], name: str, at: datetime, body: bytes) -> dict[str, str]:
    """What goes with a body. Each secret signs."""
    timestamp = int(at.timestamp())
    return {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "webhook-id": name,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(each, name, timestamp, body) for each in secrets),
    }


def post(
    settings: TicketSettings, name: str, at: datetime, body: bytes, tls: ssl.SSLContext | None = None
) -> None:
    """Hand it over. Raises HookFailed unless the receiver answers 2xx, within AT_MOST seconds."""
    parts = urlsplit(settings.webhook.get_secret_value())
    host, path = parts.hostname or "", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        tls = tls or ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, parts.port, timeout=SILENCE, context=tls)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=SILENCE)
    limit = threading.Timer(AT_MOST, _shut, [connection])
    limit.daemon = True
    limit.start()
    try:
        connection.request("POST", path, body, headers(settings.secrets, name, at, body))
        with connection.getresponse() as answer:
            status, wait = answer.status, answer.getheader("Retry-After")
    except ssl.SSLCertVerificationError:
        raise HookFailed("the certificate cannot be believed") from None
    except TimeoutError:
        raise HookFailed("no answer in time") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise HookFailed(f"no connection, or no answer ({type(error).__name__})") from None
    finally:
        limit.cancel()
        connection.close()
    if not 200 <= status < 300:
        raise HookFailed(f"answered {status}", _seconds(wait))


def _seconds(wait: str | None) -> int | None:
    """Retry-After, if it is a number of seconds."""
    if wait is None or not (wait.isascii() and wait.isdigit() and len(wait) < 10):
        return None
    return min(int(wait), WAIT_AT_MOST)


def _shut(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)

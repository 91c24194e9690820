"""Fetches a calendar from a host that the configuration names, and from nowhere else.

The address is a secret that an admin configured. All the same nothing inside our network may be reached by
it: the name is resolved once, every address it has must be a public one, and the connection goes to the
very address that was checked. No redirect is followed, no proxy is asked, and all of it together takes
no longer than TIMEOUT.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from oncall.calendars.calendar_import import LARGEST

# Seconds for everything but the look-up of the name.
TIMEOUT = 20.0
# What may stand before the calendar itself.
LARGEST_HEAD = 64 * 1024
AGENT = "after-hours-ivr"
# IPv6 addresses that carry one of IPv4 within.
_TRANSLATED = [IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("2002::/16")]

Resolver = Callable[[str, int], Sequence[str]]


class FetchFailed(Exception):
    """The calendar was not fetched. `why` says what happened, and never the address."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Outside:
    """How the world outside is reached. What differs from this in a test is given there."""

    resolve: Resolver
    tls: ssl.SSLContext
    # True in tests alone: their server is on this machine.
    may_be_here: bool = False


def resolve(host: str, port: int) -> list[str]:
    """All addresses of `host`, the preferred first. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def outside() -> Outside:
    """The world as it is, with the authorities that the system believes."""
    return Outside(resolve, ssl.create_default_context())


def fetch(address: str, hosts: Sequence[str], world: Outside | None = None) -> bytes:
    """The calendar at `address`, whose host is one of `hosts`. Raises FetchFailed."""
    world = world or outside()
    parts = _checked(address, hosts)
    host, port = parts.hostname or "", parts.port or 443
    try:
        addresses = world.resolve(host, port)
    except (OSError, UnicodeError):
        raise FetchFailed("the host's name is not known") from None
    if not addresses:
        raise FetchFailed("the host's name is not known")
    if not world.may_be_here and not all(is_public(each) for each in addresses):
        raise FetchFailed("the host's address is not a public one")
    ends = time.monotonic() + TIMEOUT
    try:
        answer = _ask(parts, host, port, addresses[0], world.tls, ends)
    except ssl.SSLCertVerificationError:
        raise FetchFailed("the host's certificate cannot be believed") from None
    except TimeoutError:
        raise FetchFailed("the host did not answer in time") from None
    except (OSError, ssl.SSLError) as error:
        raise FetchFailed(f"the connection failed ({type(error).__name__})") from None
    return _content(answer)


def is_public(address: str) -> bool:
    """Whether an address belongs to the world outside: not to this machine, a network of ours, a cloud's
    own services, nor to nobody.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None or parsed.teredo is not None:
            return False
        if any(parsed in network for network in _TRANSLATED):
            return False
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified)


def _checked(address: str, hosts: Sequence[str]) -> SplitResult:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise FetchFailed("the address is none") from None
    if parts.scheme != "https" or not parts.hostname:
        raise FetchFailed("the address is not one of https")
    if parts.hostname not in hosts:
        raise FetchFailed("its host is not among calendars.hosts")
    if parts.username is not None or parts.password is not None or port == 0:
        raise FetchFailed("the address may name nothing but host, port, path and query")
    if not address.isascii() or any(c.isspace() or not c.isprintable() for c in address):
        raise FetchFailed("the address holds characters that none may hold")
    return parts


def _ask(parts: SplitResult, host: str, port: int, address: str, tls: ssl.SSLContext, ends: float) -> bytes:
    """What the host at exactly this address answers, head and all. Raises OSError, FetchFailed."""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    named = host if port == 443 else f"{host}:{port}"
    asked = (
        f"GET {path} HTTP/1.1\r\nHost: {named}\r\nUser-Agent: {AGENT}\r\n"
        "Accept: text/calendar, text/plain;q=0.5\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((address, port), timeout=_left(ends)) as plain:
        plain.settimeout(_left(ends))
        with tls.wrap_socket(plain, server_hostname=host) as secured:
            secured.settimeout(_left(ends))
            secured.sendall(asked.encode("ascii"))
            answer = bytearray()
            while len(answer) <= LARGEST + LARGEST_HEAD:
                secured.settimeout(_left(ends))
                piece = secured.recv(65_536)
                if not piece:
                    return bytes(answer)
                answer += piece
    raise FetchFailed(f"the calendar is larger than {LARGEST // 1024} kB")


def _left(ends: float) -> float:
    """Seconds that are left. Raises TimeoutError."""
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Answered:
    """An answer that is here already, for the standard library to read."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._answer)


def _content(answer: bytes) -> bytes:
    """The calendar in a whole answer. Raises FetchFailed."""
    response = http.client.HTTPResponse(_Answered(answer), method="GET")  # type: ignore[arg-type]
    try:
        response.begin()
        if 300 <= response.status < 400:
            raise FetchFailed("the host sends us elsewhere, and we go nowhere else")
        if response.status != 200:
            raise FetchFailed(f"the host answered {response.status}")
        if (response.getheader("Content-Encoding") or "identity").lower() != "identity":
            raise FetchFailed("the host answered in an encoding that was not asked for")
        content = response.read(LARGEST + 1)
        whole = response.isclosed() or not response.length
    except (http.client.HTTPException, ValueError, OSError):
        raise FetchFailed("the host's answer cannot be read") from None
    if len(content) > LARGEST:
        raise FetchFailed(f"the calendar is larger than {LARGEST // 1024} kB")
    if not whole:
        raise FetchFailed("the host's answer was cut short")
    return content

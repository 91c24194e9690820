"""What SIP says, in a carrier's words. Pure."""

from __future__ import annotations

LOOPBACK = "127.0.0.1"
BUSY = frozenset({486, 600, 603})  # busy here, busy everywhere, declined
NOBODY = frozenset({408, 480, 487})  # time-out, temporarily unavailable, request terminated


def fate(code: int) -> str:
    """The CallStatus of a phone that was not picked up, of the SIP status its ring ended with."""
    if code in BUSY:
        return "busy"
    return "no-answer" if code in NOBODY else "failed"


def number_of(uri: str) -> str:
    """`+39…` of `"name" <sip:+39…@host:port;x=y>`."""
    return uri.partition("sip:")[2].partition("@")[0]


def stays_here(address: str) -> bool:
    """Whether a SIP address, `sip:name@host:port`, is on this machine."""
    scheme, _, rest = address.partition(":")
    host = rest.rpartition("@")[2].partition(";")[0].partition(":")[0]
    return scheme == "sip" and host == LOOPBACK

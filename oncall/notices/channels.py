"""How something leaves the house, as the rota's side sees it: what is asked of whoever brings it.

The rota never learns who that is. `webhooks/outbound.py` telephones and sends text messages,
`console/outbound/mail.py` sends e-mail, `services.py` beside it reaches anything else;
`channels.py` there joins them. Every method may take some seconds; none is called while a transaction is
open.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

ChannelName = Literal["text", "voice", "mail", "service"]


class ChannelFailed(Exception):
    """It was not brought. `why` is the provider's code or a word of ours, never what was to be said.

    `for_good`: trying this channel again for this address is no use. `maybe_done`: the provider did not
    answer, so it may have been done all the same; ask `find` before trying again.
    """

    def __init__(
        self, why: str, *, for_good: bool = False, maybe_done: bool = False, wait_seconds: float | None = None
    ) -> None:
        super().__init__(why)
        self.why = why
        self.for_good = for_good
        self.maybe_done = maybe_done
        # How long the provider asks us to leave it alone (Retry-After), if it said so.
        self.wait_seconds = wait_seconds


@dataclass(frozen=True)
class CallOut:
    """A call to be placed. Addresses are absolute; `rings` is how many seconds the phone really rings."""

    to: str
    shows: str
    rings: int
    answered_at: str
    ended_at: str


@dataclass(frozen=True)
class TextOut:
    """A text message to be sent. `sender` is a number of ours or an alphanumeric name."""

    to: str
    sender: str
    text: str
    status_at: str


class Telephone(Protocol):
    """Places calls. What becomes of them is told to the addresses they were placed with."""

    def place(self, call: CallOut) -> str:
        """The network's name (sid) of the call. Raises ChannelFailed."""
        ...

    def find(self, call: CallOut, since: datetime) -> str | None:
        """The sid of a call like this one placed since then, None if there is none. Raises ChannelFailed.

        Asked after a `place` of which nobody knows whether it was done.
        """
        ...

    def status(self, sid: str) -> str | None:
        """How the call stands, in the network's words (CallStatus); None if unknown there.

        Raises ChannelFailed. Asked when a call's end was never reported.
        """
        ...

    def hang_up(self, sid: str) -> None:
        """End a call that is no longer wanted; one that has ended is left alone. Raises ChannelFailed."""
        ...


class Texts(Protocol):
    """Sends text messages (SMS)."""

    def send(self, text: TextOut) -> str:
        """The network's name (sid) of the message. Raises ChannelFailed."""
        ...

    def find(self, text: TextOut, since: datetime) -> str | None:
        """The sid of this very message if it was sent since then. Raises ChannelFailed."""
        ...

    def status(self, sid: str) -> str | None:
        """How the message stands (MessageStatus): queued, sent, delivered, undelivered, failed …"""
        ...


class Mail(Protocol):
    """Sends e-mail."""

    def send(self, to: str, subject: str, text: str, identity: str, at: datetime) -> None:
        """`identity` is the same each time the same message is sent. Raises ChannelFailed."""
        ...


class Services(Protocol):
    """Reaches whatever else is configured, by its name in `notices.services`."""

    def send(self, service: str, subject: str, text: str) -> None:
        """Raises ChannelFailed, also for a name that is not configured."""
        ...


@dataclass(frozen=True)
class Channels:
    """All of them; None where one is not configured."""

    telephone: Telephone | None = None
    texts: Texts | None = None
    mail: Mail | None = None
    services: Services | None = None

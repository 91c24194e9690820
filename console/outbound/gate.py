"""The last look at whom a call is placed to and a text is sent to, whoever asked for it.

A number was checked when it was saved and when it was chosen; here, what may not be dialled does not leave
the house, even if all of that was forgotten somewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from oncall.notices.channels import CallOut, ChannelFailed, Channels, Telephone, TextOut, Texts
from oncall.phones import NumberRefused
from oncall.settings import RingingSettings

log = logging.getLogger("ivr")

REFUSED = "not allowed"


def guarded(channels: Channels, ringing: RingingSettings) -> Channels:
    """The same channels behind the gate. What is refused has failed for good: another way is tried."""
    telephone, texts = channels.telephone, channels.texts
    return replace(
        channels,
        telephone=_Calls(telephone, ringing) if telephone else None,
        texts=_Texts(texts, ringing) if texts else None,
    )


@dataclass(frozen=True)
class _Calls:
    """`oncall.notices.channels.Telephone` that places no call where none may go."""

    behind: Telephone
    ringing: RingingSettings

    def place(self, call: CallOut) -> str:
        _pass(self.ringing.check_number, call.to)
        return self.behind.place(call)

    def find(self, call: CallOut, since: datetime) -> str | None:
        return self.behind.find(call, since)

    def status(self, sid: str) -> str | None:
        return self.behind.status(sid)

    def hang_up(self, sid: str) -> None:
        self.behind.hang_up(sid)


@dataclass(frozen=True)
class _Texts:
    """`oncall.notices.channels.Texts` that sends nothing where no text may go."""

    behind: Texts
    ringing: RingingSettings

    def send(self, text: TextOut) -> str:
        _pass(self.ringing.check_customer, text.to)
        return self.behind.send(text)

    def find(self, text: TextOut, since: datetime) -> str | None:
        return self.behind.find(text, since)

    def status(self, sid: str) -> str | None:
        return self.behind.status(sid)


def _pass(check: Callable[[str], str], target: str) -> None:
    """Raises ChannelFailed."""
    try:
        check(target)
    except NumberRefused as refused:
        log.error("nothing is sent there: %s", refused)
        raise ChannelFailed(REFUSED, for_good=True) from None

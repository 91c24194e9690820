"""Reaches whatever else people use (chat, pagers, push messages) by the library apprise, one address each.

An address holds tokens: neither it nor what the library says of it is ever logged or raised.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from pydantic import SecretStr

from oncall.notices.channels import ChannelFailed

# Seconds for one message, whatever the library does meanwhile.
AT_MOST = 20.0


class AppriseServices:
    """`oncall.notices.channels.Services`: `services` are addresses of apprise, by their configured names."""

    def __init__(self, services: Mapping[str, SecretStr], at_most: float = AT_MOST) -> None:
        self._services = services
        self._at_most = at_most

    def send(self, service: str, subject: str, text: str) -> None:
        """Raises ChannelFailed: for good if the name is not configured or its address is not understood."""
        address = self._services.get(service)
        if address is None:
            raise ChannelFailed("no such service", for_good=True)
        said: list[str] = []
        # The library waits as long as each of its plugins likes: a thread of its own can be left behind.
        asking = threading.Thread(
            target=lambda: said.append(_notify(address.get_secret_value(), subject, text)), daemon=True
        )
        asking.start()
        asking.join(self._at_most)
        if asking.is_alive():
            raise ChannelFailed("no answer", maybe_done=True)
        # Whatever was raised in the thread has said nothing.
        match said:
            case ["sent"]:
                return
            case ["malformed"]:
                raise ChannelFailed("address not understood", for_good=True)
            case _:
                raise ChannelFailed("not taken")


def _notify(address: str, subject: str, text: str) -> str:
    """ "sent", "malformed" or "refused". The library says only yes or no, and logs what it must not."""
    for name in ("apprise", "apprise.plugins"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        from apprise import Apprise, NotifyFormat  # half a second: only where it is used

        known = Apprise()
        if not known.add(address):
            return "malformed"
        done = known.notify(body=text, title=subject, body_format=NotifyFormat.TEXT)
    except Exception:  # plugins raise what they like, with the address in it
        return "refused"
    return "sent" if done else "refused"

"""Has Twilio forget what has had its time there: recordings that are kept here, calls whose story is over.

What is gone already is no failure. Everything raises ChannelFailed.
"""

from __future__ import annotations

from collections.abc import Callable

from oncall.notices.channels import ChannelFailed
from webhooks.rest.line import NOT_FOUND, Rest, listed


class RestForgetting(Rest):
    """One account, asked to delete."""

    def recording(self, sid: str) -> None:
        """Twilio keeps no recording of this sid any more."""
        _gone(self._account.recordings(sid).delete)

    def call(self, sid: str) -> None:
        """Twilio keeps no call of this sid any more, nor any that was dialled in it."""
        for each in listed(lambda: self._account.calls.stream(parent_call_sid=sid)):
            _gone(each.delete)
        _gone(self._account.calls(sid).delete)


def _gone(delete: Callable[[], object]) -> None:
    try:
        delete()
    except ChannelFailed as failed:
        if str(failed) != NOT_FOUND:
            raise

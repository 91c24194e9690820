"""Calls we place and text messages we send, over Twilio's REST interface.

`RestTelephone` and `RestTexts` are what `oncall.notices.channels` asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from oncall.notices.channels import CallOut, ChannelFailed, TextOut
from webhooks.rest.line import NOT_FOUND, UNREADABLE, Rest, listed
from webhooks.twiml import RING_BUFFER

# Twilio: Calls, Timeout, at least 5 s; it may let the phone ring 5 s longer.
SHORTEST_RING = 5
LONGEST_TEXT = 1600
TEXT_TOO_LONG = "21617"  # Twilio's own code for it
# What Twilio answers to the end of a call that has ended already.
NOT_IN_PROGRESS = "21220"
# Put before every text by an account on trial.
TRIAL = "Sent from your Twilio trial account - "
# Twilio's clock may be behind ours by so much; and it tells whole seconds.
CLOCKS_DIFFER = timedelta(seconds=10)
NEWEST = 50


class RestTelephone(Rest):
    """Places calls. `oncall.notices.channels.Telephone`."""

    def place(self, call: CallOut) -> str:
        """Twilio rings up to 5 s longer than it is told, so `rings` less 5. It tells `ended_at` of every
        final status: that is the one event it reports unasked.
        """
        return _sid(
            self._account.calls.create(
                to=call.to,
                from_=call.shows,
                url=call.answered_at,
                method="POST",
                status_callback=call.ended_at,
                status_callback_method="POST",
                timeout=max(SHORTEST_RING, call.rings - RING_BUFFER),
            )
        )

    def find(self, call: CallOut, since: datetime) -> str | None:
        def found(**dates: datetime) -> Iterable[Any]:
            page = self._account.calls.page
            return listed(lambda: page(to=call.to, from_=call.shows, page_size=NEWEST, **dates))

        return _newest(lambda: found(start_time_after=_midnight(since)), found, since)

    def status(self, sid: str) -> str | None:
        return _status(lambda: self._account.calls(sid).fetch())

    def hang_up(self, sid: str) -> None:
        """`completed` ends a call at any stage; `canceled` would leave one that was picked up meanwhile."""
        try:
            self._account.calls(sid).update(status="completed")
        except ChannelFailed as failed:
            if failed.why not in (NOT_IN_PROGRESS, NOT_FOUND):
                # Asking twice does no harm, so there is nothing to find out first.
                raise ChannelFailed(
                    failed.why, for_good=failed.for_good, wait_seconds=failed.wait_seconds
                ) from None


class RestTexts(Rest):
    """Sends text messages. `oncall.notices.channels.Texts`."""

    def send(self, text: TextOut) -> str:
        if len(text.text) > LONGEST_TEXT:
            raise ChannelFailed(TEXT_TOO_LONG, for_good=True)
        return _sid(
            self._account.messages.create(
                to=text.to, from_=text.sender, body=text.text, status_callback=text.status_at
            )
        )

    def find(self, text: TextOut, since: datetime) -> str | None:
        def found(**dates: datetime) -> Iterable[Any]:
            page = self._account.messages.page
            every = listed(lambda: page(to=text.to, from_=text.sender, page_size=NEWEST, **dates))
            return [each for each in every if _same(each.body, text.text)]

        return _newest(lambda: found(date_sent_after=_midnight(since)), found, since)

    def status(self, sid: str) -> str | None:
        return _status(lambda: self._account.messages(sid).fetch())


def _sid(made: Any) -> str:
    if not made.sid:
        raise ChannelFailed(UNREADABLE, maybe_done=True)
    return str(made.sid)


def _status(fetch: Callable[[], Any]) -> str | None:
    try:
        status = fetch().status
    except ChannelFailed as failed:
        if failed.why == NOT_FOUND:
            return None
        raise
    return str(status) if status else None


def _newest(
    dated: Callable[[], Iterable[Any]], undated: Callable[[], Iterable[Any]], since: datetime
) -> str | None:
    """The newest of ours that was made since. What is still queued has no date yet by which Twilio could
    look for it, hence the second question.
    """
    earliest = since - CLOCKS_DIFFER
    for asked in (dated, undated):
        ours = [
            (each.date_created, str(each.sid))
            for each in asked()
            # Legs of our own Dials and calls that came in go between the same numbers.
            if each.direction == "outbound-api" and each.date_created and each.date_created >= earliest
        ]
        if ours:
            return max(ours)[1]
    return None


def _midnight(since: datetime) -> datetime:
    """Twilio looks for whole days, in UTC."""
    day = (since - CLOCKS_DIFFER).astimezone(UTC)
    return day.replace(hour=0, minute=0, second=0, microsecond=0)


def _same(body: str | None, text: str) -> bool:
    return (body or "").removeprefix(TRIAL).strip() == text.strip()

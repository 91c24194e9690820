"""What Twilio remembers of calls to our numbers: who called, whose phones rang, what was recorded.

For whoever compares that with the journal. Everything raises ChannelFailed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from webhooks.rest.line import Rest, listed

# Twilio's largest page.
PAGE = 1000
FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})


@dataclass(frozen=True)
class PastLeg:
    """A phone that a call rang. `status` is Twilio's; `seconds` from when something picked up, 0: nothing."""

    phone: str
    status: str
    started: datetime
    ended: datetime
    seconds: int


@dataclass(frozen=True)
class PastRecording:
    sid: str
    seconds: int


@dataclass(frozen=True)
class PastCall:
    """A call to one of our numbers. `ended` is None while it goes on."""

    sid: str
    caller: str
    number: str
    started: datetime
    ended: datetime | None
    legs: tuple[PastLeg, ...] = ()
    recordings: tuple[PastRecording, ...] = ()


class RestPastCalls(Rest):
    """The account's calls."""

    def since(self, since: datetime, numbers: Collection[str]) -> list[PastCall]:
        """The calls to these numbers that began at `since` or later, oldest first. Twilio looks for whole
        days, in UTC: two lists, read to their ends.
        """
        day = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        calls = listed(lambda: self._account.calls.stream(start_time_after=day, page_size=PAGE))
        ours = {str(each.sid): each for each in calls if each.direction == "inbound" and each.to in numbers}
        ours = {sid: each for sid, each in ours.items() if each.start_time and each.start_time >= since}
        if not ours:
            return []
        legs: dict[str, list[PastLeg]] = {sid: [] for sid in ours}
        for each in calls:
            if each.parent_call_sid in legs and each.direction == "outbound-dial" and each.start_time:
                legs[each.parent_call_sid].append(_leg(each))
        every = listed(lambda: self._account.recordings.stream(date_created_after=day, page_size=PAGE))
        recordings: dict[str, list[PastRecording]] = {sid: [] for sid in ours}
        for each in every:
            # One that failed, or is still being made, is nothing to be fetched.
            if each.call_sid in recordings and each.status == "completed":
                recordings[each.call_sid].append(PastRecording(str(each.sid), _whole(each.duration)))
        found = [_call(each, legs, recordings) for each in ours.values()]
        return sorted(found, key=lambda call: (call.started, call.sid))


def _call(
    each: Any, legs: Mapping[str, list[PastLeg]], recordings: Mapping[str, list[PastRecording]]
) -> PastCall:
    sid = str(each.sid)
    over = each.status in FINAL
    return PastCall(
        sid=sid,
        caller=str(each._from or ""),
        number=str(each.to),
        started=each.start_time,
        ended=(each.end_time or each.start_time) if over else None,
        legs=tuple(sorted(legs[sid], key=lambda leg: leg.started)),
        recordings=tuple(sorted(recordings[sid], key=lambda recording: recording.sid)),
    )


def _leg(each: Any) -> PastLeg:
    answered = each.status in ("completed", "in-progress")
    ended = each.end_time or each.start_time
    return PastLeg(
        str(each.to), str(each.status), each.start_time, ended, _whole(each.duration) if answered else 0
    )


def _whole(seconds: object) -> int:
    """Twilio tells durations as text, and none as nothing or -1."""
    text = str(seconds or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0

"""What is to be done next about a notice: which channel is tried, what is asked about, when it is over. Pure.

A loud one goes by every channel at once; a call that reads it aloud waits to see whether the text message
arrives. A quiet one goes by the first channel that works.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from oncall.notices.channels import ChannelName
from oncall.notices.notices import Notice, Outcome, Send
from oncall.rota.wallclock import instant_of

# From a failure to the next try by the same channel: the first, and at most.
LOUD_AGAIN, LOUD_AT_MOST = timedelta(seconds=15), timedelta(minutes=5)
QUIET_AGAIN, QUIET_AT_MOST = timedelta(minutes=1), timedelta(minutes=30)
# From a call that nobody heard to the next one, and how many there are.
VOICE_AGAIN, VOICE_TRIES = timedelta(minutes=3), 4
# A loud notice that nothing has brought after this long is an alarm.
ALARM_AFTER = timedelta(minutes=10)
GIVE_UP_AFTER = timedelta(hours=24)
# Without a receipt after this long there will be none.
RECEIPTS_WITHIN = timedelta(hours=1)
# A try of which nobody knows the end: this long it may still be under way. A text message may then be
# asked about for a while; if the network does not answer that either, it counts as never sent.
UNDER_WAY = {"text": timedelta(seconds=20), "voice": timedelta(seconds=60)}
UNDER_WAY_ELSE = timedelta(seconds=45)
ASK_AGAIN = timedelta(seconds=15)
ASKED_FOR = timedelta(minutes=2)
# Why a try failed that the provider knows nothing of, and how often it is simply tried again.
NEVER_SENT, ONCE_MORE = "not sent", 2
# Channels that tell whether it arrived.
TELLS = frozenset({"text", "voice"})


@dataclass(frozen=True)
class Route:
    """A channel and the address by which somebody is reached."""

    channel: ChannelName
    address: str


@dataclass(frozen=True)
class Plan:
    """`begin` now; `ask` what became of these; come again at `due`, unless there is an `outcome`.

    `undelivered`: it is loud, and it is time that somebody hears that nothing has brought it.
    """

    begin: tuple[Route, ...] = ()
    ask: tuple[Send, ...] = ()
    due: datetime | None = None
    outcome: Outcome | None = None
    undelivered: bool = False


def quiet_until(at: datetime, hours: str, zone: ZoneInfo) -> datetime | None:
    """When the quiet hours that `at` lies in end; None if it lies in none. `hours` such as "21:00-08:00", by
    the wall clock of `zone`.
    """
    found = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)", hours)
    if not found:
        return None
    start, end = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    today = at.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        begins = instant_of(day, start, zone)
        ends = instant_of(day if start < end else day + timedelta(days=1), end, zone)
        if begins <= at < ends:
            return ends
    return None


def plan(
    notice: Notice,
    routes: Sequence[Route],
    sends: Collection[Send],
    at: datetime,
    receipt_within: timedelta,
    quiet: datetime | None = None,
) -> Plan:
    """What to do at `at`. `routes` come in the order of preference; `quiet` is when quiet hours end, if
    `at` lies in some.
    """
    ways = [_Way(notice, route, sends, at, receipt_within) for route in routes]
    brought = [way for way in ways if way.brought]
    told = _outcome(ways)
    if at >= notice.created_at + GIVE_UP_AFTER or all(way.dead for way in ways):
        return Plan(outcome=told, undelivered=notice.loud and told == "failed")
    if _over(notice, ways, brought, at):
        return Plan(outcome=told)
    begin = [way.route for way in _open(notice, ways, at, receipt_within) if way.ready_at <= at]
    later = [each for way in ways for each in way.instants if each > at]
    later += [way.ready_at for way in _open(notice, ways, at, receipt_within) if way.ready_at > at]
    later.append(notice.created_at + GIVE_UP_AFTER)
    if notice.loud:
        later += [
            each
            for each in (notice.created_at + ALARM_AFTER, notice.created_at + receipt_within)
            if each > at
        ]
    elif quiet is not None:
        begin, later = [], [*(each for each in later if each >= quiet), quiet]
    return Plan(
        tuple(begin),
        tuple(way.last for way in ways if way.last is not None and way.to_ask),
        min(later),
        undelivered=notice.loud and not brought and at >= notice.created_at + ALARM_AFTER,
    )


class _Way:
    """How one route stands at an instant."""

    def __init__(
        self, notice: Notice, route: Route, sends: Collection[Send], at: datetime, receipt_within: timedelta
    ) -> None:
        self.route = route
        tries = [send for send in sends if (send.channel, send.address) == (route.channel, route.address)]
        last = self.last = tries[-1] if tries else None
        state = last.state if last else None
        tells = route.channel in TELLS
        self.delivered = any(send.state == "delivered" for send in tries)
        # A channel that never tells has brought it as far as anybody can know.
        self.brought = self.delivered or (state == "sent" and not tells)
        failures = sum(1 for send in tries if send.state == "failed")
        used_up = route.channel == "voice" and state == "failed" and len(tries) >= VOICE_TRIES
        self.dead = not self.delivered and (state == "refused" or used_up)
        # It never came to the provider: that is no reason yet to take another channel.
        once_more = last is not None and last.why == NEVER_SENT and failures <= ONCE_MORE
        self.failing = state == "failed" and not self.dead and not once_more
        self.awaited = state == "sent" and tells and not self.delivered
        self.unsure = state == "trying"
        self.unheard = self.awaited and last is not None and at >= last.tried_at + RECEIPTS_WITHIN
        self.late = self.awaited and last is not None and at >= last.tried_at + receipt_within
        # When it may be tried (again); of one under way there is nothing to try.
        self.ready_at = notice.created_at
        if last is not None and self.failing:
            self.ready_at = (last.settled_at or last.tried_at) + _backoff(
                notice.loud, route.channel, failures
            )
        self.to_begin = last is None or self.failing or (state == "failed" and once_more)
        self.instants: list[datetime] = []
        self.to_ask = False
        if last is not None and self.unsure:
            known = last.tried_at + UNDER_WAY.get(route.channel, UNDER_WAY_ELSE)
            self.to_ask, self.instants = at >= known, [known, at + ASK_AGAIN]
        elif last is not None and self.awaited:
            self.to_ask = self.late and not self.unheard
            again, step = last.tried_at + receipt_within, receipt_within
            while again <= at:
                again, step = again + step, step * 2
            self.instants = [again, last.tried_at + RECEIPTS_WITHIN]


def _open(notice: Notice, ways: list[_Way], at: datetime, receipt_within: timedelta) -> list[_Way]:
    """The ways that may be tried now or later."""
    if notice.loud:
        first = ways[0] if ways and ways[0].route.channel == "text" else None
        waited = at >= notice.created_at + receipt_within
        aloud = first is None or first.dead or (waited and not first.delivered)
        return [way for way in ways if way.to_begin and (way.route.channel != "voice" or aloud)]
    found: list[_Way] = []
    for way in ways:
        if way.to_begin:
            found.append(way)
        if not (way.dead or way.failing):
            break
    return found


def _over(notice: Notice, ways: list[_Way], brought: list[_Way], at: datetime) -> bool:
    """Whether all is done that can be."""
    if not notice.loud:
        return bool(brought) or any(way.unheard for way in ways)
    heard = any(way.delivered for way in ways)
    if heard and at >= notice.created_at + ALARM_AFTER:
        return True
    stands_by = ways[0].route.channel == "text"
    return all(
        way.brought or way.dead or way.unheard or (heard and stands_by and way.route.channel == "voice")
        for way in ways
    )


def _outcome(ways: list[_Way]) -> Outcome:
    if any(way.delivered for way in ways):
        return "delivered"
    return "sent" if any(way.brought or way.awaited for way in ways) else "failed"


def _backoff(loud: bool, channel: ChannelName, failures: int) -> timedelta:
    if channel == "voice":
        return VOICE_AGAIN
    first, most = (LOUD_AGAIN, LOUD_AT_MOST) if loud else (QUIET_AGAIN, QUIET_AT_MOST)
    return min(first * (1 << min(failures - 1, 10)), most)

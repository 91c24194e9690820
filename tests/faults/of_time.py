"""Faults of time: clocks that jump, the hours at which they are changed, a scheduler that stands still."""

from __future__ import annotations

import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from faults.cluster import Cluster
from faults.fault import Fault, Stage
from faults.journal import completed
from faults.of_provider import WHILE_IT_RINGS, pursued

ROME = ZoneInfo("Europe/Rome")
LEAP = timedelta(minutes=5)
STALL = timedelta(minutes=10)
DEADLINE = "SELECT opened_at, due_at FROM cases WHERE call_sid = :sid"
WITHIN = timedelta(hours=1)


def leaps(stage: Stage) -> list[str]:
    """Both machines' clocks go five minutes ahead mid-call, or back."""
    cluster = stage.load.cluster
    by = LEAP if stage.emergency.random.random() < 0.5 else -LEAP
    call = stage.emergency.call({"key": lambda: cluster.clock.set(cluster.now() + by)})
    found = stage.emergency.complaints(call)
    if missing := completed(cluster, call):
        found.append(missing)
    return found


def changes(stage: Stage) -> list[str]:
    """A call during which the clocks are changed; the deadline is an hour later all the same."""
    cluster = stage.load.cluster
    moment = _next_change(cluster.now())
    jump(cluster, moment - timedelta(minutes=1))
    just_before = moment - timedelta(milliseconds=300)
    call = stage.emergency.call({"key": lambda: cluster.clock.set(just_before)})
    found = stage.emergency.complaints(call)
    if missing := completed(cluster, call):
        found.append(missing)
    for opened, due in cluster.ask(DEADLINE, sid=call.sid):
        if _instant(due) - _instant(opened) != WITHIN:
            found.append(f"{call.sid}: opened {opened}, due {due}")
    return found


def jump(cluster: Cluster, to: datetime) -> None:
    """A long time goes by. The workers are begun anew: a scheduler would count every tick that it missed."""
    cluster.idle()
    for node in cluster.nodes:
        node.kill_part("work")
    cluster.clock.set(to)
    for node in cluster.nodes:
        node.start("work")


def _next_change(after: datetime) -> datetime:
    """The next instant at which the clocks of Rome are changed, at least a day after that one."""
    at = datetime(after.year, after.month, after.day, 1, tzinfo=UTC) + timedelta(days=1)
    while at.astimezone(ROME).utcoffset() == (at - timedelta(hours=1)).astimezone(ROME).utcoffset():
        at += timedelta(days=1)
    return at


def _instant(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value)).replace(tzinfo=UTC)


def stalls(stage: Stage) -> list[str]:
    """The workers stand still for ten minutes, in which a caller hangs up: they catch up, nothing is
    doubled.
    """
    load, cluster = stage.load, stage.load.cluster
    cluster.idle()
    for node in cluster.nodes:
        node.signal("work", signal.SIGSTOP)
    asked = len(cluster.network.made)
    try:
        call = stage.emergency.call(hangs_up_at=WHILE_IT_RINGS)
        cluster.clock.set(cluster.now() + STALL)
    finally:
        for node in cluster.nodes:
            node.signal("work", signal.SIGCONT)
    load.people.willing = True
    found = pursued(stage, call.sid)
    cluster.idle()
    done = Counter((each.kind, each.to, each.body) for each in cluster.network.made[asked:])
    found += [f"{call.sid}: {what} {times} times" for what, times in done.items() if times > 1]
    return found


SERVED = "the call is served and the journal is complete"
FAULTS = [
    Fault(12, "clock five minutes ahead or back", SERVED, leaps),
    Fault(13, "scheduler stalled for 10 min", "caught up with, nothing doubled", stalls, freezes=True),
    Fault(12, "clocks are changed mid-call", f"{SERVED}; the deadline is as far away as ever", changes),
]

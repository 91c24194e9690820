"""Whether the journal tells of a call what its telephones know: each turn once, one case, each ring once."""

from __future__ import annotations

import time

from faults.cluster import Cluster
from faults.phones import Caller

TURNS = "SELECT turn FROM turns WHERE sid = :sid ORDER BY turn"
CASES = "SELECT count(*) FROM case_calls WHERE call_sid = :sid"
RINGS = "SELECT count(*) FROM attempts WHERE call_sid = :sid AND pass_id IS NULL"
KEYS = "SELECT count(*) FROM attempts WHERE call_sid = :sid AND pass_id IS NULL AND pressed = 'accepted'"
BRIDGED = "SELECT count(*) FROM attempts WHERE call_sid = :sid AND pass_id IS NULL AND result = 'connected'"
ENDED = "SELECT count(*) FROM calls WHERE sid = :sid AND ended_at IS NOT NULL"


def incomplete(cluster: Cluster, call: Caller, *, cases: int = 1, connected: int = 1) -> str:
    """What is missing or doubled in the journal of a call that is over; "" if nothing is."""
    turns = [row[0] for row in cluster.ask(TURNS, sid=call.sid)]
    if not call.turns:
        return f"{call.sid}: no answer that could be used"
    if turns != list(range(max(call.turns) + 1)):
        return f"{call.sid}: turns {turns} in the journal, {sorted(call.turns)} on the telephone"
    for what, sql, wanted in (
        ("cases", CASES, cases),
        ("rings", RINGS, call.dials),
        ("accepting keys", KEYS, connected),
        ("talks", BRIDGED, connected),
        ("ends", ENDED, 1),
    ):
        found = cluster.ask(sql, sid=call.sid)[0][0]
        if found != wanted:
            return f"{call.sid}: {found} {what} in the journal, {wanted} on the telephone"
    return ""


def completed(
    cluster: Cluster, call: Caller, *, within: float = 60.0, cases: int = 1, connected: int = 1
) -> str:
    """Like `incomplete`, once everything had time to come home."""
    limit = time.monotonic() + within
    while (
        missing := incomplete(cluster, call, cases=cases, connected=connected)
    ) and time.monotonic() < limit:
        time.sleep(0.2)
    return missing

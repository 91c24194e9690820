"""The same request to both nodes at the same instant, a thousand times: one effect, identical answers."""

from __future__ import annotations

from faults.balancer import Mishap
from faults.emergency import Emergency
from faults.fault import Outcome
from faults.journal import completed
from faults.load import Load
from faults.people import Manner

TWICE = Mishap("at the same instant", twice=True)
REQUESTS = 1000
LEG_TURNS = (
    "SELECT count(*) FROM legs WHERE call_sid = :sid",
    "SELECT count(*) FROM leg_turns JOIN legs ON legs.sid = leg_turns.sid WHERE legs.call_sid = :sid",
)
# A voicemail, a pass, and one who accepts: every kind of request of a technician's leg.
MANNERS: tuple[Manner, ...] = ("passes", "voicemail", "accepts")


def at_once(load: Load, emergency: Emergency, requests: int = REQUESTS) -> Outcome:
    """Whole calls, each request of which goes to both nodes, until there are so many."""
    outcome = Outcome(7, "every request to both nodes at once", "one effect, identical answers")
    wrongs = len(load.judge.wrongs)
    load.line.strict = True
    while (done := load.line.count[TWICE.name]) < requests:
        call = emergency.call(manners=MANNERS, mishap=TWICE)
        outcome.complaints += emergency.complaints(call)
        if missing := completed(load.cluster, call):
            outcome.complaints.append(missing)
        legs, turns = (load.cluster.ask(sql, sid=call.sid)[0][0] for sql in LEG_TURNS)
        # Picked up three times; then a 2, two silences, a 1.
        if (legs, turns) != (3, 7):
            outcome.complaints.append(
                f"{call.sid}: {legs} legs with {turns} turns in the journal, 3 with 7 rang"
            )
        if load.line.count[TWICE.name] == done:
            outcome.complaints.append("no request was sent twice")
            break
    outcome.injected = load.line.count[TWICE.name]
    outcome.complaints += load.judge.wrongs[wrongs:]
    load.line.strict = False
    load.settle()
    return outcome

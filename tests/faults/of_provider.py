"""Faults of the telephone network: it hangs, its messages do not arrive."""

from __future__ import annotations

from faults.fault import Fault, Stage
from faults.people import Manner

# His second key rings a phone: his third deed is to hang up while it rings.
WHILE_IT_RINGS = 3
STEP = 130.0
STEPS = 10
ALARMS = "SELECT count(*) FROM due_work WHERE kind = 'alarm' AND key LIKE 'notice-not-delivered%'"
VOICE = "SELECT count(*) FROM notice_sends WHERE channel = 'voice'"


def hangs(stage: Stage) -> list[str]:
    """The request that places the pursuit's call is never answered."""
    load = stage.load
    load.cluster.network.faults.append("hang")
    call = stage.emergency.call(hangs_up_at=WHILE_IT_RINGS)
    return pursued(stage, call.sid)


def pursued(stage: Stage, whose: str) -> list[str]:
    """Time goes by until somebody has the case; every technician is willing."""
    load = stage.load
    load.people.willing = True
    for _ in range(STEPS):
        load.cluster.idle()
        if not load.judge.unmet():
            return []
        load.cluster.passes(STEP)
    return [f"{whose}: nobody was phoned who took the case"]


def texts_do_not_arrive(stage: Stage) -> list[str]:
    """Every text message is refused, and nobody picks up a phone: then one does."""
    load, cluster = stage.load, stage.load.cluster
    alarms, spoken = cluster.ask(ALARMS)[0][0], cluster.ask(VOICE)[0][0]
    nobody: tuple[Manner, ...] = ("lets it ring",)
    before, load.people.manners = load.people.manners, lambda _: nobody[0]
    load.people.willing = False
    cluster.network.texts_fail = True
    found = []
    try:
        call = stage.emergency.call(manners=nobody)
        for _ in range(STEPS):
            cluster.passes(STEP)
            cluster.idle()
            if cluster.ask(ALARMS)[0][0] > alarms and cluster.ask(VOICE)[0][0] > spoken:
                break
        if cluster.ask(VOICE)[0][0] == spoken:
            found.append(f"{call.sid}: no notice was brought by voice instead")
        if cluster.ask(ALARMS)[0][0] == alarms:
            found.append(f"{call.sid}: nobody was alarmed")
    finally:
        cluster.network.texts_fail = False
        load.people.manners = before
    return found + pursued(stage, call.sid)


FAULTS = [
    Fault(10, "provider hangs", "the pursuit goes on, somebody has the case", hangs, freezes=True),
    Fault(11, "text messages do not arrive", "the next channel, and an alarm", texts_do_not_arrive),
]

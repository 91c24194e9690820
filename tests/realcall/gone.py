"""A caller who hangs up while the second technician's phone rings; the first was busy."""

from __future__ import annotations

from realcall.emergency import P1
from realcall.judge import Check
from realcall.stage import Stage

CANCELLED = 487  # SIP: the request was terminated, so the phone has stopped ringing


async def act(stage: Stage) -> None:
    caller, switch = stage.programs["caller"], stage.programs["switch"]
    anna, bruno = stage.programs["anna"], stage.programs["bruno"]
    await stage.call()
    await stage.key_pin()
    await switch.wait("listens", party="caller", keys=1)
    await caller.order(do="press", keys=P1)
    await anna.wait("rings")
    await anna.order(do="refuse")
    stage.show("anna's phone is busy")
    await bruno.wait("rings")
    await caller.order(do="hang up")
    stage.show("bruno's phone rings, and the caller hangs up")
    await bruno.wait("ended", code=CANCELLED)
    stage.show("bruno's phone has stopped ringing")
    await switch.wait("over", sid=stage.sid)


def judged(stage: Stage) -> list[Check]:
    shown = stage.house.json("call", "show", stage.sid)
    case = stage.house.json("case", "show", shown["case"])
    # The pursuit begins at once, and adds attempts of its own.
    rang = [(each["technician"], each["result"]) for each in case["attempts"]][:2]
    return [
        Check("the call's outcome is accepted", shown["outcome"] == "accepted", str(shown["outcome"])),
        Check("the call has ended", shown["ended"] is not None, str(shown["ended"])),
        Check(
            "the attempts are those that rang",
            rang == [("anna", "busy"), ("bruno", "no-answer")],
            str(rang),
        ),
        Check("nobody was connected", case["connected_at"] is None, str(case["connected_at"])),
        Check("the case stays open", case["closed_at"] is None, str(case["closed_at"])),
        *stage.faults(),
    ]

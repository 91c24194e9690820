"""An emergency from ring to bridge, with real sound: anna passes, bruno accepts, they talk.

The caller makes a tone from the moment phones ring, bruno from the moment he picks up, and both record what
they hear. A recording is cut at the key and at the bridge: on order, and before the key is pressed, so that
nothing of what came after can be in what was heard before.
"""

from __future__ import annotations

from realcall.judge import Check, audible, crossed, written_down
from realcall.stage import OUR_NUMBER, PEOPLE, Stage

P1, ACCEPT, PASS = "2", "1", "2"
# Hz. Speech has little at the caller's, so that the whisper, which is speech, could hide none of it.
CALLERS_TONE, TECHNICIANS_TONE = 2900, 1000
TALK = 3.0  # seconds of it that are recorded


async def act(stage: Stage) -> None:
    """The call, from ring to end."""
    caller, switch = stage.programs["caller"], stage.programs["switch"]
    anna, bruno = stage.programs["anna"], stage.programs["bruno"]
    await stage.call()
    # Over the welcome, as callers do who have heard it before.
    await stage.key_pin()
    await switch.wait("listens", party="caller", keys=1)
    await caller.order(do="press", keys=P1)
    stage.show("the caller keys P1")

    shows = (await anna.wait("rings"))["shows"]
    stage.show(f"anna's phone rings and shows {shows}")
    await caller.order(do="tone", hz=CALLERS_TONE)
    await anna.order(do="answer")
    await switch.wait("listens", party=PEOPLE["anna"])
    await anna.order(do="press", keys=PASS)
    await anna.wait("ended")
    stage.show("anna has passed")

    shows = (await bruno.wait("rings"))["shows"]
    stage.show(f"bruno's phone rings and shows {shows}")
    await bruno.order(do="answer")
    await bruno.wait("answered")
    await bruno.order(do="tone", hz=TECHNICIANS_TONE)
    await stage.record("bruno", "before-the-key")
    await stage.record("caller", "before-the-key")
    await switch.wait("said", party=PEOPLE["bruno"])  # all of the whisper
    await stage.record("bruno", "after-the-key")
    await stage.record("caller", "after-the-key")
    await bruno.order(do="press", keys=ACCEPT)
    stage.show("bruno has heard who it is, and accepts")

    await switch.wait("bridged", phone=PEOPLE["bruno"])
    stage.show("connected")
    await stage.record("bruno", "talk")
    await stage.record("caller", "talk")
    await stage.listen("caller", TALK)
    await stage.record("bruno", "end")
    await stage.record("caller", "end")
    await bruno.order(do="hang up")
    await switch.wait("dialled", status="completed", bridged="true")
    await caller.order(do="hang up")
    over = await switch.wait("over", sid=stage.sid)
    stage.show(f"the call is over: {over['status']}")


def judged(stage: Stage) -> list[Check]:
    """What the recordings tell, what the service wrote down, what the phones showed."""
    shown = stage.house.json("call", "show", stage.sid)
    if not shown["case"]:
        return [Check("there is a case", False, f"outcome {shown['outcome']}")]
    case = stage.house.json("case", "show", shown["case"])
    seen = {
        each["shows"] for who in PEOPLE for each in stage.programs[who].events if each["event"] == "rings"
    }
    return [
        *crossed(
            "the caller",
            TECHNICIANS_TONE,
            stage.recorded("caller", "before-the-key"),
            stage.recorded("caller", "talk"),
        ),
        *crossed(
            "the technician",
            CALLERS_TONE,
            stage.recorded("bruno", "before-the-key"),
            stage.recorded("bruno", "talk"),
        ),
        audible("the caller heard the prompts", stage.recorded("caller", "conversation")),
        audible("the technician heard who it is", stage.recorded("bruno", "before-the-key")),
        *written_down(shown, case, [("anna", "declined"), ("bruno", "connected")]),
        Check("the technicians' phones show our number", seen == {OUR_NUMBER}, str(seen)),
        *stage.faults(),
    ]

"""A caller without a PIN who leaves a message: the tone he speaks is in the recording."""

from __future__ import annotations

from realcall.judge import Check, held
from realcall.sound import Sound, read
from realcall.stage import Stage

NO_PIN, LEAVES_ONE = "0#", "1"
TONE, SPEAKS = 700, 2.0  # Hz, seconds


async def act(stage: Stage) -> None:
    caller, switch = stage.programs["caller"], stage.programs["switch"]
    await stage.call()
    await switch.wait("listens", party="caller")
    await caller.order(do="press", keys=NO_PIN)
    await switch.wait("listens", party="caller", keys=1)
    await caller.order(do="press", keys=LEAVES_ONE)
    stage.show("the caller has no PIN, and wants to leave a message")
    await switch.wait("records", party="caller")
    await caller.order(do="tone", hz=TONE)
    await stage.listen("caller", SPEAKS)
    await caller.order(do="hush")
    stage.show("the message is left, and the caller is silent")
    await switch.wait("over", sid=stage.sid)


def judged(stage: Stage) -> list[Check]:
    shown = stage.house.json("call", "show", stage.sid)
    (recording,) = (stage.folder / "switch").glob("RE*.wav")
    sound = read(recording)
    spoken = Sound(sound.samples[: int(SPEAKS * sound.rate)], sound.rate)
    return [
        held("the message", TONE, spoken.without(0.3)),
        Check("it ended with the silence", SPEAKS < sound.seconds < SPEAKS + 20, f"{sound.seconds:.1f} s"),
        Check("the call's outcome is message", shown["outcome"] == "message", str(shown["outcome"])),
        Check("there is no case", shown["case"] is None, str(shown["case"])),
        *stage.faults(),
    ]

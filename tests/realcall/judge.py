"""Whether a call was as it should be, from two recordings and what the service wrote down. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from realcall.sound import Sound
from realcall.tone import level, loudest_at, strongest

OFF_BY = 3.0  # Hz
SURE = 10.0  # dB that the tone has over everything else together
KEPT_OUT = 30.0  # dB by which the same frequency must be quieter before the key than after it
AUDIBLE = -45.0  # dBFS: a prompt that is spoken is louder
SETTLES = 0.3  # seconds after the bridge, in which the jitter buffer finds its length


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold, with what was found."""

    what: str
    holds: bool
    found: str


def crossed(who: str, hz: int, before: Sound, talk: Sound) -> list[Check]:
    """That a tone of `hz` is in the talk, and was not in what the same phone heard before the key."""
    heard = talk.without(SETTLES)
    there = loudest_at(heard.samples, heard.rate, hz)
    leaked = loudest_at(before.samples, before.rate, hz)
    return [
        held(f"what {who} hears after the key", hz, heard),
        Check(
            f"{who} hears none of it before the key",
            there - leaked >= KEPT_OUT,
            f"at most {leaked:.1f} dBFS at {hz} Hz in any half second of {before.seconds:.1f} s:"
            f" {there - leaked:.1f} dB below",
        ),
    ]


def held(what: str, hz: int, sound: Sound) -> Check:
    """That a tone of `hz` is the strongest of all, and stronger than all the rest."""
    tone = strongest(sound.samples, sound.rate)
    found = f"{tone.hz:.1f} Hz, {tone.over_rest:.1f} dB over all the rest, at {tone.level:.1f} dBFS"
    right = abs(tone.hz - hz) <= OFF_BY and tone.over_rest >= SURE
    return Check(f"{what} is {hz} Hz", right, f"{found} ({sound.seconds:.1f} s)")


def audible(what: str, sound: Sound) -> Check:
    """That something was to be heard."""
    loud = level(sound.samples)
    return Check(what, loud >= AUDIBLE, f"{loud:.1f} dBFS over {sound.seconds:.1f} s")


def written_down(
    call: Mapping[str, Any], case: Mapping[str, Any], attempts: Iterable[tuple[str, str]]
) -> list[Check]:
    """That `ivr call show` and `ivr case show` tell of a P1 that was connected after these attempts."""
    made = [(each["technician"], each["result"]) for each in case["attempts"]]
    wanted = list(attempts)
    return [
        Check("the call's outcome is connected", call["outcome"] == "connected", str(call["outcome"])),
        Check("the call has ended", call["ended"] is not None, str(call["ended"])),
        Check("the urgency is P1", call["urgency"] == case["urgency"] == "P1", str(call["urgency"])),
        Check("the case is the call's", call["case"] in (case["number"], case["code"]), str(call["case"])),
        Check("the attempts are those that rang", made == wanted, str(made)),
        Check("the case was connected", case["connected_at"] is not None, str(case["connected_at"])),
    ]

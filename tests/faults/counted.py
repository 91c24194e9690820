"""What befell the conversations themselves, as outcomes of the faults that it amounts to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from faults.fault import OFTEN, Outcome
from faults.load import Load

ONE_EFFECT = "one effect, identical answers"
ELSEWHERE = (
    (18, "yesterday's backup restored", "revoked stays revoked, erased stays erased"),
    (20, "certificate about to expire", "an alarm 14 days before"),
)


def outcomes(loads: list[Load], elsewhere: dict[int, str]) -> Iterator[Outcome]:
    """Each kind of mishap with how often it happened. What went wrong stands with the judge."""
    line: Counter[str] = sum((load.line.count for load in loads), Counter())
    judged: Counter[str] = sum((load.judge.count for load in loads), Counter())
    count: Counter[str] = sum((load.count for load in loads), Counter())
    network: Counter[str] = sum((load.cluster.network.count for load in loads), Counter())
    for when in ("before", "after"):
        yield Outcome(6, f"a webhook process killed {when} a commit", "0 lost", line[f"killed {when} commit"])
    yield Outcome(6, "the worker killed before or after a commit", "0 lost", count["worker killed"])
    yield Outcome(3, "connections to the database reset", "0 lost", line["connections reset"])
    yield Outcome(3, "an answer of the database cut off", "0 lost", line["database's answer cut off"])
    yield Outcome(7, "a request sent to both nodes at once", ONE_EFFECT, line["sent to both nodes at once"])
    yield Outcome(8, "the answer to COMMIT lost", "0 lost", line["answer to COMMIT lost"])
    for name in ("answer lost, asked again", "answer lost, fallback"):
        yield Outcome(8, f"our {name}", "the identical document", line[name])
    late = count["callbacks an hour late, in any order"]
    yield Outcome(9, "callbacks an hour late, in any order", "0 lost", late)
    for fault in ("429", "500 before", "500 after"):
        yield Outcome(10, f"the provider answers {fault}", "0 lost", network[fault])
    yield Outcome(
        15, "a voicemail picks up", "next phone within 22 s", judged["voicemails that were hung up on"]
    )
    yield Outcome(15, "a technician hangs up in the whisper", "next phone", judged["technicians: hangs up"])
    gone = judged["callers who hang up while a phone rings"]
    yield Outcome(16, "the caller hangs up while a phone rings", "pursued", gone)
    yield Outcome(16, "… between the key and the bridge", "pursued", judged["technicians: caller gone"])
    yield Outcome(17, "requests signed by either token in turn", "both believed", judged["conversations"])
    yield Outcome(17, "a token that the provider refuses", "the other is tried", network["401"])
    for number, name, stated in ELSEWHERE:
        outcome = Outcome(number, name, stated)
        outcome.elsewhere = elsewhere.get(number, "not tried here")
        yield outcome


def points(loads: list[Load]) -> dict[str, int]:
    """How often a process was killed at each commit point."""
    counts: Counter[str] = sum((load.line.count + load.count for load in loads), Counter())
    return {
        name: times
        for name, times in sorted(counts.items())
        if name.startswith(("killed ", "worker killed:")) and ": " in name
    }


def too_few(found: list[Outcome], quick: bool) -> list[str]:
    """Which kinds came to fewer than fifty; in a short form no number is asked for."""
    if quick:
        return []
    return [
        f"{each.name}: only {each.injected}" for each in found if not each.elsewhere and each.injected < OFTEN
    ]

"""Whether the sentences that the house has recorded are played. What is not is spoken, so nothing is red."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from console.doctor.finding import Finding, green, yellow
from console.doctor.look import Look
from console.voice.listing import Standing, listing
from ivr.prompts import spoken_languages

# By then every node's worker has brought a recording to its disk many times over.
SOON = timedelta(minutes=10)


def check(look: Look) -> Iterator[Finding]:
    with look.house.database.read() as connection:
        found = [
            each
            for language in spoken_languages()
            for _, standing in listing(connection, look.configuration, language, look.at)
            for each in standing
        ]
    outdated = [each for each in found if each.state == "outdated"]
    late = [each for each in found if each.state == "waiting" and look.at - each.recording.recorded_at > SOON]
    if outdated:
        yield yellow(
            "outdated",
            f"{len(outdated)} recorded sentence(s) are worded otherwise today, so the service's voice says "
            f"them: {_named(outdated)}.",
            "Have them read aloud again (`ivr prompt listing`), or take them away (`ivr prompt remove`).",
        )
    if late:
        nodes = ", ".join(sorted({node for each in late for node in each.nodes}))
        yield yellow(
            "waiting",
            f"{len(late)} recorded sentence(s) are not played: not every node has them ({nodes}).",
            "See that the worker runs there and can write its state folder; a node that is no more is "
            "forgotten with `ivr pin rekey --forget NODE`.",
        )
    if not outdated and not late:
        yield green("recorded", f"{len(found)} recorded sentence(s) stand in the voice's place.")


def _named(found: list[Standing]) -> str:
    return ", ".join(sorted({f"{each.recording.line} ({each.recording.language})" for each in found}))

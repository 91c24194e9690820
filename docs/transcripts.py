"""Writes docs/transcripts-LANGUAGE.md: ten typical calls, as everybody on the line hears them.

The conversations are files of tests/calls/; what they expect to hear is Italian, so those lines are left
out and only what people do is played. Run by `make transcripts`.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

from console.commands.phone import shipped
from console.demonstration import cast
from console.phone import lines, parse
from console.phone.callfile import CallFile, Comment, Fact, Hears
from console.rehearsing.rehearsal import ACTOR, Rehearsal
from console.settings import Configuration

ROOT = Path(__file__).parent.parent
TITLES = {"it": "Dieci telefonate", "en": "Ten calls", "de": "Zehn Anrufe"}
TEN = (
    "second-technician-accepts",
    "wrong-pin-then-right",
    "wrong-pin-three-times",
    "contract-ended",
    "not-urgent-friday-night",
    "voicemail-answers",
    "nobody-answers-message-left",
    "repeat-caller-taken",
    "call-back-between-rings",
    "office-misses-message-left",
)


def speaking(configuration: Configuration, language: str) -> Configuration:
    numbers = [number.model_copy(update={"language": language}) for number in configuration.number]
    return configuration.model_copy(update={"number": numbers})


def transcript(name: str, language: str) -> tuple[str, list[str]]:
    """The call's title, and its transcript."""
    file = ROOT / "tests" / "calls" / f"{name}.call"
    whole = parse(file.read_text(encoding="utf-8"), file.name)
    title = next(each.text for each in whole.lines if isinstance(each, Comment) and each.text)
    played = CallFile(name, tuple(each for each in whole.lines if not isinstance(each, Hears | Fact)))
    start = datetime(2026, 1, 6, 12, tzinfo=UTC)
    with Rehearsal(speaking(shipped(), language), start, source=random.Random(1)) as rehearsal:
        cast.enter(rehearsal.house, ACTOR, start)
        for code, *_ in cast.CUSTOMERS:
            rehearsal.issue(code)
        rehearsal.play(str(played), name)
        return title, list(lines(rehearsal.exchange.events, rehearsal.cast()))


def page(language: str) -> str:
    """docs/transcripts-LANGUAGE.md, whole."""
    parts = [
        f"# {TITLES[language]}",
        "",
        "Written by `make transcripts` from the conversations in `tests/calls/`.",
        "",
    ]
    for name in TEN:
        title, told = transcript(name, language)
        parts += [f"## {title}", "", "```", *told, "```", ""]
    return "\n".join(parts)


def main() -> None:
    for language in TITLES:
        (ROOT / "docs" / f"transcripts-{language}.md").write_text(page(language), encoding="utf-8")


if __name__ == "__main__":
    main()

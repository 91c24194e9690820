"""How far a voice has come: what was said is shown word by word, as it would be heard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from console.phone.events import Answered, Event, Heard, Pressed, Waited
from console.phone.execution import CHARACTERS_A_SECOND, SECONDS_A_RECORDING


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence on the way: `begins` and `ends` in seconds from the first one's beginning."""

    heard: Heard
    begins: float
    ends: float

    def said(self, position: float) -> str:
        """As much as was said at `position`, in whole words."""
        if position >= self.ends:
            return self.heard.text
        characters = int((position - self.begins) * CHARACTERS_A_SECOND)
        return self.heard.text[: characters + 1].rpartition(" ")[0] if characters > 0 else ""


def laid_out(events: Sequence[Event]) -> tuple[Sentence, ...]:
    """The sentences that a move brought, one after the other.

    Of a move that was several at once only the last one's; nobody listens to what a voicemail was told.
    """
    last = max((i for i, e in enumerate(events) if isinstance(e, Pressed | Waited | Answered)), default=0)
    machines = {event.phone for event in events if isinstance(event, Answered) and event.by == "voicemail"}
    sentences: list[Sentence] = []
    end = 0.0
    for heard in events[last:]:
        if isinstance(heard, Heard) and heard.party not in machines:
            recording = heard.text.startswith("[")
            begins = end
            end += SECONDS_A_RECORDING if recording else len(heard.text) / CHARACTERS_A_SECOND
            sentences.append(Sentence(heard, begins, end))
    return tuple(sentences)


def beginning(sentences: Iterable[Sentence], at: datetime) -> float:
    """The position at which what was begun at `at` or later begins."""
    return next((each.begins for each in sentences if each.heard.at >= at), 0.0)


def instant(sentences: Sequence[Sentence], position: float) -> datetime:
    """The virtual instant at `position`, which lies before the last one's end."""
    now = next(each for each in sentences if position < each.ends)
    return now.heard.at + timedelta(seconds=position - now.begins)

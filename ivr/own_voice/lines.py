"""Which sentences may be recorded, what is read aloud for each, and the listing of all that is said.

A recording stands for a whole sentence that is the same in every call: what it says depends on the language
and on the configuration alone (the company's name, the levels of urgency, where to write). Sentences with a
code, a time or a customer's name in them stay spoken. So do those that technicians hear, whose length decides
how soon the next phone rings; those of a caller who is screened; and those of the stand-in at the network,
which plays nothing of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ivr.own_voice.checking import Prepared, prepare
from ivr.own_voice.wav import RecordingRefused
from ivr.prompts import Speaker, catalogue
from ivr.vocabulary import UrgencyMenu, Value, line

Why = Literal["", "part", "variable", "pieces", "technician", "screening", "stand-in"]
# What the configuration alone decides.
_FIXED = {"company", "write"}
# Sentences whose values are the same in every call, though the conversation names them.
_VALUES: Mapping[str, Mapping[str, Value]] = {"urgency-menu": {"levels": UrgencyMenu()}}
# Spoken piece by piece, so that each can be keyed over; and what only fills a place in another sentence.
_PIECES, _PARTS = {"definitions"}, {"write-to"}
_SPOKEN: tuple[tuple[str, Why], ...] = (
    ("technician-", "technician"),
    ("out-", "technician"),
    ("screening-", "screening"),
    ("stand-in-", "stand-in"),
)
_PLACE = re.compile(r"\{([a-z]+)(?::[a-z]+)?\}")
MENU = "urgency-menu"


@dataclass(frozen=True)
class Sentence:
    """One sentence of a language's catalogue. `place` counts from 1 in the catalogue's order.

    `text` is what is said; where that differs from call to call, the places stand in it as {name}, and
    `variable` names them. `why` it stays spoken, "" for one that may be recorded.
    """

    place: int
    name: str
    text: str
    variable: tuple[str, ...]
    why: Why

    @property
    def recordable(self) -> bool:
        return not self.why


def sentences(speaker: Speaker, language: str, at: datetime) -> list[Sentence]:
    """Everything that is said in this language, in the catalogue's order. Raises LookupError."""
    return [
        _sentence(speaker, language, at, place, name)
        for place, name in enumerate(catalogue(language).sentences, start=1)
    ]


def sentence(speaker: Speaker, language: str, at: datetime, name: str) -> Sentence:
    """The sentence of this name. Raises LookupError: an unknown language or name."""
    place = list(catalogue(language).sentences).index(name) if name in catalogue(language).sentences else -1
    if place < 0:
        raise LookupError(f"there is no sentence {name!r}")
    return _sentence(speaker, language, at, place + 1, name)


def _sentence(speaker: Speaker, language: str, at: datetime, place: int, name: str) -> Sentence:
    text = catalogue(language).sentences[name]
    values = _VALUES.get(name, {})
    variable = tuple(dict.fromkeys(each for each in _PLACE.findall(text) if each not in {*_FIXED, *values}))
    if name in _PARTS:
        return Sentence(place, name, text.strip(), variable, "part")
    if name in _PIECES:
        return Sentence(place, name, text, variable, "pieces")
    spoken: Why = next((why for begins, why in _SPOKEN if name.startswith(begins)), "")
    if variable:
        return Sentence(place, name, _PLACE.sub(r"{\1}", text), variable, spoken or "variable")
    (speech,) = speaker.say(line(name, **values), language, at)
    return Sentence(place, name, speech.text, (), spoken)


def recorded(sentence: Sentence, content: bytes) -> Prepared:
    """A file in which somebody reads this sentence, fit to be played. Takes up to two seconds, so never
    within a transaction. Raises RecordingRefused; also if the sentence stays spoken.
    """
    if not sentence.recordable:
        text = f"{sentence.name} stays spoken: {_BECAUSE[sentence.why]}"
        raise RecordingRefused(f"spoken-{sentence.why}", text, line=sentence.name)
    return prepare(content, sentence.text, menu=sentence.name == MENU)


_BECAUSE: Mapping[Why, str] = {
    "part": "it only fills a place in another sentence",
    "pieces": "it is said in several pieces",
    "variable": "what it says differs from call to call",
    "technician": "it is heard by technicians, whose next phone waits for its end",
    "screening": "it is for callers who are screened",
    "stand-in": "it is for the stand-in at the network, which plays nothing of ours",
}

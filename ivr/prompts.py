"""The prompt catalogues: sentences by name, one file a language, and how values are spoken in them."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from ivr.settings import UrgencySettings
from ivr.vocabulary import Clock, Day, Definitions, Digits, Line, UrgencyMenu, UrgencyName, Value

# Between the pieces of a list; no text we are given keeps such a character.
_TWO_STOPS = re.compile(r"(?<!\.)\.\.(?!\.)")
_NEXT = "\x1e"
_PLACE = re.compile(r"\{([a-z]+)(?::([a-z]+))?\}")


@dataclass(frozen=True)
class Speech:
    """A text ready to be spoken, with the language's tag (it-IT) and voice. `recording` is where it can be
    heard as somebody of the house has recorded it, "" if it is to be spoken.
    """

    text: str
    language: str
    voice: str
    recording: str = ""


class Catalogue:
    """The sentences of one language."""

    def __init__(self, language: str, document: Mapping[str, Any]) -> None:
        self.language = language
        self.locale: str = document["locale"]
        self.voice: str = document["voice"]
        self.sentences: Mapping[str, str] = document["say"]
        self.calendar: Mapping[str, Any] = document["calendar"]
        self.clock: Mapping[str, Mapping[str, str]] = document["clock"]
        self.day: Mapping[str, str] = document["day"]
        self.menu: Mapping[str, str] = document["menu"]


@cache
def catalogue(language: str) -> Catalogue:
    """The catalogue of `language` ("it"). Raises LookupError if the house does not speak it."""
    file = resources.files("ivr") / "prompts" / f"{language}.toml"
    if not file.is_file():
        raise LookupError(f"no prompts in {language!r}")
    return Catalogue(language, tomllib.loads(file.read_text(encoding="utf-8")))


@cache
def spoken_languages() -> tuple[str, ...]:
    """The languages whose prompts are shipped."""
    files = (resources.files("ivr") / "prompts").iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


class Speaker:
    """Turns lines of the flow into texts, in one language and zone."""

    def __init__(self, company: str, zone: ZoneInfo, urgency: UrgencySettings) -> None:
        self._company = company
        self._zone = zone
        self._urgency = urgency

    def say(self, sentence: Line, language: str, at: datetime) -> tuple[Speech, ...]:
        """The sentence as it is spoken at `at`, in one piece or, if it is a list, in several.

        Raises LookupError for an unknown name or value.
        """
        words = catalogue(language if language in spoken_languages() else "it")
        values: dict[str, Value] = {"company": self._company, **dict(sentence.values)}
        text = words.sentences[sentence.name]

        def fill(place: re.Match[str]) -> str:
            if place[1] == "write":
                address = self._urgency.write_to
                return words.sentences["write-to"].format(address=address) if address else ""
            return self._spoken(values[place[1]], place[2] or "by", words, at)

        # A name that ends in a full stop ends the sentence, too: ACME S.r.l.
        pieces = _TWO_STOPS.sub(".", _PLACE.sub(fill, text)).split(_NEXT)
        return tuple(Speech(clean(piece), words.locale, words.voice) for piece in pieces)

    def _spoken(self, value: Value, form: str, words: Catalogue, at: datetime) -> str:
        match value:
            case str():
                return clean(value)
            case Digits(text):
                return " ".join(text)
            case Clock(instant):
                return self._clock(instant, form, words, at)
            case Day(day):
                return self._day(day, form, words)
            case UrgencyName(code):
                level = self._urgency.by_code(code)
                return level.spoken.get(words.language, code)
            case Definitions():
                texts = (level.definition.get(words.language) for level in self._urgency.offered())
                return _NEXT.join(text for text in texts if text)
            case UrgencyMenu():
                return " ".join(
                    words.menu["level"].format(
                        menu=_capital(level.menu.get(words.language, level.menu["it"])), key=level.key
                    )
                    for level in self._urgency.offered()
                )

    @staticmethod
    def _day(day: date, form: str, words: Catalogue) -> str:
        # Italian says "fino al 7" but "fino all'8" and "all'11".
        forms = words.day
        text = forms.get(f"{form}-eight", forms[form]) if day.day in (8, 11) else forms[form]
        return text.format(
            date=words.calendar.get("first", "1") if day.day == 1 else str(day.day),
            month=words.calendar["months"][day.month - 1],
        )

    def _clock(self, instant: datetime, form: str, words: Catalogue, at: datetime) -> str:
        then, now = instant.astimezone(self._zone), at.astimezone(self._zone)
        ahead = (then.date() - now.date()).days
        if form == "since":
            kind = "today" if ahead == 0 else "yesterday" if ahead == -1 else "earlier"
        else:
            kind = (
                "today" if ahead <= 0 else "tomorrow" if ahead == 1 else "this-week" if ahead < 7 else "later"
            )
        forms = words.clock[form]
        # "2:00 tomorrow", said at ten in the evening, could be the night after next to a tired ear.
        if ahead == 1 and now.hour >= 12 and then.hour < 6:
            kind = "midnight" if (then.hour, then.minute) == (0, 0) else "tonight"
            kind = kind if kind in forms else "tomorrow"
        # Italian says "alle 2:00" but "all'1:00", "del 7 marzo" but "dell'8 marzo".
        text = forms[kind]
        one, eight = then.hour == 1, then.day in (8, 11)
        for applies, form in ((eight, "-eight"), (one, "-one"), (one and eight, "-one-eight")):
            text = forms.get(f"{kind}{form}", text) if applies else text
        return text.format(
            # Written 8:00, not 08:00: the voice then reads "otto", not "zero otto".
            time=f"{then.hour}:{then.minute:02d}",
            day=words.calendar["days"][then.weekday()],
            date=words.calendar.get("first", "1") if then.day == 1 else str(then.day),
            month=words.calendar["months"][then.month - 1],
        )


def clean(text: str) -> str:
    """Without control characters and lone surrogates: neither XML nor a voice can carry them."""
    # Almost every text is printable throughout: none of these characters is.
    if text.isprintable():
        return " ".join(text.split())
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") else c for c in text)
    return " ".join(kept.split())


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

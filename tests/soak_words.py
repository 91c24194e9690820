"""What is said in the soak, recognised in any of our languages by the words of the catalogues themselves."""

from __future__ import annotations

import re
import tomllib
from functools import cache

from making import ROOT

CATALOGUES = {"ivr/prompts": "say", "oncall/texts": "answer"}
LANGUAGES = ("it", "en", "de")
LONGEST = 45
# Four digits spoken one by one, and no more: nothing but a case's code is.
_SPOKEN = re.compile(r"(?<![0-9])(?<![0-9] )([0-9] [0-9] [0-9] [0-9])(?! ?[0-9])")


@cache
def _pattern(folder: str, name: str) -> re.Pattern[str]:
    """How a sentence begins, in each language, with whatever was put into it."""
    known = []
    for language in LANGUAGES:
        catalogue = tomllib.loads((ROOT / folder / f"{language}.toml").read_text(encoding="utf-8"))
        sentence = catalogue[CATALOGUES[folder]][name]
        parts = re.split(r"\{[^}]*\}", sentence)
        # Up to the first thing that is put in, and a little of what follows it.
        known.append(".{1,99}?".join(re.escape(part) for part in (parts[0][:LONGEST], *_next(parts))))
    return re.compile("|".join(known))


def _next(parts: list[str]) -> list[str]:
    return [parts[1][:12]] if len(parts) > 1 else []


def said(name: str, text: str) -> bool:
    """Whether `text`, which somebody heard, holds the sentence `name` of the prompts."""
    return _pattern("ivr/prompts", name).search(text) is not None


def answered(name: str, text: str) -> bool:
    """Whether `text` is the answer `name` to a technician's text message."""
    return _pattern("oncall/texts", name).search(text) is not None


def spoken_code(text: str) -> str | None:
    """The case's code that was said in full."""
    found = _SPOKEN.search(text)
    return found[1].replace(" ", "") if found else None

"""What stands in the place of a caller's number once its time is over: a pseudonym and its last 3 digits.

The same number always has the same pseudonym, so that callers can be counted and told apart; without the
key nobody can find the number of a pseudonym, or try all numbers until one fits. Everything that was ever put
in the place of a number begins with "~", as no number does.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MARK = "~"
# In the place of a number that was withheld, and of one of which nothing is kept any more.
WITHHELD, NOTHING = "~0", "~"
_DIGITS = 12
_SHOWN = re.compile(r"~([0-9a-f]{12})(?:\.([0-9]{3}))?")
# What people and voices put between the digits of a number.
_BETWEEN = r"[ .\-/]{0,2}"
# Fewer digits are no telephone number: a case's code must not be taken for one.
_FEWEST = 6
_NO_DIGITS = re.compile(r"[^0-9]")


def pseudonym(key: bytes, number: str) -> str:
    """Of a number in E.164, or of a sip: address, which has no last digits. At most 17 characters."""
    if not number:
        return WITHHELD
    if number.startswith(MARK):
        return number
    mark = hmac.digest(key, number.encode("utf-8", "replace"), "sha256").hex()[:_DIGITS]
    last = number[-3:]
    return f"{MARK}{mark}.{last}" if re.fullmatch(r"[0-9]{3}", last, re.ASCII) else f"{MARK}{mark}"


def aged(caller: str) -> bool:
    """Whether this stands in the place of a number."""
    return caller.startswith(MARK)


def printed(caller: str) -> str:
    """A pseudonym as people read it: "…234 (3f9a)". Empty for what is none, and for a withheld number."""
    found = _SHOWN.fullmatch(caller)
    if found is None:
        return "…" if caller == NOTHING else ""
    return f"…{found[2] or ''} ({found[1][:4]})"


def readable(caller: str) -> str:
    """A number as it stands, or what people read in its place: "" if it was withheld."""
    return printed(caller) if aged(caller) else caller


@dataclass(frozen=True)
class Replacing:
    """Puts pseudonyms in the place of numbers, wherever they stand in a text: written with or without their
    country's code, in groups, or digit by digit as a voice reads them.
    """

    # What stands for each of them, the longest first.
    forms: Mapping[str, str]
    _patterns: dict[tuple[str, ...], re.Pattern[str]] = field(default_factory=dict, compare=False, repr=False)

    def __call__(self, text: str) -> str:
        found = _NO_DIGITS.sub("", text)
        # One pattern for all that may be there would be tried at every place of every text.
        there = tuple(form for form in self.forms if form in (found if form.isdecimal() else text))
        if not there:
            return text
        if there not in self._patterns:
            self._patterns[there] = _written(there)
        return self._patterns[there].sub(self._instead, text)

    def _instead(self, match: re.Match[str]) -> str:
        text = match[0]
        digits = _NO_DIGITS.sub("", text)
        return self.forms.get(text) or self.forms.get(digits) or self.forms[digits.removeprefix("00")]


def replacing(key: bytes, numbers: Iterable[str], national: Mapping[str, str]) -> Replacing:
    """`national`: how a number is dialled in its own country, in digits."""
    forms: dict[str, str] = {}
    for number in numbers:
        if not number or aged(number):
            continue
        instead = pseudonym(key, number)
        written = {_NO_DIGITS.sub("", number), _NO_DIGITS.sub("", national.get(number, ""))}
        if number.startswith("+"):
            forms |= {digits: instead for digits in written if len(digits) >= _FEWEST}
        else:
            forms[number] = instead
    return Replacing({form: forms[form] for form in sorted(forms, key=len, reverse=True)})


def _written(forms: tuple[str, ...]) -> re.Pattern[str]:
    """However these are written."""
    ways = []
    for form in forms:
        if form.isdecimal():
            ways.append(rf"(?<![0-9])(?:\+ ?|0 ?0 ?)?{_BETWEEN.join(form)}(?![0-9])")
        else:
            ways.append(re.escape(form))
    return re.compile("|".join(ways))

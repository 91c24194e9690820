"""Takes out of a text what must not stand in a log: digits that may be a PIN or a telephone number, secrets.

It is the last net, not the first: nothing here is meant to be logged at all. So it rather takes too much.
What it leaves alone, though of digits, is what a reader of the log cannot do without: sids, instants, case
numbers. A PIN is never one that reads as a date: such PINs are not issued.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date

GONE = "[redacted]"
# A secret that is shorter could be any word.
SHORTEST_SECRET = 6
# What may stand between the digits of a number that is written for people.
_BETWEEN = r"(?:[ \t .,\-–/()_*#+:;]|%20|%2[Bb]|\\u0020)"
_KEPT = (
    # What Twilio and we call a call, a message, a recording.
    r"(?<![A-Za-z0-9])(?:CA|SM|MM|RE|AC|CF)[0-9a-f]{32}(?![0-9A-Za-z])",
    # A day, with or without the time.
    r"(?<!\d)20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,6})?)?(?:Z|[+\-]\d\d:?\d\d)?|T\d{6}Z)?(?!\d)",
    # A case's number.
    r"(?<!\d)20\d\d-\d{5}(?!\d)",
    # Where a door listens on this machine.
    r"(?<![\d.])(?:127\.0\.0\.1|0\.0\.0\.0):\d{1,5}(?!\d)",
)
_TAKEN = (
    # Sealed luggage, and the token of a link.
    r"gAAAA[A-Za-z0-9_\-]{16,}=*",
    r"(?<=/c/)[A-Za-z0-9_\-]{16,}",
    r"(?<=/cal/)[A-Za-z0-9_\-]{16,}",
    # A key in hexadecimal, a password in an address, what follows Authorization.
    r"(?<![0-9A-Za-z])[0-9a-fA-F]{32,}(?![0-9A-Za-z])",
    r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)",
    r"(?<=[Bb]earer )\S+",
    r"(?<=[Bb]asic )[A-Za-z0-9+/=]{8,}",
    # Somebody's address on a telephone network.
    r"(?<=sip:)[^\s>;\"']+",
    r"(?<=sips:)[^\s>;\"']+",
    # A number as it is dialled from abroad, or at home with its area.
    rf"(?:\+|%2[Bb]|(?<!\d)00){_BETWEEN}?\d(?:{_BETWEEN}{{0,2}}\d){{4,}}",
    rf"(?<![\d.])0\d(?:{_BETWEEN}?\d){{4,}}(?!\d)",
    # Eight digits or more, in whatever script and however they are spaced.
    rf"\d(?:{_BETWEEN}{{0,2}}\d){{7,}}",
)
_NET = re.compile(f"(?P<kept>{'|'.join(_KEPT)})|{'|'.join(_TAKEN)}")
# Most lines have none of this, and are let through at a glance.
_SUSPECT = re.compile(
    r"\d\D{0,2}\d\D{0,2}\d\D{0,2}\d\D{0,2}\d|gAAAA|/c/|/cal/|[0-9a-fA-F]{32}|://|[Bb]earer |[Bb]asic |sips?:"
)


class Redaction:
    """Knows the secrets of a configuration beside what all of them have in common."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        long = sorted({each for each in secrets if len(each) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, long))) if long else None

    def __call__(self, text: str) -> str:
        """The text without what must not stand in it."""
        if self._secrets is not None:
            text = self._secrets.sub(GONE, text)
        if _SUSPECT.search(text) is None:
            return text
        return _NET.sub(_judged, text)


def _judged(found: re.Match[str]) -> str:
    kept: str | None = found["kept"]
    if kept is None:
        return GONE
    if kept[4:5] == "-" and kept[7:8] == "-":  # as a day it must be one
        try:
            date.fromisoformat(kept[:10])
        except ValueError:
            return GONE
    return kept

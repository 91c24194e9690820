"""A phrase of the journal read back: what was heard, by a name and its values, for pages to say in a language
of their own. `ivr/retelling.py` writes these phrases for callers; those of technicians are their keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

# What was heard of a caller; each pattern is a whole phrase.
_PHRASES: tuple[tuple[str, str], ...] = (
    ("by-night", "a call in a PIN window"),
    ("by-day", "a call while the office is open"),
    ("blocked", "a call from a blocked number"),
    ("flood", "a call from an unknown number in a flood"),
    ("digits-wrong", "not the digits he was told"),
    ("office-answered", "the office answered"),
    ("office-missed", "the office did not answer"),
    ("wants-pin", "an emergency with PIN"),
    ("wants-message", "wants to leave a message"),
    ("pin", r"the PIN of (?P<customer>.+)"),
    ("pin-unchecked", "a PIN that could not be checked in time"),
    ("pins-unavailable", "calls, and no PIN can be checked"),
    ("waits", "waits"),
    ("waits-full", "waits, but too many technicians were woken"),
    ("waits-ready", "waits, and a technician may hear him"),
    ("pin-wrong-unknown", r"a wrong PIN \(unknown\)"),
    ("pin-wrong-revoked", r"a wrong PIN \(revoked\)"),
    ("pin-wrong-expired", r"a wrong PIN \(expired\)"),
    ("pin-wrong-not-evaluated", r"a wrong PIN \(not evaluated\)"),
    ("pin-incomplete", "an incomplete PIN"),
    ("no-pin", "has no PIN"),
    ("more-time", "needs more time"),
    ("language", "another language"),
    ("urgency-again", r"(?P<urgency>\S+), with case (?P<case>\S+) open"),
    ("same-case", "about the open case"),
    ("definitions", "the definitions"),
    ("wants-verify", "wants to verify a technician"),
    ("code-unknown", "a case code that is none of his"),
    ("code-known", r"the code of case (?P<case>\S+)"),
    ("not-urgent", "no urgency for after hours"),
    ("stays", "stays on the line"),
    ("call-back", "wants to be called back"),
    ("number-wrong", "a number that cannot be called"),
    ("number", "a number to be called back at"),
    ("reconnect", "wants the technician again"),
    ("message", r"a message of (?P<seconds>[0-9]+) s"),
    ("nothing", "nothing"),
    ("late-hash", "a late #"),
    ("wrong-key", "a key that means nothing here"),
    ("hung-up", "hung up"),
    ("result", r"(?P<result>accepted|connected|declined|no-answer|busy|failed|unconfirmed)"),
    # Last: a level's code can be any word.
    ("urgency", r"(?P<urgency>\S+)"),
)
_READ = [(name, re.compile(phrase)) for name, phrase in _PHRASES]
_GONE = ", hung up"
NAMES = tuple(name for name, _ in _PHRASES)


@dataclass(frozen=True)
class Retold:
    """`name` is one of NAMES, "" for a phrase that is not known. `gone`: he hung up then."""

    name: str
    values: Mapping[str, str] = field(default_factory=dict)
    gone: bool = False


def read(phrase: str) -> Retold:
    """What a phrase of the journal about a caller says."""
    gone = phrase.endswith(_GONE)
    said = phrase.removesuffix(_GONE)
    for name, pattern in _READ:
        if found := pattern.fullmatch(said):
            return Retold(name, found.groupdict(), gone)
    return Retold("", {}, gone)

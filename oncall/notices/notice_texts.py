"""What a notice says: one catalogue a language, in three forms. A text message is short, an e-mail has a
subject and all there is to know, what is read aloud has its digits apart. Pure.

In a sentence `{name}` is a fact, `{due:by}` an instant in one of the forms of the catalogue, and a part in
`[…]` is left out if a fact in it is missing; so is a whole sentence with a missing fact outside of these.
"""

from __future__ import annotations

import re
import textwrap
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, Literal
from zoneinfo import ZoneInfo

from oncall import phones
from oncall.notices.segments import fitted, plain, segments, shortened

LANGUAGES = ("it", "en", "de")
# Facts that are people's or firms' names: they give way before another segment is paid for.
NAMES = frozenset(
    {"customer", "by", "next", "swap_with", "who", "proposer", "counterpart", "rota", "company"}
)
# The longest a name may be in a text message: from what it is, down to where nobody would know it.
LENGTHS = (200, 40, 32, 26, 22, 18, 14)
# Facts that are instants, as ISO 8601 with an offset.
INSTANTS = frozenset({"due", "starts", "ends", "back_starts", "back_ends"})
ALSO_CALLED = {"start": "starts", "end": "ends", "back_start": "back_starts", "back_end": "back_ends"}
# Whose act a notice about a swap tells of.
SWAP_ACTS = {"swap-accepted": "counterpart", "swap-declined": "counterpart"}
# What can only be done by answering a text message.
BY_TEXT = ("{ok}", "{yes}")
# The link, with a sentence that says what it is for: where a text message cannot be answered.
HERE, LINK = "{here}", "{link}"
# What an e-mail lists below its sentences, in this order.
LISTED = ("customer", "caller", "urgency", "code", "due", "number", "link")
_PLACE = re.compile(r"\{([a-z_]+)(?::([a-z]+))?\}")
_PARTS = re.compile(r"(\[[^\[\]]*\])")
_WIDTH = 72

Form = Literal["short", "full", "spoken"]


@dataclass(frozen=True)
class Written:
    """A notice in each form."""

    text: str
    subject: str
    body: str
    voice: str


@cache
def catalogue(language: str) -> dict[str, Any]:
    """The texts of a language; those of the first if we do not write it."""
    known = language if language in LANGUAGES else LANGUAGES[0]
    file = resources.files("oncall") / "texts" / f"{known}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def kinds() -> list[str]:
    """Every kind of notice that has a text."""
    return list(catalogue(LANGUAGES[0])["kind"])


def written(
    kind: str,
    facts: Mapping[str, Any],
    language: str,
    zone: ZoneInfo,
    at: datetime,
    *,
    company: str,
    country: str = "IT",
) -> Written:
    """The notice as it is sent at `at`: the same facts at the same instant always read the same.

    `company` is whose service it is; `country` the one whose numbers are read without a prefix. A kind
    without a text of its own says at least what it is.
    """
    words = catalogue(language)
    texts = words["kind"].get(_variant(kind, facts), words["kind"]["other"])
    writer = _Writer(words, {**_known(kind, facts), "company": company, "kind": kind}, zone, at, country)
    body = [textwrap.fill(each, _WIDTH) for each in writer.sentences(texts["text"], "full", mail=True)]
    body += ["\n".join(lines)] if (lines := writer.listed()) else []
    body.append(writer.filled(words["sent-by"], "full") or "")
    plainly = writer.filled(texts["plain"], "full") or kind
    subject = writer.filled(texts["subject"], "full") or plainly
    return Written(
        fitted(lambda longest: " ".join(writer.sentences(texts["text"], "short", longest)), LENGTHS)
        or f"{plainly}.",
        f"[{clean(company)}] {subject}",
        "\n\n".join(body) + "\n",
        " ".join(writer.sentences(texts["voice"], "spoken")) or f"{plainly}.",
    )


def _variant(kind: str, facts: Mapping[str, Any]) -> str:
    """Some kinds say something else in some cases."""
    if kind == "case-reminder" and int(facts.get("percent") or 0) >= 100:
        return "case-overdue"
    if kind == "case-taken" and facts.get("via") == "text":
        return "case-taken-by-text"
    return kind


def _known(kind: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that are there, by the names they have in the texts."""
    known = {ALSO_CALLED.get(name, name): value for name, value in facts.items() if value not in ("", None)}
    if kind.startswith("swap-"):
        known.setdefault("by", known.get(SWAP_ACTS.get(kind, "proposer"), ""))
    return known


class _Writer:
    """Puts one notice's facts into sentences of one language."""

    def __init__(
        self, words: dict[str, Any], facts: Mapping[str, Any], zone: ZoneInfo, at: datetime, country: str
    ) -> None:
        self._words = words
        self._nobody = (
            "" if facts.get("customer") else words["unverified" if facts.get("screened") else "somebody"]
        )
        self._facts = {**facts, "customer": facts.get("customer") or self._nobody}
        self._zone = zone
        self._at = at
        self._country = country

    def sentences(
        self, sentences: list[str], form: Form, longest: int = LENGTHS[0], *, mail: bool = False
    ) -> list[str]:
        """Those whose facts are known. In an e-mail the link stands in the list below, and nobody is asked
        to answer.
        """
        left_out = (LINK, HERE, *BY_TEXT) if mail else (HERE,)
        if not mail and "here" in self._facts and any(HERE in each for each in sentences):
            left_out = (LINK,)
        kept = [each for each in sentences if not any(place in each for place in left_out)]
        said = [text for each in kept if (text := self.filled(each, form, longest))]
        begins = self._nobody or "\0"
        return [text[:1].upper() + text[1:] if text.startswith(begins) else text for text in said]

    def listed(self) -> list[str]:
        """The facts of a case, one a line."""
        names = self._words["list"]
        if "code" not in self._facts and "caller" not in self._facts:
            return []
        found = [(name, self._value(name, "point", "full", LENGTHS[0])) for name in LISTED]
        return [f"  {names[name]}: {value}" for name, value in found if value]

    def filled(self, sentence: str, form: Form, longest: int = LENGTHS[0]) -> str | None:
        """The sentence with its facts; None if one is missing."""
        said = ""
        for piece in _PARTS.split(sentence):
            optional = piece.startswith("[")
            text = self._whole(piece[1:-1] if optional else piece, form, longest)
            if text is None and not optional:
                return None
            said += text or ""
        return said

    def _whole(self, piece: str, form: Form, longest: int) -> str | None:
        values = [self._value(place[1], place[2] or "by", form, longest) for place in _PLACE.finditer(piece)]
        if not all(values):
            return None
        following = iter(values)
        return _PLACE.sub(lambda _: next(following), piece)

    def _value(self, name: str, shape: str, form: Form, longest: int) -> str:
        value = self._facts.get(name)
        if form == "spoken" and f"{name}_spoken" in self._facts:
            value = self._facts[f"{name}_spoken"]
        if value is None:
            return ""
        if name in INSTANTS:
            instant = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
            return self._clock(instant, shape, form)
        text = clean(str(value))
        if name in NAMES and form == "short":
            return shortened(text, longest)
        if form == "spoken" and name == "code":
            return " ".join(text)
        if form == "spoken" and name == "caller":
            digits = [c for c in phones.printed(text, self._country) if c.isdigit()]
            return " ".join(digits)
        return text

    def _clock(self, instant: datetime, shape: str, form: Form) -> str:
        then, now = instant.astimezone(self._zone), self._at.astimezone(self._zone)
        forms = self._words["clock"]["short" if form == "short" else "full"]
        kind = f"{shape}-today" if then.date() == now.date() and f"{shape}-today" in forms else shape
        # Italian says "alle 2:00" but "all'1:00".
        text: str = forms.get(f"{kind}-one", forms[kind]) if then.hour == 1 else forms[kind]
        calendar = self._words["calendar"]
        return text.format(
            time=f"{then.hour}:{then.minute:02d}",
            day=calendar["short" if form == "short" else "days"][then.weekday()],
            date=calendar.get("first", "1") if then.day == 1 and form != "short" else str(then.day),
            month=str(then.month) if form == "short" else calendar["months"][then.month - 1],
        )


def clean(text: str) -> str:
    """On one line, without what no message can carry."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") else c for c in text)
    return " ".join(kept.split())


def answer(name: str, facts: Mapping[str, Any], language: str, zone: ZoneInfo, at: datetime) -> str:
    """What a technician's text message is answered, in one segment. No customer is named in it."""
    words = catalogue(language)
    writer = _Writer(words, facts, zone, at, "")
    return fitted(lambda longest: writer.filled(words["answer"][name], "short", longest) or "", LENGTHS)


def listed(
    open_cases: Sequence[Mapping[str, Any]], language: str, zone: ZoneInfo, at: datetime, *, room: int = 0
) -> str:
    """Cases by their codes, as many as fit into one segment beside `room` characters more; and how many
    others there are.
    """
    words = catalogue(language)["answer"]
    rows = [
        _Writer(catalogue(language), facts, zone, at, "").filled(words["row"], "short")
        for facts in open_cases
    ]
    for count in range(len(rows), 0, -1):
        rest = [words["more"].format(count=len(rows) - count)] if count < len(rows) else []
        text = plain("; ".join([*(row or "" for row in rows[:count]), *rest]))
        if segments(text + "x" * room) <= 1:
            return text
    return str(len(rows))

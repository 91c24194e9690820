"""What an alarm says to the admins: a text for each kind, by language, and a plain one for any other."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from pins.customers import clean

# Alarms that say the same.
SAME_AS = {"audit-changed": "audit-broken"}
_PLACE = re.compile(r"\{([a-z_]+)\}")
_WIDTH = 72


@cache
def catalogue(language: str) -> dict[str, Any]:
    """The texts of a language by the kind of alarm; `frame` stands around each, `fallback` for the rest."""
    file = resources.files("console.outbound") / "alarms" / f"{language}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def written(
    raised: Mapping[str, Any], at: datetime, zone: ZoneInfo, language: str, company: str
) -> tuple[str, str]:
    """Subject and text of an alarm, `raised` as storage/alarms.py writes it, at the instant `at`."""
    texts = catalogue(language)
    what = str(raised["what"])
    about = texts.get(SAME_AS.get(what, what), texts["fallback"])
    local = at.astimezone(zone)
    values = _values(raised)
    values |= {"company": company, "date": f"{local:%Y-%m-%d}", "time": f"{local:%H:%M}"}
    subject = _filled(about["subject"], values) or what
    frame = texts["frame"]
    parts = [
        *(
            said
            for sentence in about["text"]
            if (said := _listed(sentence, raised) or _wrapped(sentence, values))
        ),
        _wrapped(frame["raised"], values) or "",
    ]
    details = [f"  {name}: {values[name]}" for name in raised if name in values]
    parts.append("\n".join([frame["details"], *details]))
    parts.append(_filled(frame["sent-by"], values) or "")
    return frame["subject"].format(company=clean(company), subject=subject), "\n\n".join(parts) + "\n"


def headline(raised: Mapping[str, Any], language: str) -> str:
    """What an alarm is about, in one line of a language."""
    texts = catalogue(language)
    what = str(raised["what"])
    about = texts.get(SAME_AS.get(what, what), texts["fallback"])
    return _filled(about["subject"], _values(raised)) or what


def told(raised: Mapping[str, Any]) -> str:
    """An alarm in one line, for the log."""
    return ", ".join(f"{name}={clean(str(value))}" for name, value in raised.items() if value != "")


def _values(raised: Mapping[str, Any]) -> dict[str, str]:
    """What may be put into a sentence; a list is none of it."""
    given = {name: value for name, value in raised.items() if not isinstance(value, list)}
    return {name: clean(str(value)) for name, value in given.items() if value not in ("", None)}


def _listed(sentence: str, raised: Mapping[str, Any]) -> str | None:
    """A place that is all of a sentence, and whose value is a list: each in a paragraph of its own."""
    place = _PLACE.fullmatch(sentence)
    value = raised.get(place[1]) if place else None
    if not isinstance(value, list) or not value:
        return None
    return "\n".join(
        textwrap.fill(clean(str(each)), _WIDTH, initial_indent="- ", subsequent_indent="  ") for each in value
    )


def _wrapped(sentence: str, values: Mapping[str, str]) -> str | None:
    said = _filled(sentence, values)
    return textwrap.fill(said, _WIDTH) if said else None


def _filled(sentence: str, values: Mapping[str, str]) -> str | None:
    """The sentence with its values; None if one is missing."""
    if any(name not in values for name in _PLACE.findall(sentence)):
        return None
    return _PLACE.sub(lambda place: values[place[1]], sentence)

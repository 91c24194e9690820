"""The letter that brings a PIN: on paper as one PDF for many letters, by e-mail as plain text beside it.

What is said stands in `letter/*.toml`, by language; how it looks in `letter/letter.typ`. Pages are laid
out in this process: what a letter says reaches the typesetter as data in memory, never as markup, an
argument or a file.
"""

from __future__ import annotations

import json
import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pins.customers import Customer
from pins.settings import LetterSettings

if TYPE_CHECKING:
    import typst

# A piece of a page that so many runs did not need is dropped.
RUNS_REMEMBERED = 11
# A line of a plain e-mail.
WIDTH = 72


class LetterRefused(Exception):
    """The letters cannot be made. The text says why, and nothing of what they say."""


@dataclass(frozen=True)
class Level:
    """A level of urgency that is accepted: its key in the menu, what it means, minutes within which a
    case is taken in charge.
    """

    code: str
    key: str
    meaning: Mapping[str, str]
    within: int


@dataclass(frozen=True)
class Service:
    """What a letter says of the service, for pins/ cannot know it: see console/outbound/letter_facts.py.

    `numbers` are (name, number as it is printed); `closed_days` count from Monday, 0; `holidays` says
    whether a PIN is asked on public holidays; the three `keep_…` are days. `write_to` is for what can wait.
    """

    company: str
    numbers: tuple[tuple[str, str], ...]
    windows: tuple[tuple[time, time], ...]
    closed_days: tuple[int, ...]
    holidays: bool
    levels: tuple[Level, ...]
    write_to: str
    keep_numbers: int
    keep_calls: int
    keep_messages: int


@dataclass(frozen=True)
class Letter:
    """One letter. `expires` is the PIN's last day; `old_pin_until` the last day of the one it replaces.

    The repr shows no digit of the PIN.
    """

    pin: str = field(repr=False)
    pin_id: int
    customer: Customer
    label: str
    language: str
    issued_on: date
    expires: date | None = None
    old_pin_until: date | None = None


def wants_email(customer: Customer) -> bool:
    """Whether this customer's letters may be sent by e-mail: he has agreed to it and has an address."""
    return customer.letters_by_email and bool(customer.email)


def languages() -> list[str]:
    """The languages letters can be written in."""
    files = (resources.files("pins") / "letter").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def groups(pin: str) -> list[str]:
    """The PIN in groups of at most four digits, as even as can be: they are read aloud and keyed so."""
    count = -(-len(pin) // 4)
    size, longer = divmod(len(pin), count)
    starts = [place * size + min(place, longer) for place in range(count + 1)]
    return [pin[start:end] for start, end in pairwise(starts)]


def render(letters: Sequence[Letter], service: Service, settings: LetterSettings, folder: Path) -> bytes:
    """All letters as one tagged PDF, each on a new page; a logo's path is taken from `folder`.

    Written to no file. The fonts come with the typesetter, so that every machine makes the same pages;
    only a name in a script that they lack is set in a font of this machine. Raises LetterRefused.
    """
    import typst  # 80 MB, and only where letters are made

    if not letters:
        raise LetterRefused("there is no letter to write")
    root, logo = _logo(settings, folder)
    first = _texts(letters[0].language)
    given = {
        "title": first["head"]["title"],
        "company": service.company,
        "sender": settings.address,
        "logo": logo,
        "numbers": service.numbers,
        "two_sided": settings.two_sided,
        "words": {
            language: _words(language, service, settings)
            for language in sorted({letter.language for letter in letters})
        },
        "letters": [_of_one(letter) for letter in letters],
    }
    source = (resources.files("pins") / "letter" / "letter.typ").read_bytes()
    data = json.dumps(given, ensure_ascii=False)
    newest = max(letter.issued_on for letter in letters)
    # A glyph that no font has forbids the standard, not the letter.
    for system_fonts, standard in ((False, True), (True, True), (True, False)):
        try:
            return typst.compile(  # type: ignore[type-var]  # its types want bytes for `root` too
                source,
                root=root,
                font_paths=_fonts(system_fonts),
                sys_inputs={"data": data},
                # Accessible to whoever has pages read aloud.
                pdf_standards=["ua-1"] if standard else [],
                timestamp=datetime.combine(newest, time(), UTC),
            )
        except typst.TypstError:
            # Its text may quote a letter: it goes no further.
            continue
        finally:
            _forget()
    raise LetterRefused("the letters could not be laid out: is letters.logo a sound SVG or PNG file?")


def plain(letter: Letter, service: Service, settings: LetterSettings) -> tuple[str, str]:
    """Subject and text of the e-mail that brings a PIN. The subject never holds it."""
    words = _words(letter.language, service, settings)
    facts = _of_one(letter)
    pin, urgency = words["pin"], words["urgency"]
    parts = [
        words["salutation"],
        words["opening"],
        "\n".join(
            [
                f"{pin['name']}: {' '.join(facts['pin'])}",
                f"({pin['spaces']})",
                f"{pin['customer']}: {letter.customer.name}",
                *(f"{name}: {value}" for name, value in facts["facts"]),
            ]
        ),
        words["mail"]["delete"],
        _headed(words["when"]["heading"], words["when"]["text"]),
        "\n".join(f"{name}: {number}" for name, number in service.numbers),
        _headed(
            urgency["heading"],
            *(
                f"{urgency['key']} {level['key']} – {level['code']} – {level['meaning']} "
                f"{urgency['within']}: {level['within']}."
                for level in words["levels"]
            ),
            urgency["others"],
        ),
        _headed(
            words["call"]["heading"],
            *(f"{number}. {step}" for number, step in enumerate(words["call"]["steps"], start=1)),
        ),
        _headed(words["code"]["heading"], words["code"]["text"]),
        _headed(words["care"]["heading"], words["care"]["text"]),
        words["mail"]["attached"],
        *words["closing"],
        "\n".join([*words["signed"], *settings.address]),
        _headed(words["privacy"]["heading"], words["privacy"]["text"]),
    ]
    return facts["subject"], "\n\n".join(_wrapped(part) for part in parts) + "\n"


# -- what is said ------------------------------------------------------------------------------


@cache
def _texts(language: str) -> dict[str, Any]:
    file = resources.files("pins") / "letter" / f"{language}.toml"
    if language not in languages():
        raise LetterRefused(f"there is no letter in {language!r}")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _words(language: str, service: Service, settings: LetterSettings) -> dict[str, Any]:
    """What all letters of one language say alike."""
    texts = _texts(language)
    care = texts["care"]
    lost = care["lost-phone"] if settings.office_phone else care["lost"]
    urgency = texts["urgency"]
    write_to = service.write_to or settings.office_email
    privacy = texts["privacy"]["text"].format(
        company=service.company,
        numbers=service.keep_numbers,
        calls=service.keep_calls,
        messages=service.keep_messages,
    )
    reached = " · ".join(each for each in (settings.office_phone, settings.office_email) if each)
    signed = [texts["end"]["closing"], settings.signature, f"{service.company} · {reached}".rstrip(" ·")]
    return {
        "private": texts["head"]["private"],
        "salutation": texts["head"]["salutation"],
        "opening": texts["head"]["opening"],
        "pin": texts["pin"],
        "when": {"heading": texts["when"]["heading"], "text": _when(texts, service)},
        "urgency": {
            **urgency,
            "others": urgency["others-write"].format(address=write_to) if write_to else urgency["others"],
        },
        "levels": [
            {
                "key": level.key,
                "code": level.code,
                "meaning": level.meaning.get(language) or next(iter(level.meaning.values()), ""),
                "within": _within(texts["within"], level.within),
            }
            for level in service.levels
        ],
        "call": texts["call"],
        "code": texts["code"],
        "care": {
            "heading": care["heading"],
            "text": f"{care['secret']} {lost.format(phone=settings.office_phone)}",
        },
        "closing": [settings.closing[language]] if settings.closing.get(language) else [],
        "signed": [line for line in signed if line],
        "privacy": {
            "heading": texts["privacy"]["heading"],
            "text": f"{privacy} {settings.privacy.get(language, '')}".strip(),
        },
        "mail": texts["mail"],
    }


def _of_one(letter: Letter) -> dict[str, Any]:
    """What only this letter says."""
    texts = _texts(letter.language)
    pin, head = texts["pin"], texts["head"]
    dates: dict[str, str] = {}
    for name, day in (
        ("issued", letter.issued_on),
        ("expires", letter.expires),
        ("old", letter.old_pin_until),
    ):
        if day:
            dates[name] = _day(texts, day)
            dates[f"from_{name}"] = _day(texts, day, "from")
            dates[f"to_{name}"] = _day(texts, day, "to")
    facts = [(pin["label"], letter.label or letter.customer.name)]
    facts.append((pin["valid"], pin["valid-until" if letter.expires else "valid-from"].format(**dates)))
    if letter.old_pin_until:
        facts.append((pin["old"], pin["old-until"].format(**dates)))
    # By this the office finds the PIN again, and nobody has to say it.
    facts.append((pin["reference"], f"{letter.customer.code} / {letter.pin_id}"))
    return {
        "language": letter.language,
        "name": letter.customer.name,
        "address": [line.strip() for line in letter.customer.address.splitlines() if line.strip()],
        "date": dates["issued"],
        "subject": head["subject-new" if letter.old_pin_until else "subject"],
        "pin": groups(letter.pin),
        "facts": facts,
    }


def _when(texts: Mapping[str, Any], service: Service) -> str:
    """When a PIN is asked, in words."""
    when, calendar = texts["when"], texts["calendar"]
    windows = _listed([_stretch(texts["stretch"], *each) for each in service.windows], calendar["and"])
    named = [calendar["days"][day] for day in sorted(service.closed_days)]
    days = _listed([*named, *([calendar["holidays"]] if service.holidays else [])], calendar["and"])
    kind = "both" if windows and days else "windows" if windows else "days" if days else "neither"
    return f"{when[kind].format(windows=windows, days=days)} {when['open']}"


def _stretch(forms: Mapping[str, str], start: time, end: time) -> str:
    return f"{_clock(forms, 'from', start)} {_clock(forms, 'to', end)}"


def _clock(forms: Mapping[str, str], form: str, at: time) -> str:
    # Italian says "alle 2:00" but "all'1:00".
    text = forms.get(f"{form}-one", forms[form]) if at.hour == 1 else forms[form]
    return text.format(time=f"{at.hour}:{at.minute:02d}")


def _within(forms: Mapping[str, str], minutes: int) -> str:
    if minutes == 60:
        return forms["hour"]
    if minutes % 60 == 0:
        return forms["hours"].format(count=minutes // 60)
    return forms["minutes"].format(count=minutes)


def _day(texts: Mapping[str, Any], day: date, form: str | None = None) -> str:
    """A date; with the `form` "from" or "to" as it stands in a span of days."""
    calendar = texts["calendar"]
    number = calendar["first"] if day.day == 1 else str(day.day)
    text: str = calendar["date"].format(day=number, month=calendar["months"][day.month - 1], year=day.year)
    if form is None:
        return text
    # Italian says "dal 7" but "dall'8".
    vowel = day.day in calendar.get("vowels", ())
    spanned: str = calendar[f"{form}-vowel" if vowel else form].format(date=text)
    return spanned


def _listed(pieces: Sequence[str], last: str) -> str:
    return f" {last} ".join(filter(None, [", ".join(pieces[:-1]), *pieces[-1:]]))


# -- how it looks ------------------------------------------------------------------------------


def _headed(heading: str, *texts: str) -> str:
    return "\n".join([heading.upper(), *texts])


def _wrapped(text: str) -> str:
    return "\n".join(
        textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False)
        for line in text.splitlines()
    )


@cache
def _fonts(system: bool) -> typst.Fonts:
    import typst

    return typst.Fonts(include_system_fonts=system, include_embedded_fonts=True)


def _forget() -> None:
    """Have the typesetter let go of what it laid out. It keeps pieces of pages for some runs to come,
    about 1 MB a letter: no PIN should stay there, and a run of many batches would fill the memory.
    """
    import typst

    for _ in range(RUNS_REMEMBERED):
        typst.compile(b"", font_paths=_fonts(False))


def _logo(settings: LetterSettings, folder: Path) -> tuple[str | None, str | None]:
    """The one folder the typesetter may read, and the logo in it. Raises LetterRefused."""
    if not settings.logo:
        return None, None
    file = (folder / settings.logo).resolve()
    if not file.is_file():
        raise LetterRefused(f"letters.logo: {settings.logo} does not exist")
    return str(file.parent), f"/{file.name}"

"""What the console says: three catalogues that say the same, every key there and used, no text beside them,
and nothing of one language left in another's pages.
"""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from crawling import furnish, may
from making import ROOT
from visitors import Console

from console.web.words import LANGUAGES, texts

WEB = ROOT / "console" / "web"
WORDS, TEMPLATES, STATIC = WEB / "words", WEB / "templates", WEB / "static"
PLACE = re.compile(r"\{([a-z_]+)\}")
AREAS = sorted(file.stem for file in (WORDS / "it").glob("*.toml"))
# A key as it stands in code: "area.key".
KEY = re.compile(rf"""["']((?:{"|".join(AREAS)})\.[a-z0-9-]+)["']""")
# One of which only the beginning stands there: "area.key-" ~ something, f"area.key-{{something}}".
BEGINNING = re.compile(
    rf"""["']((?:{"|".join(AREAS)})\.[a-z0-9-]+-)["']|["']((?:{"|".join(AREAS)})\.[a-z0-9-]*)\{{"""
)
# Called at once, so that it must be there.
SAID = re.compile(rf"""\b(?:t|w|words\(\)|said)\(\s*["']((?:{"|".join(AREAS)})\.[a-z0-9-]+)["']\s*[,)]""")
COUNTED = re.compile(rf"""\.count\(\s*["']((?:{"|".join(AREAS)})\.[a-z0-9-]+)["']\s*,""")
LED_TO = re.compile(rf"""\bto\(\s*[^,()]+,\s*["']((?:{"|".join(AREAS)})\.[a-z0-9-]+)["']""")
# Said by what puts the key together from parts: nothing in a file names them whole, nor their beginning.
BY_PARTS = (
    "frame.door-",
    "time.month-",
    "time.weekday-",
    "error.",
    "cases.said-",
    "duty.said-",
    "rota.said-swap-",
    "rehearse.not-",
    "rehearse.no",
    "settings.seconds-",
    "settings.minutes-",
    "settings.days-",
    "settings.months-",
    "technicians.act-",
)
# Units are written alike everywhere.
UNITS = {"s", "min", "h", "UTC", "kB", "MB"}
# What two languages write alike.
ALIKE = {
    "2026-00412, 4712, Acme", "Administrator", "April", "August", "Code", "Console", "Deutsch", "E-mail",
    "English", "File", "Italiano", "Logo", "Menu", "Name", "No", "November", "PIN", "PINs", "Password",
    "Person", "Person {n}", "Port", "Privacy", "September", "Text", "Twilio", "e-mail", "in {length}", "no",
    "per SMS", "{n} SMS",
}  # fmt: skip
# Small words that one language cannot do without and the others do not have.
STOP = {
    "en": ["the", "and", "with", "your", "you", "this", "that", "are", "have", "been", "which", "their",
           "when", "what", "must", "cannot"],
    "it": ["il", "che", "gli", "sono", "questo", "questa", "più", "nel", "nella", "è", "deve", "dopo"],
    "de": ["der", "das", "und", "nicht", "mit", "für", "eine", "einen", "ist", "sind", "werden", "wird",
           "oder", "zum", "zur", "auf", "dem", "den", "sich", "noch"],
}  # fmt: skip
# Titles, attributes and such that a person reads or hears.
SPOKEN = re.compile(
    r"""\b(aria-label|aria-description|title|placeholder|alt|label|data-ask|data-copied|data-label)="([^"]*)\""""
)


@cache
def sources() -> dict[str, str]:
    """The files in which keys stand, by path."""
    found = [*WEB.rglob("*.py"), *TEMPLATES.rglob("*.html")]
    return {file.relative_to(WEB).as_posix(): file.read_text("utf-8") for file in sorted(found)}


def catalogue(language: str, area: str) -> dict[str, str]:
    return tomllib.loads((WORDS / language / f"{area}.toml").read_text("utf-8"))


# -- the catalogues ------------------------------------------------------------------------------


def test_every_language_has_the_same_files() -> None:
    files = {language: {file.name for file in (WORDS / language).iterdir()} for language in LANGUAGES}
    assert files["it"] == files["en"] == files["de"]
    assert {folder.name for folder in WORDS.iterdir() if folder.is_dir()} == set(LANGUAGES)


@pytest.mark.parametrize("area", AREAS)
def test_every_language_has_the_same_keys_and_places(area: str) -> None:
    first = catalogue("it", area)
    for language in ("en", "de"):
        other = catalogue(language, area)
        assert set(other) == set(first), language
        for key, text in first.items():
            if set(PLACE.findall(other[key])) != set(PLACE.findall(text)):
                pytest.fail(f"{language}, {area}.{key}: {other[key]!r} has other places than {text!r}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_or_badly_set(language: str) -> None:
    for key, text in texts(language).items():
        # What joins others may begin or end with a space.
        assert text.strip() == text or not re.search(r"\w\W+\w", text), key
        assert text, key
        assert "  " not in text, key
        assert "<" not in text or not re.search(r"<[a-z/]", text), key
        assert text.count("{") == text.count("}") == len(PLACE.findall(text)), key


@pytest.mark.parametrize(("one", "other"), [("it", "en"), ("it", "de"), ("en", "de")])
def test_no_text_was_left_untranslated(one: str, other: str) -> None:
    there = texts(other)
    alike = [
        (key, text)
        for key, text in texts(one).items()
        if there[key] == text
        and set(re.findall(r"[A-Za-z]{2,}", PLACE.sub("", text))) - UNITS
        and text not in ALIKE
    ]
    assert alike == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_other_language_is_in_a_catalogue(language: str) -> None:
    found = [
        (key, *foreign(text, language)) for key, text in texts(language).items() if foreign(text, language)
    ]
    assert found == []


def foreign(text: str, language: str) -> list[str]:
    """Small words of the other languages in it."""
    words = set(re.findall(r"[^\W\d_]+", PLACE.sub(" ", text).lower()))
    return sorted(word for other in LANGUAGES if other != language for word in STOP[other] if word in words)


@pytest.mark.parametrize("language", ["it", "de"])
def test_people_are_addressed_with_courtesy(language: str) -> None:
    """Lei and Sie, never tu and du."""
    rude = {
        "it": r"\b(tu|tuo|tua|tuoi|tue|puoi|devi|hai|sei|vuoi)\b",
        "de": r"\b(du|dein|deine|deinen|dich|dir)\b",
    }
    found = [(key, text) for key, text in texts(language).items() if re.search(rude[language], text.lower())]
    # "sei" is also a number: as such it stands before something that is counted.
    assert [each for each in found if not re.search(r"\bsei (cifre|ore|mesi|giorni|minuti)\b", each[1])] == []


# -- keys ----------------------------------------------------------------------------------------


def test_every_key_that_is_said_is_there() -> None:
    known = texts("it")
    missing = []
    for file, text in sources().items():
        wanted = set(SAID.findall(text))
        for key in COUNTED.findall(text):
            wanted |= {f"{key}-one", f"{key}-other"}
        wanted |= {key.replace(".", ".said-", 1) for key in LED_TO.findall(text)}
        missing += [(file, key) for key in sorted(wanted - set(known))]
    assert missing == []


def test_every_beginning_of_a_key_begins_one() -> None:
    known = texts("it")
    lonely = [
        (file, beginning)
        for file, text in sources().items()
        for beginning in beginnings(text)
        if beginning.partition(".")[2] and not any(key.startswith(beginning) for key in known)
    ]
    assert lonely == []


def test_no_key_is_left_unused() -> None:
    used: set[str] = set()
    begun: set[str] = set(BY_PARTS)
    for text in sources().values():
        for key in KEY.findall(text):
            used |= {key, f"{key}-one", f"{key}-other", key.replace(".", ".said-", 1)}
        begun |= {each for each in beginnings(text) if each.partition(".")[2]}
    unused = [key for key in texts("it") if key not in used and not key.startswith(tuple(begun))]
    assert unused == []


def beginnings(text: str) -> Iterator[str]:
    for first, second in BEGINNING.findall(text):
        yield first or second


# -- nothing beside them -------------------------------------------------------------------------


def without_jinja(text: str) -> str:
    return re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)


@pytest.mark.parametrize(
    "file", sorted(TEMPLATES.rglob("*.html")), ids=lambda file: f"{file.parent.name}-{file.stem}"
)
def test_no_text_stands_in_a_template(file: Path) -> None:
    bare = without_jinja(file.read_text("utf-8"))
    spoken = [(name, value) for name, value in SPOKEN.findall(bare) if re.search(r"[^\W\d_]", value)]
    assert spoken == []
    left = html.unescape(re.sub(r"""<(?:"[^"]*"|'[^']*'|[^'">])*>""", " ", bare))
    left = re.sub(r"""\b[a-z-]+="[^"]*\"""", " ", left)  # a macro that makes attributes
    assert [word for word in re.findall(r"[^\W\d_]+", left) if word not in UNITS] == []


@pytest.mark.parametrize(
    "file", sorted(TEMPLATES.rglob("*.html")), ids=lambda file: f"{file.parent.name}-{file.stem}"
)
def test_nothing_is_inline_in_a_template(file: Path) -> None:
    bare = without_jinja(file.read_text("utf-8"))
    assert re.findall(r"""<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)""", bare) == []
    assert "| safe" not in file.read_text("utf-8")


@pytest.mark.parametrize("file", sorted(STATIC.glob("*.js")), ids=lambda file: file.stem)
def test_no_text_stands_in_a_script(file: Path) -> None:
    if file.name.startswith("htmx"):
        return
    code = re.sub(r"//.*|/\*.*?\*/", "", file.read_text("utf-8"))
    strings = re.findall(r'"([^"\n]*)"', code)
    assert [each for each in strings if " " in each and foreign(each, "")] == []


# -- what pages say ------------------------------------------------------------------------------


def visible(page: str) -> str:
    """What a person reads or hears of it, in its own language: what is marked as another's is left out."""
    page = re.sub(r"<(script|style|template)\b.*?</\1>", " ", page, flags=re.DOTALL)
    page = re.sub(r"<(\w+)\b[^>]*\slang=[^>]*>.*?</\1>", " ", page.partition("<body")[2], flags=re.DOTALL)
    page = re.sub(r"<(code|pre|textarea|blockquote)\b.*?</\1>", " ", page, flags=re.DOTALL)
    heard = " ".join(value for _, value in SPOKEN.findall(page))
    return html.unescape(f"{re.sub(r'<[^>]*>', ' ', page)} {heard}")


def configured(console: Console) -> list[str]:
    """What an admin wrote in the configuration: it is shown as it is."""

    def strings(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for each in value.values():
                yield from strings(each)
        elif isinstance(value, list | tuple):
            for each in value:
                yield from strings(each)

    written = set(strings(console.house.configuration.model_dump()))
    return sorted((each for each in written if " " in each), key=len, reverse=True)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_of_one_language(console: Console, language: str) -> None:
    pages = furnish(console)
    written = configured(console)
    found = []
    for role in ("admin", "technician"):
        visitor = console.visitor(role, language)
        for name, path in pages.items():
            if not may(name, role):
                continue
            answer = visitor.get(path)
            if answer.mimetype != "text/html" or answer.status_code >= 300:
                continue
            shown = answer.get_data(as_text=True)
            if "<html" in shown:
                assert f'<html lang="{language}">' in shown, name
            said = visible(shown)
            for each in written:
                said = said.replace(each, " ")
            if strange := foreign(said, language):
                found.append((name, role, strange))
    assert found == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_stranger_is_spoken_to_in_his_browser_s_language(console: Console, language: str) -> None:
    visitor = console.visitor(None)
    for path in ("/login", "/welcome/nothing", "/no-such-page"):
        shown = visitor.get(path, headers={"Accept-Language": f"{language},xx;q=0.1"}).get_data(as_text=True)
        assert f'<html lang="{language}">' in shown
        assert foreign(visible(shown), language) == []


def test_a_page_that_fails_speaks_the_language_of_who_asked(console: Console) -> None:
    shown = console.visitor("admin", "de").get("/users/999").get_data(as_text=True)
    assert "Seite" in shown
    assert foreign(visible(shown), "de") == []

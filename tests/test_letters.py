"""The letter that brings a PIN: says everything, in three languages, to people and to their readers."""

from __future__ import annotations

import io
import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, time
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from making import EXAMPLE, NIGHT, configuration
from pypdf import PageObject, PdfReader

from console.outbound import letter_facts
from console.outbound.letter_mail import message_of
from console.settings import load
from ivr.settings import LANGUAGES
from pins import letters
from pins.customers import Customer
from pins.letters import Letter, LetterRefused, Service, groups, plain, render
from pins.settings import LetterSettings

ACME = Customer(
    id=1, code="ACME", name="Acme S.p.A.", spoken_name="Acme", address="Via Roma 1\n38122 Trento TN"
)
LONG = Customer(
    id=2,
    code="FRUTTICOLTORI-VAL-DI-SOLE",
    name="Consorzio dei Frutticoltori della Val di Sole, della Val di Non e della Piana Rotaliana – Società "
    "cooperativa agricola a responsabilità limitata",
    spoken_name="Frutticoltori",
    address="c.a. Ufficio sistemi\nPalazzo delle Albere\nVia Sanseverino 45/A\n38122 Trento TN\nItalia",
)
SETTINGS = LetterSettings(
    address=["Via Esempio 12", "38121 Trento TN"],
    office_phone="0461 000001",
    office_email="uffici@cloudfabric.example",
    signature="Maria Bianchi",
    privacy=dict.fromkeys(LANGUAGES, "Scriva a dpo@cloudfabric.example."),
    closing=dict.fromkeys(LANGUAGES, "Grazie."),
)
SHIPPED = letter_facts.service(load(EXAMPLE, {}))
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9"/></svg>'


def letter(language: str = "it", **changes: Any) -> Letter:
    made = Letter("04812937", 17, ACME, "Sede di Trento", language, date(2026, 11, 22))
    return replace(made, **changes)


def pages(written: Sequence[Letter], folder: Path, settings: LetterSettings = SETTINGS) -> list[PageObject]:
    return list(PdfReader(io.BytesIO(render(written, SHIPPED, settings, folder))).pages)


def said(page: PageObject) -> str:
    return " ".join(page.extract_text().split())


# -- what it says ------------------------------------------------------------------------------

SAYS = {
    "it": [
        "Acme S.p.A.",
        "Il Suo PIN",
        "0481 2937",
        "senza spazi",
        "Sede di Trento",
        "dal 22 novembre 2026, fino a revoca",
        "ACME / 17",
        "nei giorni lavorativi dalle 18:30 alle 8:00 e dalle 13:00 alle 14:00",
        "il sabato, la domenica e i giorni festivi tutto il giorno",
        "0461 825060",
        "0465 324963",
        "P1+",
        "Blocco totale",
        "entro 1 ora",
        "entro 4 ore",
        "attendono la riapertura",
        "cancelletto",
        "tecnico reperibile",
        "prema 8",
        "ticket",
        "0461 000001",
        "lo revochiamo all'istante",
        "artt. 13–14 GDPR",
        "dpo@cloudfabric.example",
    ],
    "en": [
        "Your PIN",
        "0481 2937",
        "without spaces",
        "from 22 November 2026 until it is revoked",
        "on working days from 18:30 to 8:00 and from 13:00 to 14:00",
        "Saturdays, Sundays and public holidays",
        "within 1 hour",
        "within 4 hours",
        "press 8",
        "revoke it immediately",
        "Articles 13 and 14 GDPR",
    ],
    "de": [
        "Ihre PIN",
        "0481 2937",
        "ohne Leerzeichen",
        "ab 22. November 2026 bis auf Widerruf",
        "an Arbeitstagen von 18:30 bis 8:00 Uhr und von 13:00 bis 14:00 Uhr",
        "samstags, sonntags und an Feiertagen",
        "binnen 1 Stunde",
        "binnen 4 Stunden",
        "drücken Sie die 8",
        "sperren sie augenblicklich",
        "Art. 13 und 14 DSGVO",
    ],
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_says_everything_on_one_page_and_in_order(language: str, tmp_path: Path) -> None:
    (page,) = pages([letter(language)], tmp_path)
    text = said(page)
    position = 0
    for words in SAYS[language]:
        found = text.find(words, position)
        assert found >= 0, (words, text[position:])
        position = found


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_email_says_the_same(language: str) -> None:
    subject, text = plain(letter(language), SHIPPED, SETTINGS)
    flat = " ".join(f"{subject} {text}".split()).casefold()
    for words in SAYS[language]:
        assert words.casefold() in flat, words
    assert "0481" not in subject
    assert "2937" not in subject
    assert max(len(line) for line in text.splitlines()) <= 78


@pytest.mark.parametrize("language", LANGUAGES)
def test_after_a_rotation_it_says_how_long_the_old_one_works(language: str, tmp_path: Path) -> None:
    changed = letter(language, expires=date(2027, 12, 1), old_pin_until=date(2026, 12, 8))
    (page,) = pages([changed], tmp_path)
    until, new = {
        "it": (
            "dal 22 novembre 2026 al 1° dicembre 2027 PIN precedente funziona ancora fino all'8 dicembre",
            "nuovo",
        ),
        "en": ("from 22 November 2026 to 1 December 2027 Previous PIN still works until 8 December", "new"),
        "de": ("vom 22. November 2026 bis 1. Dezember 2027 Bisherige PIN gilt noch bis 8. Dezember", "neue"),
    }[language]
    assert until in said(page)
    assert new in said(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_long_names_stay_on_one_page(language: str, tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text(LOGO)
    extreme = letter(
        language,
        customer=LONG,
        label="Stabilimento di trasformazione e magazzino frigorifero di Malé, turno di notte",
        expires=date(2027, 12, 1),
        old_pin_until=date(2026, 12, 8),
        pin="048129374812",
    )
    settings = SETTINGS.model_copy(update={"logo": "logo.svg"})
    (page,) = pages([extreme], tmp_path, settings)
    assert "0481 2937 4812" in said(page)
    assert LONG.name in said(page)


@pytest.mark.parametrize(
    ("pin", "read"),
    [
        ("04812937", "0481 2937"),
        ("048129370", "048 129 370"),
        ("0481293705", "0481 293 705"),
        ("04812937051", "0481 2937 051"),
        ("048129370511", "0481 2937 0511"),
        ("0481293705113", "0481 293 705 113"),
    ],
)
def test_a_pin_is_grouped_as_it_is_read_aloud(pin: str, read: str) -> None:
    assert " ".join(groups(pin)) == read


def when(**changes: Any) -> str:
    _, text = plain(letter("it"), replace(SHIPPED, **changes), SETTINGS)
    return " ".join(text.split())


def test_hours_as_an_italian_says_them() -> None:
    assert "dall'1:00 alle 2:30" in when(windows=((time(1), time(2, 30)),))
    assert "dalle 23:00 all'1:00" in when(windows=((time(23), time(1)),))
    assert "ogni giorno dalle 18:30" in when(closed_days=(), holidays=False)
    assert "chiesto i giorni festivi tutto il giorno" in when(windows=(), closed_days=())
    assert "Se il PIN serve" in when(windows=(), closed_days=(), holidays=False)
    levels = (replace(SHIPPED.levels[0], within=90),)
    assert "entro 90 minuti" in when(levels=levels)


def test_dates_as_an_italian_says_them() -> None:
    def valid(start: int, end: int) -> str:
        dated = letter("it", issued_on=date(2026, 3, start), expires=date(2027, 3, end))
        return plain(dated, SHIPPED, SETTINGS)[1]

    assert "dall'8 marzo 2026 al 9 marzo 2027" in valid(8, 9)
    assert "dal 1° marzo 2026 all'11 marzo 2027" in valid(1, 11)


def test_without_an_office_phone_it_says_so_otherwise(tmp_path: Path) -> None:
    (page,) = pages([letter()], tmp_path, LetterSettings())
    assert "avvisi subito i nostri uffici" in said(page)
    assert "numero :" not in said(page)


def test_the_facts_are_those_of_the_configuration(tmp_path: Path) -> None:
    facts = letter_facts.service(configuration(tmp_path))
    assert facts.numbers == (
        ("Trento", "0461 825060"),
        ("Trento Nord", "0461 402406"),
        ("Tione", "0465 324963"),
    )
    assert facts.windows == ((time(18, 30), time(8)), (time(13), time(14)))
    assert facts.closed_days == (5, 6)
    assert facts.holidays
    assert [(each.key, each.code, each.within) for each in facts.levels] == [
        ("1", "P1+", 60),
        ("2", "P1", 120),
        ("3", "P2", 240),
    ]


# -- many at once ------------------------------------------------------------------------------


def test_each_letter_begins_on_a_page_of_its_own(tmp_path: Path) -> None:
    written = [letter(LANGUAGES[n % 3], pin=f"0481{2900 + n}", pin_id=n) for n in range(12)]
    found = pages(written, tmp_path)
    assert len(found) == 12
    for number, page in enumerate(found):
        assert f"0481 {2900 + number}" in said(page)
        assert len(re.findall(r"0481 29\d\d", said(page))) == 1


def test_on_both_sides_no_letter_shares_a_sheet(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"two_sided": True})
    found = [said(page) for page in pages([letter(), letter(pin="04812938")], tmp_path, settings)]
    assert len(found) == 3
    assert found[1] == ""
    assert "0481 2938" in found[2]


def test_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LetterRefused, match="no letter"):
        render([], SHIPPED, SETTINGS, tmp_path)
    with pytest.raises(LetterRefused, match="'fr'"):
        render([letter("fr")], SHIPPED, SETTINGS, tmp_path)


# -- for those who have it read aloud ------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_tagged_and_says_its_language_and_title(language: str, tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text(LOGO)
    settings = SETTINGS.model_copy(update={"logo": "logo.svg"})
    reader = PdfReader(io.BytesIO(render([letter(language)], SHIPPED, settings, tmp_path)))
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == language
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert reader.metadata is not None
    title = reader.metadata.title or ""
    assert "PIN" in title
    assert "0481" not in title
    assert b"pdfuaid:part>1<" in root["/Metadata"].get_data()
    kinds: list[str] = []
    alternatives: list[str] = []
    walk(root["/StructTreeRoot"], kinds, alternatives)
    assert kinds.count("/H1") == 1
    assert kinds.count("/H2") == 5
    assert kinds.count("/TH") == 4
    assert kinds.count("/LI") == 4
    assert alternatives == ["Cloudfabric"]


def walk(node: Any, kinds: list[str], alternatives: list[str]) -> None:
    node = node.get_object() if hasattr(node, "get_object") else node
    if isinstance(node, list):
        for each in node:
            walk(each, kinds, alternatives)
    elif isinstance(node, dict):
        if "/S" in node:
            kinds.append(node["/S"])
        if "/Alt" in node:
            alternatives.append(node["/Alt"])
        if "/K" in node:
            walk(node["/K"], kinds, alternatives)


# -- what comes from outside ---------------------------------------------------------------------


def test_what_customers_are_called_is_never_markup(tmp_path: Path) -> None:
    evil = '*Acme* #panic("x") $x$ <a> \\ {0} {pin} https://a.example _b_ `c` @d = e // f /* g */ [h] "; #'
    mean = replace(ACME, name=evil, address='#read("/etc/passwd")\n= Title\n- list')
    (page,) = pages([letter(customer=mean, label=evil)], tmp_path)
    assert said(page).count(" ".join(evil.split())) == 2
    assert '#read("/etc/passwd")' in said(page)
    _, text = plain(letter(customer=mean), SHIPPED, SETTINGS)
    assert "{pin}" in text


@pytest.mark.parametrize("name", ["上海有限公司", "Ωμέγα", "Ромашка", "Acme 😀", "a\x00b\x0b", "مرحبا"])
def test_any_name_gets_its_letter(tmp_path: Path, name: str) -> None:
    (page,) = pages([letter(customer=replace(ACME, name=name))], tmp_path)
    assert "0481 2937" in said(page)


@pytest.mark.parametrize("content", [None, "rubbish", "<svg"])
def test_a_logo_that_cannot_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "logo.svg").write_text(content)
    settings = SETTINGS.model_copy(update={"logo": "logo.svg"})
    with pytest.raises(LetterRefused, match=r"letters\.logo") as refused:
        render([letter()], SHIPPED, settings, tmp_path)
    assert "0481" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_nothing_is_written_to_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    render([letter()], SHIPPED, SETTINGS, tmp_path)
    assert list(tmp_path.rglob("*")) == []


def test_the_typesetter_does_not_fill_the_memory(tmp_path: Path) -> None:
    """It would keep 1 MB a letter."""

    def resident() -> float:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def some(batch: int) -> None:
        written = [letter(pin=f"{batch:04d}{n:04d}", label=f"{batch} {n}") for n in range(25)]
        render(written, SHIPPED, SETTINGS, tmp_path)

    for batch in range(2):  # what is allocated once
        some(batch)
    before = resident()
    for batch in range(2, 6):
        some(batch)
    assert resident() - before < 40


def test_a_letter_does_not_show_its_pin() -> None:
    assert "0481" not in repr(letter())


def test_the_same_letter_is_the_same_bytes(tmp_path: Path) -> None:
    assert render([letter()], SHIPPED, SETTINGS, tmp_path) == render([letter()], SHIPPED, SETTINGS, tmp_path)


def test_the_email_carries_the_page(tmp_path: Path) -> None:
    at_home = configuration(tmp_path)
    settings = at_home.mail.model_copy(update={"sender": "ivr@cloudfabric.example"})
    changed = at_home.model_copy(update={"mail": settings})
    message = message_of(changed, letter(customer=replace(ACME, email="acme@example.net")), NIGHT)
    text, page = message.iter_parts()
    assert "0481 2937" in text.get_content()  # type: ignore[union-attr]
    read = PdfReader(io.BytesIO(page.get_content()))  # type: ignore[union-attr]
    assert "0481 2937" in said(read.pages[0])
    assert "0481" not in str(message["Subject"])


# -- the catalogues ------------------------------------------------------------------------------


def test_the_three_catalogues_say_the_same_things() -> None:
    assert letters.languages() == sorted(LANGUAGES)
    shapes = []
    for language in LANGUAGES:
        file = resources.files("pins") / "letter" / f"{language}.toml"
        read = tomllib.loads(file.read_text(encoding="utf-8"))
        shapes.append(
            {
                f"{part}.{name}": sorted(re.findall(r"\{(\w+)\}", value))
                if isinstance(value, str)
                else len(value)
                for part, texts in read.items()
                for name, value in texts.items()
                if not name.endswith(("-one", "-vowel")) and name != "vowels" and part != "pin"
            }
        )
    assert shapes[0] == shapes[1] == shapes[2]


def test_service_is_plain_data() -> None:
    assert isinstance(SHIPPED, Service)
    assert hash(SHIPPED.numbers)

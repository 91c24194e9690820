"""What notices say: every kind in every language and form, short enough, and safe with any name."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import NIGHT, ROME, rome

from console.outbound.alarm_texts import catalogue as alarms
from ivr.settings import LANGUAGES as SPOKEN
from oncall.notices import notice_texts
from oncall.notices.notice_texts import LANGUAGES, Written, answer, catalogue, kinds, listed, written
from oncall.notices.segments import LONGEST, is_gsm7, segments

DUE = rome("2026-03-10 23:40")
LINK = "https://emergenze.cloudfabric.example/c/" + "A" * 22
ORDINARY: dict[str, Any] = {
    "customer": "Officine Rossi Srl",
    "caller": "+393471112201",
    "urgency": "P1+",
    "urgency_spoken": "pi uno più",
    "code": "4712",
    "due": DUE.isoformat(),
    "number": "2026-00412",
    "case": "2026-00412",
    "ok": "OK 4712",
    "yes": "OK",
    "by": "Anna Rossi",
    "who": "Anna Rossi",
    "next": "Bruno Bianchi",
    "swap_with": "Dario Neri",
    "proposer": "Anna Rossi",
    "counterpart": "Dario Neri",
    "percent": 50,
    "seconds": 80,
    "minutes": 60,
    "rota": "duty",
    "rung": 1,
    "starts": rome("2026-03-11 18:30").isoformat(),
    "ends": rome("2026-03-18 18:30").isoformat(),
    "back_starts": rome("2026-03-20 18:30").isoformat(),
    "back_ends": rome("2026-03-21 08:00").isoformat(),
}
NAME = "Massimiliano Buonarroti"
LONG = ORDINARY | {
    "customer": "Officine Meccaniche Rossi & Figli di Mario Rossi Società a Responsabilità Limitata",
    "caller": "+4915112345678",
    "due": rome("2026-03-11 01:40").isoformat(),
    "number": "2026-99999",
    "seconds": 120,
    "rota": "reperibilita-notturna-trento",
    "link": LINK,
    **dict.fromkeys(("by", "who", "next", "swap_with", "proposer", "counterpart"), NAME),
}
# Those that this system tells of.
TOLD = {
    *("nobody-answered", "hung-up-ringing", "call-back-wanted", "case-reminder", "case-taken", "case-passed"),
    *("case-taken-by-text-resumed", "case-closed-by-text", "no-urgency", "screened-in-vain", "message-left"),
    "stand-in-call",
    *("shift-begins", "shift-ends", "shift-confirm", "shift-unconfirmed", "case-yours", "talk-long", "test"),
    *("swap-proposed", "swap-accepted", "swap-declined", "swap-to-approve"),
}
KINDS = set(kinds())
every_kind = pytest.mark.parametrize("kind", sorted(KINDS))
every_language = pytest.mark.parametrize("language", LANGUAGES)


def said(kind: str, facts: dict[str, Any], language: str = "it") -> Written:
    return written(kind, facts, language, ROME, NIGHT, company="Cloudfabric")


def test_every_language_has_the_same_texts() -> None:
    assert set(LANGUAGES) == set(SPOKEN)
    for language in LANGUAGES:
        texts = catalogue(language)
        assert set(texts["kind"]) == KINDS
        assert texts.keys() == catalogue("it").keys()
        assert texts["answer"].keys() == catalogue("it")["answer"].keys()
        for kind, forms in texts["kind"].items():
            assert forms.keys() == {"subject", "plain", "text", "voice"}, kind
    assert TOLD <= KINDS


@every_language
def test_every_language_asks_for_the_same_facts(language: str) -> None:
    place = re.compile(r"\{([a-z_]+)(?::[a-z]+)?\}")
    for kind, forms in catalogue("it")["kind"].items():
        for form in ("text", "subject"):
            ours = catalogue(language)["kind"][kind][form]
            assert set(place.findall(str(ours))) == set(place.findall(str(forms[form]))), (kind, form)


@every_language
@every_kind
def test_an_ordinary_text_takes_one_segment(kind: str, language: str) -> None:
    text = said(kind, ORDINARY, language).text
    assert segments(text) == 1, text
    assert is_gsm7(text)
    assert not re.search(r"[{}\[\]]", text)


@every_language
@every_kind
def test_the_longest_takes_two(kind: str, language: str) -> None:
    text = said(kind, LONG, language).text
    assert segments(text) <= 2, text
    assert is_gsm7(text)


@every_language
@every_kind
def test_a_bare_notice_still_says_something(kind: str, language: str) -> None:
    found = said(kind, {}, language)
    assert len(found.text) > 10
    assert found.subject.startswith("[Cloudfabric] ")
    assert len(found.subject) > len("[Cloudfabric] ") + 5
    assert found.text[0].isupper()
    assert "None" not in str(found)


@every_language
@every_kind
def test_an_e_mail_has_all_there_is_to_know(kind: str, language: str) -> None:
    found = said(kind, LONG, language)
    listed_facts = [LONG["customer"], LONG["caller"], "P1+", "4712", "2026-99999", LINK]
    assert all(fact in found.body for fact in listed_facts)
    assert "OK 4712" not in found.body, "an e-mail cannot be answered"
    assert "Cloudfabric" in found.body
    assert "\n" not in found.subject


@every_language
@every_kind
def test_what_is_read_aloud_has_its_digits_apart(kind: str, language: str) -> None:
    voice = said(kind, LONG | {"caller": "+393471112201"}, language).voice
    assert voice
    assert "4712" not in voice
    assert "+39" not in voice
    assert "http" not in voice
    assert not re.search(r"[0-9]{4}", voice)
    if "3 4 7" in voice:
        assert "3 4 7 1 1 1 2 2 0 1" in voice
    if kind == "nobody-answered":
        assert "4 7 1 2" in voice
        assert "pi uno più" in voice


@pytest.mark.parametrize(
    ("language", "due", "by"),
    [
        ("it", "2026-03-10 23:40", "entro le 23:40."),
        ("it", "2026-03-11 01:40", "entro l'1:40 di mer 11/3."),
        ("it", "2026-03-11 03:40", "entro le 3:40 di mer 11/3."),
        ("en", "2026-03-10 23:40", "by 23:40."),
        ("en", "2026-03-11 03:40", "by 3:40 on Wed 11/3."),
        ("de", "2026-03-10 23:40", "bis 23:40 Uhr."),
        ("de", "2026-03-11 03:40", "bis Mi 11.3. 3:40 Uhr."),
    ],
)
def test_a_deadline_by_the_clock(language: str, due: str, by: str) -> None:
    assert by in said("nobody-answered", ORDINARY | {"due": rome(due).isoformat()}, language).text


def test_what_is_said_in_words() -> None:
    assert said("nobody-answered", ORDINARY).text == (
        "Nessuno ha risposto a Officine Rossi Srl (+393471112201). P1+, codice 4712, entro le 23:40. "
        "Per prenderlo: OK 4712."
    )
    late = ORDINARY | {"percent": 100, "due": (NIGHT - timedelta(hours=1)).isoformat()}
    assert said("case-reminder", late).text.startswith("Tempo scaduto alle 21:00: nessuno ha preso")
    assert "50%" in said("case-reminder", ORDINARY).text
    forged = said("case-taken", ORDINARY | {"via": "text"}).text
    assert "può essere falso" in forged
    assert "falso" not in said("case-taken", ORDINARY | {"via": "phone"}).text
    swap = {"proposer": "Anna", "counterpart": "Dario", "start": ORDINARY["starts"], "end": ORDINARY["ends"]}
    assert said("swap-proposed", swap).text.startswith(
        "Anna propone uno scambio: lei prende da mer 11/3 18:30"
    )
    assert said("swap-accepted", swap).text.startswith("Scambio accettato da Dario")
    assert said("screened-in-vain", {"caller": "+390471999990"}).text.startswith("Ha chiamato qualcuno")
    assert "Un chiamante non verificato" in said("hung-up-ringing", {"screened": True}).text
    assert "Scambio con Dario Neri" in said("shift-begins", ORDINARY).text
    assert "Ora tocca a Bruno Bianchi" in said("shift-ends", ORDINARY).text


def test_an_unknown_kind_or_language_is_no_silence() -> None:
    assert "something-new" in said("something-new", {"code": "4712"}).text
    assert said("test", {}, "fr").text == said("test", {}, "it").text


@pytest.mark.parametrize(
    "name", ["{code}", "[x] {link}", "{0}", "a\nBcc: x@y", "\x00\x1b\ud800", "%s", "\\1"]
)
@every_language
def test_a_name_is_never_more_than_a_name(name: str, language: str) -> None:
    found = said("nobody-answered", ORDINARY | {"customer": name}, language)
    shown = notice_texts.clean(name)
    if shown:
        assert shown in found.text
        assert shown in found.subject
    assert "\n" not in found.text + found.subject
    found.body.encode()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), st.sampled_from(sorted(KINDS)), st.sampled_from(LANGUAGES))
def test_no_name_makes_a_text_too_long(name: str, kind: str, language: str) -> None:
    found = said(kind, LONG | {"customer": name, "by": name, "rota": name}, language)
    assert len(found.text) <= LONGEST
    assert segments(found.text) <= 5  # whatever alphabet it is in
    found.text.encode()


def test_the_same_facts_at_the_same_instant_read_the_same() -> None:
    assert said("nobody-answered", LONG) == said("nobody-answered", dict(reversed(LONG.items())))


# -- answers -----------------------------------------------------------------------------------

ANSWER_FACTS = {"code": "2026-00412", "by": NAME * 3, "cases": "4712 P1+ entro le 3:40 di mer 11/3"}


@every_language
@pytest.mark.parametrize("name", sorted(set(catalogue("it")["answer"]) - {"row", "more"}))
def test_an_answer_takes_one_segment(name: str, language: str) -> None:
    text = answer(name, ANSWER_FACTS, language, ROME, NIGHT)
    assert segments(text) == 1, text
    assert is_gsm7(text)


@every_language
@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_a_list_of_cases_takes_one_segment(count: int, language: str) -> None:
    cases = [{"code": f"{n:04d}", "urgency": "P1+", "due": NIGHT + timedelta(hours=n)} for n in range(count)]
    text = listed(cases, language, ROME, NIGHT, room=25)
    assert segments(text) == 1
    assert "0000" in text
    shown = len(re.findall(r"\b00[0-9]{2}\b", text))
    rest = re.search(r"([0-9]+) (?:altri|more|weitere)|altri ([0-9]+)", text)
    assert shown + (int(rest[1] or rest[2]) if rest else 0) == count


@every_language
def test_the_alarm_has_a_text(language: str) -> None:
    assert "notice-not-delivered" in alarms(language)

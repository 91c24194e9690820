"""The Italian catalogue: complete, short enough to be listened to, and times as people say them."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from making import EXAMPLE, NIGHT, ROME, ROOT, SID, rome

from console.settings import load
from ivr import flow, outgoing_flow, technician_flow
from ivr.prompts import Catalogue, Speaker, catalogue, clean, spoken_languages
from ivr.settings import UrgencySettings
from ivr.standby import stand_in
from ivr.technician_flow import AskTechnician, Leg
from ivr.vocabulary import Clock, Day, Digits, Line, UrgencyMenu, UrgencyName, line
from ivr.wording import NAME_LIMIT

SHIPPED = load(EXAMPLE, {}).urgency
WRITING = SHIPPED.model_copy(update={"write_to": "assistenza@cloudfabric.example"})
ITALIAN = catalogue("it")

# As an Italian voice speaks, roughly.
CHARACTERS_A_SECOND = 14
SECONDS = 12
MENU_SECONDS = 15
# Sentences that only fill a place in another one.
PARTS = {"write-to"}

TYPICAL = {
    "customer": "Frutticoltori Val di Sole",
    "code": Digits("4712"),
    "due": Clock(rome("2026-03-11 03:40")),
    "at": Clock(rome("2026-03-16 08:00")),
    "urgency": UrgencyName("P1+"),
    "levels": UrgencyMenu(),
    "number": Digits("201"),
    "since": Clock(rome("2026-03-09 23:10")),
    "technician": "Anna Rossi",
    "until": Day(date(2026, 9, 28)),
    "digits": Digits("47"),
    "text": "Il suo turno di reperibilità comincia alle 18:30.",
}


def speaker(urgency: UrgencySettings = SHIPPED) -> Speaker:
    return Speaker("Cloudfabric", ROME, urgency)


def say(name: str, now: datetime = NIGHT, /, *, levels: UrgencySettings = SHIPPED, **values: object) -> str:
    return speaker(levels).say(line(name, **(values or TYPICAL)), "it", now)[0].text  # type: ignore[arg-type]


def words_of(text: str) -> str:
    """The text as long as it is spoken: digits one by one are short words of their own."""
    return re.sub(r"(?<=\d) (?=\d)", " xxxx ", text)


@pytest.mark.parametrize("name", sorted(set(ITALIAN.sentences) - PARTS))
def test_nothing_takes_longer_than_people_listen(name: str) -> None:
    spoken = words_of(say(name, levels=WRITING))
    limit = MENU_SECONDS if name == "urgency-menu" else SECONDS
    assert len(spoken) / CHARACTERS_A_SECOND <= limit, spoken


@pytest.mark.parametrize("name", sorted(set(ITALIAN.sentences) - PARTS))
def test_a_sentence_is_whole_and_clean(name: str) -> None:
    spoken = say(name)
    assert "{" not in spoken
    assert spoken == clean(spoken)
    assert spoken[-1] in ".?!"
    assert spoken[0].isupper()


@pytest.mark.parametrize("name", sorted(ITALIAN.sentences))
def test_the_key_comes_last(name: str) -> None:
    """Whoever hears what a key does has to know it only then: "per … prema 1"."""
    text = ITALIAN.sentences[name]
    for found in re.finditer(r"[Pp]rema (\d|cancelletto|asterisco)", text):
        clause = re.split(r"[.:;] ", text[: found.start()])[-1]
        assert re.search(r"\b([Pp]er|[Ss]e)\b", clause), text


def named_in(module: str) -> set[str]:
    """Every text that stands in the module's code, docstrings aside."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def lines_in(module: str) -> set[str]:
    """The names that the module gives to `line`, and to the functions that pass them on to it."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    passed_on = {"line": 0, "pin_missed": 2, "refuse": 2}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in passed_on:
            given = node.args[passed_on[node.func.id]]
            if isinstance(given, ast.Constant):
                found.add(given.value)
    return found


def said_in_flows() -> set[str]:
    flows = ("ivr/flow.py", "ivr/technician_flow.py", "ivr/outgoing_flow.py", "ivr/standby/stand_in.py")
    return {name for file in flows for name in lines_in(file)}


def test_every_sentence_of_the_flows_is_in_the_catalogue() -> None:
    used = said_in_flows()
    assert len(used) > 25
    assert used <= set(ITALIAN.sentences)


def test_every_sentence_of_the_catalogue_is_said() -> None:
    used = said_in_flows() | named_in("ivr/prompts.py")
    assert set(ITALIAN.sentences) - used == set()


def test_the_flows_give_each_sentence_its_values() -> None:
    """Names of places in the texts, against the keywords that stand beside the names in the flows."""
    given: dict[str, set[str]] = {}
    for module in (flow, technician_flow, outgoing_flow, stand_in):
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "line":
                name = node.args[0]
                if isinstance(name, ast.Constant):
                    given.setdefault(name.value, set()).update(
                        each.arg or "urgency" for each in node.keywords
                    )
    for name, text in ITALIAN.sentences.items():
        places = {found[1] for found in re.finditer(r"\{([a-z]+)", text)} - {"company", "write", "address"}
        assert places <= given.get(name, set()), name


@pytest.mark.parametrize("language", spoken_languages())
def test_a_catalogue_is_complete(language: str) -> None:
    words: Catalogue = catalogue(language)
    assert set(words.sentences) == set(ITALIAN.sentences)
    assert (len(words.calendar["days"]), len(words.calendar["months"])) == (7, 12)
    days = {"today", "tomorrow", "this-week", "later"}
    kinds = {"at": days, "by": days | {"tonight", "midnight"}, "since": {"today", "yesterday", "earlier"}}
    plain = {
        form: {kind.removesuffix("-eight").removesuffix("-one") for kind in each}
        for form, each in words.clock.items()
    }
    assert plain == kinds
    assert {form.removesuffix("-eight") for form in words.day} == {"until"}
    for name, text in words.sentences.items():
        here, there = (set(re.findall(r"\{[a-z:]+\}", each)) for each in (text, ITALIAN.sentences[name]))
        assert here == there, name


def test_an_unknown_language_has_no_catalogue() -> None:
    with pytest.raises(LookupError):
        catalogue("fr")


def test_a_customer_s_language_that_is_not_shipped_is_answered_in_italian() -> None:
    assert speaker().say(line("goodbye"), "xx", NIGHT)[0].text == "Arrivederci."


@pytest.mark.parametrize(
    ("then", "by", "at"),
    [
        ("2026-03-10 23:05", "le 23:05", "alle 23:05"),
        ("2026-03-11 08:00", "le 8:00 di domani", "domani alle 8:00"),
        ("2026-03-11 01:30", "l'1:30 di questa notte", "domani all'1:30"),
        ("2026-03-11 00:15", "le 0:15 di questa notte", "domani alle 0:15"),
        ("2026-03-11 10:00", "le 10:00 di domani", "domani alle 10:00"),
        ("2026-03-11 13:01", "le 13:01 di domani", "domani alle 13:01"),
        ("2026-03-12 08:00", "le 8:00 di giovedì", "giovedì alle 8:00"),
        ("2026-03-16 08:00", "le 8:00 di lunedì", "lunedì alle 8:00"),
        ("2026-03-16 01:00", "l'1:00 di lunedì", "lunedì all'1:00"),
        # A week away "martedì" would be today.
        ("2026-03-17 08:00", "le 8:00 del 17 marzo", "martedì 17 marzo alle 8:00"),
        ("2026-04-01 01:00", "l'1:00 del primo aprile", "mercoledì primo aprile all'1:00"),
    ],
)
def test_times_as_they_are_spoken_on_a_tuesday_night(then: str, by: str, at: str) -> None:
    assert say("nobody-answered", due=Clock(rome(then))).endswith(f"entro {by}.")
    assert say("reopens", at=Clock(rome(then))) == f"L'ufficio riapre {at}."


@pytest.mark.parametrize(
    ("day", "until", "since"),
    [
        (date(2026, 3, 1), "fino al primo marzo", "dal primo marzo"),
        (date(2026, 3, 7), "fino al 7 marzo", "dal 7 marzo"),
        # Before a vowel: otto, undici.
        (date(2026, 3, 8), "fino all'8 marzo", "dall'8 marzo"),
        (date(2026, 3, 11), "fino all'11 marzo", "dall'11 marzo"),
        (date(2026, 3, 18), "fino al 18 marzo", "dal 18 marzo"),
        (date(2026, 12, 31), "fino al 31 dicembre", "dal 31 dicembre"),
    ],
)
def test_days_as_they_are_spoken(day: date, until: str, since: str) -> None:
    assert f" {until}." in say("pin-ends", until=Day(day))
    opened = datetime(day.year, day.month, day.day, 3, 10, tzinfo=ROME)
    for hour in (1, 10):
        known = Clock(opened.replace(hour=hour))
        assert f"aperto {since}," in say("same-case", opened + timedelta(days=9), since=known)


@pytest.mark.parametrize(
    ("language", "first", "eighth"),
    [
        ("it", "fino al primo aprile", "fino all'8 aprile"),
        ("en", "until 1 April", "until 8 April"),
        ("de", "bis zum 1. April", "bis zum 8. April"),
    ],
)
def test_the_last_day_of_a_pin_in_every_language(language: str, first: str, eighth: str) -> None:
    for day, spoken in ((1, first), (8, eighth)):
        (speech,) = speaker().say(line("pin-ends", until=Day(date(2026, 4, day))), language, NIGHT)
        assert f" {spoken}." in speech.text


@pytest.mark.parametrize("language", spoken_languages())
@pytest.mark.parametrize("leg", ["named", "numbered", "withheld"])
def test_a_voicemail_costs_at_most_twenty_seconds(language: str, leg: str) -> None:
    """The announcement of a caller without a verified PIN, what he said of himself, and the silence."""
    unverified = Leg(SID, SID, 1, language, None, None, "4712", None, caller="+393471112201")
    whose = {
        "named": replace(unverified, name_recording="RE"),
        "numbered": unverified,
        "withheld": replace(unverified, caller=""),
    }[leg]
    took: float = 0
    turn = technician_flow.take_turn(whose, "picked-up")
    while isinstance(turn.then, AskTechnician):
        for each in turn.then.lines:
            if isinstance(each, Line):
                (speech,) = speaker().say(each, language, NIGHT)
                took += len(words_of(speech.text)) / CHARACTERS_A_SECOND
            else:
                took += NAME_LIMIT
        took += turn.then.timeout
        turn = technician_flow.take_turn(turn.leg, "silence")
    assert took <= 20


def test_tomorrow_is_told_by_the_local_clock() -> None:
    """Half past midnight in Rome is still yesterday in UTC."""
    late = rome("2026-07-10 00:30")
    assert say("reopens", late, at=Clock(rome("2026-07-10 08:00"))) == "L'ufficio riapre alle 8:00."
    assert say("reopens", late - timedelta(hours=1), at=Clock(rome("2026-07-10 08:00"))).endswith(
        "domani alle 8:00."
    )


def test_the_second_half_past_two_is_not_the_first() -> None:
    """In the long night the clock shows the same for two instants; what is said is what it shows."""
    for fold in (0, 1):
        spoken = say("nobody-answered", rome("2026-10-25 00:30"), due=Clock(rome("2026-10-25 02:30", fold)))
        assert spoken.endswith("entro le 2:30.")


def test_codes_are_spoken_digit_by_digit() -> None:
    assert "4 7 1 2" in say("accepted")
    assert "0 0 0 7" in say("accepted", code=Digits("0007"), due=Clock(NIGHT))


def test_the_menu_offers_the_levels_in_the_order_of_their_keys() -> None:
    assert say("urgency-menu") == (
        "Per un blocco totale, prema 1. Se sa già che serve un intervento sul posto, prema 2. "
        "Per un blocco parziale, prema 3. Per altro, prema 4. Per le definizioni, prema 9."
    )


def test_a_level_is_spoken_as_its_owners_speak_it() -> None:
    for code, name in (("P1+", "P1 più"), ("P2", "P2")):
        values = {key: value for key, value in TYPICAL.items() if key != "levels"}
        values["urgency"] = UrgencyName(code)
        assert say("technician-announce", **values).startswith(f"Chiamata {name} da")


def test_where_to_write_is_said_if_there_is_an_address() -> None:
    assert say("not-covered").endswith("parziali.")
    assert say("not-covered", levels=WRITING).endswith("Può scriverci a assistenza@cloudfabric.example.")


@pytest.mark.parametrize("value", ["{code}", "{", "}{", "%s", "\\1", "{company:by}"])
def test_a_value_is_never_taken_for_a_place(value: str) -> None:
    assert say("greeting", customer=value) == f"Grazie. Lei chiama per {value}."


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ACME S.r.l.", "Lei chiama per ACME S.r.l."),
        ("Acme", "Lei chiama per Acme."),
        ("Di tutto...", "Lei chiama per Di tutto...."),
    ],
)
def test_a_name_that_ends_in_a_full_stop_ends_the_sentence(name: str, said: str) -> None:
    assert say("greeting", customer=name).endswith(said)


def test_a_sentence_without_its_value_is_a_mistake() -> None:
    with pytest.raises(LookupError):
        speaker().say(line("greeting"), "it", NIGHT)
    with pytest.raises(LookupError):
        speaker().say(line("no-such-sentence"), "it", NIGHT)


def test_speech_carries_its_voice() -> None:
    (speech,) = speaker().say(line("goodbye"), "it", NIGHT)
    assert (speech.language, speech.voice) == ("it-IT", "Polly.Bianca-Neural")

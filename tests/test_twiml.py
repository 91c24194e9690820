"""Answers as TwiML: golden documents, and what holds of every document whatever a customer is called."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conformance.watching import WATCH
from hypothesis import given
from hypothesis import strategies as some
from making import EXAMPLE, NIGHT, ROME
from oracles import twilio_twiml

from console.phone import read_twiml
from console.settings import load
from ivr.answer import (
    HANG_UP,
    Answer,
    Dial,
    Gather,
    HangUp,
    Part,
    Record,
    Say,
    Sound,
    Target,
    from_json,
    to_json,
)
from ivr.prompts import Speaker, Speech, clean
from ivr.vocabulary import Clock, Digits, UrgencyMenu, UrgencyName, line
from webhooks import twiml

GOLDEN = Path(__file__).parent / "twiml"
URGENCY = load(EXAMPLE, {}).urgency
SPEAKER = Speaker("Cloudfabric", ROME, URGENCY)
NEXT = "https://ivr.example.net/voice/turn/2?l=gAAAAAB-x_Y"
LEG_NEXT = "https://ivr.example.net/voice/technician/1?l=gAAAAAB-x_Y"
RECORDING = "https://ivr.example.net/voice/recording?l=gAAAAAB-x_Y"
SOUND = "https://ivr.example.net/voice/sound?l=gAAAAAB-x_Y"
RECORDED = "https://ivr.example.net/voice/recorded/0123456789abcdef0123456789abcdef/" + "ab" * 32 + ".wav"
DUE = NIGHT + timedelta(hours=1)


def say(name: str, customer: str | None = None) -> Speech:
    """A sentence of the shipped catalogue for `customer`; without one, a text that no rewording changes."""
    if customer is None:
        return Speech(
            f'{name.replace("-", " ").capitalize()}: perché "no" & <così>.', "it-IT", "Polly.Bianca-Neural"
        )
    values = {"customer": customer, "code": Digits("4712"), "due": Clock(DUE), "urgency": UrgencyName("P1+")}
    (speech,) = SPEAKER.say(line(name, levels=UrgencyMenu(), **values), "it", NIGHT)  # type: ignore[arg-type]
    return speech


def pin(*names: str) -> Gather:
    return Gather(NEXT, tuple(say(name) for name in names), timeout=10, digits=8, finish="#")


def menu(*names: str, action: str = NEXT, customer: str | None = None, timeout: int = 8) -> Gather:
    return Gather(action, tuple(say(name, customer) for name in names), timeout, digits=1, finish="")


def ring(phone: str) -> Dial:
    return Dial(NEXT, "+390461825060", (Target(phone, whisper=LEG_NEXT),), rings=25)


CALLER: dict[str, tuple[Part, ...]] = {
    "welcome-by-night": (pin("welcome-night"),),
    "welcome-recorded": (
        Say(replace(say("pin-wrong"), recording=RECORDED)),
        Gather(NEXT, (replace(say("welcome-night"), recording=RECORDED), say("pin-ask")), 10, 8, finish="#"),
    ),
    "pin-again": (pin("pin-wrong", "pin-again"),),
    "urgency": (menu("greeting", "urgency-menu"),),
    "refused": (menu("not-covered", "reopens", "message-offer"),),
    "accepted-and-ringing": (Say(say("accepted")), Say(say("ringing-first")), ring("+393331234501")),
    "ringing-a-sip-phone": (Say(say("ringing-next")), ring("sip:anna@pbx.example.net")),
    "office-together": (
        Say(say("welcome-day")),
        Dial(NEXT, "+390461825060", (Target("+390461000001"), Target("+390461000002")), rings=30),
    ),
    "message": (Say(say("nobody-answered")), Say(say("message-technician")), Record(NEXT, RECORDING, 120)),
    "screening-name": (Say(say("screening-name")), Record(NEXT, RECORDING, 8, silence=3)),
    "screening-wait": (Gather(NEXT, (), timeout=1, digits=1, finish=""),),
    "goodbye": (Say(say("goodbye")), HangUp()),
}
TECHNICIAN: dict[str, tuple[Part, ...]] = {
    "whisper": (menu("technician-announce", action=LEG_NEXT, timeout=6),),
    "whisper-again": (menu("technician-short", action=LEG_NEXT, timeout=4),),
    "whisper-unverified": (
        Gather(
            LEG_NEXT,
            (say("technician-screened"), Sound(SOUND), say("technician-keys")),
            timeout=6,
            digits=1,
            finish="",
        ),
    ),
    "technician-accepted": (Say(say("technician-connecting")),),
    "technician-passed": (Say(say("technician-passed")), HangUp()),
    "hang-up": HANG_UP.parts,
}
DOCUMENTS = {
    **{name: twiml.for_caller(Answer(parts)) for name, parts in CALLER.items()},
    **{name: twiml.for_technician(Answer(parts)) for name, parts in TECHNICIAN.items()},
}


def pretty(document: str) -> str:
    """One element a line, so that a change can be read in a diff."""
    tree = ElementTree.fromstring(document)
    ElementTree.indent(tree)
    return ElementTree.tostring(tree, encoding="unicode") + "\n"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_document_is_the_one_on_file(name: str) -> None:
    """To accept a change on purpose, write `pretty(DOCUMENTS[name])` into the file."""
    assert pretty(DOCUMENTS[name]) == (GOLDEN / f"{name}.xml").read_text(encoding="utf-8")


TEXTS = some.text(some.characters(codec="utf-8"), max_size=30) | some.sampled_from(
    ["", "<Dial>", "a & b", 'He said "no"', "\r\n\t", "\x00\x0b", "è così", "☎", "]]>", "&amp;"]
)
SPEECHES = some.builds(
    Speech, TEXTS, some.just("it-IT"), some.just("Polly.Bianca-Neural"), some.just("") | TEXTS
)
SMALL = some.integers(0, 120)
PARTS: some.SearchStrategy[Part] = (
    some.builds(Say, SPEECHES)
    | some.builds(
        Gather,
        TEXTS,
        some.lists(SPEECHES | some.builds(Sound, TEXTS), max_size=3).map(tuple),
        SMALL,
        SMALL,
        TEXTS,
    )
    | some.builds(
        Dial,
        TEXTS,
        TEXTS,
        some.lists(
            some.builds(Target, TEXTS | some.just("sip:anna@pbx.example.net"), some.none() | TEXTS),
            max_size=3,
        ).map(tuple),
        SMALL,
    )
    | some.builds(Record, TEXTS, TEXTS, SMALL, SMALL)
    | some.builds(HangUp)
)


@given(some.lists(PARTS, max_size=4).map(tuple), TEXTS)
def test_it_is_written_as_twilios_own_library_writes_it(parts: tuple[Part, ...], text: str) -> None:
    """Byte for byte, whatever stands in a text or an address."""
    answer = Answer(parts)
    assert twiml.for_caller(answer) == twilio_twiml.for_caller(answer)
    assert twiml.for_technician(answer) == twilio_twiml.for_technician(answer)
    assert twiml.for_text(text) == twilio_twiml.for_text(text)
    WATCH.taken()  # most of these are no documents that anybody would send


def test_no_file_is_left_over() -> None:
    assert {file.stem for file in GOLDEN.glob("*")} == set(DOCUMENTS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_twilio_follows_it(name: str) -> None:
    document = read_twiml(DOCUMENTS[name].encode(), twiml.CONTENT_TYPE, whisper=name in TECHNICIAN)
    assert document.verbs


@pytest.mark.parametrize("name", CALLER)
def test_a_caller_s_document_never_merely_ends(name: str) -> None:
    """Twilio hangs up when a document ends: every one ends with something that goes on, or says so."""
    last = read_twiml(DOCUMENTS[name].encode(), twiml.CONTENT_TYPE).verbs[-1]
    assert last.name in ("Redirect", "Dial", "Hangup")
    if last.name != "Hangup":
        assert (last.get("action") or last.text) == NEXT


@pytest.mark.parametrize("name", TECHNICIAN)
def test_only_the_accepted_document_ends_without_a_hang_up(name: str) -> None:
    """Twilio connects the two when a whisper ends."""
    last = read_twiml(DOCUMENTS[name].encode(), twiml.CONTENT_TYPE, whisper=True).verbs[-1]
    assert (last.name == "Hangup") == (name != "technician-accepted")


def test_silence_comes_through_the_same_door() -> None:
    for document in DOCUMENTS.values():
        for gather in ElementTree.fromstring(document).iter("Gather"):
            assert gather.get("actionOnEmptyResult") == "true"
            assert gather.get("input") == "dtmf"
            assert gather.get("method") == "POST"
            assert gather.get("action", "").startswith("https://ivr.example.net/")


def test_a_phone_rings_as_long_as_it_is_said() -> None:
    """Twilio lets it ring 5 s longer than the document says, and takes no less than 5."""
    for rings, timeout in ((25, "20"), (10, "5"), (7, "5"), (60, "55")):
        dial = Dial(NEXT, "+390461825060", (Target("+393331234501"),), rings)
        (element,) = ElementTree.fromstring(twiml.for_caller(Answer((dial,)))).iter("Dial")
        assert element.get("timeout") == timeout


@pytest.mark.parametrize("name", ["accepted-and-ringing", "ringing-a-sip-phone"])
def test_a_caller_hears_ringing_while_the_technician_hears_his_whisper(name: str) -> None:
    (dial,) = ElementTree.fromstring(DOCUMENTS[name]).iter("Dial")
    assert (dial.get("answerOnBridge"), dial.get("ringTone")) == ("true", "it")
    assert dial.get("callerId") == "+390461825060"
    (target,) = dial
    assert target.get("url") == LEG_NEXT


@pytest.mark.parametrize("name", CALLER)
def test_after_a_failure_every_sentence_is_spoken(name: str) -> None:
    """A recording that could not be had may be what failed. Nothing else of the answer changes."""
    answer = Answer(CALLER[name])
    assert answer.spoken().texts() == answer.texts()
    plain = twiml.for_caller(answer.spoken())
    assert RECORDED not in plain
    if name != "welcome-recorded":
        assert plain == DOCUMENTS[name]


# -- hostile names -----------------------------------------------------------------------------------

HOSTILE = {
    "NUL": "Ac\x00me",
    "vertical tab": "Ac\x0bme",
    "lone surrogate": "Ac\ud800me",
    "a verb": "</Say><Dial>+39899123456</Dial><Say>",
    "an entity": "&amp;&#x0; & Söhne",
    "quotes": "\"Acme\" 'S.r.l.'",
    "CDATA": "]]><![CDATA[<Hangup/>",
    "a document type": '<!DOCTYPE x [<!ENTITY a "b">]>&a;',
    "not a character": "Ac\ufffeme\uffff",
    "a value's place": "{code} {company}",
    "SSML": "<break time='100s'/>",
    "line ends": "Ac\r\nme\u2028\u0085",
    "private use": "Ac\ue000me",
}


def documents_of(name: str) -> list[tuple[str, bool]]:
    greeting = Answer((menu("greeting", "urgency-menu", customer=name),))
    whisper = Answer((menu("technician-announce", action=LEG_NEXT, customer=name),))
    return [(twiml.for_caller(greeting), False), (twiml.for_technician(whisper), True)]


def shape(document: str) -> list[tuple[str, dict[str, str]]]:
    """Every element with its attributes, without texts."""
    return [(element.tag, dict(element.attrib)) for element in ElementTree.fromstring(document).iter()]


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_name_is_spoken_and_nothing_else(name: str) -> None:
    for document, whisper in documents_of(name):
        read = read_twiml(document.encode("utf-8"), twiml.CONTENT_TYPE, whisper=whisper)
        assert shape(document) == shape(documents_of("Acme")[whisper][0])
        spoken = " ".join(verb.text for gather in read.verbs for verb in gather.children)
        assert clean(name) in spoken


@given(name=some.text(min_size=1, max_size=60))
def test_no_name_breaks_a_document(name: str) -> None:
    for document, whisper in documents_of(name):
        read_twiml(document.encode("utf-8"), twiml.CONTENT_TYPE, whisper=whisper)
        assert shape(document) == shape(documents_of("Acme")[whisper][0])


# -- stored answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*CALLER, *TECHNICIAN])
def test_an_answer_that_was_stored_is_given_again_byte_for_byte(name: str) -> None:
    answer = Answer((CALLER | TECHNICIAN)[name])
    again = from_json(to_json(answer))
    assert again == answer
    assert to_json(again) == to_json(answer)
    render = twiml.for_technician if name in TECHNICIAN else twiml.for_caller
    assert render(again) == render(answer)


def test_what_a_caller_said_of_himself_is_played_between_the_words() -> None:
    (gather,) = ElementTree.fromstring(DOCUMENTS["whisper-unverified"]).iter("Gather")
    assert [child.tag for child in gather] == ["Say", "Play", "Say"]
    assert gather[1].text == SOUND
    assert (gather[1].get("loop"), gather[1].get("digits")) == (None, None)


@pytest.mark.parametrize(
    ("name", "limit", "silence"), [("message", "120", "10"), ("screening-name", "8", "3")]
)
def test_a_recording_ends_by_a_key_by_silence_or_at_its_limit(name: str, limit: str, silence: str) -> None:
    (record,) = ElementTree.fromstring(DOCUMENTS[name]).iter("Record")
    assert (record.get("maxLength"), record.get("timeout"), record.get("finishOnKey")) == (
        limit,
        silence,
        "#",
    )
    assert record.get("action") == NEXT
    assert record.get("recordingStatusCallback") == RECORDING


def test_what_is_played_is_no_text() -> None:
    """The journal tells what was said; the address of a recording is nobody's to read there."""
    answer = Answer(TECHNICIAN["whisper-unverified"])
    assert answer.texts() == [say("technician-screened").text, say("technician-keys").text]


def test_everything_that_is_said_is_told_in_order() -> None:
    answer = Answer((Say(say("ringing-next")), *CALLER["urgency"]))
    assert answer.texts() == [
        say("ringing-next").text,
        say("greeting").text,
        say("urgency-menu").text,
    ]

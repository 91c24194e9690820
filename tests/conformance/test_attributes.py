"""The lint's table, and the simulator's, held against two libraries that Twilio generates from its own
description of TwiML: the one for Python, which the program writes with, and the one for Node.js.
"""

from __future__ import annotations

import inspect
import re
from functools import cache

import pytest
from twilio.twiml import voice_response

from conformance.second_library import LIBRARY, node
from conformance.twiml_table import TABLE
from console.phone.verbs import RULES, SSML
from ivr.prompts import catalogue, spoken_languages

TYPES = LIBRARY / "lib" / "twiml" / "VoiceResponse.d.ts"
# On the pages, and in no library of this release.
ONLY_DOCUMENTED = {"Dial": {"callReason"}}
# In the libraries and on no page: nobody knows what they do.
UNDOCUMENTED = {"Dial": {"passports", "events"}, "Gather": {"debug", "bargeIn", "maxSpeechTime"}}
# Documented, and left out of the lint's table: nobody here listens to more than keys.
SPEECH = {
    *("enhanced", "hints", "language", "profanityFilter", "speechModel", "speechTimeout"),
    *("partialResultCallback", "partialResultCallbackMethod"),
}


def camel(name: str) -> str:
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(each.title() for each in rest)


def in_python(element: str) -> set[str]:
    """The parameters of the method that makes the element, spelt as attributes; its text is one of them."""
    parent = voice_response.Dial if element in ("Number", "Sip") else voice_response.VoiceResponse
    method = getattr(parent, element.lower())
    parameters = inspect.signature(method).parameters.values()
    return {camel(each.name) for each in parameters if each.kind is not inspect.Parameter.VAR_KEYWORD}


@cache
def in_node(element: str) -> dict[str, str]:
    """Each attribute with its type."""
    text = TYPES.read_text(encoding="utf-8")
    (body, *_) = re.findall(rf"interface {element}Attributes \{{(.*?)\n    \}}", text, re.DOTALL)
    return dict(re.findall(r"(\w+)\?: ([^;]+);", body))


@cache
def values_in_node(kind: str) -> set[str]:
    """The values of a type such as DialTrim."""
    (found,) = re.findall(rf"type {kind} = ([^;]+);", TYPES.read_text(encoding="utf-8"))
    return set(re.findall(r'"([^"]*)"', found))


ELEMENTS = [element for element in TABLE if TABLE[element].attributes]


@pytest.mark.parametrize("element", ELEMENTS)
def test_python_s_library_knows_every_attribute_of_the_table(element: str) -> None:
    unknown = TABLE[element].attributes.keys() - in_python(element) - ONLY_DOCUMENTED.get(element, set())
    assert not unknown


@pytest.mark.parametrize("element", ELEMENTS)
def test_node_s_library_knows_every_attribute_of_the_table(element: str) -> None:
    node()
    unknown = TABLE[element].attributes.keys() - in_node(element).keys()
    assert not unknown - ONLY_DOCUMENTED.get(element, set())


@pytest.mark.parametrize("element", ELEMENTS)
def test_the_table_leaves_out_what_it_says_it_does(element: str) -> None:
    node()
    left_out = UNDOCUMENTED.get(element, set()) | (SPEECH if element == "Gather" else set())
    assert in_node(element).keys() - TABLE[element].attributes.keys() == left_out


@pytest.mark.parametrize("element", ELEMENTS)
def test_every_listed_value_of_node_s_library_is_in_the_table(element: str) -> None:
    """Of the types that are lists of words. Voices and languages have a test of their own."""
    node()
    for attribute, kind in in_node(element).items():
        kind = kind.removesuffix("[]")
        check = TABLE[element].attributes.get(attribute)
        if check is None or not kind.startswith(element) or attribute in ("voice", "language"):
            continue
        for value in values_in_node(kind):
            assert check(value), f"{element} {attribute}={value}"


@pytest.mark.parametrize("element", [each for each in RULES if each not in SSML and each in TABLE])
def test_the_simulator_knows_no_attribute_that_nobody_documents(element: str) -> None:
    known = TABLE[element].attributes.keys() | (SPEECH if element == "Gather" else set())
    assert not RULES[element].attributes.keys() - known


def test_the_two_tables_agree_on_what_stands_where() -> None:
    for element in TABLE:
        ours = {child for child in RULES[element].children if child in TABLE}
        assert ours == TABLE[element].inside & RULES.keys(), element


@pytest.mark.parametrize("language", spoken_languages())
def test_every_voice_of_ours_is_one_of_twilio_s(language: str) -> None:
    node()
    words = catalogue(language)
    assert words.voice in values_in_node("SayVoice")
    assert words.locale in values_in_node("SayLanguage")

"""The pure parts: keys of a Gather, SIP's words, voices; and a program that ends when it should not."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.phone.document import Verb, read_twiml
from realcall.keys import Gathering
from realcall.processes import Gone, Program, played
from realcall.signalling import fate, number_of, stays_here
from realcall.voice import voice_for


def gather(attributes: str = "") -> Verb:
    """As it is read from a document."""
    body = f"<Response><Gather {attributes}/></Response>".encode()
    return read_twiml(body, "text/xml").verbs[0]


def keyed(keys: str, attributes: str = "") -> Gathering:
    gathering = Gathering.of(gather(attributes))
    for key in keys:
        gathering.take(key)
    return gathering


def test_the_finish_key_ends_it() -> None:
    gathering = keyed("47#")
    assert gathering.over
    assert gathering.form == {"Digits": "47", "msg": "Gather End"}


def test_the_last_digit_ends_it() -> None:
    assert not keyed("4", 'numDigits="2"').over
    assert keyed("47", 'numDigits="2"').over
    assert keyed("#", 'numDigits="1" finishOnKey=""').form == {"Digits": "#", "msg": "Gather End"}


def test_what_was_keyed_before_the_time_out_is_sent() -> None:
    gathering = keyed("47")
    assert not gathering.over
    assert gathering.form is not None
    assert gathering.form["Digits"] == "47"


@pytest.mark.parametrize("keys", ["", "#"])
def test_nothing_falls_through_unless_it_may_not(keys: str) -> None:
    assert keyed(keys).form is None
    assert keyed(keys, 'actionOnEmptyResult="true"').form == {"Digits": ""}


def test_the_time_out() -> None:
    assert Gathering.of(gather()).timeout == 5
    assert Gathering.of(gather('timeout="9"')).timeout == 9
    assert Gathering.of(gather('timeout="auto"')).timeout == 5


def test_keys_are_not_shown() -> None:
    assert "4711" not in repr(keyed("4711"))


@pytest.mark.parametrize(
    ("codes", "status"),
    [((486, 600, 603), "busy"), ((408, 480, 487), "no-answer"), ((404, 488, 503), "failed")],
)
def test_how_a_ring_ended(codes: tuple[int, ...], status: str) -> None:
    assert {fate(code) for code in codes} == {status}


def test_who_calls() -> None:
    assert number_of('"x" <sip:+390461825060@127.0.0.1:5060;ob>') == "+390461825060"
    assert number_of("sip:anonymous@127.0.0.1") == "anonymous"


@pytest.mark.parametrize(
    "address",
    [
        "sip:x@192.0.2.1",
        "sip:x@127.0.0.1.example.net",
        "sip:127.0.0.1@192.0.2.1:5060",
        "sips:x@127.0.0.1",
        "sip:example.net",
        "127.0.0.1",
        "",
    ],
)
def test_no_call_leaves_the_machine(address: str) -> None:
    assert not stays_here(address)


def test_a_call_stays_here() -> None:
    assert stays_here("sip:anna@127.0.0.1:5062")
    assert stays_here("sip:+39046@127.0.0.1;transport=udp")


@pytest.mark.parametrize(
    ("language", "voice"),
    [("it-IT", "it"), ("de-DE", "de"), ("en-GB", "en-gb"), ("en-US", "en-us"), ("fr-FR", "en-us")],
)
def test_each_language_has_its_voice(language: str, voice: str) -> None:
    assert voice_for(language) == voice


def test_a_program_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    async def waited() -> None:
        program = Program("no_such_program", tmp_path / "log")
        await program.start(number="1")
        try:
            await program.wait("ready")
        finally:
            await program.stop()

    with pytest.raises(Gone, match="no_such_program"):
        played(waited())

"""`.call` files: read, written, played, and what a transcript shows."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from werkzeug.wrappers import Request, Response

from console.phone import (
    BadCallFile,
    Cast,
    Conversation,
    Exchange,
    Mismatch,
    VirtualClock,
    WsgiDoor,
    lines,
    parse,
    play,
    save,
)

PIN = "90817263"
CAST = Cast(
    people={"mario": "+393401234567", "anna": "+393331234501", "bruno": "+393331234502"},
    numbers={"trento": "+390461825060"},
    zone=ZoneInfo("Europe/Rome"),
    pins={"acme": PIN},
)

SECOND_ACCEPTS = """\
# The first technician does not answer, the second accepts.

@ 2026-03-10 22:00
* mario calls trento
< Benvenuto … PIN
> wrong PIN
< riconosciuto
> PIN acme
< Per un blocco totale … prema 1
> 1
< Il codice è
* anna's phone rings
* anna does not answer
< proviamo il prossimo
* bruno's phone rings
* bruno answers
bruno < Chiamata P1+ … codice
bruno > 1
bruno < la collego
* bruno and mario are connected
* they talk for 4 minutes
* the call ends
* outcome connected
"""


def service(environ: Any, start_response: Any) -> Any:
    """A tiny hotline: PIN, one key, Anna, Bruno, a message."""
    request = Request(environ)
    form = request.form
    ask = '<Gather action="/pin" numDigits="8" actionOnEmptyResult="true"><Say>{} PIN</Say></Gather>'

    def ring(phone: str, action: str) -> str:
        number = f'<Number url="/whisper">{phone}</Number>'
        return f'<Dial action="{action}" timeout="20" answerOnBridge="true">{number}</Dial>'

    match request.path:
        case "/voice":
            body = ask.format("Benvenuto. Digiti il")
        case "/pin" if form["Digits"] == PIN:
            body = '<Gather action="/urgency" numDigits="1" actionOnEmptyResult="true">'
            body += "<Say>Per un blocco totale, prema 1.</Say></Gather>"
        case "/pin":
            body = ask.format("Non riconosciuto. Digiti il")
        case "/urgency" if form["Digits"] == "":
            body = (
                '<Gather action="/urgency" numDigits="1"><Say>Per un blocco totale, prema 1.</Say></Gather>'
            )
        case "/urgency":
            body = "<Say>Il codice è 4 7 1 2, entro le 23:00.</Say>" + ring("+393331234501", "/anna")
        case "/anna" if form["DialBridged"] == "false":
            body = "<Say>Non ha risposto, proviamo il prossimo.</Say>" + ring("+393331234502", "/bruno")
        case "/bruno" if form["DialBridged"] == "false":
            body = '<Say>Lasci un messaggio.</Say><Record action="/done" maxLength="120"/>'
        case "/whisper":
            body = '<Gather action="/key" numDigits="1">'
            body += "<Say>Chiamata P1+ da ACME, codice 4 7 1 2.</Say></Gather><Hangup/>"
        case "/key":
            body = "<Say>La collego.</Say>" if form["Digits"] == "1" else "<Hangup/>"
        case _:
            body = "<Hangup/>"
    return Response(f"<Response>{body}</Response>", content_type="text/xml")(environ, start_response)


def exchange() -> Exchange:
    return Exchange(
        WsgiDoor(service),
        public_url="https://ivr.example.net",
        account_sid="AC" + "0" * 32,
        auth_token="a made-up token",
        clock=VirtualClock(datetime(2026, 3, 1, tzinfo=UTC)),
    )


def played(text: str, **more: Any) -> Conversation:
    return play(parse(text, "a.call"), exchange(), CAST, **{"facts": lambda fact: None, **more})


# Reading and writing

EVERY_LINE = """\
# A comment

@ 2026-03-10 22:00
@ 2026-03-10 22:00:30
@ 2026-10-25 02:30+01:00
@ +90s
@ +5m
@ +2h
* mario calls trento
* +390461000001 calls trento
* an unknown number calls trento
* a withheld number calls trento
< Benvenuto … PIN
anna < Chiamata P1+
> PIN acme
> PIN acme at once
> wrong PIN
> 1
> #
> 0# at once
> nothing
> speaks 12 s
> speaks 12 s and presses #
> speaks 12 s and is silent
> hangs up
anna > 1
anna > nothing
anna > hangs up
* anna's phone rings
* anna does not answer
* anna is busy
* anna cannot be reached
* anna answers
* anna's voicemail answers
* anna hangs up
* anna and mario are connected
* they talk for 4 minutes
* they talk for 90 seconds, then the caller hangs up
* the call ends
* error 11200
* case P1+ is open and pursued
"""


def test_every_line_is_written_as_it_was_read() -> None:
    assert str(parse(EVERY_LINE)) == EVERY_LINE


def test_line_numbers_are_kept() -> None:
    assert [line.number for line in parse("# a\n\n> 1\n").lines] == [1, 2, 3]


@pytest.mark.parametrize("dots", ["Benvenuto...PIN", "Benvenuto … PIN", "  Benvenuto  …  PIN …"])
def test_fragments(dots: str) -> None:
    assert str(parse(f"< {dots}").lines[0]) == "< Benvenuto … PIN"


@pytest.mark.parametrize(
    "pin",
    ["> 90817263", "> 9081 7263#", "> PIN 90817263", "anna > 12345", "> ٩٠٨١٧٢٦٣", "> speaks 90817263 s"],
)
def test_a_pin_never_stands_in_a_file(pin: str) -> None:
    with pytest.raises(BadCallFile) as refusal:
        parse(f"# a\n{pin}", "night.call")
    assert str(refusal.value).startswith("night.call:2: more than 4 digits")
    assert not any(piece in str(refusal.value) for piece in ("9081", "12345", "٩"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("@ yesterday", "yesterday"),
        ("@ -5m", "-5m"),
        ("> shouts", "is followed by keys"),
        ("anna > PIN acme", "technician's"),
        ("< …", "words"),
        ("*", "what happens"),
        ("* they talk for ever", "4 minutes"),
        ("mario calls trento", "begins with"),
    ],
)
def test_a_line_that_is_not_understood(line: str, says: str) -> None:
    with pytest.raises(BadCallFile, match=f"^a.call:1: .*{says}"):
        parse(line, "a.call")


# Playing


def test_a_conversation_is_played() -> None:
    facts: list[str] = []
    conversation = played(SECOND_ACCEPTS, facts=lambda fact: facts.append(fact))
    assert facts == ["outcome connected"]
    assert [call.state for call in conversation.calls] == ["ended"]


MISMATCHES = {
    "words that were not heard": ("< Benvenuto … PIN", "< Arrivederci", 5, "Benvenuto. Digiti il PIN"),
    "words in another order": ("< Benvenuto … PIN", "< PIN … Benvenuto", 5, "Benvenuto. Digiti il PIN"),
    "words from before the last act": ("< riconosciuto\n", "< Benvenuto\n", 7, "Non riconosciuto"),
    "another phone": ("* bruno's phone rings\n", "* anna's phone rings\n", 15, "ringing: bruno"),
    "somebody who is not on the line": ("bruno > 1", "anna > 1", 18, "anna is not on the line"),
    "a bridge that is not there": (
        "bruno > 1\nbruno < la collego",
        "# nothing",
        19,
        "whispering, with bruno",
    ),
    "an end that has not come": ("* they talk for 4 minutes", "", 22, "it is bridged"),
    "a name nobody has": ("* mario calls trento", "* piero calls trento", 4, "no person called piero"),
    "time in a call": ("* anna does not answer", "@ +25s", 13, 'write "> nothing"'),
}


@pytest.mark.parametrize(("old", "new", "number", "says"), MISMATCHES.values(), ids=MISMATCHES.keys())
def test_a_mismatch_names_its_line(old: str, new: str, number: int, says: str) -> None:
    with pytest.raises(Mismatch) as mismatch:
        played(SECOND_ACCEPTS.replace(old, new, 1))
    assert mismatch.value.line == number, mismatch.value
    assert says in str(mismatch.value)
    assert PIN not in str(mismatch.value)


def test_a_fact_that_does_not_hold() -> None:
    with pytest.raises(Mismatch, match="it is abandoned"):
        played(SECOND_ACCEPTS, facts=lambda fact: "it is abandoned")
    with pytest.raises(Mismatch, match="nobody can be asked"):
        played(SECOND_ACCEPTS, facts=None)


START = "* mario calls trento\n> PIN acme\n> 1\n"


def test_an_unexpected_dial_is_a_mismatch() -> None:
    with pytest.raises(Mismatch, match="bruno was rung"):
        played(START + "* anna is busy\n")
    played(START + "* anna is busy\n* bruno's phone rings\n")


def test_an_error_nobody_expects_is_a_mismatch() -> None:
    def broken(environ: Any, start_response: Any) -> Any:
        return Response(status=500)(environ, start_response)

    for text, holds in (
        ("* mario calls trento", False),
        ("* mario calls trento\n* error 11200\n* error 15003", True),
    ):
        line = Exchange(
            WsgiDoor(broken),
            public_url="https://ivr.example.net",
            account_sid="AC" + "0" * 32,
            auth_token="a made-up token",
            clock=VirtualClock(datetime(2026, 3, 1, tzinfo=UTC)),
        )
        if holds:
            play(parse(text), line, CAST)
        else:
            with pytest.raises(Mismatch, match="11200"):
                play(parse(text), line, CAST)


def test_a_message_is_left() -> None:
    played(
        START + "* anna's voicemail answers\n* bruno answers\nbruno > 2\n< Lasci un messaggio\n"
        "> speaks 12 s and presses #\n* the call ends\n"
    )


def test_the_clock_is_the_services() -> None:
    line = exchange()
    play(parse("@ 2026-03-10 22:00\n@ +2h\n"), line, CAST)
    assert line.clock.now() == datetime(2026, 3, 10, 23, 0, tzinfo=UTC)
    with pytest.raises(Mismatch, match="forward"):
        play(parse("@ 2026-03-10 22:00\n"), line, CAST)


@pytest.mark.parametrize("at", ["2026-10-25 02:30", "2026-03-29 02:30"], ids=["twice", "never"])
def test_a_local_time_that_is_no_instant_needs_its_offset(at: str) -> None:
    with pytest.raises(Mismatch, match="write the offset"):
        played(f"@ {at}\n")
    played(f"@ {at}+01:00\n")


def test_pressing_out_of_turn_shows_no_keys() -> None:
    with pytest.raises(Mismatch) as mismatch:
        played(START + "* anna answers\n> hangs up\n> PIN acme\n")
    assert mismatch.value.__cause__ is None
    assert PIN not in str(mismatch.value)


def test_the_cast_keeps_its_pins_to_itself() -> None:
    assert PIN not in repr(CAST)
    wrong = [CAST.wrong_pin(which) for which in range(5)]
    assert len(set(wrong)) == 5
    assert PIN not in wrong
    assert all(len(pin) == len(PIN) for pin in wrong)


# Writing down


def test_a_transcript_reads_as_the_call_sounded() -> None:
    transcript = list(lines(played(SECOND_ACCEPTS).events, CAST))
    assert transcript[0] == "22:00:00  Mario calls Trento"
    assert "22:00:00  ☎ → caller    Benvenuto. Digiti il PIN" in transcript
    assert any(line.endswith("caller keys  PIN of acme") for line in transcript)
    assert any(line.endswith("Anna does not answer") for line in transcript)
    assert transcript[-1].endswith("the call ends")
    assert PIN not in "\n".join(transcript)


VARIANTS = {
    "accepted": SECOND_ACCEPTS,
    "the caller hangs up last": SECOND_ACCEPTS.replace("4 minutes", "90 seconds, then the caller hangs up"),
    "voicemails and a message": START
    + "* anna's voicemail answers\n* bruno's voicemail answers\n> speaks 12 s and presses #\n",
    "a message, then hangs up": START + "* anna is busy\n* bruno cannot be reached\n> speaks 12 s\n",
    "hangs up over the whisper": START + "* anna answers\n> hangs up\n",
    "the technician hangs up": START + "* anna answers\nanna > nothing\n* bruno answers\nbruno > hangs up\n",
    "two calls": "@ 2026-03-10 22:00\n* a withheld number calls trento\n> 12 at once\n> hangs up\n@ +90s\n"
    "* an unknown number calls trento\n> nothing\n> wrong PIN\n> hangs up\n",
}


@pytest.mark.parametrize("text", VARIANTS.values(), ids=VARIANTS.keys())
def test_a_saved_conversation_plays_again_and_saves_the_same(text: str, tmp_path: Path) -> None:
    saved = save(played(text).events, CAST)
    assert PIN not in saved
    assert save(played(saved).events, CAST) == saved


def test_saved_words_leave_out_what_differs_from_call_to_call() -> None:
    saved = save(played(SECOND_ACCEPTS).events, CAST)
    assert "< Il codice è … entro le\n" in saved
    assert "bruno < Chiamata P1+ da ACME, codice\n" in saved
    assert saved.startswith("@ 2026-03-10 22:00\n* mario calls trento\n")

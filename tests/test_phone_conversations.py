"""`.call` files: read, written, played, and what a transcript shows."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr
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
from console.phone.events import Worked
from oncall.notices.channels import CallOut, TextOut
from webhooks.outbound import RestTelephone, RestTexts
from webhooks.settings import TwilioSettings

PIN = "90817263"
ACCOUNT, TOKEN = "AC" + "0" * 32, "0123456789abcdef0123456789abcdef"
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
* the worker works
* anna is phoned
* anna gets a text "Chiamata P1 … codice"
anna texts "OK CODE"
anna texts "CHIUSO CODE fatto, tutto a posto"
anna reads "preso in carico"
* no phone rings
* nobody is told
* anna and mario are connected
* they talk for 4 minutes
* they talk for 90 seconds, then the caller hangs up
* the call ends
* error 11200
* case P1+ is open and pursued
"""


def test_every_line_is_written_as_it_was_read() -> None:
    assert str(parse(EVERY_LINE)) == EVERY_LINE


@pytest.mark.parametrize(
    ("written", "line"), [("@ + 3 minutes", "@ +3m"), ("@ +1 hour", "@ +1h"), ("@ +90 seconds", "@ +90s")]
)
def test_time_in_words(written: str, line: str) -> None:
    assert str(parse(written).lines[0]) == line


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
        ('anna texts "OK 4712 47"', "more than 4 digits"),
        ('anna reads ""', "words"),
        ('* anna gets a text "…"', "words"),
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


# What the program does by itself

PURSUED = """\
@ 2026-03-10 22:00
* mario calls trento
> PIN acme
> 1
* anna's voicemail answers
* bruno does not answer
< Lasci un messaggio
> hangs up
* the call ends
* nobody is told
* the worker works
* anna is phoned
* anna does not answer
@ +3 minutes
* anna is phoned
* anna gets a text "Chiamata P1+ … codice 4712"
anna texts "OK CODE"
anna reads "preso in carico: 4712"
* anna answers
anna < Chiamata P1+ da ACME
anna > 1
anna < La collego
* mario's phone rings
* mario answers
* anna and mario are connected
* they talk for 4 minutes, then the caller hangs up
anna < Arrivederci
* the call ends
* no phone rings
"""


class Hotline:
    """The tiny hotline, with a worker that phones Anna until somebody has talked to Mario."""

    def __init__(self) -> None:
        self.exchange = Exchange(
            WsgiDoor(self),
            public_url="https://ivr.example.net",
            account_sid=ACCOUNT,
            auth_token=TOKEN,
            clock=VirtualClock(datetime(2026, 3, 1, tzinfo=UTC)),
            owned=["+390461825060"],
        )
        settings = TwilioSettings(account_sid=ACCOUNT, auth_tokens=[SecretStr(TOKEN)])
        self.telephone = RestTelephone(settings, self.exchange.rest)
        self.texts = RestTexts(settings, self.exchange.rest)
        self.talked = False
        self.passes = 0

    def work(self) -> None:
        self.exchange.note(Worked(self.exchange.clock.now()))
        if self.talked or (self.exchange.placed and self.exchange.placed[-1].state != "ended"):
            return
        self.passes += 1
        base, anna, ours = "https://ivr.example.net", "+393331234501", "+390461825060"
        self.telephone.place(CallOut(anna, ours, 25, f"{base}/out", f"{base}/ended"))
        if self.passes == 2:
            text = "Chiamata P1+ da ACME, codice 4712."
            self.texts.send(TextOut(anna, ours, text, f"{base}/receipt"))

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        match request.path:
            case "/out":
                body = '<Gather action="/taken" numDigits="1">'
                body += "<Say>Chiamata P1+ da ACME.</Say></Gather>"
            case "/taken":
                body = '<Say>La collego.</Say><Dial action="/talked" callerId="+390461825060">'
                body += "<Number>+393401234567</Number></Dial>"
            case "/talked":
                self.talked = True
                body = "<Say>Arrivederci.</Say>"
            case "/sms":
                code = request.form["Body"].removeprefix("OK ")
                body = f"<Message>preso in carico: {code}</Message>"
            case _:
                return service(environ, start_response)
        return Response(f"<Response>{body}</Response>", content_type="text/xml")(environ, start_response)

    def play(self, text: str) -> Conversation:
        return play(parse(text, "a.call"), self.exchange, CAST, lambda fact: None, work=self.work)


def test_the_program_phones_and_writes_by_itself() -> None:
    conversation = Hotline().play(PURSUED)
    assert [call.state for call in conversation.calls] == ["ended"]
    assert [call.status for call in conversation.placed] == ["no-answer", "completed"]


def test_without_the_worker_the_clock_alone_makes_nobody_ring() -> None:
    hotline = Hotline()
    hotline.play("@ 2026-03-10 22:00\n@ +3 minutes\n* no phone rings\n* nobody is told\n")
    assert hotline.passes == 0


FIRST = "* the worker works\n"
OWN_MISMATCHES = {
    "somebody else is phoned": (FIRST + "* bruno is phoned\n", 2, "anna is phoned"),
    "nobody is": ("* anna is phoned\n", 1, "there is no call"),
    "she is still being phoned": (FIRST + "* no phone rings\n", 2, "anna is phoned"),
    "somebody is told": (FIRST + "* nobody is told\n", 2, "told: anna"),
    "time while a phone rings": (FIRST + "@ +90s\n", 2, "in a call"),
    "who has not picked up": (FIRST + "anna > 1\n", 2, "anna is not on the line: anna is phoned"),
    "what nobody sent": (FIRST + '* anna gets a text "Chiamata"\n', 2, "there is none"),
    "what nobody told": ('anna texts "OK CODE"\n', 1, "no case code"),
    "the call goes on": (FIRST + "* anna answers\n* the call ends\n", 3, "it is gathering"),
    "nobody is named": (FIRST, 1, "anna was rung"),
    "a text to somebody nobody named": (
        FIRST + "* anna is busy\n" + FIRST + "* anna is busy\n",
        4,
        'anna was sent "Chiamata P1+ da ACME, codice 4712."',
    ),
    "other words": (
        FIRST + "* anna is busy\n" + FIRST + '* anna is busy\n* anna gets a text "Caso chiuso"\n',
        5,
        'there is "Chiamata P1+ da ACME, codice 4712."',
    ),
    "read twice": (
        FIRST
        + "* anna is busy\n"
        + FIRST
        + '* anna is busy\n* anna gets a text "codice"\n' * 1
        + '* anna gets a text "codice"\n',
        6,
        "there is none",
    ),
    "no answer to it": ('anna texts "ciao"\nanna reads "non capisco"\n', 2, "preso in carico: ciao"),
}


@pytest.mark.parametrize(("text", "number", "says"), OWN_MISMATCHES.values(), ids=OWN_MISMATCHES.keys())
def test_what_the_program_does_by_itself_is_held_to_the_file(text: str, number: int, says: str) -> None:
    with pytest.raises(Mismatch) as mismatch:
        Hotline().play(text)
    assert mismatch.value.line == number, mismatch.value
    assert says in str(mismatch.value)


def test_a_worker_is_needed() -> None:
    with pytest.raises(Mismatch, match="a worker"):
        played("* the worker works\n")


OWN_VARIANTS = {
    "taken": PURSUED,
    "he hangs up first": PURSUED.replace(", then the caller hangs up\nanna < Arrivederci", ""),
    "declined": FIRST + "* anna answers\nanna > nothing\n",
    "a voicemail": FIRST + "* anna's voicemail answers\n",
    "she hangs up": FIRST + "* anna answers\nanna > hangs up\n",
    "cannot be reached": FIRST + "* anna cannot be reached\n",
}


@pytest.mark.parametrize("text", OWN_VARIANTS.values(), ids=OWN_VARIANTS.keys())
def test_what_the_program_did_by_itself_plays_again(text: str) -> None:
    first = Hotline()
    played_once = first.play(text)
    saved = save(played_once.events, CAST)
    again = Hotline()
    assert save(again.play(saved).events, CAST) == saved
    assert [call.status for call in again.exchange.placed] == [call.status for call in first.exchange.placed]
    assert PIN not in saved


def test_a_transcript_tells_calls_and_texts_of_the_program() -> None:
    transcript = "\n".join(lines(Hotline().play(PURSUED).events, CAST))
    for told in (
        "Anna is phoned",
        "Mario and Anna are connected",
        "✉ → Anna      Chiamata P1+ da ACME, codice 4712.",
        "✉ ← Anna      OK 4712",
        "Mario hangs up",
        "Anna is hung up on",
    ):
        assert told in transcript

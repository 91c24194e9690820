"""The caller itself, against a service of thirty lines that is known to the letter."""

import threading
from collections.abc import Iterator
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from acceptance.caller import CallError, Line, signature

PUBLIC = "https://phone.example.net"
SAY = '<Say voice="Polly.Bianca-Neural" language="it-IT">{}</Say>'
PAPER = {
    "/voice": SAY.format("welcome")
    + '<Gather action="/pin?turn=1#rc=2" numDigits="8">'
    + SAY.format("the PIN")
    + "</Gather>"
    + '<Redirect method="POST">/again</Redirect>',
    "/again": '<Gather action="/pin" actionOnEmptyResult="true"/>',
    "/pin": '<Gather action="/urgency" numDigits="1" actionOnEmptyResult="true"/>',
    "/urgency": '<Dial action="/dialled">'
    + '<Number url="/whisper" statusCallback="/events">+393331234501</Number></Dial>',
    "/whisper": f'<Gather action="{PUBLIC}/accept" numDigits="1">'
    + SAY.format("press 1")
    + "</Gather><Hangup/>",
    "/accept": "",
    "/dialled": '<Record action="/message" maxLength="120"/>' + SAY.format("nothing recorded"),
    "/message": "<Hangup/>",
    "/loop": "<Redirect>/loop</Redirect>",
}


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def asked() -> list[tuple[str, dict[str, str]]]:
    """Every request the toy got: path with query, and form."""
    return []


@pytest.fixture
def line(asked: list[tuple[str, dict[str, str]]]) -> Iterator[Line]:
    def toy(environ, start_response):
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
        form = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
        url = PUBLIC + path + ("?" + query if query else "")
        right = signature("secret", url, form) == environ["HTTP_X_TWILIO_SIGNATURE"]
        asked.append((url.removeprefix(PUBLIC), form))
        start_response("200 OK" if right else "403 Forbidden", [("Content-Type", "text/xml")])
        return [f"<Response>{PAPER.get(path, '')}</Response>".encode()]

    with make_server("127.0.0.1", 0, toy, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        line = Line(f"127.0.0.1:{server.server_port}", PUBLIC, "AC" + "0" * 32, "secret")
        line.lints = False  # what the thirty lines answer is for the telephone to stumble over
        yield line
        server.shutdown()
        thread.join()


def test_signature_is_the_one_that_twilio_computes() -> None:
    """The example that Twilio's own libraries are tested with."""
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
        "Caller": "+14158675309",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature("12345", url, fields) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    assert signature("12345", url + "#rc=2", fields) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_call_is_put_through_when_the_whisper_ends(line: Line, asked) -> None:
    call = line.ring("+390461825060")
    assert call.heard == "welcome the PIN"
    assert call.asks_for_pin
    call.press("12345678#")  # the eighth digit ends it: the # is left for the menu, which gets it as silence
    assert asked[1][0] == "/pin?turn=1"
    assert asked[1][1]["Digits"] == "12345678"
    assert asked[2][0] == "/urgency"
    assert asked[2][1]["Digits"] == ""
    assert call.phones == call.rung == ["+393331234501"]

    phone = call.answers()
    assert phone.heard == "press 1"
    assert (asked[-1][0], asked[-1][1]["ParentCallSid"]) == ("/whisper", call.sid)
    assert asked[-1][1]["CallSid"] != call.sid
    phone.press("1")
    assert phone.bridged
    call.talks(seconds=95)
    assert [path for path, _ in asked[-2:]] == ["/events", "/dialled"]
    assert asked[-1][1]["DialCallStatus"] == "completed"
    assert asked[-1][1]["DialBridged"] == "true"
    call.speaks(seconds=7)
    assert call.over
    assert [path for path, _ in asked[-2:]] == ["/message", "/voice/status"]


def test_silence_falls_through_and_partial_digits_are_sent(line: Line, asked) -> None:
    call = line.ring("+390461825060")
    call.waits()
    assert asked[-1][0] == "/again"
    call.press("123")
    assert (asked[-1][0], asked[-1][1]["Digits"]) == ("/pin", "123")
    assert call.one_key


@pytest.mark.parametrize("status", ["completed", "no-answer"])
def test_voicemail_is_hung_up_on_and_not_put_through(line: Line, asked, status: str) -> None:
    call = line.ring("+390461825060")
    call.press("12345678")
    call.press("1")
    phone = call.answers(unbridged=status)
    phone.stays_silent()
    assert phone.over
    assert not phone.bridged
    assert (asked[-1][1]["DialCallStatus"], asked[-1][1]["DialBridged"]) == (status, "false")


def test_caller_who_hangs_up_while_it_rings_is_only_reported(line: Line, asked) -> None:
    call = line.ring("+390461825060")
    call.press("12345678")
    call.press("1")
    call.hangs_up()
    assert [path for path, _ in asked[-2:]] == ["/events", "/voice/status"]
    assert asked[-2][1]["CallStatus"] == "canceled"
    assert asked[-1][1]["CallStatus"] == "completed"


def test_what_our_own_rules_refuse_is_an_error_too(line: Line) -> None:
    line.lints = True
    with pytest.raises(CallError, match="<Gather> that does not report silence"):
        line.ring("+390461825060")


def test_what_twilio_would_refuse_is_an_error(line: Line) -> None:
    call = line.ring("+390461825060")
    with pytest.raises(CallError, match="redirects"):
        call.follow(line.address("/loop"))
    with pytest.raises(CallError, match="not an address of this service"):
        line.address("https://elsewhere.example.net/voice")
    assert line.send(line.address("/voice"), {"CallSid": "x"}, signature_is="wrong").status == 403

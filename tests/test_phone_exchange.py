"""The telephone against fixed TwiML: each row is a behaviour in the documentation's words."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from twilio.request_validator import RequestValidator
from voices import file_of, silence
from werkzeug.wrappers import Request, Response

from console.phone import Behaviour, CallerCall, Exchange, OutOfTurn, VirtualClock, WsgiDoor
from console.phone.door import HttpDoor, NoReply
from console.phone.events import (
    Answered,
    Bridged,
    Failed,
    Heard,
    HungUp,
    Missed,
    Pressed,
    Rang,
    Recorded,
    Requested,
)
from console.phone.exchange import NeverSettles
from console.phone.signature import signature

PUBLIC = "https://ivr.example.net"
TOKEN = "a made-up token"
MARIO, TRENTO, ANNA, BRUNO = "+393401234567", "+390461825060", "+393331234501", "+393331234502"
EVENING = datetime(2026, 3, 10, 21, 0, tzinfo=UTC)


class Script:
    """A webhook that answers fixed TwiML by path, and only to signed requests."""

    def __init__(self, pages: dict[str, Any]) -> None:
        self.pages = pages
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.tokens: list[str] = []

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        if request.method == "GET":  # what a Play names: Twilio does not sign that
            sound = self.pages.get(request.path) or Response("nothing here", 404)
            return sound(environ, start_response)
        query = request.query_string.decode()
        url = PUBLIC + request.path + (f"?{query}" if query else "")
        validator = RequestValidator(TOKEN)
        if not validator.validate(url, request.form, request.headers.get("X-Twilio-Signature", "")):
            return Response("not signed", 403)(environ, start_response)
        self.asked.append((request.path, request.form.to_dict()))
        self.tokens.append(request.headers["I-Twilio-Idempotency-Token"])
        page = self.pages.get(request.path, "")
        if isinstance(page, list):
            page = page.pop(0)
        if isinstance(page, Response):
            return page(environ, start_response)
        body = f"<Response>{page}</Response>"
        return Response(body, content_type="text/xml")(environ, start_response)

    def form(self, path: str, which: int = -1) -> dict[str, str]:
        return [form for asked, form in self.asked if asked == path][which]

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


def telephone(pages: dict[str, Any], **behaviour: Any) -> tuple[Script, CallerCall]:
    script = Script(pages)
    exchange = Exchange(
        WsgiDoor(script),
        public_url=PUBLIC,
        account_sid="AC" + "0" * 32,
        auth_token=TOKEN,
        clock=VirtualClock(EVENING),
        behaviour=Behaviour(**behaviour),
    )
    return script, exchange.ring(MARIO, TRENTO)


def kinds(call: CallerCall, *wanted: type) -> list[Any]:
    return [event for event in call.events if isinstance(event, wanted)]


def passed(call: CallerCall) -> float:
    return (call.exchange.clock.now() - EVENING).total_seconds()


# Gather

PIN = '<Gather action="/pin" numDigits="8" timeout="10"><Say>PIN</Say></Gather>'


@pytest.mark.parametrize(
    ("gather", "act", "digits"),
    [
        pytest.param("<Gather action='/next'/>", ("12#",), "12", id="Digits come without the finish key"),
        pytest.param(
            "<Gather action='/next'/>", ("12", None), "12", id="partial digits and time-out are submitted"
        ),
        pytest.param(
            "<Gather action='/next'/>", ("1", "2", None), "12", id="the time-out starts again at each key"
        ),
        pytest.param("<Gather action='/next' numDigits='2'/>", ("12",), "12", id="numDigits submits at once"),
        pytest.param("<Gather action='/next' finishOnKey='*'/>", ("1#*",), "1#", id="another finish key"),
        pytest.param("<Gather action='/next' finishOnKey=''/>", ("1#*", None), "1#*", id="no finish key"),
        pytest.param(
            "<Gather action='/next' actionOnEmptyResult='true'/>",
            (None,),
            "",
            id="actionOnEmptyResult, silence",
        ),
        pytest.param(
            "<Gather action='/next' actionOnEmptyResult='true'/>",
            ("#",),
            "",
            id="actionOnEmptyResult, # alone",
        ),
    ],
)
def test_gather_asks_its_action(gather: str, act: tuple[str | None, ...], digits: str) -> None:
    script, call = telephone({"/voice": gather + "<Say>fallen</Say>"})
    for keys in act:
        call.press(keys) if keys else call.wait()
    assert script.form("/next")["Digits"] == digits
    assert "fallen" not in call.heard()


@pytest.mark.parametrize("keys", [None, "#"], ids=["silence", "the finish key alone"])
def test_an_empty_gather_falls_through_to_the_next_verb(keys: str | None) -> None:
    script, call = telephone({"/voice": "<Gather action='/next'/><Say>fallen</Say>"})
    call.press(keys) if keys else call.wait()
    assert call.heard() == ["fallen"]
    assert script.paths() == ["/voice", "/voice/status"]


def test_gather_without_action_asks_the_current_address() -> None:
    script, call = telephone(
        {"/voice": ["<Redirect>/menu?turn=1</Redirect>"], "/menu": ["<Gather/>", "<Hangup/>"]}
    )
    call.press("7#")
    assert script.form("/menu")["Digits"] == "7"


def test_the_timeout_starts_after_the_nested_audio() -> None:
    _, call = telephone({"/voice": f"<Gather timeout='3'><Say>{'a' * 140}</Say></Gather>"})
    call.wait()
    assert passed(call) == pytest.approx(10 + 3)


def test_a_key_stops_the_prompt() -> None:
    _, call = telephone({"/voice": f"<Gather numDigits='1' action='/next'><Say>{'a' * 140}</Say></Gather>"})
    call.press("1", after=2)
    assert passed(call) == pytest.approx(2.4)
    assert kinds(call, Pressed)[0].stopped_prompt


TWO_PROMPTS = (
    '<Gather action="/{}" numDigits="1"><Say>Buonasera, qui è il servizio di emergenza</Say>'
    "<Say>Digiti il PIN, poi cancelletto</Say></Gather>"
)


@pytest.mark.parametrize(
    ("after", "heard"),
    [
        pytest.param(0, [], id="at once"),
        pytest.param(1, ["Buonasera, qui …"], id="in the first sentence"),
        pytest.param(3.2, ["Buonasera, qui è il servizio di emergenza"], id="as the second begins"),
        pytest.param(
            4, ["Buonasera, qui è il servizio di emergenza", "Digiti il PIN, …"], id="in the second"
        ),
    ],
)
def test_what_a_key_cut_off_was_not_heard(after: float, heard: list[str]) -> None:
    _, call = telephone({"/voice": TWO_PROMPTS.format("next"), "/next": "<Say>Grazie</Say>"})
    call.press("1", after=after)
    assert call.heard() == [*heard, "Grazie"]
    times = [event.at for event in call.exchange.events]
    assert times == sorted(times)


def test_what_a_left_over_key_cut_off_was_not_heard() -> None:
    pages = {"/voice": TWO_PROMPTS.format("next"), "/next": TWO_PROMPTS.format("last")}
    _, call = telephone(pages | {"/last": "<Say>Grazie</Say>"})
    call.press("12")
    assert call.heard()[2:] == ["Grazie"]
    times = [event.at for event in call.exchange.events]
    assert times == sorted(times)


def test_a_caller_who_hangs_up_has_heard_a_second_of_it() -> None:
    _, call = telephone({"/voice": TWO_PROMPTS.format("next")})
    assert call.heard() == ["Buonasera, qui è il servizio di emergenza", "Digiti il PIN, poi cancelletto"]
    call.hang_up()
    assert call.heard() == ["Buonasera, qui …"]
    assert passed(call) == 1


@pytest.mark.parametrize(("keeps", "asked"), [(True, True), (False, False)])
def test_a_lone_finish_key_after_the_full_number_of_digits_reaches_the_next_gather(
    keeps: bool, asked: bool
) -> None:
    script, call = telephone(
        {"/voice": PIN, "/pin": '<Gather action="/menu" numDigits="1" actionOnEmptyResult="true"/>'},
        keeps_keys=keeps,
    )
    call.press("90817263#", label="PIN of acme")
    assert script.form("/pin")["Digits"] == "90817263"
    assert ("/menu" in script.paths()) is asked


def test_an_empty_digits_may_be_left_out() -> None:
    script, call = telephone(
        {"/voice": '<Gather action="/next" actionOnEmptyResult="true"/>'}, sends_digits_when_empty=False
    )
    call.wait()
    assert "Digits" not in script.form("/next")


def test_a_pin_is_never_among_the_events() -> None:
    _, call = telephone({"/voice": [PIN], "/pin": "<Gather/>"})
    call.press("90817263", label="PIN of acme")
    call.press("55512345")
    assert [event.keys for event in kinds(call, Pressed)] == ["PIN of acme", "8 digits"]
    everything = repr(call.exchange.events) + repr(call.exchange.last_request) + repr(call)
    assert "90817263" not in everything
    assert "55512345" not in everything


# Redirect, the end, and going wrong


def test_more_than_ten_redirects_are_an_error() -> None:
    script, call = telephone(
        {"/voice": "<Redirect/>".replace("/>", ">/voice</Redirect>"), "/voice/fallback": "<Say>b</Say>"}
    )
    assert script.paths().count("/voice") == 11
    assert script.form("/voice/fallback")["ErrorCode"] == "11215"
    assert call.heard() == ["b"]


def test_an_endless_loop_through_the_fallback_is_found() -> None:
    with pytest.raises(NeverSettles):
        telephone({"/voice": Response(status=500), "/voice/fallback": "<Redirect>/voice</Redirect>"})


@pytest.mark.parametrize(
    ("page", "code"),
    [
        (Response("x", 500), "11200"),
        (Response("x", 302, {"Location": "/"}), "11200"),
        (Response("hello", content_type="text/plain"), "12300"),
        ("<Say bogus='1'>a</Say>", "12200"),
        ("<Gather method='GET'/>", "11200"),
    ],
)
def test_a_failure_asks_the_fallback_address(page: Any, code: str) -> None:
    script, call = telephone({"/voice": page, "/voice/fallback": "<Say>one moment</Say>"})
    assert script.form("/voice/fallback")["ErrorCode"] == code
    assert script.form("/voice/fallback")["ErrorUrl"] == PUBLIC + "/voice"
    assert call.heard() == ["one moment"]


def test_without_a_fallback_the_caller_hears_an_apology() -> None:
    _, call = telephone({"/voice": Response(status=500), "/voice/fallback": Response(status=500)})
    assert call.state == "ended"
    assert "application error" in call.heard()[0]
    assert [event.code for event in kinds(call, Failed)] == [11200, 11200]


def test_the_end_of_the_call_is_told_to_the_status_callback() -> None:
    script, _ = telephone(
        {"/voice": "<Pause length='20'/><Say>a</Say><Pause length='9'/><Hangup/><Say>never</Say>"}
    )
    form = script.form("/voice/status")
    assert form["CallStatus"] == "completed"
    assert form["CallDuration"] == "9"  # a first Pause waits before answering
    assert form["Timestamp"] == "Tue, 10 Mar 2026 21:00:29 +0000"
    assert (form["CallbackSource"], form["SequenceNumber"]) == ("call-progress-events", "0")


def test_reject_as_first_verb_leaves_the_call_unanswered() -> None:
    script, call = telephone({"/voice": "<Reject reason='busy'/>"})
    assert script.form("/voice/status")["CallStatus"] == "busy"
    assert "CallDuration" not in script.form("/voice/status")
    assert call.state == "ended"


def test_the_parameters_of_a_call() -> None:
    script, call = telephone({"/voice": "<Gather action='/next'/>"})
    call.press("1#")
    first, second = script.form("/voice"), script.form("/next")
    assert (first["CallStatus"], second["CallStatus"]) == ("ringing", "in-progress")
    assert first["CallSid"] == call.sid == second["CallSid"]
    assert (first["From"], first["Caller"], first["To"], first["Called"]) == (MARIO, MARIO, TRENTO, TRENTO)
    assert (first["Direction"], first["ApiVersion"]) == ("inbound", "2010-04-01")


# Dial

WHISPER = '<Gather numDigits="1" timeout="6" action="/key"><Say>Chiamata P1</Say></Gather><Hangup/>'


def dial(inside: str = "", attributes: str = "", phone: str = ANNA) -> str:
    number = f'<Number url="/whisper" statusCallback="/leg" {inside}>{phone}</Number>'
    return f'<Dial action="/dialled" timeout="20" {attributes}>{number}</Dial><Say>never reached</Say>'


def pages(**more: Any) -> dict[str, Any]:
    return {"/voice": dial(), "/whisper": WHISPER, "/key": "<Say>la collego</Say>", **more}


def accept(call: CallerCall) -> None:
    call.ringing[0].answer()
    call.leg.press("1")  # type: ignore[union-attr]


OUTCOMES: dict[str, tuple[Callable[[CallerCall], None], str, str]] = {
    "no-answer": (lambda call: call.ringing[0].no_answer(), "no-answer", "false"),
    "busy": (lambda call: call.ringing[0].busy(), "busy", "false"),
    "failed": (lambda call: call.ringing[0].fail(), "failed", "false"),
    "voicemail": (lambda call: call.ringing[0].voicemail(), "completed", "false"),
}


@pytest.mark.parametrize(("act", "status", "bridged"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_dial_reports_how_it_went(act: Callable[[CallerCall], None], status: str, bridged: str) -> None:
    script, call = telephone(pages())
    assert call.state == "ringing"
    act(call)
    form = script.form("/dialled")
    assert (form["DialCallStatus"], form["DialBridged"]) == (status, bridged)
    assert form["DialCallSid"].startswith("CA")
    assert form["DialCallSid"] != call.sid
    assert "never reached" not in call.heard()
    assert not kinds(call, Bridged)


def test_an_unanswered_phone_rings_for_the_timeout_and_five_seconds() -> None:
    _, call = telephone(pages())
    call.wait()
    assert passed(call) == 25
    assert kinds(call, Rang, Missed) == [
        Rang(EVENING, ANNA),
        Missed(call.exchange.clock.now(), ANNA, "no-answer"),
    ]


def test_a_key_in_the_whisper_bridges_when_the_document_ends() -> None:
    script, call = telephone(pages())
    call.ringing[0].answer()
    assert call.state == "whispering"
    accept_form = script.form("/whisper")
    accept_leg = call.leg
    assert accept_leg is not None
    accept_leg.press("1")
    assert call.state == "bridged"
    assert call.heard(ANNA) == ["Chiamata P1", "la collego"]
    assert accept_form["ParentCallSid"] == call.sid
    assert accept_form["CallSid"] == script.form("/key")["CallSid"] == accept_leg.sid != call.sid
    assert (accept_form["From"], accept_form["To"]) == (MARIO, ANNA)
    assert (accept_form["Direction"], accept_form["CallStatus"]) == ("outbound-dial", "in-progress")
    accept_leg.talk(240)
    form = script.form("/dialled")
    assert (form["DialCallStatus"], form["DialBridged"]) == ("completed", "true")
    assert int(form["DialCallDuration"]) >= 240
    assert form["CallStatus"] == "in-progress"


def test_a_whisper_that_merely_ends_bridges() -> None:
    _, call = telephone(pages(**{"/whisper": "<Say>Chiamata</Say>"}))
    call.ringing[0].voicemail()
    assert call.state == "bridged"


@pytest.mark.parametrize("status", ["completed", "no-answer"])
def test_a_declined_whisper_is_not_bridged(status: str) -> None:
    script, call = telephone(pages(**{"/key": "<Hangup/>"}), declined_status=status)
    call.ringing[0].answer()
    call.leg.press("2")  # type: ignore[union-attr]
    assert (script.form("/dialled")["DialCallStatus"], script.form("/dialled")["DialBridged"]) == (
        status,
        "false",
    )
    assert HungUp(call.exchange.clock.now(), ANNA, "program") in call.events


@pytest.mark.parametrize("status", ["completed", "no-answer"])
def test_a_voicemail_never_presses(status: str) -> None:
    script, call = telephone(pages(), voicemail_status=status)
    call.ringing[0].voicemail()
    assert script.form("/dialled")["DialCallStatus"] == status
    assert "/key" not in script.paths()
    assert kinds(call, Answered)[0].by == "voicemail"


def test_a_voicemail_that_is_never_hung_up_on_gives_up() -> None:
    _, call = telephone(pages(**{"/whisper": "<Gather actionOnEmptyResult='true'/>"}))
    call.ringing[0].voicemail()
    assert call.state == "ended"
    assert passed(call) == pytest.approx(15 + 180)


def test_the_technician_hangs_up_in_the_whisper() -> None:
    script, call = telephone(pages())
    call.ringing[0].answer()
    call.leg.hang_up()  # type: ignore[union-attr]
    assert script.form("/dialled")["DialBridged"] == "false"


@pytest.mark.parametrize("whisper", [Response(status=403), "<Dial>+390461825060</Dial>", "<Bogus/>"])
def test_a_failing_whisper_ends_the_leg(whisper: Any) -> None:
    script, call = telephone(pages(**{"/whisper": whisper}))
    call.ringing[0].answer()
    assert script.form("/dialled")["DialBridged"] == "false"
    assert len(kinds(call, Failed)) == 1
    assert "/voice/fallback" not in script.paths()


def test_dial_without_whisper_connects_at_once() -> None:
    _, call = telephone({"/voice": f"<Dial>{ANNA}</Dial><Say>goodbye</Say>"})
    call.ringing[0].answer()
    assert call.state == "bridged"
    call.leg.talk(60)  # type: ignore[union-attr]
    assert call.heard() == ["goodbye"]  # no action: the document goes on


def test_several_numbers_ring_at_once_and_the_first_to_pick_up_wins() -> None:
    script, call = telephone(
        {"/voice": f"<Dial action='/dialled'><Number>{ANNA}</Number><Number>{BRUNO}</Number></Dial>"}
    )
    anna, bruno = call.ringing
    anna.no_answer()
    assert call.state == "ringing"
    bruno.answer()
    assert call.state == "bridged"
    assert Missed(call.exchange.clock.now(), ANNA, "canceled") in call.events
    call.hang_up()
    assert script.form("/dialled")["DialBridged"] == "true"


def test_sequential_numbers_ring_in_order() -> None:
    _, call = telephone(
        {"/voice": f"<Dial sequential='true'><Number>{ANNA}</Number><Number>{BRUNO}</Number></Dial>"}
    )
    assert [leg.phone for leg in call.ringing] == [ANNA]
    call.wait()
    assert [leg.phone for leg in call.ringing] == [BRUNO]
    call.ringing[0].busy()
    assert call.state == "ended"


@pytest.mark.parametrize(("caller_id", "code"), [(MARIO, None), (TRENTO, None), ("+390461999999", 13214)])
def test_caller_id_is_to_from_or_an_owned_number(caller_id: str, code: int | None) -> None:
    script, call = telephone(pages(**{"/voice": dial(attributes=f'callerId="{caller_id}"')}))
    if code is None:
        assert call.state == "ringing"
        return
    assert [event.code for event in kinds(call, Failed)] == [code]
    assert script.form("/dialled")["DialCallStatus"] == "failed"
    assert not kinds(call, Rang)


def test_no_key_of_the_caller_arrives_while_a_dial_rings() -> None:
    script, call = telephone(pages())
    call.press("1")
    assert script.paths() == ["/voice"]


def test_hangup_on_star_ends_the_talk() -> None:
    script, call = telephone(
        pages(**{"/voice": dial(attributes='hangupOnStar="true"'), "/dialled": "<Gather/>"})
    )
    accept(call)
    call.press("*")
    assert script.form("/dialled")["DialBridged"] == "true"
    assert call.state == "gathering"


def test_a_talk_is_cut_at_the_time_limit() -> None:
    script, call = telephone(pages(**{"/voice": dial(attributes='timeLimit="60"')}))
    accept(call)
    call.leg.talk(3600)  # type: ignore[union-attr]
    assert 60 <= int(script.form("/dialled")["DialCallDuration"]) < 75


def test_status_callback_events_of_a_leg() -> None:
    wanted = 'statusCallbackEvent="initiated ringing answered completed"'
    script, call = telephone(pages(**{"/voice": dial(wanted)}))
    accept(call)
    call.hang_up()
    legs = [form for path, form in script.asked if path == "/leg"]
    assert [form["CallStatus"] for form in legs] == ["queued", "ringing", "in-progress", "completed"]
    assert [form["SequenceNumber"] for form in legs] == ["0", "1", "2", "3"]
    assert ["CallDuration" in form for form in legs] == [False, False, False, True]


def test_late_callbacks_come_after_the_end_last_first() -> None:
    script, call = telephone(
        pages(**{"/voice": dial('statusCallbackEvent="ringing completed"')}), callbacks_late=True
    )
    call.wait()
    assert script.paths() == ["/voice", "/dialled", "/voice/status", "/leg", "/leg"]
    assert script.form("/leg", 0)["CallStatus"] == "no-answer"


@pytest.mark.parametrize("asked", [True, False])
def test_the_caller_hangs_up_while_a_phone_rings(asked: bool) -> None:
    script, call = telephone(pages(), action_after_caller_hangup=asked)
    call.hang_up()
    assert ("/dialled" in script.paths()) is asked
    if asked:
        assert script.form("/dialled")["CallStatus"] == "completed"
        assert script.form("/dialled")["DialCallStatus"] == "canceled"
    assert script.paths()[-1] == "/voice/status"
    assert [event.why for event in kinds(call, Missed)] == ["canceled"]


def test_the_caller_hangs_up_in_the_whisper() -> None:
    script, call = telephone(pages())
    call.ringing[0].answer()
    leg = call.leg
    call.hang_up()
    assert script.form("/dialled")["DialBridged"] == "false"
    with pytest.raises(OutOfTurn):
        leg.press("1")  # type: ignore[union-attr]


def test_the_caller_hangs_up_over_a_prompt() -> None:
    script, call = telephone({"/voice": PIN})
    call.press("12")
    call.hang_up()
    assert script.paths() == ["/voice", "/voice/status"]


def test_answer_on_bridge_leaves_the_caller_unanswered() -> None:
    script, call = telephone(pages(**{"/voice": dial(attributes='answerOnBridge="true"')}))
    call.wait()
    assert script.form("/dialled")["CallStatus"] == "ringing"


# Record

RECORD = (
    '<Record action="/done" recordingStatusCallback="/ready" maxLength="120" finishOnKey="#"/>'
    "<Say>empty</Say>"
)


@pytest.mark.parametrize(
    ("seconds", "then", "digits", "duration"),
    [
        (12, "#", "#", "12"),
        (12, "silence", None, "12"),
        (500, "silence", None, "120"),
        (12, "hang up", "hangup", "12"),
    ],
)
def test_record_asks_its_action(seconds: int, then: str, digits: str | None, duration: str) -> None:
    script, call = telephone({"/voice": RECORD, "/done": "<Say>grazie</Say>"})
    assert call.state == "recording"
    call.speak(seconds, then=then)
    form = script.form("/done")
    assert form.get("Digits") == digits
    assert form["RecordingDuration"] == duration
    assert form["RecordingSid"] in form["RecordingUrl"]
    assert script.form("/ready")["RecordingStatus"] == "completed"
    assert call.heard() == ([] if then == "hang up" else ["grazie"])
    assert call.state == "ended"
    assert len(kinds(call, Recorded)) == 1


def test_an_empty_recording_falls_through() -> None:
    script, call = telephone({"/voice": RECORD})
    call.wait()
    assert call.heard() == ["empty"]
    assert "/done" not in script.paths()


# Requests


def test_a_retry_is_the_same_request_byte_for_byte() -> None:
    script, call = telephone({"/voice": ["<Gather/>", "<Gather/>"]})
    assert call.exchange.repeat_last().status == 200
    assert script.asked[0] == script.asked[1]
    assert script.tokens[0] == script.tokens[1]
    call.hang_up()
    assert script.tokens[2] != script.tokens[0]


def test_every_request_is_an_event() -> None:
    _, call = telephone({"/voice": "<Say>a</Say>"})
    assert [(event.path, event.status) for event in kinds_of(call, Requested)] == [
        ("/voice", 200),
        ("/voice/status", 200),
    ]


def kinds_of(call: CallerCall, wanted: type) -> list[Any]:
    return [event for event in call.exchange.events if isinstance(event, wanted)]


def test_the_signature_is_twilios() -> None:
    form = [("To", "+18005551212"), ("From", "+14158675310"), ("Digits", "1234")]
    assert signature("12345", "https://user:pw@example.com:8443/myapp?foo=1#rc=2", form) == VECTOR
    with pytest.raises(ValueError, match="token"):
        signature("", "https://example.com/", form)


# Computed with OpenSSL: printf %s "$url$names_and_values" | openssl dgst -sha1 -hmac 12345 -binary | base64
VECTOR = "QEwNKMoZ0+rvLyyvn09M8V32yPc="


def test_nobody_listening_is_no_reply() -> None:
    with pytest.raises(NoReply) as failure:
        HttpDoor(PUBLIC, "http://127.0.0.1:9").post(PUBLIC + "/voice", [], {})
    assert failure.value.code == 11205


@pytest.mark.usefixtures("wrong_on_purpose")
def test_over_http_the_public_address_is_what_is_signed() -> None:
    script = Script({"/voice": "<Gather action='/next?turn=1'><Say>Buonasera</Say></Gather>"})
    with make_server("127.0.0.1", 0, script, handler_class=QuietHandler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        exchange = Exchange(
            HttpDoor(PUBLIC, f"http://127.0.0.1:{server.server_port}"),
            public_url=PUBLIC,
            account_sid="AC" + "0" * 32,
            auth_token=TOKEN,
            clock=VirtualClock(EVENING),
        )
        call = exchange.ring(MARIO, TRENTO)
        call.press("1#")
        server.shutdown()
    assert script.paths() == ["/voice", "/next", "/voice/status"]
    assert call.heard() == ["Buonasera"]


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def test_the_clock_never_goes_back() -> None:
    clock = VirtualClock(EVENING)
    assert clock.forward(hours=2).hour == 23
    with pytest.raises(ValueError, match="back"):
        clock.set(EVENING)
    with pytest.raises(ValueError, match="offset"):
        VirtualClock(datetime(2026, 3, 10))  # noqa: DTZ001


def test_a_recording_takes_as_long_as_its_sound() -> None:
    sound = Response(file_of(silence(2.5)), content_type="audio/wav")
    _, call = telephone({"/voice": "<Play>/a.wav</Play><Say>Buonasera</Say>", "/a.wav": sound})
    first, second = kinds(call, Heard)
    assert (second.at - first.at).total_seconds() == 2.5


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("/gone.wav", 11200),
        ("/page.wav", 12300),
        ("https://elsewhere.example/a.wav", 11200),
    ],
)
@pytest.mark.parametrize(
    "document",
    ["<Play>{}</Play><Say>then</Say>", '<Gather action="/next"><Say>first</Say><Play>{}</Play></Gather>'],
)
def test_a_recording_that_cannot_be_had_is_a_fault(document: str, address: str, code: int) -> None:
    """The fallback address is asked, as for a document that cannot be had."""
    pages = {
        "/voice": document.format(address),
        "/page.wav": Response("<html>", content_type="text/html"),
        "/voice/fallback": "<Say>again</Say>",
    }
    script, call = telephone(pages)
    assert [each.code for each in kinds(call, Failed)] == [code]
    assert call.heard()[-1] == "again"
    assert "then" not in call.heard()
    assert script.form("/voice/fallback")["ErrorCode"] == str(code)


def test_what_is_heard_has_its_voice() -> None:
    _, call = telephone(
        {
            "/voice": '<Say voice="Polly.Bianca" language="it-IT">Buonasera</Say><Play>/a.mp3</Play>',
            "/a.mp3": Response(b"ID3", content_type="audio/mpeg"),
        }
    )
    spoken, played = kinds(call, Heard)
    assert (spoken.text, spoken.language, spoken.voice) == ("Buonasera", "it-IT", "Polly.Bianca")
    assert played.text == "[/a.mp3]"

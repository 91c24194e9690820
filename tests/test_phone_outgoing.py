"""What the program asks the telephone network for, over twilio's own library: each row is a behaviour in
the documentation's words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from making import ACCOUNT, utc
from pydantic import SecretStr
from test_phone_exchange import ANNA, MARIO, PUBLIC, TOKEN, TRENTO, WHISPER, Script
from werkzeug.wrappers import Response

from console.phone import Behaviour, Exchange, OutOfTurn, PlacedCall, VirtualClock, WsgiDoor
from console.phone.document import NotTwiml, read_messages
from console.phone.events import Answered, Bridged, Failed, Heard, HungUp, Missed, Phoned, Rang, TextSent
from oncall.notices.channels import CallOut, ChannelFailed, TextOut
from webhooks.outbound import RestTelephone, RestTexts
from webhooks.settings import TwilioSettings

EVENING = utc("2026-03-10 21:00")
# A token that settings take for one.
STRONG = "0123456789abcdef0123456789abcdef"
CALL = CallOut(ANNA, TRENTO, 25, f"{PUBLIC}/out/0", f"{PUBLIC}/out/status")
TEXT = TextOut(ANNA, TRENTO, "Chiamata P1+ da Acme", f"{PUBLIC}/receipt")


class Network:
    """A house of fixed pages, the exchange before it, and our own client of its REST interface."""

    def __init__(self, pages: dict[str, Any], **behaviour: Any) -> None:
        self.script = Script(pages)
        self.clock = VirtualClock(EVENING)
        self.exchange = Exchange(
            WsgiDoor(self.script),
            public_url=PUBLIC,
            account_sid=ACCOUNT,
            auth_token=TOKEN,
            clock=self.clock,
            behaviour=Behaviour(**behaviour),
            owned=[TRENTO],
        )
        self.telephone = RestTelephone(settings(TOKEN), self.exchange.rest)
        self.texts = RestTexts(settings(TOKEN), self.exchange.rest)

    def place(self, call: CallOut = CALL) -> PlacedCall:
        sid = self.telephone.place(call)
        placed = self.exchange.placed[-1]
        assert placed.sid == sid
        return placed

    def passed(self) -> float:
        return (self.clock.now() - EVENING).total_seconds()

    def seen(self, *wanted: type) -> list[Any]:
        return [event for event in self.exchange.events if isinstance(event, wanted)]


def settings(*tokens: str) -> TwilioSettings:
    return TwilioSettings(account_sid=ACCOUNT).model_copy(
        update={"auth_tokens": [SecretStr(token) for token in tokens]}
    )


def pages(**more: Any) -> dict[str, Any]:
    return {"/out/0": WHISPER, "/key": "<Say>la collego</Say>", **more}


# -- a call ------------------------------------------------------------------------------------


def test_a_placed_call_rings_and_nothing_is_told_yet() -> None:
    network = Network(pages())
    call = network.place()
    assert (call.state, call.status) == ("phoning", "ringing")
    assert network.script.asked == []
    assert network.seen(Phoned, Rang) == [Phoned(EVENING, ANNA, TRENTO)]
    assert network.telephone.status(call.sid) == "ringing"


def test_an_answered_call_asks_its_address() -> None:
    network = Network(pages())
    call = network.place()
    call.answer()
    form = network.script.form("/out/0")
    assert form["CallSid"] == call.sid
    assert (form["Direction"], form["CallStatus"]) == ("outbound-api", "in-progress")
    assert (form["From"], form["Caller"], form["To"], form["Called"]) == (TRENTO, TRENTO, ANNA, ANNA)
    assert "ParentCallSid" not in form
    assert (call.state, call.heard()) == ("gathering", ["Chiamata P1"])
    call.press("1")
    assert network.script.form("/key")["Digits"] == "1"
    assert call.heard()[-1] == "la collego"
    assert call.state == "ended"


MISSED: dict[str, tuple[Callable[[PlacedCall], None], str, float]] = {
    "no-answer": (lambda call: call.no_answer(), "no-answer", 25),
    "waits": (lambda call: call.wait(), "no-answer", 25),
    "busy": (lambda call: call.busy(), "busy", 2),
    "cannot be reached": (lambda call: call.fail(), "failed", 0),
}


@pytest.mark.parametrize(("act", "status", "seconds"), MISSED.values(), ids=MISSED.keys())
def test_each_final_status_is_told_once(
    act: Callable[[PlacedCall], None], status: str, seconds: float
) -> None:
    network = Network(pages())
    call = network.place()
    act(call)
    assert network.script.paths() == ["/out/status"]
    form = network.script.form("/out/status")
    assert (form["CallSid"], form["CallStatus"]) == (call.sid, status)
    assert (form["Direction"], form["CallbackSource"]) == ("outbound-api", "call-progress-events")
    assert "CallDuration" not in form
    assert network.passed() == seconds  # an unanswered phone rings for Timeout and five seconds
    assert [event.why for event in network.seen(Missed)] == [status]
    assert network.telephone.status(call.sid) == status
    assert call.state == "ended"


def test_a_completed_call_has_a_duration() -> None:
    network = Network(pages(**{"/out/0": "<Pause length='20'/>"}))
    network.place().answer()
    form = network.script.form("/out/status")
    assert (form["CallStatus"], form["CallDuration"], form["SequenceNumber"]) == ("completed", "20", "0")
    assert form["Timestamp"] == "Tue, 10 Mar 2026 21:00:24 +0000"


def test_other_steps_are_told_if_they_were_asked_for() -> None:
    network = Network(pages())
    account = network.telephone._account
    account.calls.create(
        to=ANNA,
        from_=TRENTO,
        url=f"{PUBLIC}/out/0",
        status_callback=f"{PUBLIC}/out/status",
        status_callback_event=["initiated", "ringing", "answered", "completed"],
    )
    network.exchange.settle()
    network.exchange.placed[-1].answer()
    network.exchange.placed[-1].hang_up()
    told = [form for path, form in network.script.asked if path == "/out/status"]
    assert [form["CallStatus"] for form in told] == ["queued", "ringing", "in-progress", "completed"]
    assert [form["SequenceNumber"] for form in told] == ["0", "1", "2", "3"]


def test_the_default_timeout_is_a_minute() -> None:
    network = Network(pages())
    network.telephone._account.calls.create(to=ANNA, from_=TRENTO, url=f"{PUBLIC}/out/0")
    network.exchange.placed[-1].no_answer()
    assert network.passed() == 65
    assert network.script.paths() == []  # nobody asked to be told


def test_the_end_may_never_be_told() -> None:
    network = Network(pages(), ends_reported=False)
    call = network.place()
    call.busy()
    assert network.script.paths() == []
    assert network.telephone.status(call.sid) == "busy"


def test_a_voicemail_picks_up_and_never_presses() -> None:
    network = Network(pages())
    call = network.place()
    call.voicemail()
    assert call.state == "ended"
    assert "/key" not in network.script.paths()
    assert network.seen(Answered)[0].by == "voicemail"
    assert network.script.form("/out/status")["CallStatus"] == "completed"
    assert network.passed() < 25


def test_a_voicemail_that_is_never_hung_up_on_gives_up() -> None:
    network = Network(pages(**{"/out/0": "<Gather actionOnEmptyResult='true'/>"}))
    network.place().voicemail()
    assert network.passed() == pytest.approx(15 + 180)


def test_who_picks_up_can_hang_up() -> None:
    network = Network(pages())
    call = network.place()
    with pytest.raises(OutOfTurn, match="nobody has picked up"):
        call.hang_up()
    call.answer()
    call.hang_up()
    assert HungUp(network.clock.now(), ANNA, ANNA) in call.events
    with pytest.raises(OutOfTurn):
        call.hang_up()
    with pytest.raises(OutOfTurn):
        call.answer()


@pytest.mark.parametrize(
    ("page", "code"), [(Response(status=500), 11200), ("<Bogus/>", 12200), (Response("hi"), 12300)]
)
def test_without_a_document_the_person_hears_an_apology(page: Any, code: int) -> None:
    """There is no fallback address unless the call was placed with one."""
    network = Network(pages(**{"/out/0": page}))
    call = network.place()
    call.answer()
    assert "application error" in call.heard()[0]
    assert [event.code for event in network.seen(Failed)] == [code]
    assert network.script.form("/out/status")["CallStatus"] == "completed"
    assert "/voice/fallback" not in network.script.paths()


def test_a_fallback_address_is_asked() -> None:
    network = Network(pages(**{"/out/0": Response(status=500), "/again": "<Say>un momento</Say>"}))
    network.telephone._account.calls.create(
        to=ANNA, from_=TRENTO, url=f"{PUBLIC}/out/0", fallback_url=f"{PUBLIC}/again"
    )
    network.exchange.placed[-1].answer()
    assert network.script.form("/again")["ErrorCode"] == "11200"
    assert network.exchange.placed[-1].heard() == ["un momento"]


def test_a_ring_ends_while_other_things_happen() -> None:
    network = Network(pages())
    call = network.place()
    network.clock.forward(seconds=25)
    network.exchange.settle()
    assert call.state == "phoning"
    network.clock.forward(seconds=1)
    network.exchange.settle()
    assert (call.state, call.status) == ("ended", "no-answer")


def test_a_sip_phone_can_be_called() -> None:
    network = Network(pages())
    call = network.place(replace(CALL, to="sip:anna@pbx.example.net"))
    call.answer()
    assert network.script.form("/out/0")["To"] == "sip:anna@pbx.example.net"


# -- a call that dials a customer ----------------------------------------------------------------


def dialling(attributes: str = f'callerId="{TRENTO}"', **behaviour: Any) -> tuple[Network, PlacedCall]:
    dial = f'<Dial action="/dialled" timeout="20" {attributes}><Number>{MARIO}</Number></Dial>'
    dial = f"<Say>la collego</Say>{dial}"
    network = Network(pages(**{"/key": dial, "/dialled": "<Say>arrivederci</Say>"}), **behaviour)
    call = network.place()
    call.answer()
    call.press("1")
    return network, call


def test_the_customer_is_a_leg_of_the_placed_call() -> None:
    network, call = dialling()
    assert call.state == "ringing"
    (leg,) = call.ringing
    assert leg.phone == MARIO
    assert leg.parameters()["ParentCallSid"] == call.sid
    assert leg.parameters()["Direction"] == "outbound-dial"
    assert leg.parameters()["From"] == TRENTO
    leg.answer()
    assert call.state == "bridged"
    assert network.seen(Bridged) == [Bridged(network.clock.now(), MARIO, ANNA)]
    # Only he who was called by the program hears its words.
    assert [event.party for event in network.seen(Heard)] == [ANNA, ANNA]


@pytest.mark.parametrize(("ends", "first", "goodbye"), [("caller", MARIO, True), ("technician", ANNA, False)])
def test_either_ends_the_talk(ends: Any, first: str, goodbye: bool) -> None:
    network, call = dialling()
    call.ringing[0].answer()
    assert call.leg is not None
    call.leg.talk(240, ends=ends)
    assert network.seen(HungUp)[0].party == first
    # The one whom the program called hears the rest of it, if he is still there.
    assert ("arrivederci" in call.heard()) is goodbye
    form = network.script.form("/dialled")
    assert (form["DialCallStatus"], form["DialBridged"], form["DialCallDuration"]) == (
        "completed",
        "true",
        "240",
    )
    assert form["CallStatus"] == ("in-progress" if goodbye else "completed")
    assert network.script.form("/out/status")["CallStatus"] == "completed"
    assert call.state == "ended"


@pytest.mark.parametrize("asked", [True, False])
def test_the_action_may_not_be_asked_after_he_hung_up(asked: bool) -> None:
    network, call = dialling(action_after_caller_hangup=asked)
    call.ringing[0].answer()
    call.hang_up()
    assert ("/dialled" in network.script.paths()) is asked
    assert network.script.paths()[-1] == "/out/status"


@pytest.mark.parametrize("status", ["no-answer", "busy", "failed"])
def test_the_customer_is_not_reached(status: str) -> None:
    network, call = dialling()
    (leg,) = call.ringing
    {"no-answer": leg.no_answer, "busy": leg.busy, "failed": leg.fail}[status]()
    assert network.script.form("/dialled")["DialCallStatus"] == status
    assert call.heard()[-1] == "arrivederci"


def test_he_hangs_up_while_the_customer_is_rung() -> None:
    network, call = dialling()
    call.hang_up()
    assert network.script.form("/dialled")["DialCallStatus"] == "canceled"
    assert [event.phone for event in network.seen(Missed)] == [MARIO]


@pytest.mark.parametrize(("shown", "code"), [(TRENTO, None), (ANNA, None), (MARIO, 13214)])
def test_the_customer_sees_a_number_of_the_call_or_of_ours(shown: str, code: int | None) -> None:
    network, _ = dialling(f'callerId="{shown}"')
    assert [event.code for event in network.seen(Failed)] == ([code] if code else [])


# -- ending a call over the interface -----------------------------------------------------------


@pytest.mark.parametrize("answered", [False, True])
def test_a_call_is_ended_by_request(answered: bool) -> None:
    network = Network(pages())
    call = network.place()
    if answered:
        call.answer()
    network.telephone.hang_up(call.sid)
    assert call.state == "ended"
    assert "/out/status" not in network.script.paths()  # told after the request is answered
    network.exchange.settle()
    wanted = "completed" if answered else "canceled"
    assert network.script.form("/out/status")["CallStatus"] == wanted
    network.telephone.hang_up(call.sid)  # leaves it alone


def test_a_talk_is_ended_by_request() -> None:
    network, call = dialling()
    call.ringing[0].answer()
    network.telephone.hang_up(call.sid)
    assert [(event.party, event.by) for event in network.seen(HungUp)] == [(MARIO, ANNA), (ANNA, "program")]
    assert call.state == "ended"


def test_canceled_leaves_a_call_that_was_picked_up() -> None:
    network = Network(pages())
    call = network.place()
    call.answer()
    network.telephone._account.calls(call.sid).update(status="canceled")
    assert call.state == "gathering"


# -- errors ------------------------------------------------------------------------------------

BAD_CALLS: dict[str, tuple[dict[str, str], str]] = {
    "no To": ({"to": ""}, "21201"),
    "no From": ({"shows": ""}, "21213"),
    "a To that is no number": ({"to": "0461825060"}, "21211"),
    "a From that is not ours": ({"shows": MARIO}, "21210"),
    "no Url": ({"answered_at": ""}, "21205"),
    "an Url that is none": ({"answered_at": "ivr/voice"}, "21205"),
    "a StatusCallback that is none": ({"ended_at": "ivr/voice"}, "21609"),
}


@pytest.mark.parametrize(("change", "code"), BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_a_call_that_cannot_be_placed(change: dict[str, str], code: str) -> None:
    network = Network(pages())
    with pytest.raises(ChannelFailed, match=code) as failed:
        network.telephone.place(replace(CALL, **change))
    assert failed.value.for_good
    assert network.exchange.placed == []


BAD_TEXTS: dict[str, tuple[dict[str, str], str]] = {
    "no To": ({"to": ""}, "21604"),
    "no From": ({"sender": ""}, "21603"),
    "no Body": ({"text": ""}, "21602"),
    "a To that is no number": ({"to": "anna"}, "21211"),
    "a landline": ({"to": "+390461000001"}, "21614"),
    "a From that is not ours": ({"sender": MARIO}, "21606"),
    "a name that is too long": ({"sender": "Cloudfabric 24"}, "21606"),
}


@pytest.mark.parametrize(("change", "code"), BAD_TEXTS.values(), ids=BAD_TEXTS.keys())
def test_a_text_that_cannot_be_sent(change: dict[str, str], code: str) -> None:
    network = Network({})
    with pytest.raises(ChannelFailed, match=code) as failed:
        network.texts.send(replace(TEXT, **change))
    assert failed.value.for_good
    assert network.exchange.texts.sent == []


@pytest.mark.parametrize("code", [21211, 21610, 21408, 13227])
def test_a_number_can_be_refused(code: int) -> None:
    network = Network(pages())
    network.exchange.rest.refused[ANNA] = code
    for act in (lambda: network.telephone.place(CALL), lambda: network.texts.send(TEXT)):
        with pytest.raises(ChannelFailed, match=str(code)):
            act()


def test_a_parameter_nobody_knows_is_refused() -> None:
    network = Network(pages())
    with pytest.raises(ChannelFailed, match="20001"):
        network.telephone._account.calls.create(
            to=ANNA, from_=TRENTO, url=f"{PUBLIC}/out/0", machine_detection="Enable"
        )


@pytest.mark.parametrize(
    ("tokens", "works"), [(("another",), False), (("another", TOKEN), True), ((TOKEN,), True)]
)
def test_only_the_accounts_token_is_taken(tokens: tuple[str, ...], works: bool) -> None:
    network = Network(pages())
    telephone = RestTelephone(settings(*tokens), network.exchange.rest)
    if works:
        telephone.place(CALL)
    else:
        with pytest.raises(ChannelFailed, match="20003"):
            telephone.place(CALL)
    assert len(network.exchange.placed) == int(works)


def test_what_is_not_there_is_not_found() -> None:
    network = Network(pages())
    assert network.telephone.status("CA" + "0" * 32) is None
    assert network.texts.status("SM" + "0" * 32) is None
    elsewhere = RestTelephone(
        settings(TOKEN).model_copy(update={"account_sid": "AC" + "9" * 32}), network.exchange.rest
    )
    with pytest.raises(ChannelFailed):
        elsewhere.place(CALL)


FAULTS: dict[str, tuple[Any, bool, bool, float | None]] = {
    "429": ("429", False, False, 2.0),
    "500 before": ("500 before", False, True, None),
    "500 after": ("500 after", True, True, None),
    "hang before": ("hang before", False, True, None),
    "hang after": ("hang after", True, True, None),
    "not reached": ("not reached", False, False, None),
}


@pytest.mark.parametrize("kind", ["call", "text"])
@pytest.mark.parametrize(("fault", "done", "maybe", "wait"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_befalls_one_request(
    fault: Any, done: bool, maybe: bool, wait: float | None, kind: str
) -> None:
    network = Network(pages(), rest_faults=(fault,))

    def act() -> object:
        return network.telephone.place(CALL) if kind == "call" else network.texts.send(TEXT)

    with pytest.raises(ChannelFailed) as failed:
        act()
    assert (failed.value.maybe_done, failed.value.wait_seconds) == (maybe, wait)
    finds = network.telephone.find(CALL, EVENING) if kind == "call" else network.texts.find(TEXT, EVENING)
    assert (finds is not None) is done
    assert act() != finds


def test_the_newest_is_found_by_its_day() -> None:
    network = Network(pages())
    network.place().busy()
    network.clock.forward(hours=26)
    since = network.clock.now()
    assert network.telephone.find(CALL, since) is None
    second = network.place()
    assert network.telephone.find(CALL, since) == second.sid
    assert network.telephone.find(replace(CALL, to=MARIO), since) is None
    assert network.telephone.find(CALL, since + timedelta(seconds=11)) is None


def test_a_list_is_of_whole_days_and_the_newest_comes_first() -> None:
    network = Network(pages())
    network.place().busy()
    network.texts.send(TEXT)
    network.clock.forward(hours=2)
    for hours in (1, 3):
        network.clock.forward(hours=hours)
        network.place().busy()
        network.texts.send(TEXT)
    account, calls, texts = network.telephone._account, network.exchange.placed, network.exchange.texts.sent
    midnight = utc("2026-03-11 00:00")
    assert [call.sid for call in account.calls.page()] == [call.sid for call in reversed(calls)]
    dated = account.calls.page(start_time_after=midnight)
    assert [call.sid for call in dated] == [calls[2].sid, calls[1].sid]
    dated = account.messages.page(date_sent_after=midnight, page_size=1)
    assert [text.sid for text in dated] == [texts[2].sid]


# -- texts -------------------------------------------------------------------------------------

RECEIPTS = {
    "delivered": [("sent", None), ("delivered", None)],
    "undelivered": [("sent", None), ("undelivered", "30003")],
    "failed": [("failed", "30006")],
    "sent": [("sent", None)],
    "none": [],
}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("receipts", "told"), RECEIPTS.items(), ids=RECEIPTS.keys())
def test_receipts_are_told(receipts: str, told: list[tuple[str, str | None]], backwards: bool) -> None:
    network = Network({}, receipts=receipts, receipts_backwards=backwards)
    sid = network.texts.send(TEXT)
    assert network.texts.status(sid) == "queued"
    assert network.script.asked == []
    network.exchange.settle()
    forms = [form for path, form in network.script.asked if path == "/receipt"]
    got = [(form["MessageStatus"], form.get("ErrorCode")) for form in forms]
    assert got == (told[::-1] if backwards else told)
    assert all(
        (form["MessageSid"], form["SmsSid"], form["From"], form["To"], form["AccountSid"])
        == (sid, sid, TRENTO, ANNA, ACCOUNT)
        for form in forms
    )
    assert network.texts.status(sid) == (told[-1][0] if told else "sent")
    assert network.seen(TextSent) == [TextSent(EVENING, ANNA, TRENTO, TEXT.text)]


def test_receipts_may_be_late() -> None:
    network = Network({}, receipt_seconds=300)
    network.texts.send(TEXT)
    network.clock.forward(seconds=299)
    network.exchange.settle()
    assert network.script.asked == []
    network.clock.forward(seconds=1)
    network.exchange.settle()
    assert network.script.paths() == ["/receipt", "/receipt"]


def test_a_receipt_that_is_refused_is_a_warning() -> None:
    network = Network({"/receipt": Response(status=403)})
    network.texts.send(TEXT)
    network.exchange.settle()
    assert {event.code for event in network.seen(Failed)} == {15003}


def test_a_name_may_send() -> None:
    network = Network({})
    network.texts.send(replace(TEXT, sender="Cloudfabric"))
    assert network.exchange.texts.sent[0].from_ == "Cloudfabric"


def test_what_a_text_says_is_not_shown() -> None:
    network = Network({})
    network.texts.send(TEXT)
    assert "Acme" not in repr(network.exchange.texts.sent)


def test_somebody_writes_to_us_and_is_answered() -> None:
    network = Network({"/sms": "<Message>preso in carico</Message><Message><Body>grazie</Body></Message>"})
    answers = network.exchange.text(ANNA, TRENTO, "OK 4712")
    form = network.script.form("/sms")
    assert (form["From"], form["To"], form["Body"]) == (ANNA, TRENTO, "OK 4712")
    assert form["MessageSid"] == form["SmsSid"] == form["SmsMessageSid"]
    assert form["MessageSid"].startswith("SM")
    assert (form["AccountSid"], form["NumMedia"], form["NumSegments"]) == (ACCOUNT, "0", "1")
    assert "CallSid" not in form
    assert [(text.to, text.from_, text.body) for text in answers] == [
        (ANNA, TRENTO, "preso in carico"),
        (ANNA, TRENTO, "grazie"),
    ]


@pytest.mark.parametrize("page", ["", Response(status=204)], ids=["an empty Response", "nothing"])
def test_no_answer_is_no_text(page: Any) -> None:
    network = Network({"/sms": page})
    assert network.exchange.text(ANNA, TRENTO, "ciao") == []
    assert network.seen(Failed) == []


@pytest.mark.parametrize(
    ("page", "code"),
    [
        (Response(status=500), 11200),
        (Response("ciao", content_type="text/plain"), 12300),
        ("<Say>ciao</Say>", 12200),
        (f"<Message>{'a' * 1601}</Message>", 12200),
    ],
)
def test_a_failing_answer_is_an_error(page: Any, code: int) -> None:
    network = Network({"/sms": page})
    assert network.exchange.text(ANNA, TRENTO, "ciao") == []
    assert [event.code for event in network.seen(Failed)] == [code]


@pytest.mark.parametrize(
    "inside",
    [
        "text",
        "<Message/>",
        "<Message to='+39'>a</Message>",
        "<Message>a<Body>b</Body></Message>",
        "<Message><Body>a</Body><Body>b</Body></Message>",
        "<Message><Media>https://a.example</Media></Message>",
    ],
)
def test_an_answer_is_plain_messages(inside: str) -> None:
    with pytest.raises(NotTwiml):
        read_messages(f"<Response>{inside}</Response>".encode(), "text/xml")


def test_the_signature_of_a_text_is_checked() -> None:
    network = Network({"/sms": ""})
    network.exchange._auth_token = STRONG
    network.exchange.text(ANNA, TRENTO, "ciao")
    assert [event.code for event in network.seen(Failed)] == [11200]

"""The telephone that the tests are played on, held against Twilio's documentation: one test for each row of
docs/simulator.md, where the page's words stand beside what the telephone does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from making import ACCOUNT
from test_phone_exchange import ANNA, BRUNO, MARIO, TOKEN, TRENTO, kinds, passed, telephone
from test_phone_outgoing import CALL, TEXT, Network
from werkzeug.wrappers import Response

from console.phone import NotTwiml, OutOfTurn, read_twiml
from console.phone.events import Failed, Heard, Missed, Rang

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"
ROWS: dict[str, Callable[[], None]] = {}


def row(check: Callable[[], None]) -> Callable[[], None]:
    ROWS[check.__name__.replace("_", "-")] = check
    return check


def codes(call: Any) -> list[int]:
    return [event.code for event in kinds(call, Failed)]


def refused(inside: str, *, whisper: bool = False) -> bool:
    try:
        read_twiml(f"<Response>{inside}</Response>".encode(), "text/xml", whisper=whisper)
    except NotTwiml:
        return True
    return False


OURS = (ACCOUNT, TOKEN)
NUMBER = f"<Number>{ANNA}</Number>"
BOTH = NUMBER + f"<Number>{BRUNO}</Number>"
ON_BRIDGE = f'<Dial answerOnBridge="true" action="/done">{NUMBER}</Dial>'
WHISPERED = f'<Dial action="/done"><Number url="/whisper">{ANNA}</Number></Dial>'

# -- Gather ------------------------------------------------------------------------------------------


@row
def gather_submits_at_the_finish_key() -> None:
    script, call = telephone({"/voice": '<Gather action="/next"/>'})
    call.press("12#")
    assert script.form("/next")["Digits"] == "12"


@row
def gather_submits_what_was_keyed_when_time_is_up() -> None:
    script, call = telephone({"/voice": '<Gather action="/next"/>'})
    call.press("12")
    assert "/next" not in script.paths()
    call.wait()
    assert script.form("/next")["Digits"] == "12"


@row
def gather_submits_when_all_digits_are_keyed() -> None:
    script, call = telephone({"/voice": '<Gather action="/next" numDigits="2"/>'})
    call.press("12")
    assert script.form("/next")["Digits"] == "12"


@row
def gather_without_a_finish_key_takes_every_key() -> None:
    script, call = telephone({"/voice": '<Gather action="/next" finishOnKey="" numDigits="3"/>'})
    call.press("#*1")
    assert script.form("/next")["Digits"] == "#*1"


@row
def gather_falls_through_in_silence() -> None:
    for act in (lambda call: call.wait(), lambda call: call.press("#")):
        script, call = telephone({"/voice": '<Gather action="/next"/><Redirect>/after</Redirect>'})
        act(call)
        assert script.paths()[1] == "/after"


@row
def gather_reports_silence_if_it_is_told_to() -> None:
    script, call = telephone({"/voice": '<Gather action="/next" actionOnEmptyResult="true"/>'})
    call.wait()
    assert script.form("/next").get("Digits", "") == ""


@row
def gather_without_an_action_asks_its_own_document() -> None:
    script, call = telephone({"/voice": ["<Gather/>", "<Hangup/>"]})
    call.press("1#")
    assert script.paths()[:2] == ["/voice", "/voice"]


@row
def gather_waits_five_seconds_after_what_it_says() -> None:
    _, call = telephone({"/voice": '<Gather action="/next"><Pause length="7"/></Gather>'})
    call.wait()
    assert passed(call) == 12


@row
def a_key_stops_what_gather_says() -> None:
    _, call = telephone({"/voice": f'<Gather action="/next"><Say>{"parola " * 40}</Say></Gather>'})
    call.press("1#", after=2)
    assert passed(call) < 5
    assert call.heard()[0].endswith(" …")


@row
def gather_nests_say_play_and_pause_only() -> None:
    assert not refused("<Gather><Say>a</Say><Play>/a</Play><Pause/></Gather>")
    assert refused("<Gather><Hangup/></Gather>")


# -- Dial --------------------------------------------------------------------------------------------


@row
def dial_rings_its_timeout_and_five_seconds() -> None:
    _, call = telephone({"/voice": f'<Dial timeout="20">{NUMBER}</Dial>'})
    call.wait()
    assert passed(call) == 25


@row
def dial_rings_thirty_seconds_unless_told() -> None:
    _, call = telephone({"/voice": f"<Dial>{NUMBER}</Dial>"})
    call.wait()
    assert passed(call) == 35
    assert refused(f'<Dial timeout="4">{NUMBER}</Dial>')
    assert refused(f'<Dial timeout="601">{NUMBER}</Dial>')


@row
def dial_with_an_action_gives_the_call_away() -> None:
    script, call = telephone({"/voice": f'<Dial action="/done">{NUMBER}</Dial><Redirect>/never</Redirect>'})
    call.wait()
    assert "/never" not in script.paths()
    assert script.form("/done")["DialCallStatus"] == "no-answer"


@row
def dial_without_an_action_goes_on() -> None:
    script, call = telephone({"/voice": f"<Dial>{NUMBER}</Dial><Redirect>/after</Redirect>"})
    call.wait()
    assert script.paths()[1] == "/after"


@row
def dial_says_how_it_went() -> None:
    acts = {
        "completed": lambda leg: (leg.answer(), leg.talk(60)),
        "busy": lambda leg: leg.busy(),
        "no-answer": lambda leg: leg.no_answer(),
        "failed": lambda leg: leg.fail(),
    }
    for status, act in acts.items():
        script, call = telephone({"/voice": f'<Dial action="/done">{NUMBER}</Dial>'})
        act(call.ringing[0])
        told = script.form("/done")
        assert told["DialCallStatus"] == status
        assert told["DialBridged"] == ("true" if status == "completed" else "false")
        assert re.fullmatch("CA[0-9a-f]{32}", told["DialCallSid"])
        assert told.get("DialCallDuration") == ("60" if status == "completed" else None)


@row
def the_first_to_pick_up_wins() -> None:
    _, call = telephone({"/voice": f'<Dial action="/done">{BOTH}</Dial>'})
    first, second = call.ringing
    second.answer()
    assert (first.state, second.state) == ("ended", "bridged")
    assert kinds(call, Missed)[0].why == "canceled"


@row
def sequential_rings_one_after_the_other() -> None:
    _, call = telephone({"/voice": f'<Dial action="/done" sequential="true">{BOTH}</Dial>'})
    call.ringing[0].no_answer()
    assert [event.phone for event in kinds(call, Rang)] == [ANNA, BRUNO]


@row
def ten_numbers_at_most() -> None:
    assert not refused(f"<Dial>{NUMBER * 10}</Dial>")
    assert refused(f"<Dial>{NUMBER * 11}</Dial>")


@row
def answer_on_bridge_lets_the_call_ring_if_dial_comes_first() -> None:
    script, call = telephone({"/voice": ON_BRIDGE})
    call.ringing[0].no_answer()
    assert script.form("/done")["CallStatus"] == "ringing"


@row
def answer_on_bridge_comes_too_late_after_a_word() -> None:
    script, call = telephone({"/voice": "<Say>a</Say>" + ON_BRIDGE})
    call.ringing[0].no_answer()
    assert script.form("/done")["CallStatus"] == "in-progress"


@row
def caller_id_is_of_the_call_or_ours() -> None:
    for shown, code in ((TRENTO, None), (MARIO, None), (BRUNO, 13214)):
        _, call = telephone({"/voice": f'<Dial callerId="{shown}">{NUMBER}</Dial>'})
        assert codes(call) == ([code] if code else [])


@row
def the_caller_ends_the_talk_by_star() -> None:
    script, call = telephone({"/voice": f'<Dial action="/done" hangupOnStar="true">{NUMBER}</Dial>'})
    call.ringing[0].answer()
    call.press("*")
    assert script.form("/done")["DialCallStatus"] == "completed"


@row
def no_other_key_reaches_us_while_dial_lasts() -> None:
    script, call = telephone({"/voice": f'<Dial action="/done">{NUMBER}</Dial>'})
    call.press("1*")
    assert call.state == "ringing"
    assert script.paths() == ["/voice"]


@row
def a_talk_is_cut_at_the_time_limit() -> None:
    script, call = telephone({"/voice": f'<Dial action="/done" timeLimit="120">{NUMBER}</Dial>'})
    call.ringing[0].answer()
    call.leg.talk(600)
    assert script.form("/done")["DialCallDuration"] == "120"


# -- what a called party hears first -----------------------------------------------------------------


@row
def a_whisper_is_a_call_of_its_own() -> None:
    script, call = telephone({"/voice": WHISPERED, "/whisper": "<Say>a</Say>"})
    assert script.paths() == ["/voice"]
    call.ringing[0].answer()
    form = script.form("/whisper")
    assert (form["ParentCallSid"], form["Direction"], form["To"]) == (call.sid, "outbound-dial", ANNA)
    assert form["CallSid"] != call.sid


@row
def a_whisper_that_ends_connects() -> None:
    _, call = telephone({"/voice": WHISPERED, "/whisper": "<Say>a</Say>"})
    call.ringing[0].answer()
    assert call.state == "bridged"
    assert [event.text for event in kinds(call, Heard)] == ["a"]


@row
def a_whisper_that_hangs_up_declines() -> None:
    script, call = telephone({"/voice": WHISPERED, "/whisper": "<Say>a</Say><Hangup/>"})
    call.ringing[0].answer()
    assert script.form("/done")["DialBridged"] == "false"


@row
def a_whisper_knows_four_verbs() -> None:
    for verb in ("<Say>a</Say>", "<Play>/a</Play>", "<Gather/>", "<Hangup/>"):
        assert not refused(verb, whisper=True)
    for verb in ("<Pause/>", "<Record/>", "<Redirect>/a</Redirect>", f"<Dial>{ANNA}</Dial>", "<Reject/>"):
        assert refused(verb, whisper=True)


# -- Record ------------------------------------------------------------------------------------------


@row
def record_asks_its_action() -> None:
    script, call = telephone({"/voice": '<Record action="/done" finishOnKey="#"/><Redirect>/no</Redirect>'})
    call.speak(7, then="#")
    told = script.form("/done")
    assert (told["RecordingDuration"], told["Digits"]) == ("7", "#")
    assert told["RecordingUrl"].startswith("https://")
    assert "/no" not in script.paths()


@row
def record_tells_a_caller_who_hung_up() -> None:
    script, call = telephone({"/voice": '<Record action="/done"/>'})
    call.speak(7)
    assert (script.form("/done")["Digits"], script.form("/done")["CallStatus"]) == ("hangup", "completed")


@row
def record_ends_after_five_seconds_of_silence() -> None:
    script, call = telephone({"/voice": '<Record action="/done"/>'})
    call.speak(7, then="silence")
    assert passed(call) == 12
    assert "Digits" not in script.form("/done")


@row
def record_ends_at_its_limit() -> None:
    script, call = telephone({"/voice": '<Record action="/done" maxLength="30"/>'})
    call.speak(100, then="silence")
    assert script.form("/done")["RecordingDuration"] == "30"


@row
def record_tells_its_status_callback() -> None:
    script, call = telephone({"/voice": '<Record action="/done" recordingStatusCallback="/ready"/>'})
    call.speak(7, then="#")
    told = script.form("/ready")
    assert (told["RecordingStatus"], told["RecordingSource"]) == ("completed", "RecordVerb")
    assert (told["CallSid"], told["RecordingDuration"]) == (call.sid, "7")


# -- documents ---------------------------------------------------------------------------------------


@row
def redirect_gives_the_call_away() -> None:
    script, _ = telephone({"/voice": "<Redirect>/after</Redirect><Redirect>/never</Redirect>"})
    assert script.paths()[:2] == ["/voice", "/after"]
    assert "/never" not in script.paths()


@row
def the_call_ends_with_its_document() -> None:
    script, call = telephone({"/voice": "<Say>a</Say>"})
    assert call.state == "ended"
    assert script.form("/voice/status")["CallStatus"] == "completed"


@row
def reject_leaves_the_call_unanswered() -> None:
    for reason, status in (("rejected", "no-answer"), ("busy", "busy")):
        script, _ = telephone({"/voice": f'<Reject reason="{reason}"/><Say>never</Say>'})
        told = script.form("/voice/status")
        assert told["CallStatus"] == status
        assert "CallDuration" not in told


@row
def hangup_answers_and_ends() -> None:
    script, call = telephone({"/voice": "<Hangup/><Say>never</Say>"})
    assert script.form("/voice/status")["CallStatus"] == "completed"
    assert call.heard() == []


@row
def a_pause_that_comes_first_does_not_answer() -> None:
    script, call = telephone({"/voice": f'<Pause length="3"/>{ON_BRIDGE}'})
    assert passed(call) == 3
    call.ringing[0].no_answer()
    assert script.form("/done")["CallStatus"] == "ringing"


@row
def say_is_repeated() -> None:
    _, once = telephone({"/voice": "<Say>quattordici car</Say>"})
    _, thrice = telephone({"/voice": '<Say loop="3">quattordici car</Say>'})
    assert passed(thrice) == pytest.approx(3 * passed(once))


@row
def a_failing_address_leads_to_the_fallback() -> None:
    script, call = telephone({"/voice": Response("", 500), "/voice/fallback": "<Say>a</Say>"})
    told = script.form("/voice/fallback")
    assert (told["ErrorCode"], told["ErrorUrl"]) == ("11200", "https://ivr.example.net/voice")
    assert call.heard() == ["a"]


@row
def a_document_has_64_kb_at_most() -> None:
    _, call = telephone({"/voice": "<Pause/>" * 9000, "/voice/fallback": "<Hangup/>"})
    assert codes(call) == [11750]


@row
def names_are_case_sensitive() -> None:
    assert refused("<say>a</say>")
    assert refused('<Gather numdigits="1"/>')


@row
def plain_text_is_no_document() -> None:
    page = Response("<Response><Hangup/></Response>", content_type="text/plain")
    _, call = telephone({"/voice": page, "/voice/fallback": "<Hangup/>"})
    assert codes(call) == [12300]


@row
def a_say_has_its_limit() -> None:
    for voice, most in (("man", 4096), ("Polly.Bianca", 3000), ("Google.it-IT-Neural2-A", 5000)):
        for length, wrong in ((most, False), (most + 1, True)):
            assert refused(f'<Say voice="{voice}" language="it-IT">{"a" * length}</Say>') is wrong


@row
def too_many_redirects_are_an_error() -> None:
    _, call = telephone({"/voice": "<Redirect>/voice</Redirect>", "/voice/fallback": "<Hangup/>"})
    assert codes(call) == [11215]


# -- requests ----------------------------------------------------------------------------------------


@row
def every_request_says_whose_call_it_is() -> None:
    script, call = telephone({"/voice": '<Gather action="/next" numDigits="1"/>'})
    call.press("1")
    for path in ("/voice", "/next"):
        form = script.form(path)
        assert (form["CallSid"], form["From"], form["To"]) == (call.sid, MARIO, TRENTO)
        assert (form["Direction"], form["ApiVersion"]) == ("inbound", "2010-04-01")
        assert form["AccountSid"] == "AC" + "0" * 32
    assert [script.form(path)["CallStatus"] for path in ("/voice", "/next")] == ["ringing", "in-progress"]


@row
def the_end_of_a_call_is_told_once() -> None:
    script, call = telephone({"/voice": '<Pause length="1"/><Say>a</Say><Pause length="30"/>'})
    assert script.paths().count("/voice/status") == 1
    told = script.form("/voice/status")
    assert (told["CallSid"], told["CallDuration"]) == (call.sid, "30")
    assert told["Timestamp"].endswith(("+0000", "GMT"))


@row
def the_steps_of_a_leg_are_told_in_order() -> None:
    events = "initiated ringing answered completed"
    noun = f'<Number statusCallback="/leg" statusCallbackEvent="{events}">{ANNA}</Number>'
    script, call = telephone({"/voice": f'<Dial action="/done">{noun}</Dial>'})
    call.ringing[0].answer()
    call.leg.talk(60)
    told = [form for path, form in script.asked if path == "/leg"]
    assert [form["SequenceNumber"] for form in told] == ["0", "1", "2", "3"]
    assert [form["CallStatus"] for form in told][2:] == ["in-progress", "completed"]
    assert ["CallDuration" in form for form in told] == [False, False, False, True]


@row
def only_the_end_of_a_leg_is_told_unasked() -> None:
    script, call = telephone({"/voice": f'<Dial><Number statusCallback="/leg">{ANNA}</Number></Dial>'})
    call.ringing[0].busy()
    assert [form["CallStatus"] for path, form in script.asked if path == "/leg"] == ["busy"]


@row
def overrides_in_the_fragment_are_neither_sent_nor_signed() -> None:
    """The script believes signed requests only, and signs what it was asked."""
    script, call = telephone({"/voice": '<Gather action="/next?a=1#rc=2&amp;rp=all" numDigits="1"/>'})
    call.press("1")
    assert script.paths()[1] == "/next"
    assert codes(call) == []


@row
def the_telephone_only_posts() -> None:
    _, call = telephone({"/voice": '<Redirect method="GET">/a</Redirect>', "/voice/fallback": "<Hangup/>"})
    assert codes(call) == [11200]


# -- what the program asks for -----------------------------------------------------------------------


@row
def a_placed_call_asks_its_address_when_it_is_answered() -> None:
    network = Network({"/out/0": "<Say>a</Say>"})
    placed = network.place()
    assert network.script.paths() == []
    placed.answer()
    form = network.script.form("/out/0")
    assert (form["Direction"], form["CallStatus"], form["To"]) == ("outbound-api", "in-progress", ANNA)


@row
def a_placed_call_rings_its_timeout_and_five_seconds() -> None:
    network = Network({})
    network.place().no_answer()
    assert network.passed() == CALL.rings
    assert network.script.form("/out/status")["CallStatus"] == "no-answer"


@row
def a_placed_call_that_is_canceled_was_not_answered() -> None:
    network = Network({"/out/0": '<Gather action="/key"/>'})
    placed = network.place()
    placed.end("canceled")
    assert placed.status == "canceled"
    with pytest.raises(OutOfTurn):
        placed.answer()


@row
def a_text_is_told_of_step_by_step() -> None:
    network = Network({})
    network.texts.send(TEXT)
    network.exchange.settle()
    told = [form["MessageStatus"] for path, form in network.script.asked if path == "/receipt"]
    assert told == ["sent", "delivered"]


@row
def a_text_has_1600_characters_at_most() -> None:
    network = Network({})
    form = {"To": TEXT.to, "From": TEXT.sender}
    answered = {
        length: network.exchange.rest.request(
            "POST", f"{network.exchange.api}/Messages.json", data={**form, "Body": "a" * length}, auth=OURS
        )
        for length in (1600, 1601)
    }
    assert answered[1600].status_code == 201
    assert "21617" in answered[1601].text


@pytest.mark.parametrize("name", ROWS)
def test_the_telephone_does_as_the_page_says(name: str) -> None:
    ROWS[name]()


def test_every_row_of_the_page_has_its_test_and_the_other_way_round() -> None:
    named = re.findall(r"^\| `([a-z0-9]+-[a-z0-9-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert named == list(ROWS)

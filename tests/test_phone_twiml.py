"""What counts as TwiML, against the words of Twilio's documentation."""

import pytest

from console.phone.document import NotTwiml, read_twiml

XML = "text/xml; charset=utf-8"

GOOD = {
    "an empty Response": "",
    "Say with SSML": '<Say voice="Polly.Bianca-Neural" language="it-IT">Codice'
    ' <say-as interpret-as="characters">4712</say-as><break time="500ms"/></Say>',
    "Gather nests Say, Play and Pause": '<Gather numDigits="1" actionOnEmptyResult="true">'
    "<Say>a</Say><Play>/a.mp3</Play><Pause/></Gather>",
    "finishOnKey may be empty": '<Gather finishOnKey=""/>',
    "ten Numbers at once": f"<Dial>{'<Number>+390461825060</Number>' * 10}</Dial>",
    "a bare number": "<Dial>+390461825060</Dial>",
    "ringTone it": '<Dial answerOnBridge="true" ringTone="it" timeout="20">'
    "<Sip>sip:anna@pbx.example.net</Sip></Dial>",
    "several events": '<Dial><Number statusCallbackEvent="initiated ringing answered completed" '
    'statusCallback="https://ivr.example.net/x?a=1&amp;b=2">+390461825060</Number></Dial>',
    "Record": '<Record maxLength="120" playBeep="true" finishOnKey="#" recordingStatusCallback="/r"/>',
    "Redirect": '<Redirect method="POST">../voice?turn=2</Redirect>',
    "Play digits": '<Play digits="ww1"/>',
    "Reject": '<Reject reason="busy"/>',
}

BAD = {
    "unknown verb": ("<Speak>a</Speak>", "<Speak>"),
    "a known verb of which an after-hours line has no use": ("<Dial><Queue>a</Queue></Dial>", "<Queue>"),
    "unknown attribute": ('<Say bogus_attr="3">a</Say>', "bogus_attr"),
    "attribute in Python's spelling": ('<Gather num_digits="1"/>', "num_digits"),
    "value not in the list": ('<Reject reason="no"/>', "reason"),
    "timeout below 5": ('<Dial timeout="4">+390461825060</Dial>', "timeout"),
    "timeout above 600": ('<Dial timeout="601">+390461825060</Dial>', "timeout"),
    "a number in other digits": ('<Gather numDigits="²"/>', "numDigits"),
    "boolean in Python's spelling": ('<Gather actionOnEmptyResult="True"/>', "actionOnEmptyResult"),
    "unknown ring tone": ('<Dial ringTone="italy">+390461825060</Dial>', "ringTone"),
    "unknown event": (
        '<Dial><Number statusCallbackEvent="done">+390461825060</Number></Dial>',
        "statusCallbackEvent",
    ),
    "Gather nests only Say, Play and Pause": (
        "<Gather><Hangup/></Gather>",
        "<Hangup> is not allowed in <Gather>",
    ),
    "Say outside its place": ("<Dial><Say>a</Say></Dial>", "<Say> is not allowed in <Dial>"),
    "text in a verb without text": ("<Hangup>now</Hangup>", "<Hangup> holds text"),
    "text between verbs": ("hello<Hangup/>", "<Response> holds text"),
    "a number followed by tones": ("<Dial><Number>+390461825060,,1</Number></Dial>", "E.164"),
    "a number without its country": ("<Dial>0461825060</Dial>", "E.164"),
    "eleven Numbers": (f"<Dial>{'<Number>+390461825060</Number>' * 11}</Dial>", "11 parties"),
    "a Dial of nobody": ("<Dial/>", "<Dial>"),
    "another scheme": ("<Play>file:///etc/passwd</Play>", "<Play>"),
    "an address without its scheme": ('<Gather action="//evil.example"/>', "action"),
    "a misspelt Italian voice": ('<Say voice="Polly.Blanca" language="it-IT">a</Say>', "Polly.Blanca"),
    "a voice of another language": (
        '<Say voice="Google.de-DE-Neural2-A" language="it-IT">a</Say>',
        "does not speak it-IT",
    ),
    "Say of nothing": ("<Say> </Say>", "says nothing"),
}


def document(inside: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inside}</Response>'.encode()


@pytest.mark.parametrize("inside", GOOD.values(), ids=GOOD.keys())
def test_documented_twiml_is_read(inside: str) -> None:
    read_twiml(document(inside), XML)


@pytest.mark.parametrize(("inside", "named"), BAD.values(), ids=BAD.keys())
def test_anything_else_is_refused_by_name(inside: str, named: str) -> None:
    with pytest.raises(NotTwiml) as refusal:
        read_twiml(document(inside), XML)
    assert named in str(refusal.value)


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (document(""), "text/plain", 12300),
        (document(""), "", 12300),
        (document("<Say>" + "a" * 70_000 + "</Say>"), XML, 11750),
        (document('<Say voice="Polly.Bianca">' + "a" * 3001 + "</Say>"), XML, 13521),
        (document("<Say>" + "a" * 4097 + "</Say>"), XML, 13521),
        (b"", XML, 12100),
        (b"<Response>", XML, 12100),
        (b'<!DOCTYPE Response [<!ENTITY a "b">]><Response><Say>&a;</Say></Response>', XML, 12100),
        (b"<?php x?><Response/>", XML, 12100),
        (document("<Say>a\x01</Say>"), XML, 12100),
        ("<Response><Say>è</Say></Response>".encode("latin-1"), XML, 12100),
        (b"<response/>", XML, 12200),
    ],
)
def test_each_refusal_has_its_code(body: bytes, kind: str, code: int) -> None:
    with pytest.raises(NotTwiml) as refusal:
        read_twiml(body, kind)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "verb", ["<Dial>+390461825060</Dial>", "<Record/>", "<Redirect>/a</Redirect>", "<Reject/>", "<Pause/>"]
)
def test_a_whisper_only_speaks_asks_and_hangs_up(verb: str) -> None:
    with pytest.raises(NotTwiml, match="Number url"):
        read_twiml(document(verb), XML, whisper=True)
    read_twiml(document("<Say>a</Say><Gather><Pause/></Gather><Hangup/>"), XML, whisper=True)


def test_ssml_becomes_text() -> None:
    (say,) = read_twiml(
        document('<Say>Codice\n <say-as interpret-as="digits">47</say-as> 12</Say>'), XML
    ).verbs
    assert say.text == "Codice 47 12"

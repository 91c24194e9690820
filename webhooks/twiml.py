"""An answer as TwiML: a pure function of the stored answer. Beside it stand_in.js alone knows verbs."""

from __future__ import annotations

from ivr.answer import HANG_UP, Answer, Dial, Gather, HangUp, Record, Say, Sound, Target
from ivr.prompts import Speech
from webhooks.markup import document, element, escaped

CONTENT_TYPE = "text/xml; charset=utf-8"
# Twilio lets a phone ring 5 s longer than it is told, and at least 5 s.
RING_BUFFER = 5


def for_caller(answer: Answer) -> str:
    """The document for a caller's call."""
    return _render(answer, leg=False)


def for_technician(answer: Answer) -> str:
    """The document for a technician's leg: Twilio connects him when it ends without a Hangup."""
    return _render(answer, leg=True)


def for_text(answer: str) -> str:
    """The document for a text message that came in; "" answers nothing."""
    return document("Response", element("Message", escaped(answer)) if answer else "")


def _render(answer: Answer, *, leg: bool) -> str:
    verbs: list[str] = []
    for part in answer.parts:
        match part:
            case Say(speech):
                verbs.append(_say(speech))
            case Gather(action):
                verbs.append(_gather(part))
                # Should a Gather ever fall through all the same: nobody is connected by that, and no
                # caller is dropped.
                verbs.append(_HANG_UP if leg else _redirect(action))
            case Dial():
                verbs.append(_dial(part))
            case Record(action):
                verbs.append(_record(part))
                # An empty recording falls through: that is a message of no seconds.
                verbs.append(_redirect(action))
            case HangUp():
                verbs.append(_HANG_UP)
    return document("Response", "".join(verbs))


def _gather(gather: Gather) -> str:
    prompts = [
        element("Play", escaped(prompt.address)) if isinstance(prompt, Sound) else _say(prompt)
        for prompt in gather.prompts
    ]
    return element(
        "Gather",
        "".join(prompts),
        input="dtmf",
        action=gather.action,
        method="POST",
        timeout=gather.timeout,
        numDigits=gather.digits,
        finishOnKey=gather.finish,
        # Silence comes through the same door as a key.
        actionOnEmptyResult="true",
    )


def _dial(dial: Dial) -> str:
    return element(
        "Dial",
        "".join([_target(target) for target in dial.targets]),
        action=dial.action,
        method="POST",
        timeout=max(dial.rings - RING_BUFFER, 5),
        callerId=dial.caller_id,
        # Only so is the caller documented to hear ringing while the technician hears his whisper.
        answerOnBridge="true",
        ringTone="it",
    )


def _target(target: Target) -> str:
    kind = "Sip" if target.address.startswith("sip:") else "Number"
    if target.whisper:
        return element(kind, escaped(target.address), url=target.whisper, method="POST")
    return element(kind, escaped(target.address))


def _record(record: Record) -> str:
    return element(
        "Record",
        action=record.action,
        method="POST",
        maxLength=record.limit,
        timeout=record.silence,
        finishOnKey="#",
        playBeep="true",
        recordingStatusCallback=record.callback,
        recordingStatusCallbackMethod="POST",
        recordingStatusCallbackEvent="completed absent",
    )


def _say(speech: Speech) -> str:
    if speech.recording:
        return element("Play", escaped(speech.recording))
    # Twilio's own default is an English voice: both are always given.
    return element("Say", escaped(speech.text), voice=speech.voice, language=speech.language)


def _redirect(address: str) -> str:
    return element("Redirect", escaped(address), method="POST")


_HANG_UP = element("Hangup")
HANG_UP_DOCUMENT = for_technician(HANG_UP)

"""An answer as Twilio's own library for Python writes it: another opinion of webhooks/twiml.py."""

from __future__ import annotations

from twilio.twiml.messaging_response import MessagingResponse
from twilio.twiml.voice_response import Dial as DialVerb
from twilio.twiml.voice_response import Gather as GatherVerb
from twilio.twiml.voice_response import VoiceResponse

from ivr.answer import Answer, Dial, Gather, HangUp, Record, Say, Sound
from ivr.prompts import Speech

# Twilio lets a phone ring 5 s longer than it is told, and at least 5 s.
RING_BUFFER = 5


def for_caller(answer: Answer) -> str:
    """The document for a caller's call."""
    return _render(answer, leg=False)


def for_technician(answer: Answer) -> str:
    """The document for a technician's leg: Twilio connects him when it ends without a Hangup."""
    return _render(answer, leg=True)


def _render(answer: Answer, *, leg: bool) -> str:
    response = VoiceResponse()
    for part in answer.parts:
        match part:
            case Say(speech):
                _say(response, speech)
            case Gather(action, prompts, timeout, digits, finish):
                gather = response.gather(
                    input="dtmf",
                    action=action,
                    method="POST",
                    timeout=timeout,
                    num_digits=digits,
                    finish_on_key=finish,
                    # Silence comes through the same door as a key.
                    action_on_empty_result=True,
                )
                for prompt in prompts:
                    if isinstance(prompt, Sound):
                        gather.play(prompt.address)
                    else:
                        _say(gather, prompt)
                # Should a Gather ever fall through all the same: nobody is connected by that, and no
                # caller is dropped.
                if leg:
                    response.hangup()
                else:
                    response.redirect(action, method="POST")
            case Dial():
                _dial(response, part)
            case Record(action, callback, limit, silence):
                response.record(
                    action=action,
                    method="POST",
                    max_length=limit,
                    timeout=silence,
                    finish_on_key="#",
                    play_beep=True,
                    recording_status_callback=callback,
                    recording_status_callback_method="POST",
                    recording_status_callback_event="completed absent",
                )
                # An empty recording falls through: that is a message of no seconds.
                response.redirect(action, method="POST")
            case HangUp():
                response.hangup()
    return str(response)


def _dial(response: VoiceResponse, dial: Dial) -> None:
    verb: DialVerb = response.dial(
        action=dial.action,
        method="POST",
        timeout=max(dial.rings - RING_BUFFER, 5),
        caller_id=dial.caller_id,
        # Only so is the caller documented to hear ringing while the technician hears his whisper.
        answer_on_bridge=True,
        ring_tone="it",
    )
    for target in dial.targets:
        whisper = {"url": target.whisper, "method": "POST"} if target.whisper else {}
        if target.address.startswith("sip:"):
            verb.sip(target.address, **whisper)
        else:
            verb.number(target.address, **whisper)


def _say(verb: VoiceResponse | GatherVerb, speech: Speech) -> None:
    if speech.recording:
        verb.play(speech.recording)
        return
    # Twilio's own default is an English voice: both are always given.
    verb.say(speech.text, voice=speech.voice, language=speech.language)


def for_text(answer: str) -> str:
    """The document for a text message that came in."""
    response = MessagingResponse()
    if answer:
        response.message(answer)
    return str(response)

"""TwiML as Twilio's documentation has it: elements, attributes, values, nesting, limits, each with its page.

A second opinion beside console/phone/verbs.py: written from the pages alone, without looking there. What a
document of ours does not use is left out (Conference, Queue, speech), and is then an unknown attribute.
test_attributes.py holds the names against two libraries that Twilio generates from its own description.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

VOICE = "https://www.twilio.com/docs/voice/twiml"
MESSAGING = "https://www.twilio.com/docs/messaging/twiml"
ERRORS = "https://www.twilio.com/docs/api/errors"

Check = Callable[[str], bool]


@dataclass(frozen=True)
class Element:
    """`page` is where all of it stands. `text` checks the element's own text; None: it has none."""

    page: str
    attributes: dict[str, Check] = field(default_factory=dict)
    inside: frozenset[str] = frozenset()
    text: Check | None = None


def among(*values: str) -> Check:
    return frozenset(values).__contains__


def several(*values: str) -> Check:
    """One or more of them, with a space between two."""
    return lambda value: bool(value.split()) and set(value.split(" ")) <= set(values)


def number(least: int, most: int = 10**9) -> Check:
    return lambda value: re.fullmatch(r"[0-9]{1,9}", value) is not None and least <= int(value) <= most


def form(pattern: str) -> Check:
    return lambda value: re.fullmatch(pattern, value) is not None


def anything(_: str) -> bool:
    return True


YES_NO = among("true", "false")
METHOD = among("GET", "POST")
ADDRESS = form(r"\S+")  # relative or absolute
EVENTS = several("initiated", "ringing", "answered", "completed")
RECORDING_EVENTS = several("in-progress", "completed", "absent")
E164 = form(r"\+[1-9][0-9]{6,14}")
_TONES = """at au bg br be ch cl cn cz de dk ee es fi fr gr hu il in it lt jp mx my nl no nz ph pl pt ru se sg
th uk us us-old tw ve za"""
RING_TONES = among(*_TONES.split())

_CALLED = {
    "url": ADDRESS,
    "method": METHOD,
    "statusCallbackEvent": EVENTS,
    "statusCallback": ADDRESS,
    "statusCallbackMethod": METHOD,
    "machineDetection": among("Enable", "DetectMessageEnd"),
    "machineDetectionTimeout": number(3, 60),
    "machineDetectionSpeechThreshold": number(1000, 6000),
    "machineDetectionSpeechEndThreshold": number(500, 5000),
    "machineDetectionSilenceTimeout": number(2000, 10000),
    "amdStatusCallback": ADDRESS,
    "amdStatusCallbackMethod": METHOD,
}
_RECORDING = {
    "recordingStatusCallback": ADDRESS,
    "recordingStatusCallbackMethod": METHOD,
    "recordingStatusCallbackEvent": RECORDING_EVENTS,
    "recordingConfigurationId": anything,
    "trim": among("trim-silence", "do-not-trim"),
}

VERBS = frozenset({"Say", "Play", "Pause", "Gather", "Dial", "Record", "Redirect", "Hangup", "Reject"})

TABLE: dict[str, Element] = {
    "Response": Element(VOICE, inside=VERBS),
    "Say": Element(
        f"{VOICE}/say",
        {
            "voice": form(
                r"man|woman|Polly\.[A-Z][a-z]+(?:-Neural|-Generative)?|Google\.[a-z]{2,3}-[A-Z]{2}-\S+"
            ),
            "language": form(r"[a-z]{2,3}-[A-Z]{2}"),
            "loop": number(0),
        },
        text=anything,
    ),
    "Play": Element(
        f"{VOICE}/play", {"loop": number(0), "digits": form(r"[0-9A-DWw#*]+")}, text=form(r"\S*")
    ),
    "Pause": Element(f"{VOICE}/pause", {"length": number(1)}),
    "Gather": Element(
        f"{VOICE}/gather",
        {
            "action": ADDRESS,
            "actionOnEmptyResult": YES_NO,
            "finishOnKey": form(r"[0-9#*]?"),
            "input": among("dtmf", "speech", "dtmf speech"),
            "method": METHOD,
            "numDigits": number(1),
            "timeout": lambda value: value == "auto" or number(1)(value),
        },
        inside=frozenset({"Say", "Play", "Pause"}),
    ),
    "Dial": Element(
        f"{VOICE}/dial",
        {
            "action": ADDRESS,
            "answerOnBridge": YES_NO,
            "callerId": form(r"\S+"),
            "callReason": form(r".{1,50}"),
            "hangupOnStar": YES_NO,
            "method": METHOD,
            "record": among(
                *("do-not-record", "record-from-answer", "record-from-ringing", "true", "false"),
                *("record-from-answer-dual", "record-from-ringing-dual"),
            ),
            "recordingTrack": among("inbound", "outbound", "both"),
            "referUrl": ADDRESS,
            "referMethod": METHOD,
            "ringTone": RING_TONES,
            "sequential": YES_NO,
            "timeLimit": number(1, 14400),
            "timeout": number(5, 600),
            **_RECORDING,
        },
        inside=frozenset({"Number", "Sip"}),
        text=lambda value: not value or E164(value),
    ),
    "Number": Element(
        f"{VOICE}/number",
        {**_CALLED, "sendDigits": form(r"[0-9A-DWw#*]+"), "byoc": form(r"BY[0-9a-f]{32}")},
        text=E164,
    ),
    "Sip": Element(
        f"{VOICE}/sip",
        {**_CALLED, "username": anything, "password": anything},
        text=form(r"sips?:[^\s@]+@\S+"),
    ),
    "Record": Element(
        f"{VOICE}/record",
        {
            "action": ADDRESS,
            "method": METHOD,
            "timeout": number(0),
            "finishOnKey": form(r"[0-9#*]+"),
            "maxLength": number(2, 14400),
            "playBeep": YES_NO,
            "transcribe": YES_NO,
            "transcribeCallback": ADDRESS,
            **_RECORDING,
        },
    ),
    "Redirect": Element(f"{VOICE}/redirect", {"method": METHOD}, text=form(r"\S+")),
    "Hangup": Element(f"{VOICE}/hangup"),
    "Reject": Element(f"{VOICE}/reject", {"reason": among("rejected", "busy")}),
}

MESSAGE_TABLE: dict[str, Element] = {
    "Response": Element(MESSAGING, inside=frozenset({"Message"})),
    "Message": Element(f"{MESSAGING}/message", text=lambda value: 0 < len(value) <= 1600),
}

# Number, url: Say and Play, and to decline Gather and Hangup; "does not support any other TwiML verbs".
IN_A_WHISPER = frozenset({"Say", "Play", "Gather", "Hangup"})
# What follows one of these is never reached: its page says so.
UNREACHABLE_AFTER = frozenset({"Redirect", "Reject", "Hangup", "Record"})

# What may follow # in an address, joined by &: it is for Twilio, and neither sent nor signed.
# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
OVERRIDES = form(
    r"(?:(?:^|&)(?:ct=[0-9]{3,5}|rt=[0-9]{3,5}|tt=[0-9]{3,5}|rc=[0-5]|e=[a-z0-9-]+(?:,[a-z0-9-]+)*|sni=[yn]"
    r"|rp=(?:4xx|5xx|ct|rt|all)(?:,(?:4xx|5xx|ct|rt|all))*))+"
)

LARGEST = 64 * 1024  # bytes: ERRORS/11750
MOST_NOUNS = 10  # VOICE/number
LONGEST_ENCODED = 4500  # characters of a Say's text as it stands in an address: ERRORS/13521
TYPES = frozenset({"text/xml", "application/xml", "text/html"})  # VOICE#twilio-understands-mime-types


def longest_say(voice: str) -> int:
    """UTF-8 bytes that one Say may hold: ERRORS/13521."""
    kind = voice.partition(".")[0]
    return {"Polly": 3000, "Google": 5000}.get(kind, 4096)

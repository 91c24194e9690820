"""The TwiML this telephone understands, as a table: elements, attributes, values, nesting.

Source: Twilio's reference pages for TwiML Voice, one per element (docs.twilio.com, "TwiML for
Programmable Voice"). Elements that an after-hours line has no use for (Conference, Queue, Connect …)
are left out on purpose: here they count as unknown.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Values:
    """What an attribute or a text may be. `expected` completes the sentence "expected …"."""

    expected: str
    accepts: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One element: its attributes, the elements that may stand in it, and its text (None: no text)."""

    attributes: Mapping[str, Values] = field(default_factory=dict)
    children: frozenset[str] = frozenset()
    text: Values | None = None


def one_of(*words: str) -> Values:
    return Values(" or ".join(words), lambda value: value in words)


def some_of(*words: str) -> Values:
    """A list separated by spaces, as statusCallbackEvent is."""
    return Values(
        "a list of " + ", ".join(words),
        lambda value: bool(value.split()) and set(value.split()) <= set(words),
    )


def whole(low: int, high: int | None = None, *, or_word: str | None = None) -> Values:
    """A whole number from `low` to `high`, both included; `or_word` is allowed as well."""
    span = f"a whole number from {low}" + (f" to {high}" if high is not None else " on")

    def accepts(value: str) -> bool:
        if value == or_word:
            return True
        return (
            bool(re.fullmatch(r"[0-9]{1,9}", value)) and low <= int(value) and int(value) <= (high or 10**9)
        )

    return Values(span + (f", or {or_word}" if or_word else ""), accepts)


def matching(pattern: str, expected: str) -> Values:
    return Values(expected, lambda value: re.fullmatch(pattern, value) is not None)


BOOLEAN = one_of("true", "false")
METHOD = one_of("GET", "POST")
TEXT = Values("text", lambda value: True)
ADDRESS = matching(
    r"(?!//)(?:(?i:https?)://[^\s/?#]+[^\s]*|(?![A-Za-z][A-Za-z0-9+.-]*:)[^\s]+)",
    "an http(s) or relative address without spaces",
)
LANGUAGE = matching(r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-[A-Z]{2}|-[0-9]{3})?", "a language tag such as it-IT")
VOICE = matching(
    r"man|woman|alice"
    r"|Polly\.[A-Z][A-Za-z]+(?:-Neural|-Generative)?"
    r"|Google\.[a-z]{2,3}-[A-Z]{2}-(?:Standard|Wavenet|Neural2|News|Studio|Polyglot|Chirp3-HD)-[A-Z][a-z]*",
    "man, woman, alice or a Polly.… or Google.… voice",
)
KEYS = matching(r"[0-9*#]*", "keys of a telephone (0-9, *, #)")
# Twilio also reads unformatted numbers, as numbers in the United States. Nobody here means that.
PHONE = matching(r"\+[1-9][0-9]{4,14}", "a number in E.164 form, such as +390461825060")
CALL_EVENTS = some_of("initiated", "ringing", "answered", "completed")
RECORDING_EVENTS = some_of("in-progress", "completed", "absent")

RING_TONE = matching(
    "automatic|at|au|bg|br|be|ch|cl|cn|cz|de|dk|ee|es|fi|fr|gr|hu|il|in|it|lt|jp|mx|my|nl|no|nz|ph|pl|pt"
    "|ru|se|sg|th|uk|us|us-old|tw|ve|za",
    "automatic or a ring tone's country, such as it",
)

ANSWERING_MACHINES = {
    "machineDetection": one_of("Enable", "DetectMessageEnd"),
    "machineDetectionTimeout": whole(3, 60),
    "machineDetectionSpeechThreshold": whole(1000, 6000),
    "machineDetectionSpeechEndThreshold": whole(500, 5000),
    "machineDetectionSilenceTimeout": whole(2000, 10000),
    "amdStatusCallback": ADDRESS,
    "amdStatusCallbackMethod": METHOD,
}
CALLED_PARTY = {
    "url": ADDRESS,
    "method": METHOD,
    "statusCallback": ADDRESS,
    "statusCallbackMethod": METHOD,
    "statusCallbackEvent": CALL_EVENTS,
}
RECORDING_CALLBACK = {
    "recordingStatusCallback": ADDRESS,
    "recordingStatusCallbackMethod": METHOD,
    "recordingStatusCallbackEvent": RECORDING_EVENTS,
}

SSML = frozenset({"break", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w"})

RULES: Mapping[str, Rule] = {
    "Response": Rule(
        children=frozenset(
            {"Say", "Play", "Pause", "Gather", "Dial", "Record", "Redirect", "Hangup", "Reject"}
        )
    ),
    "Say": Rule({"voice": VOICE, "language": LANGUAGE, "loop": whole(0)}, SSML, TEXT),
    "Play": Rule({"loop": whole(0), "digits": matching(r"[0-9*#wW]+", "digits, *, # and w")}, text=ADDRESS),
    "Pause": Rule({"length": whole(1)}),
    "Gather": Rule(
        {
            "action": ADDRESS,
            "method": METHOD,
            "timeout": whole(1, or_word="auto"),
            "finishOnKey": matching(r"[0-9*#]?", "one key, or nothing"),
            "numDigits": whole(1),
            "input": one_of("dtmf", "speech", "dtmf speech", "speech dtmf"),
            "actionOnEmptyResult": BOOLEAN,
            "enhanced": BOOLEAN,
            "hints": TEXT,
            "language": LANGUAGE,
            "partialResultCallback": ADDRESS,
            "partialResultCallbackMethod": METHOD,
            "profanityFilter": BOOLEAN,
            "speechModel": TEXT,
            "speechTimeout": whole(1, or_word="auto"),
        },
        frozenset({"Say", "Play", "Pause"}),
    ),
    "Dial": Rule(
        {
            "action": ADDRESS,
            "method": METHOD,
            "timeout": whole(5, 600),
            "timeLimit": whole(1, 14400),
            "callerId": matching(r"\S+", "a number without spaces"),
            "callReason": matching(r".{1,50}", "at most 50 characters"),
            "answerOnBridge": BOOLEAN,
            "hangupOnStar": BOOLEAN,
            "sequential": BOOLEAN,
            "ringTone": RING_TONE,
            "record": one_of(
                "do-not-record",
                "record-from-answer",
                "record-from-ringing",
                "record-from-answer-dual",
                "record-from-ringing-dual",
                "true",
                "false",
            ),
            "recordingTrack": one_of("both", "inbound", "outbound"),
            "referUrl": ADDRESS,
            "referMethod": METHOD,
            "trim": one_of("trim-silence", "do-not-trim"),
            **RECORDING_CALLBACK,
        },
        frozenset({"Number", "Sip", "Client"}),
        PHONE,
    ),
    "Number": Rule(
        {
            **CALLED_PARTY,
            **ANSWERING_MACHINES,
            "sendDigits": matching(r"[0-9*#wW]+", "digits, *, # and w"),
            "byoc": matching(r"BY[0-9a-f]{32}", "the SID of a trunk"),
        },
        text=PHONE,
    ),
    "Sip": Rule(
        {**CALLED_PARTY, **ANSWERING_MACHINES, "username": TEXT, "password": TEXT},
        text=matching(r"(?i:sips?):[^\s@]+@\S+", "a SIP address"),
    ),
    "Client": Rule({**CALLED_PARTY}, text=matching(r"[^\s]{1,121}", "a client's identity")),
    "Record": Rule(
        {
            "action": ADDRESS,
            "method": METHOD,
            "timeout": whole(1),
            "finishOnKey": KEYS,
            "maxLength": whole(2, 14400),
            "playBeep": BOOLEAN,
            "trim": one_of("trim-silence", "do-not-trim"),
            "transcribe": BOOLEAN,
            "transcribeCallback": ADDRESS,
            **RECORDING_CALLBACK,
        }
    ),
    "Redirect": Rule({"method": METHOD}, text=ADDRESS),
    "Hangup": Rule(),
    "Reject": Rule({"reason": one_of("rejected", "busy")}),
    # SSML, the part Twilio documents for <Say>.
    "break": Rule(
        {
            "strength": one_of("none", "x-weak", "weak", "medium", "strong", "x-strong"),
            "time": matching(r"[0-9]+(?:\.[0-9]+)?m?s", "a time such as 500ms or 2s"),
        }
    ),
    "emphasis": Rule({"level": one_of("strong", "moderate", "reduced")}, SSML, TEXT),
    "lang": Rule({"xml:lang": LANGUAGE}, SSML, TEXT),
    "p": Rule({}, SSML, TEXT),
    "phoneme": Rule({"alphabet": one_of("ipa", "x-sampa"), "ph": TEXT}, text=TEXT),
    "prosody": Rule({"rate": TEXT, "pitch": TEXT, "volume": TEXT}, SSML, TEXT),
    "s": Rule({}, SSML, TEXT),
    "say-as": Rule(
        {
            "interpret-as": one_of(
                *("characters", "spell-out", "cardinal", "number", "ordinal", "digits", "fraction"),
                *("unit", "date", "time", "address", "expletive", "telephone"),
            ),
            "format": TEXT,
            "role": TEXT,
        },
        text=TEXT,
    ),
    "sub": Rule({"alias": TEXT}, text=TEXT),
    "w": Rule({"role": TEXT}, text=TEXT),
}

# "Number, url": the document runs on the called party's side before the bridge. These four, and no other
# verb: the page says so.
WHISPER_VERBS = frozenset({"Say", "Play", "Gather", "Hangup"})

ITALIAN_POLLY_VOICES = frozenset(
    f"Polly.{name}"
    for name in ("Bianca", "Bianca-Neural", "Bianca-Generative", "Adriano-Neural", "Carla", "Giorgio")
)


def longest_text(voice: str) -> int:
    """How many characters one Say may hold, in the given voice (error 13521 beyond).

    Twilio: basic voices 4096, Amazon Polly 3000, Google 5000.
    """
    if voice.startswith("Polly."):
        return 3000
    return 5000 if voice.startswith("Google.") else 4096

"""A telephone company in small: it rings a running service over HTTP and does what its TwiML says.

It signs its requests, reads the documents, keys digits, lets menus run out, answers on technicians' phones
and hangs up, as Twilio documents these. Nothing waits: how long a sentence or a ring lasts is not imitated.

    line = Line("127.0.0.1:8080", "https://phone.example.net", account, token)
    call = line.ring("+390461825060")
    call.press(pin + "#")
    call.press("1")
    technician = call.answers()          # the phone that rings is picked up
    technician.press("1")
    call.talks(seconds=95)
"""

import base64
import hashlib
import hmac
import http.client
import math
import re
import secrets
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit
from xml.etree.ElementTree import Element

from conformance.lint import Role, findings, role_of

Fields = Mapping[str, str] | Iterable[tuple[str, str]]

WAIT = 15  # seconds after which Twilio gives a request up
LARGEST = 64 * 1024  # bytes of TwiML
MOST_REDIRECTS = 10
FORM = "application/x-www-form-urlencoded"

VERBS = {"Say", "Play", "Pause", "Gather", "Dial", "Record", "Redirect", "Hangup", "Reject"}
VERBS_ON_WHISPERS = {"Say", "Play", "Gather", "Hangup"}
INSIDE = {"Gather": {"Say", "Play", "Pause"}, "Dial": {"Number", "Sip"}}


class CallError(AssertionError):
    """The service answered something a telephone can't go on with, or the test asked for the impossible."""


def signature(token: str, url: str, fields: Fields = ()) -> str:
    """The value of X-Twilio-Signature: HMAC-SHA1 over the address and the sorted form, in base64.

    Of a repeated name each different value is taken once, in order. The address is without its fragment.
    """
    values: dict[str, set[str]] = {}
    for name, value in pairs(fields):
        values.setdefault(name, set()).add(value)
    text = urldefrag(url).url + "".join(
        name + value for name in sorted(values) for value in sorted(values[name])
    )
    digest = hmac.new(token.encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def pairs(fields: Fields) -> list[tuple[str, str]]:
    return list(fields.items()) if isinstance(fields, Mapping) else list(fields)


def new_sid(kind: str = "CA") -> str:
    return kind + secrets.token_hex(16)


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    kind: str  # the content type
    body: bytes

    @property
    def document(self) -> Element:
        """The TwiML, checked for what Twilio would refuse."""
        text = self.body.decode("utf-8", "replace")
        if self.status != 200:
            raise CallError(f"HTTP {self.status} instead of a document: {text[:300]}")
        if self.kind.split(";")[0].strip() not in ("text/xml", "application/xml"):
            raise CallError(f"not XML but {self.kind}: it would be read aloud or refused")
        if len(self.body) > LARGEST:
            raise CallError(f"{len(self.body)} bytes: Twilio refuses more than 64 kB")
        try:
            root = ElementTree.fromstring(self.body)
        except ElementTree.ParseError as mistake:
            raise CallError(f"not well-formed ({mistake}): {text[:300]}") from None
        if root.tag != "Response":
            raise CallError(f"the document is a {root.tag}")
        for verb in root:
            if verb.tag not in VERBS:
                raise CallError(f"unknown verb {verb.tag}")
            for noun in verb:
                if verb.tag != "Say" and noun.tag not in INSIDE.get(verb.tag, set()):
                    raise CallError(f"{noun.tag} inside {verb.tag}")
        return root

    @property
    def verbs(self) -> list[str]:
        return [verb.tag for verb in self.document]


class Line:
    """The way to one running service: where it listens, the address it is known by, and the account.

    `before_request` is called before each request but the first of a call (a test may break something there).
    `log` keeps every (address, answer). `lints`: what is followed is held against Twilio's documentation.
    """

    lints = True

    def __init__(self, listener: str, public_url: str, account_sid: str, auth_token: str) -> None:
        self.listener = listener
        self.public_url = public_url.rstrip("/")
        self.account_sid = account_sid
        self.auth_token = auth_token
        self.before_request: Callable[[], None] | None = None
        self.log: list[tuple[str, Answer]] = []

    def ring(self, to: str, caller: str | None = "+393471234567", **more: str) -> "Call":
        """Somebody dials `to`; `caller` None leaves out who it is. Returns when there is something to do."""
        call = Call(self, to, caller, more)
        call.follow(self.address("/voice"))
        return call

    def address(self, where: str, here: str | None = None) -> str:
        """The public address of a path, or of an address named in the document that came from `here`."""
        url = urljoin(here or self.public_url + "/", where)
        if not url.startswith(self.public_url + "/"):
            raise CallError(f"{url} is not an address of this service")
        return url

    def send(
        self,
        url: str,
        fields: Fields = (),
        *,
        method: str = "POST",
        sign_as: str | None = None,
        signature_is: str | None = "right",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        kind: str = FORM,
    ) -> Answer:
        """One request for a public address, brought to the listener.

        It is signed over `sign_as` (else over `url`). `signature_is` replaces the signature; None leaves the
        header out. `body` and `kind` replace the form.
        """
        url = urldefrag(url).url
        form = pairs(fields)
        if method == "GET" and form:
            url, form = url + ("&" if "?" in url else "?") + urlencode(form), []
        all_headers = {"Host": urlsplit(self.public_url).netloc, "User-Agent": "TwilioProxy/1.1"}
        if method == "POST":
            all_headers["Content-Type"] = kind
        if signature_is == "right":
            signature_is = signature(self.auth_token, sign_as or url, form)
        if signature_is is not None:
            all_headers["X-Twilio-Signature"] = signature_is
        all_headers.update(headers or {})
        if body is None:
            body = urlencode(form, encoding="utf-8", errors="surrogatepass").encode()

        parts = urlsplit(url)
        target = parts.path + ("?" + parts.query if parts.query else "")
        connection = http.client.HTTPConnection(self.listener, timeout=WAIT)
        try:
            connection.request(method, target, body=body if method == "POST" else None, headers=all_headers)
            reply = connection.getresponse()
            answer = Answer(reply.status, reply.headers.get("Content-Type", ""), reply.read())
        finally:
            connection.close()
        self.log.append((url, answer))
        return answer


class Leg:
    """One end of a conversation: it follows documents until one asks for something.

    `waiting` is then the verb that waits (Gather, Dial, Record), or None once the leg is `over`.
    `heard` is what was said since this person last did something, `transcript` everything.
    """

    allowed = VERBS

    def __init__(self, line: Line) -> None:
        self.line = line
        self.sid = new_sid()
        self.here = ""
        self.over = False
        self.waiting: Element | None = None
        self.heard = ""
        self.transcript: list[str] = []
        self.last: Answer | None = None
        self._verbs: list[Element] = []
        self._keys = ""  # keyed ahead: the next Gather gets them
        self._accepted = False
        self._redirects = 0
        self._requests = 0

    def fields(self) -> dict[str, str]:
        raise NotImplementedError

    # What a person can do -----------------------------------------------------------------------------

    def press(self, keys: str) -> None:
        """Key these at a Gather, then wait. What one Gather doesn't take is left for the next."""
        gather = self._at("Gather")
        self._keys += keys
        finish, most = gather.get("finishOnKey", "#"), int(gather.get("numDigits", "0")) or math.inf
        digits = ""
        while self._keys:
            key, self._keys = self._keys[0], self._keys[1:]
            if key in finish:
                break
            digits += key
            if len(digits) >= most:
                break
        self.submit(digits)

    def waits(self) -> None:
        """Say and key nothing until the Gather or Record gives up."""
        if self._at("Gather", "Record").tag == "Gather":
            self.submit("")
        else:
            self.heard = ""
            self._go_on()

    def submit(self, digits: str) -> None:
        """The end of a Gather with exactly this as `Digits`; an empty one falls through unless it may not."""
        gather = self._at("Gather")
        self.heard = ""
        self._accepted |= digits == "1"
        if digits == "" and gather.get("actionOnEmptyResult", "false").lower() != "true":
            self._go_on()
        else:
            self.follow(self.action, {"Digits": digits}, gather.get("method", "POST"))

    # What documents do --------------------------------------------------------------------------------

    @property
    def action(self) -> str:
        """Where the waiting verb sends what comes of it; without an action, the current address."""
        assert self.waiting is not None
        return self.line.address(self.waiting.get("action") or self.here, self.here)

    @property
    def one_key(self) -> bool:
        """A menu waits for one key."""
        return (
            self.waiting is not None and self.waiting.tag == "Gather" and self.waiting.get("numDigits") == "1"
        )

    def send(self, url: str, more: Mapping[str, str] | None = None, method: str = "POST") -> Answer:
        """One request of this leg, whose answer is not followed."""
        if self._requests and self.line.before_request:
            self.line.before_request()
        self._requests += 1
        return self.line.send(url, {**self.fields(), **(more or {})}, method=method)

    def follow(self, url: str, more: Mapping[str, str] | None = None, method: str = "POST") -> None:
        """Fetch a document and go on with it."""
        self.take(url, self.send(url, more, method))

    def take(self, url: str, answer: Answer) -> None:
        """Go on with a document that came from `url`."""
        self.here, self.last = url, answer
        role = role_of(urlsplit(url).path)
        wrong = self.line.lints and role and self._lint(answer, role)
        if wrong:
            raise CallError("; ".join(wrong))
        self._verbs = list(answer.document)
        self._go_on()

    def _lint(self, answer: Answer, role: Role) -> list[str]:
        return findings(answer.body, role, kind=answer.kind, accepted=self._accepted)

    def _go_on(self) -> None:
        self.waiting = None
        while self._verbs:
            verb = self._verbs.pop(0)
            if verb.tag not in self.allowed:
                raise CallError(f"{verb.tag} may not stand here")
            match verb.tag:
                case "Say" | "Play":
                    self._hear(verb)
                case "Redirect":
                    self._redirects += 1
                    if self._redirects > MOST_REDIRECTS:
                        raise CallError("more redirects than Twilio follows")
                    target = self.line.address((verb.text or "").strip() or self.here, self.here)
                    return self.follow(target, method=verb.get("method", "POST"))
                case "Hangup" | "Reject":
                    return self._hung_up()
                case "Gather" | "Dial" | "Record":
                    self.waiting, self._redirects = verb, 0
                    if verb.tag == "Dial":
                        self._dialling()
                    if verb.tag == "Gather":
                        for nested in verb:
                            self._hear(nested)
                        if self._keys:
                            self.press("")
                    return None
        return self._ran_out()

    def _hear(self, verb: Element) -> None:
        if verb.tag == "Say" and not (verb.get("voice") and verb.get("language")):
            raise CallError("a Say without voice and language is read by an English man")
        text = re.sub(r"\s+", " ", " ".join(verb.itertext())).strip()
        if text:
            self.heard = (self.heard + " " + text).strip()
            self.transcript.append(text)

    def _at(self, *verbs: str) -> Element:
        if self.waiting is None or self.waiting.tag not in verbs:
            state = "over" if self.over else self.waiting.tag if self.waiting is not None else "nothing"
            raise CallError(f"the call is at {state}, not at {' or '.join(verbs)}; heard: {self.heard!r}")
        return self.waiting

    def _dialling(self) -> None:
        raise NotImplementedError

    def _hung_up(self) -> None:
        raise NotImplementedError

    def _ran_out(self) -> None:
        raise NotImplementedError


class Call(Leg):
    """The caller's end. `rung` lists every number that was dialled in this call, in order."""

    def __init__(self, line: Line, to: str, caller: str | None, more: Mapping[str, str]) -> None:
        super().__init__(line)
        self.to, self.caller, self.more = to, caller, dict(more)
        self.rung: list[str] = []

    def fields(self) -> dict[str, str]:
        known = {
            "CallSid": self.sid,
            "AccountSid": self.line.account_sid,
            "To": self.to,
            "Called": self.to,
            "CallStatus": "completed" if self.over else "in-progress" if self._requests > 1 else "ringing",
            "ApiVersion": "2010-04-01",
            "Direction": "inbound",
        }
        if self.caller is not None:
            known.update({"From": self.caller, "Caller": self.caller})
        return known | self.more

    # Gather, Record -----------------------------------------------------------------------------------

    @property
    def asks_for_pin(self) -> bool:
        """The caller is asked for a long row of digits."""
        return (
            self.waiting is not None
            and self.waiting.tag == "Gather"
            and (self.waiting.get("numDigits") is None or int(self.waiting.get("numDigits", "0")) >= 8)
        )

    def speaks(self, seconds: int = 10, key: str = "#") -> None:
        """Leave a message at a Record and end it with a key (or with "hangup")."""
        record = self._at("Record")
        self.heard = ""
        recording = new_sid("RE")
        url = f"https://api.twilio.com/2010-04-01/Accounts/{self.line.account_sid}/Recordings/{recording}"
        callback = record.get("recordingStatusCallback")
        action, method = self.action, record.get("method", "POST")
        if key == "hangup":
            self.over = True
        answer = self.send(
            action, {"RecordingUrl": url, "RecordingDuration": str(seconds), "Digits": key}, method
        )
        if callback:
            fields = {
                "AccountSid": self.line.account_sid,
                "CallSid": self.sid,
                "RecordingSid": recording,
                "RecordingUrl": url,
                "RecordingStatus": "completed",
                "RecordingDuration": str(seconds),
                "RecordingChannels": "1",
                "RecordingSource": "RecordVerb",
            }
            self.line.send(self.line.address(callback, self.here), fields)
        if key == "hangup":
            self._report_end()
        else:
            self.take(action, answer)

    # Dial ---------------------------------------------------------------------------------------------

    @property
    def phones(self) -> list[str]:
        """The numbers that are ringing."""
        return [(noun.text or "").strip() for noun in self.waiting] if self.waiting is not None else []

    def waits_for_ring(self) -> None:
        """Press nothing until a phone rings."""
        for _ in range(12):
            if self.waiting is not None and self.waiting.tag == "Dial":
                return
            self.waits()
        raise CallError("nobody is rung")

    def waits_to_the_end(self) -> None:
        """Do nothing until the service has ended the call; whatever is dialled doesn't answer."""
        for _ in range(40):
            if self.over:
                return
            if self._at("Gather", "Record", "Dial").tag == "Dial":
                self.no_answer()
            else:
                self.waits()
        raise CallError("the call never ends")

    def answers(self, number: str | None = None, unbridged: str = "completed") -> "Phone":
        """The phone that rings (with several: `number`) is picked up.

        `unbridged` is what Twilio will say of the attempt if it ends without being put through: "completed"
        or "no-answer" (both are seen).
        """
        dial = self._at("Dial")
        noun = dial[0 if number is None else self.phones.index(number)]
        phone = Phone(self, dial, noun, unbridged)
        phone.pick_up()
        return phone

    def no_answer(self) -> None:
        self._not_reached("no-answer")

    def busy(self) -> None:
        self._not_reached("busy")

    def fails(self) -> None:
        self._not_reached("failed")

    def talks(self, seconds: int = 60) -> None:
        """Caller and technician, put through, talk; then the technician hangs up."""
        dial = self._at("Dial")
        if self._bridged is None:
            raise CallError("nobody is put through")
        phone, self._bridged = self._bridged, None
        phone.over = True
        phone.report("completed", CallDuration=str(seconds))
        self._dial_over(dial, "completed", phone.sid, bridged=True, DialCallDuration=str(seconds))

    def hangs_up(self) -> None:
        """The caller is gone: the end of the call is told, but a Dial's action need not be asked for."""
        if self.waiting is not None and self.waiting.tag == "Dial":
            for noun in self.waiting:
                phone = self._bridged or Phone(self, self.waiting, noun, "canceled")
                phone.over = True
                phone.report("completed" if self._bridged else "canceled")
                self._bridged = None
        self._hung_up()

    _bridged: "Phone | None" = None

    def _not_reached(self, status: str) -> None:
        dial = self._at("Dial")
        phone = Phone(self, dial, dial[0], status)
        phone.report(status)
        self._dial_over(dial, status, phone.sid, bridged=False)

    def _dial_over(self, dial: Element, status: str, child: str, *, bridged: bool, **more: str) -> None:
        self.heard = ""
        if dial.get("action") is None:
            return self._go_on()
        result = {"DialCallStatus": status, "DialCallSid": child, "DialBridged": str(bridged).lower(), **more}
        return self.follow(self.action, result, dial.get("method", "POST"))

    def _dialling(self) -> None:
        if not self.phones or not all(self.phones):
            raise CallError("a Dial without a Number")
        self.rung += self.phones

    # The end ------------------------------------------------------------------------------------------

    def _hung_up(self) -> None:
        self.over, self.waiting = True, None
        self._report_end()

    _ran_out = _hung_up

    def _report_end(self) -> None:
        """The number's status callback: one request at the end."""
        more = {"CallDuration": "60", "Timestamp": formatdate(), "CallbackSource": "call-progress-events"}
        answer = self.send(self.line.address("/voice/status"), {**more, "SequenceNumber": "0"})
        if not 200 <= answer.status < 300:
            raise CallError(f"HTTP {answer.status} to the end of the call")


class Phone(Leg):
    """A phone that was dialled, with the whisper it hears between picking up and being put through."""

    allowed = VERBS_ON_WHISPERS

    def __init__(self, call: Call, dial: Element, noun: Element, unbridged: str) -> None:
        super().__init__(call.line)
        self.call, self.dial, self.noun, self.unbridged = call, dial, noun, unbridged
        self.number = (noun.text or "").strip()
        self.bridged = False
        self._events = 0

    def fields(self) -> dict[str, str]:
        number = self.dial.get("callerId") or self.call.caller or self.call.to
        return {
            "CallSid": self.sid,
            "ParentCallSid": self.call.sid,
            "AccountSid": self.line.account_sid,
            "From": number,
            "Caller": number,
            "To": self.number,
            "Called": self.number,
            "CallStatus": "in-progress",
            "ApiVersion": "2010-04-01",
            "Direction": "outbound-dial",
        }

    @property
    def whisper(self) -> str:
        """The address of what this phone hears first."""
        return self.line.address(self.noun.get("url", ""), self.call.here)

    def pick_up(self) -> None:
        self._requests = 1  # the call had a request before this one
        self.report("answered")
        if self.noun.get("url"):
            self.follow(self.whisper, method=self.noun.get("method", "POST"))
        else:
            self._ran_out()

    def stays_silent(self) -> None:
        """A voicemail: it takes the call, presses nothing, and is hung up on."""
        for _ in range(6):
            if self.over or self.bridged:
                return
            self.waits()
        raise CallError("the whisper never ends")

    def hangs_up(self) -> None:
        self._hung_up()

    def report(self, status: str, **more: str) -> None:
        """The status callback of this phone, if it has one for the event. Every end is called `completed`."""
        callback = self.noun.get("statusCallback")
        event = status if status in ("initiated", "ringing", "answered") else "completed"
        if not callback or event not in self.noun.get("statusCallbackEvent", "completed").split():
            return
        fields = {
            "CallStatus": "in-progress" if status == "answered" else status,
            "Timestamp": formatdate(),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(self._events),
            **more,
        }
        self._events += 1
        answer = self.send(self.line.address(callback, self.call.here), fields)
        if not 200 <= answer.status < 300:
            raise CallError(f"HTTP {answer.status} to a status callback")

    def _ran_out(self) -> None:
        """A whisper that ends puts the two through."""
        self.waiting, self.bridged = None, True
        self.call._bridged = self

    def _hung_up(self) -> None:
        self.over, self.waiting = True, None
        self.report("completed", CallDuration="10")
        self.call._dial_over(self.dial, self.unbridged, self.sid, bridged=False)


def fields_of(call: Leg, **changes: Any) -> dict[str, str]:
    """The fields of this leg's next request with some changed; None takes one out."""
    fields = {**call.fields(), **changes}
    return {name: value for name, value in fields.items() if value is not None}

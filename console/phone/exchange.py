"""The stand-in for Twilio: delivers calls to a door and asks it, signed, what to do next."""

import heapq
import secrets
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from console.phone.call import Call, CallerCall
from console.phone.clock import VirtualClock
from console.phone.document import Document, NotTwiml, read_twiml
from console.phone.door import Door, NoReply, Plays, Reply
from console.phone.events import Event, Failed, Requested
from console.phone.execution import HTTP_FAILURE, NOT_AUDIO, SECONDS_A_RECORDING, Fault, seconds_of
from console.phone.placed import Order, PlacedCall
from console.phone.rest import Fault as RestFault
from console.phone.rest import Rest
from console.phone.signature import signed, without_fragment
from console.phone.texts import Receipts, Text, Texts

CALLBACK_WARNING = 15003  # Twilio: warning response to a callback
MOST_REQUESTS_A_MOVE = 200


class NeverSettles(Exception):
    """The program asked for the next document again and again without anybody's doing."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What nobody could confirm about Twilio. A program should be right with either value.

    declined_status, voicemail_status: DialCallStatus after a leg was answered and never bridged.
    caller_gone_status: DialCallStatus after the caller hung up while phones rang.
    action_after_caller_hangup: Dial's action is still asked, with CallStatus=completed.
    sends_digits_when_empty: with actionOnEmptyResult, an empty Digits is sent rather than none.
    keeps_keys: keys that a Gather did not take reach the next one rather than being lost.
    gather_after_hangup: a Gather's action is asked too when the party hung up, with what was keyed so far.
    failed_whisper: a called party whose whisper cannot be had is hung up on, or is connected without it.
    silent_recording: a Record that heard nothing falls through, or asks its action with a recording of no
    seconds, or with one of silence.
    recording_told_first: a Record's status callback comes before its action is asked.
    callbacks_late: status callbacks come after the end of the call, last first.
    ends_reported: the end of a call that the program placed is told to its StatusCallback at all.
    receipts: what is told of a text message; receipts_backwards: the last of it first;
    receipt_seconds: how late.
    rest_faults: what befalls the first requests to the REST interface, in turn; then all is well.
    """

    declined_status: Literal["completed", "no-answer"] = "completed"
    voicemail_status: Literal["completed", "no-answer"] = "completed"
    caller_gone_status: Literal["canceled", "no-answer"] = "canceled"
    action_after_caller_hangup: bool = True
    sends_digits_when_empty: bool = True
    keeps_keys: bool = True
    gather_after_hangup: bool = False
    failed_whisper: Literal["ends", "connects"] = "ends"
    silent_recording: Literal["falls through", "empty", "kept"] = "falls through"
    recording_told_first: bool = False
    callbacks_late: bool = False
    ends_reported: bool = True
    receipts: Receipts = "delivered"
    receipts_backwards: bool = False
    receipt_seconds: float = 0
    rest_faults: tuple[RestFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was sent. Its form may hold a PIN, so it is never shown."""

    url: str
    form: list[tuple[str, str]] = field(repr=False)
    headers: dict[str, str] = field(repr=False)


class Exchange:
    """Twilio, as far as a call can tell. Single-threaded, deterministic but for identifiers and tokens.

    `events` is everything that happened, in order. `calls` came in, `placed` were placed by the program
    over `rest`, `texts` went either way.
    """

    def __init__(
        self,
        door: Door,
        *,
        public_url: str,
        account_sid: str,
        auth_token: str,
        clock: VirtualClock,
        behaviour: Behaviour | None = None,
        owned: Collection[str] = (),
        on_event: Callable[[Event], None] | None = None,
        hex32: Callable[[], str] = lambda: secrets.token_hex(16),
        rest: Rest | None = None,
        shared_key: str = "",
    ) -> None:
        """`owned`: numbers a Dial may show beside the call's own, and that calls and texts of the program
        may come from. `hex32` makes the ends of new SIDs. `rest` is one that was made before. With
        `shared_key` requests are signed with that, by HMAC-SHA256.

        ValueError without an auth token: an empty one would validate anybody.
        """
        if not auth_token:
            raise ValueError("an auth token is needed to sign")
        base = public_url.rstrip("/")
        self.voice_url = f"{base}/voice"
        self.fallback_url = f"{base}/voice/fallback"
        self.status_url = f"{base}/voice/status"
        self.sms_url = f"{base}/sms"
        self.account_sid = account_sid
        self.api = f"https://api.twilio.com/2010-04-01/Accounts/{account_sid}"
        self.clock = clock
        self.behaviour = behaviour or Behaviour()
        self.owned = frozenset(owned)
        self.on_event = on_event
        self.hex32 = hex32
        self.events: list[Event] = []
        self.calls: list[CallerCall] = []
        self.placed: list[PlacedCall] = []
        self.texts = Texts(self)
        self.rest = rest or Rest(lambda: self, self.behaviour.rest_faults)
        self.last_request: Request | None = None
        self.door = door
        self._auth_token = auth_token
        self._shared_key = shared_key
        self._requests = 0
        self._later: list[tuple[datetime, int, Callable[[], None]]] = []
        self._promised = 0

    def ring(self, from_: str, to: str) -> CallerCall:
        """Places a call; returns when it waits for somebody, or is over. Numbers as Twilio sends them."""
        call = CallerCall(self, from_, to)
        self.calls.append(call)
        call.begin()
        return call

    def place(self, order: Order) -> PlacedCall:
        """The program places a call: the phone rings from now on."""
        call = PlacedCall(self, order)
        self.placed.append(call)
        call.begin()
        return call

    def text(self, from_: str, to: str, body: str) -> list[Text]:
        """Somebody sends a text message to one of our numbers; returns what he is answered."""
        return self.texts.receive(from_, to, body)

    @property
    def every_call(self) -> list[Call]:
        """The calls of both kinds, in the order in which they began."""
        both: list[Call] = [*self.calls, *self.placed]
        return sorted(both, key=lambda call: call.began)

    def settle(self) -> None:
        """Lets happen what was only waiting for its time: receipts, the ends of rings, and whatever the
        program was to be told after a request of its own.
        """
        for call in self.placed:
            call.ring_out()
        while self._later and self._later[0][0] <= self.clock.now():
            self.begin_move()
            heapq.heappop(self._later)[2]()

    def repeat_last(self) -> Reply:
        """Sends the last request again, byte for byte, as a retry does. Nothing else changes.

        Raises LookupError before the first request, NoReply when nobody answers.
        """
        if self.last_request is None:
            raise LookupError("nothing was requested yet")
        return self._deliver(self.last_request)

    # For the lines of a call

    def later(self, act: Callable[[], None], seconds: float = 0) -> None:
        """`act` happens when this much time has passed and everything settles, in the order promised."""
        self._promised += 1
        heapq.heappush(self._later, (self.clock.now() + timedelta(seconds=seconds), self._promised, act))

    def is_ours(self, account_sid: str, auth_token: str) -> bool:
        """Whether these are the account's own name and token."""
        return (account_sid, auth_token) == (self.account_sid, self._auth_token)

    def begin_move(self) -> None:
        """Somebody did something: the count that finds endless loops starts again."""
        self._requests = 0

    def note(self, event: Event) -> None:
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)

    def parameters(self, sid: str, from_: str, to: str, direction: str) -> dict[str, str]:
        """What Twilio sends about either party, the duplicates seen in practice included."""
        form = {
            "CallSid": sid,
            "AccountSid": self.account_sid,
            "ApiVersion": "2010-04-01",
            "Direction": direction,
        }
        for names, number in ((("From", "Caller"), from_), (("To", "Called"), to)):
            for name in names:
                form[name] = number
                form |= {f"{name}City": "", f"{name}State": "", f"{name}Zip": ""}
                form[f"{name}Country"] = "IT" if number.startswith("+39") else ""
        return form

    def fetch(self, url: str, form: Mapping[str, str], *, whisper: bool = False) -> Document:
        """Asks for the next document. Raises Fault when none can be had."""
        self._requests += 1
        if self._requests > MOST_REQUESTS_A_MOVE:
            raise NeverSettles(f"{MOST_REQUESTS_A_MOVE} documents in a row, the last from {_path(url)}")
        try:
            reply = self.post(url, form)
        except NoReply as failure:
            raise Fault(failure.code, str(failure), url) from None
        if not 200 <= reply.status < 300:
            raise Fault(HTTP_FAILURE, f"{_path(url)} answered {reply.status}", url)
        try:
            return read_twiml(reply.body, reply.content_type, whisper=whisper)
        except NotTwiml as error:
            raise Fault(error.code, f"{_path(url)}: {error}", url) from error

    def play(self, url: str) -> float:
        """Asks for a sound; returns how many seconds it takes. Raises Fault when there is none: Twilio then
        has nothing to play. Of a door that takes webhooks alone it is believed.
        """
        if not isinstance(self.door, Plays):
            return SECONDS_A_RECORDING
        if urlsplit(url).netloc != urlsplit(self.voice_url).netloc:
            raise Fault(HTTP_FAILURE, f"<Play> names another host: {urlsplit(url).netloc or url}", url)
        try:
            reply = self.door.get(url)
        except NoReply as failure:
            raise Fault(failure.code, str(failure), url) from None
        if reply.status != 200:
            raise Fault(HTTP_FAILURE, f"{_path(url)} answered {reply.status}", url)
        if reply.content_type.partition("/")[0] != "audio":
            raise Fault(NOT_AUDIO, f"{_path(url)} is {reply.content_type or 'nothing'}, no sound", url)
        return seconds_of(reply.body)

    def report(self, url: str, form: Mapping[str, str]) -> Failed | None:
        """Tells `url` something. Its answer is not followed; a refusal is returned."""
        try:
            reply = self.post(url, form)
        except NoReply as failure:
            return Failed(self.clock.now(), CALLBACK_WARNING, str(failure))
        if reply.status < 400:
            return None
        return Failed(self.clock.now(), CALLBACK_WARNING, f"{_path(url)} answered {reply.status}")

    def post(self, url: str, form: Mapping[str, str]) -> Reply:
        """One signed request. Raises NoReply when nobody answers."""
        address = without_fragment(url)
        pairs = list(form.items())
        headers = {
            **signed(self._auth_token, self._shared_key, address, pairs),
            "I-Twilio-Idempotency-Token": str(uuid.uuid4()),
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
        }
        self.last_request = Request(address, pairs, headers)
        return self._deliver(self.last_request)

    def _deliver(self, request: Request) -> Reply:
        at = self.clock.now()
        try:
            reply = self.door.post(request.url, list(request.form), dict(request.headers))
        except NoReply:
            self.note(Requested(at, _path(request.url), 0))
            raise
        self.note(Requested(at, _path(request.url), reply.status))
        return reply


def _path(url: str) -> str:
    return urlsplit(url).path

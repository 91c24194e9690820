"""A call on which documents run: what its party hears, whom it dials, how it ends. And one that came in."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin

from console.phone.dialling import Dialling, Leg
from console.phone.document import Document, Verb
from console.phone.events import CALLER, Called, Event, Failed, Heard, HungUp, Recorded
from console.phone.execution import SECONDS_TO_REACT, Execution, Fault, OutOfTurn

if TYPE_CHECKING:
    from console.phone.exchange import Exchange

RECORD_TIMEOUT = 5  # Twilio: Record, timeout, default 5 s of silence
RECORD_LENGTH = 3600  # Twilio: Record, maxLength, default 3600 s
ANSWERING_VERBS = ("Say", "Play", "Gather", "Record", "Hangup")
APOLOGY = "We are sorry, an application error has occurred. Goodbye."

State = Literal["phoning", "gathering", "ringing", "whispering", "bridged", "recording", "ended"]


class Call(Execution):
    """A call with its own address to ask, in either direction. It runs by itself until somebody is needed:
    see `state`.
    """

    def __init__(
        self,
        exchange: "Exchange",
        party: str,
        from_: str,
        to: str,
        *,
        direction: Literal["inbound", "outbound-api"],
        status_url: str,
        fallback_url: str = "",
    ) -> None:
        super().__init__(exchange, party, "CA" + exchange.hex32())
        self.from_ = from_
        self.to = to
        self.began = exchange.clock.now()
        self._direction = direction
        self._status_url = status_url
        self._fallback_url = fallback_url
        self.events: list[Event] = []
        self._status = "ringing"
        self._ended = False
        self._answered_at: datetime | None = None
        self._dialling: Dialling | None = None
        self._recording: Verb | None = None
        self._late: list[tuple[str, dict[str, str]]] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.sid} {self.state}>"

    # What there is to see

    @property
    def state(self) -> State:
        """Whom the call waits for: a key, a phone, a whisper, the talk, a message; or it is over."""
        if self._ended:
            return "ended"
        if self._recording is not None:
            return "recording"
        if self._dialling is None:
            return "gathering"
        leg = self._dialling.answered
        if leg is None:
            return "ringing"
        return "bridged" if leg.state == "bridged" else "whispering"

    @property
    def ringing(self) -> list[Leg]:
        """The phones that ring now."""
        return self._dialling.ringing if self._dialling else []

    @property
    def rings_until(self) -> datetime | None:
        """When what rings now stops ringing by itself; None while nothing rings."""
        return self._dialling.deadline if self._dialling and self._dialling.ringing else None

    @property
    def records_for(self) -> int | None:
        """Seconds that the recording which is going on may last; None while nothing records."""
        return int(self._recording.get("maxLength", str(RECORD_LENGTH))) if self._recording else None

    @property
    def leg(self) -> Leg | None:
        """The phone that was picked up: it hears a whisper, or is bridged."""
        return self._dialling.answered if self._dialling else None

    def heard(self, party: str = "") -> list[str]:
        """What a party heard so far; the call's own, if none is named."""
        party = party or self.party
        return [event.text for event in self.events if isinstance(event, Heard) and event.party == party]

    # What the party does

    def wait(self) -> None:
        """Says and presses nothing: a Gather times out, a ring is answered by nobody, a Record ends."""
        match self.state:
            case "ringing":
                assert self._dialling is not None
                self._dialling.let_ring_out()
            case "recording":
                self.speak(0, then="silence")
            case _:
                super().wait()

    def speak(self, seconds: int, *, then: str = "hang up") -> None:
        """Speaks into a Record; `then` is a key, "silence" or "hang up".

        Speech is cut at maxLength. Raises OutOfTurn while nothing records, or for a key that does
        not finish this recording.
        """
        verb = self._recording
        if verb is None:
            raise OutOfTurn(f"nothing records: the call is {self.state}")
        if then not in ("silence", "hang up") and (
            len(then) != 1 or then not in verb.get("finishOnKey", "1234567890*#")
        ):
            raise OutOfTurn(f"{then} does not end this recording")
        self.exchange.begin_move()
        limit = self.records_for or RECORD_LENGTH
        cut = seconds >= limit
        self.exchange.clock.forward(seconds=min(seconds, limit))
        if then == "silence" and not cut:
            self.exchange.clock.forward(seconds=int(verb.get("timeout", str(RECORD_TIMEOUT))))
        if then == "hang up":
            self._recorded(verb, min(seconds, limit), "hang up")
            self._left()
        else:
            self._recorded(verb, min(seconds, limit), "limit" if cut else then)
            self.go_on()

    def hang_up(self) -> None:
        """The party hangs up, at whatever moment; a second into what either side is being told.

        Raises OutOfTurn after the end.
        """
        if self._ended:
            raise OutOfTurn("the call is over")
        self.exchange.begin_move()
        if self.state in ("gathering", "whispering"):
            self.exchange.clock.forward(seconds=SECONDS_TO_REACT)
        if self._recording is not None:
            self._recorded(self._recording, 0, "hang up")
        self._left()

    # What legs and Dial report

    def go_on(self) -> None:
        """Goes on with the call's document, if it waits for nobody."""
        self._run()

    def pick_up(self) -> None:
        """The call counts as answered from now on."""
        if self._answered_at is None:
            self._answered_at = self.exchange.clock.now()
            self._status = "in-progress"

    def dialled(self, verb: Verb, outcome: dict[str, str]) -> None:
        """A Dial is over. Twilio: without an action the document goes on after the Dial."""
        self._dialling = None
        if verb.get("action"):
            self._load(verb.get("action"), outcome)

    def callback(self, url: str, form: dict[str, str]) -> None:
        """Delivers a status callback: now, or after the end of the call."""
        if self.exchange.behaviour.callbacks_late:
            self._late.append((url, form))
        else:
            self._report(url, form)

    def parameters(self) -> dict[str, str]:
        """What every request about this call carries. Twilio: CallStatus is ringing until answered."""
        return {
            **self.exchange.parameters(self.sid, self.from_, self.to, self._direction),
            "CallStatus": self._status,
        }

    @property
    def status(self) -> str:
        """The call's CallStatus."""
        return self._status

    @property
    def answered_at(self) -> datetime | None:
        return self._answered_at

    def note(self, event: Event) -> None:
        self.events.append(event)
        self.exchange.note(event)

    def correct(self, noted: Heard, instead: Heard | None) -> None:
        for events in (self.events, self.exchange.events):
            place = next(i for i in reversed(range(len(events))) if events[i] is noted)
            events[place : place + 1] = [instead] if instead else []

    # Inside

    def _is_busy(self) -> bool:
        return self._ended or self._dialling is not None or self._recording is not None or super()._is_busy()

    def _press_unasked(self, keys: str, label: str | None) -> None:
        """Twilio: while a Dial rings or talks no key reaches us, but for hangupOnStar."""
        if self._dialling is None:
            raise OutOfTurn(f"nobody listens to keys: the call is {self.state}")
        self._note_keys(keys, label)
        leg = self._dialling.answered
        if "*" in keys and leg and leg.state == "bridged" and self._dialling.verb.says_yes("hangupOnStar"):
            self.exchange.begin_move()
            leg.drop(by=self.party)
            self._dialling.finish("completed", leg, bridged=True)
            self.go_on()

    def _document(self, url: str, parameters: Mapping[str, str]) -> Document:
        return self.exchange.fetch(url, parameters)

    def _on_fault(self, fault: Fault) -> None:
        """Twilio: the fallback address is asked, with ErrorCode and ErrorUrl; failing that, an apology."""
        fallback = self._fallback_url
        more = {"ErrorCode": str(fault.code), "ErrorUrl": fault.url}
        try:
            if not fallback:
                raise fault
            document = self._document(fallback, {**self.parameters(), **more})
        except Fault as second:
            now = self.exchange.clock.now()
            if second is not fault:
                self.note(Failed(now, second.code, str(second)))
            self.note(Heard(now, self.party, APOLOGY, "en-US", "man"))
            self._finish("completed" if self._answered_at else "failed", by="program")
        else:
            self._address = fallback
            self._redirects = 0
            self._todo.extend(document.verbs)

    def _execute(self, verb: Verb) -> None:
        if verb.name in ANSWERING_VERBS or (verb.name == "Dial" and not verb.says_yes("answerOnBridge")):
            self.pick_up()
        super()._execute(verb)

    def _execute_more(self, verb: Verb) -> None:
        match verb.name:
            case "Dial":
                self._kept = ""
                self._dialling = Dialling(self, verb, self._address)
                self._dialling.start()
            case "Record":
                self._kept = ""
                self._recording = verb
            case "Reject" if self._answered_at is None:
                self._finish("busy" if verb.get("reason") == "busy" else "no-answer", by="program")
            case _:
                self._finish("completed", by="program")

    def _on_document_end(self) -> None:
        """Twilio: when no verb is left the call ends."""
        self._finish("completed" if self._answered_at else "no-answer", by="program")

    def _recorded(self, verb: Verb, seconds: int, ended_by: str) -> None:
        """Twilio: the action gets Digits, the key or "hangup". Its page says two things of a silent one."""
        self._recording = None
        self.note(Recorded(self.exchange.clock.now(), self.party, seconds, ended_by))
        behaviour = self.exchange.behaviour
        left = ended_by == "hang up"
        if seconds == 0:
            if left or behaviour.silent_recording == "falls through":
                return
            if behaviour.silent_recording == "kept":
                seconds = int(verb.get("timeout", str(RECORD_TIMEOUT)))
        sid = "RE" + self.exchange.hex32()
        address = f"{self.exchange.api}/Recordings/{sid}"
        about = {"RecordingUrl": address, "RecordingSid": sid, "RecordingDuration": str(seconds)}
        base = self._address
        if behaviour.recording_told_first:
            self._tell_of_recording(verb, base, about)
        key = ended_by if len(ended_by) == 1 else ""
        digits = {"Digits": "hangup" if left else key} if left or key else {}
        if left:
            self._status = "completed"
            self._report(urljoin(base, verb.get("action")), {**self.parameters(), **about, **digits})
        else:
            self._load(verb.get("action"), {**about, **digits})
        if not behaviour.recording_told_first:
            # After the action, as it comes in real life: the recording needs time to be ready.
            self._tell_of_recording(verb, base, about)

    def _tell_of_recording(self, verb: Verb, base: str, about: Mapping[str, str]) -> None:
        events = verb.get("recordingStatusCallbackEvent", "completed").split()
        if verb.get("recordingStatusCallback") and "completed" in events:
            more = {"RecordingStatus": "completed", "RecordingChannels": "1", "RecordingSource": "RecordVerb"}
            form = {"AccountSid": self.exchange.account_sid, "CallSid": self.sid, **about, **more}
            self.callback(urljoin(base, verb.get("recordingStatusCallback")), form)

    def _left(self) -> None:
        """The party is not on the line any more."""
        self._stop_prompt()
        self.note(HungUp(self.exchange.clock.now(), self.party, self.party))
        gathering, self._gathering = self._gathering, None
        self._todo.clear()
        self._status = "completed" if self._answered_at else "no-answer"
        if gathering is not None and self.exchange.behaviour.gather_after_hangup:
            action, digits = gathering.verb.get("action"), {"Digits": gathering.digits}
            self._report(urljoin(self._address, action), {**self.parameters(), **digits})
        dialling, self._dialling = self._dialling, None
        if dialling is not None:
            outcome = dialling.party_gone()
            action = dialling.verb.get("action")
            if action and self.exchange.behaviour.action_after_caller_hangup:
                self._report(urljoin(self._address, action), {**self.parameters(), **outcome})
        self._finish(self._status, by=self.party)

    def _report(self, url: str, form: Mapping[str, str]) -> None:
        """Tells an address something whose answer changes nothing."""
        failure = self.exchange.report(url, form)
        if failure is not None:
            self.note(failure)

    def _finish(self, status: str, *, by: str) -> None:
        """Ends the call, and tells its status callback. Twilio: one request, at the end."""
        self._ended = True
        self._gathering = None
        self._todo.clear()
        self._status = status
        at = self.exchange.clock.now()
        if by != self.party:
            self.note(HungUp(at, self.party, by))
        form = {
            **self.parameters(),
            "Timestamp": format_datetime(at),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": "0",
        }
        if self._answered_at is not None:
            form["CallDuration"] = str(int((at - self._answered_at).total_seconds()))
        self._tell_the_end(form)
        # Twilio promises no order, so the late ones come in the least convenient.
        while self._late:
            self._report(*self._late.pop())

    def _tell_the_end(self, form: Mapping[str, str]) -> None:
        self._report(self._status_url, form)


class CallerCall(Call):
    """A call that somebody placed to one of our numbers."""

    def __init__(self, exchange: "Exchange", from_: str, to: str) -> None:
        super().__init__(
            exchange,
            CALLER,
            from_,
            to,
            direction="inbound",
            status_url=exchange.status_url,
            fallback_url=exchange.fallback_url,
        )

    def begin(self) -> None:
        """The network delivers the call: the number's voice address is asked."""
        self.note(Called(self.exchange.clock.now(), self.from_, self.to))
        self.exchange.begin_move()
        self._load(self.exchange.voice_url)
        self._run()

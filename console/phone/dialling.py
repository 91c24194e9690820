"""Dial: rings phones, runs the whisper on the one that is answered, bridges it, reports how it went."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin

from console.phone.document import Document, Verb
from console.phone.events import CALLER, Answered, Bridged, Event, Failed, Heard, HungUp, Missed, Rang
from console.phone.execution import HTTP_FAILURE, SECONDS_TO_REACT, Execution, Fault, OutOfTurn

if TYPE_CHECKING:
    from console.phone.call import Call

DIAL_TIMEOUT = 30  # Twilio: Dial, timeout, default 30 s
TIMEOUT_BUFFER = 5  # Twilio: "a buffer of up to 5 seconds" is added to the timeout, always
TIME_LIMIT = 14400  # Twilio: Dial, timeLimit, default 4 h
SECONDS_TO_ANSWER = 4.0
SECONDS_TO_VOICEMAIL = 15.0
SECONDS_TO_BUSY = 2.0
LONGEST_VOICEMAIL = 180.0  # an answering machine that nobody hangs up on stops recording some time
BAD_CALLER_ID = 13214

State = Literal["ringing", "whispering", "bridged", "ended"]
Missing = Literal["no-answer", "busy", "failed", "canceled"]


class Leg(Execution):
    """One phone that a Dial rings. `phone` is its number, or its SIP address."""

    def __init__(self, dialling: "Dialling", noun: Verb) -> None:
        call = dialling.call
        self.phone = noun.text
        super().__init__(call.exchange, self.phone, "CA" + call.exchange.hex32())
        self._dialling = dialling
        self._noun = noun
        self._state: State = "ringing"
        self._will_ring_out = False
        self._answered_at: datetime | None = None
        self._status = "ringing"
        self._sequence = 0
        self._is_voicemail = False

    def __repr__(self) -> str:
        return f"<Leg {self.phone} {self._state}>"

    @property
    def state(self) -> State:
        return self._state

    # What the person at this phone does

    def no_answer(self) -> None:
        """Lets it ring. The ring ends, timeout + 5 s after it began, once no other phone can be answered."""
        self._must_be("ringing")
        self._will_ring_out = True
        self._dialling.settle()
        self._go_on()

    def busy(self) -> None:
        """The phone is engaged; the network says so after 2 s."""
        self._miss("busy")

    def fail(self) -> None:
        """The number cannot be reached."""
        self._miss("failed")

    def answer(self, *, after: float = SECONDS_TO_ANSWER) -> None:
        """Picks up `after` seconds, at the latest as the ring ends; hears the whisper, if there is one."""
        self._pick_up("person", after)
        self._go_on()

    def voicemail(self, *, after: float = SECONDS_TO_VOICEMAIL) -> None:
        """An answering machine picks up and never presses a key.

        It is on the line until the document hangs up, or for 180 s; without a whisper it is bridged.
        """
        self._is_voicemail = True
        self._pick_up("voicemail", after)
        assert self._answered_at is not None
        patience = self._answered_at + timedelta(seconds=LONGEST_VOICEMAIL)
        while self._state == "whispering":
            if self._gathering is not None and self._gathering.times_out <= patience:
                self.wait()
            else:
                self.exchange.clock.reach(patience)
                self._hang_up(by=self.phone)
        self._go_on()

    def hang_up(self) -> None:
        """Ends the leg, a second into the whisper or in the talk."""
        self._must_be("whispering", "bridged")
        if self._state == "whispering":
            self.exchange.clock.forward(seconds=SECONDS_TO_REACT)
        self._hang_up(by=self.phone)
        self._go_on()

    def talk(self, seconds: float, *, ends: Literal["technician", "caller"] = "technician") -> None:
        """Both talk for `seconds`, then one hangs up: of a call that came in the technician is at this
        phone, of one that we placed he is at the other. A talk is cut at the Dial's timeLimit.
        """
        self._must_be("bridged")
        limit = int(self._dialling.verb.get("timeLimit", str(TIME_LIMIT)))
        self.exchange.clock.forward(seconds=min(seconds, limit))
        if seconds >= limit:
            self._hang_up(by="program")
        elif (ends == "caller") is (self._dialling.call.party == CALLER):
            self._dialling.call.hang_up()
            return
        else:
            self._hang_up(by=self.phone)
        self._go_on()

    # What happens to it

    def ring(self) -> None:
        self.note(Rang(self.exchange.clock.now(), self.phone))
        self._progress("initiated", "queued")
        self._progress("ringing", "ringing")

    def ring_out(self) -> None:
        self.miss("no-answer")

    @property
    def may_be_answered(self) -> bool:
        return self._state == "ringing" and not self._will_ring_out

    @property
    def fate(self) -> str:
        """How a leg that is over ended, as a CallStatus."""
        return self._status

    def miss(self, why: Missing) -> None:
        """The phone stops ringing."""
        self.note(Missed(self.exchange.clock.now(), self.phone, why))
        self._end(why)

    def drop(self, *, by: str) -> None:
        """Ends an answered leg without telling the Dial."""
        self._stop_prompt()
        self.note(HungUp(self.exchange.clock.now(), self.phone, by))
        self._end("completed")

    def seconds_answered(self) -> int | None:
        """Whole seconds since it was answered; None if it was not."""
        if self._answered_at is None:
            return None
        return int((self.exchange.clock.now() - self._answered_at).total_seconds())

    @property
    def unbridged_status(self) -> str:
        """What Dial reports of a leg that was answered and not bridged: nobody could confirm it."""
        behaviour = self.exchange.behaviour
        return behaviour.voicemail_status if self._is_voicemail else behaviour.declined_status

    def parameters(self) -> dict[str, str]:
        call = self._dialling.call
        return {
            **self.exchange.parameters(self.sid, self._dialling.caller_id, self.phone, "outbound-dial"),
            "ParentCallSid": call.sid,
            "CallStatus": self._status,
        }

    def note(self, event: Event) -> None:
        self._dialling.call.note(event)

    def correct(self, noted: Heard, instead: Heard | None) -> None:
        self._dialling.call.correct(noted, instead)

    # Inside

    def _must_be(self, *states: State) -> None:
        if self._state not in states:
            raise OutOfTurn(f"{self.phone} is {self._state}, not {' or '.join(states)}")
        self.exchange.begin_move()

    def _miss(self, why: Missing) -> None:
        self._must_be("ringing")
        self.exchange.clock.reach(self._dialling.at_most(SECONDS_TO_BUSY))
        self.miss(why)
        self._dialling.settle()
        self._go_on()

    def _pick_up(self, by: Literal["person", "voicemail"], after: float) -> None:
        self._must_be("ringing")
        self.exchange.clock.reach(self._dialling.at_most(after))
        self._answered_at = self.exchange.clock.now()
        self.note(Answered(self._answered_at, self.phone, by))
        self._state = "whispering"
        self._progress("answered", "in-progress")
        self._dialling.cancel_others(self)
        self._address = self._dialling.address
        if self._noun.get("method") == "GET":
            self._give_up(Fault(HTTP_FAILURE, f"<{self._noun.name} method=GET>: this telephone posts", ""))
        elif self._noun.get("url"):
            self._load(self._noun.get("url"))
        self._run()

    def _go_on(self) -> None:
        self._dialling.call.go_on()

    def _note_wait(self) -> None:
        if not self._is_voicemail:
            super()._note_wait()

    def _is_busy(self) -> bool:
        return self._state != "whispering" or super()._is_busy()

    def _document(self, url: str, parameters: Mapping[str, str]) -> Document:
        return self.exchange.fetch(url, parameters, whisper=True)

    def _on_fault(self, fault: Fault) -> None:
        if self.exchange.behaviour.failed_whisper == "ends":
            self._hang_up(by="program")

    def _execute_more(self, verb: Verb) -> None:
        self._hang_up(by="program")  # Hangup: nothing else gets past the table

    def _on_document_end(self) -> None:
        """Twilio: the parties are connected when the document of <Number url> has ended."""
        self._state = "bridged"
        self.note(Bridged(self.exchange.clock.now(), self.phone, self._dialling.call.party))
        self._dialling.call.pick_up()

    def _run(self) -> None:
        super()._run()
        # A key in a whisper may have ended the Dial, so the caller's document goes on too.
        self._go_on()

    def _hang_up(self, *, by: str) -> None:
        bridged = self._state == "bridged"
        self.drop(by=by)
        self._dialling.finish("completed" if bridged else self.unbridged_status, self, bridged=bridged)

    def _end(self, status: str) -> None:
        self._state = "ended"
        self._gathering = None
        self._todo.clear()
        self._progress("completed", status)

    def _progress(self, event: str, status: str) -> None:
        """Tells the noun's statusCallback. Twilio: completed stands for every final status."""
        self._status = status
        url = self._noun.get("statusCallback")
        if not url or event not in self._noun.get("statusCallbackEvent", "completed").split():
            return
        at = self.exchange.clock.now()
        form = {
            **self.parameters(),
            "Timestamp": format_datetime(at),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(self._sequence),
        }
        self._sequence += 1
        if status == "completed":
            form["CallDuration"] = str(self.seconds_answered() or 0)
        self._dialling.call.callback(urljoin(self._dialling.address, url), form)


class Dialling:
    """One Dial that is going on. `legs` are all phones it rang, in order."""

    def __init__(self, call: "Call", verb: Verb, address: str) -> None:
        self.call = call
        self.verb = verb
        self.address = address
        self.caller_id = verb.get("callerId") or call.from_
        self.legs: list[Leg] = []
        self._nouns = deque(verb.children or (Verb("Number", {}, verb.text),))
        self._began = self._deadline = call.exchange.clock.now()

    def start(self) -> None:
        """Rings the first phone, or all of them."""
        exchange, call = self.call.exchange, self.call
        allowed = {call.from_, call.to, *exchange.owned}
        if self.caller_id not in allowed and any(noun.name == "Number" for noun in self._nouns):
            message = f"<Dial> callerId={self.caller_id}: neither this call's To or From nor a number we own"
            call.note(Failed(exchange.clock.now(), BAD_CALLER_ID, message))
            self.finish("failed", None)
        else:
            self._ring_next()

    @property
    def ringing(self) -> list[Leg]:
        return [leg for leg in self.legs if leg.state == "ringing"]

    @property
    def deadline(self) -> datetime:
        """The instant at which what rings now stops ringing."""
        return self._deadline

    @property
    def answered(self) -> Leg | None:
        """The leg that whispers or is bridged."""
        return next((leg for leg in self.legs if leg.state in ("whispering", "bridged")), None)

    def at_most(self, seconds: float) -> datetime:
        """The instant `seconds` after the ring began, but not after its end."""
        return min(self._began + timedelta(seconds=seconds), self._deadline)

    def settle(self) -> None:
        """Ends the ring once no phone of it can be answered any more."""
        if any(leg.may_be_answered for leg in self.legs) or self.answered:
            return
        silent = self.ringing
        if silent:
            self.call.exchange.clock.reach(self._deadline)
            for leg in silent:
                leg.ring_out()
        if self._nouns:
            self._ring_next()
            return
        fates = [leg.fate for leg in self.legs]
        status = next(fate for fate in ("no-answer", "busy", "failed") if fate in fates)
        self.finish(status, self.legs[-1])

    def let_ring_out(self) -> None:
        """Nobody picks up."""
        for leg in self.ringing:
            leg.no_answer()

    def cancel_others(self, winner: Leg) -> None:
        """Twilio: the first to pick up is connected, the rest are hung up.

        How that mixes with a whisper is documented nowhere: here picking up is what counts, and a
        sequential Dial does not go on to the next number after a declined whisper.
        """
        self._nouns.clear()
        for leg in self.ringing:
            if leg is not winner:
                leg.miss("canceled")

    def party_gone(self) -> dict[str, str]:
        """Cancels and drops every leg; returns what Dial's action would be told."""
        leg = self.answered
        bridged = leg is not None and leg.state == "bridged"
        for other in self.ringing:
            other.miss("canceled")
        if leg is None:
            status = self.call.exchange.behaviour.caller_gone_status
            return self._outcome(status, self.legs[-1] if self.legs else None, bridged=False)
        leg.drop(by=self.call.party)
        return self._outcome("completed" if bridged else leg.unbridged_status, leg, bridged=bridged)

    def finish(self, status: str, leg: Leg | None, *, bridged: bool = False) -> None:
        self.call.dialled(self.verb, self._outcome(status, leg, bridged=bridged))

    def _ring_next(self) -> None:
        clock = self.call.exchange.clock
        self._began = clock.now()
        timeout = int(self.verb.get("timeout", str(DIAL_TIMEOUT)))
        self._deadline = self._began + timedelta(seconds=timeout + TIMEOUT_BUFFER)
        together = 1 if self.verb.says_yes("sequential") else len(self._nouns)
        fresh = [Leg(self, self._nouns.popleft()) for _ in range(together)]
        self.legs += fresh
        for leg in fresh:
            leg.ring()

    def _outcome(self, status: str, leg: Leg | None, *, bridged: bool) -> dict[str, str]:
        outcome = {"DialCallStatus": status, "DialBridged": "true" if bridged else "false"}
        if leg is not None:
            outcome["DialCallSid"] = leg.sid
            seconds = leg.seconds_answered()
            if seconds is not None and status == "completed":
                outcome["DialCallDuration"] = str(seconds)
        return outcome

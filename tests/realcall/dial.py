"""Dial in real time: rings SIP phones, whispers to the one that is picked up, bridges it."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from console.phone.dialling import BAD_CALLER_ID, DIAL_TIMEOUT, TIME_LIMIT, TIMEOUT_BUFFER
from console.phone.document import Verb
from realcall import audio, sip
from realcall.line import HangUp, Line, forget_keys, over
from realcall.signalling import fate

if TYPE_CHECKING:
    from realcall.caller import CallerLine


class Leg(Line):
    """One phone that a Dial rings. `status` is its CallStatus."""

    whisper = True

    def __init__(self, dialling: Dialling, noun: Verb) -> None:
        super().__init__(dialling.caller.switch, noun.text)
        self.phone, self.status = noun.text, "queued"
        self._dialling, self._noun = dialling, noun
        self._answered_at: float | None = None
        self._sequence = 0

    def parameters(self) -> dict[str, str]:
        caller = self._dialling.caller
        exchange = self.switch.exchange
        return {
            **exchange.parameters(self.sid, self._dialling.caller_id, self.phone, "outbound-dial"),
            "ParentCallSid": caller.sid,
            "CallStatus": self.status,
        }

    async def ring(self, seconds: float) -> bool:
        """Whether it is picked up in time; if not, `status` says why."""
        address = self.switch.phones.get(self.phone)
        await self._progress("initiated", "queued")
        if address is None:
            await self.end("failed")
            return False
        self.call = self.switch.station.call(address, self._dialling.caller_id)
        self.switch.tell("rings", phone=self.phone)
        await self._progress("ringing", "ringing")
        answered = asyncio.create_task(self.call.answered.wait())
        ended = asyncio.create_task(self.call.ended.wait())
        try:
            await asyncio.wait({answered, ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.end("canceled")
            raise
        finally:
            await over(answered)
            await over(ended)
        if self.call.answered.is_set() and not self.call.ended.is_set():
            self._answered_at = time.monotonic()
            self.switch.tell("answered", phone=self.phone)
            await self._progress("answered", "in-progress")
            return True
        await self.end(fate(self.call.code) if self.call.ended.is_set() else "no-answer")
        return False

    async def hear(self) -> bool:
        """The whisper. Whether its document just ended, which is when Twilio connects the two."""
        assert self.call is not None
        self.address = self._dialling.address
        if not self._noun.get("url"):
            return True
        hearing = asyncio.create_task(self.follow(self._noun.get("url")))
        gone = asyncio.create_task(self.call.ended.wait())
        try:
            await asyncio.wait({hearing, gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done() or isinstance(hearing.exception(), HangUp):
                return False
            hearing.result()
            return True
        finally:
            await over(hearing)
            await over(gone)

    async def end(self, status: str) -> None:
        """Hangs it up, if it is not, and tells its status callback. Once."""
        if self.status in ("completed", "busy", "no-answer", "failed", "canceled"):
            return
        if self.call is not None:
            self.call.end()
        self.switch.tell("left", phone=self.phone, status=status)
        await self._progress("completed", status)

    @property
    def seconds(self) -> int:
        """Whole seconds since it was picked up."""
        return int(time.monotonic() - self._answered_at) if self._answered_at is not None else 0

    async def _progress(self, event: str, status: str) -> None:
        """Tells the noun's statusCallback. Twilio: completed stands for every final status."""
        self.status = status
        url = self._noun.get("statusCallback")
        if not url or event not in self._noun.get("statusCallbackEvent", "completed").split():
            return
        number, self._sequence = self._sequence, self._sequence + 1
        form = {
            **self.parameters(),
            "Timestamp": format_datetime(self.switch.exchange.clock.now()),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(number),
        }
        if status == "completed":
            form["CallDuration"] = str(self.seconds)
        await self.switch.report(urljoin(self._dialling.address, url), form)


class Dialling:
    """One Dial. The first phone that is picked up is the one; a declined whisper ends the Dial."""

    def __init__(self, caller: CallerLine, verb: Verb) -> None:
        self.caller, self.verb, self.address = caller, verb, caller.address
        self.caller_id = verb.get("callerId") or caller.from_
        self.legs: list[Leg] = []
        self._picked: Leg | None = None
        self._bridged = False

    async def run(self) -> dict[str, str]:
        """What its action is asked with."""
        nouns = list(self.verb.children) or [Verb("Number", {}, self.verb.text)]
        allowed = {self.caller.from_, self.caller.to, *self.caller.switch.exchange.owned}
        if self.caller_id not in allowed and any(noun.name == "Number" for noun in nouns):
            self.caller.switch.tell("failed", party=self.caller.party, code=BAD_CALLER_ID, message="callerId")
            return self._outcome("failed", None)
        together = 1 if self.verb.says_yes("sequential") else len(nouns)
        with ExitStack() as ringing:
            self._let_caller_hear_ringing(ringing)
            for start in range(0, len(nouns), together):
                self._picked = await self._ring(nouns[start : start + together])
                if self._picked is not None:
                    break
            leg = self._picked
            if leg is None:
                fates = [each.status for each in self.legs]
                status = next(each for each in ("no-answer", "busy", "failed") if each in fates)
                return self._outcome(status, self.legs[-1])
            if not await leg.hear():
                await leg.end("completed")
                return self._outcome(self.caller.switch.exchange.behaviour.declined_status, leg)
            call = await self.caller.pick_up()
        return await self._talk(call, leg)

    async def caller_gone(self) -> dict[str, str]:
        """Ends every leg; returns what the action is told."""
        for leg in self.legs:
            await leg.end("completed" if leg is self._picked else "canceled")
        if self._picked is None:
            status = self.caller.switch.exchange.behaviour.caller_gone_status
            return self._outcome(status, self.legs[-1] if self.legs else None)
        return self._outcome("completed", self._picked)

    def _let_caller_hear_ringing(self, ringing: ExitStack) -> None:
        """Before the call is answered his own network does that."""
        if (call := self.caller.call) and call.media is not None:
            ringing.enter_context(audio.tone(call.media, *audio.RINGS_IN_ITALY))

    async def _ring(self, nouns: list[Verb]) -> Leg | None:
        """Rings these together; the first that is picked up, or None when nobody does."""
        seconds = int(self.verb.get("timeout", str(DIAL_TIMEOUT))) + TIMEOUT_BUFFER
        legs = [Leg(self, noun) for noun in nouns]
        self.legs += legs
        rings = {asyncio.create_task(leg.ring(seconds)): leg for leg in legs}
        picked: Leg | None = None
        try:
            waiting = set(rings)
            while waiting and picked is None:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                picked = next((rings[ring] for ring in done if ring.result()), None)
            return picked
        finally:
            for ring, leg in rings.items():
                await over(ring)
                if leg is not picked:
                    await leg.end("canceled")

    async def _talk(self, call: sip.SipCall, leg: Leg) -> dict[str, str]:
        assert leg.call is not None
        ours, theirs = call.media, leg.call.media
        if ours is None or theirs is None:  # one of them left at this very moment
            await leg.end("completed")
            return self._outcome("completed", leg)
        audio.bridge(ours, theirs)
        self._bridged = True
        self.caller.switch.tell("bridged", phone=leg.phone)
        limit = int(self.verb.get("timeLimit", str(TIME_LIMIT)))
        ended = asyncio.create_task(leg.call.ended.wait())
        star = asyncio.create_task(self._star(call))
        try:
            await asyncio.wait({ended, star}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await over(ended)
            await over(star)
            audio.part(ours, theirs)
        await leg.end("completed")
        return self._outcome("completed", leg)

    async def _star(self, call: sip.SipCall) -> None:
        """Twilio: with hangupOnStar the caller's star ends the talk; no other key reaches anybody."""
        forget_keys(call)
        while await call.keys.get() != "*" or not self.verb.says_yes("hangupOnStar"):
            pass

    def _outcome(self, status: str, leg: Leg | None) -> dict[str, str]:
        outcome = {"DialCallStatus": status, "DialBridged": "true" if self._bridged else "false"}
        if leg is not None:
            outcome["DialCallSid"] = leg.sid
            if status == "completed":
                outcome["DialCallDuration"] = str(leg.seconds)
        return outcome

"""The caller's line: from the ring, through Dial and Record, to the number's status callback."""

from __future__ import annotations

import asyncio
import time
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from console.phone.call import APOLOGY, RECORD_LENGTH, RECORD_TIMEOUT
from console.phone.document import Verb
from console.phone.execution import Fault
from realcall import sip
from realcall.dial import Dialling
from realcall.line import HangUp, Line, forget_keys, over
from realcall.recording import Recording

if TYPE_CHECKING:
    from realcall.switch import Switch

RINGING, OK, BUSY_HERE, DECLINE = 180, 200, 486, 603
ANSWERED_WITHIN = 60  # seconds


class CallerLine(Line):
    """A call that came in. `from_` and `to` as Twilio would send them."""

    def __init__(self, switch: Switch, call: sip.SipCall, from_: str, to: str) -> None:
        super().__init__(switch, "caller")
        self.call: sip.SipCall = call
        self.from_, self.to = from_, to
        self._status = "ringing"
        self._answered_at: float | None = None
        self._dialling: Dialling | None = None
        self._recording: Recording | None = None

    def parameters(self) -> dict[str, str]:
        exchange = self.switch.exchange
        return {**exchange.parameters(self.sid, self.from_, self.to, "inbound"), "CallStatus": self._status}

    async def run(self) -> None:
        """The whole call. The number's status callback has been told when it returns."""
        self.switch.tell("called", sid=self.sid, to=self.to)
        self.call.reply(RINGING)
        following = asyncio.create_task(self.follow(self.switch.exchange.voice_url))
        gone = asyncio.create_task(self.call.ended.wait())
        try:
            await asyncio.wait({following, gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                await over(following)
                await self._left()
            else:
                await self._finished(following)
        finally:
            await over(following)
            await over(gone)
            self.call.end()
        await self._tell_the_end()

    async def pick_up(self) -> sip.SipCall:
        if self._answered_at is None:
            self._answered_at = time.monotonic()
            self.call.reply(OK)
            await asyncio.wait_for(self.call.answered.wait(), ANSWERED_WITHIN)
            self._status = "in-progress"
        return self.call

    async def recover(self, fault: Fault) -> None:
        """Twilio: the fallback address is asked; failing that, an apology."""
        exchange = self.switch.exchange
        more = {"ErrorCode": str(fault.code), "ErrorUrl": fault.url}
        try:
            document = await self.switch.fetch(exchange.fallback_url, {**self.parameters(), **more}, False)
        except Fault as second:
            self.switch.tell("failed", party=self.party, code=second.code, message=str(second))
            self._todo.extend([Verb("Say", {"language": "en-US"}, APOLOGY), Verb("Hangup")])
        else:
            self.address = exchange.fallback_url
            self._todo.extend(document.verbs)

    async def execute_more(self, verb: Verb) -> None:
        match verb.name:
            case "Dial":
                await self._dial(verb)
            case "Record":
                await self._record(verb)
            case "Reject":
                raise HangUp(verb.get("reason") or "rejected")

    async def _dial(self, verb: Verb) -> None:
        if not verb.says_yes("answerOnBridge"):
            await self.pick_up()
        forget_keys(self.call)
        self._dialling = Dialling(self, verb)
        outcome = await self._dialling.run()
        self._dialling = None
        if verb.get("action"):
            await self.load(verb.get("action"), outcome)
        told = {"status": outcome["DialCallStatus"], "bridged": outcome["DialBridged"]}
        self.switch.tell("dialled", **told)

    async def _record(self, verb: Verb) -> None:
        """Twilio: an empty recording falls through."""
        call = await self.pick_up()
        forget_keys(call)
        if call.media is None:
            return
        self._recording = Recording(self.switch, call, call.media, verb)
        ended_by = await self._recording.run(
            int(verb.get("timeout", str(RECORD_TIMEOUT))), int(verb.get("maxLength", str(RECORD_LENGTH)))
        )
        recording, self._recording = self._recording, None
        if recording.seconds:
            key = {"Digits": ended_by} if len(ended_by) == 1 else {}
            base = self.address
            await self.load(verb.get("action"), {**recording.about, **key})
            await self._tell_recording(recording, base)

    async def _tell_recording(self, recording: Recording, base: str) -> None:
        callback = recording.callback({"CallSid": self.sid})
        if callback is not None:
            await self.switch.report(urljoin(base, callback[0]), callback[1])

    async def _left(self) -> None:
        """The caller hung up, whatever was going on. What Twilio still asks for is not followed."""
        self._status = "completed" if self._answered_at is not None else "no-answer"
        if self._dialling is not None:
            outcome = await self._dialling.caller_gone()
            action = self._dialling.verb.get("action")
            if action and self.switch.exchange.behaviour.action_after_caller_hangup:
                await self.switch.report(urljoin(self.address, action), {**self.parameters(), **outcome})
        elif self._recording is not None and self._recording.seconds:
            action = urljoin(self.address, self._recording.verb.get("action"))
            about = {**self._recording.about, "Digits": "hangup"}
            await self.switch.report(action, {**self.parameters(), **about})
            await self._tell_recording(self._recording, self.address)

    async def _finished(self, following: asyncio.Task[None]) -> None:
        """The document is over: the program ends the call."""
        error = following.exception()
        if error is not None and not isinstance(error, HangUp):
            raise error
        if self._answered_at is not None:
            self._status = "completed"
            return
        reason = error.reason if isinstance(error, HangUp) else ""
        self._status = "busy" if reason == "busy" else "no-answer"
        self.call.reply(BUSY_HERE if reason == "busy" else DECLINE)

    async def _tell_the_end(self) -> None:
        """Twilio: one request at the end of the call."""
        exchange = self.switch.exchange
        form = {
            **self.parameters(),
            "Timestamp": format_datetime(exchange.clock.now()),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": "0",
        }
        if self._answered_at is not None:
            form["CallDuration"] = str(int(time.monotonic() - self._answered_at))
        await self.switch.report(exchange.status_url, form)
        self.switch.tell("over", sid=self.sid, status=self._status)

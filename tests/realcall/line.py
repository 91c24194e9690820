"""TwiML followed on one real line: prompts are spoken into it, keys are heard on it, in real time.

How a document is read, what its verbs may hold and how a request is signed are the telephone's
(`console/phone/`); what is here is the sound and the waiting.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from console.phone.document import Verb
from console.phone.execution import FOR_EVER, MOST_REDIRECTS, TOO_MANY_REDIRECTS, Fault
from realcall import audio, sip
from realcall.keys import Gathering

if TYPE_CHECKING:
    from realcall.switch import Switch


class HangUp(Exception):
    """The document ends the line: Hangup, Reject, or a fault nothing helps against. `reason` is Reject's."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Line:
    """One line, the caller's or a technician's. `party` is what it is called in what the switch tells."""

    whisper = False

    def __init__(self, switch: Switch, party: str) -> None:
        self.switch, self.party = switch, party
        self.sid = switch.new_sid()
        self.call: sip.SipCall | None = None
        self.address = ""
        self._todo: deque[Verb] = deque()
        self._redirects = 0

    # What differs between the two kinds

    def parameters(self) -> dict[str, str]:
        """What every request about this line carries."""
        raise NotImplementedError

    async def execute_more(self, verb: Verb) -> None:
        """The verbs only one kind knows."""
        raise HangUp

    async def recover(self, fault: Fault) -> None:
        """A document could not be had."""
        raise HangUp

    async def pick_up(self) -> sip.SipCall:
        """The line, answered."""
        assert self.call is not None
        return self.call

    # Documents

    async def follow(self, url: str) -> None:
        """Does what the document at `url` says, and all that come after it, until one just ends.

        Raises HangUp when one says so.
        """
        await self.load(url)
        while self._todo:
            await self._execute(self._todo.popleft())

    async def load(
        self, url: str, more: Mapping[str, str] | None = None, *, redirected: bool = False
    ) -> None:
        """Asks `url`, relative to the present document, for the next one; the present one is over."""
        self._redirects = self._redirects + 1 if redirected else 0
        url = urljoin(self.address, url) if url else self.address
        self._todo.clear()
        try:
            if self._redirects > MOST_REDIRECTS:
                raise Fault(TOO_MANY_REDIRECTS, f"more than {MOST_REDIRECTS} redirects in a row", url)
            document = await self.switch.fetch(url, {**self.parameters(), **(more or {})}, self.whisper)
        except Fault as fault:
            self.switch.tell("failed", party=self.party, code=fault.code, message=str(fault))
            await self.recover(fault)
        else:
            self.address = url
            self._todo.extend(document.verbs)

    async def _execute(self, verb: Verb) -> None:
        match verb.name:
            case "Say" | "Play" | "Pause":
                await self._perform(verb)
            case "Gather":
                await self._gather(verb)
            case "Redirect":
                await self.load(verb.text, redirected=True)
            case "Hangup":
                raise HangUp
            case _:
                await self.execute_more(verb)

    # Sound and keys

    async def _perform(self, verb: Verb) -> None:
        if verb.name == "Pause":  # which answers no call
            await asyncio.sleep(float(verb.get("length", "1")))
            return
        if verb.name == "Say":
            file = await self.switch.voice.say(verb.text, verb.get("language", "en-US"))
        else:
            sound = await self.switch.sound(urljoin(self.address, verb.text))
            if sound is None:
                return
            file = sound
        call = await self.pick_up()
        self.switch.tell("says", party=self.party, text=verb.text if verb.name == "Say" else "[a recording]")
        for _ in range(int(verb.get("loop", "1")) or FOR_EVER):
            assert call.media is not None or call.ended.is_set()
            if call.media is not None:
                await audio.play(file, call.media)

    async def _perform_all(self, verbs: Iterable[Verb]) -> None:
        for verb in verbs:
            await self._perform(verb)
        self.switch.tell("said", party=self.party)

    async def _gather(self, verb: Verb) -> None:
        call = await self.pick_up()
        gathering = Gathering.of(verb)
        self.switch.tell("listens", party=self.party, keys=gathering.wanted)
        await self._hear_keys(call, gathering, verb.children)
        if gathering.form is not None:
            await self.load(verb.get("action"), gathering.form)

    async def _hear_keys(self, call: sip.SipCall, gathering: Gathering, prompt: Iterable[Verb]) -> None:
        """The first key stops the prompt; the time-out starts after it, and again at each key.

        Keys that were pressed before this Gather, and not taken by another, are its first.
        """
        if (key := await self._key_over(call, prompt)) is not None:
            gathering.take(key)
        while not gathering.over:
            try:
                key = await asyncio.wait_for(call.keys.get(), gathering.timeout)
            except TimeoutError:
                break
            gathering.take(key)
        self.switch.tell("heard", party=self.party, keys=len(gathering.digits))

    async def _key_over(self, call: sip.SipCall, prompt: Iterable[Verb]) -> str | None:
        """The key that cuts the prompt off; None if it was said to its end."""
        speaking = asyncio.create_task(self._perform_all(prompt))
        pressing = asyncio.create_task(call.keys.get())
        try:
            await asyncio.wait({speaking, pressing}, return_when=asyncio.FIRST_COMPLETED)
            if pressing.done():
                return pressing.result()
            await speaking
            return None
        finally:
            await over(speaking)
            await over(pressing)


def forget_keys(call: sip.SipCall) -> None:
    """Twilio: no key that was pressed before a Dial or a Record reaches a later Gather."""
    while not call.keys.empty():
        call.keys.get_nowait()


async def over(task: asyncio.Task[object]) -> None:
    """Ends a task, if it has not ended; whatever became of it is no news."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

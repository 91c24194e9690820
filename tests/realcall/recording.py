"""Record in real time: a beep, what the caller says as a WAV file, and how it ends."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pjsua2 as pj

from console.phone.document import Verb
from realcall import audio, sip
from realcall.line import over

if TYPE_CHECKING:
    from realcall.switch import Switch

BEEP, BEEP_FOR = 1400, 0.3  # Hz, seconds
QUIET = 4  # of 255, as PJSUA's meter shows what a line sends: a tone at -12 dBFS is about 33, silence 0
METER = 0.1  # seconds between two looks at the meter, which tells nothing of itself


class Recording:
    """One Record. `seconds` is how long was recorded, in whole ones."""

    def __init__(self, switch: Switch, call: sip.SipCall, media: pj.AudioMedia, verb: Verb) -> None:
        self.switch, self.verb = switch, verb
        self.sid = switch.new_sid("RE")
        self.seconds = 0
        self._call, self._media = call, media

    async def run(self, silence: float, limit: float) -> str:
        """What ended it: a key, "silence" or "limit". Cancelled when the caller hangs up."""
        if self.verb.get("playBeep", "true") == "true":
            with audio.tone(self._media, BEEP):
                await asyncio.sleep(BEEP_FOR)
        recorder = audio.Recorder(self._media, self.switch.folder / f"{self.sid}.wav")
        self.switch.tell("records", party="caller")
        began = time.monotonic()
        key = asyncio.create_task(self._key())
        quiet = asyncio.create_task(self._quiet(silence))
        try:
            await asyncio.wait({key, quiet}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if key.done():
                return key.result()
            return "silence" if quiet.done() else "limit"
        finally:
            spoken = time.monotonic() - began - (silence if quiet.done() and not key.done() else 0)
            self.seconds = max(round(spoken), 0)
            await over(key)
            await over(quiet)
            await recorder.close()

    @property
    def about(self) -> dict[str, str]:
        return {
            "RecordingUrl": f"{self.switch.exchange.api}/Recordings/{self.sid}",
            "RecordingSid": self.sid,
            "RecordingDuration": str(self.seconds),
        }

    def callback(self, call: dict[str, str]) -> tuple[str, dict[str, str]] | None:
        """Where the recording's own callback goes, and with what; None if nobody asked for it."""
        url = self.verb.get("recordingStatusCallback")
        if not url or "completed" not in self.verb.get("recordingStatusCallbackEvent", "completed").split():
            return None
        more = {"RecordingStatus": "completed", "RecordingChannels": "1", "RecordingSource": "RecordVerb"}
        return url, {"AccountSid": self.switch.exchange.account_sid, **call, **self.about, **more}

    async def _key(self) -> str:
        finish = self.verb.get("finishOnKey", "1234567890*#")
        while (key := await self._call.keys.get()) not in finish:
            pass
        return key

    async def _quiet(self, seconds: float) -> None:
        """Returns when nothing was heard for so long."""
        last = time.monotonic()
        while time.monotonic() - last < seconds:
            await asyncio.sleep(METER)
            if self._call.media is not None and self._media.getTxLevel() > QUIET:
                last = time.monotonic()

"""A SIP phone without a person: it rings, is picked up, keys, makes a tone and records, as it is told.

{"do": "call", "address": "sip:…"}  {"do": "answer"}  {"do": "refuse"}  {"do": "hang up"}
{"do": "press", "keys": "…"}        one after the other, as RFC 2833
{"do": "tone", "hz": 1000}          instead of a voice, from now on until {"do": "hush"}
{"do": "record", "as": "name"}      what is heard, from now on, in a file of its own
{"do": "listen", "seconds": 2}      says so when they have passed
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from realcall import audio, sip
from realcall.program import Wire
from realcall.signalling import number_of

BUSY_HERE, OK, RINGING = 486, 200, 180


class Handset:
    """One phone, one call at a time. `number` is what it calls from; `folder` takes its recordings."""

    def __init__(self, station: sip.Station, wire: Wire, number: str, folder: Path) -> None:
        self._station, self._wire, self._number, self._folder = station, wire, number, folder
        self._call: sip.SipCall | None = None
        self._recorder: audio.Recorder | None = None
        self._sounding = ExitStack()
        self._watches: set[asyncio.Task[None]] = set()

    async def rings(self) -> None:
        """Takes what comes in, for ever."""
        while True:
            call = await self._station.incoming.get()
            if self._call is not None and not self._call.ended.is_set():
                call.reply(BUSY_HERE)
                continue
            self._take(call)
            call.reply(RINGING)
            self._wire.tell("rings", shows=number_of(call.getInfo().remoteUri))

    async def obey(self, order: dict[str, Any]) -> None:
        if order["do"] == "call":
            self._take(self._station.call(order["address"], self._number))
            return
        call = self._call
        assert call is not None, "there is no call"
        match order["do"]:
            case "answer":
                call.reply(OK)
            case "refuse":
                call.reply(BUSY_HERE)
            case "hang up":
                call.end()
            case "press":
                call.press(order["keys"])
                self._wire.tell("pressed", keys=len(order["keys"]))
            case "tone":
                assert call.media is not None, "the call is not answered"
                self._sounding.enter_context(audio.tone(call.media, order["hz"]))
                self._wire.tell("sounds", hz=order["hz"])
            case "hush":
                self._sounding.close()
            case "record":
                await self._record(call, order["as"])
            case "listen":
                await asyncio.sleep(order["seconds"])  # what is recorded meanwhile takes its time
                self._wire.tell("listened")
            case unknown:
                raise ValueError(f"a phone cannot {unknown}")

    def _take(self, call: sip.SipCall) -> None:
        self._call = call
        for watch in (self._tell_answer(call), self._tell_end(call)):
            task = asyncio.create_task(watch)
            self._watches.add(task)
            task.add_done_callback(self._watches.discard)

    async def _record(self, call: sip.SipCall, name: str) -> None:
        before, self._recorder = self._recorder, None
        if before is not None:
            await before.close()
        if call.media is not None:
            self._recorder = audio.Recorder(call.media, self._folder / f"{name}.wav")
        self._wire.tell("records", name=name)

    async def _tell_answer(self, call: sip.SipCall) -> None:
        await call.answered.wait()
        self._wire.tell("answered")

    async def _tell_end(self, call: sip.SipCall) -> None:
        await call.ended.wait()
        self._sounding.close()
        if self._recorder is not None:
            await self._recorder.close()
        self._wire.tell("ended", code=call.code)


async def main(station: sip.Station, wire: Wire) -> None:
    orders = wire.orders()
    about = await anext(orders)
    handset = Handset(station, wire, about["number"], Path(about["folder"]))
    rings = asyncio.create_task(handset.rings())
    wire.tell("ready", address=station.address)
    async for order in orders:
        await handset.obey(order)
    rings.cancel()


if __name__ == "__main__":
    wire = Wire()
    sip.run("phone", lambda station: main(station, wire))

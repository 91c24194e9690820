"""The carrier: takes SIP calls to our numbers, asks the real service what to do, and does it.

It is to the service what Twilio is: it signs its requests, follows TwiML, tells Dial's action and the
status callbacks. Telephone numbers are mapped to SIP phones here, as an operator maps them: the service keeps
rota, whisper and `<Number>` as they are in earnest. A number that is not on the map cannot be reached.

Its first order: {"listener", "public_url", "account", "token", "numbers": […], "phones": {number: address},
"folder"}.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from console.phone.clock import VirtualClock
from console.phone.document import Document
from console.phone.door import TIME_OUT, HttpDoor
from console.phone.events import Event, Requested
from console.phone.exchange import Exchange
from realcall import sip
from realcall.caller import CallerLine
from realcall.program import Wire
from realcall.signalling import number_of
from realcall.voice import Voice

NOT_FOUND = 404


class SystemClock(VirtualClock):
    """The clock on the wall: here time passes by itself."""

    def __init__(self) -> None:
        super().__init__(datetime.now(UTC))

    def now(self) -> datetime:
        return datetime.now(UTC)


class Switch:
    """One carrier. `tell` says what happens, never which keys were pressed."""

    def __init__(self, station: sip.Station, wire: Wire, about: Mapping[str, Any]) -> None:
        self.station = station
        self.tell = wire.tell
        self.folder = Path(about["folder"])
        self.voice = Voice(self.folder)
        self.numbers: list[str] = about["numbers"]
        self.phones: dict[str, str] = about["phones"]
        self._listener = about["listener"]
        self.exchange = Exchange(
            HttpDoor(about["public_url"], f"http://{about['listener']}"),
            public_url=about["public_url"],
            account_sid=about["account"],
            auth_token=about["token"],
            clock=SystemClock(),
            owned=self.numbers,
            on_event=self._tell_request,
        )
        self._public = about["public_url"].rstrip("/") + "/"
        self._calls: set[asyncio.Task[None]] = set()

    def new_sid(self, kind: str = "CA") -> str:
        return kind + secrets.token_hex(16)

    async def takes_calls(self) -> None:
        """For ever. An error in a call ends the program: it is a bug of ours to be seen."""
        async with asyncio.TaskGroup() as calls:
            while True:
                call = await self.station.incoming.get()
                info = call.getInfo()
                to = number_of(info.localUri)
                if to not in self.numbers:
                    call.reply(NOT_FOUND)
                    continue
                calls.create_task(CallerLine(self, call, number_of(info.remoteUri), to).run())

    async def fetch(self, url: str, form: Mapping[str, str], whisper: bool) -> Document:
        """The next document. Raises Fault. Asked in a thread of its own: the sound and SIP go on."""
        self.exchange.begin_move()
        return await asyncio.to_thread(self.exchange.fetch, url, form, whisper=whisper)

    async def report(self, url: str, form: Mapping[str, str]) -> None:
        """Tells the service something; a refusal is told."""
        failure = await asyncio.to_thread(self.exchange.report, url, form)
        if failure is not None:
            self.tell("failed", party="", code=failure.code, message=failure.message)

    async def sound(self, url: str) -> Path | None:
        """What a Play names, if it is a WAV file of the service; PJSUA plays nothing else."""
        content = b""
        if url.startswith(self._public):
            content = await asyncio.to_thread(self._get, url)
        if content[:4] != b"RIFF":
            self.tell("failed", party="", code=12300, message="a Play that is no WAV file of the service")
            return None
        file = self.folder / f"played-{secrets.token_hex(8)}.wav"
        file.write_bytes(content)
        return file

    def _get(self, url: str) -> bytes:
        parts = urlsplit(url)
        answer = requests.get(
            f"http://{self._listener}{parts.path}?{parts.query}",
            headers={"Host": urlsplit(self._public).netloc},
            timeout=TIME_OUT,
        )
        return answer.content if answer.ok else b""

    def _tell_request(self, event: Event) -> None:
        if isinstance(event, Requested):
            self.tell("asked", path=event.path, status=event.status)


async def main(station: sip.Station, wire: Wire) -> None:
    orders = wire.orders()
    switch = Switch(station, wire, await anext(orders))
    taking = asyncio.create_task(switch.takes_calls())
    wire.tell("ready", address=station.address)

    async def told_to_end() -> None:
        async for _ in orders:
            pass

    ending = asyncio.create_task(told_to_end())
    for done in (await asyncio.wait({taking, ending}, return_when=asyncio.FIRST_COMPLETED))[0]:
        done.result()
    taking.cancel()


if __name__ == "__main__":
    wire = Wire()
    sip.run("carrier", lambda station: main(station, wire))

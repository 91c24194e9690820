"""SIP and RTP on this machine's loopback, by PJSUA2, in one thread.

PJSUA is given no worker thread: it is driven by `Station.pump` on the event loop, so every callback comes in
the loop's own thread and no thread of Python's ever has to be registered. Sound is moved by PJSUA's own
clock thread, against the null device; it never enters Python.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pjsua2 as pj

from realcall.signalling import LOOPBACK, stays_here

RATE = 8000  # Hz, as PCMU has it
CODEC = "PCMU/8000/1"
PUMP = 5  # ms that PJSUA may wait for the network at a time
KEY = 120  # ms that a key is held
INVALID = -1
ENDS_WITHIN = 3  # seconds that a call may take to end


class SipCall(pj.Call):
    """One call. What happens to it can be waited for; `code` is the SIP status it ended with."""

    def __init__(self, account: pj.Account, call_id: int = INVALID) -> None:
        super().__init__(account, call_id)
        self.rings, self.answered, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.keys: asyncio.Queue[str] = asyncio.Queue()
        self.code = 0
        self.media: pj.AudioMedia | None = None
        self._confirmed = False

    # Called by PJSUA. Nothing may be raised here.

    def onCallState(self, prm: pj.OnCallStateParam) -> None:  # noqa: N802 (PJSUA's name)
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_EARLY:
            self.rings.set()
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self._confirmed = True
            self._maybe_answered()
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.code = info.lastStatusCode
            self.media = None
            self.ended.set()

    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:  # noqa: N802
        info = self.getInfo()  # kept: what it holds dies with it
        for place, medium in enumerate(info.media):
            if medium.type == pj.PJMEDIA_TYPE_AUDIO and medium.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                self.media = self.getAudioMedia(place)
                self._maybe_answered()

    def onDtmfDigit(self, prm: pj.OnDtmfDigitParam) -> None:  # noqa: N802
        if prm.method == pj.PJSUA_DTMF_METHOD_RFC2833:
            self.keys.put_nowait(prm.digit)

    def _maybe_answered(self) -> None:
        if self._confirmed and self.media is not None:
            self.answered.set()

    # What is done with it.

    def reply(self, code: int) -> None:
        """Answers an incoming call: 180 rings, 200 picks up, from 400 on refuses."""
        parameters = pj.CallOpParam()
        parameters.statusCode = code
        self.answer(parameters)

    def end(self) -> None:
        """Hangs up; nothing if it is over already."""
        if not self.ended.is_set():
            self.hangup(pj.CallOpParam())

    def press(self, keys: str) -> None:
        """Sends keys as RFC 2833 events, one after the other."""
        parameters = pj.CallSendDtmfParam()
        parameters.method = pj.PJSUA_DTMF_METHOD_RFC2833
        parameters.duration = KEY
        parameters.digits = keys
        self.sendDtmf(parameters)


class _Account(pj.Account):
    def __init__(self, station: Station) -> None:
        super().__init__()
        self._station = station

    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:  # noqa: N802
        call = SipCall(self, prm.callId)
        self._station.keep(call)
        self._station.incoming.put_nowait(call)


class Station:
    """One SIP endpoint. `address` is where it is reached; `incoming` holds calls that nobody looked at."""

    def __init__(self, name: str) -> None:
        self.incoming: asyncio.Queue[SipCall] = asyncio.Queue()
        self._calls: list[SipCall] = []
        self._accounts: dict[str, _Account] = {}
        self._endpoint = pj.Endpoint()
        self._endpoint.libCreate()
        config = pj.EpConfig()
        config.logConfig.level = config.logConfig.consoleLevel = 0
        config.logConfig.msgLogging = 0  # a message may carry keys
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.maxCalls = 16
        config.medConfig.clockRate = config.medConfig.sndClockRate = RATE
        config.medConfig.ecTailLen = 0
        config.medConfig.noVad = True  # a steady tone is no silence
        self._endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.boundAddress = transport.publicAddress = LOOPBACK
        number = self._endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        self._endpoint.libStart()
        self._endpoint.audDevManager().setNullDev()
        for codec in self._endpoint.codecEnum2():
            self._endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId == CODEC else 0)
        self.address = self._endpoint.transportGetInfo(number).localName
        self._default = self.account(name)

    def account(self, name: str) -> pj.Account:
        """Who a call is from; nobody registers anywhere."""
        if name not in self._accounts:
            config = pj.AccountConfig()
            config.idUri = f"sip:{name}@{LOOPBACK}"
            config.regConfig.registerOnAdd = False
            media = config.mediaConfig.transportConfig
            media.port = 0  # the machine chooses
            media.boundAddress = media.publicAddress = LOOPBACK
            account = _Account(self)
            account.create(config)
            self._accounts[name] = account
        return self._accounts[name]

    def call(self, address: str, from_: str) -> SipCall:
        """Calls a SIP address as `from_`. Only on this machine: ValueError otherwise."""
        if not stays_here(address):
            raise ValueError("no call leaves this machine")
        call = SipCall(self.account(from_))
        self.keep(call)
        call.makeCall(address, pj.CallOpParam(True))
        return call

    def keep(self, call: SipCall) -> None:
        """PJSUA speaks to the object, so it must live."""
        self._calls.append(call)

    async def pump(self) -> None:
        """Lets PJSUA work, for ever."""
        while True:
            self._endpoint.libHandleEvents(PUMP)
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Ends all calls and waits for their ends."""
        for call in self._calls:
            call.end()
        pump = asyncio.create_task(self.pump())
        ends = [asyncio.create_task(call.ended.wait()) for call in self._calls]
        if ends:
            await asyncio.wait(ends, timeout=ENDS_WITHIN)
        pump.cancel()
        for kept in (*self._calls, *self._accounts.values()):
            kept.thisown = False  # PJSUA is gone before Python would delete them, and they would ask it
        self._endpoint.libDestroy()


def run(name: str, program: Callable[[Station], Awaitable[None]]) -> None:
    """Runs a program that has a station, until it returns."""

    async def everything() -> None:
        station = Station(name)
        pump = asyncio.create_task(station.pump())
        work = asyncio.ensure_future(program(station))
        try:
            for done in (await asyncio.wait({pump, work}, return_when=asyncio.FIRST_COMPLETED))[0]:
                done.result()
        finally:
            pump.cancel()
            await station.close()

    asyncio.run(everything())

"""Telephones on a balancer: they do as `acceptance.caller` does, and what Twilio does when no answer can be
used.

A caller's document that cannot be had is asked for at the number's fallback address; if that fails too the
call is cut off. A technician's leg whose document fails is hung up. `heed` is told of everything that
counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from acceptance.caller import Answer, Call, CallError, Leg, Phone, new_sid, pairs

from faults.balancer import Balancer, NoAnswer
from faults.network import Made

HTTP_FAILURE = "11200"


def turn_of(url: str) -> int:
    """The turn that an address of a caller's call is about."""
    found = re.search(r"/voice/turn/([0-9]+)", url)
    return int(found[1]) if found else 0


class CutOff(Exception):
    """The call is over because nothing that could be followed came back."""


class Caller(Call):
    """A caller. `pin_keyed` is set by whoever keys the right one."""

    def __init__(self, line: Balancer, to: str, caller: str | None) -> None:
        super().__init__(line, to, caller, {})
        self.balancer = line
        self.pin_keyed = False
        self.late: list[Callable[[], object]] = []
        self.callbacks_late = False
        # The turns whose answers were had, as their addresses number them; and how its phones were rung.
        self.turns: set[int] = set()
        self.dials = self.bridges = 0

    def begins(self) -> Caller:
        self.follow(self.line.address("/voice"))
        return self

    def step(self, url: str) -> str:
        """What kind of request the next is, for those who choose what befalls it."""
        if url.endswith("/voice"):
            return "first"
        if "/voice/status" in url:
            return "end of call"
        if "/voice/recording" in url:
            return "recording"
        if self.waiting is None:
            return "redirect"
        if self.waiting.tag == "Gather":
            return "PIN" if self.asks_for_pin else "key"
        return "end of ring" if self.waiting.tag == "Dial" else "message"

    def send(self, url: str, more: Mapping[str, str] | None = None, method: str = "POST") -> Answer:
        self._requests += 1
        return self.balancer.deliver(url, pairs({**self.fields(), **(more or {})}), self.step(url))

    def follow(self, url: str, more: Mapping[str, str] | None = None, method: str = "POST") -> None:
        try:
            answer = self.send(url, more, method)
            self._usable(answer)
            self.turns.add(turn_of(url))
        except (NoAnswer, CallError):
            url, answer = self._fallback(url)
        self.take(url, answer)

    def _dialling(self) -> None:
        super()._dialling()
        self.dials += 1

    def _fallback(self, failed: str) -> tuple[str, Answer]:
        url = self.line.address("/voice/fallback")
        form = pairs({**self.fields(), "ErrorCode": HTTP_FAILURE, "ErrorUrl": failed})
        try:
            answer = self.balancer.deliver(url, form, "fallback")
            self._usable(answer)
        except (NoAnswer, CallError) as error:
            self.over, self.waiting = True, None
            self._tell_end()
            raise CutOff(f"nothing usable at {failed.split('?')[0]}, nor at the fallback: {error}") from error
        return url, answer

    @staticmethod
    def _usable(answer: Answer) -> None:
        assert answer.document is not None

    def _report_end(self) -> None:
        if self.callbacks_late:
            self.late.append(self._tell_end)
        else:
            self._tell_end()

    def _tell_end(self) -> None:
        fields = {**self.fields(), "CallDuration": "60", "SequenceNumber": "0"}
        try:
            self.balancer.deliver(self.line.address("/voice/status"), pairs(fields), "end of call")
        except NoAnswer:
            return  # callbacks may get lost

    def picks_up(self, heed: Callable[[TechniciansPhone], object]) -> TechniciansPhone:
        """The phone that rings is picked up. `heed` is told of its keys as they are pressed."""
        dial = self._at("Dial")
        phone = TechniciansPhone(self, dial, dial[0], heed)
        phone.begins()
        return phone

    def talks(self, seconds: int = 60) -> None:
        self.bridges += 1
        super().talks(seconds)

    def bridge_fails(self, phone: TechniciansPhone) -> None:
        """He has pressed his key, and the caller was gone before the two were put through."""
        dial = self._at("Dial")
        self._bridged = None
        phone.over = True
        self._over_late(dial, "no-answer", phone.sid)

    def _over_late(self, dial: Element, status: str, child: str) -> None:
        """The caller is gone; the Dial's action is asked all the same, as may happen."""
        self.over = True
        result = {"DialCallStatus": status, "DialCallSid": child, "DialBridged": "false"}
        try:
            self.send(self.action, result)
        except NoAnswer:
            return
        finally:
            self._report_end()


class TechniciansPhone(Phone):
    """A technician's phone in a caller's call."""

    def __init__(
        self, call: Caller, dial: Element, noun: Element, heed: Callable[[TechniciansPhone], object]
    ) -> None:
        super().__init__(call, dial, noun, "no-answer")
        self.caller_side = call
        self.pressed: list[str] = []
        # What it heard before each key, and the seconds of the Gathers that ran out.
        self.waited = 0.0
        self._heed = heed

    def begins(self) -> None:
        self._requests = 1
        self.follow(self.whisper)

    def send(self, url: str, more: Mapping[str, str] | None = None, method: str = "POST") -> Answer:
        self._requests += 1
        kind = "whisper" if self.waiting is None else "technician's key"
        return self.caller_side.balancer.deliver(url, pairs({**self.fields(), **(more or {})}), kind)

    def follow(self, url: str, more: Mapping[str, str] | None = None, method: str = "POST") -> None:
        try:
            answer = self.send(url, more, method)
            assert answer.document is not None
        except (NoAnswer, CallError):
            self.hangs_up()
            return
        self.take(url, answer)

    def waits(self) -> None:
        self.waited += float(self._at("Gather").get("timeout", "5"))
        super().waits()

    def submit(self, digits: str) -> None:
        if digits:
            self.pressed.append(digits)
            self._heed(self)
        super().submit(digits)


class PlacedPhone(Leg):
    """Whoever is phoned by a call that the program placed."""

    def __init__(self, line: Balancer, made: Made, customer: Callable[[str], bool]) -> None:
        super().__init__(line)
        self.balancer, self.made, self._customer = line, made, customer
        self.sid = made.sid
        self.number = made.to
        self.pressed: list[str] = []
        self.talked = False

    def fields(self) -> dict[str, str]:
        return {
            "CallSid": self.sid,
            "AccountSid": self.line.account_sid,
            "From": self.made.sender,
            "To": self.number,
            "CallStatus": "completed" if self.over else "in-progress",
            "ApiVersion": "2010-04-01",
            "Direction": "outbound-api",
        }

    def picks_up(self) -> None:
        self.made.status = "in-progress"
        self.follow(self.made.url)

    def send(self, url: str, more: Mapping[str, str] | None = None, method: str = "POST") -> Answer:
        kind = "placed: picked up" if self.waiting is None else f"placed: {self.waiting.tag.lower()}"
        return self.balancer.deliver(url, pairs({**self.fields(), **(more or {})}), kind)

    def follow(self, url: str, more: Mapping[str, str] | None = None, method: str = "POST") -> None:
        try:
            answer = self.send(url, more, method)
            assert answer.document is not None
        except (NoAnswer, CallError):
            self.ends("completed")
            return
        self.take(url, answer)

    def submit(self, digits: str) -> None:
        if digits:
            self.pressed.append(digits)
        super().submit(digits)

    def ends(self, status: str) -> None:
        """This call is over: the network tells of it."""
        if self.over:
            return
        self.over, self.waiting = True, None
        self.made.status = status
        fields = {**self.fields(), "CallStatus": status, "CallDuration": "30", "SequenceNumber": "0"}
        if not self.made.callback:
            return
        try:
            self.balancer.deliver(self.made.callback, pairs(fields), "placed: end")
        except NoAnswer:
            return

    def _dialling(self) -> None:
        """The customer is dialled for him."""

    def customer_answers(self) -> None:
        """Or does not: `customer` says."""
        dial = self._at("Dial")
        reached = self._customer((dial[0].text or "").strip())
        self.talked = self.talked or reached
        self.heard = ""
        result: dict[str, Any] = {
            "DialCallStatus": "completed" if reached else "no-answer",
            "DialCallSid": new_sid(),
            "DialBridged": str(reached).lower(),
        }
        if reached:
            result["DialCallDuration"] = "95"
        self.follow(self.action, result)

    def _hung_up(self) -> None:
        self.ends("completed")

    _ran_out = _hung_up

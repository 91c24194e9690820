"""A call that the program placed itself, over the REST interface: from the side of whoever is phoned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import TYPE_CHECKING, Literal

from console.phone.call import Call, State
from console.phone.dialling import (
    LONGEST_VOICEMAIL,
    SECONDS_TO_ANSWER,
    SECONDS_TO_BUSY,
    SECONDS_TO_VOICEMAIL,
    TIMEOUT_BUFFER,
    Missing,
)
from console.phone.events import Answered, Missed, Phoned
from console.phone.execution import OutOfTurn

if TYPE_CHECKING:
    from console.phone.exchange import Exchange

CALL_TIMEOUT = 60  # Twilio: Calls, Timeout, default 60 s
LONGEST_TIMEOUT = 600


@dataclass(frozen=True, slots=True)
class Order:
    """What a call was placed with. Addresses may hold secrets, so they are not shown."""

    to: str
    from_: str
    url: str
    status_callback: str = ""
    status_events: tuple[str, ...] = ("completed",)
    timeout: int = CALL_TIMEOUT
    fallback_url: str = ""

    def __repr__(self) -> str:
        return f"Order(to={self.to!r}, from_={self.from_!r})"


class PlacedCall(Call):
    """One phone that the program called. `phone` is its number, or its SIP address."""

    def __init__(self, exchange: Exchange, order: Order) -> None:
        super().__init__(
            exchange,
            order.to,
            order.from_,
            order.to,
            direction="outbound-api",
            status_url=order.status_callback,
            fallback_url=order.fallback_url,
        )
        self.phone = order.to
        self.ended_at: datetime | None = None
        self._order = order
        self._phoning = True
        self._deadline = self.began + timedelta(seconds=min(order.timeout, LONGEST_TIMEOUT) + TIMEOUT_BUFFER)
        self._is_voicemail = False
        self._hung_up_by_request = False
        self._sequence = 0
        self._status = "queued"

    @property
    def state(self) -> State:
        """As of any call; "phoning" while this phone rings."""
        return "phoning" if self._phoning else super().state

    @property
    def rings_until(self) -> datetime | None:
        return self._deadline if self._phoning else super().rings_until

    # What the person at this phone does

    def no_answer(self) -> None:
        """Lets it ring: Timeout + 5 s."""
        self._must_ring()
        self.exchange.clock.reach(self._deadline)
        self._miss("no-answer")

    def busy(self) -> None:
        """The phone is engaged; the network says so after 2 s."""
        self._must_ring()
        self.exchange.clock.reach(self._at_most(SECONDS_TO_BUSY))
        self._miss("busy")

    def fail(self) -> None:
        """The number cannot be reached."""
        self._must_ring()
        self._miss("failed")

    def answer(self, *, after: float = SECONDS_TO_ANSWER) -> None:
        """Picks up `after` seconds, at the latest as the ring ends; the call's address is asked."""
        self._must_ring()
        self._pick_up("person", after)

    def voicemail(self, *, after: float = SECONDS_TO_VOICEMAIL) -> None:
        """An answering machine picks up and never presses a key. It is on the line until the document
        hangs up, or for 180 s.
        """
        self._must_ring()
        self._is_voicemail = True
        self._pick_up("voicemail", after)
        assert self._answered_at is not None
        patience = self._answered_at + timedelta(seconds=LONGEST_VOICEMAIL)
        while not self._ended:
            if self._gathering is not None and self._gathering.times_out <= patience:
                self.wait()
            else:
                self.exchange.clock.reach(patience)
                self._left()

    def wait(self) -> None:
        """Does nothing: the ring ends, or as with any call."""
        if self._phoning:
            self.no_answer()
        else:
            super().wait()

    def hang_up(self) -> None:
        """Raises OutOfTurn before it was picked up, and after the end."""
        if self._phoning:
            raise OutOfTurn(f"{self.phone} rings: nobody has picked up")
        super().hang_up()

    # What the network does

    def begin(self) -> None:
        """The phone rings."""
        self.note(Phoned(self.exchange.clock.now(), self.phone, self.from_))
        # Told after the request that placed it was answered, as everything is that happens to it.
        self.exchange.later(partial(self._progress, "initiated", "queued"))
        self.exchange.later(partial(self._progress, "ringing", "ringing"))
        self._status = "ringing"

    def ring_out(self) -> None:
        """Ends the ring if its time was over while other things happened."""
        if self._phoning and not self._ended and self.exchange.clock.now() > self._deadline:
            self._miss("no-answer")

    def end(self, wanted: Literal["canceled", "completed"]) -> None:
        """Ended over the REST interface. Twilio: canceled leaves a call that was picked up. Raises
        OutOfTurn after the end.
        """
        if self._ended:
            raise OutOfTurn("the call is over")
        self._hung_up_by_request = True
        if self._phoning:
            self._miss("canceled")
        elif wanted == "completed":
            self._stop_prompt()
            dialling, self._dialling = self._dialling, None
            if dialling is not None:
                dialling.party_gone()
            self._recording = None
            self._finish("completed", by="program")

    # Inside

    def _must_ring(self) -> None:
        if not self._phoning:
            raise OutOfTurn(f"{self.phone} does not ring: the call is {self.state}")
        self.exchange.begin_move()

    def _at_most(self, seconds: float) -> datetime:
        return min(self.began + timedelta(seconds=seconds), self._deadline)

    def _miss(self, why: Missing) -> None:
        self._phoning = False
        self.note(Missed(self.exchange.clock.now(), self.phone, why))
        self._finish(why, by=self.party)

    def _pick_up(self, by: Literal["person", "voicemail"], after: float) -> None:
        self.exchange.clock.reach(self._at_most(after))
        self._phoning = False
        self._answered_at = self.exchange.clock.now()
        self._status = "in-progress"
        self.note(Answered(self._answered_at, self.phone, by))
        self._progress("answered", "in-progress")
        self._load(self._order.url)
        self._run()

    def _is_busy(self) -> bool:
        return self._phoning or super()._is_busy()

    def _note_wait(self) -> None:
        if not self._is_voicemail:
            super()._note_wait()

    def _progress(self, event: str, status: str) -> None:
        """Tells StatusCallback of a step on the way, if it was asked to."""
        if not self._status_url or event not in self._order.status_events:
            return
        self._report(self._status_url, {**self.parameters(), **self._when(), "CallStatus": status})

    def _when(self) -> dict[str, str]:
        number, self._sequence = self._sequence, self._sequence + 1
        return {
            "Timestamp": format_datetime(self.exchange.clock.now()),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(number),
        }

    def _tell_the_end(self, form: Mapping[str, str]) -> None:
        """Twilio: one request for every final status, at the end; it is the only one sent unasked."""
        self.ended_at = self.exchange.clock.now()
        if not self._status_url or not self.exchange.behaviour.ends_reported:
            return
        told = {**form, **self._when()}
        if self._hung_up_by_request:
            self.exchange.later(partial(self._report, self._status_url, told))
        else:
            self._report(self._status_url, told)

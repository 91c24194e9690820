"""What a call carries along in its addresses, sealed: enough to go on when its row cannot be read.

Encrypted and authenticated with a key that lives outside the database, so that nobody reads or forges
it in an access log. It never holds a PIN.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from ivr.vocabulary import Call


class LuggageRefused(Exception):
    """Not sealed by us, or damaged."""


class Seal:
    """Seals and opens luggage. `keys` are Fernet keys, the current one first."""

    def __init__(self, keys: list[str]) -> None:
        self._current = Fernet(keys[0])
        self._any = MultiFernet([Fernet(key) for key in keys])

    def close(self, contents: dict[str, Any], at: datetime) -> str:
        raw = json.dumps(contents, separators=(",", ":"), sort_keys=True).encode()
        return self._current.encrypt_at_time(raw, int(at.timestamp())).decode().rstrip("=")

    def open(
        self, sealed: str, *, at: datetime | None = None, within: timedelta | None = None
    ) -> dict[str, Any]:
        """The contents. Raises LuggageRefused; also if at `at` they were sealed longer ago than `within`."""
        try:
            padded = (sealed + "=" * (-len(sealed) % 4)).encode("ascii")
            if at is None or within is None:
                raw = self._any.decrypt(padded)
            else:
                raw = self._any.decrypt_at_time(padded, int(within.total_seconds()), int(at.timestamp()))
            contents: dict[str, Any] = json.loads(raw)
        except (InvalidToken, ValueError, TypeError):
            raise LuggageRefused from None
        return contents


def of_call(call: Call) -> dict[str, Any]:
    """A call's luggage: its step, and what was promised."""
    contents: dict[str, Any] = {"s": call.step.value, "l": call.language}
    if call.customer:
        contents["c"] = call.customer.id
    if call.case:
        contents |= {"u": call.urgency, "n": call.case.number, "k": call.case.code}
        contents |= {"p": call.ringing_pass, "t": len(call.tried)}
    return contents


def of_recording(call_sid: str) -> dict[str, Any]:
    """A recording's luggage: the call it belongs to."""
    return {"call": call_sid}


def of_sound(recording_sid: str) -> dict[str, Any]:
    """A recording that is played to a technician."""
    return {"sound": recording_sid}


def of_outgoing(outgoing_id: int) -> dict[str, Any]:
    """A call that we placed."""
    return {"out": outgoing_id}


def of_text(send_id: int) -> dict[str, Any]:
    """A text message that we send: the try that it is."""
    return {"text": send_id}


def of_leg(call_sid: str, attempt_id: int) -> dict[str, Any]:
    """A technician's leg's luggage: whom he is rung for."""
    return {"call": call_sid, "attempt": attempt_id}

"""What a call carries along in its addresses, sealed: enough to go on when its row cannot be read.

The whole call travels, with the turn that is expected next, but for the caller's number, which comes with
each request, and for identities that mean nothing to another database. Encrypted and authenticated with a
key that lives outside the database, so that nobody reads or forges it in an access log. It never holds a PIN.
"""

from __future__ import annotations

import hmac
import json
import zlib
from datetime import datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import TypeAdapter, ValidationError

from ivr.outgoing_flow import CarriedOutgoing
from ivr.stored import CALL
from ivr.vocabulary import Call, Carried

_PLACED = TypeAdapter(CarriedOutgoing)
# Known from the request, or from our own configuration, or only where it was written.
_LEFT_BEHIND = {"caller", "languages", "case_id", "attempt_id"}
# Shorter contents grow by packing.
_WORTH_PACKING = 200


class LuggageRefused(Exception):
    """Not sealed by us, or damaged."""


class Seal:
    """Seals and opens luggage. `keys` are Fernet keys, the current one first."""

    def __init__(self, keys: list[str]) -> None:
        self._current = Fernet(keys[0])
        self._any = MultiFernet([Fernet(key) for key in keys])
        self._marking = [hmac.digest(key.encode(), b"mark of an address", "sha256") for key in keys]

    def close(self, contents: dict[str, Any], at: datetime) -> str:
        raw = json.dumps(contents, separators=(",", ":"), sort_keys=True).encode()
        if len(raw) > _WORTH_PACKING:
            raw = zlib.compress(raw)
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
            # JSON begins with a brace, what was packed never does.
            contents: dict[str, Any] = json.loads(raw if raw[:1] == b"{" else zlib.decompress(raw))
        except (InvalidToken, ValueError, TypeError, zlib.error):
            raise LuggageRefused from None
        return contents

    def mark(self, name: str) -> str:
        """What an address that is always the same bears beside its name, to show that it is ours."""
        return _mark(self._marking[0], name)

    def marked(self, name: str, mark: str) -> bool:
        """Whether `mark` is ours for this name."""
        given = mark.encode()
        return any(hmac.compare_digest(_mark(key, name).encode(), given) for key in self._marking)


def _mark(key: bytes, name: str) -> str:
    return hmac.digest(key, name.encode(), "sha256").hex()[:32]


def of_call(call: Call, turn: int) -> dict[str, Any]:
    """A call's luggage, as it stands before `turn`."""
    return {"t": turn, "c": CALL.dump_python(call, mode="json", exclude=_LEFT_BEHIND, exclude_defaults=True)}


def of_leg(
    call: Call, turn: int, *, leg_turn: int, silences: int, repeats: int = 0, attempt_id: int | None = None
) -> dict[str, Any]:
    """A technician's leg's luggage: the call that he is rung for, and how far his own has come."""
    # A node of the version before, which may serve the next turn while all are upgraded, knows the attempt by
    # its id alone.
    known = {"call": call.sid, "attempt": attempt_id} if attempt_id is not None else {}
    his = {"leg": leg_turn, "silences": silences, "repeats": repeats}
    return of_call(call, turn) | his | known


def carried(contents: dict[str, Any]) -> Carried | None:
    """The call in this luggage; None if it holds none, or one that we do not understand."""
    try:
        call = CALL.validate_python({"caller": "", **contents["c"]})
        return Carried(call, int(contents["t"]))
    except (KeyError, TypeError, ValueError, ValidationError):
        return None


def of_recording(call_sid: str) -> dict[str, Any]:
    """A recording's luggage: the call it belongs to."""
    return {"call": call_sid}


def of_sound(recording_sid: str) -> dict[str, Any]:
    """A recording that is played to a technician."""
    return {"sound": recording_sid}


def of_outgoing(
    outgoing_id: int, home: str = "", placed: CarriedOutgoing | None = None, turn: int = 0
) -> dict[str, Any]:
    """A call that we placed, with the name of the database that knows it if that is not the house's own; and
    what another needs to go on with it from `turn` on.
    """
    contents: dict[str, Any] = {"out": outgoing_id} | ({"home": home} if home else {})
    if placed is not None:
        contents |= {"t": turn, "p": _PLACED.dump_python(placed, mode="json", exclude_defaults=True)}
    return contents


def carried_outgoing(contents: dict[str, Any]) -> CarriedOutgoing | None:
    """The call that we placed; None if its address does not say. It was made for turn `contents["t"]`."""
    try:
        return _PLACED.validate_python(contents["p"])
    except (KeyError, TypeError, ValueError, ValidationError):
        return None


def of_text(send_id: int, home: str = "") -> dict[str, Any]:
    """A text message that we send: the try that it is, with the name of its database as above."""
    return {"text": send_id} | ({"home": home} if home else {})

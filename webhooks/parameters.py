"""A request's parameters, checked: what may be read of them, and what makes us refuse the request."""

from __future__ import annotations

import re
from collections.abc import Collection

from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, Forbidden

from ivr.vocabulary import Recording

CALL_SID = re.compile(r"CA[0-9a-f]{32}")
RECORDING_SID = re.compile(r"RE[0-9a-f]{32}")
# Twilio's final values of CallStatus.
FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
MOST_PARAMETERS = 100
# Absent at times, and dangerous if they could be hidden: see `refuse_moved_borders`.
# What people wrote or said may hold any word; and what stands before these in the alphabet is not theirs.
FREE_TEXT = frozenset({"CallerName", "SpeechResult"})
OPTIONAL_NAMES = ("Digits", "DialCallStatus", "DialBridged", "ParentCallSid", "RecordingUrl", "RecordingSid")


class Parameters:
    """The form of one signed request. Raises BadRequest or Forbidden for what is not Twilio's way."""

    # What the request is about, and how that is named; what may be missing, what anybody may have written.
    named, sid_form = "CallSid", CALL_SID
    optional: Collection[str] = OPTIONAL_NAMES
    free_text: Collection[str] = FREE_TEXT

    def __init__(self, form: MultiDict[str, str], account_sid: str) -> None:
        pairs = list(form.items(multi=True))
        if len(pairs) > MOST_PARAMETERS:
            raise BadRequest("too many parameters")
        self._form = dict(pairs)
        if len(self._form) < len(pairs):
            raise BadRequest("a parameter stands more than once")
        if self._form.get("AccountSid") != account_sid:
            raise Forbidden
        self.call_sid = self._form.get(self.named, "")
        if not self.sid_form.fullmatch(self.call_sid):
            raise BadRequest(self.named)
        self._refuse_moved_borders()

    def _refuse_moved_borders(self) -> None:
        """The signature covers names and values run together, so `Digits=1` and `Digit=s1` share one.
        A name we would read that is missing, but stands across the border of another pair or inside
        its value, was hidden there.
        """
        # A pair on each line: no name that we would read holds a line's end.
        told = [key + value for key, value in self._form.items() if key not in self.free_text]
        pairs = "\n".join(told)
        for name in self.optional:
            if name in pairs and name not in self._form:
                raise BadRequest(f"{name} is hidden in another parameter")

    @property
    def parent_sid(self) -> str | None:
        """The caller's call, when this is a technician's leg."""
        return self._form.get("ParentCallSid")

    @property
    def is_leg(self) -> bool:
        return "ParentCallSid" in self._form or self._form.get("Direction", "").startswith("outbound")

    @property
    def caller(self) -> str:
        """As it came, shortened; empty when missing. Withheld numbers come as some word or other."""
        came = self._form.get("From", "")
        return (came if came.isprintable() else "".join(c for c in came if c.isprintable()))[:100]

    def number(self, ours: Collection[str]) -> str:
        """Which of our numbers was called. Raises Forbidden for a foreign one."""
        called = self._form.get("To", "")
        if called not in ours:
            raise Forbidden
        return called

    @property
    def gone(self) -> bool:
        return self._form.get("CallStatus") in FINAL

    @property
    def digits(self) -> str | None:
        """The keys as they came; what they mean, and whether they are digits at all, is for the desk."""
        return self._form.get("Digits")

    @property
    def dial_status(self) -> str | None:
        return self._form.get("DialCallStatus")

    @property
    def bridged(self) -> bool:
        return self._form.get("DialBridged", "").lower() == "true"

    @property
    def dial_seconds(self) -> int | None:
        """How long the two talked, if the request says so."""
        text = self._form.get("DialCallDuration")
        return None if text is None else _seconds(text)

    @property
    def status(self) -> str:
        """CallStatus, as far as it is one of the network's words."""
        return "".join(c for c in self._form.get("CallStatus", "") if c.isalpha() or c == "-")[:12]

    @property
    def recording_status(self) -> str:
        return "".join(c for c in self._form.get("RecordingStatus", "") if c.isalpha() or c == "-")[:20]

    def recording(self) -> Recording | None:
        """The recording this request announces, if it does."""
        url = self._form.get("RecordingUrl", "")
        # Older requests name the recording in its address alone.
        sid = self._form.get("RecordingSid") or url.rsplit("/", 1)[-1].split(".", 1)[0]
        if not RECORDING_SID.fullmatch(sid) or not url.startswith("https://") or len(url) > 500:
            return None
        return Recording(sid, url, _seconds(self._form.get("RecordingDuration", "")))


def _seconds(text: str) -> int:
    return min(int(text), 86_400) if re.fullmatch("[0-9]{1,6}", text) else 0

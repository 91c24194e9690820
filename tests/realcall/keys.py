"""What a Gather takes of the keys that are pressed, and what it asks for then. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from console.phone.document import Verb
from console.phone.execution import GATHER_TIMEOUT


@dataclass
class Gathering:
    """Twilio: the finish key or the last of numDigits ends it; without either the time-out does."""

    finish: str
    wanted: int  # 0: as many as come
    timeout: float  # seconds, after the prompt and again after each key
    asks_when_empty: bool
    digits: str = field(default="", repr=False)
    over: bool = False

    @classmethod
    def of(cls, verb: Verb) -> Gathering:
        timeout = verb.get("timeout", str(GATHER_TIMEOUT))
        return cls(
            verb.get("finishOnKey", "#"),
            int(verb.get("numDigits", "0")),
            GATHER_TIMEOUT if timeout == "auto" else int(timeout),
            verb.says_yes("actionOnEmptyResult"),
        )

    def take(self, key: str) -> None:
        """One key was pressed. AssertionError after the end."""
        assert not self.over, "a Gather that is over takes no key"
        if key == self.finish:
            self.over = True
            return
        self.digits += key
        self.over = len(self.digits) == self.wanted

    @property
    def form(self) -> dict[str, str] | None:
        """What its action is asked with; None: Twilio falls through to the next verb."""
        if self.digits:
            return {"Digits": self.digits, "msg": "Gather End"}
        return {"Digits": ""} if self.asks_when_empty else None

"""What a line listens for at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from console.phone.execution import Execution

# A case code has 4 digits and an `#`; whatever is longer may be a PIN.
LONGEST_IN_CLEAR = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """At most `most` keys (0: any number), ended by `finish` if that is a key.

    The prompt was begun at `began` and has been said at `prompt_ends`; silence counts from then to
    `times_out`.
    """

    most: int
    finish: str
    began: datetime
    prompt_ends: datetime
    times_out: datetime

    @property
    def one_key(self) -> bool:
        return self.most == 1

    @property
    def secret(self) -> bool:
        """Whether a PIN may be asked: what is keyed is then not shown."""
        return self.most == 0 or self.most > LONGEST_IN_CLEAR


def asked_on(line: Execution) -> Asked | None:
    """What `line` listens for; None while nobody listens to its keys."""
    # The line keeps this to itself, for its documents; only a person at a keyboard needs to know.
    gathering = line._gathering
    if gathering is None:
        return None
    verb = gathering.verb
    return Asked(
        int(verb.get("numDigits", "0")),
        verb.get("finishOnKey", "#"),
        gathering.began,
        gathering.prompt_ends,
        gathering.times_out,
    )

"""The lines of a `.call` file, each as it is meant; `str()` writes it as it stands in the file."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Act = Literal["does not answer", "is busy", "cannot be reached", "answers", "voicemail answers", "hangs up"]
ACTS: tuple[Act, ...] = ("does not answer", "is busy", "cannot be reached", "answers", "hangs up")

UNKNOWN = "an unknown number"
WITHHELD = "a withheld number"

_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Line:
    """One line. Its number does not count for equality."""

    number: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Comment(Line):
    """A comment or, with no text, an empty line."""

    text: str

    def __str__(self) -> str:
        return f"# {self.text}".rstrip() if self.text else ""


@dataclass(frozen=True, slots=True)
class ClockStands(Line):
    """`at` is naive if it is the service's local time."""

    at: datetime

    def __str__(self) -> str:
        seconds = "seconds" if self.at.second else "minutes"
        return f"@ {self.at.isoformat(sep=' ', timespec=seconds)}"


@dataclass(frozen=True, slots=True)
class TimePasses(Line):
    amount: int
    unit: Literal["s", "m", "h"]

    @property
    def seconds(self) -> int:
        return self.amount * _UNITS[self.unit]

    def __str__(self) -> str:
        return f"@ +{self.amount}{self.unit}"


@dataclass(frozen=True, slots=True)
class Calls(Line):
    who: str
    to: str

    def __str__(self) -> str:
        return f"* {self.who} calls {self.to}"


@dataclass(frozen=True, slots=True)
class Hears(Line):
    """`who` is None for the caller."""

    who: str | None
    fragments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{_prefix(self.who)}< {' … '.join(self.fragments)}"


@dataclass(frozen=True, slots=True)
class Presses(Line):
    who: str | None
    keys: str
    at_once: bool = False

    def __str__(self) -> str:
        return f"{_prefix(self.who)}> {self.keys}{' at once' if self.at_once else ''}"


@dataclass(frozen=True, slots=True)
class PressesPin(Line):
    """`customer` is None for a PIN that nobody has."""

    customer: str | None
    at_once: bool = False

    def __str__(self) -> str:
        pin = f"PIN {self.customer}" if self.customer else "wrong PIN"
        return f"> {pin}{' at once' if self.at_once else ''}"


@dataclass(frozen=True, slots=True)
class PressesCode(Line):
    """The case code that was spoken last, to whomever; then `#`."""

    def __str__(self) -> str:
        return "> the case code"


@dataclass(frozen=True, slots=True)
class PressesDigits(Line):
    """The two digits that were spoken last, as a stranger is asked for them in a flood."""

    def __str__(self) -> str:
        return "> the two digits"


@dataclass(frozen=True, slots=True)
class PressesNumber(Line):
    """Somebody's telephone number, as it is dialled from abroad; then `#`."""

    of: str

    def __str__(self) -> str:
        return f"> the number of {self.of}"


@dataclass(frozen=True, slots=True)
class Waits(Line):
    who: str | None

    def __str__(self) -> str:
        return f"{_prefix(self.who)}> nothing"


@dataclass(frozen=True, slots=True)
class Speaks(Line):
    """`then` is a key, "silence" or "hang up"."""

    seconds: int
    then: str

    def __str__(self) -> str:
        ends = {"hang up": "", "silence": " and is silent"}
        return f"> speaks {self.seconds} s{ends.get(self.then, f' and presses {self.then}')}"


@dataclass(frozen=True, slots=True)
class HangsUp(Line):
    who: str | None

    def __str__(self) -> str:
        return f"{_prefix(self.who)}> hangs up"


@dataclass(frozen=True, slots=True)
class Rings(Line):
    who: str

    def __str__(self) -> str:
        return f"* {self.who}'s phone rings"


@dataclass(frozen=True, slots=True)
class Does(Line):
    who: str
    act: Act

    def __str__(self) -> str:
        return f"* {self.who}{chr(39) + 's' if self.act == 'voicemail answers' else ''} {self.act}"


@dataclass(frozen=True, slots=True)
class Connected(Line):
    who: str
    other: str

    def __str__(self) -> str:
        return f"* {self.who} and {self.other} are connected"


@dataclass(frozen=True, slots=True)
class Talk(Line):
    seconds: int
    ends: Literal["technician", "caller"]

    def __str__(self) -> str:
        whole = self.seconds and self.seconds % 60 == 0
        amount, unit = (self.seconds // 60, "minute") if whole else (self.seconds, "second")
        last = ", then the caller hangs up" if self.ends == "caller" else ""
        return f"* they talk for {amount} {unit}{'' if amount == 1 else 's'}{last}"


@dataclass(frozen=True, slots=True)
class CallEnds(Line):
    def __str__(self) -> str:
        return "* the call ends"


@dataclass(frozen=True, slots=True)
class ErrorReported(Line):
    code: int

    def __str__(self) -> str:
        return f"* error {self.code}"


@dataclass(frozen=True, slots=True)
class WorkerWorks(Line):
    """The worker does what is due; from here on also whenever the clock was moved."""

    def __str__(self) -> str:
        return "* the worker works"


@dataclass(frozen=True, slots=True)
class IsPhoned(Line):
    """The program has called `who`, whose phone rings."""

    who: str

    def __str__(self) -> str:
        return f"* {self.who} is phoned"


@dataclass(frozen=True, slots=True)
class GetsText(Line):
    """The next text message to `who` that no line has named has these fragments in it, in this order."""

    who: str
    fragments: tuple[str, ...]

    def __str__(self) -> str:
        return f'* {self.who} gets a text "{" … ".join(self.fragments)}"'


@dataclass(frozen=True, slots=True)
class SendsText(Line):
    """`CODE` in the text stands for the case code that was told last."""

    who: str
    text: str

    def __str__(self) -> str:
        return f'{self.who} texts "{self.text}"'


@dataclass(frozen=True, slots=True)
class Reads(Line):
    """What `who` is answered to the text message he sent."""

    who: str
    fragments: tuple[str, ...]

    def __str__(self) -> str:
        return f'{self.who} reads "{" … ".join(self.fragments)}"'


@dataclass(frozen=True, slots=True)
class NoPhoneRings(Line):
    def __str__(self) -> str:
        return "* no phone rings"


@dataclass(frozen=True, slots=True)
class NobodyTold(Line):
    """No call was placed and no text sent since the last line that did something."""

    def __str__(self) -> str:
        return "* nobody is told"


@dataclass(frozen=True, slots=True)
class Fact(Line):
    text: str

    def __str__(self) -> str:
        return f"* {self.text}"


def written(lines: Iterable[Line]) -> str:
    """The lines as the text of a file; `parse` gives equal lines back."""
    return "".join(f"{line}\n" for line in lines)


def _prefix(who: str | None) -> str:
    return f"{who} " if who else ""

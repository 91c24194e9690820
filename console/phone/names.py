"""Who is who in a conversation: names for people, numbers and PINs."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from console.phone.script import UNKNOWN, WITHHELD

WRONG_PIN_LENGTH = 8  # when the cast has no PIN to take the length from


@dataclass(frozen=True)
class Cast:
    """Who is who. Neither `repr` nor any error shows a PIN.

    people: name → number or SIP address; numbers: name → the number called, E.164;
    pins: customer's name → digits; zone: the service's time zone;
    unknown: a number that is on nobody's file; withheld: what Twilio sends for a hidden one.
    """

    people: Mapping[str, str]
    numbers: Mapping[str, str]
    zone: tzinfo
    pins: Mapping[str, str] = field(default_factory=dict, repr=False)
    unknown: str = "+390471999990"
    withheld: str = "anonymous"

    def phone(self, who: str) -> str:
        """The number of a person, of E.164 itself, or of the two kinds of stranger. LookupError otherwise."""
        if who in (UNKNOWN, WITHHELD):
            return self.unknown if who == UNKNOWN else self.withheld
        return who if who.startswith("+") else _found(self.people, who, "person")

    def number(self, to: str) -> str:
        """The number that is called, by its name or by itself. LookupError otherwise."""
        return to if to.startswith("+") else _found(self.numbers, to, "number of ours")

    def pin(self, customer: str) -> str:
        """The digits. LookupError for a customer without one."""
        return _found(self.pins, customer, "PIN")

    def wrong_pin(self, which: int) -> str:
        """The `which`-th of a row of PINs that nobody in the cast has, as long as the longest of theirs."""
        length = max(map(len, self.pins.values()), default=WRONG_PIN_LENGTH)
        taken = set(self.pins.values())
        return [pin for pin, _ in zip(_made_up(length, taken), range(which + 1), strict=False)][which]

    def name_of(self, phone: str) -> str:
        """The name that a `.call` file uses for a phone: the number itself if nobody has it."""
        if phone in (self.unknown, self.withheld):
            return UNKNOWN if phone == self.unknown else WITHHELD
        return next((name for name, number in self.people.items() if number == phone), phone)

    def name_of_number(self, number: str) -> str:
        return next((name for name, ours in self.numbers.items() if ours == number), number)


def _found(names: Mapping[str, str], name: str, kind: str) -> str:
    try:
        return names[name]
    except KeyError:
        raise LookupError(f"the cast has no {kind} called {name}") from None


def _made_up(length: int, taken: set[str]) -> Iterator[str]:
    number = 0
    while True:
        digest = hashlib.sha256(f"a PIN that nobody has, number {number}".encode()).digest()
        pin = str(int.from_bytes(digest))[-length:]
        if pin not in taken:
            yield pin
        number += 1

"""What the pages of PINs share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from console import issuing
from console.issuing import KeysUnfit, NotThisPin, PinIsDead
from console.web.area import Area
from console.web.context import at, house, words
from pins import registry
from pins.customers import RegistryRefusal, UnknownCustomer, clean
from pins.letters import LetterRefused

area = Area("pins")
Answer = AnyResponse | str | tuple[str, int]

LONGEST_REASON = 500
# What a page says of a refusal, by its kind.
_REFUSALS: dict[type[Exception], str] = {
    registry.PinRevokedAlready: "revoked",
    registry.PinReplacedAlready: "replaced",
    registry.PinHasEnded: "ended",
    registry.TooManyOfThisLength: "length",
    registry.LabelTooLong: "label",
    KeysUnfit: "keys",
    LetterRefused: "letter",
    NotThisPin: "not-this",
    PinIsDead: "dead",
}


def today() -> date:
    return issuing.today(house().configuration, at())


def opened() -> date:
    """The day on which the office last opened."""
    return issuing.last_opening(house().configuration, at())


def refusal(refused: RegistryRefusal | KeysUnfit | LetterRefused) -> str:
    """What was refused, in words. Raises NotFound if it is about somebody or something that is not there."""
    if isinstance(refused, registry.UnknownPin | UnknownCustomer):
        raise NotFound
    for kind, name in _REFUSALS.items():
        if isinstance(refused, kind):
            return words()(f"pins.refused-{name}", most=registry.LONGEST_LABEL)
    return words()("pins.refused-other")


def reason_of(given: Mapping[str, str]) -> str:
    """Why, as a form says it."""
    return clean(given.get("reason", ""))[:LONGEST_REASON]


def day_of(text: str) -> date | None:
    """The day of a date field; None if it is empty. Raises ValueError."""
    return date.fromisoformat(text) if text else None

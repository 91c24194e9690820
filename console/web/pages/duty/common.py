"""What a technician's pages share: as whom he acts, and how refusals are said.

Whoever is on the rota acts here as the technician he is, whatever his role elsewhere: for himself alone.
"""

from __future__ import annotations

from console.web.area import Area
from console.web.context import user, words
from console.web.instants import Typed
from oncall.people import RosterRefusal

area = Area("duty")


def own() -> str:
    """His key. Only for pages that need May.DUTY, which nobody has without one."""
    key = user().technician
    assert key is not None
    return key


def actor() -> str:
    """As whom he acts here."""
    return f"technician:{own()} via console"


def refusal(error: RosterRefusal) -> str:
    """In words of his language, by the reason's name."""
    return words().maybe(f"duty.refused-{error.why}", words()("duty.refused-other"))


def wrong_instant(typed: Typed) -> str:
    """What is wrong with an instant that was typed, "" if nothing is."""
    return words()(f"duty.instant-{typed.wrong}") if typed.wrong else ""

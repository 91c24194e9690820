"""Gathering while the database is away: what is decided otherwise then."""

from __future__ import annotations

import hashlib
import random

from ivr.gathering import Gathering, Moment
from ivr.rules import Rules
from ivr.standby import standby
from ivr.vocabulary import LadderPlace

# Two nodes that cannot tell each other may each spend half of the budget of wrong PINs.
SHARE = 2
# Whoever stands behind `ringing.duty_phone`: nobody of the rota.
DUTY_PHONE = "duty-phone"


class StandbyGathering(Gathering):
    """Gathers from the spare. `nodes` serve calls in all."""

    _share = SHARE

    def __init__(self, rules: Rules, source: random.Random, nodes: int) -> None:
        super().__init__(rules, source)
        self._wake_ups_share = nodes

    def _blind(self, here: Moment) -> bool:
        return not standby.standing(here.connection).trusted(here.at)

    def _number(self, here: Moment) -> str:
        """One that no node gives to another call, and the database to none: those count from 1."""
        year = here.at.astimezone(self._rules.zone).year
        drawn = int.from_bytes(hashlib.sha256(here.call.sid.encode()).digest()[:6], "big")
        return f"{year}-9{drawn % 10_000_000:07d}"

    def _ladder(self, here: Moment, *, first: str | None = None) -> tuple[LadderPlace, ...]:
        found = super()._ladder(here, first=first)
        ringing = self._rules.ringing
        if found or not ringing.duty_phone:
            return found
        phone, name = ringing.duty_phone, DUTY_PHONE
        return (LadderPlace(1, DUTY_PHONE, name, name, phone, ringing.rings),)

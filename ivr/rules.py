"""What the desk goes by: built once from the configuration, then frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from ivr.hours import Hours
from ivr.settings import FloodSettings, NumberSettings, UrgencySettings
from oncall.settings import RingingSettings, TollSettings


@dataclass(frozen=True)
class OurNumber:
    """One of our numbers, ready to serve."""

    settings: NumberSettings
    hours: Hours


@dataclass(frozen=True)
class Rules:
    """`numbers` by E.164; `languages` are those we speak."""

    zone: ZoneInfo
    numbers: Mapping[str, OurNumber]
    languages: tuple[str, ...]
    urgency: UrgencySettings
    ringing: RingingSettings
    # Whether callers without a PIN are heard by a technician, who decides.
    screen_without_pin: bool = False
    flood: FloodSettings = field(default_factory=FloodSettings)
    toll: TollSettings = field(default_factory=TollSettings)

    def languages_of(self, number: str) -> tuple[str, ...]:
        """The number's own language first, then the others."""
        own = self.numbers[number].settings.language
        return (own, *(each for each in self.languages if each != own))

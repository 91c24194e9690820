"""What every check is given: the house, the instant, what it looks with. Looking changes nothing."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from console.house import Clock, House, system_clock
from console.settings import Configuration
from webhooks.rest.account import AccountFacts, HostedNumber, RestAccount
from webhooks.rest.dated import Dated


@dataclass(frozen=True)
class Tools:
    """`room` tells of a folder's file system; `trust` whose certificates are believed at the public address,
    None: the system's authorities.
    """

    clock: Clock = system_clock
    room: Callable[[Path], os.statvfs_result] = os.statvfs
    trust: ssl.SSLContext | None = None


@dataclass
class Look:
    """One examination of a house at an instant. What was asked of Twilio is remembered for its length; asking
    raises ChannelFailed.
    """

    house: House
    at: datetime
    tools: Tools = field(default_factory=Tools)

    @property
    def configuration(self) -> Configuration:
        return self.house.configuration

    @property
    def zone(self) -> ZoneInfo:
        return self.configuration.zone

    @property
    def state(self) -> Path:
        return self.configuration.folder / self.configuration.service.state

    @cached_property
    def account(self) -> RestAccount:
        return RestAccount(self.configuration.twilio, self._dated)

    @cached_property
    def _dated(self) -> Dated:
        return Dated(self.tools.clock)

    @property
    def ahead_of_twilio(self) -> timedelta | None:
        """How far our clock is ahead of Twilio's; None before anything was asked."""
        return self._dated.ahead

    @cached_property
    def facts(self) -> AccountFacts:
        return self.account.facts()

    @cached_property
    def hosted(self) -> list[HostedNumber]:
        return self.account.numbers()

    @cached_property
    def verified(self) -> list[str]:
        return self.account.verified_callers()
